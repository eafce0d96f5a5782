//! Whole conversations with the real binary, over real sockets, against fakes that can fail.
//!
//! Each file is one subject. `support` starts and stops daemons; a test owns its daemon and its
//! directory, so that tests run side by side.

#![allow(missing_docs, reason = "tests describe themselves by their names")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what was not expected ends the test"
)]

mod adoption;
mod api;
mod commands;
mod configuration;
mod crashes;
mod discord;
mod discord_commands;
mod discord_gateway;
mod discord_support;
mod emergencies;
mod leads;
mod messenger;
mod models;
mod operation;
mod platforms;
mod postgres;
mod reload;
mod replicas;
mod routing;
mod slow_clients;
mod storage;
mod support;
mod telegram;
mod terminal;
mod twilio;
mod webhook;
mod whatsapp;
mod wire;
