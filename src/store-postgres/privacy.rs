//! What divers may ask of their data, and what is forgotten by itself.
//!
//! What was deleted is gone for every reader at once. The bytes of it stay in the database's files until a vacuum
//! and the next writes reuse their place, and in the write-ahead log as long as that is kept: they are the database
//! server's to look after, not ours.

mod expire;
mod export;

use async_trait::async_trait;
use dovvybuddy_core::store::{Privacy, Retention, StoreError, Subject};
use dovvybuddy_core::{DiverKey, Timestamp};
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::ask::{LONG, Repeat, Step, transaction};
use crate::store::PostgresStore;
use crate::{identities, knowledge, rows};

/// A subject as the rows know it.
#[derive(Debug, Clone, Default)]
struct Held {
    /// Conversations, encoded, and the sessions in them.
    conversations: Vec<String>,
    sessions: Vec<String>,
    /// The diver's key; empty if the diver is not known.
    diver: String,
    /// Everything in the conversations is the subject's, whoever said it.
    whole: bool,
}

/// Every identity of the person meant, as a subject of its own.
async fn everyone(conn: &mut PgConnection, subject: &Subject) -> Step<Vec<Subject>> {
    let Subject::Diver(diver) = subject else { return Ok(vec![subject.clone()]) };
    let keys = identities::all(conn, &diver.encode()).await?;
    keys.iter().map(|key| Ok(Subject::Diver(rows::diver(key)?))).collect()
}

/// Finds what belongs to a subject.
async fn held(conn: &mut PgConnection, subject: &Subject) -> Step<Held> {
    match subject {
        Subject::Session(bot, id) => {
            let found = sqlx::query("SELECT conversation, diver FROM sessions WHERE id = $1 AND bot = $2")
                .bind(id.to_string())
                .bind(bot.as_str())
                .fetch_optional(conn)
                .await?;
            // Leads outlive the session they came from.
            let mut held = Held { sessions: vec![id.to_string()], whole: true, ..Held::default() };
            if let Some(row) = found {
                held.conversations.push(row.try_get(0)?);
                let diver: Option<String> = row.try_get(1)?;
                let anonymous = |key: &String| DiverKey::decode(key).is_some_and(|key| key.user == id.to_string());
                held.diver = diver.filter(anonymous).unwrap_or_default();
            }
            Ok(held)
        }
        Subject::Diver(key) => {
            let key = key.encode();
            let found = sqlx::query(
                "SELECT p.conversation, s.id,
                    (SELECT count(*) FROM participants o WHERE o.conversation = p.conversation) = 1
                 FROM participants p LEFT JOIN sessions s ON s.conversation = p.conversation WHERE p.diver = $1",
            )
            .bind(&key)
            .fetch_all(conn)
            .await?;
            let mut held = Held { diver: key, ..Held::default() };
            for row in &found {
                held.conversations.push(row.try_get(0)?);
                // A group's session is not one diver's; its leads may be anybody's.
                if row.try_get::<bool, _>(2)? {
                    held.sessions.extend(row.try_get::<Option<String>, _>(1)?);
                }
            }
            Ok(held)
        }
    }
}

async fn erase(store: &PostgresStore, conn: &mut PgConnection, subject: &Subject, leads_too: bool) -> Step<u64> {
    let mut rows = 0;
    for subject in everyone(&mut *conn, subject).await? {
        let held = held(&mut *conn, &subject).await?;
        let erased = sqlx::query("SELECT dovvy_erase($1, $2, $3, $4, $5)")
            .bind(&held.conversations)
            .bind(&held.sessions)
            .bind(&held.diver)
            .bind(held.whole)
            .bind(leads_too)
            .fetch_one(&mut *conn)
            .await?;
        rows += rows::count(&erased, 0)?;
        // A lead that stays is a matter between diver and operator; it no longer tells of the conversation.
        let leads = sqlx::query("UPDATE leads SET session = NULL WHERE session = ANY($1)").bind(&held.sessions);
        rows += leads.execute(&mut *conn).await?.rows_affected();
    }
    if rows > 0 {
        knowledge::changed(store, conn).await?;
    }
    Ok(rows)
}

#[async_trait]
impl Privacy for PostgresStore {
    async fn export(&self, subject: &Subject) -> Result<Option<Value>, StoreError> {
        Ok(transaction!(self, Repeat::Harmless, LONG, |conn| export::export(conn, subject))?)
    }

    async fn erase(&self, subject: &Subject, leads_too: bool) -> Result<u64, StoreError> {
        let rows = transaction!(self, Repeat::Harmless, LONG, |conn| erase(self, conn, subject, leads_too))?;
        self.inner.work.ring();
        self.inner.paused.changed();
        self.recount().await;
        Ok(rows)
    }

    async fn expire(&self, now: Timestamp, retention: &Retention) -> Result<u64, StoreError> {
        let rows = expire::expire(self, now, *retention).await?;
        self.recount().await;
        Ok(rows)
    }
}
