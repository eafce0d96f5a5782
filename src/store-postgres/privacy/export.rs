//! Everything held about a subject, as JSON a person can read.

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::store::Subject;
use serde_json::{Map, Value, json};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::{Held, everyone, held};
use crate::ask::Step;
use crate::fault::Fault;

/// Name and statement of each list. Columns that end in `_at` are times; those named in
/// [`STRUCTURED`] hold JSON. The parameters are those of the erasure; each statement gets all of them, so what it
/// does not ask for stands in the outer query.
const LISTS: &[(&str, &str)] = &[
    (
        "sessions",
        "SELECT id, state, emergency, created_at, updated_at FROM sessions
         WHERE conversation = ANY ($1) AND ($4 OR diver = $3) ORDER BY number",
    ),
    (
        "messages",
        "SELECT s.id AS session, m.role, m.content, m.created_at FROM messages m
         LEFT JOIN sessions s ON s.conversation = m.conversation
         WHERE m.conversation = ANY ($1) AND ($4 OR m.diver = $3) ORDER BY m.id",
    ),
    (
        "waiting",
        "SELECT event, received_at FROM inbox WHERE event IS NOT NULL
         AND conversation = ANY ($1) AND ($4 OR diver = $3) ORDER BY seq",
    ),
    (
        "turns",
        "SELECT id, session, outcome, reply, finished_at FROM turns
         WHERE conversation = ANY ($1) AND ($4 OR diver = $3) ORDER BY number",
    ),
    (
        "outgoing",
        "SELECT outlet, payload, state AS delivery, created_at, settled_at FROM outbox
         WHERE conversation = ANY ($1) AND ($4 OR diver = $3) ORDER BY id",
    ),
    (
        "feedback",
        "SELECT f.turn, f.up, f.comment, f.at AS given_at FROM feedback f JOIN turns t ON t.id = f.turn
         WHERE t.conversation = ANY ($1) AND ($4 OR t.diver = $3) ORDER BY f.at",
    ),
    (
        "usage",
        "SELECT turn, agent, model, outcome, tokens, cost_micros, waited_ms, route_ms, search_ms,
                first_piece_ms, total_ms, at AS used_at FROM usage
         WHERE conversation = ANY ($1) AND ($4 OR diver = $3) ORDER BY number",
    ),
    (
        "interventions",
        "SELECT kind, turn, by, at AS done_at FROM interventions WHERE $4 AND conversation = ANY ($1) ORDER BY number",
    ),
    (
        "leads",
        "SELECT id, kind, data, session, profile, created_at FROM leads WHERE session = ANY ($2) ORDER BY number",
    ),
    ("identities", "SELECT diver, person, linked_at FROM identities WHERE diver = $3"),
    ("profiles", "SELECT profile, updated_at FROM divers WHERE key = $3"),
];

/// Columns that hold JSON.
const STRUCTURED: &[&str] = &["state", "emergency", "reply", "event", "payload", "data", "profile"];

pub(super) async fn export(conn: &mut PgConnection, subject: &Subject) -> Step<Option<Value>> {
    // One snapshot: a turn that ends meanwhile is either wholly in it or not at all.
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *conn).await?;
    let mut out: Map<String, Value> = LISTS.iter().map(|(name, _)| ((*name).to_owned(), json!([]))).collect();
    let mut any = false;
    for subject in everyone(&mut *conn, subject).await? {
        let held = held(&mut *conn, &subject).await?;
        for (name, sql) in LISTS {
            let found = list(&mut *conn, sql, &held).await?;
            any |= !found.is_empty();
            if let Some(Value::Array(rows)) = out.get_mut(*name) {
                rows.extend(found);
            }
        }
    }
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

async fn list(conn: &mut PgConnection, sql: &str, held: &Held) -> Step<Vec<Value>> {
    // The constant part names every parameter, as the server wants to know the type of each.
    let sql = format!(
        "SELECT row_to_json(found)::text FROM ({sql}) found
         WHERE ($1::text[], $2::text[], $3::text, $4::boolean) IS NOT NULL"
    );
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(&held.conversations)
        .bind(&held.sessions)
        .bind(&held.diver)
        .bind(held.whole)
        .fetch_all(conn)
        .await?;
    found.iter().map(|row| object(row.try_get(0)?)).collect()
}

/// A row as an object of its columns, times and structures as people read them.
fn object(row: &str) -> Step<Value> {
    let columns: Map<String, Value> = serde_json::from_str(row)?;
    let mut out = Map::new();
    for (name, value) in columns {
        let shown = match value {
            Value::Number(number) if name.ends_with("_at") => {
                let millis = number.as_i64().ok_or_else(|| Fault::corrupt("a moment"))?;
                Timestamp::from_millis(millis).to_rfc3339().into()
            }
            Value::String(text) if STRUCTURED.contains(&name.as_str()) => serde_json::from_str(&text)?,
            value => value,
        };
        out.insert(name, shown);
    }
    Ok(Value::Object(out))
}
