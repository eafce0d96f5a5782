//! Language models, as the domain sees them.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::channel::BoxError;
use crate::session::Role;

/// A chat model that streams its answer.
#[async_trait]
pub trait LanguageModel: Send + Sync {
    /// The name shown in `metadata.model`.
    fn name(&self) -> &str;

    /// Starts an answer. The stream is complete only if its last item is [`Delta::Done`].
    async fn stream(&self, prompt: &Prompt) -> Result<DeltaStream, ModelError>;
}

/// The pieces of an answer as they come.
pub type DeltaStream = BoxStream<'static, Result<Delta, ModelError>>;

/// What a model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// The instructions.
    pub system: String,
    /// The conversation and the question, oldest first.
    pub messages: Vec<(Role, String)>,
    /// 0 to 2.
    pub temperature: f32,
    /// The longest answer, in tokens.
    pub max_tokens: u32,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Text.
    Text(String),
    /// The terminal signal: the answer is complete.
    Done(TokenUsage),
}

/// Tokens of one call, as the provider counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// Tokens of the prompt.
    pub prompt: u32,
    /// Tokens of the answer.
    pub completion: u32,
}

/// Why a model gave no complete answer.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No first token, or no end, in time.
    #[error("the model took too long")]
    Timeout,
    /// The provider asks to slow down.
    #[error("the provider refused for its rate limit")]
    RateLimited(Option<Duration>),
    /// The provider is down or can't be reached.
    #[error("the provider can't be reached")]
    Unavailable(#[source] BoxError),
    /// Our key was refused.
    #[error("the provider refused our key")]
    Unauthorized,
    /// The provider refused the request itself.
    #[error("the provider refused the request: {0}")]
    Rejected(String),
    /// The answer could not be read.
    #[error("the provider's answer can't be read")]
    Garbled(#[source] BoxError),
    /// The stream ended without its terminal signal.
    #[error("the answer ended before it was complete")]
    Incomplete,
    /// A spend cap is reached.
    #[error("the budget is used up")]
    OverBudget,
    /// The breaker is open, or too many calls are in flight.
    #[error("the model is resting after failures")]
    Resting,
}
