//! Takes over the Python service's database in place: one transaction turns its tables into ours, or nothing.
//!
//! Its tables bear the names of ours and have other columns. Their rows are set aside, the tables dropped, ours made,
//! and the rows written anew: conversations with their profiles, leads, and places, which become documents that are
//! searched. Its embeddings are of another model and of texts that are ingested anyway; they go.

use std::error::Error;

use dovvybuddy_core::lead::LeadKind;
use dovvybuddy_core::session::DiverProfile;
use dovvybuddy_core::store::{ADOPTED, Document, StoreError};
use dovvybuddy_core::{BotId, ChannelId, Clock, ConversationKey};
use serde_json::{Map, Value, json};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use crate::fault::{Fault, Outcome};
use crate::knowledge::put;
use crate::rows;
use crate::schema;
use crate::take_over::insert;

/// Its tables, each with a column that ours of that name has not.
const TABLES: [(&str, &str); 5] = [
    ("sessions", "conversation_history"),
    ("leads", "request_details"),
    ("dive_sites", "min_logged_dives"),
    ("destinations", "country"),
    ("content_embeddings", "content_path"),
];
/// How many rows are read at once.
const PAGE: i64 = 500;
/// The channel of its front end.
const WEB: &str = "web";

/// What is made of the Python service's tables where they are found.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// The bot whose sessions and leads they become.
    pub bot: BotId,
    /// Makes documents of the rows of its destinations and dive sites.
    pub places: Describe,
}

/// Makes documents of the rows of destinations and of dive sites.
pub type Describe = fn(&[Value], &[Value]) -> Result<Vec<Document>, Box<dyn Error + Send + Sync>>;

/// Whether these are the Python service's tables: all that bear a name of ours have its columns.
pub(crate) async fn recognised(conn: &mut PgConnection) -> Outcome<bool> {
    let found = sqlx::query(
        "SELECT bool_and(EXISTS (SELECT 1 FROM pg_attribute a
                WHERE a.attrelid = to_regclass(t.name) AND a.attname = t.sign AND NOT a.attisdropped))
         FROM unnest($1::text[], $2::text[]) AS t (name, sign) WHERE to_regclass(t.name) IS NOT NULL",
    )
    .bind(TABLES.map(|(name, _)| name))
    .bind(TABLES.map(|(_, sign)| sign))
    .fetch_one(conn)
    .await?;
    Ok(found.try_get::<Option<bool>, _>(0)?.unwrap_or(false))
}

/// Takes them over, unless another process did meanwhile.
pub(crate) async fn adopt(conn: &mut PgConnection, adoption: &Adoption, clock: &dyn Clock) -> Outcome<()> {
    let mut transaction = conn.begin().await?;
    let conn: &mut PgConnection = &mut transaction;
    sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL TimeZone = 'UTC'").execute(&mut *conn).await?;
    sqlx::query("SELECT pg_advisory_xact_lock(1685482102, 5)").execute(&mut *conn).await?;
    if !recognised(&mut *conn).await? {
        return Ok(());
    }
    for (table, _) in TABLES {
        set_aside(&mut *conn, table).await?;
    }
    schema::migrate(&mut *conn).await?;
    let sessions = sessions(&mut *conn, &adoption.bot, clock).await?;
    let leads = leads(&mut *conn, &adoption.bot).await?;
    let places = places(&mut *conn, adoption, clock).await?;
    transaction.commit().await?;
    tracing::info!(sessions, leads, places, "the Python service's database was taken over; embeddings are made anew");
    Ok(())
}

