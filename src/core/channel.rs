//! Channels: where divers write from, and how replies get back.
//!
//! # Adding a channel
//!
//! 1. Translate each platform event into an [`Inbound`] and hand it to [`Intake::accept`]. Only when
//!    that returned may the platform be told that the event arrived. `Err(Refusal::Unavailable)` means
//!    "come back later": answer 503 with `Retry-After`, or leave the offset where it is.
//! 2. Describe the platform in [`Capabilities`]; splitting, pacing and retries follow from it.
//! 3. Implement [`ChannelAdapter::render`] and [`Outlet::send`], unless replies are fetched
//!    ([`Delivery::Fetched`], as on the web).
//! 4. Run `testkit::channel_contract` against the adapter, and its own tests against a fake of its platform.
//!
//! An adapter translates; it never decides.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::clock::Timestamp;
use crate::ids::{ChannelId, ConversationKey, DiverKey, TurnId};
use crate::intake::Intake;
use crate::reply::Reply;
use crate::session::DiverProfile;

/// A boxed cause, for logs only.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One event of a diver, in the domain's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// The turn this event opens unless another event's turn covers it.
    pub turn: TurnId,
    /// Where it was said; the reply goes there.
    pub conversation: ConversationKey,
    /// Who said it.
    pub sender: Sender,
    /// The platform's id of the event, unique within (bot, channel, account). On the web it is the
    /// idempotency key with its scope, or the turn's own id.
    pub event_id: String,
    /// A digest of the request where the platform lets a client choose `event_id`; a repeat with
    /// another digest is a conflict.
    pub fingerprint: Option<String>,
    /// What was said.
    pub content: Content,
    /// The adapter knows that nothing was said here before, which saves looking for it.
    pub opens_conversation: bool,
    /// When it reached us.
    pub received_at: Timestamp,
    /// Until when a burst may settle; equal to `received_at` where there are none.
    pub ready_at: Timestamp,
    /// What the client tells us of the diver, merged into the profile.
    pub profile: Option<DiverProfile>,
    /// The client's own notes on the conversation, kept as they are.
    pub state: Option<serde_json::Value>,
    /// What the adapter needs to send the reply (topic, message to reply to), opaque to the core.
    pub context: serde_json::Value,
}

/// Who sent an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The key of profile and limits.
    pub key: DiverKey,
    /// The name shown on the platform.
    pub name: Option<String>,
    /// The platform's idea of the diver's language, such as `pt-BR`.
    pub locale: Option<String>,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Words.
    Text(String),
    /// A command or a button, translated from the platform's form.
    Command(Command),
    /// A voice message, photo or file: it gets a kind sentence that also says what to do in an
    /// emergency. The caption, if any, is what the guard reads.
    Unsupported {
        /// The words that came with it.
        caption: Option<String>,
    },
}

impl Content {
    /// The diver's own words, empty for commands.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Unsupported { caption } => caption.as_deref().unwrap_or_default(),
            Self::Command(_) => "",
        }
    }
}

/// Commands every channel offers; the adapter knows how its platform spells them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// First contact or a request for help: who is speaking and what it can do.
    Help,
    /// Forget the conversation so far and begin anew.
    New,
    /// Show what is remembered of the diver.
    Profile,
    /// Show the sources of the last answer.
    Sources,
    /// Say what is kept and for how long.
    Privacy,
    /// Hand over everything held about the diver.
    Export,
    /// Remove everything held about the diver.
    Forget,
    /// The button under an emergency reply.
    NotAnEmergency,
}

impl Command {
    /// The command of that name, without the slash; the same words on every channel.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "help" | "start" => Self::Help,
            "new" => Self::New,
            "profile" => Self::Profile,
            "sources" => Self::Sources,
            "privacy" => Self::Privacy,
            "export" => Self::Export,
            "forget" => Self::Forget,
            "not-an-emergency" => Self::NotAnEmergency,
            _ => return None,
        })
    }
}

/// What a platform can do, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// How replies travel.
    pub delivery: Delivery,
    /// The longest text of one message and how the platform counts it.
    pub longest_text: TextLimit,
    /// A message can be edited after it was sent.
    pub edits: bool,
    /// A repeated send with the same [`DeliveryKey`] makes no second message.
    pub idempotent_sends: bool,
    /// People write in bursts here; events may settle before they are answered together.
    pub bursts: bool,
}

