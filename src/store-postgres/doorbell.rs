//! Spares looks at the database when it is known that there is nothing to find yet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dovvybuddy_core::Timestamp;
use tokio::sync::Notify;

/// How long a lane is left to the living replica that its client is connected to.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// Rung by everything that may have made work. A look that finds none says until when there is none, which holds
/// until the bell rings.
#[derive(Debug, Default)]
pub(crate) struct Doorbell {
    rung: AtomicU64,
    wake: Notify,
    quiet: Mutex<Option<Quiet>>,
}

#[derive(Debug, Clone, Copy)]
struct Quiet {
    /// What the bell stood at before the look.
    heard: u64,
    /// When the look was. Of an earlier time, once the clock was put back, it says nothing.
    at: Timestamp,
    /// When there may be work by time alone; never if empty.
    until: Option<Timestamp>,
}

impl Doorbell {
    /// There may be work.
    pub(crate) fn ring(&self) {
        self.rung.fetch_add(1, Ordering::AcqRel);
        self.wake.notify_waiters();
    }

    /// What the bell stands at; taken before a look.
    pub(crate) fn heard(&self) -> u64 {
        self.rung.load(Ordering::Acquire)
    }

    /// A look that began at `heard` found at `at` that there is nothing before `until`.
    pub(crate) fn rest(&self, heard: u64, at: Timestamp, until: Option<Timestamp>) {
        *self.quiet() = Some(Quiet { heard, at, until });
    }

    /// Whether there was a look at all.
    pub(crate) fn looked(&self) -> bool {
        self.quiet().is_some()
    }

    /// Whether a look now would find nothing.
    pub(crate) fn is_quiet(&self, now: Timestamp) -> bool {
        let quiet = *self.quiet();
        quiet.is_some_and(|quiet| {
            quiet.heard == self.heard() && quiet.at <= now && quiet.until.is_none_or(|until| now < until)
        })
    }

    /// Waits until there may be work, at most `at_most`; then a look is due even if nobody rang, since other
    /// replicas make work without ringing here.
    pub(crate) async fn wait(&self, now: Timestamp, at_most: Duration) {
        let woken = self.wake.notified();
        tokio::pin!(woken);
        // Registered before looking, so that a ring in between wakes us.
        woken.as_mut().enable();
        let quiet = *self.quiet();
        let Some(quiet) = quiet.filter(|quiet| quiet.heard == self.heard()) else { return };
        let pause = quiet.until.map_or(at_most, |until| until.since(now).min(at_most));
        if pause.is_zero() || tokio::time::timeout(pause, woken).await.is_err() {
            self.rung.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn quiet(&self) -> MutexGuard<'_, Option<Quiet>> {
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1000);

    #[test]
    fn nothing_is_quiet_before_a_look() {
        assert!(!Doorbell::default().is_quiet(NOW));
    }

    #[test]
    fn a_look_holds_until_its_time_or_a_ring() {
        let bell = Doorbell::default();
        bell.rest(bell.heard(), NOW, Some(NOW.plus(Duration::from_millis(5))));
        assert!(bell.is_quiet(NOW));
        assert!(!bell.is_quiet(NOW.minus(Duration::from_millis(1))), "the clock was put back");
        assert!(!bell.is_quiet(NOW.plus(Duration::from_millis(5))));
        bell.ring();
        assert!(!bell.is_quiet(NOW));
    }

    #[test]
    fn a_ring_during_a_look_is_not_missed() {
        let bell = Doorbell::default();
        let heard = bell.heard();
        bell.ring();
        bell.rest(heard, NOW, None);
        assert!(!bell.is_quiet(NOW));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_in_vain_looks_all_the_same() {
        let bell = Doorbell::default();
        bell.rest(bell.heard(), NOW, None);
        bell.wait(NOW, Duration::from_secs(1)).await;
        assert!(!bell.is_quiet(NOW));
    }
}
