//! Front matter: the YAML block before a document's words.
//!
//! Reading is lenient, because trees written for other programs go in as they are: what is missing is
//! inferred, what has another form is understood where it can be, and each such step leaves a warning.
//! Only YAML that can't be parsed is an error. [`crate::check`] is the strict reader.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::doc_type;

/// What a document says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FrontMatter {
    /// The type, normalised; never empty.
    pub doc_type: String,
    /// The title; never empty.
    pub title: String,
    /// What the document answers, in a sentence.
    pub description: String,
    /// Labels.
    pub tags: Vec<String>,
    /// Words divers would type.
    pub keywords: Vec<String>,
    /// The last revision as `2026-05-01`; empty if unknown.
    pub last_updated: String,
    /// How far the content was checked.
    pub data_quality: Option<DataQuality>,
    /// What the document rests on.
    pub sources: Vec<Source>,
    /// The whole block, completed by what was inferred.
    pub raw: Map<String, Value>,
}

impl FrontMatter {
    /// Who published what the document rests on: the first source's publisher.
    pub fn publisher(&self) -> &str {
        self.sources.first().map_or("", |source| source.publisher.as_str())
    }
}

/// How far a document's facts were checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataQuality {
    /// Checked against its sources by a person who knows.
    Verified,
    /// Put together from published standards.
    Compiled,
    /// Divers' reports.
    Anecdotal,
    /// Unfinished.
    Draft,
}

impl DataQuality {
    /// The four words.
    pub const WORDS: [&str; 4] = ["verified", "compiled", "anecdotal", "draft"];

    /// The quality of that name.
    pub fn from_word(word: &str) -> Option<Self> {
        match word.trim().to_lowercase().as_str() {
            "verified" => Some(Self::Verified),
            "compiled" => Some(Self::Compiled),
            "anecdotal" => Some(Self::Anecdotal),
            "draft" => Some(Self::Draft),
            _ => None,
        }
    }
}

/// A source a document rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its title.
    pub title: String,
    /// Who published it; empty if unknown.
    pub publisher: String,
    /// When, if known.
    pub year: Option<i64>,
    /// Where it can be read, if anywhere.
    pub url: Option<String>,
}

/// A document taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<'a> {
    /// What it says of itself.
    pub front: FrontMatter,
    /// The Markdown after the block.
    pub body: &'a str,
    /// The line of the file on which `body` begins, from 1.
    pub body_line: usize,
    /// What was inferred or understood with good will.
    pub warnings: Vec<String>,
}

/// The block can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct FrontMatterError {
    /// The line of the file, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// The block and the rest, before any YAML is read. `None` when the file has no block.
pub(crate) fn split(text: &str) -> Result<(Option<&str>, &str, usize), FrontMatterError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some(first) = text.split_inclusive('\n').next().filter(|line| line.trim_end() == "---") else {
        return Ok((None, text, 1));
    };
    let mut offset = first.len();
    for (number, line) in text.get(offset..).unwrap_or("").split_inclusive('\n').enumerate() {
        if matches!(line.trim_end(), "---" | "...") {
            let block = text.get(first.len()..offset).unwrap_or("");
            return Ok((Some(block), text.get(offset + line.len()..).unwrap_or(""), number + 3));
        }
        offset += line.len();
    }
    Err(FrontMatterError { line: 1, message: "the front matter is never closed by a line `---`".to_owned() })
}

/// Reads the YAML of a block that begins on line 2 of its file.
pub(crate) fn read_yaml(block: &str) -> Result<Map<String, Value>, FrontMatterError> {
    if block.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_saphyr::from_str::<Value>(block) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(FrontMatterError { line: 2, message: "the front matter must be `key: value` lines".to_owned() }),
        Err(error) => {
            let line = error.location().map_or(1, |at| usize::try_from(at.line()).unwrap_or(1));
            let message = error.without_snippet().to_string();
            let message = message.lines().next().unwrap_or("the YAML can't be read").to_owned();
            Err(FrontMatterError { line: line + 1, message })
        }
    }
}

