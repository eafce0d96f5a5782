//! Reading a request's JSON body: type, size and time are bounded, whatever the client declares.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::Value;

use crate::error::ApiError;
use crate::form::Form;
use crate::state::App;

/// The longest body.
const LONGEST: usize = 64 * 1024;
/// How much of a body that is too long is read, so that its sender can finish and read the answer.
const DRAINED: usize = 1024 * 1024;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// A JSON object from the body.
pub(crate) struct JsonObject(pub(crate) Form);

impl FromRequest<App> for JsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        json_object(app.config.body_within, &parts.headers, body).await.map(Self)
    }
}

/// A JSON object from a body that arrives in time.
pub(crate) async fn json_object(within: Duration, headers: &HeaderMap, body: Body) -> Result<Form, ApiError> {
    let bytes = read(within, headers, body).await?;
    if !is_json(headers) {
        return Err(ApiError::UnsupportedMediaType);
    }
    parse(&bytes)
}

/// A JSON object from the body, or nothing where the body is empty.
pub(crate) struct MaybeJsonObject(pub(crate) Form);

impl FromRequest<App> for MaybeJsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read(app.config.body_within, &parts.headers, body).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(Form::default()));
        }
        if !is_json(&parts.headers) {
            return Err(ApiError::UnsupportedMediaType);
        }
        parse(&bytes).map(Self)
    }
}

/// Parses what arrived as a frame or a body.
pub(crate) fn parse(bytes: &[u8]) -> Result<Form, ApiError> {
    let mut value: Value = serde_json::from_slice(bytes).map_err(|_| ApiError::Malformed)?;
    if bytes.windows(6).any(|escape| escape == br"\u0000") {
        without_nul(&mut value);
    }
    match value {
        Value::Object(fields) => Ok(Form::new(fields)),
        _ => Err(ApiError::field("body", "must be a JSON object")),
    }
}

/// Some databases can't hold a NUL in text, so none travels further than here.
fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(fields) => {
            let taken = std::mem::take(fields);
            fields.extend(taken.into_iter().map(|(name, mut value)| {
                without_nul(&mut value);
                (name.replace('\0', "\u{fffd}"), value)
            }));
        }
        _ => {}
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

async fn read(within: Duration, headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    // A client that waits for "100 Continue" has not sent the body yet and need not.
    if declared.is_some_and(|length| length > LONGEST) && headers.contains_key(EXPECT) {
        return Err(ApiError::TooLarge);
    }
    let capacity = declared.unwrap_or(1024).min(LONGEST);
    tokio::time::timeout(within, collect(body, capacity)).await.unwrap_or(Err(ApiError::TooSlow))
}

async fn collect(body: Body, capacity: usize) -> Result<Bytes, ApiError> {
    let mut stream = body.into_data_stream();
    let mut collected = Vec::with_capacity(capacity);
    while let Some(chunk) = stream.next().await {
        // The client went away or broke the framing; nobody reads the answer.
        let chunk = chunk.map_err(|_| ApiError::Malformed)?;
        if collected.len() + chunk.len() > LONGEST {
            let mut seen = collected.len() + chunk.len();
            let rest = async {
                while let Some(Ok(chunk)) = stream.next().await {
                    seen += chunk.len();
                    if seen > DRAINED {
                        return;
                    }
                }
            };
            // Best effort: whether it ended or not, the answer is the same.
            let _ = tokio::time::timeout(DRAIN_TIME, rest).await;
            return Err(ApiError::TooLarge);
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(Bytes::from(collected))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::ChatRequest;

    proptest! {
        #[test]
        fn whatever_arrives_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,2100}") {
            let _ = parse(&bytes).and_then(ChatRequest::read);
            let trimmed = text.trim();
            let taken = parse(serde_json::json!({"message": text}).to_string().as_bytes()).and_then(ChatRequest::read);
            let fits = (1..=2000).contains(&trimmed.chars().count());
            prop_assert_eq!(taken.is_ok(), fits);
            if let Ok(request) = taken {
                prop_assert_eq!(request.message, trimmed.replace('\0', "\u{fffd}"));
            }
        }
    }

    #[test]
    fn no_nul_gets_past() {
        let form = parse(br#"{"a\u0000":["x\u0000y",{"b":"\u0000"}]}"#).unwrap();
        assert!(!format!("{form:?}").contains("\\0"));
    }

    #[test]
    fn broken_json_and_broken_utf8_are_malformed() {
        for bytes in [&b"{"[..], b"", b"{\"a\":\"\xff\"}", b"{\"a\":\"\\ud800\"}", b"{} {}"] {
            assert!(matches!(parse(bytes), Err(ApiError::Malformed)), "{bytes:?}");
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(parse(deep.as_bytes()), Err(ApiError::Malformed)));
    }

    #[test]
    fn json_of_another_type_is_a_field_error() {
        for bytes in [&b"[]"[..], b"null", b"\"x\"", b"7"] {
            assert!(matches!(parse(bytes), Err(ApiError::Invalid(_))));
        }
    }
}
