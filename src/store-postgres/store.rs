//! The handle of the store.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dovvybuddy_core::{Clock, ConversationKey, Timestamp};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{Mutex as AsyncMutex, OnceCell, mpsc};
use tokio::task::AbortHandle;

use crate::connections::Connections;
use crate::doorbell::Doorbell;
use crate::open::Reckoning;
use crate::pauses::Paused;
use crate::queue::Queue;

/// More emergencies at one moment than that are not told; each is answered all the same.
const MOST_ALARMS: usize = 256;

/// The store on Postgres. Clones share one pool; opened by [`PostgresStore::open`].
#[derive(Clone)]
pub struct PostgresStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) connections: Connections,
    /// For a connection that stays with its session: past any pooler.
    pub(crate) direct: PgConnectOptions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) reckoning: Reckoning,
    /// Whether this process takes up what others left, and sends what the outbox holds.
    pub(crate) dispatch: bool,
    /// This process among those that hand out work; known once it takes part.
    pub(crate) me: OnceCell<i64>,
    pub(crate) work: Arc<Doorbell>,
    pub(crate) parts: Arc<Doorbell>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) changes: Arc<Changes>,
    pub(crate) paused: Paused,
    pub(crate) alarms: Alarms,
    /// The number of the next offered event, from a random start: no two offers share one.
    pub(crate) offers: AtomicI64,
    /// What runs beside; ended with the store.
    pub(crate) tasks: Mutex<Vec<AbortHandle>>,
    pub(crate) address: String,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Inner {
    /// Ends what runs beside.
    pub(crate) fn stop(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }

    pub(crate) fn keep(&self, task: AbortHandle) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("address", &self.inner.address).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// A moment as a statement's parameter: empty where the database's clock counts.
    pub(crate) fn at(&self, now: Timestamp) -> Option<i64> {
        match self.inner.reckoning {
            Reckoning::Database => None,
            Reckoning::Given => Some(now.as_millis()),
        }
    }

    pub(crate) fn next_offer(&self) -> i64 {
        self.inner.offers.fetch_add(1, Ordering::Relaxed)
    }
}

/// A duration as a statement's parameter.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Emergencies that were stored, on their way to whoever works in their conversations.
#[derive(Debug)]
pub(crate) struct Alarms {
    tell: mpsc::Sender<(ConversationKey, i64)>,
    pub(crate) heard: AsyncMutex<mpsc::Receiver<(ConversationKey, i64)>>,
}

impl Default for Alarms {
    fn default() -> Self {
        let (tell, heard) = mpsc::channel(MOST_ALARMS);
        Self { tell, heard: AsyncMutex::new(heard) }
    }
}

impl Alarms {
    /// Takes a notification: the sequence number and the conversation.
    pub(crate) fn told(&self, what: &str) {
        let alarm = what.split_once(' ').and_then(|(sequence, conversation)| {
            Some((ConversationKey::decode(conversation)?, sequence.parse().ok()?))
        });
        // Nobody takes them where nothing is dispatched.
        let _ = alarm.map(|alarm| self.tell.try_send(alarm));
    }
}

/// What other processes changed that this one holds in memory.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// How many changes were made here.
    mine: AtomicI64,
    /// How many were made elsewhere, as far as was told.
    theirs: AtomicI64,
    told: AtomicBool,
}

impl Changes {
    /// The count at the start, of which nobody needs to be told.
    pub(crate) fn begin(&self, count: i64) {
        self.theirs.store(count, Ordering::Release);
    }

    /// This process made a change; called before it is committed.
    pub(crate) fn made(&self) {
        self.mine.fetch_add(1, Ordering::AcqRel);
    }

    /// The count is `count` now.
    pub(crate) fn heard(&self, count: i64) {
        let theirs = count.saturating_sub(self.mine.load(Ordering::Acquire));
        if self.theirs.fetch_max(theirs, Ordering::AcqRel) < theirs {
            self.told.store(true, Ordering::Release);
        }
    }

    /// Whether somebody else changed something since the last call.
    pub(crate) fn take(&self) -> bool {
        self.told.swap(false, Ordering::AcqRel)
    }
}
