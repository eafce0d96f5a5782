//! The outbox worker: parts on their way out, in order per conversation, until each has a receipt.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::channel::{BoxError, DeliveryKey, OutboundPart, Outlet, SendError};
use crate::clock::Clock;
use crate::failpoint;
use crate::ids::ChannelId;
use crate::lanes::SURE;
use crate::store::{DuePart, PartResult, Store};
use crate::supervise::Progress;

/// The longest a single send may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// A part that could not be sent for this long is given up, unless its outlet knows better.
pub const GIVE_UP_AFTER: Duration = Duration::from_hours(28);
/// A part that was taken this long ago and not sent yet may have been given to another replica: this one stood still,
/// or was cut off. See [`crate::lanes::SURE`].
const TAKEN_TOO_LONG: Duration = SURE;
/// A clock that goes back by less than this is merely kept true.
const UNEVEN: Duration = Duration::from_secs(5);
/// How many parts are sent at once.
const AT_ONCE: usize = 64;

/// Sends what the outbox holds.
pub struct Deliveries {
    /// The outbox.
    pub store: Arc<dyn Store>,
    /// Where parts go, by outlet.
    pub outlets: HashMap<ChannelId, Arc<dyn Outlet>>,
    /// Time, and randomness for the jitter.
    pub clock: Arc<dyn Clock>,
    /// The loop's watermark.
    pub progress: Arc<Progress>,
    /// Fired when the daemon stops.
    pub stopping: CancellationToken,
}

