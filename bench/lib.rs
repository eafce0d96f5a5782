//! What the benchmark programs share: a load generator that costs little, and a look at processes.
//!
//! The programs: `bench-floor` (a bare axum program that does the least a turn needs), `bench-spine`
//! (our spine with an agent that echoes), `bench-load` (the generator by hand), `bench-run`
//! (everything, compared within one run). `bench/README.md` says what the figures mean.

pub mod client;
pub mod corpus;
pub mod generator;
pub mod latency;
pub mod process;
pub mod slow;
pub mod trips;

/// Connections to Postgres of each program that is compared.
pub const CONNECTIONS: u32 = 16;

/// A cause, for a person who reads the terminal.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
