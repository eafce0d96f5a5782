//! What goes out to operators: leads by mail and by signed webhook.
//!
//! Both are outlets of the outbox, which stores, orders and retries; what is here makes one attempt
//! and says what became of it. [`lead_notices`] writes what is to be sent when a lead is stored, so
//! that every attempt sends the same words.

mod address;
mod error;
mod lead;
mod mail;
mod signature;
mod webhook;

pub use address::Allowed;
pub use error::ConfigError;
pub use lead::{LEAD_WEBHOOK, MAIL, lead_notices};
pub use mail::{MailConfig, MailOutlet};
pub use signature::{Secret, sign};
pub use webhook::{LeadWebhookConfig, LeadWebhookOutlet};
