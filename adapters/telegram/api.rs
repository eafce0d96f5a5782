//! Calling the Bot API, and what became of a call.
//!
//! Methods and their parameters are teloxide's; the call itself is ours. Teloxide's client rests ten
//! seconds inside every call that met a server error, and does not tell a call that never arrived from
//! one whose answer was lost. Both matter here: the first to a diver who waits, the second to whether a
//! message may be sent again.

use std::time::Duration;

use dovvybuddy_core::channel::BoxError;
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use teloxide::requests::Payload;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an ordinary call may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The Bot API as one bot sees it.
pub(crate) struct Api {
    client: reqwest::Client,
    base: String,
    token: SecretString,
}

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The token is not, or no longer, valid.
    #[error("the platform refused our token")]
    Unauthorized,
    /// Too much at once; nothing was done.
    #[error("the platform asks to wait {0:?}")]
    Throttled(Duration),
    /// The group lives on under another id; nothing was done.
    #[error("the group has become a supergroup")]
    Migrated(i64),
    /// Another process polls, or a webhook is set.
    #[error("{0}")]
    Conflict(String),
    /// We may not write there.
    #[error("{0}")]
    Forbidden(String),
    /// The call makes no sense to the platform; nothing was done.
    #[error("{0}")]
    Refused(String),
    /// The call did not arrive.
    #[error("the platform can't be reached: {0}")]
    Unreachable(#[source] BoxError),
    /// The call arrived, or may have; what became of it is not known.
    #[error("the platform gave no answer: {0}")]
    Unknown(#[source] BoxError),
}

#[derive(Deserialize)]
struct Envelope {
    ok: bool,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Value,
}

/// The longest wait that is believed.
const LONGEST_WAIT: f64 = 24.0 * 60.0 * 60.0;

impl Api {
    /// The Bot API at `base`, by default `https://api.telegram.org`.
    pub(crate) fn new(base: &str, token: SecretString) -> Result<Self, BoxError> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), token })
    }

    /// Calls a method; the result is as the platform gave it.
    pub(crate) async fn call<P: Payload + Serialize + Sync>(&self, payload: &P) -> Result<Value, CallError> {
        self.call_within(payload, PATIENCE).await
    }

    /// As [`Self::call`], for one that is held open.
    pub(crate) async fn call_within<P: Payload + Serialize + Sync>(
        &self,
        payload: &P,
        patience: Duration,
    ) -> Result<Value, CallError> {
        let url = format!("{}/bot{}/{}", self.base, self.token.expose_secret(), method(P::NAME));
        let sent = self.client.post(url).json(payload).timeout(patience).send().await;
        let response = sent.map_err(|error| {
            let arrived = !(error.is_connect() || error.is_builder());
            // The address holds the token.
            let error = error.without_url();
            if arrived { CallError::Unknown(error.into()) } else { CallError::Unreachable(error.into()) }
        })?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.bytes().await.map_err(|error| CallError::Unknown(error.without_url().into()))?;
        read(status, retry_after, &body)
    }
}

