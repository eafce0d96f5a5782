//! Callers who wait for a reply on the line. A reply goes out once: to the caller who still waits, or else
//! to the callback.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dovvybuddy_core::TurnId;
use moka::sync::Cache;

/// How many callers are remembered, and how long: until the reply's part has left the outbox.
const REMEMBERED: u64 = 20_000;
const MEMORY: Duration = Duration::from_mins(10);

/// The callers by the turn they wait for.
pub(crate) struct Seats(Cache<TurnId, Arc<Seat>>);

impl Default for Seats {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED).time_to_live(MEMORY).build())
    }
}

/// One caller.
#[derive(Default)]
pub(crate) struct Seat(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Waiting,
    /// The reply is the caller's.
    Served,
    /// The caller was told that the reply comes later, or went away.
    Left,
}

/// Dropped, it gives the seat up.
pub(crate) struct Sitting(Arc<Seat>);

impl Seats {
    /// Waits for a turn's reply.
    pub(crate) fn take(&self, turn: TurnId) -> Sitting {
        let seat = Arc::new(Seat::default());
        self.0.insert(turn, Arc::clone(&seat));
        Sitting(seat)
    }

    /// Whether a caller takes (or took) this turn's reply, so that it need not be posted.
    pub(crate) fn serves(&self, turn: TurnId) -> bool {
        self.0.get(&turn).is_some_and(|seat| seat.claim(State::Served))
    }
}

impl Seat {
    /// Moves a waiting caller on; whether the reply is the caller's afterwards.
    fn claim(&self, to: State) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Waiting) {
            *state = to;
        }
        matches!(*state, State::Served)
    }
}

impl Sitting {
    /// The reply is here: it is the caller's, unless the caller was given up.
    pub(crate) fn serve(&self) -> bool {
        self.0.claim(State::Served)
    }

    /// Too late for the caller; `false` if the reply was taken for them at this very moment.
    pub(crate) fn leave(&self) -> bool {
        !self.0.claim(State::Left)
    }
}

impl Drop for Sitting {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::testkit::clock::numbered;

    use super::*;

    #[test]
    fn a_reply_goes_to_the_caller_or_to_the_callback_and_never_to_both() {
        let seats = Seats::default();
        let turn = TurnId(numbered(1));
        assert!(!seats.serves(turn), "nobody waits");
        let sitting = seats.take(turn);
        assert!(seats.serves(turn), "the outbox finds a caller");
        assert!(!sitting.leave() && sitting.serve(), "who can't leave any more");
        assert!(seats.serves(turn), "also when it asks again");

        let sitting = seats.take(turn);
        assert!(sitting.leave(), "the caller leaves first");
        assert!(!seats.serves(turn) && !sitting.serve());

        drop(seats.take(turn));
        assert!(!seats.serves(turn), "the connection broke");

        let sitting = seats.take(turn);
        assert!(sitting.serve());
        drop(sitting);
        assert!(seats.serves(turn), "an answer on the line is delivered");
    }
}
