//! Idempotency keys: a client names its request, so that a repeat finds the same turn.

use std::net::IpAddr;

use axum::http::HeaderMap;
use dovvybuddy_core::SessionId;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::error::ApiError;
use crate::request::ChatRequest;

/// The longest key.
const LONGEST: usize = 255;

/// The key in the request's headers, if there is one.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| is_key(text));
    text.map(|text| Some(text.to_owned())).ok_or_else(|| wrong_key("Idempotency-Key"))
}

/// Whether a text can be a key.
pub(crate) fn is_key(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic() || c == ' ')
}

pub(crate) fn wrong_key(field: &str) -> ApiError {
    ApiError::field(field, format!("must be 1 to {LONGEST} printable ASCII characters"))
}

/// What a key is unique within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The session the client named.
    Session(SessionId),
    /// The client, by its address. Its cookie can't be part of it: the first answer sets one, and the
    /// repeat that is sent when that answer broke off brings it along.
    Client(IpAddr),
}

/// The event's id for a key within its scope.
pub(crate) fn event_id(scope: Scope, key: &str) -> String {
    let scope = match scope {
        Scope::Session(session) => format!("session\n{session}\n"),
        Scope::Client(ip) => format!("client\n{ip}\n"),
    };
    digest(format!("{scope}{key}").as_bytes())
}

/// A digest of what is asked, whatever the order and spelling of the request's fields.
pub(crate) fn fingerprint(request: &ChatRequest) -> String {
    let mut canonical = String::new();
    write(&mut canonical, &Value::from(request.message.as_str()));
    for object in [&request.diver_profile, &request.session_state] {
        canonical.push('\n');
        if let Some(fields) = object {
            write(&mut canonical, &Value::Object(fields.clone()));
        }
    }
    digest(canonical.as_bytes())
}

/// Writes JSON with its fields in order.
fn write(out: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (name, value) in sorted {
                write(out, &Value::from(name.as_str()));
                out.push(':');
                write(out, value);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write(out, item);
                out.push(',');
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a String can't fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> ChatRequest {
        ChatRequest::read(crate::body::parse(json.as_bytes()).unwrap()).unwrap()
    }

    fn session(n: u8) -> SessionId {
        SessionId::parse(&format!("6f9619ff-8b86-4d01-b42d-00cf4fc964{n:02x}")).unwrap()
    }

    #[test]
    fn order_and_spelling_of_fields_do_not_matter() {
        let one = request(r#"{"message":"hi","diverProfile":{"a":1,"b":{"c":2,"d":3}}}"#);
        let two = request(r#"{"diver_profile":{"b":{"d":3,"c":2},"a":1},"message":" hi ","new":true}"#);
        let other = request(r#"{"message":"hi","diverProfile":{"a":1}}"#);
        assert_eq!(fingerprint(&one), fingerprint(&two));
        assert_ne!(fingerprint(&one), fingerprint(&other));
    }

    #[test]
    fn a_key_means_something_else_for_another_client() {
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let ids = [
            event_id(Scope::Client(here), "1"),
            event_id(Scope::Client(there), "1"),
            event_id(Scope::Session(session(1)), "1"),
            event_id(Scope::Session(session(1)), "2"),
        ];
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }

    #[test]
    fn keys_are_printable_and_bounded() {
        assert!(is_key("a") && is_key(&"k".repeat(255)));
        assert!(!is_key("") && !is_key(&"k".repeat(256)) && !is_key("a\u{7f}") && !is_key("é"));
    }
}
