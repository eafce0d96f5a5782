//! Leads by signed webhook.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::{BoxError, DeliveryKey, OutboundPart, Outlet, Receipt, SendError};
use dovvybuddy_core::{ChannelId, Clock};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use secrecy::SecretString;
use url::{Host, Url};

use crate::address::Allowed;
use crate::error::ConfigError;
use crate::lead::{LEAD_WEBHOOK, LeadEvent};
use crate::signature::{Secret, sign};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the whole attempt may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest pause a receiver may ask for.
const LONGEST_PAUSE: Duration = Duration::from_hours(3);

/// Where leads are posted.
#[derive(Debug, Clone)]
pub struct LeadWebhookConfig {
    /// The operator's address.
    pub url: String,
    /// The signing secret, `whsec_…`.
    pub secret: SecretString,
    /// The private addresses that may be reached.
    pub allowed: Allowed,
}

/// Posts leads.
pub struct LeadWebhookOutlet {
    http: Client,
    url: Url,
    secret: Secret,
    clock: Arc<dyn Clock>,
}

impl LeadWebhookOutlet {
    /// Reads the settings. Nothing is connected yet.
    pub fn new(config: &LeadWebhookConfig, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let wrong = || ConfigError::new("leads.webhook_url", "an http(s) address");
        let url = Url::parse(config.url.trim()).map_err(|_| wrong())?;
        let (Some(host), Some(port), true) =
            (url.host(), url.port_or_known_default(), matches!(url.scheme(), "http" | "https"))
        else {
            return Err(wrong());
        };
        let listed = config.allowed.lists(&host.to_string(), port);
        let literal = match host {
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
            Host::Domain(_) => None,
        };
        // An address in the URL is never resolved, so it is judged here.
        if !listed && literal.is_some_and(|ip| !config.allowed.permits(ip)) {
            let expected = "a public address, or its network or place in outgoing.allow";
            return Err(ConfigError::new("leads.webhook_url", expected));
        }
        let http = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .timeout(TIMEOUT)
            .user_agent(concat!("DovvyBuddy/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Guarded { allowed: (!listed).then(|| config.allowed.clone()) }))
            .build()
            .map_err(|_| ConfigError::new("leads.webhook_url", "a TLS set-up that works on this machine"))?;
        let secret = Secret::parse("leads.webhook_secret", &config.secret)?;
        Ok(Self { http, url, secret, clock })
    }
}

#[async_trait]
impl Outlet for LeadWebhookOutlet {
    fn id(&self) -> ChannelId {
        ChannelId::new(LEAD_WEBHOOK)
    }

    async fn send(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError> {
        let event: LeadEvent = serde_json::from_value(part.payload.clone())
            .map_err(|_| SendError::Rejected("the stored lead can't be read".to_owned()))?;
        // The same on every try; a full stop would make the signed content ambiguous.
        let id = format!("lead_{}_{}", event.lead, key.nonce().replace('.', "_"));
        let timestamp = self.clock.now().as_millis() / 1000;
        let signature = sign(&self.secret, &id, timestamp, event.body.as_bytes());
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(event.body);
        // Of the answer only the head is read.
        let response = request.send().await.map_err(lost)?;
        judge(&response)?;
        Ok(Receipt(Some(id)))
    }
}

/// What a receiver's answer means for the part: anything but success is tried again, except "gone".
fn judge(response: &reqwest::Response) -> Result<(), SendError> {
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

fn pause(response: &reqwest::Response) -> Option<Duration> {
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
