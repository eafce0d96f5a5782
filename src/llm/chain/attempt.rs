//! One call of one model, from the reservation to the settlement.

use std::time::Duration;

use dovvybuddy_core::agent::Asked;
use dovvybuddy_core::clock::Clock;
use dovvybuddy_core::model::{Delta, ModelError, Prompt, TokenUsage};
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::breaker::{Health, Permit};
use super::limits::Member;
use super::spend::{Reservation, Spending};
use crate::grounding::Gate;
use crate::writer::Writer;

/// The longest wait for a free place at a model.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// A key that was refused is not tried again before this.
pub(super) const UNAUTHORIZED_REST: Duration = Duration::from_mins(1);

/// The longest answer that is read, in bytes; more is no answer to a chat message.
const LONGEST_ANSWER: usize = 32 << 10;

/// One call.
pub(crate) struct Attempt<'a> {
    pub(crate) member: &'a Member,
    pub(crate) prompt: &'a Prompt,
    pub(crate) asked: &'a Asked,
    pub(crate) spending: Option<&'a Spending>,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) until: Instant,
    pub(crate) gate: Gate<'a>,
    pub(crate) permit: Option<Permit<'a>>,
}

/// How a call ended.
pub(crate) enum Ended {
    /// The model's answer is complete.
    Answered,
    /// The model was not asked: it rests, is full, or the caps or the budget forbid it.
    NotAsked,
    /// The call failed.
    Failed(ModelError),
}

/// What a call did.
pub(crate) struct Outcome {
    pub(crate) ended: Ended,
    pub(crate) asked: bool,
    pub(crate) used: TokenUsage,
    pub(crate) cost_micros: u64,
}

impl Outcome {
    const NOT_ASKED: Self =
        Self { ended: Ended::NotAsked, asked: false, used: TokenUsage { prompt: 0, completion: 0 }, cost_micros: 0 };
}

impl Attempt<'_> {
    /// Makes the call and releases what may be said as it comes.
    pub(crate) async fn run(&mut self, writer: &mut Writer<'_>) -> Outcome {
        let wait = (Instant::now() + LONGEST_WAIT).min(self.until);
        let Ok(Ok(_place)) = timeout_at(wait, self.member.places.acquire()).await else {
            self.member.count("busy");
            return Outcome::NOT_ASKED;
        };
        let reserved = Reservation::make(self.spending, self.clock, self.asked, self.prompt, self.member.limits).await;
        let Ok(reservation) = reserved else {
            self.member.count("over_budget");
            return Outcome::NOT_ASKED;
        };
        let mut answered = 0;
        let result = match timeout_at(self.until, self.read(writer, &mut answered)).await {
            Ok(result) => result,
            Err(_) => Err(ModelError::Timeout),
        };
        let used = match &result {
            Ok(used) => *used,
            Err(_) => reservation.broken_off(answered),
        };
        if result.is_err() {
            self.gate.finish(false, writer);
        }
        let (used, cost_micros) = reservation.settle(used).await;
        self.member.meter(used, cost_micros);
        Outcome { ended: self.judge(result), asked: true, used, cost_micros }
    }

    async fn read(&mut self, writer: &mut Writer<'_>, answered: &mut usize) -> Result<TokenUsage, ModelError> {
        let started = Instant::now();
        let mut stream = self.member.model.stream(self.prompt).await?;
        while let Some(delta) = stream.next().await {
            match delta? {
                Delta::Text(text) => {
                    if *answered == 0 {
                        metrics::histogram!("dovvybuddy_model_first_token_seconds", "model" => self.member.name.clone())
                            .record(started.elapsed().as_secs_f64());
                    }
                    *answered += text.len();
                    if *answered > LONGEST_ANSWER {
                        return Err(ModelError::Garbled("the answer is too long".into()));
                    }
                    self.gate.push(&text, writer);
                }
                Delta::Done(used) => {
                    // An answer that used up all it may have was cut, most likely inside a sentence.
                    self.gate.finish(used.completion < self.prompt.max_tokens, writer);
                    return Ok(used);
                }
            }
        }
        Err(ModelError::Incomplete)
    }

    /// Tells breaker, log and metrics how it went.
    fn judge(&mut self, result: Result<TokenUsage, ModelError>) -> Ended {
        let now = Instant::now();
        let permit = self.permit.take();
        let ended = match result {
            Ok(_) => {
                permit.into_iter().for_each(Permit::succeeded);
                self.member.count("ok");
                Ended::Answered
            }
            Err(error) => {
                let rest = match &error {
                    ModelError::RateLimited(after) => *after,
                    ModelError::Unauthorized => Some(UNAUTHORIZED_REST),
                    _ => None,
                };
                if let Some(permit) = permit {
                    permit.failed(now, rest);
                }
                self.member.count(word(&error));
                tracing::warn!(
                    model = self.member.name,
                    %error,
                    released = self.gate.released(),
                    held_back = self.gate.dropped(),
                    breaker = self.member.state(now),
                    "a model's answer failed"
                );
                Ended::Failed(error)
            }
        };
        let state = match self.member.breaker.health(now) {
            Health::Closed => 0.0,
            Health::HalfOpen => 1.0,
            Health::Open => 2.0,
        };
        metrics::gauge!("dovvybuddy_model_breaker_state", "model" => self.member.name.clone()).set(state);
        ended
    }
}

pub(super) const fn word(error: &ModelError) -> &'static str {
    match error {
        ModelError::Timeout => "timeout",
        ModelError::RateLimited(_) => "rate_limited",
        ModelError::Unavailable(_) => "unavailable",
        ModelError::Unauthorized => "unauthorized",
        ModelError::Rejected(_) => "rejected",
        ModelError::Garbled(_) => "garbled",
        ModelError::Incomplete => "incomplete",
        ModelError::OverBudget => "over_budget",
        ModelError::Resting => "resting",
    }
}
