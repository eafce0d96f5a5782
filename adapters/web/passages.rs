//! `GET /api/passages`: the words a citation points at.

use axum::Json;
use axum::extract::{RawQuery, State};
use dovvybuddy_core::knowledge::{Passage, Retriever};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorBody};
use crate::state::App;

/// The longest source or section that is looked for, in bytes.
const LONGEST: usize = 1024;

/// What stands under one heading of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PassageBody {
    /// The document's path inside the content.
    #[schema(example = "certifications/padi/open-water.md")]
    pub(crate) source: String,
    /// The document's title.
    pub(crate) title: String,
    /// The heading; empty before the first.
    pub(crate) section: String,
    /// Who published what the document rests on; empty if unknown.
    pub(crate) publisher: String,
    /// When it was last revised, as a date; empty if unknown.
    pub(crate) updated: String,
    /// The words, in the same safe subset of Markdown as replies.
    pub(crate) text: String,
}

/// Read the passage a citation points at.
#[utoipa::path(get, path = "/api/passages", tag = "page",
    params(("source" = String, Query, description = "The citation's `source`"),
        ("section" = Option<String>, Query, description = "The citation's `section`; left out before the first heading")),
    responses(
        (status = 200, description = "The passage", body = PassageBody),
        (status = 404, description = "No such passage, or the content has changed", body = ErrorBody),
        (status = 422, description = "Parameters that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody)))]
pub(crate) async fn passages(
    State(state): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Json<PassageBody>, ApiError> {
    let query = query.unwrap_or_default();
    let source = parameter(&query, "source").filter(|source| !source.is_empty());
    let source = source.ok_or_else(|| ApiError::field("source", "is required"))?;
    let section = parameter(&query, "section").unwrap_or_default();
    for (name, value) in [("source", &source), ("section", &section)] {
        if value.len() > LONGEST {
            return Err(ApiError::field(name, format!("must be at most {LONGEST} bytes long")));
        }
    }
    let found = cited(&*state.retriever, &source, &section);
    let text = text(&found);
    let first = found.into_iter().next().ok_or(ApiError::PassageNotFound)?;
    let Passage { source, title, section, publisher, updated, .. } = first;
    Ok(Json(PassageBody { source, title, section, publisher, updated, text }))
}

/// What stands under a citation's section. A reply cites each document once, and names the headings it
/// used of it one after the other.
fn cited(retriever: &dyn Retriever, source: &str, section: &str) -> Vec<Passage> {
    let whole = retriever.section(source, section);
    if !whole.is_empty() {
        return whole;
    }
    section.split("; ").flat_map(|heading| retriever.section(source, heading)).collect()
}

/// The passages as one text; where they stand under several headings, each heading is shown.
fn text(passages: &[Passage]) -> String {
    let several = passages.iter().zip(passages.iter().skip(1)).any(|(one, next)| one.section != next.section);
    let mut text = String::new();
    let mut heading = None;
    for passage in passages {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        if several && heading != Some(&passage.section) && !passage.section.is_empty() {
            text.extend(["### ", &passage.section, "\n\n"]);
        }
        heading = Some(&passage.section);
        text.push_str(&passage.text);
    }
    text
}

/// The first value of a query's parameter.
pub(crate) fn parameter(query: &str, wanted: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(name, value)| (name == wanted).then(|| value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_shown_where_there_are_several() {
        let passage =
            |section: &str, text: &str| Passage { section: section.into(), text: text.into(), ..Passage::default() };
        assert_eq!(text(&[passage("Depth", "18 m."), passage("Depth", "60 ft.")]), "18 m.\n\n60 ft.");
        let several = [passage("Depth", "18 m."), passage("Depth", "60 ft."), passage("Time", "An hour.")];
        assert_eq!(text(&several), "### Depth\n\n18 m.\n\n60 ft.\n\n### Time\n\nAn hour.");
    }
}
