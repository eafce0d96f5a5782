//! Stand-ins for the services the daemon talks to: a model, a mail server, a receiver of webhooks,
//! Telegram, Discord, WhatsApp, Twilio.
//!
//! Each listens on a real socket and is as faithful as the daemon needs, faults included. A test starts
//! one with `start(addr)` and holds its handle; `cargo run -p dovvybuddy-fakes -- model --port 9001`
//! starts one by hand. [`postgres`] and [`pair`] are no stand-ins: they hand out databases of real servers.

#![allow(clippy::indexing_slicing, reason = "indexing a JSON value gives null where nothing is")]

pub mod discord;
pub mod graph;
pub mod model;
pub mod pair;
pub mod postgres;
pub mod smtp;
pub mod telegram;
pub mod twilio;
pub mod webhook;

mod served;
