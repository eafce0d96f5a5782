//! Limits: how much one diver, address or key may ask.
//!
//! A limit is a [`Quota`], counted by the generic cell rate algorithm (GCRA, ITU-T I.371): one
//! number per key, the *theoretical arrival time*, says all. Stores run [`gcra`] inside the write that
//! accepts a message, so that a refused message leaves no trace and an accepted one is always charged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;

/// So many a minute, so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Sustained rate; 0 switches the limit off.
    pub per_minute: u32,
    /// How many may come at once; at least 1.
    pub burst: u32,
}

impl Quota {
    /// The time one message takes up, or `None` when the limit is off.
    pub fn interval(self) -> Option<Duration> {
        (self.per_minute > 0).then(|| Duration::from_mins(1) / self.per_minute)
    }
}

/// A quota that can be changed while it is in use.
#[derive(Debug)]
pub struct Dial(AtomicU64);

impl Dial {
    /// Set to `quota`.
    pub fn new(quota: Quota) -> Self {
        Self(AtomicU64::new(packed(quota)))
    }

    /// What it is set to.
    pub fn get(&self) -> Quota {
        let [a, b, c, d, burst @ ..] = self.0.load(Ordering::Relaxed).to_be_bytes();
        Quota { per_minute: u32::from_be_bytes([a, b, c, d]), burst: u32::from_be_bytes(burst) }
    }

    /// Sets it; the next message is charged by it.
    pub fn set(&self, quota: Quota) {
        self.0.store(packed(quota), Ordering::Relaxed);
    }
}

/// Both numbers in one word, so that nobody reads one of the old and one of the new.
fn packed(quota: Quota) -> u64 {
    u64::from(quota.per_minute) << 32 | u64::from(quota.burst)
}

/// A message's charge against a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Who is charged: [`crate::DiverKey::encode`].
    pub key: String,
    /// Against what.
    pub quota: Quota,
}

impl Charge {
    /// What is left after this charge was allowed, from the arrival time it left behind.
    pub fn left(&self, arrival: Option<Timestamp>, now: Timestamp) -> Option<Allowance> {
        let before = self.quota.interval().and_then(|interval| arrival.map(|at| at.minus(interval)));
        match gcra(self.quota, before, now) {
            Verdict::Allowed { allowance, .. } => Some(allowance),
            Verdict::Refused(_) => None,
        }
    }

    /// How long to wait after this charge was refused, from the arrival time that refused it.
    pub fn wait(&self, arrival: Option<Timestamp>, now: Timestamp) -> Duration {
        match gcra(self.quota, arrival, now) {
            Verdict::Refused(wait) => wait,
            Verdict::Allowed { .. } => Duration::ZERO,
        }
    }
}

/// What is left of a limit, for the `RateLimit` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// How many more may come right now.
    pub remaining: u32,
    /// When the limit is whole again.
    pub reset: Duration,
}

/// The outcome of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Charged; the new theoretical arrival time is to be kept.
    Allowed {
        /// What is kept for the key.
        arrival: Timestamp,
        /// What is left.
        allowance: Allowance,
    },
    /// Not charged; come back after this long.
    Refused(Duration),
}

/// One step of the algorithm. `arrival` is what was kept for the key, if anything.
pub fn gcra(quota: Quota, arrival: Option<Timestamp>, now: Timestamp) -> Verdict {
    let burst = quota.burst.max(1);
    let Some(interval) = quota.interval() else {
        let allowance = Allowance { remaining: burst, reset: Duration::ZERO };
        return Verdict::Allowed { arrival: now, allowance };
    };
    let tolerance = interval * (burst - 1);
    // A clock that was set back must not lock a diver out: never more debt than a full burst.
    let furthest = now.plus(interval * burst);
    let arrival = arrival.unwrap_or(now).clamp(now, furthest);
    let early = arrival.since(now);
    if let Some(wait) = early.checked_sub(tolerance).filter(|wait| !wait.is_zero()) {
        return Verdict::Refused(wait);
    }
    let next = arrival.plus(interval);
    let debt = next.since(now);
    let spare = (interval * burst).saturating_sub(debt);
    let remaining = u32::try_from(spare.as_millis() / interval.as_millis().max(1)).unwrap_or(burst);
    Verdict::Allowed { arrival: next, allowance: Allowance { remaining, reset: debt } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIVER: Quota = Quota { per_minute: 20, burst: 5 };

    #[test]
    fn five_at_once_then_one_every_three_seconds() {
        let start = Timestamp::from_millis(1_000_000);
        let mut arrival = None;
        for left in (0..5).rev() {
            let Verdict::Allowed { arrival: next, allowance } = gcra(DIVER, arrival, start) else {
                panic!("refused with {left} left");
            };
            assert_eq!(allowance.remaining, left);
            arrival = Some(next);
        }
        assert_eq!(gcra(DIVER, arrival, start), Verdict::Refused(Duration::from_secs(3)));
        let later = start.plus(Duration::from_secs(3));
        assert!(matches!(gcra(DIVER, arrival, later), Verdict::Allowed { .. }));
    }

    #[test]
    fn a_clock_set_back_by_years_refuses_nobody_for_long() {
        let future = Timestamp::from_millis(400_000_000_000);
        let Verdict::Refused(wait) = gcra(DIVER, Some(future), Timestamp::from_millis(0)) else {
            panic!("a full debt is refused once");
        };
        assert!(wait <= Duration::from_secs(3));
    }

    #[test]
    fn a_dial_gives_back_what_it_was_set_to() {
        let dial = Dial::new(DIVER);
        assert_eq!(dial.get(), DIVER);
        let other = Quota { per_minute: u32::MAX, burst: 1 };
        dial.set(other);
        assert_eq!(dial.get(), other);
    }

    #[test]
    fn zero_switches_it_off() {
        let off = Quota { per_minute: 0, burst: 5 };
        for _ in 0..1000 {
            assert!(matches!(gcra(off, None, Timestamp::from_millis(1)), Verdict::Allowed { .. }));
        }
    }
}
