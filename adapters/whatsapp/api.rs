//! Calling the Graph API, and what became of a call.

use std::time::Duration;

use dovvybuddy_core::channel::BoxError;
use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// The version of the API we speak, unless the address names one.
const VERSION: &str = "v24.0";
/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an ordinary call may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What we wait when the platform asks to, but not how long.
const A_WHILE: Duration = Duration::from_secs(2);
/// The same between two messages to one person.
const PAIR_PAUSE: Duration = Duration::from_secs(6);

/// The Graph API as one account sees it.
pub(crate) struct Api {
    client: reqwest::Client,
    /// The account's own address.
    account: String,
    token: SecretString,
}

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The token is not, or no longer, valid, or the account is locked.
    #[error("the platform refused our credentials: {0}")]
    Unauthorized(String),
    /// Too much at once; nothing was done.
    #[error("the platform asks to wait {wait:?}")]
    Throttled {
        /// How long.
        wait: Duration,
        /// Only with this person.
        pair: bool,
    },
    /// The 24 hours are over.
    #[error("more than 24 hours have passed since the diver wrote")]
    Closed,
    /// This person can't be written to.
    #[error("{0}")]
    Unreachable(String),
    /// The call makes no sense to the platform; nothing was done.
    #[error("{0}")]
    Refused(String),
    /// The call did not arrive, or nothing was done.
    #[error("the platform can't be reached: {0}")]
    Down(#[source] BoxError),
    /// What became of the call is not known.
    #[error("the platform gave no answer: {0}")]
    Unknown(#[source] BoxError),
}

impl Api {
    /// `account`: its node, such as a number's id, or `me`.
    pub(crate) fn new(graph_url: &str, account: &str, token: SecretString) -> Result<Self, BoxError> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let base = graph_url.trim_end_matches('/');
        let last = base.rsplit('/').next().unwrap_or_default();
        let versioned = last.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let account = if versioned { format!("{base}/{account}") } else { format!("{base}/{VERSION}/{account}") };
        Ok(Self { client, account, token })
    }

    /// Sends a message, or marks one.
    pub(crate) async fn send(&self, body: &Value) -> Result<Value, CallError> {
        self.send_within(body, PATIENCE).await
    }

    pub(crate) async fn send_within(&self, body: &Value, patience: Duration) -> Result<Value, CallError> {
        self.call(self.client.post(format!("{}/messages", self.account)).json(body).timeout(patience)).await
    }

    /// What the platform says of the account: these fields of it, comma-separated.
    pub(crate) async fn about(&self, fields: &str) -> Result<Value, CallError> {
        self.call(self.client.get(format!("{}?fields={fields}", self.account))).await
    }

    async fn call(&self, request: RequestBuilder) -> Result<Value, CallError> {
        let sent = request.bearer_auth(self.token.expose_secret()).send().await;
        let response = sent.map_err(|error| {
            let arrived = !(error.is_connect() || error.is_builder());
            let error = error.without_url();
            if arrived { CallError::Unknown(error.into()) } else { CallError::Down(error.into()) }
        })?;
        let status = response.status();
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = response.bytes().await.map_err(|error| CallError::Unknown(error.without_url().into()))?;
        read(status, wait.map(Duration::from_secs), &body)
    }
}

