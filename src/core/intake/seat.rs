//! Where a channel that is called from outside finds the entrance while it runs.

use std::sync::{Mutex, PoisonError};

use super::Intake;

/// Where calls from outside find the intake while their channel runs.
#[derive(Default)]
pub struct Seat(Mutex<Option<Intake>>);

/// A channel that runs; dropped, calls find nobody.
pub struct Seated<'a>(&'a Seat);

impl Seat {
    /// The intake, if the channel runs.
    pub fn intake(&self) -> Option<Intake> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The channel runs from now on.
    #[must_use]
    pub fn take(&self, intake: Intake) -> Seated<'_> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(intake);
        Seated(self)
    }
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
