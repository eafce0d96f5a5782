//! Not faster than the platform bears: so many messages to one person, so many in all. What the platform
//! asks for counts more than ours.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;
use tokio::time::Instant;

/// How many people the platform may want quiet with at a time.
const MOST_QUIET: u64 = 10_000;

/// Limits to one person and in all.
pub(crate) struct Pace {
    people: DefaultKeyedRateLimiter<String>,
    all: DefaultDirectRateLimiter,
    quiet: Cache<String, Instant>,
    clock: DefaultClock,
}

impl Pace {
    /// One message to a person every `each` after `burst` at once; `a_second` in all.
    pub(crate) fn new(each: Duration, burst: NonZeroU32, a_second: NonZeroU32) -> Self {
        let pair = Quota::with_period(each).unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN)).allow_burst(burst);
        Self {
            people: RateLimiter::keyed(pair),
            all: RateLimiter::direct(Quota::per_second(a_second)),
            quiet: Cache::builder().max_capacity(MOST_QUIET).time_to_live(Duration::from_mins(30)).build(),
            clock: DefaultClock::default(),
        }
    }

    /// Takes room for a message; `Err` with how long to wait for it.
    pub(crate) fn room(&self, person: &str) -> Result<(), Duration> {
        if let Some(until) = self.quiet.get(person) {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Err(left);
            }
        }
        let now = self.clock.now();
        self.people.check_key(&person.to_owned()).map_err(|not| not.wait_time_from(now))?;
        self.all.check().map_err(|not| not.wait_time_from(now))
    }

    /// The platform asked for quiet with a person.
    pub(crate) fn quiet(&self, person: &str, wait: Duration) {
        self.quiet.insert(person.to_owned(), Instant::now() + wait);
    }

    /// Forgets people who have been calm.
    pub(crate) fn tidy(&self) {
        self.people.retain_recent();
        self.people.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn count(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    #[test]
    fn one_person_is_not_flooded_and_nobody_else_waits_for_it() {
        let pace = Pace::new(Duration::from_secs(6), count(3), count(50));
        let taken = (0..10).filter(|_| pace.room("ana").is_ok()).count();
        assert_eq!(taken, 3);
        assert!(pace.room("ana").unwrap_err() <= Duration::from_secs(6));
        assert!(pace.room("ben").is_ok());
    }

    #[test]
    fn the_number_as_a_whole_has_its_limit() {
        let pace = Pace::new(Duration::from_secs(6), count(3), count(20));
        let taken = (0..40).filter(|n| pace.room(&n.to_string()).is_ok()).count();
        assert!((20..=22).contains(&taken), "{taken}");
    }

    #[tokio::test(start_paused = true)]
    async fn quiet_is_kept_as_long_as_the_platform_asked() {
        let pace = Pace::new(Duration::from_secs(1), count(3), count(50));
        pace.quiet("ana", Duration::from_secs(3));
        assert_eq!(pace.room("ana"), Err(Duration::from_secs(3)));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(pace.room("ana").is_ok());
    }
}
