//! Discord's rate limits, kept from our side: a bucket per route and major parameter, 50 requests a
//! second over all, and a ban of the address after 10,000 invalid requests in ten minutes.
//!
//! Nothing here sleeps. A request that must wait is told how long, and whoever sends it decides: the
//! outbox comes again, typing is left out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Of the 50 a second that Discord allows, some are left to whatever else uses the token.
const PER_SECOND: u32 = 45;
/// Discord bans at 10,000. A platform that throttles two hundred busy chats may well refuse a thousand; at half of
/// what brings the ban something is wrong.
pub const MOST_INVALID: usize = 5_000;
const INVALID_WINDOW: Duration = Duration::from_mins(10);
/// After "unauthorized" one request in this time tries whether the token is good again. A proxy may say it once by
/// mistake, so the first try comes soon; each refusal after it doubles the pause.
const TRY_TOKEN_SOON: Duration = Duration::from_secs(1);
const TRY_TOKEN_AGAIN: Duration = Duration::from_secs(10);
/// Windows whose ends are told this near to each other are one.
const SAME_WINDOW: Duration = Duration::from_millis(300);
/// When there are more buckets than this, those that are full again are forgotten.
const MANY_BUCKETS: usize = 5_000;

/// What the limits say before a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may go out.
    Go,
    /// Not before this long.
    Wait(Duration),
}

/// By what a request is authorized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The bot's token.
    Bot,
    /// The token of an interaction, in its address: what becomes of the bot's does not matter to it.
    Interaction,
}

/// The state of all limits.
#[derive(Debug)]
pub(crate) struct Limits {
    state: Mutex<State>,
    most_invalid: usize,
}

#[derive(Debug, Default)]
struct State {
    buckets: HashMap<String, Bucket>,
    /// When the requests of the last second went out.
    sent: VecDeque<Instant>,
    /// Until when the limit over all routes holds everything back.
    all_until: Option<Instant>,
    invalid: VecDeque<Instant>,
    refused: Option<Refused>,
}

/// The bot's token was refused.
#[derive(Debug, Clone, Copy)]
struct Refused {
    /// Until then nobody tries it.
    until: Instant,
    /// From one try to the next.
    pause: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    remaining: u32,
    resets: Instant,
}

/// What an answer says of its bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Told {
    pub(crate) remaining: u32,
    pub(crate) resets_after: Duration,
}

