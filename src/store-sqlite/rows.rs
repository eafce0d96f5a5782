//! Reading columns back into the domain's types.

use dovvybuddy_core::channel::Inbound;
use dovvybuddy_core::{ConversationKey, LeadId, SessionId, TurnId};
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::fault::{Fault, Outcome};
use crate::lanes::Tries;

pub(crate) fn session_id(text: &str) -> Outcome<SessionId> {
    SessionId::parse(text).ok_or_else(|| Fault::corrupt("a session's id"))
}

pub(crate) fn turn_id(text: &str) -> Outcome<TurnId> {
    TurnId::parse(text).ok_or_else(|| Fault::corrupt("a turn's id"))
}

pub(crate) fn lead_id(text: &str) -> Outcome<LeadId> {
    LeadId::parse(text).ok_or_else(|| Fault::corrupt("a lead's id"))
}

pub(crate) fn conversation(text: &str) -> Outcome<ConversationKey> {
    ConversationKey::decode(text).ok_or_else(|| Fault::corrupt("a conversation's key"))
}

/// A column that holds JSON.
pub(crate) fn json<T: DeserializeOwned>(row: &SqliteRow, column: usize) -> Outcome<T> {
    Ok(serde_json::from_str(row.try_get::<&str, _>(column)?)?)
}

/// A column that holds JSON or nothing.
pub(crate) fn json_or<T: DeserializeOwned>(row: &SqliteRow, column: usize) -> Outcome<Option<T>> {
    let text: Option<&str> = row.try_get(column)?;
    Ok(text.map(serde_json::from_str).transpose()?)
}

/// A count, which is never negative.
pub(crate) fn count(row: &SqliteRow, column: usize) -> Outcome<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}

/// A small number that was stored as one.
pub(crate) fn small<T: TryFrom<i64>>(row: &SqliteRow, column: usize) -> Outcome<T> {
    T::try_from(row.try_get::<i64, _>(column)?).map_err(|_| Fault::corrupt("a number out of its range"))
}

/// For a column of the stored width.
pub(crate) fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A row of the inbox that still waits: sequence, event, attempts, how many of them were parked.
pub(crate) fn waiting(row: &SqliteRow) -> Outcome<(i64, Inbound, Tries)> {
    Ok((row.try_get(0)?, json(row, 1)?, Tries { attempts: small(row, 2)?, parked: small(row, 3)? }))
}
