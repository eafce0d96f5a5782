//! Events for the operator's systems. An emergency is repeated until somebody acknowledges it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::{DeliveryKey, OutboundPart, Outlet, Receipt, SendError};
use dovvybuddy_core::news::News;
use dovvybuddy_core::reply::Safety;
use dovvybuddy_core::store::Notice;
use dovvybuddy_core::{ChannelId, Clock};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::address::Allowed;
use crate::error::ConfigError;
use crate::lead::lead_event;
use crate::post::Poster;
use crate::signature::Secret;

/// The outlet of events.
pub const EVENTS: &str = "events";
/// The outlet of emergencies, which are never given up.
pub const EMERGENCY_EVENTS: &str = "emergency-events";
/// The events there are.
pub const KINDS: [&str; 4] = ["lead.created", "emergency.detected", "turn.finished", "feedback.created"];

/// The pause before an emergency that nobody acknowledged is posted again.
const AGAIN: Duration = Duration::from_secs(10);

/// Where events are posted.
#[derive(Debug, Clone)]
pub struct EventsConfig {
    /// The operator's address.
    pub url: String,
    /// The signing secret, `whsec_…`.
    pub secret: SecretString,
    /// The private addresses that may be reached.
    pub allowed: Allowed,
}

/// Posts events, of one of the two outlets.
pub struct EventsOutlet {
    poster: Arc<Poster>,
    until_acknowledged: bool,
}

/// An event as it is kept in the outbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Event {
    id: String,
    /// The body, byte for byte.
    body: String,
}

/// What is sent of a piece of news, if its kind is among `kinds`.
pub fn event_notice(news: &News, kinds: &[String]) -> Option<Notice> {
    let (id, subject, body) = event(news);
    let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
    if !kinds.iter().any(|wanted| wanted == kind) {
        return None;
    }
    let outlet = if matches!(news, News::Emergency(_)) { EMERGENCY_EVENTS } else { EVENTS };
    let payload = Event { id, body: body.to_string() };
    Some(Notice { outlet: ChannelId::new(outlet), subject, payload: serde_json::to_value(payload).unwrap_or_default() })
}

/// The event's id, what orders it, and its body.
fn event(news: &News) -> (String, String, Value) {
    match news {
        News::Lead(lead) => (format!("lead_{}", lead.id), lead.id.to_string(), lead_event(lead)),
        News::Emergency(report) => {
            let data = json!({
                "turnId": report.turn,
                "channel": report.conversation.channel,
                "conversation": report.conversation.conversation,
                "user": report.diver.user,
                "kind": report.kind,
                "text": report.said,
            });
            let body = json!({ "type": "emergency.detected", "timestamp": report.at.to_rfc3339(), "data": data });
            (format!("emergency_{}", report.turn), report.turn.to_string(), body)
        }
        News::Turn(report) => {
            let data = json!({
                "turnId": report.turn,
                "sessionId": report.session,
                "channel": report.conversation.channel,
                "conversation": report.conversation.conversation,
                "outcome": report.outcome,
                "agentType": report.reply.agent,
                "model": report.reply.model,
                "tokensUsed": report.reply.tokens_used,
                "emergency": report.reply.safety == Safety::Emergency,
                "outOfScope": report.reply.out_of_scope,
                "degraded": report.reply.degraded,
            });
            let body = json!({ "type": "turn.finished", "timestamp": report.at.to_rfc3339(), "data": data });
            (format!("turn_{}", report.turn), report.conversation.encode(), body)
        }
        News::Feedback(rating) => {
            let data = json!({
                "turnId": rating.turn,
                "channel": rating.conversation.channel,
                "conversation": rating.conversation.conversation,
                "rating": if rating.up { "up" } else { "down" },
                "comment": rating.comment,
            });
            let body = json!({ "type": "feedback.created", "timestamp": rating.at.to_rfc3339(), "data": data });
            // A rating may be changed; each change is an event.
            (format!("feedback_{}_{}", rating.turn, rating.at.as_millis()), rating.conversation.encode(), body)
        }
    }
}

impl EventsOutlet {
    /// Reads the settings and makes both outlets. Nothing is connected yet.
    pub fn both(config: &EventsConfig, clock: Arc<dyn Clock>) -> Result<[Self; 2], ConfigError> {
        let secret = Secret::parse("events.webhook_secret", &config.secret)?;
        let poster = Arc::new(Poster::new("events.webhook_url", &config.url, vec![secret], &config.allowed, clock)?);
        Ok([false, true].map(|until_acknowledged| Self { poster: Arc::clone(&poster), until_acknowledged }))
    }
}

#[async_trait]
impl Outlet for EventsOutlet {
    fn id(&self) -> ChannelId {
        ChannelId::new(if self.until_acknowledged { EMERGENCY_EVENTS } else { EVENTS })
    }

    fn gives_up_after(&self) -> Duration {
        if self.until_acknowledged { Duration::MAX } else { dovvybuddy_core::delivery::GIVE_UP_AFTER }
    }

    async fn send(&self, part: &OutboundPart, _key: &DeliveryKey) -> Result<Receipt, SendError> {
        let Event { id, body } = serde_json::from_value(part.payload.clone())
            .map_err(|_| SendError::Rejected("the stored event can't be read".to_owned()))?;
        if !self.until_acknowledged {
            self.poster.post(&id, body).await?;
            return Ok(Receipt(Some(id)));
        }
        match self.poster.post_for_ack(&id, body).await {
            Ok(true) => Ok(Receipt(Some(id))),
            Err(SendError::Gone) => Err(SendError::Gone),
            Ok(false) => Err(SendError::RetryAfter(AGAIN)),
            Err(error) => {
                tracing::warn!(error = %error, "an emergency could not be told to the operator's system yet");
                Err(SendError::RetryAfter(AGAIN))
            }
        }
    }
}
