//! Meta's Cloud API.
//!
//! What divers write, and what became of our messages, comes in batches to one address, at least once and
//! in any order. A message is acknowledged when the intake has stored it.

mod inbound;
mod names;
mod number;
mod outbound;
mod receive;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::{
    BoxError, Capabilities, ChannelAdapter, ChannelError, Delivery, DeliveryKey, OutboundPart, Outlet, Receipt,
    Rendering, SendError,
};
use dovvybuddy_core::intake::Intake;
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, Timestamp};
use moka::sync::Cache;
use secrecy::SecretString;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::line::{Line, recent};
use crate::markup::limit;
use crate::message::{Context, stored};
use crate::pace::Pace;

/// The channel's id.
pub const CHANNEL: &str = "whatsapp";
/// What the platform calls the kind of account that a batch is for.
pub(crate) const OBJECT: &str = "whatsapp_business_account";
/// Where the Graph API is.
pub const GRAPH_URL: &str = "https://graph.facebook.com";

/// One message in six seconds to a person, a burst of them before that; eighty a second for a number.
const EACH: Duration = Duration::from_secs(6);
const BURST: NonZeroU32 = NonZeroU32::new(20).unwrap();
const A_SECOND: NonZeroU32 = NonZeroU32::new(70).unwrap();
/// How long "typing" stays visible.
const TYPING: Duration = Duration::from_secs(25);
/// How long a small call beside the conversation may take.
const BESIDE: Duration = Duration::from_secs(5);
/// How long is remembered which names are one person's. Longer is in the store.
const NAMES: Duration = Duration::from_hours(1);

/// What a number on WhatsApp needs.
#[derive(Debug, Clone)]
pub struct WhatsAppConfig {
    /// The bot as the core knows it.
    pub bot: BotId,
    /// The number's id in the Graph API.
    pub phone_number_id: String,
    /// The token our calls carry.
    pub access_token: SecretString,
    /// By which the platform signs.
    pub app_secret: SecretString,
    /// By which the platform proves itself when the webhook is set up.
    pub verify_token: SecretString,
    /// Where the Graph API is.
    pub graph_url: String,
    /// An approved template, and its language, for a diver whose conversation has closed meanwhile.
    pub template: Option<(String, String)>,
    /// How long a burst of messages may settle.
    pub settle: Duration,
}

/// One number on WhatsApp.
pub struct WhatsApp {
    config: WhatsAppConfig,
    api: Arc<Api>,
    line: Line,
    /// Messages under which typing was shown lately.
    typed: Cache<String, ()>,
    /// The names of people who hide their number.
    names: Cache<String, String>,
}

/// What the platform says of the number, for `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The number as people dial it.
    pub number: String,
    /// The name shown.
    pub name: String,
    /// How the platform rates its messages: `GREEN`, `YELLOW`, `RED`.
    pub quality: String,
}

impl WhatsApp {
    /// A number; nothing is asked of the platform yet.
    pub fn new(config: WhatsAppConfig) -> Result<Self, BoxError> {
        let api = Arc::new(Api::new(&config.graph_url, &config.phone_number_id, config.access_token.clone())?);
        let line = Line::new(CHANNEL, Pace::new(EACH, BURST, A_SECOND));
        Ok(Self { config, api, line, typed: recent(TYPING * 4 / 5), names: recent(NAMES) })
    }

    /// Asks the platform how the number stands. The error is a sentence for the operator.
    pub async fn standing(&self) -> Result<Standing, String> {
        let found = self
            .api
            .about("display_phone_number,verified_name,quality_rating")
            .await
            .map_err(|error| error.to_string())?;
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        Ok(Standing {
            number: text("display_phone_number"),
            name: text("verified_name"),
            quality: text("quality_rating"),
        })
    }

    fn conversation(&self, person: &str) -> ConversationKey {
        ConversationKey {
            bot: self.config.bot.clone(),
            channel: ChannelId::new(CHANNEL),
            account: self.config.phone_number_id.clone(),
            conversation: person.to_owned(),
        }
    }

    /// Marks a message as read, with typing under it, without waiting; left out when too much of that is
    /// under way, or when it was done a moment ago.
    fn mark_read(&self, message: &str, typing: bool) {
        if self.typed.contains_key(message) {
            return;
        }
        self.typed.insert(message.to_owned(), ());
        let (api, body) = (Arc::clone(&self.api), read_mark(message, typing));
        self.line.beside(async move { api.send_within(&body, BESIDE).await.map(drop) });
    }
}

fn read_mark(message: &str, typing: bool) -> Value {
    let mut body = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": message });
    if typing {
        body["typing_indicator"] = json!({ "type": "text" });
    }
    body
}

#[async_trait]
impl Outlet for WhatsApp {
    fn id(&self) -> ChannelId {
        ChannelId::new(CHANNEL)
    }

    async fn send(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError> {
        self.deliver(part, key).await
    }
}

#[async_trait]
impl ChannelAdapter for WhatsApp {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            delivery: Delivery::Sent,
            longest_text: limit(outbound::LONGEST),
            edits: None,
            typing: Some(TYPING),
            idempotent_sends: false,
            bursts: true,
        }
    }

    fn render(&self, rendering: &Rendering<'_>) -> Vec<Value> {
        outbound::render(rendering).iter().map(stored).collect()
    }

    fn reaches(&self, conversation: &ConversationKey, context: &Value, now: Timestamp) -> bool {
        let context = Context::deserialize(context).unwrap_or_default();
        self.line.window.is_open(&conversation.conversation, context.said_at, now)
    }

    async fn run(&self, intake: Intake, progress: Arc<Progress>, stop: CancellationToken) -> Result<(), ChannelError> {
        self.line.run(intake, &progress, &stop).await
    }

    async fn working(&self, _conversation: &ConversationKey, context: &Value) {
        if let Some(message) = Context::deserialize(context).unwrap_or_default().message {
            self.mark_read(&message, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_as_every_channel_must() {
        let whatsapp = WhatsApp::new(WhatsAppConfig {
            bot: BotId::default(),
            phone_number_id: "1".to_owned(),
            access_token: SecretString::from("token"),
            app_secret: SecretString::from("secret"),
            verify_token: SecretString::from("verify"),
            graph_url: GRAPH_URL.to_owned(),
            template: None,
            settle: Duration::ZERO,
        })
        .unwrap();
        dovvybuddy_core::testkit::channel_contract::renders(&whatsapp, crate::message::visible_text);
    }
}
