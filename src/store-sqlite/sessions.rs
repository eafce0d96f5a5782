//! Sessions, their messages and their turns.

use std::sync::Arc;

use async_trait::async_trait;
use dovvybuddy_core::session::{Message, Role, Session, StoredTurn};
use dovvybuddy_core::store::{Sessions, StoreError};
use dovvybuddy_core::{BotId, ConversationKey, DiverKey, SessionId, Timestamp, TurnId};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Row, SqlitePool};

use crate::fault::{Fault, Outcome};
use crate::rows;
use crate::store::SqliteStore;

/// The session with its newest messages of this epoch as one row: each row costs a hop between threads.
macro_rules! session_where {
    ($diver:literal, $condition:literal) => {
        concat!(
            "SELECT s.id, s.conversation, s.state, s.emergency, s.created_at, s.updated_at, d.profile,
                (SELECT json_group_array(json_array(role, content, created_at)) FROM
                    (SELECT m.role, m.content, m.created_at FROM messages m
                     WHERE m.conversation = s.conversation AND m.epoch = s.epoch ORDER BY m.id DESC LIMIT $3)),
                i.person IS NOT NULL
             FROM sessions s
             LEFT JOIN identities i ON i.diver = ",
            $diver,
            " LEFT JOIN divers d ON d.key = coalesce(i.person, ",
            $diver,
            ") WHERE ",
            $condition
        )
    };
}

const BY_CONVERSATION: &str = session_where!("$2", "s.conversation = $1");
const BY_ID: &str = session_where!("s.diver", "s.id = $1 AND s.bot = $2");

/// A session as it was read.
struct Read {
    session: Session,
    /// The size of its notes in bytes.
    notes: usize,
    /// The diver's profile is shared with other identities, whose turns change it too.
    shared: bool,
}

async fn read(pool: &SqlitePool, sql: &'static str, one: &str, two: &str, window: usize) -> Outcome<Option<Read>> {
    let window = i64::try_from(window).unwrap_or(i64::MAX);
    let found = sqlx::query(sql).bind(one).bind(two).bind(window).fetch_optional(pool).await?;
    let Some(row) = found else { return Ok(None) };
    let messages: Vec<(Role, String, i64)> = rows::json(&row, 7)?;
    let message = |(role, content, at)| Message { role, content, created_at: Timestamp::from_millis(at) };
    let session = Session {
        id: rows::session_id(row.try_get(0)?)?,
        conversation: rows::conversation(row.try_get(1)?)?,
        profile: rows::json_or(&row, 6)?.unwrap_or_default(),
        state: rows::json(&row, 2)?,
        emergency: rows::json_or(&row, 3)?,
        history: messages.into_iter().rev().map(message).collect(),
        created_at: Timestamp::from_millis(row.try_get(4)?),
        updated_at: Timestamp::from_millis(row.try_get(5)?),
    };
    Ok(Some(Read { session, notes: row.try_get::<&str, _>(2)?.len(), shared: row.try_get(8)? }))
}

#[async_trait]
impl Sessions for SqliteStore {
    async fn session(
        &self,
        conversation: &ConversationKey,
        diver: &DiverKey,
        window: usize,
    ) -> Result<Option<Session>, StoreError> {
        let (conversation, diver) = (conversation.encode(), diver.encode());
        let ticket = match self.recall().look(&conversation, &diver, window) {
            Ok(session) => return Ok(Some(session)),
            Err(ticket) => ticket,
        };
        let found = read(self.readers(), BY_CONVERSATION, &conversation, &diver, window).await?;
        Ok(found.map(|Read { session, notes, shared }| {
            if !shared {
                self.recall().keep(&ticket, &diver, &session, window, notes);
            }
            session
        }))
    }

    async fn session_by_id(&self, bot: &BotId, id: SessionId, window: usize) -> Result<Option<Session>, StoreError> {
        Ok(read(self.readers(), BY_ID, &id.to_string(), bot.as_str(), window).await?.map(|read| read.session))
    }

    async fn open_session(&self, session: &Session) -> Result<(), StoreError> {
        let state = serde_json::to_string(&session.state).map_err(Fault::from)?;
        let emergency = session.emergency.as_ref().map(serde_json::to_string).transpose().map_err(Fault::from)?;
        let profile = serde_json::to_string(&session.profile).map_err(Fault::from)?;
        let session = session.clone();
        let (recall, opened) = (self.recall().clone(), session.conversation.encode());
        let write = async move |conn: &mut SqliteConnection| {
            sqlx::query(
                "INSERT INTO sessions (id, bot, conversation, diver, state, emergency, created_at, updated_at)
                     VALUES ($1, $2, $3, $3, $4, $5, $6, $7) ON CONFLICT (conversation) DO NOTHING;

                 INSERT OR IGNORE INTO participants (diver, conversation) VALUES ($3, $3);

                 INSERT INTO divers (key, user, profile, updated_at) SELECT $3, $8, $9, $7 WHERE $9 <> '{}'
                     ON CONFLICT (key) DO NOTHING",
            )
            .bind(session.id.to_string())
            .bind(session.conversation.bot.as_str())
            .bind(session.conversation.encode())
            .bind(&state)
            .bind(&emergency)
            .bind(session.created_at.as_millis())
            .bind(session.updated_at.as_millis())
            .bind(&session.conversation.conversation)
            .bind(&profile)
            .execute(conn)
            .await?;
            Ok(())
        };
        self.writer().write_then(write, move |()| recall.forget(&opened)).await?;
        Ok(())
    }

