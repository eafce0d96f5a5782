//! Conversations that a person has taken over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dovvybuddy_core::store::{
    EndedPause, Intervention, InterventionKind, Left, Outcome as TurnOutcome, Pause, Pauses, StoreError, TakenUp,
    Unasked,
};
use dovvybuddy_core::{ConversationKey, DiverKey, Timestamp};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::fault::{Fault, Outcome};
use crate::rows;
use crate::store::SqliteStore;

/// The pauses in memory: every turn asks for one. Filled by the writer in the order of commits.
#[derive(Debug, Default)]
pub(crate) struct Paused(Mutex<HashMap<String, Pause>>);

impl Paused {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Pause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn forget(&self, conversation: &str) {
        self.lock().remove(conversation);
    }

    /// The conversation goes on under another name.
    pub(crate) fn rename(&self, from: &str, to: String) {
        let mut paused = self.lock();
        if let Some(pause) = paused.remove(from) {
            paused.insert(to, pause);
        }
    }

    /// Forgets what is not stored any more.
    pub(crate) fn retain(&self, stored: &[String]) {
        self.lock().retain(|conversation, _| stored.contains(conversation));
    }

    /// Takes over what an earlier process left.
    pub(crate) async fn load(&self, conn: &mut SqliteConnection) -> Outcome<()> {
        let found = sqlx::query("SELECT conversation, since, until, by FROM pauses").fetch_all(conn).await?;
        for row in &found {
            self.lock().insert(row.try_get(0)?, pause(row)?);
        }
        Ok(())
    }
}

