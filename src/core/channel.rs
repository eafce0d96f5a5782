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
//!
//! # What is private
//!
//! The answer goes where [`Inbound::conversation`] says. A command that [is private](Command::is_private)
//! and was given where others read along is therefore handed in with the conversation that only its
//! sender reads: the chat with the sender, the direct message, or a key of the adapter's own whose
//! `context` leads to an answer that only the sender sees. Where the platform lets nobody be written to
//! first, the adapter says in the group, in the fixed words of [`Intake::say`], that the answer waits in
//! private, and how to get there. The core answers such a command wherever it is handed in: it can't know
//! who reads along. Profile, limits, export and erasure belong to [`Sender::key`], so they are the same
//! in every conversation.
//!
//! # While a turn runs
//!
//! The first sign of work is the adapter's: it shows typing as soon as `accept` returned, because a burst
//! may settle for a while before its turn begins. From then on the turn does it by [`Capabilities`]: it
//! calls [`ChannelAdapter::working`] as often as typing lapses, and where messages can be edited it sends
//! a placeholder, edits it while the text grows, and leaves its receipt in the store. The reply's first
//! part then replaces the placeholder ([`OutboundPart::replaces`]), also after a crash in between. None of
//! these calls is waited for longer than a moment, and none of their failures matters to the reply.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::clock::Timestamp;
use crate::delivery::GIVE_UP_AFTER;
use crate::ids::{ChannelId, ConversationKey, DiverKey, TurnId};
use crate::intake::Intake;
use crate::reply::Reply;
use crate::session::DiverProfile;
use crate::supervise::Progress;

pub use crate::action::{Action, Command};

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
    /// How a person can write to them on the platform (`@ana`, a link), if the platform tells. Goes into
    /// a lead when the diver wants to be answered there.
    #[serde(default)]
    pub contact: Option<String>,
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
    /// Words meant for the bot that the platform keeps from it, unless it is named or the operator switches
    /// more on there. It gets a sentence that says so.
    Unseen,
}

impl Content {
    /// Words as somebody wrote them, where nothing but the words tells a command: `/name` and what follows.
    /// Of a command that nobody knows the words count.
    pub fn written(text: &str) -> Self {
        let text = text.trim();
        let Some(said) = text.strip_prefix('/') else { return Self::Text(text.to_owned()) };
        let (name, rest) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
        // Whoever writes a sentence after it wants to be heard, most of all in an emergency.
        let sentence = rest.split_whitespace().nth(1).is_some();
        match Command::spoken(&name.to_ascii_lowercase(), rest) {
            Some(Command::Help | Command::New) if sentence => Self::Text(rest.trim().to_owned()),
            Some(command) => Self::Command(command),
            None if name.eq_ignore_ascii_case("ask") && !rest.trim().is_empty() => Self::Text(rest.trim().to_owned()),
            None => Self::Text(text.to_owned()),
        }
    }

    /// The diver's own words, empty for commands.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Unsupported { caption } => caption.as_deref().unwrap_or_default(),
            Self::Command(_) | Self::Unseen => "",
        }
    }
}

/// What a platform can do, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// How replies travel.
    pub delivery: Delivery,
    /// The longest text of one message and how the platform counts it.
    pub longest_text: TextLimit,
    /// A message can be edited after it was sent: the shortest time between two changes of a message
    /// that the platform bears. `None` where it can't, or where it is too dear for showing progress.
    pub edits: Option<Duration>,
    /// How long "typing" stays visible after [`ChannelAdapter::working`]; `None` where there is no such
    /// thing.
    pub typing: Option<Duration>,
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
            edits: None,
            typing: None,
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

    /// How long a part is tried before it is given up.
    fn gives_up_after(&self) -> Duration {
        GIVE_UP_AFTER
    }

    /// Sends one rendered part. `key` is the same on every try of this part. Where the part
    /// [replaces](OutboundPart::replaces) a message, that message is edited; it counts as sent when it
    /// already reads so, and is sent anew when it is not there any more.
    async fn send(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError>;

    /// The longest pause between two tries of a part that could not be sent, before jitter. Somebody waits
    /// for a reply in a chat; a platform that was down for an hour is not asked for another one.
    fn longest_pause(&self) -> Duration {
        Duration::from_hours(3)
    }
}

/// [`Outlet::longest_pause`] of a chat platform.
pub const CHAT_PAUSE: Duration = Duration::from_secs(30);

/// One chat platform.
#[async_trait]
pub trait ChannelAdapter: Outlet {
    /// What the platform can do.
    fn capabilities(&self) -> Capabilities;

