//! Knowledge: the curated content made searchable.
//!
//! [`front_matter`] and `chunk` take a document apart, [`ingest`](mod@ingest) brings a content
//! directory into the knowledge base, [`lexical`] finds passages by words, [`vector`] by meaning
//! with the vectors that [`embed`] makes, and [`Knowledge`] does all of it behind core's `Retriever`.

mod adopted;
mod asked;
mod asked_place;
pub mod check;
mod chunk;
mod digest;
mod doc_type;
mod document;
pub mod embed;
mod error;
mod eval;
pub mod front_matter;
mod index;
pub mod ingest;
mod knowledge;
pub mod lexical;
mod listing;
mod memory;
mod message;
mod missing;
mod names;
mod neighbours;
pub mod progress;
mod rank;
mod search;
mod shelf;
mod sites;
mod spelling;
pub mod text;
pub mod vector;
mod vocabulary;

pub use adopted::documents_of_places;
pub use error::KnowledgeError;
pub use eval::{Latency, RetrievalReport, RetrievalRow, eval_retrieval};
pub use ingest::{IngestReport, Mode};
pub use knowledge::{Embeddings, Knowledge, KnowledgeConfig, Standing, Status};
pub use listing::Root;
pub use memory::MemoryKnowledgeBase;
pub use progress::{Progress, Silent};
pub use rank::Fusion;
pub use shelf::FileShelf;