impl Capabilities {
    /// Of a channel whose client waits for the reply and shows it as it comes, at any length.
    pub const fn fetched() -> Self {
        Self {
            delivery: Delivery::Fetched,
            longest_text: TextLimit { most: usize::MAX, unit: TextUnit::Scalars },
            edits: false,
            idempotent_sends: true,
            bursts: false,
        }
    }
}

/// How replies travel to the diver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The client waits for the reply or fetches it: nothing goes through the outbox.
    Fetched,
    /// The reply is sent part by part from the outbox.
    Sent,
}

/// A length and its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLimit {
    /// The most that fits.
    pub most: usize,
    /// What is counted.
    pub unit: TextUnit,
}

/// What a platform counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextUnit {
    /// Unicode scalar values.
    Scalars,
    /// UTF-16 code units, as Telegram counts.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
}

impl TextUnit {
    /// The length of `text` in this unit.
    pub fn measure(self, text: &str) -> usize {
        match self {
            Self::Scalars => text.chars().count(),
            Self::Utf16 => text.encode_utf16().count(),
            Self::Bytes => text.len(),
        }
    }
}

/// Something the outbox can deliver to: a chat platform, a mailbox, an operator's webhook.
#[async_trait]
pub trait Outlet: Send + Sync {
    /// The name under which parts are stored for this outlet.
    fn id(&self) -> ChannelId;

    /// Sends one rendered part. `key` is the same on every try of this part.
    async fn send(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError>;
}

/// One chat platform.
#[async_trait]
pub trait ChannelAdapter: Outlet {
    /// What the platform can do.
    fn capabilities(&self) -> Capabilities;

    /// Turns a reply into the payloads of its parts, each fitting the platform. They are stored with
    /// the turn, so that every try sends the same bytes. Empty for [`Delivery::Fetched`].
    fn render(&self, reply: &Reply) -> Vec<serde_json::Value>;

    /// Receives until `stop` fires. Acknowledges an event only after [`Intake::accept`] returned.
    /// Returning early is a fault: the supervisor starts it again with backoff.
    async fn run(&self, intake: Intake, stop: CancellationToken) -> Result<(), ChannelError>;

    /// Shows that work goes on (typing). Best effort, never awaited by a turn.
    async fn working(&self, _conversation: &ConversationKey, _context: &serde_json::Value) {}
}

/// A part on its way out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboundPart {
    /// Where it goes.
    pub conversation: ConversationKey,
    /// What [`ChannelAdapter::render`] made, or an outlet's own payload.
    pub payload: serde_json::Value,
    /// [`Inbound::context`] of the message that is answered.
    pub context: serde_json::Value,
    /// The receipt of the part this one replaces by an edit, where a placeholder went first.
    pub replaces: Option<Receipt>,
}

/// Identifies a part over all its tries: outbox id and part number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryKey {
    /// The outbox row.
    pub outbox: i64,
    /// The part of the reply, from 0.
    pub part: u16,
}

impl DeliveryKey {
    /// At most 25 characters, as Discord's `nonce` allows.
    pub fn nonce(&self) -> String {
        format!("{:x}.{:x}", self.outbox, self.part)
    }
}

/// The platform's proof of delivery: its id of the message, if it gives one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt(pub Option<String>);

/// Why a part was not sent, and with that, what to do.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The platform asks to wait; the part is tried again after that.
    #[error("the platform asks to wait {0:?}")]
    RetryAfter(Duration),
    /// The conversation no longer exists or blocked us; its parts are dropped.
    #[error("the conversation is gone")]
    Gone,
    /// The platform will never take this part.
    #[error("the platform refused the part: {0}")]
    Rejected(String),
    /// Our credentials are no longer valid; the channel needs its operator.
    #[error("the platform refused our credentials")]
    Unauthorized,
    /// It may have been sent: the answer was lost on the way.
    #[error("it is not known whether the part was sent")]
    Uncertain(#[source] BoxError),
    /// It was not sent; try again.
    #[error("the platform can't be reached")]
    Transport(#[source] BoxError),
}

/// Why a channel stopped receiving.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Our credentials were refused.
    #[error("the platform refused our credentials")]
    Unauthorized,
    /// Anything else; the channel is started again.
    #[error("the channel failed")]
    Failed(#[source] BoxError),
}
