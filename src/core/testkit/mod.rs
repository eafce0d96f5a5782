//! Fakes, and the contract suites that every store and adapter runs.
//!
//! For tests only: everything here panics where a rule is broken.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "this is test code that other crates' tests share; a panic is how a rule reports"
)]

pub mod channel_contract;
pub mod chat;
pub mod clock;
pub mod minds;
pub mod store_contract;
