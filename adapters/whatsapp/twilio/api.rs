//! Calling Twilio's REST API, and what became of a call.

use std::time::Duration;

use dovvybuddy_core::channel::{BoxError, SendError};
use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// How long a connection may take to open, and a call.
const CONNECT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(20);
/// What we wait when Twilio asks to, but not how long.
const A_WHILE: Duration = Duration::from_secs(2);

/// The account's part of the API.
pub(super) struct Api {
    client: reqwest::Client,
    account: String,
    sid: String,
    token: SecretString,
}

impl Api {
    pub(super) fn new(api_url: &str, sid: &str, token: SecretString) -> Result<Self, BoxError> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let account = format!("{}/2010-04-01/Accounts/{sid}", api_url.trim_end_matches('/'));
        Ok(Self { client, account, sid: sid.to_owned(), token })
    }

    /// Sends a message.
    pub(super) async fn send(&self, from: &str, to: &str, body: &str) -> Result<Value, SendError> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("From", from), ("To", to), ("Body", body)])
            .finish();
        let request = self.client.post(format!("{}/Messages.json", self.account));
        self.call(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await
    }

    /// What Twilio says of the account.
    pub(super) async fn account(&self) -> Result<Value, SendError> {
        self.call(self.client.get(format!("{}.json", self.account))).await
    }

    async fn call(&self, request: RequestBuilder) -> Result<Value, SendError> {
        let sent = request.basic_auth(&self.sid, Some(self.token.expose_secret())).send().await;
        let response = sent.map_err(|error| {
            let arrived = !(error.is_connect() || error.is_builder());
            let error = error.without_url();
            if arrived { SendError::Uncertain(error.into()) } else { SendError::Transport(error.into()) }
        })?;
        let status = response.status();
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = response.bytes().await.map_err(|error| SendError::Uncertain(error.without_url().into()))?;
        read(status, wait.map(Duration::from_secs), &body)
    }
}

/// The numbers are those of Twilio's error and warning dictionary.
fn read(status: StatusCode, wait: Option<Duration>, body: &[u8]) -> Result<Value, SendError> {
    let answer: Option<Value> = serde_json::from_slice(body).ok();
    if status.is_success() {
        return answer.ok_or_else(|| SendError::Uncertain("an answer that breaks off".into()));
    }
    let answer = answer.unwrap_or_default();
    let code = answer["code"].as_i64().unwrap_or_default();
    let words = || format!("{code}: {}", answer["message"].as_str().unwrap_or(status.as_str()));
    Err(match (status, code) {
        (StatusCode::TOO_MANY_REQUESTS, _) | (_, 14_107 | 20_429 | 63_018) => {
            SendError::RetryAfter(wait.unwrap_or(A_WHILE))
        }
        (StatusCode::UNAUTHORIZED, _) | (_, 20_003 | 20_005) => SendError::Unauthorized,
        // No such number, unsubscribed, unreachable, not on WhatsApp.
        (_, 21_211 | 21_610 | 21_612 | 21_614 | 63_003 | 63_024) => SendError::Gone,
        (StatusCode::SERVICE_UNAVAILABLE, _) => SendError::Transport(words().into()),
        _ if status.is_server_error() => SendError::Uncertain(words().into()),
        _ => SendError::Rejected(words()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_meaning() {
        let error = |status: u16, code: i64| {
            let body = format!(r#"{{"code":{code},"message":"x","status":{status}}}"#);
            read(StatusCode::from_u16(status).unwrap(), None, body.as_bytes()).unwrap_err()
        };
        assert_eq!(read(StatusCode::CREATED, None, br#"{"sid":"SM1"}"#).unwrap()["sid"], "SM1");
        assert!(matches!(error(429, 20_429), SendError::RetryAfter(_)));
        assert!(matches!(error(401, 20_003), SendError::Unauthorized));
        assert!(matches!(error(400, 21_610), SendError::Gone));
        assert!(matches!(error(400, 63_016), SendError::Rejected(_)));
        assert!(matches!(error(503, 0), SendError::Transport(_)));
        assert!(matches!(error(500, 0), SendError::Uncertain(_)));
        assert!(matches!(read(StatusCode::CREATED, None, b"{"), Err(SendError::Uncertain(_))));
    }
}
