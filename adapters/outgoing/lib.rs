//! What goes out to operators by mail: leads.
//!
//! It is an outlet of the outbox, which stores, orders and retries; what is here makes one attempt
//! and says what became of it. [`lead_notice`] writes what is to be sent when a lead is stored, so
//! that every attempt sends the same words.

mod error;
mod lead;
mod mail;

pub use error::ConfigError;
pub use lead::{MAIL, lead_notice};
pub use mail::{MailConfig, MailOutlet};
