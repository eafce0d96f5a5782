//! Leads by signed webhook.

use std::sync::Arc;

use async_trait::async_trait;
use dovvybuddy_core::channel::{DeliveryKey, OutboundPart, Outlet, Receipt, SendError};
use dovvybuddy_core::lead::Lead;
use dovvybuddy_core::store::Notice;
use dovvybuddy_core::{ChannelId, Clock};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::address::Allowed;
use crate::error::ConfigError;
use crate::post::Poster;
use crate::signature::Secret;

/// The outlet that posts leads to the operator's webhook.
pub const LEAD_WEBHOOK: &str = "lead-webhook";

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
pub struct LeadWebhookOutlet(Poster);

/// A lead as it is posted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LeadEvent {
    lead: String,
    /// The body, byte for byte.
    body: String,
}

/// The delivery of a lead, written once when it is stored, so that every attempt sends the same words.
pub fn lead_notice(lead: &Lead) -> Notice {
    let event = LeadEvent { lead: lead.id.to_string(), body: lead_event(lead).to_string() };
    Notice {
        outlet: ChannelId::new(LEAD_WEBHOOK),
        subject: lead.id.to_string(),
        payload: serde_json::to_value(event).unwrap_or_default(),
    }
}

/// A lead as an event.
pub(crate) fn lead_event(lead: &Lead) -> Value {
    json!({
        "type": "lead.created",
        "timestamp": lead.created_at.to_rfc3339(),
        "data": {
            "lead_id": lead.id,
            "type": lead.kind,
            "data": lead.data,
            "diver_profile": lead.profile,
            "created_at": lead.created_at.to_rfc3339(),
        },
    })
}

impl LeadWebhookOutlet {
    /// Reads the settings. Nothing is connected yet.
    pub fn new(config: &LeadWebhookConfig, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let secret = Secret::parse("leads.webhook_secret", &config.secret)?;
        Poster::new("leads.webhook_url", &config.url, vec![secret], &config.allowed, clock).map(Self)
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
        self.0.post(&id, event.body).await?;
        Ok(Receipt(Some(id)))
    }
}