/// The conversations with a stored pause.
pub(crate) async fn held(conn: &mut SqliteConnection) -> Outcome<Vec<String>> {
    let found = sqlx::query("SELECT conversation FROM pauses").fetch_all(conn).await?;
    found.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

fn pause(row: &SqliteRow) -> Outcome<Pause> {
    Ok(Pause {
        since: Timestamp::from_millis(row.try_get(1)?),
        until: Timestamp::from_millis(row.try_get(2)?),
        by: row.try_get(3)?,
    })
}

/// A pause that has ended already is begun anew, but what was left of it stays left.
const PAUSE: &str = "
INSERT INTO interventions (conversation, kind, by, at) VALUES ($1, 'pause', $3, $4);

INSERT INTO pauses (conversation, since, until, by, answered)
VALUES ($1, $4, $2, $3, coalesce((SELECT max(number) FROM turns WHERE conversation = $1), 0))
ON CONFLICT (conversation) DO UPDATE SET
    since = CASE WHEN until > $4 THEN since ELSE excluded.since END, until = excluded.until, by = excluded.by
RETURNING conversation, since, until, by";

const RESUME: &str = "
UPDATE pauses SET until = $2 WHERE conversation = $1 AND until > $2;

INSERT INTO interventions (conversation, kind, by, at) SELECT $1, 'resume', $3, $2 WHERE changes() > 0
RETURNING 1";

/// The words belong to whoever spoke last: they go when that diver is erased.
const SAY: &str = "
INSERT INTO turns (id, conversation, session, diver, attempt, outcome, reply, finished_at)
SELECT $1, conversation, id, coalesce(diver, ''), 1, $3, $4, $5 FROM sessions WHERE conversation = $2;

INSERT INTO messages (conversation, epoch, diver, turn, role, content, created_at)
SELECT conversation, epoch, coalesce(diver, ''), $1, 'assistant', $6, $5 FROM sessions WHERE conversation = $2;

INSERT INTO outbox (lane, outlet, conversation, diver, turn, part, payload, context, state, next_at, created_at)
SELECT $2, $7, $2, s.diver, $1, p.key, p.value, 'null', 'pending', $5, $5
FROM sessions s, json_each($8) p WHERE s.conversation = $2 ORDER BY p.key;

INSERT INTO interventions (conversation, kind, turn, by, at)
SELECT $2, $9, $1, $10, $5 FROM sessions WHERE conversation = $2;

UPDATE pauses SET answered = (SELECT max(number) FROM turns WHERE conversation = $2)
WHERE conversation = $2 AND $9 = 'reply' AND EXISTS (SELECT 1 FROM turns WHERE id = $1);

UPDATE sessions SET updated_at = max(updated_at, $5) WHERE conversation = $2 RETURNING 1";

const ENDED: &str = "
SELECT p.conversation, (SELECT json_group_array(json_array(id, diver, content)) FROM
    (SELECT t.id, t.diver, m.content FROM turns t
     JOIN sessions s ON s.conversation = t.conversation
     JOIN messages m ON m.conversation = t.conversation AND m.epoch = s.epoch AND m.turn = t.id AND m.role = 'user'
     WHERE t.conversation = p.conversation AND t.outcome = 'with_person' AND t.number > p.answered
     ORDER BY t.number))
FROM pauses p WHERE p.until <= $1 ORDER BY p.until LIMIT $2";

/// `$2` turns taken up, `$3` those their words were said in.
const CLOSE: &str = "
DELETE FROM messages WHERE conversation = $1 AND turn IN (SELECT value FROM json_each($3));

INSERT INTO interventions (conversation, kind, turn, by, at)
SELECT $1, 'taken_up', value, '', $4 FROM json_each($2) WHERE EXISTS (SELECT 1 FROM pauses WHERE conversation = $1);

DELETE FROM pauses WHERE conversation = $1 AND until <= $4 RETURNING 1";

#[async_trait]
impl Pauses for SqliteStore {
    async fn pause(&self, conversation: &ConversationKey, until: Timestamp, by: &str) -> Result<bool, StoreError> {
        let (key, by, now) = (conversation.encode(), by.to_owned(), self.inner.clock.now());
        let (paused, held) = (Arc::clone(&self.inner.paused), key.clone());
        let write = async move |conn: &mut SqliteConnection| {
            let held = sqlx::query("SELECT 1 FROM pauses WHERE conversation = $1 AND until > $2")
                .bind(&key)
                .bind(now.as_millis())
                .fetch_optional(&mut *conn)
                .await?;
            let row = sqlx::query(PAUSE)
                .bind(&key)
                .bind(until.as_millis())
                .bind(&by)
                .bind(now.as_millis())
                .fetch_one(conn)
                .await?;
            Ok((pause(&row)?, held.is_none()))
        };
        let after = move |(pause, _): &(Pause, bool)| drop(paused.lock().insert(held, pause.clone()));
        Ok(self.writer().write_then(write, after).await?.1)
    }

    async fn paused(&self, conversation: &ConversationKey, now: Timestamp) -> Result<Option<Pause>, StoreError> {
        let paused = self.inner.paused.lock();
        if paused.is_empty() {
            return Ok(None);
        }
        Ok(paused.get(&conversation.encode()).filter(|pause| pause.until > now).cloned())
    }

    async fn resume(&self, conversation: &ConversationKey, at: Timestamp, by: &str) -> Result<bool, StoreError> {
        let (key, by) = (conversation.encode(), by.to_owned());
        let (paused, held) = (Arc::clone(&self.inner.paused), key.clone());
        let write = async move |conn: &mut SqliteConnection| {
            let done = sqlx::query(RESUME).bind(&key).bind(at.as_millis()).bind(&by).fetch_optional(conn).await?;
            Ok(done.is_some())
        };
        Ok(self.writer().write_then(write, move |_: &bool| paused.forget(&held)).await?)
    }

    async fn say_unasked(&self, words: &Unasked) -> Result<bool, StoreError> {
        let conversation = words.conversation.encode();
        let reply = serde_json::to_string(&words.reply).map_err(Fault::from)?;
        let texts: Vec<String> =
            words.parts.iter().map(serde_json::to_string).collect::<Result<_, _>>().map_err(Fault::from)?;
        let parts = serde_json::to_string(&texts).map_err(Fault::from)?;
        let kind =
            if words.outcome == TurnOutcome::Person { InterventionKind::Reply } else { InterventionKind::Notice };
        let (recall, wake, changed) = (self.recall().clone(), self.outbox_wake().clone(), conversation.clone());
        let words = words.clone();
        let write = async move |conn: &mut SqliteConnection| {
            let said = sqlx::query(SAY)
                .bind(words.turn.to_string())
                .bind(&conversation)
                .bind(words.outcome.as_str())
                .bind(&reply)
                .bind(words.at.as_millis())
                .bind(&words.reply.text)
                .bind(words.conversation.channel.as_str())
                .bind(&parts)
                .bind(kind.as_str())
                .bind(&words.by)
                .fetch_optional(conn)
                .await?;
            Ok(said.is_some())
        };
        let after = move |_: &bool| {
            recall.forget(&changed);
            wake.notify_waiters();
        };
        Ok(self.writer().write_then(write, after).await?)
    }

    async fn ended_pauses(&self, now: Timestamp, limit: usize) -> Result<Vec<EndedPause>, StoreError> {
        Ok(self.read_ended(now, limit).await?)
    }

    async fn close_pause(
        &self,
        conversation: &ConversationKey,
        taken_up: &[TakenUp],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let key = conversation.encode();
        let turns: Vec<String> = taken_up.iter().map(|one| one.turn.to_string()).collect();
        let said: Vec<String> = taken_up.iter().flat_map(|one| &one.instead_of).map(ToString::to_string).collect();
        let turns = serde_json::to_string(&turns).map_err(Fault::from)?;
        let said = serde_json::to_string(&said).map_err(Fault::from)?;
        let (paused, recall, held) = (Arc::clone(&self.inner.paused), self.recall().clone(), key.clone());
        let write = async move |conn: &mut SqliteConnection| {
            let closed = sqlx::query(CLOSE)
                .bind(&key)
                .bind(&turns)
                .bind(&said)
                .bind(at.as_millis())
                .fetch_optional(conn)
                .await?;
            Ok(closed.is_some())
        };
        let after = move |closed: &bool| {
            recall.forget(&held);
            if *closed {
                paused.forget(&held);
            }
        };
        self.writer().write_then(write, after).await?;
        Ok(())
    }

    async fn interventions(
        &self,
        conversation: &ConversationKey,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Intervention>, StoreError> {
        Ok(self.read_interventions(conversation, after, limit).await?)
    }
}

impl SqliteStore {
    async fn read_ended(&self, now: Timestamp, limit: usize) -> Outcome<Vec<EndedPause>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = sqlx::query(ENDED).bind(now.as_millis()).bind(limit).fetch_all(self.readers()).await?;
        let ended = |row: &SqliteRow| {
            let mut left: Vec<Left> = Vec::new();
            for (turn, diver, text) in rows::json::<Vec<(String, String, String)>>(row, 1)? {
                let turn = rows::turn_id(&turn)?;
                let diver = DiverKey::decode(&diver).ok_or_else(|| Fault::corrupt("a diver's key"))?;
                match left.iter_mut().find(|one| one.diver == diver) {
                    Some(one) => {
                        one.turns.push(turn);
                        one.text.push('\n');
                        one.text.push_str(&text);
                    }
                    None => left.push(Left { diver, turns: vec![turn], text }),
                }
            }
            Ok(EndedPause { conversation: rows::conversation(row.try_get(0)?)?, left })
        };
        found.iter().map(ended).collect()
    }

    async fn read_interventions(
        &self,
        conversation: &ConversationKey,
        after: i64,
        limit: usize,
    ) -> Outcome<Vec<Intervention>> {
        let found = sqlx::query(
            "SELECT number, kind, turn, by, at FROM interventions
             WHERE conversation = $1 AND number > $2 ORDER BY number LIMIT $3",
        )
        .bind(conversation.encode())
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(self.readers())
        .await?;
        found.iter().map(intervention).collect()
    }
}

fn intervention(row: &SqliteRow) -> Outcome<Intervention> {
    let kind = InterventionKind::parse(row.try_get(1)?).ok_or_else(|| Fault::corrupt("what a person did"))?;
    let turn: Option<String> = row.try_get(2)?;
    Ok(Intervention {
        number: row.try_get(0)?,
        kind,
        turn: turn.as_deref().map(rows::turn_id).transpose()?,
        by: row.try_get(3)?,
        at: Timestamp::from_millis(row.try_get(4)?),
    })
}
