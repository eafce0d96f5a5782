//! The store: what is durable, and what each write means.
//!
//! Every method is one transaction; when it returns `Ok` its effect survives a crash. The port is cut
//! by topic, so that a part of the program asks only for what it needs; a store implements all of it
//! and gets [`Store`] for free.
//!
//! # Adding a store
//!
//! Implement the traits below and run `testkit::store_contract` against it. The contract suite is the
//! specification: where a comment here and the suite disagree, the suite is right.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::accompany::Placeholders;
pub use crate::alert::Alerts;
use crate::channel::{BoxError, Inbound, Receipt};
use crate::clock::Timestamp;
pub use crate::identity::Identities;
use crate::ids::{BotId, ChannelId, ConversationKey, DiverKey, LeadId, SessionId, TurnId};
use crate::lead::{Lead, LeadRecord};
use crate::limit::{Allowance, Charge};
use crate::reply::Reply;
use crate::session::{Session, StoredTurn};

/// Everything the daemon keeps.
pub trait Store:
    Inbox
    + Sessions
    + Outbox
    + Placeholders
    + Leads
    + Alerts
    + Identities
    + Ledger
    + KnowledgeBase
    + Privacy
    + Keys
    + Upkeep
{
}

impl<S> Store for S where
    S: Inbox
        + Sessions
        + Outbox
        + Placeholders
        + Leads
        + Alerts
        + Identities
        + Ledger
        + KnowledgeBase
        + Privacy
        + Keys
        + Upkeep
{
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It can't be reached, is full, read-only or broken. Nothing was written.
    #[error("the store can't be used: {0}")]
    Unavailable(#[source] BoxError),
    /// The claim's lease was lost to another worker; nothing was written.
    #[error("the lease on the conversation was lost")]
    LeaseLost,
    /// More messages are waiting than the queue may hold; nothing was written.
    #[error("too many messages are waiting")]
    Full,
    /// Stored data does not have the form this version writes.
    #[error("stored data can't be read: {0}")]
    Corrupt(#[source] BoxError),
    /// The schema was written by an older version, and nobody asked for it to be brought up to date.
    #[error("the database has schema {found}, this program needs {known}; run `dovvybuddy migrate`")]
    OlderSchema {
        /// The version found.
        found: i64,
        /// The version needed.
        known: i64,
    },
    /// The schema was written by a newer version.
    #[error("the database has schema {found}, this program knows {known}; use a newer program")]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest version known.
        known: i64,
    },
}

// ---------------------------------------------------------------------------------------------------

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

// ---------------------------------------------------------------------------------------------------

/// Sessions and their turns.
#[async_trait]
pub trait Sessions: Send + Sync + 'static {
    /// The conversation's session with its newest `window` messages; `None` if never opened.
    /// The profile is that of `diver`, never of a group. Expired sessions are returned as they are: the
    /// caller decides.
    async fn session(
        &self,
        conversation: &ConversationKey,
        diver: &DiverKey,
        window: usize,
    ) -> Result<Option<Session>, StoreError>;

    /// The same by its id, with the profile of the diver who last spoke in it.
    async fn session_by_id(&self, bot: &BotId, id: SessionId, window: usize) -> Result<Option<Session>, StoreError>;

    /// Opens a session nobody has spoken in yet, with what its client told of the diver. Only channels
    /// whose divers are their conversations (the anonymous web) can do so before a word is said.
    async fn open_session(&self, session: &Session) -> Result<(), StoreError>;

    /// A finished turn.
    async fn turn(&self, id: TurnId) -> Result<Option<StoredTurn>, StoreError>;

    /// Keeps a rating; `false` if there is no such turn. A repeat replaces the earlier one.
    async fn rate(&self, turn: TurnId, up: bool, comment: Option<&str>, at: Timestamp) -> Result<bool, StoreError>;
}

// ---------------------------------------------------------------------------------------------------

