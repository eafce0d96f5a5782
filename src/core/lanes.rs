//! Lanes: one conversation's turns one after another, many conversations at once.

use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::channel::BoxError;
use crate::clock::Clock;
use crate::failpoint;
use crate::ids::ConversationKey;
use crate::store::{Claim, Store, StoreError};
use crate::supervise::Progress;
use crate::turn::Turns;

/// How long a lane is leased; renewed while its turn runs. Another replica may take a dead one's lane
/// after that.
pub const LEASE: Duration = Duration::from_secs(15);

/// How long after a claim or a renewal nobody else can have the lane: a replica that stands still is given up ten
/// seconds after its last sign of life, which may be two seconds older than the claim. Whoever wakes up later must not
/// touch what the diver sees.
pub const SURE: Duration = Duration::from_secs(8);

/// A turn's hold on its lane.
#[derive(Debug)]
pub struct Hold {
    /// Fired when an emergency was recognised in the conversation.
    pub cut: CancellationToken,
    since: Mutex<Instant>,
}

impl Hold {
    fn new(cut: CancellationToken) -> Self {
        Self { cut, since: Mutex::new(Instant::now()) }
    }

    /// Whether the lane is surely held, also if this process stood still meanwhile.
    pub fn is_sure(&self) -> bool {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < SURE
    }

    fn renewed(&self, at: Instant) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

/// The turns that run now, by conversation, each with the newest event it answers.
#[derive(Debug, Default)]
pub struct Running(Mutex<HashMap<ConversationKey, (CancellationToken, i64)>>);

impl Running {
    /// Stops what runs in a conversation, if anything does.
    pub fn cut_short(&self, conversation: &ConversationKey) {
        self.cut_short_before(conversation, i64::MAX);
    }

    /// Stops what runs in a conversation, if it answers what came before that sequence number.
    fn cut_short_before(&self, conversation: &ConversationKey, sequence: i64) {
        if let Some((turn, newest)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(conversation)
            && *newest < sequence
        {
            turn.cancel();
        }
    }

    /// How many run.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn enter(&self, claim: &Claim) -> CancellationToken {
        let (cut, newest) = (CancellationToken::new(), claim.sequence.last().copied().unwrap_or_default());
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(claim.conversation.clone(), (cut.clone(), newest));
        cut
    }

    fn leave(&self, conversation: &ConversationKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(conversation);
    }
}

/// Hands waiting messages to turns.
pub struct Lanes {
    /// Where messages wait.
    pub store: Arc<dyn Store>,
    /// What is done with them.
    pub turns: Turns,
    /// The turns that run now.
    pub running: Arc<Running>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The most turns at once.
    pub most: usize,
    /// The dispatch loop's watermark.
    pub progress: Arc<Progress>,
    /// Fired when running turns must be given back unfinished.
    pub park: CancellationToken,
}

impl Lanes {
    /// Dispatches until `stop`, then waits for the running turns; those still running when `park`
    /// fires are given back, and the next start takes them up.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), BoxError> {
        tokio::select! {
            ended = Arc::clone(&self).dispatch(stop) => ended,
            never = self.hear_alarms() => match never {},
        }
    }

    /// An emergency that another replica was told of cuts short what runs here.
    async fn hear_alarms(&self) -> Infallible {
        loop {
            let (conversation, sequence) = self.store.alarmed().await;
            self.running.cut_short_before(&conversation, sequence);
        }
    }

    async fn dispatch(self: Arc<Self>, stop: CancellationToken) -> Result<(), BoxError> {
        let room = Arc::new(Semaphore::new(self.most));
        let mut tasks = JoinSet::new();
        while !stop.is_cancelled() {
            while tasks.try_join_next().is_some() {}
            self.progress.tick(self.clock.now());
            let permit = tokio::select! {
                permit = Arc::clone(&room).acquire_owned() => permit?,
                () = tokio::time::sleep(Duration::from_secs(1)) => continue,
                () = stop.cancelled() => break,
            };
            let now = self.clock.now();
            let asked = Instant::now();
            match self.store.claim(now, now.plus(LEASE)).await {
                Ok(Some(claim)) => {
                    let lanes = Arc::clone(&self);
                    tasks.spawn(async move {
                        Box::pin(lanes.run_claim(claim, asked)).await;
                        drop(permit);
                    });
                }
                Ok(None) => tokio::select! {
                    () = self.store.wait_for_work(now, Duration::from_secs(1)) => {}
                    () = stop.cancelled() => {}
                },
                Err(error) => {
                    tracing::error!(error = %error, "waiting messages can't be claimed");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
        while tasks.join_next().await.is_some() {}
        Ok(())
    }

    async fn run_claim(&self, claim: Claim, asked: Instant) {
        failpoint::reached("claimed");
        let hold = Arc::new(Hold::new(self.running.enter(&claim)));
        hold.renewed(asked);
        let span = tracing::info_span!("turn", id = ?claim.turn().map(|turn| turn.to_string()), channel = %claim.conversation.channel);
        let turn = AssertUnwindSafe(self.turns.run(&claim, &hold).instrument(span)).catch_unwind();
        let ended = tokio::select! {
            ended = turn => Some(ended),
            () = self.keep_lease(&claim, &hold) => None,
            () = self.park.cancelled() => None,
        };
        match ended {
            Some(Ok(())) => {}
            Some(Err(_)) => {
                tracing::error!(turn = ?claim.turn(), "a turn panicked");
                self.turns.give_fallback(&claim).await;
            }
            None => self.give_back(&claim).await,
        }
        self.running.leave(&claim.conversation);
    }

    /// Resolves only when the lease was lost.
    async fn keep_lease(&self, claim: &Claim, hold: &Hold) {
        loop {
            tokio::time::sleep(LEASE / 3).await;
            let (until, asked) = (self.clock.now().plus(LEASE), Instant::now());
            match self.store.renew(claim, until).await {
                Ok(()) => hold.renewed(asked),
                Err(StoreError::LeaseLost) => {
                    tracing::warn!(turn = ?claim.turn(), "a lane was taken over by another worker");
                    return;
                }
                Err(_) => {}
            }
        }
    }

    async fn give_back(&self, claim: &Claim) {
        self.turns.abandon(claim);
        if let Err(error) = self.store.park(claim).await {
            tracing::warn!(error = %error, turn = ?claim.turn(), "a turn could not be parked; the next start recovers it");
        }
    }
}
