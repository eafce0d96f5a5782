//! Discord's REST interface, the few routes a bot of ours needs.

use std::time::Duration;

use dovvybuddy_core::channel::BoxError;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::limits::{By, Limits, Told, Verdict};

/// The longest a single request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How Discord wants its clients to name themselves.
const USER_AGENT: &str =
    concat!("DiscordBot (https://github.com/dovvybuddy/dovvybuddy, ", env!("CARGO_PKG_VERSION"), ")");

/// Why a request did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// It must wait; nothing was done.
    #[error("Discord asks to wait {0:?}")]
    Limited(Duration),
    /// The token is not, or no longer, good.
    #[error("Discord refused the token")]
    Unauthorized,
    /// Discord said no.
    #[error("Discord refused it: {status} {code} {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Discord's own code; 0 if it gave none.
        code: u64,
        /// Discord's words.
        message: String,
    },
    /// Nobody answered, or a broken server did; nothing was done.
    #[error("Discord can't be reached")]
    Unreachable(#[source] BoxError),
    /// It was sent; whether it was done is not known.
    #[error("Discord's answer was lost")]
    Lost(#[source] BoxError),
}

impl ApiError {
    /// Discord's own code of a refusal.
    pub(crate) const fn code(&self) -> Option<u64> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// A request that is to be made.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a Value>,
    /// What must be left in the bucket for others.
    pub(crate) spare: u32,
    /// How long it may wait for its bucket.
    pub(crate) patience: Duration,
}

/// The REST interface of one bot.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    base: String,
    /// `None`: only interactions are answered, which bring their own.
    token: Option<SecretString>,
    limits: Limits,
}

impl Api {
    pub(crate) fn new(api_url: &str, token: Option<SecretString>, most_invalid: usize) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(Duration::from_secs(5))
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, base: base(api_url), token, limits: Limits::new(most_invalid) })
    }

    /// The bot's token, for the gateway.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_ref().map(SecretString::expose_secret)
    }

    /// Makes a request, waiting for its bucket at most as long as it has patience.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Value, ApiError> {
        let bucket = bucket_of(&call.method, call.path);
        let by = authorized_by(call.path);
        if by == By::Bot && self.token.is_none() {
            return Err(ApiError::Unauthorized);
        }
        let give_up = Instant::now() + call.patience;
        loop {
            match self.limits.ask(&bucket, by, call.spare, Instant::now()) {
                Verdict::Go => {}
                Verdict::Wait(pause) if Instant::now() + pause > give_up => return Err(ApiError::Limited(pause)),
                Verdict::Wait(pause) => {
                    tokio::time::sleep(pause).await;
                    continue;
                }
            }
            match self.attempt(&call, &bucket).await {
                Err(ApiError::Limited(pause)) if Instant::now() + pause <= give_up => tokio::time::sleep(pause).await,
                ended => return ended,
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>, bucket: &str) -> Result<Value, ApiError> {
        let mut request = self.client.request(call.method.clone(), format!("{}{}", self.base, call.path));
        let by = authorized_by(call.path);
        if let Some(token) = self.token.as_ref().filter(|_| by == By::Bot) {
            request = request.header(AUTHORIZATION, format!("Bot {}", token.expose_secret()));
        }
        if let Some(body) = call.body {
            request = request.json(body);
        }
        // Addresses hold interaction tokens, so they are kept out of errors.
        let response = request.send().await.map_err(|error| {
            let never_sent = error.is_connect() || error.is_builder();
            let error: BoxError = error.without_url().into();
            if never_sent { ApiError::Unreachable(error) } else { ApiError::Lost(error) }
        })?;
        let (status, now) = (response.status(), Instant::now());
        if let Some(told) = told(response.headers()) {
            self.limits.learn(bucket, told, now);
        }
        let retry_header = number(response.headers(), "retry-after");
        let body = response.bytes().await;
        let value: Value = match &body {
            Ok(bytes) => serde_json::from_slice(bytes).unwrap_or_default(),
            Err(_) => Value::Null,
        };
        match by {
            By::Bot if status == StatusCode::UNAUTHORIZED => self.limits.token_refused(now),
            // Whatever else is wrong, it is not the token.
            By::Bot => self.limits.token_taken(),
            By::Interaction => {}
        }
        if status.is_success() {
            body.map_err(|error| ApiError::Lost(error.without_url().into()))?;
            return Ok(value);
        }
        Err(self.refusal(by, status, &value, retry_header, bucket, now))
    }

    fn refusal(
        &self,
        by: By,
        status: StatusCode,
        body: &Value,
        retry_header: Option<f64>,
        bucket: &str,
        now: Instant,
    ) -> ApiError {
        let code = body["code"].as_u64().unwrap_or(0);
        let message = body["message"].as_str().unwrap_or_default().chars().take(200).collect();
        match status {
            StatusCode::TOO_MANY_REQUESTS => {
                let seconds = body["retry_after"].as_f64().or(retry_header).unwrap_or(1.0);
                let pause = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1));
                self.limits.limited(bucket, pause, body["global"] == json!(true), now);
                metrics::counter!("dovvybuddy_discord_limited_total").increment(1);
                ApiError::Limited(pause)
            }
            StatusCode::UNAUTHORIZED if by == By::Bot => {
                self.limits.invalid(now);
                ApiError::Unauthorized
            }
            status if status.is_server_error() => ApiError::Lost(format!("status {status}").into()),
            status => {
                if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                    self.limits.invalid(now);
                }
                ApiError::Refused { status: status.as_u16(), code, message }
            }
        }
    }

    /// Reads something, waiting for its bucket up to `patience`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, patience: Duration) -> Result<T, ApiError> {
        let value = self.call(Call { method: Method::GET, path, body: None, spare: 0, patience }).await?;
        serde_json::from_value(value).map_err(|error| ApiError::Unreachable(error.into()))
    }

    /// Sends something that must not wait here.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value, spare: u32) -> Result<Value, ApiError> {
        self.call(Call { method, path, body: Some(body), spare, patience: Duration::ZERO }).await
    }

    /// Shows "typing" for ten seconds.
    pub(crate) async fn typing(&self, channel: &str) -> Result<(), ApiError> {
        let path = format!("/channels/{channel}/typing");
        let call = Call { method: Method::POST, path: &path, body: None, spare: 0, patience: Duration::ZERO };
        self.call(call).await.map(drop)
    }

    /// Gives an interaction its first answer.
    pub(crate) async fn answer(&self, id: &str, token: &str, answer: &Value) -> Result<(), ApiError> {
        let path = format!("/interactions/{id}/{token}/callback");
        let patience = Duration::from_secs(1);
        let call = Call { method: Method::POST, path: &path, body: Some(answer), spare: 0, patience };
        self.call(call).await.map(drop)
    }

    /// The direct chat with a person, opened if need be.
    pub(crate) async fn direct(&self, user: &str) -> Result<String, ApiError> {
        let body = json!({ "recipient_id": user });
        let patience = Duration::from_secs(2);
        let call = Call { method: Method::POST, path: "/users/@me/channels", body: Some(&body), spare: 0, patience };
        let channel = self.call(call).await?;
        channel
            .get("id")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| ApiError::Unreachable("a channel without id".into()))
    }
}