/// Takes a document apart and completes what it does not say from its path and first heading.
pub fn parse<'a>(path: &str, text: &'a str) -> Result<Parsed<'a>, FrontMatterError> {
    let (block, body, body_line) = split(text)?;
    let mut warnings = Vec::new();
    let raw = if let Some(block) = block {
        read_yaml(block)?
    } else {
        warnings.push("no front matter: type and title are inferred from path and heading".to_owned());
        Map::new()
    };
    let front = understand(path, body, raw, &mut warnings);
    Ok(Parsed { front, body, body_line, warnings })
}

fn understand(path: &str, body: &str, mut raw: Map<String, Value>, warnings: &mut Vec<String>) -> FrontMatter {
    let doc_type = document_type(path, &raw, warnings);
    let title = text_of(&raw, "title").unwrap_or_else(|| {
        if !raw.is_empty() {
            warnings.push("no title: the first heading or the file name stands in".to_owned());
        }
        first_heading(body).unwrap_or_else(|| title_from_path(path))
    });
    let data_quality = text_of(&raw, "data_quality").and_then(|word| {
        let known = DataQuality::from_word(&word);
        if known.is_none() {
            warnings.push(format!("unknown data_quality `{word}`"));
        }
        known
    });
    raw.insert("doc_type".to_owned(), Value::String(doc_type.clone()));
    raw.insert("title".to_owned(), Value::String(title.clone()));
    FrontMatter {
        doc_type,
        title,
        description: text_of(&raw, "description").unwrap_or_default(),
        tags: list_of(&raw, "tags"),
        keywords: list_of(&raw, "keywords"),
        last_updated: text_of(&raw, "last_updated").and_then(|date| calendar_day(&date)).unwrap_or_default(),
        data_quality,
        sources: sources_of(&raw),
        raw,
    }
}

fn document_type(path: &str, raw: &Map<String, Value>, warnings: &mut Vec<String>) -> String {
    if let Some(given) = text_of(raw, "doc_type") {
        let given = doc_type::normalise(&given);
        if doc_type::known(&given).is_none() {
            warnings.push(format!("unknown doc_type `{given}`: no agent asks for it by name"));
        }
        return given;
    }
    let inferred = doc_type::infer(path).unwrap_or("general");
    if !raw.is_empty() {
        warnings.push(format!("no doc_type: `{inferred}` is inferred from the path"));
    }
    inferred.to_owned()
}

/// A scalar as text; `None` when it is absent, empty or no scalar.
pub(crate) fn text_of(map: &Map<String, Value>, key: &str) -> Option<String> {
    scalar(map.get(key)?).filter(|text| !text.is_empty())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A list of texts; a single text is split at its commas.
pub(crate) fn list_of(map: &Map<String, Value>, key: &str) -> Vec<String> {
    match map.get(key) {
        Some(Value::Array(items)) => items.iter().filter_map(scalar).filter(|item| !item.is_empty()).collect(),
        Some(Value::String(text)) => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// The first source's publisher in a stored front matter; empty if there is none.
pub(crate) fn publisher_of(raw: &Map<String, Value>) -> String {
    sources_of(raw).into_iter().next().map(|source| source.publisher).unwrap_or_default()
}

fn sources_of(raw: &Map<String, Value>) -> Vec<Source> {
    match raw.get("sources").or_else(|| raw.get("source")) {
        Some(Value::Array(items)) => items.iter().filter_map(source).collect(),
        Some(single) => source(single).into_iter().collect(),
        None => Vec::new(),
    }
}

fn source(value: &Value) -> Option<Source> {
    match value {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) if text.starts_with("http") => {
            let host = url::Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned));
            let publisher = host.map(|host| host.trim_start_matches("www.").to_owned()).unwrap_or_default();
            Some(Source { title: text.clone(), publisher, year: None, url: Some(text.clone()) })
        }
        Value::String(text) => {
            Some(Source { title: text.trim().to_owned(), publisher: text.trim().to_owned(), ..Source::default() })
        }
        Value::Object(map) => Some(Source {
            title: text_of(map, "title").or_else(|| text_of(map, "name")).unwrap_or_default(),
            publisher: text_of(map, "publisher").or_else(|| text_of(map, "organization")).unwrap_or_default(),
            year: map.get("year").and_then(Value::as_i64),
            url: text_of(map, "url"),
        }),
        _ => None,
    }
}