/// Parts on their way out.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Marks up to `limit` due parts `send_started` and returns them. Per conversation and outlet only
    /// the first unsent part is due, and never while another of it is being sent.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<DuePart>, StoreError>;

    /// Resolves when there may be something due, at the latest after `at_most`.
    async fn wait_for_parts(&self, now: Timestamp, at_most: Duration);

    /// What became of a part.
    async fn settle(&self, id: i64, result: &PartResult) -> Result<(), StoreError>;

    /// Parts of this channel given up, oldest first.
    async fn dead_parts(&self, limit: usize) -> Result<Vec<DuePart>, StoreError>;
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

// ---------------------------------------------------------------------------------------------------

/// Leads.
#[async_trait]
pub trait Leads: Send + Sync + 'static {
    /// Stores the lead and its deliveries in one write.
    async fn add_lead(&self, lead: &Lead, deliveries: &[Notice]) -> Result<(), StoreError>;

    /// The newest leads with the state of their deliveries.
    async fn leads(&self, bot: &BotId, limit: usize) -> Result<Vec<LeadRecord>, StoreError>;

    /// Puts deliveries of a lead into the outbox once more; `false` if there is no such lead.
    async fn resend_lead(&self, id: LeadId, deliveries: &[Notice], at: Timestamp) -> Result<bool, StoreError>;
}

// ---------------------------------------------------------------------------------------------------

/// What models cost, and the caps on it.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Reserves `tokens` and `cost_micros` for a diver on a day, if no cap would be passed.
    async fn reserve(&self, spend: &Spend, caps: &SpendCaps) -> Result<Option<i64>, StoreError>;

    /// Replaces a reservation by what was really used.
    async fn settle_spend(&self, reservation: i64, tokens: u64, cost_micros: u64) -> Result<(), StoreError>;

    /// What was spent and reserved on a day by everyone.
    async fn spent(&self, day: &str) -> Result<(u64, u64), StoreError>;
}

/// A spend that is to be reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// The UTC day.
    pub day: String,
    /// Who asks; [`DiverKey::encode`].
    pub diver: String,
    /// Tokens at most.
    pub tokens: u64,
    /// Cost at most, in millionths of the configured currency.
    pub cost_micros: u64,
}

/// Caps per day; 0 means none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpendCaps {
    /// Tokens of one diver.
    pub diver_tokens: u64,
    /// Tokens of everyone.
    pub all_tokens: u64,
    /// Cost of everyone, in millionths.
    pub all_cost_micros: u64,
}

// ---------------------------------------------------------------------------------------------------

/// The ingested content.
#[async_trait]
pub trait KnowledgeBase: Send + Sync + 'static {
    /// Root, path and content hash of every document.
    async fn documents(&self) -> Result<Vec<DocumentState>, StoreError>;

    /// Replaces documents with their passages, destinations and sites; each document atomically. A path
    /// is held once: a document of another root with that path gives way.
    async fn put_documents(&self, documents: &[Document], at: Timestamp) -> Result<(), StoreError>;

    /// Removes documents with everything that hangs on them.
    async fn remove_documents(&self, paths: &[String]) -> Result<(), StoreError>;

    /// Every passage, in a stable order.
    async fn passages(&self) -> Result<Vec<StoredPassage>, StoreError>;

    /// Every vector of a model. Vectors of other models or dimensions are never returned.
    async fn vectors(&self, model: &str, dimension: usize) -> Result<Vec<(i64, Vec<f32>)>, StoreError>;

    /// Stores vectors of a model by passage id; unknown passages are skipped.
    async fn put_vectors(&self, model: &str, vectors: &[(i64, Vec<f32>)]) -> Result<(), StoreError>;

    /// Vectors by the hash of the embedded text, from earlier ingestions of the same words.
    async fn cached_vectors(&self, model: &str, hashes: &[String]) -> Result<Vec<(String, Vec<f32>)>, StoreError>;

    /// The destinations, as their documents' front matter describes them.
    async fn destinations(&self) -> Result<Vec<Value>, StoreError>;

    /// The dive sites, likewise.
    async fn dive_sites(&self) -> Result<Vec<Value>, StoreError>;
}

/// What is known of an ingested document without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentState {
    /// See [`Document::root`].
    pub root: String,
    /// Path inside the content directory.
    pub path: String,
    /// SHA-256 of the file and of the chunking's version.
    pub hash: String,
    /// When it was ingested.
    pub ingested_at: Timestamp,
}

