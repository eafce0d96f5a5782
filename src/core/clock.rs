//! The only source of time and identifiers.
//!
//! Everything that needs "now" or a fresh id takes a [`Clock`], so that a test can stand at any
//! moment and repeat any run. The lint configuration bans the wall clock elsewhere.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A moment in UTC, with millisecond precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A moment from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This moment moved `by` into the future, saturating.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// This moment moved `by` into the past, saturating.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with milliseconds, as every outside interface shows time.
    pub fn to_rfc3339(self) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .map_or_else(|_| "9999-12-31T23:59:59.000Z".to_owned(), |t| format!("{t:.3}"))
    }

    /// The UTC calendar day, as `2026-11-20`; spend caps count by it.
    pub fn day(self) -> String {
        let mut text = self.to_rfc3339();
        text.truncate(10);
        text
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Time and fresh ids.
pub trait Clock: Send + Sync + 'static {
    /// The current moment.
    fn now(&self) -> Timestamp;
    /// A fresh random `UUIDv4`.
    fn uuid(&self) -> Uuid;
}

/// The machine's clock and the operating system's randomness.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }

    #[allow(clippy::disallowed_methods, reason = "this is the one place that draws ids")]
    fn uuid(&self) -> Uuid {
        Uuid::new_v4()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_utc_with_milliseconds() {
        let moment = Timestamp::from_millis(1_795_161_600_250);
        assert_eq!(moment.to_rfc3339(), "2026-11-20T08:00:00.250Z");
        assert_eq!(moment.day(), "2026-11-20");
    }

    #[test]
    fn a_clock_that_jumped_back_gives_no_negative_age() {
        let now = Timestamp::from_millis(5);
        assert_eq!(now.since(Timestamp::from_millis(9)), Duration::ZERO);
    }
}
