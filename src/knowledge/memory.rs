//! A knowledge base in memory: for evaluations, which must not touch the real one, and for tests.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dovvybuddy_core::clock::Timestamp;
use dovvybuddy_core::store::{
    ContentVersion, Document, DocumentState, Edition, KnowledgeBase, StoreError, StoredPassage, VERSIONS_KEPT,
};
use serde_json::Value;

/// Keeps documents and vectors until it is dropped.
#[derive(Debug, Default)]
pub struct MemoryKnowledgeBase {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    documents: BTreeMap<String, Stored>,
    /// By root, oldest first, each with all it consists of.
    versions: HashMap<String, Vec<(ContentVersion, Vec<Document>)>>,
    next_id: i64,
    /// By model, then by the hash of the embedded text.
    vectors: HashMap<String, HashMap<String, Vec<f32>>>,
}

#[derive(Debug)]
struct Stored {
    state: DocumentState,
    passages: Vec<StoredPassage>,
    document: Document,
}

impl Inner {
    fn put(&mut self, documents: &[Document], at: Timestamp) {
        for document in documents {
            let front_matter = Arc::new(document.front_matter.clone());
            let mut passages = Vec::with_capacity(document.passages.len());
            for (position, passage) in document.passages.iter().enumerate() {
                self.next_id += 1;
                passages.push(StoredPassage {
                    id: self.next_id,
                    path: document.path.clone(),
                    title: document.title.clone(),
                    doc_type: document.doc_type.clone(),
                    front_matter: Arc::clone(&front_matter),
                    position,
                    section: passage.section.clone(),
                    text: passage.text.clone(),
                    hash: passage.hash.clone(),
                });
            }
            let state = DocumentState {
                root: document.root.clone(),
                path: document.path.clone(),
                hash: document.hash.clone(),
                ingested_at: at,
            };
            self.documents.insert(document.path.clone(), Stored { state, passages, document: document.clone() });
        }
    }
}

/// Drops the oldest versions beyond those that are kept, withdrawn and not.
fn forget_old(versions: &mut Vec<(ContentVersion, Vec<Document>)>) {
    let (mut standing, mut withdrawn) = (VERSIONS_KEPT, VERSIONS_KEPT);
    let mut keep: Vec<bool> = Vec::with_capacity(versions.len());
    for (version, _) in versions.iter().rev() {
        let left = if version.withdrawn_at.is_some() { &mut withdrawn } else { &mut standing };
        keep.push(*left > 0);
        *left = left.saturating_sub(1);
    }
    let mut keep = keep.into_iter().rev();
    versions.retain(|_| keep.next().unwrap_or(true));
}

impl MemoryKnowledgeBase {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KnowledgeBase for MemoryKnowledgeBase {
    async fn documents(&self) -> Result<Vec<DocumentState>, StoreError> {
        Ok(self.lock().documents.values().map(|stored| stored.state.clone()).collect())
    }

    async fn publish(&self, edition: &Edition, at: Timestamp) -> Result<(), StoreError> {
        let mut inner = self.lock();
        for path in &edition.removed {
            inner.documents.retain(|known, stored| {
                known != path || !(stored.state.root.is_empty() || stored.state.root == edition.root)
            });
        }
        inner.put(&edition.put, at);
        let whole: Vec<Document> = {
            let ours = inner.documents.values().filter(|stored| stored.state.root == edition.root);
            ours.map(|stored| stored.document.clone()).collect()
        };
        let version = ContentVersion {
            version: edition.version.clone(),
            published_at: at,
            documents: whole.len(),
            live: true,
            withdrawn_at: None,
        };
        let versions = inner.versions.entry(edition.root.clone()).or_default();
        if versions.iter().rfind(|(version, _)| version.live).is_none_or(|(live, _)| live.version != edition.version) {
            for (version, _) in versions.iter_mut() {
                version.live = false;
            }
            versions.push((version, whole));
            forget_old(versions);
        }
        Ok(())
    }

    async fn versions(&self, root: &str) -> Result<Vec<ContentVersion>, StoreError> {
        let inner = self.lock();
        Ok(inner.versions.get(root).into_iter().flatten().rev().map(|(version, _)| version.clone()).collect())
    }

    async fn roll_back(&self, root: &str, at: Timestamp) -> Result<Option<ContentVersion>, StoreError> {
        let mut inner = self.lock();
        let Some(versions) = inner.versions.get_mut(root) else { return Ok(None) };
        let mut standing = versions.iter_mut().rev().filter(|(version, _)| version.withdrawn_at.is_none());
        let (Some((live, _)), Some((before, documents))) = (standing.next(), standing.next()) else { return Ok(None) };
        (live.live, live.withdrawn_at, before.live) = (false, Some(at), true);
        let (version, documents) = (before.clone(), documents.clone());
        inner.documents.retain(|_, stored| stored.state.root != root);
        inner.put(&documents, at);
        Ok(Some(version))
    }

    async fn passages(&self) -> Result<Vec<StoredPassage>, StoreError> {
        Ok(self.lock().documents.values().flat_map(|stored| stored.passages.iter().cloned()).collect())
    }

    async fn vectors(&self, model: &str, dimension: usize) -> Result<Vec<(i64, Vec<f32>)>, StoreError> {
        let inner = self.lock();
        let Some(vectors) = inner.vectors.get(model) else { return Ok(Vec::new()) };
        let passages = inner.documents.values().flat_map(|stored| &stored.passages);
        Ok(passages
            .filter_map(|passage| Some((passage.id, vectors.get(&passage.hash)?.clone())))
            .filter(|(_, vector)| vector.len() == dimension)
            .collect())
    }

    async fn put_vectors(&self, model: &str, vectors: &[(i64, Vec<f32>)]) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let hashes: HashMap<i64, String> = inner
            .documents
            .values()
            .flat_map(|stored| stored.passages.iter().map(|passage| (passage.id, passage.hash.clone())))
            .collect();
        let kept = inner.vectors.entry(model.to_owned()).or_default();
        for (id, vector) in vectors {
            if let Some(hash) = hashes.get(id) {
                kept.insert(hash.clone(), vector.clone());
            }
        }
        Ok(())
    }

    async fn cached_vectors(&self, model: &str, hashes: &[String]) -> Result<Vec<(String, Vec<f32>)>, StoreError> {
        let inner = self.lock();
        let Some(vectors) = inner.vectors.get(model) else { return Ok(Vec::new()) };
        Ok(hashes.iter().filter_map(|hash| Some((hash.clone(), vectors.get(hash)?.clone()))).collect())
    }

    async fn destinations(&self) -> Result<Vec<Value>, StoreError> {
        Ok(self.lock().documents.values().filter_map(|stored| stored.document.destination.clone()).collect())
    }

    async fn dive_sites(&self) -> Result<Vec<Value>, StoreError> {
        Ok(self.lock().documents.values().filter_map(|stored| stored.document.dive_site.clone()).collect())
    }
}
