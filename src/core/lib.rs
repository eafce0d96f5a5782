//! The domain of `DovvyBuddy`: its words, its ports, and the turn.
//!
//! Nothing here does I/O. Stores, channels, models and the knowledge behind the ports live in crates
//! of their own, and the daemon puts them together.
//!
//! Reading order: [`turn`] is the program in one page. [`channel`] and [`store`] are the ports that
//! matter most. Everything else is reached from there.

pub mod accompany;
pub mod action;
pub mod agent;
pub mod alert;
pub mod channel;
pub mod clock;
mod commands;
mod compose;
mod connect;
pub mod delivery;
pub mod events;
pub mod failpoint;
pub mod guard;
pub mod handover;
pub mod hearing;
pub mod identity;
pub mod ids;
pub mod intake;
pub mod knowledge;
pub mod lanes;
pub mod lang;
pub mod lead;
mod lead_flow;
pub mod limit;
pub mod model;
pub mod news;
mod offers;
mod opening;
pub mod phrase;
mod pressed;
pub mod questions;
pub mod reply;
mod report;
pub mod session;
pub mod shelf;
pub mod spine;
pub mod split;
pub mod store;
pub mod styled;
pub mod summary;
pub mod supervise;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod turn;
mod wordless;

pub use clock::{Clock, SystemClock, Timestamp};
pub use ids::{AgentId, AlertId, BotId, ChannelId, ConversationKey, DiverKey, LeadId, SessionId, TurnId};
pub use lang::Lang;
pub use wordless::wordless;
