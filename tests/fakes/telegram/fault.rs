//! What can go wrong with one call.

use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// How a call fails. Unless it says otherwise the call has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 429 with `retry_after` in seconds.
    TooMany(u32),
    /// This status with the description, as the Bot API writes errors.
    Error(u16, String),
    /// A proxy's page: 502 in HTML.
    BadGateway,
    /// 200 with a body that breaks off in the middle.
    Garbled,
    /// Nothing is answered.
    Hang,
    /// It is done, but the answer never comes: the client can't know.
    DoneUnanswered,
    /// It is done, and 200 with a body that breaks off in the middle tells nothing of it.
    DoneGarbled,
    /// It is done after this long.
    Slow(Duration),
}

/// An error as the Bot API writes it.
pub(super) fn error(code: u16, description: &str, parameters: Option<Value>) -> Response {
    let mut body = json!({ "ok": false, "error_code": code, "description": description });
    if let Some(parameters) = parameters {
        body["parameters"] = parameters;
    }
    answer(code, body.to_string())
}

/// What a call gave.
pub(super) fn done(result: &Value) -> Response {
    answer(200, json!({ "ok": true, "result": result }).to_string())
}

fn answer(code: u16, body: String) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

impl Fault {
    /// Whether the call takes effect all the same.
    pub(super) fn takes_effect(&self) -> bool {
        matches!(self, Self::DoneUnanswered | Self::DoneGarbled | Self::Slow(_))
    }

    /// The answer, given what the call would have given.
    pub(super) async fn spoil(self, honest: Option<Response>) -> Response {
        match self {
            Self::TooMany(seconds) => error(
                429,
                &format!("Too Many Requests: retry after {seconds}"),
                Some(json!({ "retry_after": seconds })),
            ),
            Self::Error(code, description) => error(code, &description, None),
            Self::BadGateway => {
                let page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
                (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html")], page).into_response()
            }
            Self::Garbled | Self::DoneGarbled => answer(200, r#"{"ok":true,"result":{"messa"#.to_owned()),
            Self::Hang | Self::DoneUnanswered => std::future::pending().await,
            Self::Slow(pause) => {
                tokio::time::sleep(pause).await;
                honest.unwrap_or_else(|| error(500, "Internal Server Error", None))
            }
        }
    }
}