    /// Turns a reply into the payloads of its parts, each fitting the platform. They are stored with
    /// the turn, so that every try sends the same bytes. The buttons go under the last part. Empty for
    /// [`Delivery::Fetched`].
    fn render(&self, rendering: &Rendering<'_>) -> Vec<serde_json::Value>;

    /// The payload of an unfinished reply, cut to what fits one message: the fixed words of a
    /// placeholder at first, then what was released so far. `None`: the platform shows no progress.
    fn render_progress(&self, _text: &str) -> Option<serde_json::Value> {
        None
    }

    /// Receives until `stop` fires. Acknowledges an event only after [`Intake::accept`] returned.
    /// Calls [`Progress::tick`] whenever something came, and whenever it is certain that nothing did (a
    /// long poll that ended empty, a heartbeat that was answered), at least every
    /// [`TICK_AT_LEAST`](crate::supervise::TICK_AT_LEAST). Returning early is a fault, as is standing
    /// still: the supervisor starts it again with backoff.
    async fn run(&self, intake: Intake, progress: Arc<Progress>, stop: CancellationToken) -> Result<(), ChannelError>;

    /// Whether only one process at a time may receive: the platform lets a token be polled once, or tells every
    /// connection everything.
    fn receives_alone(&self) -> bool {
        false
    }

    /// Whether an ordinary reply to a message with this [`Inbound::context`] can still reach the diver, where
    /// a platform closes a conversation after a while. Asked before a model is; where it can't, the turn
    /// gets fixed words, and the adapter sends what its platform allows instead.
    fn reaches(&self, _conversation: &ConversationKey, _context: &serde_json::Value, _now: Timestamp) -> bool {
        true
    }

    /// Shows that work goes on (typing). Best effort, never waited for by a reply.
    async fn working(&self, _conversation: &ConversationKey, _context: &serde_json::Value) {}
}

/// A reply that is to be rendered, with what a platform shows beside the words.
#[derive(Debug, Clone, Copy)]
pub struct Rendering<'a> {
    /// The turn the reply covers.
    pub turn: TurnId,
    /// The reply.
    pub reply: &'a Reply,
    /// The buttons to offer under it, in this order; empty where there is nothing to offer.
    pub actions: &'a [Action],
}

/// How far a message got after the platform took it, as the platform tells. Later ones stand for more; a
/// failure is overruled by proof that the message arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// On its way.
    Sent,
    /// It will not arrive.
    Failed,
    /// On the diver's device.
    Delivered,
    /// The diver saw it.
    Read,
}

impl MessageStatus {
    /// The word in logs, metrics and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }
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
    /// When it was written: the same on every try.
    pub written_at: Timestamp,
    /// The receipt of the message this one replaces by an edit: a placeholder that went first.
    pub replaces: Option<Receipt>,
    /// A placeholder or an unfinished text. An adapter that must spare a limit refuses these first, with
    /// [`SendError::RetryAfter`], so that the reply itself gets through.
    pub progress: bool,
}

/// Identifies a part over all its tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryKey {
    /// What it is a part of.
    pub origin: Origin,
    /// Its place, from 0.
    pub part: u16,
}

/// What a sent message is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A row of the outbox.
    Outbox(i64),
    /// The progress of a running turn.
    Progress(TurnId),
    /// Words that could not wait for the outbox: of an event that opened this turn.
    Urgent(TurnId),
}

impl DeliveryKey {
    /// The key of a row of the outbox.
    pub const fn outbox(row: i64, part: u16) -> Self {
        Self { origin: Origin::Outbox(row), part }
    }

    /// At most 25 characters, as Discord's `nonce` allows; different keys have different ones.
    pub fn nonce(&self) -> String {
        // Half of a random id still has 60 random bits.
        let half = |turn: TurnId| turn.0.as_u64_pair().1;
        match self.origin {
            Origin::Outbox(row) => format!("{row:x}.{:x}", self.part),
            Origin::Progress(turn) => format!("p{:x}.{:x}", half(turn), self.part),
            Origin::Urgent(turn) => format!("u{:x}.{:x}", half(turn), self.part),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_written_with_a_slash() {
        assert_eq!(Content::written("/Forget"), Content::Command(Command::Forget));
        assert_eq!(Content::written("/link ABCD "), Content::Command(Command::Link(Some("ABCD".into()))));
        assert_eq!(Content::written("/dance now"), Content::Text("/dance now".into()));
        assert_eq!(Content::written("/help my buddy can't breathe"), Content::Text("my buddy can't breathe".into()));
        assert_eq!(Content::written("/ask how deep?"), Content::Text("how deep?".into()));
        assert_eq!(Content::written(" hi "), Content::Text("hi".into()));
    }
}
