//! The HTTP interface for divers, as existing front ends know it: names, status codes, event shapes.

mod browsers;
mod chat;
mod idempotency;
mod limits;
mod requests;
mod sessions;
mod streaming;
mod websocket;

use reqwest::Response;
use serde_json::Value;

/// A question that the slice of the corpus answers.
const DEPTH: &str = "How deep can a PADI Open Water Diver go?";

/// Whether this is a lower-case `UUIDv4`.
fn is_uuid_v4(text: &str) -> bool {
    regex::Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$").unwrap().is_match(text)
}

/// Whether this is RFC 3339 in UTC.
fn is_utc_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok() && text.ends_with('Z'))
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> =
        value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Checks an error's shape, and that it shows nothing of the inside; gives its code and fields.
fn error_of(body: &str) -> (String, Vec<String>) {
    let error: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e} in an error: {body}"));
    for key in keys(&error) {
        assert!(["error", "code", "details", "id"].contains(&key), "{key} in {body}");
    }
    assert!(error["error"].as_str().is_some_and(|sentence| sentence.contains(' ')), "{body}");
    let inside = [
        "sqlx", "sqlite", "SELECT", "INSERT", "serde", "axum", "tokio", "panicked", ".rs", "src/", "/tmp", " column ",
        "at line",
    ];
    for word in inside {
        assert!(!body.contains(word), "the inside shows ({word}): {body}");
    }
    let details = error["details"].as_array().cloned().unwrap_or_default();
    let fields = details.iter().map(|detail| {
        assert_eq!(keys(detail), ["field", "message"], "{body}");
        detail["field"].as_str().unwrap().to_owned()
    });
    (error["code"].as_str().unwrap().to_owned(), fields.collect())
}
