//! The ingested content: what is searched now, and the versions it came from.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::StoreError;
use crate::clock::Timestamp;

/// The ingested content.
#[async_trait]
pub trait KnowledgeBase: Send + Sync + 'static {
    /// Root, path and content hash of every document.
    async fn documents(&self) -> Result<Vec<DocumentState>, StoreError>;

    /// Publishes the next version of a root: replaces and removes documents with their passages,
    /// destinations and sites, all or nothing, and keeps what the version consists of. A path is held once:
    /// a document of another root with that path gives way. An edition of the live version's name renews
    /// its documents and makes no new version. The newest [`VERSIONS_KEPT`] versions of a root are kept, and
    /// as many of the withdrawn.
    async fn publish(&self, edition: &Edition, at: Timestamp) -> Result<(), StoreError>;

    /// The versions of a root that are kept, newest first.
    async fn versions(&self, root: &str) -> Result<Vec<ContentVersion>, StoreError>;

    /// Makes the newest version before the live one live again, all or nothing, and withdraws the one
    /// that was. Withdrawn versions are never returned to. `None`, and nothing written, without one before.
    async fn roll_back(&self, root: &str, at: Timestamp) -> Result<Option<ContentVersion>, StoreError>;

    /// Every passage, in a stable order.
    async fn passages(&self) -> Result<Vec<StoredPassage>, StoreError>;

    /// Every vector of a model. Vectors of other models or dimensions are never returned.
    async fn vectors(&self, model: &str, dimension: usize) -> Result<Vec<(i64, Vec<f32>)>, StoreError>;

    /// Stores vectors of a model by passage id; unknown passages are skipped.
    async fn put_vectors(&self, model: &str, vectors: &[(i64, Vec<f32>)]) -> Result<(), StoreError>;

    /// Vectors by the hash of the embedded text, from earlier ingestions of the same words.
    async fn cached_vectors(&self, model: &str, hashes: &[String]) -> Result<Vec<(String, Vec<f32>)>, StoreError>;

    /// The destinations, as their documents' front matter describes them.
    async fn destinations(&self) -> Result<Vec<Value>, StoreError>;

    /// The dive sites, likewise.
    async fn dive_sites(&self) -> Result<Vec<Value>, StoreError>;
}

/// How many versions of a root are kept that were not withdrawn, the live one among them.
pub const VERSIONS_KEPT: usize = 8;

/// The root of documents that were made of another program's tables. It lies in no directory: no ingestion touches
/// it, and every process searches it.
pub const ADOPTED: &str = "adopted";

/// What the next version of a root changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edition {
    /// The root; all of `put` bear it.
    pub root: String,
    /// The version's name: a digest over paths and hashes of all documents the root has afterwards.
    pub version: String,
    /// Documents that are new or changed.
    pub put: Vec<Document>,
    /// Paths of the root that are gone; unknown ones are skipped.
    pub removed: Vec<String>,
}

/// A version of a root's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContentVersion {
    /// See [`Edition::version`].
    pub version: String,
    /// When it was published.
    pub published_at: Timestamp,
    /// How many documents it has.
    pub documents: usize,
    /// Whether it is the one that is searched: the newest that was not withdrawn.
    pub live: bool,
    /// When a rollback withdrew it.
    pub withdrawn_at: Option<Timestamp>,
}

/// What is known of an ingested document without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentState {
    /// See [`Document::root`].
    pub root: String,
    /// Path inside the content directory.
    pub path: String,
    /// SHA-256 of the file and of the chunking's version.
    pub hash: String,
    /// When it was ingested.
    pub ingested_at: Timestamp,
}

/// A document that is to be ingested.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The name of the content directory it came from, so that whoever reads one directory leaves the
    /// documents of the others alone; empty if it came from none.
    pub root: String,
    /// Path inside the content directory.
    pub path: String,
    /// See [`DocumentState::hash`].
    pub hash: String,
    /// Title.
    pub title: String,
    /// Type.
    pub doc_type: String,
    /// The whole front matter.
    pub front_matter: Map<String, Value>,
    /// Its passages in order.
    pub passages: Vec<NewPassage>,
    /// A row for the table of destinations (`destination_id` names it).
    pub destination: Option<Value>,
    /// A row for the table of dive sites (`site_id` names it).
    pub dive_site: Option<Value>,
}

/// A passage that is to be ingested.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPassage {
    /// The heading it stands under.
    pub section: String,
    /// Its words.
    pub text: String,
    /// SHA-256 of what is embedded (header and words).
    pub hash: String,
}

/// A stored passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPassage {
    /// Its id.
    pub id: i64,
    /// Its document's path.
    pub path: String,
    /// Its document's title.
    pub title: String,
    /// Its document's type.
    pub doc_type: String,
    /// Its document's front matter, shared by the document's passages.
    pub front_matter: std::sync::Arc<Map<String, Value>>,
    /// Its place in the document, from 0.
    pub position: usize,
    /// The heading it stands under.
    pub section: String,
    /// Its words.
    pub text: String,
    /// See [`NewPassage::hash`].
    pub hash: String,
}
