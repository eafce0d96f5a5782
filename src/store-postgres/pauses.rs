//! Conversations that a person has taken over.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::store::{
    EndedPause, Intervention, InterventionKind, Left, Outcome as TurnOutcome, Pause, Pauses, StoreError, TakenUp,
    Unasked,
};
use dovvybuddy_core::{ConversationKey, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use tokio::time::Instant;

use crate::ask::{BUDGET, Repeat, Step, notify, transaction};
use crate::fault::{Fault, Outcome};
use crate::rows;
use crate::store::PostgresStore;

/// How long the pauses in memory may be used; a change anywhere is also told at once.
const FRESH: Duration = Duration::from_secs(1);

/// A pause that has ended already is begun anew, but what was left of it stays left.
const PAUSE: &str = "
INSERT INTO pauses AS p (conversation, since, until, by, answered)
VALUES ($1, $4, $2, $3, coalesce((SELECT max(number) FROM turns WHERE conversation = $1), 0))
ON CONFLICT (conversation) DO UPDATE SET
    since = CASE WHEN p.until > $4 THEN p.since ELSE excluded.since END, until = excluded.until, by = excluded.by";

const RESUME: &str = "
WITH ended AS (UPDATE pauses SET until = $2 WHERE conversation = $1 AND until > $2 RETURNING conversation)
INSERT INTO interventions (conversation, kind, by, at) SELECT conversation, 'resume', $3, $2 FROM ended";

/// The words belong to whoever spoke last: they go when that diver is erased.
const SAY: [&str; 3] = [
    "INSERT INTO turns (id, conversation, session, diver, attempt, outcome, reply, finished_at)
     SELECT $1, conversation, id, coalesce(diver, ''), 1, $3, $4, $5 FROM sessions WHERE conversation = $2",
    "INSERT INTO messages (conversation, epoch, diver, turn, role, content, created_at)
     SELECT conversation, epoch, coalesce(diver, ''), $1, 'assistant', $3, $4 FROM sessions WHERE conversation = $2",
    "INSERT INTO outbox (lane, outlet, conversation, diver, turn, part, payload, context, state, next_at, created_at)
     SELECT $2, $3, $2, s.diver, $1, p.ordinality - 1, p.value, 'null', 'pending', $5, $5
     FROM sessions s, json_array_elements_text($4::text::json) WITH ORDINALITY p
     WHERE s.conversation = $2 ORDER BY p.ordinality",
];

const ENDED: &str = "
SELECT p.conversation, coalesce((
    SELECT json_agg(json_build_array(t.id, t.diver, m.content) ORDER BY t.number)::text FROM turns t
    JOIN sessions s ON s.conversation = t.conversation
    JOIN messages m ON m.conversation = t.conversation AND m.epoch = s.epoch AND m.turn = t.id AND m.role = 'user'
    WHERE t.conversation = p.conversation AND t.outcome = 'with_person' AND t.number > p.answered), '[]')
FROM pauses p WHERE p.until <= $1 ORDER BY p.until LIMIT $2";

/// The pauses in memory: every turn asks for one.
#[derive(Debug, Default)]
pub(crate) struct Paused(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    pauses: HashMap<String, Pause>,
    /// When they were read; `None` if something has changed since.
    read_at: Option<Instant>,
    /// Grows with every change, so that a read which overlapped one does not count.
    changes: u64,
}

impl Paused {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pause began or ended somewhere.
    pub(crate) fn changed(&self) {
        let mut known = self.lock();
        known.changes += 1;
        known.read_at = None;
    }

    /// What is known of the conversation, or the count of changes that a read begins with.
    fn look(&self, conversation: &str) -> Result<Option<Pause>, u64> {
        let known = self.lock();
        if known.read_at.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(known.pauses.get(conversation).cloned());
        }
        Err(known.changes)
    }

    fn keep(&self, began: u64, pauses: HashMap<String, Pause>) {
        let mut known = self.lock();
        known.pauses = pauses;
        known.read_at = (known.changes == began).then(Instant::now);
    }
}

fn pause(row: &PgRow) -> Outcome<Pause> {
    Ok(Pause { since: rows::moment(row, 1)?, until: rows::moment(row, 2)?, by: row.try_get(3)? })
}

