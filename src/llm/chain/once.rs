//! One short question beside the answer: asked once, inside a budget, paid from the same caps.

use dovvybuddy_core::agent::Asked;
use dovvybuddy_core::model::{Delta, LanguageModel, ModelError, Prompt, TokenUsage};
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::Chain;
use super::attempt::{UNAUTHORIZED_REST, word};
use super::breaker::Health;
use super::spend::Reservation;

/// The longest reply that is read, in bytes.
const LONGEST: usize = 256;

impl Chain {
    /// Asks the first model that is well, once, and gives its whole reply. Nothing is repeated and no other
    /// model is tried: whoever asks goes on without. The call counts in metrics, spend caps and breaker.
    pub async fn ask_once(&self, prompt: &Prompt, asked: &Asked, until: Instant) -> Result<String, ModelError> {
        let now = Instant::now();
        let well = self.members.iter().find(|member| member.breaker.health(now) == Health::Closed);
        let (member, permit) =
            well.and_then(|member| Some((member, member.breaker.permit(now)?))).ok_or(ModelError::Resting)?;
        let Ok(Ok(_place)) = timeout_at(until, member.places.acquire()).await else {
            member.count("busy");
            return Err(ModelError::Resting);
        };
        let reserving = Reservation::make(self.spending.as_ref(), self.clock.as_ref(), asked, prompt, member.limits);
        let reservation = match timeout_at(until, reserving).await {
            Ok(Ok(reservation)) => reservation,
            Ok(Err(error)) => {
                member.count("over_budget");
                return Err(error);
            }
            Err(_) => return Err(ModelError::Timeout),
        };

        let mut text = String::new();
        let result = timeout_at(until, read(&*member.model, prompt, &mut text)).await;
        let result = result.unwrap_or(Err(ModelError::Timeout));
        let used = match &result {
            Ok(used) => *used,
            // It was cut off by us, so that it may well have been working.
            Err(ModelError::Timeout) => reservation.broken_off(text.len().max(1)),
            Err(_) => reservation.broken_off(text.len()),
        };
        let (used, cost_micros) = reservation.settle(used).await;
        member.meter(used, cost_micros);
        match result {
            Ok(_) => {
                permit.succeeded();
                member.count("ok");
                Ok(text)
            }
            Err(error) => {
                member.count(word(&error));
                match &error {
                    // Too slow for this budget says nothing about the time an answer has.
                    ModelError::Timeout => drop(permit),
                    ModelError::RateLimited(after) => permit.failed(Instant::now(), *after),
                    ModelError::Unauthorized => permit.failed(Instant::now(), Some(UNAUTHORIZED_REST)),
                    _ => permit.failed(Instant::now(), None),
                }
                Err(error)
            }
        }
    }
}

async fn read(model: &dyn LanguageModel, prompt: &Prompt, text: &mut String) -> Result<TokenUsage, ModelError> {
    let mut stream = model.stream(prompt).await?;
    while let Some(delta) = stream.next().await {
        match delta? {
            Delta::Text(piece) => {
                text.push_str(&piece);
                if text.len() > LONGEST {
                    return Err(ModelError::Garbled("the reply is too long".into()));
                }
            }
            Delta::Done(used) => return Ok(used),
        }
    }
    Err(ModelError::Incomplete)
}
