//! Messages on their way in, and the lanes that order them.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StoreError;
use crate::channel::Inbound;
use crate::clock::Timestamp;
use crate::ids::{BotId, ChannelId, ConversationKey, DiverKey, SessionId, TurnId};
use crate::limit::{Allowance, Charge};
use crate::reply::Reply;
use crate::session::Session;

/// Messages on their way in, and the lanes that order them.
#[async_trait]
pub trait Inbox: Send + Sync + 'static {
    /// Stores the event, unless its (bot, channel, account, event id) is known, and charges the limit:
    /// one durable write. A refused or repeated event changes nothing. Opens the session if there is
    /// none for the conversation (`fresh_session` becomes its id).
    async fn accept(
        &self,
        event: &Inbound,
        fresh_session: SessionId,
        charge: Option<&Charge>,
    ) -> Result<Accepted, StoreError>;

    /// Stores an event together with the reply that already answers it, past lanes and limits: an
    /// emergency. Of the turn's session only `emergency` is taken over; profile and state stay as they
    /// are, unless the turn restarts the session: then its state is taken, and a profile that says anything.
    /// Its parts are due at once, ahead of whatever waits for the conversation.
    async fn accept_answered(
        &self,
        event: &Inbound,
        fresh_session: SessionId,
        turn: &FinishedTurn,
    ) -> Result<Accepted, StoreError>;

    /// The waiting events of one free lane, leased until `until`. A chat platform's settled burst comes
    /// together, what one sender said without another in between; elsewhere one event at a time. Lanes are served oldest first; within a lane events
    /// come in the order they were accepted, and no lane is handed out twice at the same time.
    async fn claim(&self, now: Timestamp, until: Timestamp) -> Result<Option<Claim>, StoreError>;

    /// Resolves when there may be something to claim, at the latest after `at_most`.
    async fn wait_for_work(&self, now: Timestamp, at_most: Duration);

    /// Extends the lease of a running turn.
    async fn renew(&self, claim: &Claim, until: Timestamp) -> Result<(), StoreError>;

    /// Gives the lane back unfinished (a soft stop). The next claim is another attempt, and no crash.
    async fn park(&self, claim: &Claim) -> Result<(), StoreError>;

    /// Reply, messages, session, usage and outbox parts together; the claimed events are covered and
    /// the lane is free. Fails with [`StoreError::LeaseLost`] if another worker took the lane.
    async fn finish(&self, claim: &Claim, turn: &FinishedTurn) -> Result<(), StoreError>;

    /// Resolves with a conversation in which an emergency was stored, by whichever replica, and the sequence number of
    /// its event: what was claimed of it before is to be cut short. On a store of one process it never does.
    async fn alarmed(&self) -> (ConversationKey, i64) {
        std::future::pending().await
    }

    /// Whether a message that begins this turn is stored and has no reply yet: whether waiting for it is worth while.
    async fn is_waiting(&self, turn: TurnId) -> Result<bool, StoreError>;

    /// The newest event stored of each of a channel's conversations, by the platform's id. From there on a
    /// platform that tells an event only once is asked what was missed.
    async fn newest_events(
        &self,
        bot: &BotId,
        channel: &ChannelId,
    ) -> Result<Vec<(ConversationKey, String)>, StoreError>;

    /// Queue figures for readiness, status and metrics.
    async fn backlog(&self, now: Timestamp) -> Result<Backlog, StoreError>;
}

/// What became of an offered event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// Stored.
    New {
        /// The session it belongs to.
        session: SessionId,
        /// What is left of the limit.
        allowance: Option<Allowance>,
    },
    /// It was stored before.
    Duplicate {
        /// The turn that covers it.
        turn: TurnId,
        /// The session it belongs to.
        session: SessionId,
        /// The fingerprint it was stored with.
        fingerprint: Option<String>,
    },
    /// The limit refuses it; nothing was stored.
    Limited {
        /// When to come back.
        retry_after: Duration,
    },
}