impl Deliveries {
    /// Sends until `stop`, then lets what is under way end.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<(), BoxError> {
        let mut sending = JoinSet::new();
        let mut latest = self.clock.now();
        while !stop.is_cancelled() {
            while sending.try_join_next().is_some() {}
            let now = self.clock.now();
            if latest > now.plus(UNEVEN) {
                tracing::warn!("the clock was put back; what it had put off is sent now");
                if let Err(error) = self.store.clock_was_put_back(now).await {
                    tracing::error!(error = %error, "the outbox can't be written");
                }
            }
            latest = now;
            self.progress.tick(now);
            let room = AT_ONCE.saturating_sub(sending.len());
            let taken = Instant::now();
            let due = if room == 0 { Vec::new() } else { self.due(now, room).await };
            let found_none = due.is_empty() && room > 0;
            for part in due {
                let deliveries = Arc::clone(&self);
                sending.spawn(async move { deliveries.deliver(part, taken).await });
            }
            if room == 0 {
                tokio::select! {
                    _ = sending.join_next() => {}
                    () = stop.cancelled() => {}
                }
            } else if found_none {
                tokio::select! {
                    () = self.store.wait_for_parts(now, Duration::from_secs(1)) => {}
                    Some(_) = sending.join_next(), if !sending.is_empty() => {}
                    () = stop.cancelled() => {}
                }
            }
        }
        while sending.join_next().await.is_some() {}
        Ok(())
    }

    async fn due(&self, now: crate::Timestamp, room: usize) -> Vec<DuePart> {
        match self.store.due(now, room).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(error = %error, "the outbox can't be read");
                tokio::time::sleep(Duration::from_millis(500)).await;
                Vec::new()
            }
        }
    }

    async fn deliver(&self, part: DuePart, taken: Instant) {
        failpoint::reached("part_started");
        let result = if taken.elapsed() >= TAKEN_TOO_LONG {
            // Counts only if it is still ours.
            let at = self.clock.now();
            PartResult::Retry { at, error: "taken too long ago to be sent".into(), uncertain: false }
        } else if let Some(outlet) = self.outlets.get(&part.outlet) {
            self.send(&**outlet, &part).await
        } else {
            let again = Retry { pause: Duration::from_mins(5), uncertain: false, most: GIVE_UP_AFTER };
            self.retry(&part, "no such outlet is configured".into(), again)
        };
        failpoint::reached("part_sent");
        let outcome = match &result {
            PartResult::Sent { .. } => "sent",
            PartResult::Retry { uncertain: true, .. } => "uncertain",
            PartResult::Retry { .. } => "retry",
            PartResult::Dead { .. } => "dead",
        };
        metrics::counter!("dovvybuddy_parts_total", "outlet" => part.outlet.to_string(), "outcome" => outcome)
            .increment(1);
        if let PartResult::Sent { at, .. } = &result {
            metrics::histogram!("dovvybuddy_delivery_seconds").record(at.since(part.created_at));
        }
        // An edit that is repeated doubles nothing.
        if part.uncertain && part.replaces.is_none() {
            tracing::warn!(
                outlet = %part.outlet, part = part.id,
                "whether a part had arrived is not known: it was sent once more, and may be there twice"
            );
            metrics::counter!("dovvybuddy_possible_duplicates_total", "outlet" => part.outlet.to_string()).increment(1);
        }
        self.settle(part.id, &result, outcome).await;
    }

    /// Stores what became of a part. Until that is done nothing behind it can go out, so it is tried
    /// until the store takes it.
    async fn settle(&self, part: i64, result: &PartResult, outcome: &str) {
        let mut pause = Duration::from_millis(200);
        while let Err(error) = self.store.settle(part, result).await {
            tracing::error!(error = %error, part, outcome, "a receipt can't be stored yet");
            if self.stopping.is_cancelled() {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(10));
        }
    }

    async fn send(&self, outlet: &dyn Outlet, part: &DuePart) -> PartResult {
        let key = DeliveryKey::outbox(part.id, part.part);
        let outbound = OutboundPart {
            conversation: part.conversation.clone(),
            payload: part.payload.clone(),
            context: part.context.clone(),
            written_at: part.created_at,
            replaces: part.replaces.clone(),
            progress: false,
        };
        let attempt = AssertUnwindSafe(outlet.send(&outbound, &key)).catch_unwind();
        let sent = match tokio::time::timeout(SEND_TIMEOUT, attempt).await {
            Ok(Ok(sent)) => sent,
            Ok(Err(_)) => Err(SendError::Uncertain("the outlet panicked".into())),
            Err(_) => Err(SendError::Uncertain("no answer in time".into())),
        };
        let error = match sent {
            Ok(receipt) => return PartResult::Sent { receipt, at: self.clock.now() },
            Err(error) => error,
        };
        let text = error.to_string();
        let attempts = part.attempts + 1;
        if let SendError::RetryAfter(_) = error {
            // A pace that is kept is no fault.
            tracing::debug!(outlet = %part.outlet, part = part.id, attempts, error = text, "a part waits");
        } else {
            tracing::warn!(outlet = %part.outlet, part = part.id, attempts, error = text, "a part was not delivered");
        }
        let later = backoff(part.attempts, outlet.longest_pause(), self.clock.uuid().as_u128());
        let (pause, uncertain) = match error {
            SendError::RetryAfter(pause) => (pause, false),
            SendError::Gone | SendError::Rejected(_) => return PartResult::Dead { error: text },
            SendError::Unauthorized => (until_authorized(part.attempts), false),
            SendError::Uncertain(_) => (later, true),
            SendError::Transport(_) => (later, false),
        };
        self.retry(part, text, Retry { pause, uncertain, most: outlet.gives_up_after() })
    }

    fn retry(&self, part: &DuePart, error: String, again: Retry) -> PartResult {
        let Retry { pause, uncertain, most } = again;
        let now = self.clock.now();
        if now.since(part.created_at) > most {
            return PartResult::Dead { error };
        }
        PartResult::Retry { at: now.plus(pause), error, uncertain }
    }
}

/// How a part is tried again.
#[derive(Clone, Copy)]
struct Retry {
    /// After how long.
    pause: Duration,
    /// It may have arrived.
    uncertain: bool,
    /// How long in all.
    most: Duration,
}

/// A platform may refuse its credentials once by mistake, and a diver waits; or for good, until somebody mends it.
fn until_authorized(attempts: u32) -> Duration {
    Duration::from_mins(1).min(Duration::from_secs(5) * 2u32.saturating_pow(attempts.min(10)))
}

/// Doubles from one second, with up to half of it as jitter drawn from `random`.
fn backoff(attempts: u32, longest: Duration, random: u128) -> Duration {
    let base = longest.min(Duration::from_secs(1) * 2u32.saturating_pow(attempts.min(20)));
    let permille = u32::try_from(random % 500).unwrap_or(0);
    base + base / 1000 * permille
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stay_bounded() {
        let longest = Duration::from_hours(3);
        assert_eq!(backoff(0, longest, 0), Duration::from_secs(1));
        assert_eq!(backoff(3, longest, 0), Duration::from_secs(8));
        assert!(backoff(60, longest, 499) < longest * 3 / 2);
    }

    #[test]
    fn refused_credentials_are_tried_soon_and_then_once_a_minute() {
        assert_eq!([0, 1, 2, 3, 4, u32::MAX].map(|n| until_authorized(n).as_secs()), [5, 10, 20, 40, 60, 60]);
    }
}