/// A document that is to be ingested.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// The name of the content directory it came from, so that whoever reads one directory leaves the
    /// documents of the others alone; empty if it came from none.
    pub root: String,
    /// Path inside the content directory.
    pub path: String,
    /// See [`DocumentState::hash`].
    pub hash: String,
    /// Title.
    pub title: String,
    /// Type.
    pub doc_type: String,
    /// The whole front matter.
    pub front_matter: Map<String, Value>,
    /// Its passages in order.
    pub passages: Vec<NewPassage>,
    /// A row for the table of destinations (`destination_id` names it).
    pub destination: Option<Value>,
    /// A row for the table of dive sites (`site_id` names it).
    pub dive_site: Option<Value>,
}

/// A passage that is to be ingested.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewPassage {
    /// The heading it stands under.
    pub section: String,
    /// Its words.
    pub text: String,
    /// SHA-256 of what is embedded (header and words).
    pub hash: String,
}

/// A stored passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPassage {
    /// Its id.
    pub id: i64,
    /// Its document's path.
    pub path: String,
    /// Its document's title.
    pub title: String,
    /// Its document's type.
    pub doc_type: String,
    /// Its document's front matter, shared by the document's passages.
    pub front_matter: std::sync::Arc<Map<String, Value>>,
    /// Its place in the document, from 0.
    pub position: usize,
    /// The heading it stands under.
    pub section: String,
    /// Its words.
    pub text: String,
    /// See [`NewPassage::hash`].
    pub hash: String,
}

// ---------------------------------------------------------------------------------------------------

/// Whose data is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One session and the diver behind it, where the channel is anonymous.
    Session(BotId, SessionId),
    /// A diver known to a platform.
    Diver(DiverKey),
}

/// What divers may ask of their data. A diver is all [identities](Identities) of the person.
#[async_trait]
pub trait Privacy: Send + Sync + 'static {
    /// Everything held about the subject, or `None` if nothing is.
    async fn export(&self, subject: &Subject) -> Result<Option<Value>, StoreError>;

    /// Removes all of it, leads too if asked, and leaves no trace in the database's files. Returns how
    /// many rows went; 0 means that nothing was held.
    async fn erase(&self, subject: &Subject, leads_too: bool) -> Result<u64, StoreError>;

    /// Removes what is older than its retention allows. Returns how many rows went.
    async fn expire(&self, now: Timestamp, retention: &Retention) -> Result<u64, StoreError>;
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Sessions, messages, turns after their last use.
    pub sessions: Duration,
    /// Event ids, for recognising repeats; at least 8 days.
    pub event_ids: Duration,
    /// Sent outbox parts.
    pub outbox: Duration,
    /// Leads.
    pub leads: Duration,
    /// Usage detail.
    pub usage: Duration,
}

// ---------------------------------------------------------------------------------------------------

/// Operators' API keys. Only hashes are stored.
#[async_trait]
pub trait Keys: Send + Sync + 'static {
    /// Stores a key.
    async fn add_key(&self, key: &ApiKey, hash: &str) -> Result<(), StoreError>;

    /// All keys, the revoked ones too.
    async fn keys(&self) -> Result<Vec<ApiKey>, StoreError>;

    /// Revokes a key; `false` if there is none of that id.
    async fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, StoreError>;

    /// The valid key with this hash.
    async fn key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError>;
}

/// An operator's API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its public id.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// What it allows.
    pub scope: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

// ---------------------------------------------------------------------------------------------------

/// Care of the store itself.
#[async_trait]
pub trait Upkeep: Send + Sync + 'static {
    /// Proves that the store can read and write right now.
    async fn ping(&self) -> Result<(), StoreError>;

    /// The schema's version.
    async fn schema_version(&self) -> Result<i64, StoreError>;

    /// Writes what is buffered and closes; later calls fail. A store that was closed knows at the next
    /// start that nothing crashed.
    async fn close(&self) -> Result<(), StoreError>;
}
