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

mod inbox;
mod keys;
mod knowledge_base;
mod leads;
mod leases;
mod ledger;
mod outbox;
mod overview;
mod pauses;
mod privacy;
mod sessions;

use async_trait::async_trait;

pub use self::inbox::{Accepted, Backlog, Claim, FinishedTurn, Inbox, MOST_CRASHES, Outcome, Usage};
pub use self::keys::{ApiKey, Keys};
pub use self::knowledge_base::{
    ADOPTED, ContentVersion, Document, DocumentState, Edition, KnowledgeBase, NewPassage, StoredPassage, VERSIONS_KEPT,
};
pub use self::leads::Leads;
pub use self::leases::Leases;
pub use self::ledger::{Ledger, Spend, SpendCaps};
pub use self::outbox::{DeadLetter, DuePart, Notice, Outbox, PartResult};
pub use self::overview::{
    Audit, AuditEntry, AuditRecord, ConversationFilter, ConversationSummary, Figure, LatencyFigure, MOST_SESSIONS,
    OpenQuestion, Overview, Place, QuestionGroup, RatingRecord, TurnRecord, grouped,
};
pub use self::pauses::{EndedPause, Intervention, InterventionKind, Left, Pause, Pauses, TakenUp, Unasked};
pub use self::privacy::{Privacy, Retention, Subject};
pub use self::sessions::Sessions;
pub use crate::accompany::Placeholders;
pub use crate::alert::Alerts;
use crate::channel::BoxError;
pub use crate::identity::Identities;
pub use crate::news::Chronicle;

/// Everything the daemon keeps.
pub trait Store:
    Inbox
    + Sessions
    + Outbox
    + Placeholders
    + Leads
    + Leases
    + Alerts
    + Chronicle
    + Identities
    + Pauses
    + Ledger
    + KnowledgeBase
    + Privacy
    + Keys
    + Overview
    + Audit
    + Upkeep
{
}

impl<S> Store for S where
    S: Inbox
        + Sessions
        + Outbox
        + Placeholders
        + Leads
        + Leases
        + Alerts
        + Chronicle
        + Identities
        + Pauses
        + Ledger
        + KnowledgeBase
        + Privacy
        + Keys
        + Overview
        + Audit
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
    /// The schema was written by a newer version, and is no longer one for this program.
    #[error(
        "the database has schema {found} for programs that know schema {oldest} or later, this program knows {known}; \
         use a newer program"
    )]
    NewerSchema {
        /// The version found.
        found: i64,
        /// What a program must know to use it.
        oldest: i64,
        /// The newest version known.
        known: i64,
    },
}

/// Which schema a database has, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The number of the last migration; 0 for an empty database.
    pub version: i64,
    /// The oldest program that may use it, by the newest schema that program knows. Migrations that only add leave it
    /// as it is, so that a program and the next one work side by side.
    pub oldest_program: i64,
}

impl Schema {
    /// Whether it is for a program that knows schemas up to `known`. An older schema is; that program brings it further.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`] if it is not.
    pub fn admits(self, known: i64) -> Result<(), StoreError> {
        if self.version <= known || self.oldest_program <= known {
            return Ok(());
        }
        Err(StoreError::NewerSchema { found: self.version, oldest: self.oldest_program, known })
    }

    /// Tells the log when it is newer than a program that knows schemas up to `known`: allowed, but worth knowing.
    pub fn tell_if_newer(self, known: i64) {
        if self.version > known {
            tracing::info!(
                schema = self.version,
                known,
                "the database's schema is newer than this program's, which may use it"
            );
        }
    }
}

/// Care of the store itself.
#[async_trait]
pub trait Upkeep: Send + Sync + 'static {
    /// Proves that the store can read and write right now.
    async fn ping(&self) -> Result<(), StoreError>;

    /// The schema, which another process may have brought further since this one opened the store.
    async fn schema(&self) -> Result<Schema, StoreError>;

    /// Whether another process changed what this one holds in memory since the last call: content ingested, a diver
    /// erased. The first call only takes note. Whoever waits for parts is woken where that may help.
    async fn changed(&self) -> Result<bool, StoreError>;

    /// Where the data is, for people: never with a secret in it.
    fn whereabouts(&self) -> String;

    /// Writes what is buffered and closes; later calls fail. A store that was closed knows at the next
    /// start that nothing crashed.
    async fn close(&self) -> Result<(), StoreError>;
}