/// Teloxide writes `SendMessage`, the documentation `sendMessage`.
fn method(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// How long the platform wants us to wait: as it is documented, as its words say, or as whatever stands before it says.
fn wait(parameters: &Value, description: &str, header: Option<f64>) -> Duration {
    let documented = &parameters["retry_after"];
    let told = || {
        let (_, after) = description.split_once("retry after ")?;
        after.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.trim_end_matches('.').parse().ok()
    };
    let seconds = documented.as_f64().or_else(|| documented.as_str()?.parse().ok()).or_else(told).or(header);
    let seconds = seconds.filter(|seconds| seconds.is_finite()).unwrap_or(1.0);
    Duration::from_secs_f64(seconds.clamp(1.0, LONGEST_WAIT))
}

fn read(status: StatusCode, retry_after: Option<f64>, body: &[u8]) -> Result<Value, CallError> {
    let envelope: Result<Envelope, _> = serde_json::from_slice(body);
    let error = match envelope {
        Ok(envelope) if envelope.ok && status.is_success() => return Ok(envelope.result),
        Ok(envelope) => Some(envelope),
        Err(error) if status.is_success() => return Err(CallError::Unknown(error.into())),
        Err(_) => None,
    };
    let (description, parameters) = error.map(|e| (e.description, e.parameters)).unwrap_or_default();
    if let Some(to) = parameters["migrate_to_chat_id"].as_i64() {
        return Err(CallError::Migrated(to));
    }
    Err(match status {
        // A token that is no token at all is answered with 404.
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => CallError::Unauthorized,
        StatusCode::TOO_MANY_REQUESTS => CallError::Throttled(wait(&parameters, &description, retry_after)),
        StatusCode::CONFLICT => CallError::Conflict(description),
        StatusCode::FORBIDDEN => CallError::Forbidden(description),
        StatusCode::SERVICE_UNAVAILABLE => CallError::Unreachable(status.to_string().into()),
        status if status.is_server_error() => CallError::Unknown(status.to_string().into()),
        status if description.is_empty() => CallError::Refused(status.to_string()),
        _ => CallError::Refused(description),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> CallError {
        read(StatusCode::from_u16(status).unwrap(), None, body.as_bytes()).unwrap_err()
    }

    #[test]
    fn the_platform_is_waited_for_however_it_says_how_long() {
        let wait = |body: &str, header: Option<f64>| match read(StatusCode::TOO_MANY_REQUESTS, header, body.as_bytes())
        {
            Err(CallError::Throttled(wait)) => wait.as_millis(),
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(r#"{"ok":false,"description":"Too Many Requests: retry after 4"}"#, None), 4_000);
        assert_eq!(wait(r#"{"ok":false,"description":"Too Many Requests: retry after 4."}"#, Some(9.0)), 4_000);
        assert_eq!(wait(r#"{"ok":false,"description":"x","parameters":{"retry_after":4.5}}"#, None), 4_500);
        assert_eq!(wait(r#"{"ok":false,"description":"x","parameters":{"retry_after":"6"}}"#, None), 6_000);
        assert_eq!(wait(r#"{"ok":false,"description":"x","parameters":null}"#, Some(3.0)), 3_000);
        assert_eq!(wait("<html>nginx</html>", Some(2.0)), 2_000);
        assert_eq!(wait("<html>nginx</html>", None), 1_000);
        assert_eq!(wait(r#"{"ok":false,"parameters":{"retry_after":1e300}}"#, None), 86_400_000);
        assert_eq!(wait(r#"{"ok":false,"parameters":{"retry_after":-3}}"#, None), 1_000);
    }

    #[test]
    fn every_answer_of_the_platform_has_its_meaning() {
        assert_eq!(read(StatusCode::OK, None, br#"{"ok":true,"result":{"message_id":7}}"#).unwrap()["message_id"], 7);
        assert!(matches!(error(401, r#"{"ok":false,"description":"Unauthorized"}"#), CallError::Unauthorized));
        let throttled = r#"{"ok":false,"description":"Too Many Requests","parameters":{"retry_after":3}}"#;
        assert!(matches!(error(429, throttled), CallError::Throttled(wait) if wait == Duration::from_secs(3)));
        assert!(matches!(error(429, "<html>"), CallError::Throttled(wait) if wait == Duration::from_secs(1)));
        let moved = r#"{"ok":false,"description":"upgraded","parameters":{"migrate_to_chat_id":-100}}"#;
        assert!(matches!(error(400, moved), CallError::Migrated(-100)));
        assert!(matches!(error(403, r#"{"ok":false,"description":"Forbidden"}"#), CallError::Forbidden(_)));
        assert!(matches!(error(502, "<html>Bad Gateway</html>"), CallError::Unknown(_)));
        assert!(matches!(error(503, ""), CallError::Unreachable(_)));
        assert!(matches!(error(200, r#"{"ok":tr"#), CallError::Unknown(_)), "it may have been done");
        assert!(matches!(error(400, r#"{"ok":false,"description":"Bad Request: x"}"#), CallError::Refused(_)));
    }

    #[test]
    fn methods_are_written_as_documented() {
        assert_eq!(method("SendMessage"), "sendMessage");
        assert_eq!(method("GetUpdates"), "getUpdates");
    }
}
