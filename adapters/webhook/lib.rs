//! Webhooks as the Standard Webhooks specification writes them, in both directions.
//!
//! In: any system that can post JSON brings its divers' messages to `POST /webhooks/<name>` ([`Hook`],
//! [`router`]). Out: replies to the callback address, leads and events to the operator. All of it is signed,
//! and reaches no address inside the operator's own network unless that is listed ([`Allowed`]). Outlets
//! make one attempt and say what became of it; the outbox orders and retries.

mod address;
mod error;
mod events;
mod hook;
mod lead;
mod message;
mod post;
mod receive;
mod seat;
mod signature;

pub use address::Allowed;
pub use error::ConfigError;
pub use events::{EMERGENCY_EVENTS, EVENTS, EventsConfig, EventsOutlet, KINDS, event_notice};
pub use hook::{Hook, HookConfig, Hooks, ReplyBy, TAKEN, visible_text};
pub use lead::{LEAD_WEBHOOK, LeadWebhookConfig, LeadWebhookOutlet, lead_notice};
pub use message::WrongField;
pub use receive::{Answers, Problem, router};
pub use signature::{Proof, Secret, Unproven, sign, verify};
