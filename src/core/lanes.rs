//! Lanes: one conversation's turns one after another, many conversations at once.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::channel::BoxError;
use crate::clock::Clock;
use crate::failpoint;
use crate::ids::ConversationKey;
use crate::store::{Claim, Store};
use crate::supervise::Progress;
use crate::turn::Turns;

/// How long a lane is leased; renewed while its turn runs. Another replica may take a dead one's lane
/// after that.
pub const LEASE: Duration = Duration::from_secs(15);

/// The turns that run now, by conversation.
#[derive(Debug, Default)]
pub struct Running(Mutex<HashMap<ConversationKey, CancellationToken>>);

impl Running {
    /// Stops what runs in a conversation, if anything does.
    pub fn cut_short(&self, conversation: &ConversationKey) {
        if let Some(turn) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(conversation) {
            turn.cancel();
        }
    }

    /// How many run.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn enter(&self, conversation: &ConversationKey) -> CancellationToken {
        let cut = CancellationToken::new();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(conversation.clone(), cut.clone());
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
            match self.store.claim(now, now.plus(LEASE)).await {
                Ok(Some(claim)) => {
                    let lanes = Arc::clone(&self);
                    tasks.spawn(async move {
                        Box::pin(lanes.run_claim(claim)).await;
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

    async fn run_claim(&self, claim: Claim) {
        failpoint::reached("claimed");
        let cut = self.running.enter(&claim.conversation);
        let span = tracing::info_span!("turn", id = ?claim.turn().map(|turn| turn.to_string()), channel = %claim.conversation.channel);
        let turn = AssertUnwindSafe(self.turns.run(&claim, &cut).instrument(span)).catch_unwind();
        let ended = tokio::select! {
            ended = turn => Some(ended),
            () = self.keep_lease(&claim) => None,
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
    async fn keep_lease(&self, claim: &Claim) {
        loop {
            tokio::time::sleep(LEASE / 3).await;
            let until = self.clock.now().plus(LEASE);
            if let Err(crate::store::StoreError::LeaseLost) = self.store.renew(claim, until).await {
                tracing::warn!(turn = ?claim.turn(), "a lane was taken over by another worker");
                return;
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
