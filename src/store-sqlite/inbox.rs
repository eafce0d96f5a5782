//! Messages on their way in.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::Inbound;
use dovvybuddy_core::limit::Charge;
use dovvybuddy_core::store::{Accepted, Backlog, Claim, FinishedTurn, Inbox, StoreError};
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, SessionId, Timestamp, TurnId};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::accept::{self, Bill, EventRow, Offer, Took};
use crate::fault::{Fault, Outcome};
use crate::finish::Finish;
use crate::lanes::Tries;
use crate::rows;
use crate::store::SqliteStore;

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
        let after = move |took: &Took| {
            drop(slot);
            if let Took::New { seq, .. } = took {
                lanes.add(*seq, event, Tries::default());
            }
        };
        let took = self.writer().accept(Offer { row, body, bill }, after).await?;
        Ok(accept::accepted(took, charge, now))
    }

    async fn accept_answered(
        &self,
        event: &Inbound,
        fresh_session: SessionId,
        turn: &FinishedTurn,
    ) -> Result<Accepted, StoreError> {
        let row = EventRow::new(event, fresh_session, self.next_offer());
        let mut finish = Finish::answered(turn, &event.conversation, event.received_at)?;
        let (outbox, recall) = (self.outbox_wake().clone(), self.recall().clone());
        let conversation = row.conversation.clone();
        let took = self
            .writer()
            .write_then(
                async move |conn: &mut SqliteConnection| accept::accept_answered(conn, &row, &mut finish).await,
                move |_: &Took| {
                    recall.forget(&conversation);
                    outbox.notify_waiters();
                },
            )
            .await?;
        Ok(accept::accepted(took, None, event.received_at))
    }

    async fn claim(&self, now: Timestamp, until: Timestamp) -> Result<Option<Claim>, StoreError> {
        let Some((claim, recovered)) = self.lanes().claim(now, until) else { return Ok(None) };
        if recovered {
            // Written before it is handed out: if it brings the process down again, that is counted.
            let undo = self.lanes().finishing(&claim)?;
            let written = self.note_attempt(&claim).await;
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
        let first = claim.sequence.first().map(|seq| (*seq, claim.attempt));
        self.note_parked(first.into_iter().collect()).await?;
        lane.park();
        Ok(())
    }

    async fn finish(&self, claim: &Claim, turn: &FinishedTurn) -> Result<(), StoreError> {
        let lane = self.lanes().finishing(claim)?;
        let asked_at = claim.events.first().map_or(turn.at, |event| event.received_at);
        let finish = Finish::new(turn, &claim.conversation, asked_at, &claim.sequence)?;
        let recall = self.recall().clone();
        let step = recall.step(&finish, turn, asked_at);
        let outbox = self.outbox_wake().clone();
        let parts = !turn.parts.is_empty();
        let after = move |(): &()| {
            // Before the lane is free: the next turn reads what this one left.
            recall.apply(step);
            lane.done();
            if parts {
                outbox.notify_waiters();
            }
        };
        self.writer().finish(finish, after).await?;
        Ok(())
    }

    async fn is_waiting(&self, turn: TurnId) -> Result<bool, StoreError> {
        const WAITS: &str = "SELECT EXISTS (SELECT 1 FROM inbox WHERE covered_by IS NULL AND turn = $1)";
        let row = sqlx::query(WAITS).bind(turn.to_string()).fetch_one(self.readers()).await.map_err(Fault::from)?;
        Ok(row.try_get(0).map_err(Fault::from)?)
    }

    async fn newest_events(
        &self,
        bot: &BotId,
        channel: &ChannelId,
    ) -> Result<Vec<(ConversationKey, String)>, StoreError> {
        Ok(self.newest_of_each(bot, channel).await?)
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

/// The newest event of each conversation whose key begins with $1. The key goes on with the length of the
/// next field, a digit, and the colon is the character after the digits.
const NEWEST: &str = "
SELECT conversation, event_key FROM inbox WHERE seq IN
    (SELECT max(seq) FROM inbox WHERE conversation > $1 AND conversation < $1 || ':' GROUP BY conversation)";

impl SqliteStore {
    async fn newest_of_each(&self, bot: &BotId, channel: &ChannelId) -> Outcome<Vec<(ConversationKey, String)>> {
        let found = sqlx::query(NEWEST).bind(ConversationKey::prefix(bot, channel)).fetch_all(self.readers()).await?;
        let newest = |row: &SqliteRow| {
            let conversation = rows::conversation(row.try_get(0)?)?;
            // An event's key is a conversation's with the event's id in its place.
            Ok((conversation, rows::conversation(row.try_get(1)?)?.conversation))
        };
        found.iter().map(newest).collect()
    }

    fn next_offer(&self) -> i64 {
        self.inner.offers.fetch_add(1, Ordering::Relaxed)
    }

    async fn note_attempt(&self, claim: &Claim) -> Outcome<()> {
        let attempts = claim.attempt;
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

    /// Notes that these attempts ended without a crash, each by its first event.
    pub(crate) async fn note_parked(&self, attempts: Vec<(i64, u32)>) -> Outcome<()> {
        if attempts.is_empty() {
            return Ok(());
        }
        self.writer()
            .write(async move |conn: &mut SqliteConnection| {
                for (seq, attempt) in &attempts {
                    sqlx::query("UPDATE inbox SET attempts = $1, parked = parked + 1 WHERE seq = $2")
                        .bind(attempt)
                        .bind(seq)
                        .execute(&mut *conn)
                        .await?;
                }
                Ok(())
            })
            .await
    }
}
