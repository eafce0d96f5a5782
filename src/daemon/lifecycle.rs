//! From start to stop: soft stop, deadline, hard stop.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long running turns and open requests may take to end after a stop signal.
pub(crate) const SOFT_STOP: Duration = Duration::from_secs(20);
/// How long turns that were given back may take to be written.
const PARKING: Duration = Duration::from_secs(4);
/// How long connections may take to end once everything else has.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(500);

/// The daemon's tasks and the tokens that end them, in the order in which they fire.
#[derive(Clone, Default)]
pub(crate) struct Lifecycle {
    /// No new work: the intake refuses, loops finish what they hold.
    pub(crate) stopping: CancellationToken,
    /// What ran has ended: listeners close. Until then whoever calls is told to come back, and an emergency is
    /// answered.
    pub(crate) closing: CancellationToken,
    /// Running turns are given back unfinished; the next start takes them up.
    pub(crate) park: CancellationToken,
    /// Whatever is still there is dropped.
    pub(crate) hard_stop: CancellationToken,
    /// Every task of the daemon, but those that serve connections.
    pub(crate) tasks: TaskTracker,
    /// The listeners with their connections.
    pub(crate) servers: TaskTracker,
}

impl Lifecycle {
    /// Runs a task of the daemon.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Waits for a signal and brings everything to its end. A second signal skips the waiting.
    pub(crate) async fn run_to_end(&self, mut signals: Signals) {
        signals.next().await;
        tracing::info!("stopping: nothing new is taken in, what runs may finish");
        notify(NotifyState::Stopping);
        self.stopping.cancel();
        self.tasks.close();
        let deadline = Instant::now() + SOFT_STOP;
        let ended = tokio::select! {
            () = self.tasks.wait() => true,
            () = tokio::time::sleep_until(deadline) => {
                tracing::warn!("still running after the deadline: turns are parked");
                false
            }
            () = signals.next() => {
                tracing::warn!("asked twice: turns are parked");
                false
            }
        };
        if !ended {
            self.park.cancel();
            if tokio::time::timeout(PARKING, self.tasks.wait()).await.is_err() {
                tracing::warn!("some tasks did not end and are dropped");
            }
        }
        self.closing.cancel();
        self.servers.close();
        // Replies may still be on their way, and whoever asked twice does not wait for slow readers.
        let until = if ended { deadline } else { Instant::now() }.max(Instant::now() + LAST_WORDS);
        tokio::select! {
            () = self.servers.wait() => {}
            () = tokio::time::sleep_until(until) => self.hard_stop.cancel(),
            () = signals.next() => self.hard_stop.cancel(),
        }
    }
}

/// The signals that the daemon hears.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Asks for the files to be read again. Unheard it would end the process.
pub(crate) fn hangup() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

impl Signals {
    /// Hears them from now on: as the first process of a container, nobody else would.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves at the next one, also one that came before.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Tells the service manager, if there is one.
pub(crate) fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(error = %error, "the service manager can't be told");
    }
}

/// Feeds the service manager's watchdog as long as `alive` says so.
pub(crate) async fn feed_watchdog(alive: impl Fn() -> bool, stop: CancellationToken) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    loop {
        tokio::select! {
            () = tokio::time::sleep(period / 3) => {}
            () = stop.cancelled() => return,
        }
        if alive() {
            notify(NotifyState::Watchdog);
        }
    }
}

/// As many open files as the system allows, every stream being one; gives their number where it is known.
pub(crate) fn raise_open_files() -> Option<u64> {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => {
            tracing::debug!(limit, "open files");
            Some(limit)
        }
        Err(error) => {
            tracing::warn!(error = %error, "the limit of open files can't be raised");
            rlimit::getrlimit(rlimit::Resource::NOFILE).ok().map(|(soft, _)| soft)
        }
    }
}
