//! WhatsApp as a channel: by Meta's Cloud API ([`cloud`]), and by Twilio ([`twilio`]), which brings SMS too.
//!
//! Both bring messages by webhook, proven by a signature and answered only when they are stored. Replies go
//! out from the outbox, finished: WhatsApp's messages can be edited by nobody, and it bears only about one
//! message in six seconds to a person.

#![allow(clippy::similar_names, reason = "short names of what they hold look alike")]
#![allow(clippy::indexing_slicing, reason = "only JSON values are indexed, which gives null where nothing is")]

pub mod cloud;
mod markup;
mod pace;
pub mod twilio;
mod window;

pub use cloud::{WhatsApp, WhatsAppConfig};
pub use twilio::{Twilio, TwilioConfig};
