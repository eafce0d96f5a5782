//! The store on Postgres, for more than one machine: every replica serves every channel, and any may die.
//!
//! Reading order: [`PostgresStore`] is the handle; `open` connects it, `connections` keeps what it connected, `ask`
//! sends statements and repeats what failed, `pulse` says that this replica lives and buries those that do not, `doorbell` spares looks for work.
//! The writes of a turn are functions in `migrations/postgres`, each one round trip. Every other file implements
//! one topic of [`dovvybuddy_core::store`].
//!
//! # Who works on what
//!
//! A lane is held by a replica under a lease with a fencing number. It is free again when its turn ends, when the
//! lease runs out, or when its holder is dead: a replica says every two seconds that it lives, and also holds an
//! advisory lock that the end of its process frees at once. A lane whose client is connected to another living
//! replica is left to that one for a moment, so that the client sees its reply being written.
//!
//! # Waking
//!
//! A notification is sent only where somebody on another replica has to know, never in the write that accepts a
//! message: at commit it takes a lock that all databases share, and commits would wait for each other's disk. What
//! a replica accepts it takes up itself; the others look every second.

mod accept;
mod address;
mod adopt;
mod alerts;
mod ask;
mod audit;
mod connections;
mod doorbell;
mod editions;
mod fault;
mod finish;
mod identities;
mod inbox;
mod keys;
mod knowledge;
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
mod pulse;
mod queue;
mod rows;
mod schema;
mod sessions;
mod store;
mod take_over;
mod upkeep;

pub use address::is_postgres;
pub use adopt::{Adoption, Describe};
pub use open::{OpenOptions, Reckoning};
pub use schema::known_version;
pub use store::PostgresStore;
pub use take_over::TakeOver;
pub use upkeep::Durability;
