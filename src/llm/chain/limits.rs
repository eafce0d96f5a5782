//! A model in the chain, with what it may be asked.

use std::sync::Arc;

use dovvybuddy_core::model::{LanguageModel, TokenUsage};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::breaker::{Breaker, Health};
use super::budget::Budget;

/// Limits and prices of one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Calls at the same time.
    pub max_concurrency: usize,
    /// Price of a million prompt tokens.
    pub price_in: f64,
    /// Price of a million answer tokens.
    pub price_out: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_concurrency: 32, price_in: 0.0, price_out: 0.0 }
    }
}

impl Limits {
    /// What tokens cost, in millionths of the currency, rounded up.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "prices are checked to be finite and not negative; the cast saturates"
    )]
    pub fn cost(self, used: TokenUsage) -> u64 {
        // A price per million tokens is a number of millionths per token.
        (f64::from(used.prompt) * self.price_in + f64::from(used.completion) * self.price_out).ceil() as u64
    }
}

/// A model with its limits and its health.
pub struct Member {
    pub(crate) name: String,
    pub(crate) model: Arc<dyn LanguageModel>,
    pub(crate) limits: Limits,
    pub(crate) breaker: Breaker,
    pub(crate) retries: Budget,
    pub(crate) places: Semaphore,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("name", &self.name).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Member {
    /// A model under a name for logs and metrics.
    pub fn new(name: impl Into<String>, model: Arc<dyn LanguageModel>, limits: Limits) -> Self {
        let places = Semaphore::new(limits.max_concurrency.clamp(1, Semaphore::MAX_PERMITS));
        Self { name: name.into(), model, limits, breaker: Breaker::default(), retries: Budget::default(), places }
    }

    /// Its name, for logs and people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The model itself.
    pub fn model(&self) -> &dyn LanguageModel {
        &*self.model
    }

    /// Counts a call by how it went.
    pub(crate) fn count(&self, outcome: &'static str) {
        metrics::counter!("dovvybuddy_model_calls_total", "model" => self.name.clone(), "outcome" => outcome)
            .increment(1);
    }

    /// Counts what a call used.
    pub(crate) fn meter(&self, used: TokenUsage, cost_micros: u64) {
        for (kind, tokens) in [("prompt", used.prompt), ("completion", used.completion)] {
            metrics::counter!("dovvybuddy_model_tokens_total", "model" => self.name.clone(), "kind" => kind)
                .increment(u64::from(tokens));
        }
        metrics::counter!("dovvybuddy_model_cost_micros_total", "model" => self.name.clone()).increment(cost_micros);
    }

    /// The breaker's state as a word.
    pub(crate) fn state(&self, now: Instant) -> &'static str {
        match self.breaker.health(now) {
            Health::Closed => "closed",
            Health::HalfOpen => "half_open",
            Health::Open => "open",
        }
    }
}
