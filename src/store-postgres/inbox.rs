//! Messages on their way in, and the lanes that order them.

use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::Inbound;
use dovvybuddy_core::limit::Charge;
use dovvybuddy_core::store::{Accepted, Backlog, Claim, FinishedTurn, Inbox, StoreError};
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, SessionId, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::accept::{self, Bill, EventRow};
use crate::ask::{BUDGET, Repeat};
use crate::doorbell::GRACE;
use crate::fault::{Fault, Outcome};
use crate::store::{PostgresStore, millis};
use crate::{finish, rows};

/// How long the end of a turn may take: nobody else works on it meanwhile, as its lease is renewed.
const ENDING: Duration = Duration::from_secs(12);

const CLAIM: &str = "
SELECT conversation, fence, attempt, crashes, seq, event, more, rest FROM dovvy_claim($1, $2, $3, $4, $5)";

const FINISH: &str = "SELECT kept, more, elsewhere FROM dovvy_finish($1, $2, $3, $4, $5, $6, $7::text::json)";

/// The newest event of each conversation whose key begins with $1. The key goes on with the length of the
/// next field, a digit, and the colon is the character after the digits.
const NEWEST: &str = "
SELECT DISTINCT ON (conversation) conversation, event_key FROM inbox
WHERE conversation > $1 AND conversation < $1 || ':' ORDER BY conversation, seq DESC";

const BACKLOG: &str = "
SELECT coalesce(sum(waiting), 0)::bigint, coalesce(greatest(coalesce($1, dovvy_now()) - min(oldest_at), 0), 0)::bigint,
       (SELECT count(*) FROM outbox WHERE state IN ('pending', 'unknown', 'send_started')),
       (SELECT count(*) FROM outbox WHERE state IN ('pending', 'unknown', 'send_started') AND uncertain),
       (SELECT count(*) FROM outbox WHERE state = 'dead')
FROM lanes WHERE first_seq IS NOT NULL";

#[async_trait]
impl Inbox for PostgresStore {
    async fn accept(
        &self,
        event: &Inbound,
        fresh_session: SessionId,
        charge: Option<&Charge>,
    ) -> Result<Accepted, StoreError> {
        let slot = self.inner.queue.reserve()?;
        let row = EventRow::new(event, fresh_session, self.next_offer(), self.at(event.received_at));
        let body = serde_json::to_string(event).map_err(Fault::from)?;
        let bill = charge.and_then(Bill::new);
        let home = self.me().await?;
        // A second try finds what the first one stored, by the offer's number.
        let found = self.rows(Repeat::Harmless, BUDGET, |_| row.accept(&body, bill.as_ref(), home)).await?;
        // Without a bill there is nothing to look up; then the moment is the event's own.
        let accepted = accept::accepted(only(&found)?, charge)?;
        if matches!(accepted, Accepted::New { .. }) {
            slot.keep();
            self.inner.work.ring();
        }
        Ok(accepted)
    }

    async fn accept_answered(
        &self,
        event: &Inbound,
        fresh_session: SessionId,
        turn: &FinishedTurn,
    ) -> Result<Accepted, StoreError> {
        let row = EventRow::new(event, fresh_session, self.next_offer(), self.at(event.received_at));
        let turn = finish::of_event(event, turn)?;
        let found = self.rows(Repeat::Harmless, BUDGET, |_| row.answered(&turn)).await?;
        self.inner.parts.ring();
        Ok(accept::accepted(only(&found)?, None)?)
    }

    async fn claim(&self, now: Timestamp, until: Timestamp) -> Result<Option<Claim>, StoreError> {
        if self.inner.work.is_quiet(now) {
            return Ok(None);
        }
        Ok(self.take(now, until).await?)
    }

    async fn wait_for_work(&self, now: Timestamp, at_most: Duration) {
        if !self.inner.work.looked() {
            let heard = self.inner.work.heard();
            // An error shows in the next claim; until then this must not spin.
            let next = self.next_work(now).await.unwrap_or(None);
            self.inner.work.rest(heard, now, next);
        }
        self.inner.work.wait(now, at_most).await;
    }

    async fn renew(&self, claim: &Claim, until: Timestamp) -> Result<(), StoreError> {
        let (conversation, me) = (claim.conversation.encode(), self.me().await?);
        let (at, lease) = self.lease(self.inner.clock.now(), until);
        let renewed = self
            .touched(|| {
                sqlx::query(
                    "UPDATE lanes SET leased_until = coalesce($4, dovvy_now()) + $5
                     WHERE conversation = $1 AND fence = $2 AND holder = $3",
                )
                .bind(conversation.clone())
                .bind(claim.fence)
                .bind(me)
                .bind(at)
                .bind(lease)
            })
            .await?;
        if renewed == 0 { Err(StoreError::LeaseLost) } else { Ok(()) }
    }

    async fn alarmed(&self) -> (ConversationKey, i64) {
        match self.inner.alarms.heard.lock().await.recv().await {
            Some(alarm) => alarm,
            None => std::future::pending().await,
        }
    }

    async fn park(&self, claim: &Claim) -> Result<(), StoreError> {
        let (conversation, me) = (claim.conversation.encode(), self.me().await?);
        let first = claim.sequence.first().copied();
        let parked = self
            .row(|| {
                sqlx::query("SELECT dovvy_park($1, $2, $3, $4)")
                    .bind(conversation.clone())
                    .bind(claim.fence)
                    .bind(me)
                    .bind(first)
            })
            .await?;
        self.inner.work.ring();
        match parked.map(|row| row.try_get(0)).transpose().map_err(Fault::from)? {
            Some(true) => Ok(()),
            _ => Err(StoreError::LeaseLost),
        }
    }

