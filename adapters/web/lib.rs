//! The web channel: the HTTP API for divers, its event streams and WebSocket, and a chat page.
//!
//! Start at [`router`]. A message takes the same way whichever door it comes through: `body` and
//! `request` read it, `admit` hands it to the intake, `chat`, `stream` and `ws` tell the answer.
//! Everything that fails becomes HTTP in [`ApiError`].

mod about;
mod adapter;
mod admin;
mod admit;
mod body;
mod chat;
mod client;
mod client_ip;
mod config;
mod docs;
mod error;
mod feedback;
mod form;
mod headers;
mod idempotency;
mod leads;
mod limits;
mod news;
mod origin;
mod page;
mod passages;
mod path;
mod request;
mod routes;
mod sessions;
mod sites;
mod starting;
mod state;
mod stream;
mod wire;
mod ws;

pub use adapter::WebAdapter;
pub use admin::auth::key_hash;
pub use config::{ConfigError, WebConfig};
pub use docs::openapi;
pub use error::{ApiError, ErrorBody, FieldError};
pub use limits::{RateLimited, Rates};
pub use routes::{guarded, router};
pub use sites::SiteConfig;
pub use starting::starting;
pub use state::{LeadNotices, WebParts, WebState};
pub use wire::chat_response;
