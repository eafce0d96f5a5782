//! Posting signed messages to an operator's address, and to no address inside the operator's network.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::Clock;
use dovvybuddy_core::channel::{BoxError, SendError};
use futures::StreamExt as _;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use url::{Host, Url};

use crate::address::Allowed;
use crate::error::ConfigError;
use crate::signature::{Secret, sign};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the whole attempt may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest pause a receiver may ask for.
const LONGEST_PAUSE: Duration = Duration::from_hours(3);
/// How much of an answer is read where one is looked for.
const LONGEST_ANSWER: usize = 4096;

/// One address that is posted to.
pub(crate) struct Poster {
    http: Client,
    url: Url,
    /// The first is the current one; while secrets rotate every message carries a signature by each.
    secrets: Vec<Secret>,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct Acknowledgement {
    #[serde(default)]
    ack: bool,
}

impl Poster {
    /// Reads the address; `key` is the setting it came from. Nothing is connected yet.
    pub(crate) fn new(
        key: &str,
        url: &str,
        secrets: Vec<Secret>,
        allowed: &Allowed,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let wrong = || ConfigError::new(key, "an http(s) address");
        let url = Url::parse(url.trim()).map_err(|_| wrong())?;
        let (Some(host), Some(port), true) =
            (url.host(), url.port_or_known_default(), matches!(url.scheme(), "http" | "https"))
        else {
            return Err(wrong());
        };
        let listed = allowed.lists(&host.to_string(), port);
        let literal = match host {
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
            Host::Domain(_) => None,
        };
        // An address in the URL is never resolved, so it is judged here.
        if !listed && literal.is_some_and(|ip| !allowed.permits(ip)) {
            return Err(ConfigError::new(key, "a public address, or its network or place in outgoing.allow"));
        }
        let http = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .timeout(TIMEOUT)
            .user_agent(concat!("DovvyBuddy/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Guarded { allowed: (!listed).then(|| allowed.clone()) }))
            .build()
            .map_err(|_| ConfigError::new(key, "a TLS set-up that works on this machine"))?;
        Ok(Self { http, url, secrets, clock })
    }

    /// Makes one attempt. `id` names the message on every try; it holds no full stop.
    pub(crate) async fn post(&self, id: &str, body: String) -> Result<(), SendError> {
        self.attempt(id, body).await.map(drop)
    }

    /// As [`Self::post`], and tells whether the receiver answered `{"ack":true}`.
    pub(crate) async fn post_for_ack(&self, id: &str, body: String) -> Result<bool, SendError> {
        let response = self.attempt(id, body).await?;
        Ok(acknowledges(response).await)
    }

    async fn attempt(&self, id: &str, body: String) -> Result<Response, SendError> {
        let timestamp = self.clock.now().as_millis() / 1000;
        let signatures: Vec<String> =
            self.secrets.iter().map(|secret| sign(secret, id, timestamp, body.as_bytes())).collect();
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures.join(" "))
            .body(body);
        let response = request.send().await.map_err(lost)?;
        judge(&response)?;
        Ok(response)
    }
}

async fn acknowledges(response: Response) -> bool {
    let mut read = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(Ok(chunk)) = chunks.next().await {
        read.extend_from_slice(&chunk);
        if read.len() > LONGEST_ANSWER {
            return false;
        }
    }
    serde_json::from_slice::<Acknowledgement>(&read).is_ok_and(|answer| answer.ack)
}

/// What a receiver's answer means for the part: anything but success is tried again, except "gone".
fn judge(response: &Response) -> Result<(), SendError> {
    let status = response.status();
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::GONE => Err(SendError::Gone),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(SendError::Unauthorized),
        _ => Err(match pause(response) {
            Some(pause) => SendError::RetryAfter(pause),
            None => SendError::Transport(format!("the receiver answered {}", status.as_u16()).into()),
        }),
    }
}

fn pause(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).clamp(Duration::from_secs(1), LONGEST_PAUSE))
}

/// A request without an answer: whether it arrived is known only if there was no connection.
fn lost(error: reqwest::Error) -> SendError {
    let error = error.without_url();
    if error.is_connect() || error.is_builder() {
        SendError::Transport(Box::new(error))
    } else {
        SendError::Uncertain(Box::new(error))
    }
}

/// Resolves names to addresses that may be reached. It sits where the connection is made, so a name
/// can't mean one address when it is checked and another when it is used.
struct Guarded {
    /// `None`: the operator listed this place by name.
    allowed: Option<Allowed>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.allowed.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted: Vec<SocketAddr> =
                found.filter(|addr| allowed.as_ref().is_none_or(|allowed| allowed.permits(addr.ip()))).collect();
            if permitted.is_empty() {
                let refused: BoxError = format!("{} has no address that may be reached", name.as_str()).into();
                return Err(refused);
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}
