//! Instagram and Messenger: one API, which differs in what the account is and how long a message may be.
//!
//! Whoever of the shop answers in the app's own inbox is heard by the platform's echoes; so are we ourselves, and
//! what we said is told apart by its id, its words, and what stands in the conversation.

mod echo;
mod inbound;
mod outbound;
mod receive;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::{
    BoxError, Capabilities, ChannelAdapter, ChannelError, Delivery, DeliveryKey, OutboundPart, Outlet, Receipt,
    Rendering, SendError, TextLimit, TextUnit,
};
use dovvybuddy_core::intake::Intake;
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, Timestamp};
use secrecy::SecretString;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::line::Line;
use crate::message::{Context, stored};
use crate::pace::Pace;
use echo::Said;

/// To one person; of the 300 a second that an account may send, some are left to whatever else uses it.
const EACH: Duration = Duration::from_secs(1);
const BURST: NonZeroU32 = NonZeroU32::new(20).unwrap();
const A_SECOND: NonZeroU32 = NonZeroU32::new(250).unwrap();
/// How long "typing" stays visible.
const TYPING: Duration = Duration::from_secs(20);
/// How long a small call beside the conversation may take.
const BESIDE: Duration = Duration::from_secs(5);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// A professional account on Instagram.
    Instagram,
    /// A page on Facebook.
    Messenger,
}

impl Product {
    /// The channel's id.
    pub const fn channel(self) -> &'static str {
        match self {
            Self::Instagram => "instagram",
            Self::Messenger => "messenger",
        }
    }

    /// What a batch names as its object.
    const fn object(self) -> &'static str {
        match self {
            Self::Instagram => "instagram",
            Self::Messenger => "page",
        }
    }

    /// The longest text of a message.
    const fn longest(self) -> TextLimit {
        match self {
            Self::Instagram => TextLimit { most: 1000, unit: TextUnit::Bytes },
            Self::Messenger => TextLimit { most: 2000, unit: TextUnit::Utf16 },
        }
    }
}

/// What an account on Instagram or Messenger needs.
#[derive(Debug, Clone)]
pub struct MessengerConfig {
    /// Which of the two.
    pub product: Product,
    /// The bot as the core knows it.
    pub bot: BotId,
    /// The id of the Instagram account, or of the page.
    pub account_id: String,
    /// The token our calls carry.
    pub access_token: SecretString,
    /// By which the platform signs.
    pub app_secret: SecretString,
    /// By which the platform proves itself when the webhook is set up.
    pub verify_token: SecretString,
    /// Where the Graph API is.
    pub graph_url: String,
    /// How long a burst of messages may settle.
    pub settle: Duration,
}

/// An account on Instagram or Messenger.
pub struct Messenger {
    config: MessengerConfig,
    api: Arc<Api>,
    line: Line,
    /// What we said lately.
    said: Said,
}

impl Messenger {
    /// An account; nothing is asked of the platform yet.
    pub fn new(config: MessengerConfig) -> Result<Self, BoxError> {
        let api = Arc::new(Api::new(&config.graph_url, "me", config.access_token.clone())?);
        let line = Line::new(config.product.channel(), Pace::new(EACH, BURST, A_SECOND));
        Ok(Self { config, api, line, said: Said::default() })
    }

    /// Asks the platform whose token it is. The error is a sentence for the operator.
    pub async fn standing(&self) -> Result<String, String> {
        let found = self.api.about("id,name").await.map_err(|error| error.to_string())?;
        Ok(found["name"].as_str().unwrap_or_default().to_owned())
    }

    fn conversation(&self, person: &str) -> ConversationKey {
        ConversationKey {
            bot: self.config.bot.clone(),
            channel: self.id(),
            account: self.config.account_id.clone(),
            conversation: person.to_owned(),
        }
    }

    /// Shows that a person's message was seen, or that it is worked on, without waiting.
    fn show(&self, person: &str, action: &'static str) {
        let (api, body) = (Arc::clone(&self.api), json!({ "recipient": { "id": person }, "sender_action": action }));
        self.line.beside(async move { api.send_within(&body, BESIDE).await.map(drop) });
    }
}

#[async_trait]
impl Outlet for Messenger {
    fn id(&self) -> ChannelId {
        ChannelId::new(self.config.product.channel())
    }

    async fn send(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError> {
        self.deliver(part, key).await
    }
}

#[async_trait]
impl ChannelAdapter for Messenger {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            delivery: Delivery::Sent,
            longest_text: self.config.product.longest(),
            edits: None,
            typing: Some(TYPING),
            idempotent_sends: false,
            bursts: true,
        }
    }

    fn render(&self, rendering: &Rendering<'_>) -> Vec<Value> {
        outbound::render(rendering, self.config.product.longest()).iter().map(stored).collect()
    }

    fn reaches(&self, conversation: &ConversationKey, context: &Value, now: Timestamp) -> bool {
        let context = Context::deserialize(context).unwrap_or_default();
        self.line.window.is_open(&conversation.conversation, context.said_at, now)
    }

    async fn run(&self, intake: Intake, progress: Arc<Progress>, stop: CancellationToken) -> Result<(), ChannelError> {
        self.line.run(intake, &progress, &stop).await
    }

    async fn working(&self, conversation: &ConversationKey, _context: &Value) {
        self.show(&conversation.conversation, "typing_on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_render_as_every_channel_must() {
        for product in [Product::Instagram, Product::Messenger] {
            let messenger = Messenger::new(MessengerConfig {
                product,
                bot: BotId::default(),
                account_id: "1".to_owned(),
                access_token: SecretString::from("token"),
                app_secret: SecretString::from("secret"),
                verify_token: SecretString::from("verify"),
                graph_url: crate::cloud::GRAPH_URL.to_owned(),
                settle: Duration::ZERO,
            });
            let messenger = messenger.unwrap();
            dovvybuddy_core::testkit::channel_contract::renders(&messenger, crate::message::visible_text);
        }
    }
}
