//! The bound on what may wait, counted here and put right by the database from time to time.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dovvybuddy_core::store::StoreError;
use tokio::time::Instant;

/// While messages come and go all the time no count is exact; one this old is better than none.
const TOO_OLD: Duration = Duration::from_secs(10);

/// How many messages wait, and how many may. One replica alone counts exactly; several may pass the bound by what
/// the others took in since the last count.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: AtomicI64,
    /// Grows with every change, so that a count that overlapped one is told.
    moved: AtomicU64,
    counted: Mutex<Instant>,
    most: i64,
}

/// Room for one more message; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot<'q>(&'q Queue);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.left(1);
    }
}

impl Slot<'_> {
    /// The message waits.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Queue {
    pub(crate) fn new(most: usize) -> Self {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        Self { waiting: AtomicI64::new(0), moved: AtomicU64::new(0), counted: Mutex::new(Instant::now()), most }
    }

    /// Room for one more message, if the queue may hold it.
    pub(crate) fn reserve(&self) -> Result<Slot<'_>, StoreError> {
        self.moved.fetch_add(1, Ordering::AcqRel);
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= self.most {
            self.left(1);
            return Err(StoreError::Full);
        }
        Ok(Slot(self))
    }

    /// Messages got their reply.
    pub(crate) fn left(&self, messages: usize) {
        self.moved.fetch_add(1, Ordering::AcqRel);
        self.waiting.fetch_sub(i64::try_from(messages).unwrap_or(0), Ordering::AcqRel);
    }

    /// Taken before counting.
    pub(crate) fn before(&self) -> u64 {
        self.moved.load(Ordering::Acquire)
    }

    /// Takes over what was counted in the database.
    pub(crate) fn counted(&self, before: u64, waiting: i64) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if before == self.before() || counted.elapsed() > TOO_OLD {
            self.waiting.store(waiting, Ordering::Release);
            *counted = Instant::now();
        }
    }
}