/// `2026-05-01` out of a date or a date with a time; `None` when it is no calendar day.
pub(crate) fn calendar_day(text: &str) -> Option<String> {
    let day = text.trim().get(..10)?;
    if !day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return None;
    }
    let mut parts = day.split('-');
    let (year, month, date) = (parts.next()?, parts.next()?, parts.next()?);
    if year.len() != 4 || month.len() != 2 || date.len() != 2 || parts.next().is_some() {
        return None;
    }
    let (year, month, date) = (year.parse::<u32>().ok()?, month.parse::<u32>().ok()?, date.parse::<u32>().ok()?);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    (1..=days).contains(&date).then(|| day.to_owned())
}

fn first_heading(body: &str) -> Option<String> {
    let line = body.lines().find(|line| line.starts_with('#'))?;
    let heading = line.trim_start_matches('#').trim().trim_end_matches('#').trim();
    (!heading.is_empty()).then(|| heading.to_owned())
}

/// A title out of the file's name, or of its folder's when the file is the overview.
fn title_from_path(path: &str) -> String {
    let mut parts = path.rsplit('/');
    let file = parts.next().unwrap_or(path);
    let name = if doc_type::is_overview(file) { parts.next().unwrap_or(file) } else { file };
    let words = name.trim_end_matches(".md").split(['-', '_', ' ']).filter(|word| !word.is_empty());
    let words: Vec<String> = words
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        })
        .collect();
    if words.is_empty() { path.to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DOCUMENT: &str = "---\ndoc_type: certification_limits\ntitle: \"PADI Open Water Diver\"\ntags: [padi, entry]\nkeywords: owd, how deep\nlast_updated: 2026-11-01\ndata_quality: compiled\nsources:\n  - title: \"Standards\"\n    publisher: \"PADI\"\n    year: 2025\n  - \"DAN\"\n---\n\n# PADI Open Water Diver\n\nText.\n";

    #[test]
    fn a_complete_block_is_read_without_a_warning() {
        let parsed = parse("certifications/padi/open-water.md", DOCUMENT).unwrap();
        assert!(parsed.warnings.is_empty(), "{:?}", parsed.warnings);
        assert_eq!(parsed.front.doc_type, "certification_limits");
        assert_eq!(parsed.front.keywords, ["owd", "how deep"]);
        assert_eq!(parsed.front.last_updated, "2026-11-01");
        assert_eq!(parsed.front.publisher(), "PADI");
        assert_eq!(parsed.front.sources[1].title, "DAN");
        assert_eq!(parsed.body_line, 14);
        assert!(parsed.body.starts_with("\n# PADI"));
    }

    #[test]
    fn a_document_without_a_block_is_understood_from_path_and_heading() {
        let parsed = parse("destinations/koh-tao/sail-rock.md", "# Sail Rock\n\nA pinnacle.\n").unwrap();
        assert_eq!((parsed.front.doc_type.as_str(), parsed.front.title.as_str()), ("dive_site", "Sail Rock"));
        assert_eq!(parsed.warnings.len(), 1);
        let bare = parse("safety/no-fly_time.md", "Words.").unwrap();
        assert_eq!(bare.front.title, "No Fly Time");
    }

    #[test]
    fn broken_yaml_names_its_line() {
        let error = parse("a.md", "---\ntitle: ok\ntags: [a, b\n---\nText").unwrap_err();
        assert!(error.line >= 3, "{error}");
        let open = parse("a.md", "---\ntitle: ok\n").unwrap_err();
        assert!(open.message.contains("never closed"));
    }

    #[test]
    fn only_real_days_are_dates() {
        assert_eq!(calendar_day("2026-02-28T10:00:00Z").as_deref(), Some("2026-02-28"));
        assert_eq!(calendar_day("2026-02-29"), None);
        assert_eq!(calendar_day("May 2026"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "(---\n)?[ -~\n\u{e9}\u{4e2d}:\\[\\]-]{0,200}(\n---\n)?.*") {
            if let Ok(parsed) = parse("x/y.md", &text) {
                prop_assert!(!parsed.front.title.is_empty());
                prop_assert!(text.ends_with(parsed.body));
            }
        }
    }
}
