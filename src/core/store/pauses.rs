//! Conversations that a person has taken over from the bot.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Outcome, StoreError};
use crate::clock::Timestamp;
use crate::ids::{ConversationKey, DiverKey, TurnId};
use crate::reply::Reply;

/// Conversations that a person has taken over from the bot; [`crate::handover`] says what comes of it.
#[async_trait]
pub trait Pauses: Send + Sync + 'static {
    /// The bot is silent in the conversation until then; a pause that holds gets the new end. Also where nothing
    /// was said yet. Returns whether the bot was not paused before.
    async fn pause(&self, conversation: &ConversationKey, until: Timestamp, by: &str) -> Result<bool, StoreError>;

    /// The pause that holds in the conversation, if one does. Cheap: every turn asks.
    async fn paused(&self, conversation: &ConversationKey, now: Timestamp) -> Result<Option<Pause>, StoreError>;

    /// Ends a pause that holds; `false` if none does. It then is an [ended one](Self::ended_pauses).
    async fn resume(&self, conversation: &ConversationKey, at: Timestamp, by: &str) -> Result<bool, StoreError>;

    /// Words that answer no message in particular: message, turn and outbox parts in one write. A person's
    /// count as the answer to everything said in the pause so far. `false`, and nothing written, where the
    /// conversation has no session.
    async fn say_unasked(&self, words: &Unasked) -> Result<bool, StoreError>;

    /// Pauses that are over and not [closed](Self::close_pause) yet, with what nobody answered.
    async fn ended_pauses(&self, now: Timestamp, limit: usize) -> Result<Vec<EndedPause>, StoreError>;

    /// Ends the care for a pause, unless the bot was paused again meanwhile. Words that a later turn takes up
    /// leave the turns they were said in.
    async fn close_pause(
        &self,
        conversation: &ConversationKey,
        taken_up: &[TakenUp],
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// What was done by people in the conversation, and the turns no message asked for, oldest first, from after
    /// the number `after`.
    async fn interventions(
        &self,
        conversation: &ConversationKey,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Intervention>, StoreError>;
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// When the bot fell silent.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Who took over: a key's name, a platform's word for its own staff.
    pub by: String,
}

/// Words no message asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Unasked {
    /// The turn they become.
    pub turn: TurnId,
    /// Where they are said.
    pub conversation: ConversationKey,
    /// The words.
    pub reply: Reply,
    /// [`Outcome::Person`], or [`Outcome::Fixed`] for a notice.
    pub outcome: Outcome,
    /// Payloads for the outbox; empty where the client fetches them, or where the platform showed them already.
    pub parts: Vec<Value>,
    /// Who caused them.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A pause that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedPause {
    /// Where.
    pub conversation: ConversationKey,
    /// What was said in it and nobody answered, by diver, oldest first.
    pub left: Vec<Left>,
}

/// What a diver said during a pause and nobody answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Who.
    pub diver: DiverKey,
    /// The turns it was said in.
    pub turns: Vec<TurnId>,
    /// The words, joined by line breaks.
    pub text: String,
}

/// A turn that answers what was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenUp {
    /// The turn.
    pub turn: TurnId,
    /// The turns the words were said in.
    pub instead_of: Vec<TurnId>,
}

/// Something a person did, or that came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervention {
    /// Grows with each.
    pub number: i64,
    /// What was done.
    pub kind: InterventionKind,
    /// The turn it became, if it did.
    pub turn: Option<TurnId>,
    /// Who did it; empty where it came by itself.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterventionKind {
    /// The bot was paused.
    Pause,
    /// The pause was ended.
    Resume,
    /// A person wrote.
    Reply,
    /// The diver was told that a person has taken over.
    Notice,
    /// The bot took up what was left.
    TakenUp,
}

impl InterventionKind {
    /// The word in tables and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Reply => "reply",
            Self::Notice => "notice",
            Self::TakenUp => "taken_up",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pause, Self::Resume, Self::Reply, Self::Notice, Self::TakenUp]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}
