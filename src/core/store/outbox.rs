//! Parts on their way out.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StoreError;
use crate::channel::{MessageStatus, Receipt};
use crate::clock::Timestamp;
use crate::ids::{BotId, ChannelId, ConversationKey};

/// Parts on their way out.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Marks up to `limit` due parts `send_started` and returns them. Per conversation and outlet only
    /// the first unsent part is due, and never while another of it is being sent.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<DuePart>, StoreError>;

    /// Resolves when there may be something due, at the latest after `at_most`.
    async fn wait_for_parts(&self, now: Timestamp, at_most: Duration);

    /// The clock was put back: what it put off while it was ahead is due now.
    async fn clock_was_put_back(&self, now: Timestamp) -> Result<(), StoreError>;

    /// What became of a part.
    async fn settle(&self, id: i64, result: &PartResult) -> Result<(), StoreError>;

    /// Parts given up, oldest first.
    async fn dead_parts(&self, limit: usize) -> Result<Vec<DuePart>, StoreError>;

    /// The same with why and when they were given up, newest first.
    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, StoreError>;

    /// Puts a part that was given up back among those to be sent, as if it were written at `at`; `false` if
    /// no such part was given up.
    async fn revive(&self, id: i64, at: Timestamp) -> Result<bool, StoreError>;

    /// Keeps how far a message got after its platform took it. A status that says less than what is known
    /// changes nothing; returns whether it changed anything. The message is named by its receipt, which may
    /// not be stored yet.
    async fn note_status(
        &self,
        conversation: &ConversationKey,
        receipt: &str,
        status: MessageStatus,
        at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// How far a message got, if its platform told.
    async fn status(&self, conversation: &ConversationKey, receipt: &str) -> Result<Option<MessageStatus>, StoreError>;
}

/// A part that is to be sent now.
#[derive(Debug, Clone, PartialEq)]
pub struct DuePart {
    /// The outbox row.
    pub id: i64,
    /// Its place in the reply, from 0.
    pub part: u16,
    /// Which outlet takes it.
    pub outlet: ChannelId,
    /// Where it goes.
    pub conversation: ConversationKey,
    /// The rendered payload.
    pub payload: Value,
    /// What the adapter needs to send it.
    pub context: Value,
    /// How often it was tried before.
    pub attempts: u32,
    /// A crash left it uncertain whether an earlier try arrived.
    pub uncertain: bool,
    /// The placeholder it replaces, if one went first.
    pub replaces: Option<Receipt>,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A part that was given up.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The part.
    pub part: DuePart,
    /// Why, in words for the operator.
    pub error: String,
    /// When it was given up.
    pub at: Timestamp,
}

/// What became of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartResult {
    /// It arrived.
    Sent {
        /// The platform's receipt.
        receipt: Receipt,
        /// When.
        at: Timestamp,
    },
    /// Try again then.
    Retry {
        /// When.
        at: Timestamp,
        /// Why.
        error: String,
        /// It may have arrived.
        uncertain: bool,
    },
    /// Given up.
    Dead {
        /// Why.
        error: String,
    },
}

/// A part for an outlet that is no conversation: a lead by mail, an event for the operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The outlet.
    pub outlet: ChannelId,
    /// The key that orders it: parts with the same key go out one after another.
    pub subject: String,
    /// What the outlet needs.
    pub payload: Value,
}

impl Notice {
    /// Where it "takes place": its outlet is the channel, its subject the conversation.
    pub fn lane(&self, bot: &BotId) -> ConversationKey {
        ConversationKey {
            bot: bot.clone(),
            channel: self.outlet.clone(),
            account: String::new(),
            conversation: self.subject.clone(),
        }
    }
}
