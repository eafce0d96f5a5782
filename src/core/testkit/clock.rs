//! A clock that stands where a test puts it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use uuid::{Builder, Uuid};

use crate::clock::{Clock, Timestamp};

/// The moment tests begin at: 20 November 2026, 08:00 UTC.
pub const START: Timestamp = Timestamp::from_millis(1_795_161_600_000);

/// Time moves only by [`ManualClock::advance`]; ids repeat from run to run.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
    ids: AtomicU64,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self { now: AtomicI64::new(START.as_millis()), ids: AtomicU64::new(1) }
    }
}

impl ManualClock {
    /// Moves time forward.
    pub fn advance(&self, by: Duration) {
        self.now.store(self.now().plus(by).as_millis(), Ordering::SeqCst);
    }

    /// Puts time where it is wanted, also back.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn uuid(&self) -> Uuid {
        numbered(self.ids.fetch_add(1, Ordering::SeqCst))
    }
}

/// The `UUIDv4` of a number; different numbers give different ids, spread as random ones are.
pub fn numbered(number: u64) -> Uuid {
    // An odd factor maps 64-bit numbers one to one.
    let low = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bytes = (u128::from(low.rotate_left(17)) << 64 | u128::from(number ^ low)).to_be_bytes();
    Builder::from_random_bytes(bytes).into_uuid()
}
