//! What waits in each lane, and which lane is next.
//!
//! A lane is in at most one of `settling`, `ready` and `suspects`, and in none while a turn runs on it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::channel::Inbound;
use dovvybuddy_core::store::Claim;

/// A burst that never pauses is answered after this many settle times.
const LONGEST_BURST: u32 = 4;

pub(super) type Key = Arc<str>;

/// Whoever was running when the process died once is taken up again like everyone else: after a crash
/// that would be every conversation. Only what was running in more crashes than this runs alone.
const INNOCENT: u32 = 1;

/// How often a waiting event may have been started before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    pub(crate) attempts: u32,
    /// How many of them were given back by a soft stop.
    pub(crate) parked: u32,
}

impl Tries {
    fn crashes(self) -> u32 {
        self.attempts.saturating_sub(self.parked)
    }
}

/// A waiting event.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) seq: i64,
    /// Boxed: a lane keeps room for several, and mostly has one.
    pub(super) event: Box<Inbound>,
    pub(super) tries: Tries,
    /// Removed while a turn was running on it; not to be handed out again.
    pub(super) erased: bool,
}

#[derive(Debug)]
pub(super) struct Running {
    fence: i64,
    pub(super) until: Timestamp,
    events: usize,
    attempt: u32,
    suspect: bool,
    /// Its result is being written: the lease can't run out under it.
    pub(super) finishing: bool,
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

/// A clock that is put back by less than this is merely kept true.
const UNEVEN: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Registry {
    lanes: HashMap<Key, Lane>,
    settling: BTreeSet<(Timestamp, i64, Key)>,
    ready: BTreeMap<i64, Key>,
    /// Events that may have brought the process down; one at a time.
    suspects: BTreeMap<i64, Key>,
    suspect_running: bool,
    pub(super) leases: BTreeSet<(Timestamp, Key)>,
    pub(super) ages: BTreeMap<i64, Timestamp>,
    last_fence: i64,
    pub(super) reserved: usize,
}

impl Registry {
    /// Fences begin after `last_fence`.
    pub(super) fn new(last_fence: i64) -> Self {
        Self { last_fence, ..Self::default() }
    }

    pub(super) fn add(&mut self, key: &Key, waiting: Waiting) {
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
        while self.settling.first().is_some_and(|(at, _, key)| *at <= now || self.is_from_the_future(key, now)) {
            let Some((_, seq, key)) = self.settling.pop_first() else { return };
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            if lane.waiting.front().is_some_and(|first| first.tries.crashes() > INNOCENT) {
                lane.place = Place::Suspect(seq);
                self.suspects.insert(seq, key);
            } else {
                lane.place = Place::Ready(seq);
                self.ready.insert(seq, key);
            }
        }
    }

    /// The clock was put back since: nobody waits until it is that late again.
    fn is_from_the_future(&self, key: &Key, now: Timestamp) -> bool {
        let first = self.lanes.get(key).and_then(|lane| lane.waiting.front());
        first.is_some_and(|first| first.event.received_at > now.plus(UNEVEN))
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
                first.tries.attempts = attempt;
            }
            self.release(&key, fence, false);
        }
    }

    /// The next lane's events, and whether they may have been started before: then the try is to be
    /// written down before they are handed out.
    pub(super) fn claim(&mut self, now: Timestamp, until: Timestamp) -> Option<(Claim, bool)> {
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
        let (attempt, crashes) = (first.tries.attempts + 1, first.tries.crashes());
        let (recovered, suspect) = (attempt > 1, crashes > INNOCENT);
        self.last_fence += 1;
        let claim = Claim {
            conversation: first.event.conversation.clone(),
            events: lane.waiting.iter().take(events).map(|w| Inbound::clone(&w.event)).collect(),
            sequence: lane.waiting.iter().take(events).map(|w| w.seq).collect(),
            fence: self.last_fence,
            attempt,
            crashes,
        };
        lane.running = Some(Running { fence: claim.fence, until, events, attempt, suspect, finishing: false });
        self.suspect_running |= suspect;
        self.leases.insert((until, key));
        Some((claim, recovered))
    }

    /// The running turn of a lane, if `fence` is still its.
    pub(super) fn running(&mut self, key: &Key, fence: i64) -> Option<&mut Running> {
        self.lanes.get_mut(key)?.running.as_mut().filter(|running| running.fence == fence)
    }

    /// The turn of a lane is given back unfinished: the next one is another attempt.
    pub(super) fn park(&mut self, key: &Key, fence: i64) {
        let Some(attempt) = self.running(key, fence).map(|running| running.attempt) else { return };
        if let Some(first) = self.lanes.get_mut(key).and_then(|lane| lane.waiting.front_mut()) {
            first.tries.attempts = attempt;
            first.tries.parked += 1;
        }
        self.release(key, fence, false);
    }

    /// The first event and the attempt of every turn that runs.
    pub(super) fn under_way(&self) -> Vec<(i64, u32)> {
        let first = |lane: &Lane| Some((lane.waiting.front()?.seq, lane.running.as_ref()?.attempt));
        self.lanes.values().filter_map(first).collect()
    }

    pub(super) fn release(&mut self, key: &Key, fence: i64, covered: bool) {
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

    pub(super) fn erase(&mut self, conversation: &str, gone: impl Fn(&Inbound) -> bool) {
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
    pub(super) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.ready.is_empty() || (!self.suspects.is_empty() && !self.suspect_running) {
            return Some(now);
        }
        let settled = self.settling.first().map(|(at, ..)| *at);
        // A lease that ran out while its result is being written is looked at again shortly.
        let expired = self.leases.first().map(|(until, _)| (*until).max(now).plus(Duration::from_millis(10)));
        settled.map(|at| at.max(now)).into_iter().chain(expired).min()
    }
}

/// How many events at the front are answered together, and when they may be. A burst is one sender's: in a
/// group, profile and language belong to whoever speaks.
fn run(waiting: &VecDeque<Waiting>) -> Option<(usize, Timestamp)> {
    let first = &waiting.front()?.event;
    let settle = first.ready_at.since(first.received_at);
    if settle.is_zero() {
        return Some((1, first.ready_at));
    }
    let same = |event: &Inbound| event.ready_at > event.received_at && event.sender.key == first.sender.key;
    let burst = waiting.iter().take_while(|w| same(&w.event)).count();
    let at_latest = first.received_at.plus(settle * LONGEST_BURST);
    // Something else came after the burst, or somebody else spoke: it is over.
    let settled = match waiting.get(burst) {
        Some(next) => next.event.received_at,
        None => waiting.get(burst - 1)?.event.ready_at,
    };
    Some((burst, settled.min(at_latest)))
}