/// The numbers are those of the lists of error codes of the Cloud API and the Send API.
fn read(status: StatusCode, wait: Option<Duration>, body: &[u8]) -> Result<Value, CallError> {
    let answer: Option<Value> = serde_json::from_slice(body).ok();
    if status.is_success() {
        return answer.ok_or_else(|| CallError::Unknown("an answer that breaks off".into()));
    }
    let error = answer.map(|answer| answer["error"].clone()).unwrap_or_default();
    let code = error["code"].as_i64().unwrap_or_default();
    let part = error["error_subcode"].as_i64().unwrap_or_default();
    let details = error["error_data"]["details"].as_str().or_else(|| error["message"].as_str());
    let words = || format!("{code}: {}", details.unwrap_or(status.as_str()));
    Err(match code {
        131_047 => CallError::Closed,
        10 if matches!(part, 2_018_278 | 2_534_022) => CallError::Closed,
        // Nobody of that id, or they don't take messages of this account.
        100 if part == 2_018_001 => CallError::Unreachable(words()),
        // Gone, no account there, not on the list of a test number, blocked, has not taken the terms.
        230 | 551 | 10_903 | 10_904 | 1_545_041 | 131_026 | 131_030 | 131_050 | 130_497 | 131_021 => {
            CallError::Unreachable(words())
        }
        131_056 => CallError::Throttled { wait: wait.unwrap_or(PAIR_PAUSE), pair: true },
        4 | 32 | 613 | 80_006 | 80_007 | 130_429 | 131_048 | 133_016 => {
            CallError::Throttled { wait: wait.unwrap_or(A_WHILE), pair: false }
        }
        0 if status == StatusCode::TOO_MANY_REQUESTS => {
            CallError::Throttled { wait: wait.unwrap_or(A_WHILE), pair: false }
        }
        3 | 10 | 190 | 200..=299 | 368 | 131_005 | 131_031 => CallError::Unauthorized(words()),
        1 | 2 | 1_200 | 131_016 | 131_057 | 133_004 => CallError::Down(words().into()),
        _ if status == StatusCode::UNAUTHORIZED => CallError::Unauthorized(words()),
        _ if status == StatusCode::SERVICE_UNAVAILABLE => CallError::Down(words().into()),
        131_000 => CallError::Unknown(words().into()),
        _ if status.is_server_error() => CallError::Unknown(words().into()),
        _ => CallError::Refused(words()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, code: i64) -> CallError {
        let body = format!(r#"{{"error":{{"message":"(#{code}) x","code":{code},"fbtrace_id":"A"}}}}"#);
        read(StatusCode::from_u16(status).unwrap(), None, body.as_bytes()).unwrap_err()
    }

    #[test]
    fn every_answer_of_the_platform_has_its_meaning() {
        let sent = read(StatusCode::OK, None, br#"{"messages":[{"id":"wamid.1"}]}"#).unwrap();
        assert_eq!(sent["messages"][0]["id"], "wamid.1");
        assert!(matches!(error(400, 131_047), CallError::Closed));
        assert!(matches!(error(400, 131_056), CallError::Throttled { pair: true, wait } if wait == PAIR_PAUSE));
        assert!(matches!(error(400, 130_429), CallError::Throttled { pair: false, .. }));
        assert!(matches!(error(401, 190), CallError::Unauthorized(_)));
        assert!(matches!(error(400, 131_026), CallError::Unreachable(_)));
        assert!(matches!(error(400, 100), CallError::Refused(_)));
        assert!(matches!(error(400, 613), CallError::Throttled { pair: false, .. }));
        assert!(matches!(error(400, 551), CallError::Unreachable(_)));
        let closed = br#"{"error":{"message":"(#10) x","code":10,"error_subcode":2018278}}"#;
        assert!(matches!(read(StatusCode::BAD_REQUEST, None, closed), Err(CallError::Closed)));
        assert!(matches!(error(400, 10), CallError::Unauthorized(_)), "a permission is missing");
        assert!(matches!(error(500, 131_016), CallError::Down(_)));
        assert!(matches!(error(500, 131_000), CallError::Unknown(_)));
        assert!(matches!(read(StatusCode::BAD_GATEWAY, None, b"<html>"), Err(CallError::Unknown(_))));
        assert!(matches!(read(StatusCode::SERVICE_UNAVAILABLE, None, b""), Err(CallError::Down(_))));
        assert!(matches!(read(StatusCode::OK, None, br#"{"mess"#), Err(CallError::Unknown(_))), "it may be sent");
        let wait = Some(Duration::from_secs(9));
        let throttled = read(StatusCode::TOO_MANY_REQUESTS, wait, b"");
        assert!(matches!(throttled, Err(CallError::Throttled { wait, .. }) if wait == Duration::from_secs(9)));
    }

    #[test]
    fn the_version_may_stand_in_the_address() {
        let number = |url: &str| Api::new(url, "77", "t".into()).unwrap().account;
        assert_eq!(number("https://graph.facebook.com/"), format!("https://graph.facebook.com/{VERSION}/77"));
        assert_eq!(number("http://127.0.0.1:9/v25.0"), "http://127.0.0.1:9/v25.0/77");
    }
}
