//! Parts on their way out: `pending → send_started → sent | unknown | dead`.

use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::{MessageStatus, Receipt};
use dovvybuddy_core::store::{DeadLetter, DuePart, Notice, Outbox, PartResult, StoreError};
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, Timestamp};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::fault::Outcome;
use crate::rows;
use crate::store::SqliteStore;

/// Of each lane and outlet the first open part, unless one of them is being sent. An emergency's parts
/// go before the others and wait for none of them.
macro_rules! eligible {
    () => {
        "o.state IN ('pending', 'unknown') AND NOT EXISTS (
            SELECT 1 FROM outbox p
            WHERE p.lane = o.lane AND p.outlet = o.outlet AND p.state IN ('pending', 'unknown', 'send_started')
              AND (p.urgent > o.urgent
                   OR p.urgent = o.urgent AND (p.id < o.id OR p.state = 'send_started')))"
    };
}

/// The message that the first part of a turn's reply replaces.
macro_rules! placeholder {
    () => {
        "CASE part WHEN 0 THEN (SELECT receipt FROM placeholders p
            WHERE p.turn = outbox.turn AND p.conversation = outbox.conversation) END"
    };
}

const ANY_DUE: &str = concat!("SELECT EXISTS (SELECT 1 FROM outbox o WHERE o.next_at <= $1 AND ", eligible!(), ")");

const NEXT: &str = concat!("SELECT o.next_at FROM outbox o WHERE ", eligible!(), " ORDER BY o.next_at LIMIT 1");

const TAKE: &str = concat!(
    "UPDATE outbox SET state = 'send_started', attempts = attempts + 1
     WHERE id IN (SELECT o.id FROM outbox o WHERE o.next_at <= $1 AND ",
    eligible!(),
    " ORDER BY o.urgent DESC, o.id LIMIT $2)
     RETURNING id, part, outlet, conversation, payload, context, attempts - 1, uncertain, created_at, ",
    placeholder!()
);

const DEAD: &str = "
SELECT id, part, outlet, conversation, payload, context, attempts, uncertain, created_at, NULL
FROM outbox WHERE state = 'dead' ORDER BY id LIMIT $1";

const LETTERS: &str = "
SELECT id, part, outlet, conversation, payload, context, attempts, uncertain, created_at, NULL, error, settled_at
FROM outbox WHERE state = 'dead' ORDER BY settled_at DESC, id DESC LIMIT $1";

/// It comes last in its conversation: what was written meanwhile may have gone out already.
const REVIVE: &str = "
INSERT INTO outbox (lane, outlet, conversation, diver, turn, lead, part, urgent, command, payload, context,
                    uncertain, state, next_at, created_at)
SELECT lane, outlet, conversation, diver, turn, lead, part, urgent, command, payload, context,
       uncertain, 'pending', $2, $2
FROM outbox WHERE id = $1 AND state = 'dead';

DELETE FROM outbox WHERE id = $1 AND state = 'dead' RETURNING 1";

/// Of a conversation nobody is known in (any more) nothing is kept.
const NOTE_STATUS: &str = "
INSERT INTO message_statuses (conversation, receipt, rank, at)
SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM participants WHERE conversation = $1)
ON CONFLICT (conversation, receipt) DO UPDATE SET rank = excluded.rank, at = excluded.at WHERE rank < excluded.rank";

fn part(row: &SqliteRow) -> Outcome<DuePart> {
    Ok(DuePart {
        id: row.try_get(0)?,
        part: rows::small(row, 1)?,
        outlet: ChannelId::new(row.try_get::<String, _>(2)?),
        conversation: rows::conversation(row.try_get(3)?)?,
        payload: rows::json(row, 4)?,
        context: rows::json(row, 5)?,
        attempts: rows::small(row, 6)?,
        uncertain: row.try_get(7)?,
        replaces: row.try_get::<Option<String>, _>(9)?.map(|receipt| Receipt(Some(receipt))),
        created_at: Timestamp::from_millis(row.try_get(8)?),
    })
}

