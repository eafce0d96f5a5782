//! The web channel through real sockets: whole conversations, every status, every way to fail.
#![allow(unreachable_pub, reason = "one test program of several files")]

mod browser;
mod chat;
mod errors;
mod leads;
mod server;
mod sessions;
mod sockets;
mod stream;