async fn begin(conn: &mut PgConnection, key: &str, until: i64, by: &str, now: i64) -> Step<bool> {
    let held = sqlx::query("SELECT 1 FROM pauses WHERE conversation = $1 AND until > $2 FOR UPDATE")
        .bind(key)
        .bind(now)
        .fetch_optional(&mut *conn)
        .await?;
    sqlx::query("INSERT INTO interventions (conversation, kind, by, at) VALUES ($1, 'pause', $2, $3)")
        .bind(key)
        .bind(by)
        .bind(now)
        .execute(&mut *conn)
        .await?;
    sqlx::query(PAUSE).bind(key).bind(until).bind(by).bind(now).execute(&mut *conn).await?;
    notify(conn, "pauses").await?;
    Ok(held.is_none())
}

async fn end(conn: &mut PgConnection, key: &str, at: i64, by: &str) -> Step<bool> {
    let ended = sqlx::query(RESUME).bind(key).bind(at).bind(by).execute(&mut *conn).await?;
    notify(conn, "pauses").await?;
    Ok(ended.rows_affected() > 0)
}

async fn say(conn: &mut PgConnection, words: &Unasked, reply: &str, parts: &str) -> Step<bool> {
    let (turn, conversation, at) = (words.turn.to_string(), words.conversation.encode(), words.at.as_millis());
    let kind = if words.outcome == TurnOutcome::Person { InterventionKind::Reply } else { InterventionKind::Notice };
    let session = sqlx::query("SELECT 1 FROM sessions WHERE conversation = $1 FOR UPDATE")
        .bind(&conversation)
        .fetch_optional(&mut *conn)
        .await?;
    if session.is_none() {
        return Ok(false);
    }
    let [as_turn, as_message, as_parts] = SAY;
    let written = sqlx::query(as_turn).bind(&turn).bind(&conversation).bind(words.outcome.as_str());
    written.bind(reply).bind(at).execute(&mut *conn).await?;
    let written = sqlx::query(as_message).bind(&turn).bind(&conversation);
    written.bind(rows::words(&words.reply.text).into_owned()).bind(at).execute(&mut *conn).await?;
    let written = sqlx::query(as_parts).bind(&turn).bind(&conversation).bind(words.conversation.channel.as_str());
    written.bind(parts).bind(at).execute(&mut *conn).await?;
    sqlx::query("INSERT INTO interventions (conversation, kind, turn, by, at) VALUES ($1, $2, $3, $4, $5)")
        .bind(&conversation)
        .bind(kind.as_str())
        .bind(&turn)
        .bind(&words.by)
        .bind(at)
        .execute(&mut *conn)
        .await?;
    if kind == InterventionKind::Reply {
        let answered = "UPDATE pauses SET answered = (SELECT max(number) FROM turns WHERE conversation = $1)
                        WHERE conversation = $1";
        sqlx::query(answered).bind(&conversation).execute(&mut *conn).await?;
    }
    sqlx::query("UPDATE sessions SET updated_at = greatest(updated_at, $2) WHERE conversation = $1")
        .bind(&conversation)
        .bind(at)
        .execute(conn)
        .await?;
    Ok(true)
}

async fn close(conn: &mut PgConnection, key: &str, turns: &[String], said: &[String], at: i64) -> Step<()> {
    sqlx::query("DELETE FROM messages WHERE conversation = $1 AND turn = ANY ($2)")
        .bind(key)
        .bind(said)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT INTO interventions (conversation, kind, turn, by, at)
         SELECT $1, 'taken_up', turn, '', $3 FROM unnest($2::text[]) turn
         WHERE EXISTS (SELECT 1 FROM pauses WHERE conversation = $1)",
    )
    .bind(key)
    .bind(turns)
    .bind(at)
    .execute(&mut *conn)
    .await?;
    let gone = "DELETE FROM pauses WHERE conversation = $1 AND until <= $2";
    sqlx::query(gone).bind(key).bind(at).execute(&mut *conn).await?;
    notify(conn, "pauses").await
}

#[async_trait]
impl Pauses for PostgresStore {
    async fn pause(&self, conversation: &ConversationKey, until: Timestamp, by: &str) -> Result<bool, StoreError> {
        let (key, until, now) = (conversation.encode(), until.as_millis(), self.inner.clock.now().as_millis());
        let new = transaction!(self, Repeat::IfUndone, BUDGET, |conn| begin(conn, &key, until, by, now));
        self.inner.paused.changed();
        Ok(new?)
    }