/// Puts a lead's deliveries into the outbox.
pub(crate) async fn write_notices(
    conn: &mut SqliteConnection,
    bot: &BotId,
    lead: &str,
    notices: &[Notice],
    at: Timestamp,
) -> Outcome<()> {
    for notice in notices {
        sqlx::query(
            "INSERT INTO outbox (lane, outlet, conversation, lead, part, payload, context, state, next_at, created_at)
             VALUES ($1, $2, $1, $3, 0, $4, 'null', 'pending', $5, $5)",
        )
        .bind(notice.lane(bot).encode())
        .bind(notice.outlet.as_str())
        .bind(lead)
        .bind(serde_json::to_string(&notice.payload)?)
        .bind(at.as_millis())
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

async fn take(conn: &mut SqliteConnection, now: i64, limit: i64) -> Outcome<Vec<DuePart>> {
    let taken = sqlx::query(TAKE).bind(now).bind(limit).fetch_all(conn).await?;
    let mut parts = taken.iter().map(part).collect::<Outcome<Vec<_>>>()?;
    parts.sort_by_key(|part| part.id);
    Ok(parts)
}

async fn settle(conn: &mut SqliteConnection, id: i64, result: &PartResult, now: i64) -> Outcome<()> {
    let (state, receipt, error, at, uncertain) = match result {
        PartResult::Sent { receipt, at } => ("sent", receipt.0.as_deref(), None, *at, false),
        PartResult::Retry { at, error, uncertain } => {
            (if *uncertain { "unknown" } else { "pending" }, None, Some(error.as_str()), *at, *uncertain)
        }
        PartResult::Dead { error } => ("dead", None, Some(error.as_str()), Timestamp::from_millis(now), false),
    };
    // What was sent need not be kept; where the diver was erased meanwhile, not even that it was.
    sqlx::query(
        "UPDATE outbox SET
            payload = CASE $2 WHEN 'sent' THEN 'null' ELSE payload END,
            context = CASE $2 WHEN 'sent' THEN 'null' ELSE context END,
            state = CASE WHEN $2 = 'pending' AND uncertain THEN 'unknown' ELSE $2 END,
            receipt = $3, error = $4, next_at = $5, uncertain = uncertain OR $6,
            settled_at = CASE WHEN $2 IN ('sent', 'dead') THEN $5 END
         WHERE id = $1 AND state <> 'sent';

         DELETE FROM placeholders WHERE $2 IN ('sent', 'dead') AND (turn, conversation) =
            (SELECT turn, conversation FROM outbox WHERE id = $1 AND part = 0);

         DELETE FROM outbox WHERE id = $1 AND turn IS NULL AND lead IS NULL AND state IN ('sent', 'dead')",
    )
    .bind(id)
    .bind(state)
    .bind(receipt)
    .bind(error)
    .bind(at.as_millis())
    .bind(uncertain)
    .execute(conn)
    .await?;
    Ok(())
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<DuePart>, StoreError> {
        if !self.inner.dispatch || !self.any_due(now).await? {
            return Ok(Vec::new());
        }
        let (now, limit) = (now.as_millis(), i64::try_from(limit).unwrap_or(i64::MAX));
        Ok(self.writer().write(async move |conn: &mut SqliteConnection| take(conn, now, limit).await).await?)
    }

    async fn wait_for_parts(&self, now: Timestamp, at_most: Duration) {
        let woken = self.outbox_wake().notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        let pause = match self.next_part().await {
            Ok(next) => next.map_or(at_most, |at| at.since(now).min(at_most)),
            // The next call to `due` tells what is wrong; until then this must not spin.
            Err(_) => at_most,
        };
        if !pause.is_zero() {
            let _ = tokio::time::timeout(pause, woken).await;
        }
    }

    async fn clock_was_put_back(&self, now: Timestamp) -> Result<(), StoreError> {
        let wake = self.outbox_wake().clone();
        let write = async move |conn: &mut SqliteConnection| {
            sqlx::query("UPDATE outbox SET next_at = $1 WHERE state IN ('pending', 'unknown') AND created_at > $1")
                .bind(now.as_millis())
                .execute(conn)
                .await?;
            Ok(())
        };
        self.writer().write_then(write, move |()| wake.notify_waiters()).await?;
        Ok(())
    }

    async fn settle(&self, id: i64, result: &PartResult) -> Result<(), StoreError> {
        let (result, now) = (result.clone(), self.inner.clock.now().as_millis());
        let wake = self.outbox_wake().clone();
        self.writer()
            .write_then(
                async move |conn: &mut SqliteConnection| settle(conn, id, &result, now).await,
                move |()| wake.notify_waiters(),
            )
            .await?;
        Ok(())
    }

    async fn dead_parts(&self, limit: usize) -> Result<Vec<DuePart>, StoreError> {
        Ok(self.dead(limit).await?)
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        Ok(self.letters(limit).await?)
    }

    async fn revive(&self, id: i64, at: Timestamp) -> Result<bool, StoreError> {
        let wake = self.outbox_wake().clone();
        let write = async move |conn: &mut SqliteConnection| {
            let revived = sqlx::query(REVIVE).bind(id).bind(at.as_millis()).fetch_all(conn).await?;
            Ok(!revived.is_empty())
        };
        Ok(self.writer().write_then(write, move |_: &bool| wake.notify_waiters()).await?)
    }

    async fn note_status(
        &self,
        conversation: &ConversationKey,
        receipt: &str,
        status: MessageStatus,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (conversation, receipt) = (conversation.encode(), receipt.to_owned());
        let write = async move |conn: &mut SqliteConnection| {
            let noted = sqlx::query(NOTE_STATUS)
                .bind(&conversation)
                .bind(&receipt)
                .bind(rank(status))
                .bind(at.as_millis())
                .execute(conn)
                .await?;
            Ok(noted.rows_affected() > 0)
        };
        Ok(self.writer().write(write).await?)
    }

    async fn status(&self, conversation: &ConversationKey, receipt: &str) -> Result<Option<MessageStatus>, StoreError> {
        Ok(self.read_status(conversation, receipt).await?)
    }
}

/// The stored number of a status; a later one is greater.
fn rank(status: MessageStatus) -> i64 {
    RANKS.iter().position(|ranked| *ranked == status).and_then(|rank| i64::try_from(rank).ok()).unwrap_or(0)
}

const RANKS: [MessageStatus; 4] =
    [MessageStatus::Sent, MessageStatus::Failed, MessageStatus::Delivered, MessageStatus::Read];

impl SqliteStore {
    async fn dead(&self, limit: usize) -> Outcome<Vec<DuePart>> {
        let found = sqlx::query(DEAD).bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(self.readers()).await?;
        found.iter().map(part).collect()
    }

    async fn letters(&self, limit: usize) -> Outcome<Vec<DeadLetter>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = sqlx::query(LETTERS).bind(limit).fetch_all(self.readers()).await?;
        let letter = |row: &SqliteRow| {
            Ok(DeadLetter {
                part: part(row)?,
                error: row.try_get::<Option<String>, _>(10)?.unwrap_or_default(),
                at: Timestamp::from_millis(row.try_get::<Option<i64>, _>(11)?.unwrap_or_default()),
            })
        };
        found.iter().map(letter).collect()
    }

    async fn read_status(&self, conversation: &ConversationKey, receipt: &str) -> Outcome<Option<MessageStatus>> {
        let found = sqlx::query("SELECT rank FROM message_statuses WHERE conversation = $1 AND receipt = $2")
            .bind(conversation.encode())
            .bind(receipt)
            .fetch_optional(self.readers())
            .await?;
        let Some(row) = found else { return Ok(None) };
        Ok(RANKS.get(rows::small::<usize>(&row, 0)?).copied())
    }

    async fn any_due(&self, now: Timestamp) -> Outcome<bool> {
        let row = sqlx::query(ANY_DUE).bind(now.as_millis()).fetch_one(self.readers()).await?;
        Ok(row.try_get(0)?)
    }

    async fn next_part(&self) -> Outcome<Option<Timestamp>> {
        let row = sqlx::query(NEXT).fetch_optional(self.readers()).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.map(Timestamp::from_millis))
    }

    /// Open, uncertain and dead parts.
    pub(crate) async fn outbox_counts(&self) -> Outcome<(u64, u64, u64)> {
        let row = sqlx::query(
            "SELECT count(*), count(*) FILTER (WHERE uncertain),
                    (SELECT count(*) FROM outbox WHERE state = 'dead')
             FROM outbox WHERE state IN ('pending', 'unknown', 'send_started')",
        )
        .fetch_one(self.readers())
        .await?;
        Ok((rows::count(&row, 0)?, rows::count(&row, 1)?, rows::count(&row, 2)?))
    }
}
