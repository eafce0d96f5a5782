//! What divers may ask of their data.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::StoreError;
use crate::clock::Timestamp;
use crate::ids::{BotId, DiverKey, SessionId};

/// Whose data is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One session and the diver behind it, where the channel is anonymous.
    Session(BotId, SessionId),
    /// A diver known to a platform.
    Diver(DiverKey),
}

/// What divers may ask of their data. A diver is all [identities](super::Identities) of the person.
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