    async fn finish(&self, claim: &Claim, turn: &FinishedTurn) -> Result<(), StoreError> {
        let (conversation, me) = (claim.conversation.encode(), self.me().await?);
        let document = finish::of_claim(claim, turn)?;
        let now = self.at(turn.at);
        let found = self
            .rows(Repeat::Harmless, ENDING, |again| {
                sqlx::query(FINISH)
                    .bind(conversation.clone())
                    .bind(claim.fence)
                    .bind(me)
                    .bind(again)
                    .bind(claim.sequence.clone())
                    .bind(now)
                    .bind(document.clone())
            })
            .await?;
        let (kept, more, elsewhere) = ended(only(&found)?)?;
        if !kept {
            return Err(StoreError::LeaseLost);
        }
        self.inner.queue.left(claim.sequence.len());
        if more {
            self.inner.work.ring();
        }
        if more && elsewhere {
            self.tell("work").await;
        }
        if !turn.parts.is_empty() {
            self.inner.parts.ring();
        }
        Ok(())
    }

    async fn newest_events(
        &self,
        bot: &BotId,
        channel: &ChannelId,
    ) -> Result<Vec<(ConversationKey, String)>, StoreError> {
        let prefix = ConversationKey::prefix(bot, channel);
        let found = self.all(|| sqlx::query(NEWEST).bind(prefix.clone())).await?;
        let newest = |row: &PgRow| {
            let conversation = rows::conversation(row.try_get(0)?)?;
            // An event's key is a conversation's with the event's id in its place.
            Ok((conversation, rows::conversation(row.try_get(1)?)?.conversation))
        };
        Ok(found.iter().map(newest).collect::<Outcome<Vec<_>>>()?)
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog, StoreError> {
        let at = self.at(now);
        let found = self.all(|| sqlx::query(BACKLOG).bind(at)).await?;
        Ok(backlog(only(&found)?)?)
    }
}

fn only(found: &[PgRow]) -> Outcome<&PgRow> {
    found.first().ok_or_else(|| Fault::corrupt("an answer without a row"))
}

fn ended(row: &PgRow) -> Outcome<(bool, bool, bool)> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get::<Option<bool>, _>(2)?.unwrap_or(false)))
}

fn backlog(row: &PgRow) -> Outcome<Backlog> {
    Ok(Backlog {
        waiting: rows::count(row, 0)?,
        oldest: Duration::from_millis(rows::count(row, 1)?),
        outbox_pending: rows::count(row, 2)?,
        outbox_unknown: rows::count(row, 3)?,
        outbox_dead: rows::count(row, 4)?,
    })
}

fn after(now: Timestamp, ms: i64) -> Timestamp {
    now.plus(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

impl PostgresStore {
    /// The moment a lease counts from, where it is not the database's to say, and its length.
    fn lease(&self, now: Timestamp, until: Timestamp) -> (Option<i64>, i64) {
        match self.at(now) {
            // By moments that are given, a lease ends at the given one.
            Some(_) => (Some(until.as_millis()), 0),
            None => (None, millis(until.since(now))),
        }
    }

    async fn take(&self, now: Timestamp, until: Timestamp) -> Outcome<Option<Claim>> {
        // A process that only answers what it accepted itself has nothing to take before that.
        if !self.inner.dispatch && self.inner.me.get().is_none() {
            return Ok(None);
        }
        let (me, heard) = (self.me().await?, self.inner.work.heard());
        let (at, lease, own_only) = (self.at(now), millis(until.since(now)), !self.inner.dispatch);
        let found = self
            .rows(Repeat::IfUndone, BUDGET, |_| {
                sqlx::query(CLAIM).bind(me).bind(at).bind(lease).bind(millis(GRACE)).bind(own_only)
            })
            .await?;
        let first = only(&found)?;
        if !first.try_get::<bool, _>(6)? {
            let next = first.try_get::<Option<i64>, _>(7)?.map(|ms| after(now, ms));
            self.inner.work.rest(heard, now, next);
        }
        let Some(conversation) = first.try_get::<Option<&str>, _>(0)? else { return Ok(None) };
        let mut claim = Claim {
            conversation: rows::conversation(conversation)?,
            events: Vec::with_capacity(found.len()),
            sequence: Vec::with_capacity(found.len()),
            fence: first.try_get(1)?,
            attempt: rows::smaller(first, 2)?,
            crashes: rows::smaller(first, 3)?,
        };
        for row in &found {
            claim.sequence.push(row.try_get(4)?);
            claim.events.push(rows::json(row, 5)?);
        }
        Ok(Some(claim))
    }

    async fn next_work(&self, now: Timestamp) -> Outcome<Option<Timestamp>> {
        let (me, at, own_only) = (self.me().await?, self.at(now), !self.inner.dispatch);
        let next =
            || sqlx::query("SELECT dovvy_next($1, $2, $3, $4)").bind(me).bind(at).bind(millis(GRACE)).bind(own_only);
        let Some(row) = self.row(next).await? else { return Ok(None) };
        Ok(row.try_get::<Option<i64>, _>(0)?.map(|ms| after(now, ms)))
    }

    /// Tells the other replicas. They would notice within a second; this is only faster.
    pub(crate) async fn tell(&self, what: &'static str) {
        let told = self.touched(|| sqlx::query("SELECT pg_notify('dovvybuddy', $1)").bind(what)).await;
        if let Err(fault) = told {
            tracing::debug!(error = %fault.0, "other replicas were not told");
        }
    }
}