    async fn paused(&self, conversation: &ConversationKey, now: Timestamp) -> Result<Option<Pause>, StoreError> {
        let key = conversation.encode();
        let found = match self.inner.paused.look(&key) {
            Ok(found) => found,
            Err(began) => self.read_pauses(began).await?.remove(&key),
        };
        Ok(found.filter(|pause| pause.until > now))
    }

    async fn resume(&self, conversation: &ConversationKey, at: Timestamp, by: &str) -> Result<bool, StoreError> {
        let (key, at) = (conversation.encode(), at.as_millis());
        let ended = transaction!(self, Repeat::IfUndone, BUDGET, |conn| end(conn, &key, at, by));
        self.inner.paused.changed();
        Ok(ended?)
    }

    async fn say_unasked(&self, words: &Unasked) -> Result<bool, StoreError> {
        let reply = serde_json::to_string(&words.reply).map_err(Fault::from)?;
        let texts: Vec<String> =
            words.parts.iter().map(serde_json::to_string).collect::<Result<_, _>>().map_err(Fault::from)?;
        let parts = serde_json::to_string(&texts).map_err(Fault::from)?;
        let said = transaction!(self, Repeat::IfUndone, BUDGET, |conn| say(conn, words, &reply, &parts))?;
        self.inner.parts.ring();
        Ok(said)
    }

    async fn ended_pauses(&self, now: Timestamp, limit: usize) -> Result<Vec<EndedPause>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.all(|| sqlx::query(ENDED).bind(now.as_millis()).bind(limit)).await?;
        Ok(found.iter().map(ended).collect::<Outcome<Vec<_>>>()?)
    }

    async fn close_pause(
        &self,
        conversation: &ConversationKey,
        taken_up: &[TakenUp],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (key, at) = (conversation.encode(), at.as_millis());
        let turns: Vec<String> = taken_up.iter().map(|one| one.turn.to_string()).collect();
        let said: Vec<String> = taken_up.iter().flat_map(|one| &one.instead_of).map(ToString::to_string).collect();
        let closed = transaction!(self, Repeat::IfUndone, BUDGET, |conn| close(conn, &key, &turns, &said, at));
        self.inner.paused.changed();
        Ok(closed?)
    }

    async fn interventions(
        &self,
        conversation: &ConversationKey,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Intervention>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self
            .all(|| {
                sqlx::query(
                    "SELECT number, kind, turn, by, at FROM interventions
                     WHERE conversation = $1 AND number > $2 ORDER BY number LIMIT $3",
                )
                .bind(conversation.encode())
                .bind(after)
                .bind(limit)
            })
            .await?;
        Ok(found.iter().map(intervention).collect::<Outcome<Vec<_>>>()?)
    }
}

impl PostgresStore {
    async fn read_pauses(&self, began: u64) -> Outcome<HashMap<String, Pause>> {
        let found = self.all(|| sqlx::query("SELECT conversation, since, until, by FROM pauses")).await?;
        let pauses = found.iter().map(|row| Ok((row.try_get(0)?, pause(row)?))).collect::<Outcome<HashMap<_, _>>>()?;
        self.inner.paused.keep(began, pauses.clone());
        Ok(pauses)
    }
}

fn ended(row: &PgRow) -> Outcome<EndedPause> {
    let mut left: Vec<Left> = Vec::new();
    for (turn, diver, text) in rows::json::<Vec<(String, String, String)>>(row, 1)? {
        let (turn, diver) = (rows::turn_id(&turn)?, rows::diver(&diver)?);
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
}

fn intervention(row: &PgRow) -> Outcome<Intervention> {
    let kind = InterventionKind::parse(row.try_get(1)?).ok_or_else(|| Fault::corrupt("what a person did"))?;
    let turn: Option<String> = row.try_get(2)?;
    Ok(Intervention {
        number: row.try_get(0)?,
        kind,
        turn: turn.as_deref().map(rows::turn_id).transpose()?,
        by: row.try_get(3)?,
        at: rows::moment(row, 4)?,
    })
}
