//! Accepting a message: charge, insert, open.

use std::time::Duration;

use dovvybuddy_core::channel::Inbound;
use dovvybuddy_core::limit::Charge;
use dovvybuddy_core::store::Accepted;
use dovvybuddy_core::{ConversationKey, SessionId, Timestamp, TurnId};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::batch::Question;
use crate::fault::Outcome;
use crate::finish::Finish;
use crate::rows;

/// Charge, insert, open: a program that runs inside the database for each row inserted into `accepting`
/// and leaves what it found in `accepted`, so that a whole group is one hop. The limit is the person's:
/// who joined several identities is charged under one key. Each statement acts only if
/// the one before it did. Rows without a turn only fill up a statement.
pub(crate) const PROGRAM: &str = "
CREATE TEMP TABLE accepted (
    place INTEGER PRIMARY KEY, turn TEXT, fingerprint TEXT, session TEXT, arrival INTEGER, seq INTEGER, mine INTEGER
);

CREATE TEMP VIEW accepting AS SELECT
    NULL AS conversation, NULL AS event_key, NULL AS turn, NULL AS diver, NULL AS fingerprint, NULL AS event,
    NULL AS received_at, NULL AS fresh, NULL AS bot, NULL AS key, NULL AS now, NULL AS step,
    NULL AS furthest, NULL AS tolerance, NULL AS offer;

CREATE TEMP TRIGGER accept INSTEAD OF INSERT ON accepting WHEN NEW.turn IS NOT NULL BEGIN
    INSERT INTO limits (key, arrival)
    SELECT coalesce((SELECT person FROM identities WHERE diver = NEW.key), NEW.key), NEW.now + NEW.step
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

    INSERT INTO accepted (turn, fingerprint, session, arrival, seq, mine)
    SELECT coalesce(i.covered_by, i.turn), i.fingerprint, coalesce(s.id, NEW.fresh), l.arrival, i.seq,
           i.offer = NEW.offer
    FROM (SELECT 1)
    LEFT JOIN inbox i ON i.event_key = NEW.event_key
    LEFT JOIN sessions s ON s.conversation = coalesce(i.conversation, NEW.conversation)
    LEFT JOIN limits l ON l.key = coalesce((SELECT person FROM identities WHERE diver = NEW.key), NEW.key);
END";

/// The values of a row of `accepting`.
pub(crate) const COLUMNS: usize = 15;

/// What became of the rows, in their order, as one row.
pub(crate) const RESULTS: &str = "
SELECT json_group_array(json_array(turn, fingerprint, session, arrival, seq, mine))
FROM (SELECT * FROM accepted ORDER BY place)";

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
pub(crate) struct EventRow {
    pub(crate) conversation: String,
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
    pub(crate) fn new(event: &Inbound, fresh: SessionId, offer: i64) -> Self {
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

/// A charge as the numbers the statement calculates with; the same arithmetic as [`dovvybuddy_core::limit::gcra`].
pub(crate) struct Bill {
    key: String,
    now: i64,
    step: i64,
    furthest: i64,
    tolerance: i64,
}

impl Bill {
    /// `None` when nothing is to be counted.
    pub(crate) fn new(charge: &Charge, now: Timestamp) -> Option<Self> {
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
pub(crate) enum Took {
    New { seq: i64, session: SessionId, arrival: Option<Timestamp> },
    Known { turn: TurnId, session: SessionId, fingerprint: Option<String> },
    Refused { arrival: Option<Timestamp> },
}

/// One row of `accepting`.
pub(crate) struct Offer {
    pub(crate) row: EventRow,
    pub(crate) body: String,
    pub(crate) bill: Option<Bill>,
}

impl Offer {
    pub(crate) fn bind(&self, question: Question) -> Question {
        let (row, bill) = (&self.row, self.bill.as_ref());
        question
            .bind(&row.conversation)
            .bind(&row.key)
            .bind(&row.turn)
            .bind(&row.diver)
            .bind(&row.fingerprint)
            .bind(&self.body)
            .bind(row.received_at)
            .bind(&row.fresh)
            .bind(&row.bot)
            .bind(bill.map(|bill| &bill.key))
            .bind(bill.map(|bill| bill.now))
            .bind(bill.map(|bill| bill.step))
            .bind(bill.map(|bill| bill.furthest))
            .bind(bill.map(|bill| bill.tolerance))
            .bind(row.offer)
    }
}

type Found = (Option<String>, Option<String>, String, Option<i64>, Option<i64>, Option<i64>);

/// Reads the answer to [`RESULTS`].
pub(crate) fn results(row: &SqliteRow) -> Outcome<Vec<Took>> {
    let found: Vec<Found> = rows::json(row, 0)?;
    found.into_iter().map(took).collect()
}

fn took((turn, fingerprint, session, arrival, seq, mine): Found) -> Outcome<Took> {
    let arrival = arrival.map(Timestamp::from_millis);
    let Some((turn, seq)) = turn.zip(seq) else { return Ok(Took::Refused { arrival }) };
    let session = rows::session_id(&session)?;
    Ok(if mine == Some(1) {
        Took::New { seq, session, arrival }
    } else {
        Took::Known { turn: rows::turn_id(&turn)?, session, fingerprint }
    })
}

pub(crate) async fn accept_answered(conn: &mut SqliteConnection, row: &EventRow, finish: &mut Finish) -> Outcome<Took> {
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
    let found = (found.try_get(0)?, found.try_get(1)?, found.try_get(2)?, None, found.try_get(4)?, found.try_get(5)?);
    let took = took(found)?;
    if let Took::New { seq, session, .. } = &took {
        finish.run(conn, &session.to_string(), *seq).await?;
    }
    Ok(took)
}

pub(crate) fn accepted(took: Took, charge: Option<&Charge>, now: Timestamp) -> Accepted {
    match took {
        Took::New { session, arrival, .. } => {
            Accepted::New { session, allowance: charge.and_then(|charge| charge.left(arrival, now)) }
        }
        Took::Known { turn, session, fingerprint } => Accepted::Duplicate { turn, session, fingerprint },
        Took::Refused { arrival } => {
            Accepted::Limited { retry_after: charge.map_or(Duration::ZERO, |charge| charge.wait(arrival, now)) }
        }
    }
}
