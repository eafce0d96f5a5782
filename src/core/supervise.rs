//! Loops that must not stop: each reports progress, and one that stands still or ends is started
//! again with backoff, while the others do not notice.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::channel::BoxError;
use crate::clock::{Clock, Timestamp};

/// How far a loop got: a watermark from inside its work, not a ping from beside it.
#[derive(Debug)]
pub struct Progress {
    name: String,
    last: AtomicI64,
    restarts: AtomicU32,
    /// The last run ended, and the one since has shown nothing yet.
    failing: AtomicBool,
}

/// A loop's progress as `/status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProgressReport {
    /// The loop.
    pub name: String,
    /// RFC 3339 time of the last sign of life.
    pub last_progress: String,
    /// How often it was started again.
    pub restarts: u32,
    /// It stood still for longer than it may, or its last run failed and the next has done nothing yet.
    pub stalled: bool,
}

impl Progress {
    /// A loop that starts now.
    pub fn new(name: impl Into<String>, now: Timestamp) -> Arc<Self> {
        let last = AtomicI64::new(now.as_millis());
        Arc::new(Self { name: name.into(), last, restarts: AtomicU32::new(0), failing: AtomicBool::new(false) })
    }

    /// The loop's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Something was done, or there was truly nothing to do.
    pub fn tick(&self, now: Timestamp) {
        self.last.store(now.as_millis(), Ordering::Relaxed);
        self.failing.store(false, Ordering::Relaxed);
    }

    /// A run begins: it has its time to show something, but has not yet.
    fn begin(&self, now: Timestamp) {
        self.last.store(now.as_millis(), Ordering::Relaxed);
    }

    /// A run ended that should not have.
    fn failed(&self) {
        self.failing.store(true, Ordering::Relaxed);
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it is stuck or keeps failing.
    pub fn stalled(&self, now: Timestamp, patience: Duration) -> bool {
        self.failing.load(Ordering::Relaxed) || self.idle(now) > patience
    }

    /// How long ago the last sign of life was.
    pub fn idle(&self, now: Timestamp) -> Duration {
        now.since(Timestamp::from_millis(self.last.load(Ordering::Relaxed)))
    }

    /// For `/status`.
    pub fn report(&self, now: Timestamp, patience: Duration) -> ProgressReport {
        ProgressReport {
            name: self.name.clone(),
            last_progress: Timestamp::from_millis(self.last.load(Ordering::Relaxed)).to_rfc3339(),
            restarts: self.restarts.load(Ordering::Relaxed),
            stalled: self.stalled(now, patience),
        }
    }
}

/// How often a channel's loop shows a sign of life at least.
pub const TICK_AT_LEAST: Duration = Duration::from_secs(30);
/// How long a channel's loop may show none before it counts as dead: it is seen within this, and started
/// again within 90 s, the looking twice and the longest pause included.
pub const CHANNEL_PATIENCE: Duration = Duration::from_secs(40);

/// The longest pause between two starts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Runs a loop until `stop`, starting it again when it ends, fails, panics, or makes no progress for
/// `patience`. `start` gets a token of its own, fired when that run must end.
pub async fn supervise<F>(
    progress: Arc<Progress>,
    patience: Duration,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    start: impl Fn(CancellationToken) -> F,
) where
    F: Future<Output = Result<(), BoxError>>,
{
    let mut failures = 0u32;
    while !stop.is_cancelled() {
        progress.begin(clock.now());
        let run_stop = stop.child_token();
        let run = AssertUnwindSafe(start(run_stop.clone())).catch_unwind();
        let began = tokio::time::Instant::now();
        tokio::select! {
            ended = run => match ended {
                _ if stop.is_cancelled() => return,
                Ok(Ok(())) => tracing::error!(task = %progress.name, "a loop ended by itself"),
                Ok(Err(error)) => tracing::error!(task = %progress.name, error = %error, "a loop failed"),
                Err(_) => tracing::error!(task = %progress.name, "a loop panicked"),
            },
            () = stalled(&progress, patience, &*clock) => {
                run_stop.cancel();
                tracing::error!(task = %progress.name, "a loop made no progress");
            }
        }
        failures = if began.elapsed() > 4 * LONGEST_BACKOFF { 0 } else { failures + 1 };
        progress.failed();
        metrics::counter!("dovvybuddy_restarts_total", "task" => progress.name.clone()).increment(1);
        let pause = LONGEST_BACKOFF.min(Duration::from_millis(250) * 2u32.saturating_pow(failures.min(10)));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn stalled(progress: &Progress, patience: Duration, clock: &dyn Clock) {
    loop {
        tokio::time::sleep(patience / 4).await;
        // A wall clock that jumps ahead looks like a stall once; seen twice in a row it is one.
        if progress.idle(clock.now()) > patience {
            tokio::time::sleep(patience / 4).await;
            if progress.idle(clock.now()) > patience {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::clock::SystemClock;

    async fn run(starts: Arc<AtomicU32>, hang: bool) -> Result<(), BoxError> {
        if starts.fetch_add(1, Ordering::SeqCst) == 0 {
            assert!(hang, "the first run panics unless it hangs");
        }
        std::future::pending().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_panics_is_started_again() {
        let starts = Arc::new(AtomicU32::new(0));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let progress = Progress::new("test", clock.now());
        let stop = CancellationToken::new();
        let counted = Arc::clone(&starts);
        let patience = Duration::from_hours(1);
        let task = tokio::spawn(supervise(Arc::clone(&progress), patience, clock, stop.clone(), move |_| {
            run(Arc::clone(&counted), false)
        }));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(starts.load(Ordering::SeqCst), 2);
        stop.cancel();
        // The second run never ends by itself; dropping the supervisor drops it.
        task.abort();
        assert_eq!(progress.restarts.load(Ordering::Relaxed), 1);
    }
}
