//! The web channel through real sockets: whole conversations, every status, every way to fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]
#![allow(unreachable_pub, reason = "one test program of several files")]

mod admin;
mod browser;
mod chat;
mod errors;
mod leads;
mod server;
mod sessions;
mod sites;
mod sockets;
mod stream;
