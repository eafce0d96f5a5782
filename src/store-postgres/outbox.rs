//! Parts on their way out: `pending → send_started → sent | unknown | dead`.

use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::{MessageStatus, Receipt};
use dovvybuddy_core::store::{DeadLetter, DuePart, Notice, Outbox, PartResult, StoreError};
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use crate::ask::{BUDGET, Repeat, Step};
use crate::fault::Outcome;
use crate::rows;
use crate::store::PostgresStore;

/// Of each lane and outlet the first open part, unless one of them is being sent. An emergency's parts
/// go before the others and wait for none of them.
macro_rules! eligible {
    () => {
        "o.state IN ('pending', 'unknown') AND NOT EXISTS (
            SELECT 1 FROM outbox p
            WHERE p.lane = o.lane AND p.outlet = o.outlet AND p.state IN ('pending', 'unknown', 'send_started')
              AND (p.urgent AND NOT o.urgent
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

const NEXT: &str = concat!(
    "SELECT o.next_at - coalesce($1, dovvy_now()) FROM outbox o WHERE ",
    eligible!(),
    " ORDER BY o.next_at LIMIT 1"
);

/// A part that another replica takes at this moment is skipped; one that it has just taken is no longer eligible
/// when its row is looked at again under the lock.
const TAKE: &str = concat!(
    "UPDATE outbox SET state = 'send_started', attempts = attempts + 1, sender = $3
     WHERE (lane, id) IN (SELECT o.lane, o.id FROM outbox o WHERE o.next_at <= coalesce($1, dovvy_now()) AND ",
    eligible!(),
    " ORDER BY o.urgent DESC, o.id LIMIT $2 FOR UPDATE SKIP LOCKED)
     RETURNING id, part, outlet, conversation, payload, context, attempts - 1, uncertain, created_at, ",
    placeholder!()
);

const DEAD: &str = "
SELECT id, part, outlet, conversation, payload, context, attempts, uncertain, created_at, NULL::text
FROM outbox WHERE state = 'dead' ORDER BY id LIMIT $1";

const LETTERS: &str = "
SELECT id, part, outlet, conversation, payload, context, attempts, uncertain, created_at, NULL::text, error, settled_at
FROM outbox WHERE state = 'dead' ORDER BY settled_at DESC, id DESC LIMIT $1";

/// It comes last in its conversation: what was written meanwhile may have gone out already.
const REVIVE: &str = "
WITH dead AS (DELETE FROM outbox WHERE id = $1 AND state = 'dead' RETURNING *)
INSERT INTO outbox (lane, outlet, conversation, diver, turn, lead, part, urgent, command, payload, context,
                    uncertain, state, next_at, created_at)
SELECT lane, outlet, conversation, diver, turn, lead, part, urgent, command, payload, context,
       uncertain, 'pending', coalesce($3, dovvy_now()), $2
FROM dead RETURNING true";

/// By whichever clock the moments of parts are told.
const PUT_BACK: &str = "
UPDATE outbox SET next_at = coalesce($1, dovvy_now())
WHERE state IN ('pending', 'unknown') AND created_at > coalesce($1, dovvy_now())";

/// Of a conversation nobody is known in (any more) nothing is kept; whoever is being erased there waits.
const NOTE_STATUS: &str = "
INSERT INTO message_statuses AS s (conversation, receipt, rank, at)
SELECT $1, $2, $3, $4 FROM (SELECT 1 FROM participants WHERE conversation = $1 LIMIT 1 FOR KEY SHARE) known
ON CONFLICT (conversation, receipt) DO UPDATE SET rank = excluded.rank, at = excluded.at WHERE s.rank < excluded.rank";

const RANKS: [MessageStatus; 4] =
    [MessageStatus::Sent, MessageStatus::Failed, MessageStatus::Delivered, MessageStatus::Read];

/// The stored number of a status; a later one is greater.
fn rank(status: MessageStatus) -> i64 {
    RANKS.iter().position(|ranked| *ranked == status).and_then(|rank| i64::try_from(rank).ok()).unwrap_or(0)
}

/// What was sent need not be kept; where the diver was erased meanwhile, not even that it was. A failure counts only
/// for whoever is sending the part: somebody else may have taken it over.
const SETTLE: &str = "
WITH settled AS (
    UPDATE outbox SET
        payload = CASE $2 WHEN 'sent' THEN 'null' ELSE payload END,
        context = CASE $2 WHEN 'sent' THEN 'null' ELSE context END,
        state = CASE WHEN $2 = 'pending' AND uncertain THEN 'unknown' ELSE $2 END,
        receipt = $3, error = $4, next_at = coalesce($5, dovvy_now() + $8), uncertain = uncertain OR $6, sender = NULL,
        settled_at = CASE WHEN $2 IN ('sent', 'dead') THEN coalesce($5, dovvy_now() + $8) END
    WHERE id = $1 AND state <> 'sent' AND ($2 = 'sent' OR sender IS NOT DISTINCT FROM $7)
      AND NOT ($2 IN ('sent', 'dead') AND turn IS NULL AND lead IS NULL)
    RETURNING turn, conversation, part
), gone AS (
    DELETE FROM outbox WHERE id = $1 AND turn IS NULL AND lead IS NULL AND $2 IN ('sent', 'dead')
)
DELETE FROM placeholders p USING settled s
WHERE $2 IN ('sent', 'dead') AND s.part = 0 AND p.turn = s.turn AND p.conversation = s.conversation";

fn part(row: &PgRow) -> Outcome<DuePart> {
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
        created_at: rows::moment(row, 8)?,
    })
}

/// Puts a lead's deliveries into the outbox.
pub(crate) async fn write_notices(
    conn: &mut PgConnection,
    bot: &BotId,
    lead: &str,
    notices: &[Notice],
    at: Timestamp,
) -> Step<()> {
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

#[async_trait]
impl Outbox for PostgresStore {
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<DuePart>, StoreError> {
        if !self.inner.dispatch || self.inner.parts.is_quiet(now) {
            return Ok(Vec::new());
        }
        let (me, at, limit) = (self.me().await?, self.at(now), i64::try_from(limit).unwrap_or(i64::MAX));
        // Taken, but the answer lost: nobody sends them until this replica is given up. Better than twice.
        let taken = self.rows(Repeat::IfUndone, BUDGET, |_| sqlx::query(TAKE).bind(at).bind(limit).bind(me)).await?;
        let mut parts = taken.iter().map(part).collect::<Outcome<Vec<_>>>()?;
        parts.sort_by_key(|part| part.id);
        Ok(parts)
    }

    async fn wait_for_parts(&self, now: Timestamp, at_most: Duration) {
        let heard = self.inner.parts.heard();
        // The next call to `due` tells what is wrong; until then this must not spin.
        let next = self.next_part(now).await.unwrap_or(None);
        self.inner.parts.rest(heard, now, next);
        self.inner.parts.wait(now, at_most).await;
    }

    async fn clock_was_put_back(&self, now: Timestamp) -> Result<(), StoreError> {
        let at = self.at(now);
        self.touched(|| sqlx::query(PUT_BACK).bind(at)).await?;
        self.inner.parts.ring();
        Ok(())
    }

    async fn settle(&self, id: i64, result: &PartResult) -> Result<(), StoreError> {
        let now = self.inner.clock.now();
        let (state, receipt, error, at, uncertain) = match result {
            PartResult::Sent { receipt, at } => ("sent", receipt.0.clone(), None, *at, false),
            PartResult::Retry { at, error, uncertain } => {
                (if *uncertain { "unknown" } else { "pending" }, None, Some(error.clone()), *at, *uncertain)
            }
            PartResult::Dead { error } => ("dead", None, Some(error.clone()), now, false),
        };
        let error = error.map(|error| rows::words(&error).into_owned());
        let (me, pause) = (self.inner.me.get().copied(), crate::store::millis(at.since(now)));
        let at = self.at(at);
        self.touched(|| {
            sqlx::query(SETTLE)
                .bind(id)
                .bind(state)
                .bind(receipt.clone())
                .bind(error.clone())
                .bind(at)
                .bind(uncertain)
                .bind(me)
                .bind(pause)
        })
        .await?;
        self.inner.parts.ring();
        Ok(())
    }

    async fn dead_parts(&self, limit: usize) -> Result<Vec<DuePart>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.all(|| sqlx::query(DEAD).bind(limit)).await?;
        Ok(found.iter().map(part).collect::<Outcome<Vec<_>>>()?)
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.all(|| sqlx::query(LETTERS).bind(limit)).await?;
        let letter = |row: &PgRow| {
            Ok(DeadLetter {
                part: part(row)?,
                error: row.try_get::<Option<String>, _>(10)?.unwrap_or_default(),
                at: Timestamp::from_millis(row.try_get::<Option<i64>, _>(11)?.unwrap_or_default()),
            })
        };
        Ok(found.iter().map(letter).collect::<Outcome<Vec<_>>>()?)
    }

    async fn revive(&self, id: i64, at: Timestamp) -> Result<bool, StoreError> {
        let next = self.at(at);
        let revive = |_| sqlx::query(REVIVE).bind(id).bind(at.as_millis()).bind(next);
        let revived = !self.rows(Repeat::IfUndone, BUDGET, revive).await?.is_empty();
        if revived {
            self.inner.parts.ring();
            self.tell("parts").await;
        }
        Ok(revived)
    }

    async fn note_status(
        &self,
        conversation: &ConversationKey,
        receipt: &str,
        status: MessageStatus,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (conversation, receipt) = (conversation.encode(), rows::words(receipt));
        let noted = self
            .touched(|| {
                sqlx::query(NOTE_STATUS)
                    .bind(conversation.clone())
                    .bind(receipt.clone().into_owned())
                    .bind(rank(status))
                    .bind(at.as_millis())
            })
            .await?;
        Ok(noted > 0)
    }

    async fn status(&self, conversation: &ConversationKey, receipt: &str) -> Result<Option<MessageStatus>, StoreError> {
        Ok(self.read_status(conversation, receipt).await?)
    }
}

impl PostgresStore {
    async fn read_status(&self, conversation: &ConversationKey, receipt: &str) -> Outcome<Option<MessageStatus>> {
        let (conversation, receipt) = (conversation.encode(), rows::words(receipt));
        let read = || {
            sqlx::query("SELECT rank FROM message_statuses WHERE conversation = $1 AND receipt = $2")
                .bind(conversation.clone())
                .bind(receipt.clone().into_owned())
        };
        let Some(row) = self.row(read).await? else { return Ok(None) };
        Ok(RANKS.get(rows::small::<usize>(&row, 0)?).copied())
    }

    async fn next_part(&self, now: Timestamp) -> Outcome<Option<Timestamp>> {
        let at = self.at(now);
        let Some(row) = self.row(|| sqlx::query(NEXT).bind(at)).await? else { return Ok(None) };
        let ms: i64 = row.try_get(0)?;
        Ok(Some(now.plus(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))))
    }
}
