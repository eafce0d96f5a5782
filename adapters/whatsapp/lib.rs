//! Meta's messengers and Twilio as channels: WhatsApp by the Cloud API ([`cloud`]), Instagram and Messenger by the
//! Send API ([`messenger`]), all three by one webhook ([`graph`]); WhatsApp and SMS by Twilio ([`twilio`]).
//!
//! All bring messages by webhook, proven by a signature and answered only when they are stored. Replies go
//! out from the outbox, finished: nobody can edit these messages, and the platforms bear few of them to a person.

#![allow(clippy::similar_names, reason = "short names of what they hold look alike")]
#![allow(clippy::indexing_slicing, reason = "only JSON values are indexed, which gives null where nothing is")]

mod api;
pub mod cloud;
pub mod graph;
mod line;
mod markup;
mod message;
pub mod messenger;
mod pace;
mod signature;
pub mod twilio;
mod window;

pub use cloud::{WhatsApp, WhatsAppConfig};
pub use messenger::{Messenger, MessengerConfig, Product};
pub use twilio::{Twilio, TwilioConfig};
