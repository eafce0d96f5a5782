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

use std::time::Duration;

/// The longest that something may take whose figure on a quiet machine is `figure`.
///
/// A suite runs beside builds and other tests; there it only finds a wait that should not be. With
/// `TEST_FIGURES=1` the figure itself holds.
pub fn at_most(figure: Duration) -> Duration {
    if std::env::var_os("TEST_FIGURES").is_some() { figure } else { figure * BUSY }
}

/// How much slower a busy machine may be. Less than what sets our waits apart: half a second from two.
const BUSY: u32 = 4;