    async fn move_session(&self, from: &ConversationKey, to: &ConversationKey) -> Result<bool, StoreError> {
        let (from, to) = (from.encode(), to.encode());
        let (recall, old, new) = (self.recall().clone(), from.clone(), to.clone());
        let paused = Arc::clone(&self.inner.paused);
        let write = async move |conn: &mut SqliteConnection| move_all(conn, &from, &to).await;
        let moved = self.writer().write_then(write, move |moved: &Moved| {
            recall.forget(&old);
            recall.forget(&new);
            if *moved == Moved::Yes {
                paused.rename(&old, new);
            }
        });
        Ok(moved.await? != Moved::Waits)
    }

    async fn turn(&self, id: TurnId) -> Result<Option<StoredTurn>, StoreError> {
        Ok(read_turn(self.readers(), id).await?)
    }

    async fn rate(&self, turn: TurnId, up: bool, comment: Option<&str>, at: Timestamp) -> Result<bool, StoreError> {
        let comment = comment.map(str::to_owned);
        Ok(self
            .writer()
            .write(async move |conn: &mut SqliteConnection| {
                let kept = sqlx::query(
                    "INSERT INTO feedback (turn, up, comment, at) SELECT id, $2, $3, $4 FROM turns WHERE id = $1
                     ON CONFLICT (turn) DO UPDATE SET up = excluded.up, comment = excluded.comment, at = excluded.at",
                )
                .bind(turn.to_string())
                .bind(up)
                .bind(&comment)
                .bind(at.as_millis())
                .execute(conn)
                .await?;
                Ok(kept.rows_affected() > 0)
            })
            .await?)
    }
}

/// Everything that is found by its conversation, beside the session itself. Where both have a pause, that of the
/// conversation which goes on counts.
const MOVE: &str = "
UPDATE messages SET conversation = $2 WHERE conversation = $1;
UPDATE turns SET conversation = $2 WHERE conversation = $1;
UPDATE usage SET conversation = $2 WHERE conversation = $1;
UPDATE inbox SET conversation = $2 WHERE conversation = $1;
UPDATE outbox SET conversation = $2 WHERE conversation = $1;
UPDATE placeholders SET conversation = $2 WHERE conversation = $1;
UPDATE alerts SET conversation = $2 WHERE conversation = $1;
UPDATE interventions SET conversation = $2 WHERE conversation = $1;
UPDATE OR REPLACE message_statuses SET conversation = $2 WHERE conversation = $1;
UPDATE OR REPLACE pauses SET conversation = $2 WHERE conversation = $1;
INSERT OR IGNORE INTO participants (diver, conversation) SELECT diver, $2 FROM participants WHERE conversation = $1;
DELETE FROM participants WHERE conversation = $1";

/// What became of a conversation that was to go on under another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    Yes,
    /// There was nothing to move, or the other name has a session already.
    No,
    /// A message waits; later.
    Waits,
}

async fn move_all(conn: &mut SqliteConnection, from: &str, to: &str) -> Outcome<Moved> {
    let waits = sqlx::query("SELECT EXISTS (SELECT 1 FROM inbox WHERE conversation = $1 AND covered_by IS NULL)")
        .bind(from)
        .fetch_one(&mut *conn)
        .await?;
    if waits.try_get(0)? {
        return Ok(Moved::Waits);
    }
    let moved = sqlx::query(
        "UPDATE sessions SET conversation = $2 WHERE conversation = $1
            AND NOT EXISTS (SELECT 1 FROM sessions WHERE conversation = $2)",
    )
    .bind(from)
    .bind(to)
    .execute(&mut *conn)
    .await?;
    if moved.rows_affected() == 0 {
        return Ok(Moved::No);
    }
    sqlx::query(MOVE).bind(from).bind(to).execute(conn).await?;
    Ok(Moved::Yes)
}

async fn read_turn(pool: &SqlitePool, id: TurnId) -> Outcome<Option<StoredTurn>> {
    let found = sqlx::query("SELECT session, attempt, reply, finished_at FROM turns WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(pool)
        .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(StoredTurn {
        id,
        session: rows::session_id(row.try_get(0)?)?,
        attempt: rows::small(&row, 1)?,
        reply: rows::json(&row, 2)?,
        finished_at: Timestamp::from_millis(row.try_get(3)?),
    }))
}
