//! What divers may ask of their data, and what is forgotten by itself.

mod erase;
mod expire;
mod export;

use async_trait::async_trait;
use dovvybuddy_core::store::{Privacy, Retention, StoreError, Subject};
use dovvybuddy_core::{DiverKey, Timestamp};
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use crate::fault::{Fault, Outcome};
use crate::identities;
use crate::store::SqliteStore;

/// A subject as the rows know it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    /// Conversations, encoded, and the sessions in them.
    conversations: Vec<String>,
    sessions: Vec<String>,
    /// The diver's key, if the diver is known.
    diver: Option<String>,
    /// Everything in the conversations is the subject's, whoever said it.
    whole: bool,
}

impl Held {
    /// The parameters that the statements of export and erase share: conversations, sessions, diver,
    /// and whether the conversations are wholly the subject's.
    fn parameters(&self) -> Outcome<(String, String, String, bool)> {
        Ok((
            serde_json::to_string(&self.conversations)?,
            serde_json::to_string(&self.sessions)?,
            self.diver.clone().unwrap_or_default(),
            self.whole,
        ))
    }
}

/// Every identity of the person meant, as a subject of its own.
async fn everyone(conn: &mut SqliteConnection, subject: &Subject) -> Outcome<Vec<Subject>> {
    let Subject::Diver(diver) = subject else { return Ok(vec![subject.clone()]) };
    let keys = identities::all(conn, &diver.encode()).await?;
    let subject =
        |key: &String| DiverKey::decode(key).map(Subject::Diver).ok_or_else(|| Fault::corrupt("a diver's key"));
    keys.iter().map(subject).collect()
}

/// Finds what belongs to a subject.
async fn held(conn: &mut SqliteConnection, subject: &Subject) -> Outcome<Held> {
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
                held.diver = diver.filter(anonymous);
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
            let mut held = Held { diver: Some(key), ..Held::default() };
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

#[async_trait]
impl Privacy for SqliteStore {
    async fn export(&self, subject: &Subject) -> Result<Option<Value>, StoreError> {
        Ok(export::export(self, subject).await?)
    }

    async fn erase(&self, subject: &Subject, leads_too: bool) -> Result<u64, StoreError> {
        Ok(erase::erase(self, subject, leads_too).await?)
    }

    async fn expire(&self, now: Timestamp, retention: &Retention) -> Result<u64, StoreError> {
        Ok(expire::expire(self, now, *retention).await?)
    }
}