/// The address that routes are appended to, whether or not the version was given with it.
fn base(api_url: &str) -> String {
    let url = api_url.trim_end_matches('/');
    let versioned =
        url.rsplit_once("/api/v").is_some_and(|(_, v)| !v.is_empty() && v.chars().all(|c| c.is_ascii_digit()));
    match url {
        url if versioned => url.to_owned(),
        url if url.ends_with("/api") => format!("{url}/v10"),
        url => format!("{url}/api/v10"),
    }
}

/// An interaction's token is in its path and is authorization enough.
fn authorized_by(path: &str) -> By {
    if path.starts_with("/interactions/") || path.starts_with("/webhooks/") { By::Interaction } else { By::Bot }
}

fn told(headers: &HeaderMap) -> Option<Told> {
    let remaining = headers.get("x-ratelimit-remaining")?.to_str().ok()?.parse().ok()?;
    let resets_after = Duration::try_from_secs_f64(number(headers, "x-ratelimit-reset-after")?).ok()?;
    Some(Told { remaining, resets_after })
}

fn number(headers: &HeaderMap, name: &str) -> Option<f64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// Requests share a bucket when method, route and major parameter (channel, guild, webhook) agree. The
/// address alone tells: the second segment is the major parameter, later ids are none.
fn bucket_of(method: &Method, path: &str) -> String {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let mut bucket = method.as_str().to_owned();
    for (place, segment) in path.split('/').filter(|segment| !segment.is_empty()).enumerate() {
        let id = segment.chars().all(|c| c.is_ascii_digit());
        bucket.push('/');
        bucket.push_str(if place > 1 && id { ":id" } else { segment });
    }
    bucket
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_may_stand_in_the_address() {
        let whole = "https://discord.com/api/v10";
        for given in ["https://discord.com", "https://discord.com/", "https://discord.com/api", whole] {
            assert_eq!(base(given), whole);
        }
    }

    #[test]
    fn buckets_are_told_apart_by_route_and_channel() {
        let edit =
            |channel: u32, message: u32| bucket_of(&Method::PATCH, &format!("/channels/{channel}/messages/{message}"));
        assert_eq!(edit(1, 2), edit(1, 3));
        assert_ne!(edit(1, 2), edit(4, 2));
        assert_ne!(
            bucket_of(&Method::GET, "/channels/1/messages?after=5"),
            bucket_of(&Method::POST, "/channels/1/messages")
        );
    }
}
