//! The embedded store: one `SQLite` file.
//!
//! Reading order: [`SqliteStore`] is the handle; `open` starts it, `writer` commits in groups, `batch`
//! is a group's transaction, `lanes` orders what waits, `recall` spares reads, `checkpoint` and
//! `privacy/erase` look after the files. Every other file implements one topic of [`dovvybuddy_core::store`].

mod accept;
mod alerts;
mod audit;
mod backup;
mod batch;
mod checkpoint;
mod editions;
mod fault;
mod finish;
mod hand_over;
mod identities;
mod inbox;
mod keys;
mod knowledge;
mod lanes;
mod leads;
mod leases;
mod ledger;
mod news;
mod open;
mod outbox;
mod overview;
mod pauses;
mod placeholders;
mod privacy;
mod recall;
mod rows;
mod schema;
mod sessions;
mod store;
mod upkeep;
mod writer;

pub use backup::{backup, restore};
pub use hand_over::{HandOver, TABLES};
pub use open::OpenOptions;
pub use schema::{Standing, known_version};
pub use store::SqliteStore;