/// The right to work on a lane's waiting events.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The lane.
    pub conversation: ConversationKey,
    /// The events, oldest first; never empty.
    pub events: Vec<Inbound>,
    /// The stored sequence numbers of the events, in the same order.
    pub sequence: Vec<i64>,
    /// Grows with every lease of the lane; a stale holder's writes are refused.
    pub fence: i64,
    /// Which try this is, from 1. No two tries share a number, since what they said may differ.
    pub attempt: u32,
    /// How many of the tries before may have brought the process down; those given back did not.
    pub crashes: u32,
}

/// After this many crashes a message is set aside and the diver gets the fallback.
pub const MOST_CRASHES: u32 = 3;

impl Claim {
    /// The turn's id: that of its first event, the same on every try.
    pub fn turn(&self) -> Option<TurnId> {
        self.events.first().map(|event| event.turn)
    }

    /// The words of the burst, joined by line breaks.
    pub fn text(&self) -> String {
        let words: Vec<&str> = self.events.iter().map(|e| e.content.text()).filter(|t| !t.is_empty()).collect();
        words.join("\n")
    }
}

/// A turn that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinishedTurn {
    /// Its id.
    pub id: TurnId,
    /// Which try finished it.
    pub attempt: u32,
    /// Who asked; the session's profile is kept for them.
    pub diver: DiverKey,
    /// What the diver said; empty for a command, which leaves no message behind.
    pub said: String,
    /// The reply.
    pub reply: Reply,
    /// How it ended.
    pub outcome: Outcome,
    /// The session as it stands now. Its `history` is ignored: `said` and the reply are appended. Its
    /// `emergency` is taken only if the outcome is [`Outcome::Emergency`]: a turn that was already
    /// running must not undo an alarm.
    pub session: Session,
    /// The diver said that the standing emergency is none: it ends with this turn.
    pub stands_down: bool,
    /// The session's earlier messages end here: it had expired, or the diver asked for a new one.
    pub restarts_session: bool,
    /// What it used.
    pub usage: Usage,
    /// Payloads for the outbox, in order; empty where the client fetches the reply.
    pub parts: Vec<Value>,
    /// What the adapter needs to send them.
    pub context: Value,
    /// When it was finished.
    pub at: Timestamp,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered.
    Answered,
    /// The content did not cover it.
    NotCovered,
    /// Outside diving.
    OutOfScope,
    /// An emergency.
    Emergency,
    /// A command or small talk.
    Fixed,
    /// Something failed and the fallback was given.
    Fallback,
    /// Stopped by an emergency in the same conversation.
    CutShort,
    /// Set aside after crashes.
    SetAside,
    /// Left to the person who has taken over the conversation.
    WithPerson,
    /// A person's own words, which no message asked for.
    Person,
}

impl Outcome {
    /// The word in logs, metrics and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotCovered => "not_covered",
            Self::OutOfScope => "out_of_scope",
            Self::Emergency => "emergency",
            Self::Fixed => "fixed",
            Self::Fallback => "fallback",
            Self::CutShort => "cut_short",
            Self::SetAside => "set_aside",
            Self::WithPerson => "with_person",
            Self::Person => "person",
        }
    }
}

/// What a turn used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt and completion tokens.
    pub tokens: u32,
    /// Cost in millionths of the configured currency.
    pub cost_micros: u64,
    /// Milliseconds from receipt to the start of the turn.
    pub waited_ms: u64,
    /// Milliseconds the routing took.
    pub route_ms: u64,
    /// Milliseconds the search took.
    pub search_ms: u64,
    /// Milliseconds from receipt to the first released piece.
    pub first_piece_ms: u64,
    /// Milliseconds from receipt to the whole reply.
    pub total_ms: u64,
}

/// Queue figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// Accepted messages without a reply.
    pub waiting: u64,
    /// Age of the oldest of them.
    pub oldest: Duration,
    /// Outbox parts not yet sent.
    pub outbox_pending: u64,
    /// Outbox parts whose delivery is uncertain.
    pub outbox_unknown: u64,
    /// Outbox parts given up.
    pub outbox_dead: u64,
}