/// Puts a table's rows where nothing of ours is, until the transaction ends, and drops it. Nobody can write to it in
/// between.
async fn set_aside(conn: &mut PgConnection, table: &str) -> Outcome<()> {
    let there = sqlx::query("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(&mut *conn).await?;
    let kept = if table == "content_embeddings" { "WHERE false" } else { "" };
    let statements = if there.try_get(0)? {
        format!(
            "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;
             CREATE TEMPORARY TABLE python_{table} ON COMMIT DROP AS
                SELECT row_number() OVER (ORDER BY created_at, id) AS number, to_jsonb(t) AS was FROM {table} t {kept};
             DROP TABLE {table}"
        )
    } else {
        format!("CREATE TEMPORARY TABLE python_{table} (number bigint, was jsonb) ON COMMIT DROP")
    };
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(conn).await?;
    Ok(())
}

/// Some of the rows that were set aside, behind `after`.
async fn page(conn: &mut PgConnection, table: &str, after: i64) -> Outcome<Vec<PgRow>> {
    // A session that only knows when it ends was used a day before.
    let sql = format!(
        "SELECT number, was::text, m.created, coalesce(m.updated, m.expires - 86400000, m.created)
         FROM python_{table}, LATERAL (SELECT
            coalesce((extract(epoch FROM (was ->> 'created_at')::timestamptz) * 1000)::bigint, dovvy_now()) AS created,
            (extract(epoch FROM (was ->> 'updated_at')::timestamptz) * 1000)::bigint AS updated,
            (extract(epoch FROM (was ->> 'expires_at')::timestamptz) * 1000)::bigint AS expires) m
         WHERE number > $1 ORDER BY number LIMIT {PAGE}"
    );
    Ok(sqlx::query(AssertSqlSafe(sql)).bind(after).fetch_all(conn).await?)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The value of a field without its empty parts; the service wrote them out.
fn told(was: &mut Map<String, Value>, field: &str) -> Map<String, Value> {
    let mut fields = object(was.remove(field).unwrap_or_default());
    fields.retain(|_, value| !value.is_null());
    fields
}

/// Rows of ours by table.
#[derive(Default)]
struct Written {
    sessions: Vec<Map<String, Value>>,
    participants: Vec<Map<String, Value>>,
    divers: Vec<Map<String, Value>>,
    messages: Vec<Map<String, Value>>,
}

impl Written {
    /// Adds a session with everything that hangs on it.
    fn session(&mut self, row: &PgRow, bot: &BotId, clock: &dyn Clock) -> Outcome<()> {
        let mut was = object(rows::json(row, 1)?);
        let (created, updated): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
        let id = rows::session_id(was.get("id").and_then(Value::as_str).unwrap_or_default())?.to_string();
        // On the anonymous web the session is the conversation, and the diver.
        let (channel, account, conversation) = (ChannelId::new(WEB), String::new(), id.clone());
        let key = ConversationKey { bot: bot.clone(), channel, account, conversation }.encode();
        let profile = DiverProfile::read(told(&mut was, "diver_profile"));
        if profile != DiverProfile::default() {
            let profile = serde_json::to_string(&profile)?;
            self.divers.push(object(json!({ "key": key, "account": id, "profile": profile, "updated_at": updated })));
        }
        let mut turn = clock.uuid().to_string();
        let history = was.remove("conversation_history").unwrap_or_default();
        for said in history.as_array().into_iter().flatten() {
            let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
            let (role, content) = (text("role"), text("content"));
            if !matches!(role, "user" | "assistant") || content.is_empty() {
                continue;
            }
            if role == "user" {
                turn = clock.uuid().to_string();
            }
            self.messages.push(object(json!({ "conversation": key, "epoch": 0, "diver": key, "turn": turn,
                "role": role, "content": content, "created_at": updated })));
        }
        self.participants.push(object(json!({ "diver": key, "conversation": key })));
        self.sessions.push(object(json!({ "id": id, "bot": bot, "conversation": key, "diver": key, "state": "{}",
            "emergency_seq": 0, "epoch": 0, "created_at": created, "updated_at": updated })));
        Ok(())
    }
}

async fn sessions(conn: &mut PgConnection, bot: &BotId, clock: &dyn Clock) -> Outcome<i64> {
    let mut last = 0;
    loop {
        let found = page(&mut *conn, "sessions", last).await?;
        let Some(end) = found.last() else { break };
        last = end.try_get(0)?;
        let mut written = Written::default();
        for row in &found {
            written.session(row, bot, clock)?;
        }
        insert(&mut *conn, "sessions", &written.sessions).await?;
        insert(&mut *conn, "participants", &written.participants).await?;
        insert(&mut *conn, "divers", &written.divers).await?;
        insert(&mut *conn, "messages", &written.messages).await?;
    }
    counted(conn, "sessions").await
}

async fn leads(conn: &mut PgConnection, bot: &BotId) -> Outcome<i64> {
    let mut last = 0;
    loop {
        let found = page(&mut *conn, "leads", last).await?;
        let Some(end) = found.last() else { break };
        last = end.try_get(0)?;
        let mut leads = Vec::with_capacity(found.len());
        for row in &found {
            let mut was = object(rows::json(row, 1)?);
            let kind = was.get("type").and_then(Value::as_str).and_then(LeadKind::parse).unwrap_or(LeadKind::Training);
            let profile = serde_json::to_string(&DiverProfile::read(told(&mut was, "diver_profile")))?;
            let data = serde_json::to_string(&told(&mut was, "request_details"))?;
            leads.push(object(json!({ "id": was.get("id"), "bot": bot, "kind": kind, "data": data,
                "profile": profile, "created_at": row.try_get::<i64, _>(2)? })));
        }
        insert(&mut *conn, "leads", &leads).await?;
    }
    counted(conn, "leads").await
}

async fn places(conn: &mut PgConnection, adoption: &Adoption, clock: &dyn Clock) -> Outcome<i64> {
    let mut were: [Vec<Value>; 2] = Default::default();
    for (table, rows) in ["destinations", "dive_sites"].into_iter().zip(&mut were) {
        let mut last = 0;
        loop {
            let found = page(&mut *conn, table, last).await?;
            let Some(end) = found.last() else { break };
            last = end.try_get(0)?;
            for row in &found {
                rows.push(rows::json(row, 1)?);
            }
        }
    }
    let [destinations, dive_sites] = were;
    let documents = (adoption.places)(&destinations, &dive_sites).map_err(|error| Fault(StoreError::Corrupt(error)))?;
    let documents: Vec<_> =
        documents.into_iter().map(|document| Document { root: ADOPTED.to_owned(), ..document }).collect();
    put(&mut *conn, &documents, clock.now())
        .await
        .map_err(|error| Fault::unavailable(format!("places can't be taken over: {error:?}")))?;
    Ok(counted(&mut *conn, "destinations").await? + counted(conn, "dive_sites").await?)
}

/// How many rows there are, which must be as many as there were.
async fn counted(conn: &mut PgConnection, table: &str) -> Outcome<i64> {
    let sql = format!("SELECT (SELECT count(*) FROM python_{table}), (SELECT count(*) FROM {table})");
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(conn).await?;
    let (there, here): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if there != here {
        let why = format!("{here} of {there} rows of the Python service's {table} arrived; nothing was changed");
        return Err(Fault::corrupt(why));
    }
    Ok(here)
}
