//! Messages on their way in.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::Inbound;
use dovvybuddy_core::limit::{Allowance, Charge, Verdict, gcra};
use dovvybuddy_core::store::{Accepted, Backlog, Claim, FinishedTurn, Inbox, StoreError};
use dovvybuddy_core::{ConversationKey, SessionId, Timestamp, TurnId};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::fault::{Fault, Outcome};
use crate::finish::Finish;
use crate::rows;
use crate::store::SqliteStore;

/// Charge, insert, open: a program that runs inside the database for each row inserted into `accepting`,
/// so that the whole of it is one hop. Each statement acts only if the one before it did.
pub(crate) const PROGRAM: &str = "
CREATE TEMP VIEW accepting AS SELECT
    NULL AS conversation, NULL AS event_key, NULL AS turn, NULL AS diver, NULL AS fingerprint, NULL AS event,
    NULL AS received_at, NULL AS fresh, NULL AS bot, NULL AS key, NULL AS now, NULL AS step,
    NULL AS furthest, NULL AS tolerance, NULL AS offer;

CREATE TEMP TRIGGER accept INSTEAD OF INSERT ON accepting BEGIN
    INSERT INTO limits (key, arrival)
    SELECT NEW.key, NEW.now + NEW.step
    WHERE NEW.key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM inbox WHERE event_key = NEW.event_key)
    ON CONFLICT (key) DO UPDATE SET arrival = min(max(arrival, NEW.now), NEW.furthest) + NEW.step
        WHERE min(max(arrival, NEW.now), NEW.furthest) - NEW.now <= NEW.tolerance;

    INSERT INTO inbox (conversation, event_key, turn, diver, fingerprint, event, received_at, offer)
    SELECT NEW.conversation, NEW.event_key, NEW.turn, NEW.diver, NEW.fingerprint, NEW.event, NEW.received_at,
           NEW.offer
    WHERE NEW.key IS NULL OR changes() = 1
    ON CONFLICT (event_key) DO NOTHING;

    INSERT INTO sessions (id, bot, conversation, diver, created_at, updated_at)
    SELECT NEW.fresh, NEW.bot, NEW.conversation, NEW.diver, NEW.received_at, NEW.received_at
    WHERE changes() = 1
    ON CONFLICT (conversation) DO NOTHING;

    INSERT INTO participants (diver, conversation)
    SELECT NEW.diver, NEW.conversation
    WHERE EXISTS (SELECT 1 FROM inbox WHERE event_key = NEW.event_key AND offer = NEW.offer)
    ON CONFLICT DO NOTHING;
END";

const ACCEPT: &str = "
INSERT INTO accepting VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

SELECT coalesce(i.covered_by, i.turn), i.fingerprint, coalesce(s.id, $8), l.arrival, i.seq, i.offer = $15
FROM (SELECT 1)
LEFT JOIN inbox i ON i.event_key = $2
LEFT JOIN sessions s ON s.conversation = coalesce(i.conversation, $1)
LEFT JOIN limits l ON l.key = $10";

/// Stores an event that already has its answer; the rest is [`Finish`].
const ACCEPT_ANSWERED: &str = "
INSERT INTO inbox (conversation, event_key, turn, diver, fingerprint, received_at, covered_by, offer)
VALUES ($1, $2, $3, $4, $5, $7, $6, $10)
ON CONFLICT (event_key) DO NOTHING;

INSERT INTO sessions (id, bot, conversation, diver, created_at, updated_at)
SELECT $8, $9, $1, $4, $7, $7 WHERE changes() = 1
ON CONFLICT (conversation) DO NOTHING;

INSERT OR IGNORE INTO participants (diver, conversation) VALUES ($4, $1);

SELECT coalesce(i.covered_by, i.turn), i.fingerprint, coalesce(s.id, $8), NULL, i.seq, i.offer = $10
FROM inbox i LEFT JOIN sessions s ON s.conversation = i.conversation
WHERE i.event_key = $2";

/// An event in the form of its row.
struct EventRow {
    conversation: String,
    key: String,
    turn: String,
    diver: String,
    fingerprint: Option<String>,
    received_at: i64,
    fresh: String,
    bot: String,
    /// Differs for every offer, so that an event just stored is told from one stored before.
    offer: i64,
}

impl EventRow {
    fn new(event: &Inbound, fresh: SessionId, offer: i64) -> Self {
        let at = &event.conversation;
        let key = ConversationKey { conversation: event.event_id.clone(), ..at.clone() };
        Self {
            conversation: at.encode(),
            key: key.encode(),
            turn: event.turn.to_string(),
            diver: event.sender.key.encode(),
            fingerprint: event.fingerprint.clone(),
            received_at: event.received_at.as_millis(),
            fresh: fresh.to_string(),
            bot: at.bot.as_str().to_owned(),
            offer,
        }
    }
}

