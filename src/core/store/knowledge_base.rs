//! The ingested content.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::StoreError;
use crate::clock::Timestamp;

/// The ingested content.
#[async_trait]
pub trait KnowledgeBase: Send + Sync + 'static {
    /// Root, path and content hash of every document.
    async fn documents(&self) -> Result<Vec<DocumentState>, StoreError>;

    /// Replaces documents with their passages, destinations and sites; each document atomically. A path
    /// is held once: a document of another root with that path gives way.
    async fn put_documents(&self, documents: &[Document], at: Timestamp) -> Result<(), StoreError>;

    /// Removes documents with everything that hangs on them.
    async fn remove_documents(&self, paths: &[String]) -> Result<(), StoreError>;

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
#[derive(Debug, Clone, Default, PartialEq)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