impl Limits {
    pub(crate) fn new(most_invalid: usize) -> Self {
        Self { state: Mutex::default(), most_invalid }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks to send a request of this bucket that leaves at least `spare` for others.
    pub(crate) fn ask(&self, bucket: &str, by: By, spare: u32, now: Instant) -> Verdict {
        let mut state = self.state();
        if let Some(refused) = state.refused.as_mut().filter(|_| by == By::Bot) {
            if now < refused.until {
                return Verdict::Wait(refused.until - now);
            }
            // One tries; the others wait for what comes of it.
            refused.until = now + refused.pause;
        }
        if let Some(until) = state.all_until.filter(|until| now < *until) {
            return Verdict::Wait(until - now);
        }
        while state.invalid.front().is_some_and(|at| now.duration_since(*at) > INVALID_WINDOW) {
            state.invalid.pop_front();
        }
        if let Some(oldest) = state.invalid.front().filter(|_| state.invalid.len() >= self.most_invalid) {
            return Verdict::Wait((*oldest + INVALID_WINDOW).saturating_duration_since(now));
        }
        let second = Duration::from_secs(1);
        while state.sent.front().is_some_and(|at| now.duration_since(*at) >= second) {
            state.sent.pop_front();
        }
        if let Some(oldest) = state.sent.front().filter(|_| state.sent.len() >= PER_SECOND as usize) {
            return Verdict::Wait((*oldest + second).saturating_duration_since(now));
        }
        if let Some(held) = state.buckets.get_mut(bucket) {
            if held.resets > now && held.remaining <= spare {
                return Verdict::Wait(held.resets - now);
            }
            // Counted here already: others ask before this one's answer is back.
            held.remaining = held.remaining.saturating_sub(1);
        }
        state.sent.push_back(now);
        Verdict::Go
    }

    /// Takes in what an answer says of its bucket.
    pub(crate) fn learn(&self, bucket: &str, told: Told, now: Instant) {
        let mut state = self.state();
        if state.buckets.len() >= MANY_BUCKETS {
            state.buckets.retain(|_, held| held.resets > now);
        }
        let resets = now + told.resets_after;
        let held = state.buckets.entry(bucket.to_owned()).or_insert(Bucket { remaining: told.remaining, resets });
        // Answers may come out of order: within a window the smaller figure is the newer one.
        let same_window = resets < held.resets + SAME_WINDOW;
        let remaining = if same_window { held.remaining.min(told.remaining) } else { told.remaining };
        *held = Bucket { remaining, resets };
    }

    /// A request was refused for its rate.
    pub(crate) fn limited(&self, bucket: &str, retry_after: Duration, everywhere: bool, now: Instant) {
        let until = now + retry_after;
        {
            let mut state = self.state();
            if everywhere {
                state.all_until = Some(until);
            } else {
                state.buckets.insert(bucket.to_owned(), Bucket { remaining: 0, resets: until });
            }
        }
        self.invalid(now);
    }

    /// Counts an answer of 401, 403 or 429.
    pub(crate) fn invalid(&self, now: Instant) {
        self.state().invalid.push_back(now);
    }

    /// The bot's token was refused.
    pub(crate) fn token_refused(&self, now: Instant) {
        let mut state = self.state();
        let before = state.refused.map(|refused| refused.pause * 2);
        let pause = before.unwrap_or(TRY_TOKEN_SOON).min(TRY_TOKEN_AGAIN);
        state.refused = Some(Refused { until: now + pause, pause });
    }

    /// Something else than a refusal of the token was answered.
    pub(crate) fn token_taken(&self) {
        self.state().refused = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Duration = Duration::from_secs(5);

    #[test]
    fn an_empty_bucket_is_waited_for_and_others_go_on() {
        let (limits, now) = (Limits::new(MOST_INVALID), Instant::now());
        limits.learn("a", Told { remaining: 1, resets_after: ROOM }, now);
        assert_eq!(limits.ask("a", By::Bot, 0, now), Verdict::Go);
        assert_eq!(limits.ask("a", By::Bot, 0, now), Verdict::Wait(ROOM));
        assert_eq!(limits.ask("b", By::Bot, 0, now), Verdict::Go);
        assert_eq!(limits.ask("a", By::Bot, 0, now + ROOM), Verdict::Go);
    }

    #[test]
    fn a_new_window_gives_new_room() {
        let (limits, now) = (Limits::new(MOST_INVALID), Instant::now());
        limits.learn("a", Told { remaining: 0, resets_after: Duration::from_secs(1) }, now);
        limits.learn("a", Told { remaining: 4, resets_after: Duration::from_millis(1_010) }, now);
        assert_eq!(
            limits.ask("a", By::Bot, 0, now),
            Verdict::Wait(Duration::from_millis(1_010)),
            "an answer that came late"
        );
        limits.learn("a", Told { remaining: 4, resets_after: ROOM }, now);
        assert_eq!(limits.ask("a", By::Bot, 0, now), Verdict::Go);
    }

    #[test]
    fn what_can_wait_leaves_the_last_place_to_the_reply() {
        let (limits, now) = (Limits::new(MOST_INVALID), Instant::now());
        limits.learn("a", Told { remaining: 2, resets_after: ROOM }, now);
        assert_eq!(limits.ask("a", By::Bot, 1, now), Verdict::Go);
        assert_eq!(limits.ask("a", By::Bot, 1, now), Verdict::Wait(ROOM));
        assert_eq!(limits.ask("a", By::Bot, 0, now), Verdict::Go);
    }

    #[test]
    fn the_limit_over_all_routes_holds_everything_back() {
        let (limits, now) = (Limits::new(MOST_INVALID), Instant::now());
        limits.limited("a", ROOM, true, now);
        assert_eq!(limits.ask("b", By::Bot, 0, now), Verdict::Wait(ROOM));
        assert_eq!(limits.ask("b", By::Bot, 0, now + ROOM), Verdict::Go);
    }

    #[test]
    fn no_more_go_out_in_a_second_than_are_allowed() {
        let (limits, now) = (Limits::new(MOST_INVALID), Instant::now());
        let went = (0..100).filter(|i| limits.ask(&i.to_string(), By::Bot, 0, now) == Verdict::Go).count();
        assert_eq!(went, PER_SECOND as usize);
        assert_eq!(limits.ask("x", By::Bot, 0, now + Duration::from_secs(1)), Verdict::Go);
    }

    #[test]
    fn a_refused_token_is_tried_soon_and_then_more_and_more_rarely() {
        let (limits, mut now) = (Limits::new(MOST_INVALID), Instant::now());
        for pause in [1, 2, 4, 8, 10, 10].map(Duration::from_secs) {
            limits.token_refused(now);
            assert_eq!(limits.ask("a", By::Bot, 0, now), Verdict::Wait(pause));
            now += pause;
            assert_eq!(limits.ask("a", By::Bot, 0, now), Verdict::Go);
            assert_eq!(limits.ask("b", By::Bot, 0, now), Verdict::Wait(pause), "one tries");
        }
        limits.token_taken();
        assert_eq!(limits.ask("b", By::Bot, 0, now), Verdict::Go);
        limits.token_refused(now);
        assert_eq!(limits.ask("b", By::Bot, 0, now), Verdict::Wait(TRY_TOKEN_SOON), "it begins anew");
    }

    #[test]
    fn an_interaction_does_not_wait_for_the_bots_token() {
        let (limits, now) = (Limits::new(MOST_INVALID), Instant::now());
        limits.token_refused(now);
        assert_eq!(limits.ask("a", By::Interaction, 0, now), Verdict::Go);
        assert_eq!(limits.ask("a", By::Bot, 0, now + TRY_TOKEN_SOON), Verdict::Go, "it was no try of the token");
    }

    #[test]
    fn long_before_the_ban_nothing_goes_out() {
        let (limits, now) = (Limits::new(MOST_INVALID), Instant::now());
        for _ in 0..MOST_INVALID {
            limits.invalid(now);
        }
        assert_eq!(limits.ask("a", By::Bot, 0, now), Verdict::Wait(INVALID_WINDOW));
        assert_eq!(limits.ask("a", By::Bot, 0, now + INVALID_WINDOW + Duration::from_secs(1)), Verdict::Go);
    }
}
