//! One generic webhook as a channel: what systems post comes in by [`crate::receive`], replies go out here.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::action::numbered_choices;
use dovvybuddy_core::channel::{
    Capabilities, ChannelAdapter, ChannelError, Delivery, DeliveryKey, Origin, OutboundPart, Outlet, Receipt,
    Rendering, SendError, TextLimit, TextUnit,
};
use dovvybuddy_core::intake::{Intake, Seat};
use dovvybuddy_core::reply::{Citation, Reply, Safety};
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::{BotId, ChannelId, Clock, ConversationKey, TurnId};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::address::Allowed;
use crate::error::ConfigError;
use crate::post::Poster;
use crate::seat::Seats;
use crate::signature::Secret;

/// Names that belong to platforms.
pub const TAKEN: [&str; 4] = ["telegram", "discord", "whatsapp", "twilio"];
/// How often the channel shows that it listens.
const TICK: Duration = Duration::from_secs(10);
/// How many events that could not be stored are remembered, and how long.
const REMEMBERED: u64 = 10_000;
const MEMORY: Duration = Duration::from_hours(1);

/// How replies come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplyBy {
    /// Posted to the callback address.
    Callback,
    /// In the answer to the call, if it is there in time, else to the callback address.
    Sync,
}

/// What a generic webhook needs.
#[derive(Debug, Clone)]
pub struct HookConfig {
    /// The bot as the core knows it.
    pub bot: BotId,
    /// Its name, which is in its address.
    pub name: String,
    /// The secret by which both sides sign, `whsec_…`.
    pub secret: SecretString,
    /// The secret of before, while it is changed: accepted as well, and signed with as well.
    pub previous_secret: Option<SecretString>,
    /// Where replies are posted.
    pub callback_url: Option<String>,
    /// How replies come back.
    pub reply: ReplyBy,
    /// How long a caller is kept waiting for the reply.
    pub sync_timeout: Duration,
    /// What the whole webhook may bring a minute; 0 is no limit. An emergency is never refused.
    pub messages_per_minute: u32,
    /// The private addresses that may be reached.
    pub allowed: Allowed,
}

/// One generic webhook.
pub struct Hook {
    pub(crate) config: HookConfig,
    /// The current secret first.
    pub(crate) secrets: Vec<Secret>,
    callback: Option<Poster>,
    pub(crate) seats: Seats,
    /// Where messages go while the channel runs.
    seat: Seat,
    limiter: Option<DefaultDirectRateLimiter>,
    /// The turns of messages that could not be stored and will come again.
    again: Cache<String, TurnId>,
    /// What was said past the outbox, for a caller who waits on the line.
    urgent: Cache<TurnId, Arc<Reply>>,
    /// Messages being taken in, whether or not their caller waits.
    pub(crate) tasks: TaskTracker,
}

/// A reply, as it is kept in the outbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Payload {
    turn: TurnId,
    text: String,
    reply: Reply,
}

/// What a reply needs to know of the message it answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Context {
    /// The sender's own id of the message, or the call's.
    #[serde(default)]
    pub(crate) in_reply_to: Option<String>,
}

impl Hook {
    /// Reads the settings. Nothing is connected yet.
    pub fn new(config: HookConfig, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let key = |name: &str| format!("channels.webhook.{}.{name}", config.name);
        let mut secrets = vec![Secret::parse(&key("secret"), &config.secret)?];
        if let Some(previous) = &config.previous_secret {
            secrets.push(Secret::parse(&key("previous_secret"), previous)?);
        }
        let callback = match &config.callback_url {
            Some(url) => Some(Poster::new(&key("callback_url"), url, secrets.clone(), &config.allowed, clock)?),
            None if config.reply == ReplyBy::Callback => {
                return Err(ConfigError::new(key("callback_url"), "an http(s) address, or reply = \"sync\""));
            }
            None => None,
        };
        let limiter =
            NonZeroU32::new(config.messages_per_minute).map(|rate| RateLimiter::direct(Quota::per_minute(rate)));
        Ok(Self {
            config,
            secrets,
            callback,
            seats: Seats::default(),
            seat: Seat::default(),
            limiter,
            again: Cache::builder().max_capacity(REMEMBERED).time_to_live(MEMORY).build(),
            urgent: Cache::builder().max_capacity(REMEMBERED).time_to_live(MEMORY).build(),
            tasks: TaskTracker::new(),
        })
    }

    /// The channel's id: `webhook:` and the name.
    pub fn channel(&self) -> ChannelId {
        ChannelId::new(format!("webhook:{}", self.config.name))
    }

    pub(crate) fn intake(&self) -> Option<Intake> {
        self.seat.intake()
    }

