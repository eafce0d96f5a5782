//! Meta's Cloud API.
//!
//! What divers write, and what became of our messages, comes in batches to one address, at least once and
//! in any order. A message is acknowledged when the intake has stored it.

mod api;
mod inbound;
mod number;
mod outbound;
mod receive;
mod signature;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::{
    BoxError, Capabilities, ChannelAdapter, ChannelError, Delivery, DeliveryKey, OutboundPart, Outlet, Receipt,
    Rendering, SendError,
};
use dovvybuddy_core::intake::{Intake, Seat};
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, Timestamp, TurnId};
use moka::sync::Cache;
use secrecy::SecretString;
use serde::{Deserialize as _, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use outbound::visible_text;
pub use receive::{PATH, router};

use crate::markup::limit;
use crate::pace::Pace;
use crate::window::Window;
use api::Api;
use outbound::Context;

/// The channel's id.
pub const CHANNEL: &str = "whatsapp";
/// Where the Graph API is.
pub const GRAPH_URL: &str = "https://graph.facebook.com";

/// One message in six seconds to a person, a burst of them before that; eighty a second for a number.
const EACH: Duration = Duration::from_secs(6);
const BURST: NonZeroU32 = NonZeroU32::new(20).unwrap();
const A_SECOND: NonZeroU32 = NonZeroU32::new(70).unwrap();
/// How long "typing" stays visible.
const TYPING: Duration = Duration::from_secs(25);
/// Small calls beside the conversation: as many at once, and as long.
const MOST_BESIDE: usize = 64;
const BESIDE: Duration = Duration::from_secs(5);
/// How often the channel shows that it listens.
const TICK: Duration = Duration::from_secs(10);
/// How many recent things are remembered, and how long.
const REMEMBERED: u64 = 10_000;
const MEMORY: Duration = Duration::from_hours(1);

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
    pace: Pace,
    window: Window,
    /// Where messages go while the channel runs.
    seat: Seat,
    /// What went out past the outbox, so that an event that comes again does not repeat it.
    urgent: Cache<DeliveryKey, Receipt>,
    /// The turns of messages that could not be stored and will come again.
    again: Cache<String, TurnId>,
    /// Messages under which typing was shown lately.
    typed: Cache<String, ()>,
    /// Answers of staff that were heard lately.
    overheard: Cache<String, ()>,
    /// Small calls beside the conversation, and messages being taken in.
    beside: TaskTracker,
    hands: Arc<Semaphore>,
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
        fn recent<K: std::hash::Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>(
            memory: Duration,
        ) -> Cache<K, V> {
            Cache::builder().max_capacity(REMEMBERED).time_to_live(memory).build()
        }
        let api = Arc::new(Api::new(&config.graph_url, &config.phone_number_id, config.access_token.clone())?);
        Ok(Self {
            config,
            api,
            pace: Pace::new(EACH, BURST, A_SECOND),
            window: Window::default(),
            seat: Seat::default(),
            urgent: recent(MEMORY),
            again: recent(MEMORY),
            typed: recent(TYPING * 4 / 5),
            overheard: recent(MEMORY),
            beside: TaskTracker::new(),
            hands: Arc::new(Semaphore::new(MOST_BESIDE)),
        })
    }

    /// Asks the platform how the number stands. The error is a sentence for the operator.
    pub async fn standing(&self) -> Result<Standing, String> {
        let found = self.api.number().await.map_err(|error| error.to_string())?;
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        Ok(Standing {
            number: text("display_phone_number"),
            name: text("verified_name"),
            quality: text("quality_rating"),
        })
    }

    fn intake(&self) -> Option<Intake> {
        self.seat.intake()
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
        let Ok(hand) = Arc::clone(&self.hands).try_acquire_owned() else { return };
        self.typed.insert(message.to_owned(), ());
        let (api, body) = (Arc::clone(&self.api), read_mark(message, typing));
        self.beside.spawn(async move {
            if let Err(error) = api.send_within(&body, BESIDE).await {
                tracing::debug!(error = %error, "a message could not be marked as read");
            }
            drop(hand);
        });
    }
}

fn read_mark(message: &str, typing: bool) -> Value {
    let mut body = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": message });
    if typing {
        body["typing_indicator"] = json!({ "type": "text" });
    }
    body
}

fn stored<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
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
        self.window.is_open(&conversation.conversation, context.said_at, now)
    }

    async fn run(&self, intake: Intake, progress: Arc<Progress>, stop: CancellationToken) -> Result<(), ChannelError> {
        let clock = Arc::clone(intake.clock());
        let _seated = self.seat.take(intake);
        loop {
            progress.tick(clock.now());
            self.pace.tidy();
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
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
        dovvybuddy_core::testkit::channel_contract::renders(&whatsapp, visible_text);
    }
}
