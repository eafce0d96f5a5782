//! The lanes in memory: which events wait, which conversation is being worked on, and who is next.
//!
//! The writer fills the registry after each commit, in the order of commits. A first claim therefore
//! needs no durable write: the process that dispatches holds the file lock, and after a crash the
//! inbox itself tells what still waits.

mod registry;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::channel::Inbound;
use dovvybuddy_core::store::{Claim, StoreError};
use tokio::sync::Notify;

pub(crate) use self::registry::Tries;
use self::registry::{Key, Registry, Waiting};

/// See the module's words.
#[derive(Debug)]
pub(crate) struct Lanes {
    registry: Mutex<Registry>,
    wake: Notify,
    most: usize,
}

/// Room for one more waiting event; given back when dropped unused.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Lanes>);

impl Drop for Slot {
    fn drop(&mut self) {
        let mut registry = self.0.lock();
        registry.reserved = registry.reserved.saturating_sub(1);
    }
}

/// Keeps a lane from being taken over while its result is written; undone when dropped.
#[derive(Debug)]
pub(crate) struct Finishing {
    lanes: Arc<Lanes>,
    key: Key,
    fence: i64,
}

impl Finishing {
    /// The result is stored: the covered events go and the lane is free.
    pub(crate) fn done(self) {
        self.lanes.release(&self.key, self.fence, true);
    }

    /// The turn never started: the lane is free again, as if it had not been claimed.
    pub(crate) fn give_back(self) {
        self.lanes.release(&self.key, self.fence, false);
    }

    /// The turn was stopped, and that is stored: the lane is free for another attempt.
    pub(crate) fn park(self) {
        self.lanes.lock().park(&self.key, self.fence);
        self.lanes.wake.notify_waiters();
    }
}

impl Drop for Finishing {
    fn drop(&mut self) {
        if let Some(running) = self.lanes.lock().running(&self.key, self.fence) {
            running.finishing = false;
        }
    }
}

impl Lanes {
    /// `epoch` differs for every opening, so that fences of an earlier life never fit.
    pub(crate) fn new(most: usize, epoch: i64) -> Arc<Self> {
        let registry = Registry::new(epoch << 32);
        Arc::new(Self { registry: Mutex::new(registry), wake: Notify::new(), most })
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more event, if the queue may hold it.
    pub(crate) fn reserve(self: &Arc<Self>) -> Result<Slot, StoreError> {
        let mut registry = self.lock();
        if registry.ages.len() + registry.reserved >= self.most {
            return Err(StoreError::Full);
        }
        registry.reserved += 1;
        drop(registry);
        Ok(Slot(Arc::clone(self)))
    }

    /// Puts a committed event at the end of its lane.
    pub(crate) fn add(&self, seq: i64, event: Inbound, tries: Tries) {
        let key: Key = event.conversation.encode().into();
        self.lock().add(&key, Waiting { seq, event: Box::new(event), tries, erased: false });
        self.wake.notify_waiters();
    }

    /// The next lane's events and whether its claim has to be written down first.
    pub(crate) fn claim(self: &Arc<Self>, now: Timestamp, until: Timestamp) -> Option<(Claim, bool)> {
        self.lock().claim(now, until)
    }

    /// Waits until a claim may succeed, at most `at_most`.
    pub(crate) async fn wait(&self, now: Timestamp, at_most: Duration) {
        let woken = self.wake.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        let next = self.lock().next(now);
        let pause = next.map_or(at_most, |at| at.since(now).min(at_most));
        if !pause.is_zero() {
            let _ = tokio::time::timeout(pause, woken).await;
        }
    }

    /// Extends a lease that is still held.
    pub(crate) fn renew(&self, claim: &Claim, until: Timestamp) -> Result<(), StoreError> {
        let key: Key = claim.conversation.encode().into();
        let mut registry = self.lock();
        let running = registry.running(&key, claim.fence).ok_or(StoreError::LeaseLost)?;
        let before = std::mem::replace(&mut running.until, until);
        registry.leases.remove(&(before, Arc::clone(&key)));
        registry.leases.insert((until, key));
        Ok(())
    }

    /// Checks the fence and holds the lane while its result is written.
    pub(crate) fn finishing(self: &Arc<Self>, claim: &Claim) -> Result<Finishing, StoreError> {
        let key: Key = claim.conversation.encode().into();
        let mut registry = self.lock();
        registry.running(&key, claim.fence).ok_or(StoreError::LeaseLost)?.finishing = true;
        drop(registry);
        Ok(Finishing { lanes: Arc::clone(self), key, fence: claim.fence })
    }

    fn release(&self, key: &Key, fence: i64, covered: bool) {
        self.lock().release(key, fence, covered);
        self.wake.notify_waiters();
    }

    /// Forgets the waiting events of a conversation that `gone` names.
    pub(crate) fn erase(&self, conversation: &str, gone: impl Fn(&Inbound) -> bool) {
        self.lock().erase(conversation, gone);
    }

    /// The first event and the attempt of every turn that runs.
    pub(crate) fn under_way(&self) -> Vec<(i64, u32)> {
        self.lock().under_way()
    }

    /// How many wait, and since when the oldest does.
    pub(crate) fn backlog(&self) -> (usize, Option<Timestamp>) {
        let registry = self.lock();
        (registry.ages.len(), registry.ages.values().next().copied())
    }
}
