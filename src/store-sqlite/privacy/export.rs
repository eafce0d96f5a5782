//! Everything held about a subject, as JSON a person can read.

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::store::Subject;
use serde_json::{Map, Value, json};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Column, Row, TypeInfo, ValueRef};

use super::{everyone, held};
use crate::fault::Outcome;
use crate::store::SqliteStore;

/// Name and statement of each list. Columns that end in `_at` are times; those named in
/// [`STRUCTURED`] hold JSON. The parameters are those of the erasure.
const LISTS: &[(&str, &str)] = &[
    (
        "sessions",
        "SELECT id, state, emergency, created_at, updated_at FROM sessions
         WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3) ORDER BY number",
    ),
    (
        "messages",
        "SELECT s.id AS session, m.role, m.content, m.created_at FROM messages m
         LEFT JOIN sessions s USING (conversation)
         WHERE m.conversation IN (SELECT value FROM json_each($1)) AND ($4 OR m.diver = $3) ORDER BY m.id",
    ),
    (
        "waiting",
        "SELECT event, received_at FROM inbox WHERE event IS NOT NULL
         AND conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3) ORDER BY seq",
    ),
    (
        "turns",
        "SELECT id, session, outcome, reply, finished_at FROM turns
         WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3) ORDER BY number",
    ),
    (
        "outgoing",
        "SELECT outlet, payload, state AS delivery, created_at, settled_at FROM outbox
         WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3) ORDER BY id",
    ),
    (
        "feedback",
        "SELECT f.turn, f.up, f.comment, f.at AS given_at FROM feedback f JOIN turns t ON t.id = f.turn
         WHERE t.conversation IN (SELECT value FROM json_each($1)) AND ($4 OR t.diver = $3) ORDER BY f.at",
    ),
    (
        "usage",
        "SELECT turn, agent, model, outcome, tokens, cost_micros, waited_ms, route_ms, search_ms,
                first_piece_ms, total_ms, at AS used_at FROM usage
         WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3) ORDER BY number",
    ),
    (
        "interventions",
        "SELECT kind, turn, by, at AS done_at FROM interventions
         WHERE $4 AND conversation IN (SELECT value FROM json_each($1)) ORDER BY number",
    ),
    (
        "leads",
        "SELECT id, kind, data, session, profile, created_at FROM leads
         WHERE session IN (SELECT value FROM json_each($2)) ORDER BY number",
    ),
    ("identities", "SELECT diver, person, linked_at FROM identities WHERE diver = $3"),
    ("profiles", "SELECT profile, updated_at FROM divers WHERE key = $3"),
];

/// Columns that hold JSON.
const STRUCTURED: &[&str] = &["state", "emergency", "reply", "event", "payload", "data", "profile"];

pub(super) async fn export(store: &SqliteStore, subject: &Subject) -> Outcome<Option<Value>> {
    // One snapshot: a turn that ends meanwhile is either wholly in it or not at all.
    let mut reading = store.readers().begin().await?;
    let mut out: Map<String, Value> = LISTS.iter().map(|(name, _)| ((*name).to_owned(), json!([]))).collect();
    let mut any = false;
    for subject in everyone(&mut reading, subject).await? {
        let held = held(&mut reading, &subject).await?;
        let (conversations, sessions, diver, whole) = held.parameters()?;
        for (name, sql) in LISTS {
            let found = list(&mut reading, sql, (&conversations, &sessions, &diver, whole)).await?;
            any |= !found.is_empty();
            if let Some(Value::Array(rows)) = out.get_mut(*name) {
                rows.extend(found);
            }
        }
    }
    reading.commit().await?;
    let profile = out.remove("profiles").and_then(|found| found.get(0)?.get("profile").cloned());
    out.insert("profile".to_owned(), profile.unwrap_or(Value::Null));
    Ok(any.then(|| json!({ "subject": name(subject), "held": out })))
}

fn name(subject: &Subject) -> Value {
    match subject {
        Subject::Session(_, id) => json!({ "session": id }),
        Subject::Diver(key) => json!({ "channel": key.channel, "account": key.account, "user": key.user }),
    }
}

async fn list(
    conn: &mut SqliteConnection,
    sql: &'static str,
    (conversations, sessions, diver, whole): (&str, &str, &str, bool),
) -> Outcome<Vec<Value>> {
    let found = sqlx::query(sql).bind(conversations).bind(sessions).bind(diver).bind(whole).fetch_all(conn).await?;
    found.iter().map(object).collect()
}

/// A row as an object of its columns.
fn object(row: &SqliteRow) -> Outcome<Value> {
    let mut out = Map::new();
    for column in row.columns() {
        out.insert(column.name().to_owned(), value(row, column.ordinal(), column.name())?);
    }
    Ok(Value::Object(out))
}

fn value(row: &SqliteRow, column: usize, name: &str) -> Outcome<Value> {
    let raw = row.try_get_raw(column)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    if raw.type_info().name() == "INTEGER" {
        let number: i64 = row.try_get(column)?;
        return Ok(match name {
            _ if name.ends_with("_at") => Timestamp::from_millis(number).to_rfc3339().into(),
            "up" => (number != 0).into(),
            _ => number.into(),
        });
    }
    let text: String = row.try_get(column)?;
    Ok(if STRUCTURED.contains(&name) { serde_json::from_str(&text)? } else { text.into() })
}
