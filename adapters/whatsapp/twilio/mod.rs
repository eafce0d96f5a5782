//! Twilio: WhatsApp and SMS through one account.
//!
//! Twilio calls with a signed form for each message, and does not call again for long, so a message is
//! stored before it is answered like everywhere else, and a repeat is known by its id.

mod api;
mod receive;
mod signature;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::action::numbered_choices;
use dovvybuddy_core::channel::{
    BoxError, Capabilities, ChannelAdapter, ChannelError, Delivery, DeliveryKey, Origin, OutboundPart, Outlet, Receipt,
    Rendering, SendError,
};
use dovvybuddy_core::intake::{Intake, Seat};
use dovvybuddy_core::reply::Safety;
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, Timestamp, TurnId};
use moka::sync::Cache;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

pub use receive::{PATH, router};

use crate::markup::{limit, pieces};
use crate::pace::Pace;
use crate::window::Window;
use api::Api;

/// The channel's id.
pub const CHANNEL: &str = "twilio";
/// Where the API is.
pub const API_URL: &str = "https://api.twilio.com";
/// How the addresses of WhatsApp begin.
const OVER_WHATSAPP: &str = "whatsapp:";

/// The longest text of one message.
const LONGEST: usize = 1600;
/// One message a second to a person, a few at once before that; Twilio queues what a number can't send yet.
const EACH: Duration = Duration::from_secs(1);
const BURST: NonZeroU32 = NonZeroU32::new(10).unwrap();
const A_SECOND: NonZeroU32 = NonZeroU32::new(50).unwrap();
/// How often the channel shows that it listens.
const TICK: Duration = Duration::from_secs(10);
/// How many recent things are remembered, and how long.
const REMEMBERED: u64 = 10_000;
const MEMORY: Duration = Duration::from_hours(1);

/// What an account at Twilio needs.
#[derive(Debug, Clone)]
pub struct TwilioConfig {
    /// The bot as the core knows it.
    pub bot: BotId,
    /// The account.
    pub account_sid: String,
    /// Its token, by which Twilio signs too.
    pub auth_token: SecretString,
    /// Where the API is.
    pub api_url: String,
    /// The public address of [`PATH`], exactly as it stands in Twilio's console. `None`: as the call's `Host`
    /// says, without TLS.
    pub url: Option<Url>,
    /// The number to write from where nobody wrote first, `+…`.
    pub from: Option<String>,
    /// How long a burst of messages may settle.
    pub settle: Duration,
}

/// One account at Twilio.
pub struct Twilio {
    config: TwilioConfig,
    api: Api,
    pace: Pace,
    window: Window,
    /// Where messages go while the channel runs.
    seat: Seat,
    /// What went out past the outbox, so that an event that comes again does not repeat it.
    urgent: Cache<DeliveryKey, Receipt>,
    /// The turns of messages that could not be stored and will come again.
    again: Cache<String, TurnId>,
    /// Which of our addresses people wrote to lately, for words that answer no message in particular.
    ours: Cache<String, String>,
    tasks: TaskTracker,
}

/// One message, as it is kept in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Payload {
    /// In WhatsApp's markup.
    marked: String,
    /// For SMS.
    plain: String,
    /// It waits for no pace of ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    urgent: bool,
}

/// What is needed to answer a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Context {
    /// Which of our addresses it came to: the answer comes from there.
    #[serde(default)]
    us: String,
    /// When it was said.
    #[serde(default)]
    said_at: Option<Timestamp>,
}

impl Twilio {
    /// An account; nothing is asked of Twilio yet.
    pub fn new(config: TwilioConfig) -> Result<Self, BoxError> {
        let api = Api::new(&config.api_url, &config.account_sid, config.auth_token.clone())?;
        Ok(Self {
            config,
            api,
            pace: Pace::new(EACH, BURST, A_SECOND),
            window: Window::default(),
            seat: Seat::default(),
            urgent: Cache::builder().max_capacity(REMEMBERED).time_to_live(MEMORY).build(),
            again: Cache::builder().max_capacity(REMEMBERED).time_to_live(MEMORY).build(),
            ours: Cache::builder().max_capacity(REMEMBERED).build(),
            tasks: TaskTracker::new(),
        })
    }

    /// Asks Twilio for the account's name and status. The error is a sentence for the operator.
    pub async fn standing(&self) -> Result<String, String> {
        let account = self.api.account().await.map_err(|error| error.to_string())?;
        let text = |name: &str| account[name].as_str().unwrap_or_default().to_owned();
        Ok(format!("{}, {}", text("friendly_name"), text("status")))
    }

