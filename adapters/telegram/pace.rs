//! Not faster than the platform bears: about one message a second in a chat, twenty a minute in a
//! group, thirty a second in all. The exact limits are unspecified; what the platform asks for in a 429
//! counts more than ours.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;
use tokio::time::Instant;

const fn count(n: u32) -> NonZeroU32 {
    match NonZeroU32::new(n) {
        Some(n) => n,
        None => NonZeroU32::MIN,
    }
}

/// Limits are per chat; a group has a negative id.
pub(crate) struct Pace {
    chats: DefaultKeyedRateLimiter<i64>,
    groups: DefaultKeyedRateLimiter<i64>,
    all: DefaultDirectRateLimiter,
    /// What merely shows progress has a smaller share, so that the reply always finds room.
    shown_in_chats: DefaultKeyedRateLimiter<i64>,
    shown_in_groups: DefaultKeyedRateLimiter<i64>,
    shown_in_all: DefaultDirectRateLimiter,
    /// Until when the platform wants quiet, by chat.
    quiet: Cache<i64, Instant>,
    clock: DefaultClock,
}

impl Default for Pace {
    fn default() -> Self {
        let second = |n, burst| Quota::per_second(count(n)).allow_burst(count(burst));
        let minute = |n, burst| Quota::per_minute(count(n)).allow_burst(count(burst));
        Self {
            chats: RateLimiter::keyed(second(1, 3)),
            groups: RateLimiter::keyed(minute(17, 3)),
            all: RateLimiter::direct(second(25, 5)),
            shown_in_chats: RateLimiter::keyed(second(1, 1)),
            shown_in_groups: RateLimiter::keyed(minute(8, 2)),
            shown_in_all: RateLimiter::direct(second(12, 3)),
            quiet: Cache::builder().max_capacity(10_000).time_to_live(Duration::from_mins(10)).build(),
            clock: DefaultClock::default(),
        }
    }
}

impl Pace {
    /// Takes room for a message; `Err` with how long to wait for it.
    pub(crate) fn reply(&self, chat: i64) -> Result<(), Duration> {
        self.heed(chat)?;
        self.room(&self.chats, &self.groups, &self.all, chat)
    }

    /// Takes room for something that only shows progress.
    pub(crate) fn progress(&self, chat: i64) -> Result<(), Duration> {
        self.heed(chat)?;
        self.room(&self.shown_in_chats, &self.shown_in_groups, &self.shown_in_all, chat)?;
        self.reply(chat)
    }

    fn room(
        &self,
        chats: &DefaultKeyedRateLimiter<i64>,
        groups: &DefaultKeyedRateLimiter<i64>,
        all: &DefaultDirectRateLimiter,
        chat: i64,
    ) -> Result<(), Duration> {
        let now = self.clock.now();
        chats.check_key(&chat).map_err(|not| not.wait_time_from(now))?;
        if chat < 0 {
            groups.check_key(&chat).map_err(|not| not.wait_time_from(now))?;
        }
        all.check().map_err(|not| not.wait_time_from(now))
    }

    /// The platform asked for quiet in a chat.
    pub(crate) fn quiet(&self, chat: i64, wait: Duration) {
        self.quiet.insert(chat, Instant::now() + wait);
    }

    /// How long the platform still wants quiet.
    pub(crate) fn heed(&self, chat: i64) -> Result<(), Duration> {
        let Some(until) = self.quiet.get(&chat) else { return Ok(()) };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() { Ok(()) } else { Err(left) }
    }

    /// Forgets chats that have been calm.
    pub(crate) fn tidy(&self) {
        for chats in [&self.chats, &self.groups, &self.shown_in_chats, &self.shown_in_groups] {
            chats.retain_recent();
            chats.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_leaves_room_for_the_reply() {
        let pace = Pace::default();
        assert!(pace.progress(7).is_ok());
        assert!(pace.progress(7).is_err(), "progress comes at most once a second");
        assert!(pace.reply(7).is_ok());
        assert!(pace.progress(8).is_ok(), "another chat does not notice");
    }

    #[test]
    fn a_group_takes_twenty_a_minute() {
        let pace = Pace::default();
        let taken = (0..40).filter(|_| pace.groups.check_key(&-5).is_ok()).count();
        assert_eq!(taken, 3, "a few at once, the rest over the minute");
        assert!(pace.reply(-5).unwrap_err() <= Duration::from_secs(4));
    }

    #[tokio::test(start_paused = true)]
    async fn quiet_is_kept_as_long_as_the_platform_asked() {
        let pace = Pace::default();
        pace.quiet(7, Duration::from_secs(3));
        assert_eq!(pace.reply(7), Err(Duration::from_secs(3)));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(pace.reply(7).is_ok());
    }
}
