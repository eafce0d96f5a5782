//! A bounded memory of what was done lately: interactions that got their first answer, urgent words that
//! were said.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Far more than can be done in the minutes for which it matters.
const MOST_REMEMBERED: usize = 1_024;

/// The newest names noted.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<VecDeque<String>>);

impl Recent {
    /// It was done.
    pub(crate) fn note(&self, name: &str) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.len() >= MOST_REMEMBERED {
            newest.pop_front();
        }
        newest.push_back(name.to_owned());
    }

    /// Whether it was done.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|known| known == name)
    }
}