/// A charge as the numbers the statement calculates with; the same arithmetic as [`gcra`].
struct Bill {
    key: String,
    now: i64,
    step: i64,
    furthest: i64,
    tolerance: i64,
}

impl Bill {
    /// `None` when nothing is to be counted.
    fn new(charge: &Charge, now: Timestamp) -> Option<Self> {
        let interval = charge.quota.interval()?;
        let burst = charge.quota.burst.max(1);
        Some(Self {
            key: charge.key.clone(),
            now: now.as_millis(),
            step: now.plus(interval).as_millis() - now.as_millis(),
            furthest: now.plus(interval * burst).as_millis(),
            tolerance: i64::try_from((interval * (burst - 1)).as_millis()).unwrap_or(i64::MAX),
        })
    }
}

/// What the writing thread found.
enum Took {
    New { seq: i64, session: SessionId, arrival: Option<Timestamp> },
    Known { turn: TurnId, session: SessionId, fingerprint: Option<String> },
    Refused { arrival: Option<Timestamp> },
}

fn took(row: &SqliteRow) -> Outcome<Took> {
    let arrival = row.try_get::<Option<i64>, _>(3)?.map(Timestamp::from_millis);
    let Some(turn) = row.try_get::<Option<String>, _>(0)? else {
        return Ok(Took::Refused { arrival });
    };
    let session = rows::session_id(row.try_get(2)?)?;
    Ok(if row.try_get(5)? {
        Took::New { seq: row.try_get(4)?, session, arrival }
    } else {
        Took::Known { turn: rows::turn_id(&turn)?, session, fingerprint: row.try_get(1)? }
    })
}

async fn accept(conn: &mut SqliteConnection, row: &EventRow, body: &str, bill: Option<&Bill>) -> Outcome<Took> {
    let found = sqlx::query(ACCEPT)
        .bind(&row.conversation)
        .bind(&row.key)
        .bind(&row.turn)
        .bind(&row.diver)
        .bind(&row.fingerprint)
        .bind(body)
        .bind(row.received_at)
        .bind(&row.fresh)
        .bind(&row.bot)
        .bind(bill.map(|bill| &bill.key))
        .bind(bill.map(|bill| bill.now))
        .bind(bill.map(|bill| bill.step))
        .bind(bill.map(|bill| bill.furthest))
        .bind(bill.map(|bill| bill.tolerance))
        .bind(row.offer)
        .fetch_one(conn)
        .await?;
    took(&found)
}

async fn accept_answered(conn: &mut SqliteConnection, row: &EventRow, finish: &Finish) -> Outcome<Took> {
    let found = sqlx::query(ACCEPT_ANSWERED)
        .bind(&row.conversation)
        .bind(&row.key)
        .bind(&row.turn)
        .bind(&row.diver)
        .bind(&row.fingerprint)
        .bind(&finish.turn)
        .bind(row.received_at)
        .bind(&row.fresh)
        .bind(&row.bot)
        .bind(row.offer)
        .fetch_one(&mut *conn)
        .await?;
    let took = took(&found)?;
    if let Took::New { seq, session, .. } = &took {
        finish.run(conn, &session.to_string(), *seq).await?;
    }
    Ok(took)
}

/// What is left after a charge that was allowed, from the arrival time it left behind.
fn allowance(charge: Option<&Charge>, arrival: Option<Timestamp>, now: Timestamp) -> Option<Allowance> {
    let charge = charge?;
    let before = charge.quota.interval().and_then(|interval| arrival.map(|at| at.minus(interval)));
    match gcra(charge.quota, before, now) {
        Verdict::Allowed { allowance, .. } => Some(allowance),
        Verdict::Refused(_) => None,
    }
}

fn refusal(charge: Option<&Charge>, arrival: Option<Timestamp>, now: Timestamp) -> Duration {
    match charge.map(|charge| gcra(charge.quota, arrival, now)) {
        Some(Verdict::Refused(wait)) => wait,
        _ => Duration::ZERO,
    }
}

fn accepted(took: Took, charge: Option<&Charge>, now: Timestamp) -> Accepted {
    match took {
        Took::New { session, arrival, .. } => Accepted::New { session, allowance: allowance(charge, arrival, now) },
        Took::Known { turn, session, fingerprint } => Accepted::Duplicate { turn, session, fingerprint },
        Took::Refused { arrival } => Accepted::Limited { retry_after: refusal(charge, arrival, now) },
    }
}

