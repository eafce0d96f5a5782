//! What a call may cost, reserved before it and settled after.

use std::sync::Arc;

use dovvybuddy_core::agent::Asked;
use dovvybuddy_core::clock::Clock;
use dovvybuddy_core::model::{ModelError, Prompt, TokenUsage};
use dovvybuddy_core::store::{Ledger, Spend, SpendCaps};

use super::Limits;

/// Where spending is kept, and how much of it there may be.
#[derive(Clone)]
pub struct Spending {
    /// The account book.
    pub ledger: Arc<dyn Ledger>,
    /// The caps per day.
    pub caps: SpendCaps,
}

/// A reservation; without caps there is none.
pub(crate) struct Reservation<'s> {
    held: Option<(&'s dyn Ledger, i64)>,
    limits: Limits,
    /// Tokens the prompt probably has.
    prompt: u32,
}

impl<'s> Reservation<'s> {
    /// Reserves the most this call may use. Without a store to ask, a capped call is not made.
    pub(crate) async fn make(
        spending: Option<&'s Spending>,
        clock: &dyn Clock,
        asked: &Asked,
        prompt: &Prompt,
        limits: Limits,
    ) -> Result<Self, ModelError> {
        let estimate = prompt_tokens(prompt);
        let open = Self { held: None, limits, prompt: estimate };
        let Some(spending) = spending.filter(|s| s.caps != SpendCaps::default()) else { return Ok(open) };
        let most = TokenUsage { prompt: estimate, completion: prompt.max_tokens };
        let spend = Spend {
            day: clock.now().day(),
            diver: asked.diver.encode(),
            tokens: u64::from(most.prompt) + u64::from(most.completion),
            cost_micros: limits.cost(most),
        };
        match spending.ledger.reserve(&spend, &spending.caps).await {
            Ok(Some(id)) => Ok(Self { held: Some((spending.ledger.as_ref(), id)), ..open }),
            Ok(None) => Err(ModelError::OverBudget),
            Err(error) => {
                tracing::warn!(%error, "spending can't be reserved; the model is not asked");
                Err(ModelError::OverBudget)
            }
        }
    }

    /// Books what was really used and returns it with its cost. A failed settlement leaves the
    /// reservation standing, which errs to the safe side.
    pub(crate) async fn settle(self, used: TokenUsage) -> (TokenUsage, u64) {
        let cost = self.limits.cost(used);
        if let Some((ledger, id)) = self.held {
            let tokens = u64::from(used.prompt) + u64::from(used.completion);
            if let Err(error) = ledger.settle_spend(id, tokens, cost).await {
                tracing::warn!(%error, "a spend could not be settled; its reservation stands");
            }
        }
        (used, cost)
    }

    /// What a call that broke off after `answered` bytes has probably used.
    pub(crate) fn broken_off(&self, answered: usize) -> TokenUsage {
        if answered == 0 {
            return TokenUsage::default();
        }
        TokenUsage { prompt: self.prompt, completion: u32::try_from(answered / 4).unwrap_or(u32::MAX) }
    }
}

/// Tokens of a prompt at most: three bytes make one even where words are long.
fn prompt_tokens(prompt: &Prompt) -> u32 {
    let bytes = prompt.system.len() + prompt.messages.iter().map(|(_, text)| text.len() + 12).sum::<usize>();
    u32::try_from(bytes / 3 + 1).unwrap_or(u32::MAX)
}
