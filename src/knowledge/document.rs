//! A file of the content directory as the document that is stored.

use dovvybuddy_core::store::{Document, NewPassage};
use serde_json::{Map, Value};

use crate::asked;
use crate::chunk::{self, CHUNKING_VERSION};
use crate::digest::sha256_hex;
use crate::doc_type;
use crate::front_matter::{self, FrontMatter, FrontMatterError};

/// The digest that tells whether a file, or the way it is cut, changed.
pub(crate) fn document_hash(bytes: &[u8]) -> String {
    sha256_hex(&[CHUNKING_VERSION.as_bytes(), bytes])
}

/// Reads a file's text. Also returns what was inferred, as warnings.
pub(crate) fn read(path: &str, text: &str) -> Result<(Document, Vec<String>), FrontMatterError> {
    let parsed = front_matter::parse(path, text)?;
    let mut front = parsed.front;
    let chunks = chunk::chunks(&front.title, parsed.body);
    // Only the search needs the wordings: the tables of places are filled without them.
    let destination = doc_type::matches(&front.doc_type, "destination").then(|| destination(path, &front));
    let dive_site = doc_type::matches(&front.doc_type, "dive_site").then(|| dive_site(path, &front));
    asked::keep(&mut front.raw, chunks.iter().map(|chunk| (chunk.section.as_str(), chunk.asked.as_slice())));
    let passages: Vec<NewPassage> = chunks
        .into_iter()
        .map(|chunk| NewPassage { hash: chunk.hash(&front.title), section: chunk.section, text: chunk.text })
        .collect();
    let mut warnings = parsed.warnings;
    if passages.is_empty() {
        warnings.push("no words under the headings: nothing to find".to_owned());
    }
    let document = Document {
        root: String::new(),
        path: path.to_owned(),
        hash: document_hash(text.as_bytes()),
        passages,
        destination,
        dive_site,
        title: front.title,
        doc_type: front.doc_type,
        front_matter: front.raw,
    };
    Ok((document, warnings))
}

fn destination(path: &str, front: &FrontMatter) -> Value {
    let mut row = with_path(path, front);
    let id = front_matter::text_of(&row, "destination_id").unwrap_or_else(|| folder_or_stem(path));
    row.insert("destination_id".to_owned(), Value::String(id));
    Value::Object(row)
}

fn dive_site(path: &str, front: &FrontMatter) -> Value {
    let mut row = with_path(path, front);
    let id = front_matter::text_of(&row, "site_id").unwrap_or_else(|| stem(path).to_owned());
    row.insert("site_id".to_owned(), Value::String(id));
    if front_matter::text_of(&row, "destination").is_none()
        && let Some(folder) = folder(path)
    {
        row.insert("destination".to_owned(), Value::String(folder.to_owned()));
    }
    Value::Object(row)
}

fn with_path(path: &str, front: &FrontMatter) -> Map<String, Value> {
    let mut row = front.raw.clone();
    row.insert("path".to_owned(), Value::String(path.to_owned()));
    row
}

fn stem(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path).trim_end_matches(".md")
}

fn folder(path: &str) -> Option<&str> {
    path.rsplit('/').nth(1)
}

fn folder_or_stem(path: &str) -> String {
    let file = stem(path);
    let name = if doc_type::is_overview(file) { folder(path).unwrap_or(file) } else { file };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dive_site_fills_its_table_and_learns_its_place_from_its_folder() {
        let text = "---\ndoc_type: dive_site\ntitle: Batu Bolong\ndepth_range_m: [5, 30]\n---\n\n# Batu Bolong\n\n## Depth\nIt goes to 30 m.\n";
        let (document, warnings) = read("destinations/komodo/batu-bolong.md", text).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let site = document.dive_site.unwrap();
        assert_eq!((&site["site_id"], &site["destination"]), (&"batu-bolong".into(), &"komodo".into()));
        assert_eq!(site["depth_range_m"][1], 30);
        assert_eq!(document.passages.len(), 1);
        assert!(document.destination.is_none());
    }

    #[test]
    fn an_overview_is_named_by_its_folder() {
        let (document, _) = read("destinations/komodo/overview.md", "# Komodo\n\nDragons.\n").unwrap();
        assert_eq!(document.destination.unwrap()["destination_id"], "komodo");
    }
}
