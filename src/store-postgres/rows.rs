//! Columns and the domain's types.

use std::borrow::Cow;

use dovvybuddy_core::{ConversationKey, DiverKey, LeadId, SessionId, Timestamp, TurnId};
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::fault::{Fault, Outcome};

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

pub(crate) fn diver(text: &str) -> Outcome<DiverKey> {
    DiverKey::decode(text).ok_or_else(|| Fault::corrupt("a diver's key"))
}

/// A column that holds JSON.
pub(crate) fn json<T: DeserializeOwned>(row: &PgRow, column: usize) -> Outcome<T> {
    Ok(serde_json::from_str(row.try_get::<&str, _>(column)?)?)
}

/// A column that holds JSON or nothing.
pub(crate) fn json_or<T: DeserializeOwned>(row: &PgRow, column: usize) -> Outcome<Option<T>> {
    let text: Option<&str> = row.try_get(column)?;
    Ok(text.map(serde_json::from_str).transpose()?)
}

/// A count, which is never negative.
pub(crate) fn count(row: &PgRow, column: usize) -> Outcome<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}

/// A small number that was stored as one.
pub(crate) fn small<T: TryFrom<i64>>(row: &PgRow, column: usize) -> Outcome<T> {
    T::try_from(row.try_get::<i64, _>(column)?).map_err(|_| Fault::corrupt("a number out of its range"))
}

/// The same from a narrower column.
pub(crate) fn smaller(row: &PgRow, column: usize) -> Outcome<u32> {
    u32::try_from(row.try_get::<i32, _>(column)?).map_err(|_| Fault::corrupt("a number out of its range"))
}

/// A moment.
pub(crate) fn moment(row: &PgRow, column: usize) -> Outcome<Timestamp> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

/// For a column of the stored width.
pub(crate) fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Words as a column can hold them: the character zero is the one that it can't.
pub(crate) fn words(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}
