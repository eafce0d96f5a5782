//! Sessions, their messages and their turns.

use async_trait::async_trait;
use dovvybuddy_core::session::{Message, Role, Session, StoredTurn};
use dovvybuddy_core::store::{Sessions, StoreError};
use dovvybuddy_core::{BotId, ConversationKey, DiverKey, SessionId, Timestamp, TurnId};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::fault::{Fault, Outcome};
use crate::rows;
use crate::store::PostgresStore;

/// The session with its newest messages of this epoch as one row.
macro_rules! session_where {
    ($diver:literal, $condition:literal) => {
        concat!(
            "SELECT s.id, s.conversation, s.state, s.emergency, s.created_at, s.updated_at, d.profile,
                coalesce((SELECT json_agg(json_build_array(m.role, m.content, m.created_at) ORDER BY m.id)::text FROM
                    (SELECT role, content, created_at, id FROM messages
                     WHERE conversation = s.conversation AND epoch = s.epoch ORDER BY id DESC LIMIT $3) m), '[]')
             FROM sessions s LEFT JOIN divers d ON d.key = dovvy_person(",
            $diver,
            ") WHERE ",
            $condition
        )
    };
}

const BY_CONVERSATION: &str = session_where!("$2", "s.conversation = $1");
const BY_ID: &str = session_where!("s.diver", "s.id = $1 AND s.bot = $2");

const OPEN: &str = "
WITH opened AS (
    INSERT INTO sessions (id, bot, conversation, diver, state, emergency, created_at, updated_at)
    VALUES ($1, $2, $3, $3, $4, $5, $6, $7) ON CONFLICT (conversation) DO NOTHING
), joined AS (
    INSERT INTO participants (diver, conversation) VALUES ($3, $3) ON CONFLICT DO NOTHING
)
INSERT INTO divers (key, account, profile, updated_at) SELECT $3, $8, $9, $7 WHERE $9 <> '{}'
ON CONFLICT (key) DO NOTHING";

fn session(row: &PgRow) -> Outcome<Session> {
    let messages: Vec<(Role, String, i64)> = rows::json(row, 7)?;
    let message = |(role, content, at)| Message { role, content, created_at: Timestamp::from_millis(at) };
    Ok(Session {
        id: rows::session_id(row.try_get(0)?)?,
        conversation: rows::conversation(row.try_get(1)?)?,
        profile: rows::json_or(row, 6)?.unwrap_or_default(),
        state: rows::json(row, 2)?,
        emergency: rows::json_or(row, 3)?,
        history: messages.into_iter().map(message).collect(),
        created_at: rows::moment(row, 4)?,
        updated_at: rows::moment(row, 5)?,
    })
}

fn turn(row: &PgRow, id: TurnId) -> Outcome<StoredTurn> {
    Ok(StoredTurn {
        id,
        session: rows::session_id(row.try_get(0)?)?,
        attempt: rows::small(row, 1)?,
        reply: rows::json(row, 2)?,
        finished_at: rows::moment(row, 3)?,
    })
}

#[async_trait]
impl Sessions for PostgresStore {
    async fn session(
        &self,
        conversation: &ConversationKey,
        diver: &DiverKey,
        window: usize,
    ) -> Result<Option<Session>, StoreError> {
        Ok(self.read_session(BY_CONVERSATION, conversation.encode(), diver.encode(), window).await?)
    }

    async fn session_by_id(&self, bot: &BotId, id: SessionId, window: usize) -> Result<Option<Session>, StoreError> {
        Ok(self.read_session(BY_ID, id.to_string(), bot.as_str().to_owned(), window).await?)
    }

    async fn open_session(&self, session: &Session) -> Result<(), StoreError> {
        let state = serde_json::to_string(&session.state).map_err(Fault::from)?;
        let emergency = session.emergency.as_ref().map(serde_json::to_string).transpose().map_err(Fault::from)?;
        let profile = serde_json::to_string(&session.profile).map_err(Fault::from)?;
        self.touched(|| {
            sqlx::query(OPEN)
                .bind(session.id.to_string())
                .bind(session.conversation.bot.as_str().to_owned())
                .bind(session.conversation.encode())
                .bind(state.clone())
                .bind(emergency.clone())
                .bind(session.created_at.as_millis())
                .bind(session.updated_at.as_millis())
                .bind(session.conversation.conversation.clone())
                .bind(profile.clone())
        })
        .await?;
        Ok(())
    }

    async fn move_session(&self, from: &ConversationKey, to: &ConversationKey) -> Result<bool, StoreError> {
        let (from, to) = (from.encode(), to.encode());
        let moved = self.row(|| sqlx::query("SELECT dovvy_move($1, $2)").bind(from.clone()).bind(to.clone())).await?;
        self.inner.paused.changed();
        self.tell("pauses").await;
        Ok(moved.map_or(Ok(false), |row| row.try_get(0)).map_err(Fault::from)?)
    }

    async fn turn(&self, id: TurnId) -> Result<Option<StoredTurn>, StoreError> {
        let read =
            || sqlx::query("SELECT session, attempt, reply, finished_at FROM turns WHERE id = $1").bind(id.to_string());
        Ok(self.row(read).await?.map(|row| turn(&row, id)).transpose()?)
    }

    async fn rate(&self, turn: TurnId, up: bool, comment: Option<&str>, at: Timestamp) -> Result<bool, StoreError> {
        let comment = comment.map(|comment| rows::words(comment).into_owned());
        let kept = self
            .touched(|| {
                sqlx::query(
                    "INSERT INTO feedback (turn, up, comment, at) SELECT id, $2, $3, $4 FROM turns WHERE id = $1
                     ON CONFLICT (turn) DO UPDATE SET up = excluded.up, comment = excluded.comment, at = excluded.at",
                )
                .bind(turn.to_string())
                .bind(up)
                .bind(comment.clone())
                .bind(at.as_millis())
            })
            .await?;
        Ok(kept > 0)
    }

    fn shared(&self) -> bool {
        true
    }
}

impl PostgresStore {
    async fn read_session(
        &self,
        sql: &'static str,
        one: String,
        two: String,
        window: usize,
    ) -> Outcome<Option<Session>> {
        let window = i64::try_from(window).unwrap_or(i64::MAX);
        let read = || sqlx::query(sql).bind(one.clone()).bind(two.clone()).bind(window);
        self.row(read).await?.as_ref().map(session).transpose()
    }
}
