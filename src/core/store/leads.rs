//! Leads.

use async_trait::async_trait;

use super::{Notice, StoreError};
use crate::clock::Timestamp;
use crate::ids::{BotId, LeadId};
use crate::lead::{Lead, LeadRecord};

/// Leads.
#[async_trait]
pub trait Leads: Send + Sync + 'static {
    /// Stores the lead and its deliveries in one write.
    async fn add_lead(&self, lead: &Lead, deliveries: &[Notice]) -> Result<(), StoreError>;

    /// The newest leads with the state of their deliveries.
    async fn leads(&self, bot: &BotId, limit: usize) -> Result<Vec<LeadRecord>, StoreError>;

    /// Puts deliveries of a lead into the outbox once more; `false` if there is no such lead.
    async fn resend_lead(&self, id: LeadId, deliveries: &[Notice], at: Timestamp) -> Result<bool, StoreError>;
}
