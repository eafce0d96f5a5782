//! The budget of retries: a failing model must not be asked more than 1.2 times per turn that comes to it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What every turn pays in; a little under a fifth, so that what the account starts with is covered too.
const PER_TURN: f64 = 0.18;
const START: f64 = 1.0;
const MOST: f64 = 10.0;

/// One model's account of calls beyond the first of each turn.
#[derive(Debug)]
pub(crate) struct Budget(Mutex<f64>);

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new(START))
    }
}

impl Budget {
    fn account(&self) -> MutexGuard<'_, f64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn comes to the model.
    pub(crate) fn turn(&self) {
        let mut account = self.account();
        *account = (*account + PER_TURN).min(MOST);
    }

    /// Whether one more call may be made; it is paid for.
    pub(crate) fn take(&self) -> bool {
        let mut account = self.account();
        let enough = *account >= 1.0;
        if enough {
            *account -= 1.0;
        }
        enough
    }

    /// A call that was paid for ended well: what is healthy may be asked again.
    pub(crate) fn give_back(&self) {
        let mut account = self.account();
        *account = (*account + 1.0).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_turns_never_make_more_than_twenty_extra_calls() {
        let budget = Budget::default();
        let mut extra = 0;
        for _ in 0..100 {
            budget.turn();
            while budget.take() {
                extra += 1;
            }
        }
        assert!((10..=20).contains(&extra), "{extra}");
    }
}