    /// Room for one more message; `Err` with how long to wait.
    pub(crate) fn room(&self) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.check().map_err(|not| not.wait_time_from(DefaultClock::default().now()))
    }

    /// The turn of an event: the same when it comes again because it could not be stored, so that nothing
    /// urgent is said twice.
    pub(crate) fn turn_of(&self, event: &str, clock: &dyn Clock) -> TurnId {
        self.again.get(event).unwrap_or_else(|| TurnId(clock.uuid()))
    }

    pub(crate) fn comes_again(&self, event: &str, turn: TurnId) {
        self.again.insert(event.to_owned(), turn);
    }

    /// What was said past the outbox in this turn.
    pub(crate) fn said_urgently(&self, turn: TurnId) -> Option<Arc<Reply>> {
        self.urgent.get(&turn)
    }

    async fn post(&self, part: &OutboundPart, payload: Payload, key: &DeliveryKey) -> Result<Receipt, SendError> {
        let id = format!("reply_{}_{}", payload.turn, key.part);
        let Some(callback) = &self.callback else {
            // The caller went away before the reply was there; asking again with the same id brings it.
            return Ok(Receipt(Some("kept for the caller".to_owned())));
        };
        callback.post(&id, created(part, &payload).to_string()).await?;
        Ok(Receipt(Some(id)))
    }
}

/// The event that brings a reply.
fn created(part: &OutboundPart, payload: &Payload) -> Value {
    let context = Context::deserialize(&part.context).unwrap_or_default();
    let Payload { turn, text, reply } = payload;
    json!({
        "type": "reply.created",
        "timestamp": part.written_at.to_rfc3339(),
        "data": {
            "conversation": part.conversation.conversation,
            "turnId": turn,
            "inReplyTo": context.in_reply_to,
            "text": text,
            "agentType": reply.agent,
            "citations": reply.citations.iter().map(cited).collect::<Vec<_>>(),
            "emergency": reply.safety == Safety::Emergency,
        },
    })
}

/// A citation as the HTTP API shows it: an `f32` written as JSON would show its inexact tail.
fn cited(citation: &Citation) -> Value {
    let mut shown = serde_json::to_value(citation).unwrap_or_default();
    if let Some(score) = shown.get_mut("score") {
        *score = json!((f64::from(citation.score) * 1000.0).round() / 1000.0);
    }
    shown
}

/// The whole text: nothing is shown beside it, so what buttons would offer stands in it.
fn text(rendering: &Rendering<'_>) -> String {
    let mut text = rendering.reply.text.clone();
    for more in [rendering.reply.follow_up.clone().unwrap_or_default(), numbered_choices(rendering.actions)] {
        if !more.is_empty() && !text.contains(&more) {
            text.extend(["\n\n", &more]);
        }
    }
    text
}

#[async_trait]
impl Outlet for Hook {
    fn id(&self) -> ChannelId {
        self.channel()
    }

    async fn send(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError> {
        let payload: Payload = serde_json::from_value(part.payload.clone())
            .map_err(|_| SendError::Rejected("the stored reply can't be read".to_owned()))?;
        match key.origin {
            Origin::Urgent(turn) if self.callback.is_none() || self.config.reply == ReplyBy::Sync => {
                self.urgent.insert(turn, Arc::new(payload.reply.clone()));
                if self.seats.serves(turn) || self.callback.is_none() {
                    return Ok(Receipt(Some("on the line".to_owned())));
                }
            }
            _ if self.seats.serves(payload.turn) => return Ok(Receipt(Some("on the line".to_owned()))),
            _ => {}
        }
        self.post(part, payload, key).await
    }
}

#[async_trait]
impl ChannelAdapter for Hook {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            delivery: Delivery::Sent,
            longest_text: TextLimit { most: usize::MAX, unit: TextUnit::Scalars },
            edits: None,
            typing: None,
            // The receiver knows a repeat by its webhook-id.
            idempotent_sends: true,
            bursts: false,
        }
    }

    fn render(&self, rendering: &Rendering<'_>) -> Vec<Value> {
        let payload = Payload { turn: rendering.turn, text: text(rendering), reply: rendering.reply.clone() };
        vec![serde_json::to_value(payload).unwrap_or_default()]
    }

    async fn run(&self, intake: Intake, progress: Arc<Progress>, stop: CancellationToken) -> Result<(), ChannelError> {
        let clock = Arc::clone(intake.clock());
        let _seated = self.seat.take(intake);
        loop {
            progress.tick(clock.now());
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }
}

/// Webhooks by name, as [`crate::router`] serves them.
pub type Hooks = HashMap<String, Arc<Hook>>;

impl Hook {
    /// The key of a conversation here.
    pub(crate) fn conversation(&self, name: &str) -> ConversationKey {
        ConversationKey {
            bot: self.config.bot.clone(),
            channel: self.channel(),
            account: String::new(),
            conversation: name.to_owned(),
        }
    }
}

/// The text of a rendered reply.
pub fn visible_text(payload: &Value) -> String {
    Payload::deserialize(payload).map(|payload| payload.text).unwrap_or_default()
}