#[async_trait]
impl Inbox for SqliteStore {
    async fn accept(
        &self,
        event: &Inbound,
        fresh_session: SessionId,
        charge: Option<&Charge>,
    ) -> Result<Accepted, StoreError> {
        let slot = self.lanes().reserve()?;
        let row = EventRow::new(event, fresh_session, self.next_offer());
        let body = serde_json::to_string(event).map_err(Fault::from)?;
        let bill = charge.and_then(|charge| Bill::new(charge, event.received_at));
        let (lanes, event) = (self.lanes().clone(), event.clone());
        let now = event.received_at;
        let took = self
            .writer()
            .write_then(
                async move |conn: &mut SqliteConnection| accept(conn, &row, &body, bill.as_ref()).await,
                move |took: &Took| {
                    drop(slot);
                    if let Took::New { seq, .. } = took {
                        lanes.add(*seq, event, 0);
                    }
                },
            )
            .await?;
        Ok(accepted(took, charge, now))
    }

    async fn accept_answered(
        &self,
        event: &Inbound,
        fresh_session: SessionId,
        turn: &FinishedTurn,
    ) -> Result<Accepted, StoreError> {
        let row = EventRow::new(event, fresh_session, self.next_offer());
        let finish = Finish::new(turn, &event.conversation, event.received_at, true)?;
        let outbox = self.outbox_wake().clone();
        let took = self
            .writer()
            .write_then(
                async move |conn: &mut SqliteConnection| accept_answered(conn, &row, &finish).await,
                move |_: &Took| outbox.notify_waiters(),
            )
            .await?;
        Ok(accepted(took, None, event.received_at))
    }

    async fn claim(&self, now: Timestamp, until: Timestamp) -> Result<Option<Claim>, StoreError> {
        let Some((claim, suspect)) = self.lanes().claim(now, until) else { return Ok(None) };
        if suspect {
            // Written before it is handed out: if it brings the process down again, that is counted.
            let undo = self.lanes().finishing(&claim)?;
            let written = self.set_attempts(&claim, claim.attempt).await;
            if let Err(fault) = written {
                undo.give_back();
                return Err(fault.into());
            }
        }
        Ok(Some(claim))
    }

    async fn wait_for_work(&self, now: Timestamp, at_most: Duration) {
        self.lanes().wait(now, at_most).await;
    }

    async fn renew(&self, claim: &Claim, until: Timestamp) -> Result<(), StoreError> {
        self.lanes().renew(claim, until)
    }

    async fn park(&self, claim: &Claim) -> Result<(), StoreError> {
        let lane = self.lanes().finishing(claim)?;
        if claim.attempt > 1 {
            self.set_attempts(claim, claim.attempt - 1).await?;
        }
        lane.give_back();
        Ok(())
    }

    async fn finish(&self, claim: &Claim, turn: &FinishedTurn) -> Result<(), StoreError> {
        let lane = self.lanes().finishing(claim)?;
        let asked_at = claim.events.first().map_or(turn.at, |event| event.received_at);
        let finish = Finish::new(turn, &claim.conversation, asked_at, false)?;
        let session = turn.session.id.to_string();
        let sequence = claim.sequence.clone();
        let outbox = self.outbox_wake().clone();
        let parts = !turn.parts.is_empty();
        self.writer()
            .write_then(
                async move |conn: &mut SqliteConnection| finish.cover(conn, &session, &sequence).await,
                move |()| {
                    lane.done();
                    if parts {
                        outbox.notify_waiters();
                    }
                },
            )
            .await?;
        Ok(())
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog, StoreError> {
        let (waiting, oldest) = self.lanes().backlog();
        let (outbox_pending, outbox_unknown, outbox_dead) = self.outbox_counts().await?;
        Ok(Backlog {
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
            oldest: oldest.map_or(Duration::ZERO, |at| now.since(at)),
            outbox_pending,
            outbox_unknown,
            outbox_dead,
        })
    }
}

impl SqliteStore {
    fn next_offer(&self) -> i64 {
        self.inner.offers.fetch_add(1, Ordering::Relaxed)
    }

    async fn set_attempts(&self, claim: &Claim, attempts: u32) -> Outcome<()> {
        let Some(seq) = claim.sequence.first().copied() else { return Ok(()) };
        self.writer()
            .write(async move |conn: &mut SqliteConnection| {
                sqlx::query("UPDATE inbox SET attempts = $1 WHERE seq = $2")
                    .bind(attempts)
                    .bind(seq)
                    .execute(conn)
                    .await?;
                Ok(())
            })
            .await
    }
}
