//! Accepting a message, in the form of its statement.

use std::time::Duration;

use dovvybuddy_core::channel::Inbound;
use dovvybuddy_core::limit::Charge;
use dovvybuddy_core::store::Accepted;
use dovvybuddy_core::{ConversationKey, SessionId, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::ask::Question;
use crate::fault::{Fault, Outcome};
use crate::rows;
use crate::store::millis;

const ACCEPT: &str = "
SELECT fate, turn, session, fingerprint, arrival, at
FROM dovvy_accept($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";

/// An emergency is told to every replica with its commit: one of them may be at work in the conversation. They are rare
/// enough for the lock that this takes. The sequence number is the one that the function drew.
const ANSWERED: &str = "
SELECT fate, turn, session, fingerprint, NULL::bigint, NULL::bigint,
    CASE WHEN fate = 1 AND length($1) < 4000
         THEN pg_notify('dovvybuddy', 'alarm ' || currval('inbox_seq') || ' ' || $1) IS NULL END
FROM dovvy_answered($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::json)";

/// An event in the form of its row.
pub(crate) struct EventRow {
    conversation: String,
    key: String,
    turn: String,
    diver: String,
    fingerprint: Option<String>,
    received_at: i64,
    settle: i64,
    fresh: String,
    bot: String,
    /// Differs for every offer, so that an event just stored is told from one stored before.
    offer: i64,
    /// The moment, where it is not the database's to say.
    now: Option<i64>,
}

impl EventRow {
    pub(crate) fn new(event: &Inbound, fresh: SessionId, offer: i64, now: Option<i64>) -> Self {
        let at = &event.conversation;
        let key = ConversationKey { conversation: event.event_id.clone(), ..at.clone() };
        Self {
            conversation: at.encode(),
            key: rows::words(&key.encode()).into_owned(),
            turn: event.turn.to_string(),
            diver: event.sender.key.encode(),
            fingerprint: event.fingerprint.clone(),
            received_at: event.received_at.as_millis(),
            settle: millis(event.ready_at.since(event.received_at)),
            fresh: fresh.to_string(),
            bot: at.bot.as_str().to_owned(),
            offer,
            now,
        }
    }

    /// Stores the event, charged to `bill`, for the replica `home`.
    pub(crate) fn accept(&self, body: &str, bill: Option<&Bill>, home: i64) -> Question {
        sqlx::query(ACCEPT)
            .bind(self.conversation.clone())
            .bind(self.key.clone())
            .bind(self.turn.clone())
            .bind(self.diver.clone())
            .bind(self.fingerprint.clone())
            .bind(body.to_owned())
            .bind(self.received_at)
            .bind(self.settle)
            .bind(self.now)
            .bind(self.fresh.clone())
            .bind(self.bot.clone())
            .bind(self.offer)
            .bind(home)
            .bind(bill.map(|bill| bill.key.clone()))
            .bind(bill.map(|bill| bill.step))
            .bind(bill.map(|bill| bill.furthest))
            .bind(bill.map(|bill| bill.tolerance))
    }

    /// Stores the event with the turn that answers it.
    pub(crate) fn answered(&self, turn: &str) -> Question {
        sqlx::query(ANSWERED)
            .bind(self.conversation.clone())
            .bind(self.key.clone())
            .bind(self.turn.clone())
            .bind(self.diver.clone())
            .bind(self.fingerprint.clone())
            .bind(self.received_at)
            .bind(self.now)
            .bind(self.fresh.clone())
            .bind(self.bot.clone())
            .bind(self.offer)
            .bind(turn.to_owned())
    }
}

/// A charge as the numbers the statement calculates with; the same arithmetic as [`dovvybuddy_core::limit::gcra`].
pub(crate) struct Bill {
    key: String,
    step: i64,
    furthest: i64,
    tolerance: i64,
}

impl Bill {
    /// `None` when nothing is to be counted.
    pub(crate) fn new(charge: &Charge) -> Option<Self> {
        let interval = charge.quota.interval()?;
        let burst = charge.quota.burst.max(1);
        Some(Self {
            key: charge.key.clone(),
            step: millis(interval),
            furthest: millis(interval * burst),
            tolerance: millis(interval * (burst - 1)),
        })
    }
}

/// Reads the answer of either statement.
pub(crate) fn accepted(row: &PgRow, charge: Option<&Charge>) -> Outcome<Accepted> {
    let arrival = row.try_get::<Option<i64>, _>(4)?.map(Timestamp::from_millis);
    let now = Timestamp::from_millis(row.try_get::<Option<i64>, _>(5)?.unwrap_or(0));
    let session = || rows::session_id(row.try_get(2)?);
    match row.try_get::<i32, _>(0)? {
        1 => Ok(Accepted::New { session: session()?, allowance: charge.and_then(|charge| charge.left(arrival, now)) }),
        2 => Ok(Accepted::Duplicate {
            turn: rows::turn_id(row.try_get(1)?)?,
            session: session()?,
            fingerprint: row.try_get(3)?,
        }),
        3 => Ok(Accepted::Limited { retry_after: charge.map_or(Duration::ZERO, |charge| charge.wait(arrival, now)) }),
        _ => Err(Fault::corrupt("what became of an event")),
    }
}
