//! What models cost.

use async_trait::async_trait;

use super::StoreError;

/// What models cost, and the caps on it.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Reserves `tokens` and `cost_micros` for a diver on a day, if no cap would be passed.
    async fn reserve(&self, spend: &Spend, caps: &SpendCaps) -> Result<Option<i64>, StoreError>;

    /// Replaces a reservation by what was really used.
    async fn settle_spend(&self, reservation: i64, tokens: u64, cost_micros: u64) -> Result<(), StoreError>;

    /// What was spent and reserved on a day by everyone.
    async fn spent(&self, day: &str) -> Result<(u64, u64), StoreError>;
}

/// A spend that is to be reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// The UTC day.
    pub day: String,
    /// Who asks; [`crate::DiverKey::encode`].
    pub diver: String,
    /// Tokens at most.
    pub tokens: u64,
    /// Cost at most, in millionths of the configured currency.
    pub cost_micros: u64,
}

/// Caps per day; 0 means none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpendCaps {
    /// Tokens of one diver.
    pub diver_tokens: u64,
    /// Tokens of everyone.
    pub all_tokens: u64,
    /// Cost of everyone, in millionths.
    pub all_cost_micros: u64,
}