    fn intake(&self) -> Option<Intake> {
        self.seat.intake()
    }

    fn conversation(&self, person: &str) -> ConversationKey {
        ConversationKey {
            bot: self.config.bot.clone(),
            channel: ChannelId::new(CHANNEL),
            account: self.config.account_sid.clone(),
            conversation: person.to_owned(),
        }
    }

    /// The address an answer comes from.
    fn sender(&self, person: &str, context: &Context) -> Option<String> {
        let over = if person.starts_with(OVER_WHATSAPP) { OVER_WHATSAPP } else { "" };
        let configured = || self.config.from.as_ref().map(|number| format!("{over}{number}"));
        let answered = Some(context.us.clone()).filter(|us| !us.is_empty());
        answered.or_else(|| self.ours.get(person)).or_else(configured)
    }

    /// Only WhatsApp closes a conversation.
    fn is_open(&self, person: &str, context: &Context, now: Timestamp) -> bool {
        !person.starts_with(OVER_WHATSAPP) || self.window.is_open(person, context.said_at, now)
    }
}

fn render(rendering: &Rendering<'_>) -> Vec<Payload> {
    let reply = rendering.reply;
    let mut markdown = reply.text.clone();
    for more in [reply.follow_up.clone().unwrap_or_default(), numbered_choices(rendering.actions)] {
        if !more.is_empty() {
            markdown.extend(["\n\n", &more]);
        }
    }
    let urgent = reply.safety == Safety::Emergency;
    let parts = pieces(&markdown, LONGEST, LONGEST).into_iter();
    parts.map(|piece| Payload { marked: piece.marked, plain: piece.plain, urgent }).collect()
}

#[async_trait]
impl Outlet for Twilio {
    fn id(&self) -> ChannelId {
        ChannelId::new(CHANNEL)
    }

    async fn send(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError> {
        let payload = Payload::deserialize(&part.payload).map_err(|e| SendError::Rejected(e.to_string()))?;
        let context = Context::deserialize(&part.context).unwrap_or_default();
        let person = &part.conversation.conversation;
        let urgent = matches!(key.origin, Origin::Urgent(_));
        if urgent && let Some(receipt) = self.urgent.get(key) {
            // The same words went out already; the event only came again because it could not be stored.
            return Ok(receipt);
        }
        if !urgent && !payload.urgent {
            self.pace.room(person).map_err(SendError::RetryAfter)?;
        }
        if self.intake().is_some_and(|intake| !self.is_open(person, &context, intake.clock().now())) {
            return Err(SendError::Rejected("more than 24 hours have passed since the diver wrote".to_owned()));
        }
        let from = self.sender(person, &context).ok_or_else(|| {
            SendError::Rejected("it is not known which number to write from; set twilio.from".to_owned())
        })?;
        let text = if person.starts_with(OVER_WHATSAPP) { &payload.marked } else { &payload.plain };
        let sent = self.api.send(&from, person, text).await.inspect_err(|error| {
            if let SendError::RetryAfter(wait) = error {
                self.pace.quiet(person, *wait);
            }
        })?;
        let receipt = Receipt(sent["sid"].as_str().map(str::to_owned));
        if urgent {
            self.urgent.insert(*key, receipt.clone());
        }
        Ok(receipt)
    }
}

#[async_trait]
impl ChannelAdapter for Twilio {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            delivery: Delivery::Sent,
            longest_text: limit(LONGEST),
            edits: None,
            typing: None,
            idempotent_sends: false,
            bursts: true,
        }
    }

    fn render(&self, rendering: &Rendering<'_>) -> Vec<Value> {
        render(rendering).iter().map(|part| serde_json::to_value(part).unwrap_or_default()).collect()
    }

    fn reaches(&self, conversation: &ConversationKey, context: &Value, now: Timestamp) -> bool {
        self.is_open(&conversation.conversation, &Context::deserialize(context).unwrap_or_default(), now)
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
}

/// The text of a rendered part.
pub fn visible_text(payload: &Value) -> String {
    Payload::deserialize(payload).map(|payload| payload.marked).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_as_every_channel_must() {
        let twilio = Twilio::new(TwilioConfig {
            bot: BotId::default(),
            account_sid: "AC1".to_owned(),
            auth_token: SecretString::from("token"),
            api_url: API_URL.to_owned(),
            url: None,
            from: None,
            settle: Duration::ZERO,
        })
        .unwrap();
        dovvybuddy_core::testkit::channel_contract::renders(&twilio, visible_text);
    }
}
