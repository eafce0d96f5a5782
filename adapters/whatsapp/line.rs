//! What stands between an account with one of Meta's messengers and the intake, whichever messenger it is.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::channel::{ChannelError, DeliveryKey, Inbound, Origin, OutboundPart, Receipt, SendError};
use dovvybuddy_core::intake::{Admitted, Intake, Refusal, Seat};
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::{ConversationKey, TurnId};
use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::CallError;
use crate::message::Payload;
use crate::pace::Pace;
use crate::window::Window;

/// Small calls beside the conversation, as many at once.
const MOST_BESIDE: usize = 64;
/// How often the channel shows that it listens.
const TICK: Duration = Duration::from_secs(10);
/// How many recent things are remembered, and how long.
const REMEMBERED: u64 = 10_000;
const MEMORY: Duration = Duration::from_hours(1);
/// Stands for what staff sent where it has no words.
const NO_WORDS: &str = "…";

/// A bounded memory of recent things.
pub(crate) fn recent<K, V>(memory: Duration) -> Cache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(REMEMBERED).time_to_live(memory).build()
}

/// One account's.
pub(crate) struct Line {
    /// The platform's name in the log, and that of staff who write there.
    platform: &'static str,
    pub(crate) pace: Pace,
    pub(crate) window: Window,
    /// Where messages go while the channel runs.
    seat: Seat,
    /// What went out past the outbox, so that an event that comes again does not repeat it.
    urgent: Cache<DeliveryKey, Receipt>,
    /// The turns of messages that could not be stored and will come again.
    again: Cache<String, TurnId>,
    /// Answers of staff that were heard lately.
    overheard: Cache<String, ()>,
    /// Small calls beside the conversation, and messages being taken in.
    tasks: TaskTracker,
    hands: Arc<Semaphore>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It will be answered.
    Queued,
    /// It was answered or noted.
    Answered,
    /// It came before, or its diver was told that it is too much: neither gets better by repeating.
    Settled,
    /// It must come again.
    Again,
}

impl Taken {
    /// The platform may forget it.
    pub(crate) fn is_kept(self) -> bool {
        self != Self::Again
    }
}

impl Line {
    pub(crate) fn new(platform: &'static str, pace: Pace) -> Self {
        Self {
            platform,
            pace,
            window: Window::default(),
            seat: Seat::default(),
            urgent: recent(MEMORY),
            again: recent(MEMORY),
            overheard: recent(MEMORY),
            tasks: TaskTracker::new(),
            hands: Arc::new(Semaphore::new(MOST_BESIDE)),
        }
    }

    pub(crate) fn intake(&self) -> Option<Intake> {
        self.seat.intake()
    }

    /// Shows that the channel listens, until `stop`.
    pub(crate) async fn run(
        &self,
        intake: Intake,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> Result<(), ChannelError> {
        let clock = Arc::clone(intake.clock());
        let _seated = self.seat.take(intake);
        loop {
            progress.tick(clock.now());
            self.pace.tidy();
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Works on something that goes on even if nobody waits for it: an emergency may be on its way out.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tasks.spawn(work)
    }

    /// Makes a small call without waiting; left out when too much of that is under way.
    pub(crate) fn beside(&self, call: impl Future<Output = Result<(), CallError>> + Send + 'static) {
        let Ok(hand) = Arc::clone(&self.hands).try_acquire_owned() else { return };
        self.tasks.spawn(async move {
            if let Err(error) = call.await {
                tracing::debug!(error = %error, "a message could not be marked as read");
            }
            drop(hand);
        });
    }

    /// The turn of an event: the same when it comes again, so that nothing urgent is said twice.
    pub(crate) fn turn(&self, event: &str, intake: &Intake) -> TurnId {
        self.again.get(event).unwrap_or_else(|| TurnId(intake.clock().uuid()))
    }

    /// Hands an event in.
    pub(crate) async fn hand_in(&self, inbound: Inbound, intake: &Intake) -> Taken {
        let (event, turn) = (inbound.event_id.clone(), inbound.turn);
        match intake.accept(inbound).await {
            Ok(Admitted::Queued { .. }) => Taken::Queued,
            Ok(Admitted::Answered { .. } | Admitted::Noted { .. }) => Taken::Answered,
            Ok(Admitted::Repeat { .. }) | Err(Refusal::Limited { .. } | Refusal::Conflict) => Taken::Settled,
            Err(refusal @ (Refusal::Overloaded | Refusal::Unavailable(_))) => {
                if !self.again.contains_key(&event) {
                    tracing::warn!(%turn, why = %refusal, "a message stays with {} for now", self.platform);
                }
                self.again.insert(event, turn);
                Taken::Again
            }
        }
    }

    /// Somebody of the shop answered: the bot leaves the conversation to them for a while. `false`: it must come
    /// again.
    pub(crate) async fn overhear(
        &self,
        id: &str,
        conversation: &ConversationKey,
        words: &str,
        intake: &Intake,
    ) -> bool {
        if self.overheard.contains_key(id) {
            return true;
        }
        let words = if words.is_empty() { NO_WORDS } else { words };
        match intake.overheard(conversation, words, self.platform).await {
            Ok(()) => {
                self.overheard.insert(id.to_owned(), ());
                true
            }
            Err(error) => {
                tracing::warn!(error = %error, "a person's answer stays with {} for now", self.platform);
                false
            }
        }
    }

    /// Sends a part by `call`, which is not begun if it must wait or went out already.
    pub(crate) async fn deliver(
        &self,
        part: &OutboundPart,
        key: &DeliveryKey,
        payload: &Payload,
        call: impl Future<Output = Result<Receipt, CallError>>,
    ) -> Result<Receipt, SendError> {
        let person = &part.conversation.conversation;
        let urgent = matches!(key.origin, Origin::Urgent(_));
        if urgent && let Some(receipt) = self.urgent.get(key) {
            // The same words went out already; the event only came again because it could not be stored.
            return Ok(receipt);
        }
        if !urgent && !payload.urgent {
            self.pace.room(person).map_err(SendError::RetryAfter)?;
        }
        let receipt = call.await.map_err(|error| self.judge(person, error))?;
        if urgent {
            self.urgent.insert(*key, receipt.clone());
        }
        Ok(receipt)
    }

    /// What a failed call means for the part.
    fn judge(&self, person: &str, error: CallError) -> SendError {
        match error {
            CallError::Unauthorized(why) => {
                tracing::error!(why, "{} refuses our credentials", self.platform);
                SendError::Unauthorized
            }
            CallError::Throttled { wait, pair } => {
                if pair {
                    self.pace.quiet(person, wait);
                }
                SendError::RetryAfter(wait.max(Duration::from_secs(1)))
            }
            CallError::Closed => SendError::Rejected(CallError::Closed.to_string()),
            CallError::Unreachable(why) => {
                tracing::warn!(why, "a diver can't be written to");
                SendError::Gone
            }
            CallError::Refused(why) => SendError::Rejected(why),
            CallError::Down(cause) => SendError::Transport(cause),
            CallError::Unknown(cause) => SendError::Uncertain(cause),
        }
    }
}
