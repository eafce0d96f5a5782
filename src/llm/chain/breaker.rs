//! The breaker before each model: after failures it rests, then one call tries whether it is well again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many failures among the last [`WINDOW`] calls open it.
const FAILURES: u32 = 5;
const WINDOW: u32 = 10;
const WINDOW_MASK: u32 = (1 << WINDOW) - 1;

const FIRST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_mins(1);

/// What is known of a model's health.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The last calls, newest in the lowest bit; 1 is a failure.
    calls: u32,
    /// Until when it rests.
    open_until: Option<Instant>,
    /// How long it rests next time.
    rest: Duration,
    /// A call is trying whether the model is well again.
    probing: bool,
    /// Grows with every opening: a call from before says nothing about the time after.
    era: u64,
}

/// The breaker's state as metrics show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// Calls go through.
    Closed,
    /// One call at a time tries.
    HalfOpen,
    /// No call goes through.
    Open,
}

/// The right to make one call. Dropped without a word, the call says nothing about the model.
#[derive(Debug)]
pub(crate) struct Permit<'b> {
    breaker: &'b Breaker,
    probe: bool,
    era: u64,
    told: bool,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: Mutex::new(State { calls: 0, open_until: None, rest: FIRST_REST, probing: false, era: 0 }) }
    }
}

impl Breaker {
    fn state(&self) -> MutexGuard<'_, State> {
        // The state is valid after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to a call, or `None` while the model rests.
    pub(crate) fn permit(&self, now: Instant) -> Option<Permit<'_>> {
        let mut state = self.state();
        let probe = match state.open_until {
            None => false,
            Some(until) if now >= until && !state.probing => true,
            Some(_) => return None,
        };
        state.probing |= probe;
        Some(Permit { breaker: self, probe, era: state.era, told: false })
    }

    /// For metrics and the status page.
    pub(crate) fn health(&self, now: Instant) -> Health {
        match self.state().open_until {
            None => Health::Closed,
            Some(until) if now >= until => Health::HalfOpen,
            Some(_) => Health::Open,
        }
    }
}

impl Permit<'_> {
    /// The call ended well.
    pub(crate) fn succeeded(mut self) {
        self.told = true;
        let mut state = self.breaker.state();
        if self.probe {
            state.open_until = None;
            state.probing = false;
            state.calls = 0;
            state.rest = FIRST_REST;
        } else {
            state.calls = (state.calls << 1) & WINDOW_MASK;
        }
    }

    /// The call failed; with `rest` the model said itself for how long it wants none.
    pub(crate) fn failed(mut self, now: Instant, rest: Option<Duration>) {
        self.told = true;
        let mut state = self.breaker.state();
        state.calls = ((state.calls << 1) | 1) & WINDOW_MASK;
        if self.probe {
            state.probing = false;
            state.rest = (state.rest * 2).min(LONGEST_REST);
        } else if state.era != self.era {
            return;
        }
        if self.probe || rest.is_some() || state.calls.count_ones() >= FAILURES {
            state.era += 1;
            let rest = rest.map_or(state.rest, |asked| asked.min(LONGEST_REST * 10));
            state.open_until = Some(now + rest);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.probe && !self.told {
            self.breaker.state().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_open_it_and_one_probe_closes_it() {
        let breaker = Breaker::default();
        let now = Instant::now();
        for _ in 0..FAILURES {
            breaker.permit(now).unwrap().failed(now, None);
        }
        assert_eq!(breaker.health(now), Health::Open);
        assert!(breaker.permit(now).is_none());
        let later = now + FIRST_REST;
        let probe = breaker.permit(later).unwrap();
        assert!(breaker.permit(later).is_none(), "one probe at a time");
        drop(probe);
        breaker.permit(later).expect("a dropped probe frees its place").succeeded();
        assert_eq!(breaker.health(later), Health::Closed);
    }

    #[test]
    fn a_failed_probe_rests_longer_and_a_model_may_ask_for_rest() {
        let breaker = Breaker::default();
        let now = Instant::now();
        breaker.permit(now).unwrap().failed(now, Some(Duration::from_secs(20)));
        assert!(breaker.permit(now + Duration::from_secs(19)).is_none());
        let later = now + Duration::from_secs(20);
        breaker.permit(later).unwrap().failed(later, None);
        assert!(breaker.permit(later + FIRST_REST).is_none());
        assert!(breaker.permit(later + FIRST_REST * 2).is_some());
    }

    #[test]
    fn calls_that_were_under_way_do_not_open_it_again() {
        let breaker = Breaker::default();
        let now = Instant::now();
        let late: Vec<_> = (0..20).map(|_| breaker.permit(now).unwrap()).collect();
        for permit in late {
            permit.failed(now, None);
        }
        let later = now + FIRST_REST;
        breaker.permit(later).unwrap().succeeded();
        assert_eq!(breaker.health(later), Health::Closed);
    }
}
