//! The lanes in memory: which events wait, which conversation is being worked on, and who is next.
//!
//! The writer fills the registry after each commit, in the order of commits. A first claim therefore
//! needs no durable write: the process that dispatches holds the file lock, and after a crash the
//! inbox itself tells what still waits.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::channel::Inbound;
use dovvybuddy_core::store::{Claim, StoreError};
use tokio::sync::Notify;

/// A burst that never pauses is answered after this many settle times.
const LONGEST_BURST: u32 = 4;

type Key = Arc<str>;

/// A waiting event.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) seq: i64,
    pub(crate) event: Inbound,
    /// How often it may have been started before.
    pub(crate) attempts: u32,
    /// Removed while a turn was running on it; not to be handed out again.
    erased: bool,
}

#[derive(Debug)]
struct Running {
    fence: i64,
    until: Timestamp,
    events: usize,
    attempt: u32,
    suspect: bool,
    /// Its result is being written: the lease can't run out under it.
    finishing: bool,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Waiting>,
    running: Option<Running>,
    place: Place,
}

/// Where a free lane stands in line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Nowhere,
    Settling(Timestamp, i64),
    Ready(i64),
    Suspect(i64),
}

#[derive(Debug, Default)]
struct Registry {
    lanes: HashMap<Key, Lane>,
    settling: BTreeSet<(Timestamp, i64, Key)>,
    ready: BTreeMap<i64, Key>,
    /// Events that may have brought the process down; one at a time.
    suspects: BTreeMap<i64, Key>,
    suspect_running: bool,
    leases: BTreeSet<(Timestamp, Key)>,
    ages: BTreeMap<i64, Timestamp>,
    last_fence: i64,
    reserved: usize,
}

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

    /// The lane is given back with its events still waiting.
    pub(crate) fn give_back(self) {
        self.lanes.release(&self.key, self.fence, false);
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
        let registry = Registry { last_fence: epoch << 32, ..Registry::default() };
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
    pub(crate) fn add(&self, seq: i64, event: Inbound, attempts: u32) {
        let key: Key = event.conversation.encode().into();
        self.lock().add(&key, Waiting { seq, event, attempts, erased: false });
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

    /// How many wait, and since when the oldest does.
    pub(crate) fn backlog(&self) -> (usize, Option<Timestamp>) {
        let registry = self.lock();
        (registry.ages.len(), registry.ages.values().next().copied())
    }
}

impl Registry {
    fn add(&mut self, key: &Key, waiting: Waiting) {
        self.ages.insert(waiting.seq, waiting.event.received_at);
        self.lanes.entry(Arc::clone(key)).or_default().waiting.push_back(waiting);
        self.place(key);
    }

    /// Puts a lane where it belongs now, or forgets it when nothing waits in it.
    fn place(&mut self, key: &Key) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        match std::mem::take(&mut lane.place) {
            Place::Nowhere => {}
            Place::Settling(at, seq) => drop(self.settling.remove(&(at, seq, Arc::clone(key)))),
            Place::Ready(seq) => drop(self.ready.remove(&seq)),
            Place::Suspect(seq) => drop(self.suspects.remove(&seq)),
        }
        if lane.running.is_some() {
            return;
        }
        let Some((first, (_, ready_at))) = lane.waiting.front().zip(run(&lane.waiting)) else {
            self.lanes.remove(key);
            return;
        };
        lane.place = Place::Settling(ready_at, first.seq);
        self.settling.insert((ready_at, first.seq, Arc::clone(key)));
    }

    /// Moves lanes whose events have settled to those that are served oldest first.
    fn promote(&mut self, now: Timestamp) {
        while self.settling.first().is_some_and(|(at, ..)| *at <= now) {
            let Some((_, seq, key)) = self.settling.pop_first() else { return };
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            if lane.waiting.front().is_some_and(|first| first.attempts > 0) {
                lane.place = Place::Suspect(seq);
                self.suspects.insert(seq, key);
            } else {
                lane.place = Place::Ready(seq);
                self.ready.insert(seq, key);
            }
        }
    }

    /// Frees lanes whose lease ran out; what they worked on is suspect now.
    fn expire(&mut self, now: Timestamp) {
        let expired: Vec<Key> =
            self.leases.iter().take_while(|(until, _)| *until < now).map(|(_, key)| Arc::clone(key)).collect();
        for key in expired {
            let Some(running) = self.lanes.get(&key).and_then(|lane| lane.running.as_ref()) else { continue };
            if running.finishing {
                continue;
            }
            let (fence, attempt) = (running.fence, running.attempt);
            if let Some(first) = self.lanes.get_mut(&key).and_then(|lane| lane.waiting.front_mut()) {
                first.attempts = attempt;
            }
            self.release(&key, fence, false);
        }
    }

    fn claim(&mut self, now: Timestamp, until: Timestamp) -> Option<(Claim, bool)> {
        self.expire(now);
        self.promote(now);
        let ready = self.ready.first_key_value().map(|(seq, _)| *seq);
        let suspect = self.suspects.first_key_value().map(|(seq, _)| *seq).filter(|_| !self.suspect_running);
        let key = match (ready, suspect) {
            (None, None) => return None,
            (Some(ready), Some(suspect)) if suspect < ready => self.suspects.pop_first()?.1,
            (None, Some(_)) => self.suspects.pop_first()?.1,
            _ => self.ready.pop_first()?.1,
        };
        let lane = self.lanes.get_mut(&key)?;
        lane.place = Place::Nowhere;
        let (events, _) = run(&lane.waiting)?;
        let first = lane.waiting.front()?;
        let (attempt, suspect) = (first.attempts + 1, first.attempts > 0);
        self.last_fence += 1;
        let claim = Claim {
            conversation: first.event.conversation.clone(),
            events: lane.waiting.iter().take(events).map(|w| w.event.clone()).collect(),
            sequence: lane.waiting.iter().take(events).map(|w| w.seq).collect(),
            fence: self.last_fence,
            attempt,
        };
        lane.running = Some(Running { fence: claim.fence, until, events, attempt, suspect, finishing: false });
        self.suspect_running |= suspect;
        self.leases.insert((until, key));
        Some((claim, suspect))
    }

    /// The running turn of a lane, if `fence` is still its.
    fn running(&mut self, key: &Key, fence: i64) -> Option<&mut Running> {
        self.lanes.get_mut(key)?.running.as_mut().filter(|running| running.fence == fence)
    }

    fn release(&mut self, key: &Key, fence: i64, covered: bool) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let Some(running) = lane.running.take_if(|running| running.fence == fence) else { return };
        self.leases.remove(&(running.until, Arc::clone(key)));
        if running.suspect {
            self.suspect_running = false;
        }
        let mut kept = VecDeque::with_capacity(lane.waiting.len());
        for (position, waiting) in lane.waiting.drain(..).enumerate() {
            if waiting.erased || (covered && position < running.events) {
                self.ages.remove(&waiting.seq);
            } else {
                kept.push_back(waiting);
            }
        }
        lane.waiting = kept;
        self.place(key);
    }

    fn erase(&mut self, conversation: &str, gone: impl Fn(&Inbound) -> bool) {
        let Some((key, _)) = self.lanes.get_key_value(conversation) else { return };
        let key = Arc::clone(key);
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let claimed = lane.running.as_ref().map_or(0, |running| running.events);
        let mut kept = VecDeque::with_capacity(lane.waiting.len());
        for (position, mut waiting) in lane.waiting.drain(..).enumerate() {
            if gone(&waiting.event) {
                if position >= claimed {
                    self.ages.remove(&waiting.seq);
                    continue;
                }
                waiting.erased = true;
            }
            kept.push_back(waiting);
        }
        lane.waiting = kept;
        self.place(&key);
    }

    /// When a claim may next succeed; `now` if at once.
    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.ready.is_empty() || (!self.suspects.is_empty() && !self.suspect_running) {
            return Some(now);
        }
        let settled = self.settling.first().map(|(at, ..)| *at);
        // A lease that ran out while its result is being written is looked at again shortly.
        let expired = self.leases.first().map(|(until, _)| (*until).max(now).plus(Duration::from_millis(10)));
        settled.map(|at| at.max(now)).into_iter().chain(expired).min()
    }
}

/// How many events at the front are answered together, and when they may be.
fn run(waiting: &VecDeque<Waiting>) -> Option<(usize, Timestamp)> {
    let first = &waiting.front()?.event;
    let settle = first.ready_at.since(first.received_at);
    if settle.is_zero() {
        return Some((1, first.ready_at));
    }
    let burst = waiting.iter().take_while(|w| w.event.ready_at > w.event.received_at).count();
    let at_latest = first.received_at.plus(settle * LONGEST_BURST);
    // Something else came after the burst: it is over, and ready when that is.
    let newest = waiting.get(burst).or_else(|| waiting.get(burst - 1))?;
    Some((burst, newest.event.ready_at.min(at_latest)))
}
