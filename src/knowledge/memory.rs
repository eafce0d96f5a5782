//! A knowledge base in memory: for evaluations, which must not touch the real one, and for tests.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dovvybuddy_core::clock::Timestamp;
use dovvybuddy_core::store::{Document, DocumentState, KnowledgeBase, StoreError, StoredPassage};
use serde_json::Value;

/// Keeps documents and vectors until it is dropped.
#[derive(Debug, Default)]
pub struct MemoryKnowledgeBase {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    documents: BTreeMap<String, Stored>,
    next_id: i64,
    /// By model, then by the hash of the embedded text.
    vectors: HashMap<String, HashMap<String, Vec<f32>>>,
}

#[derive(Debug)]
struct Stored {
    state: DocumentState,
    passages: Vec<StoredPassage>,
    destination: Option<Value>,
    dive_site: Option<Value>,
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

    async fn put_documents(&self, documents: &[Document], at: Timestamp) -> Result<(), StoreError> {
        let mut inner = self.lock();
        for document in documents {
            let front_matter = Arc::new(document.front_matter.clone());
            let mut passages = Vec::with_capacity(document.passages.len());
            for (position, passage) in document.passages.iter().enumerate() {
                inner.next_id += 1;
                passages.push(StoredPassage {
                    id: inner.next_id,
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
            let (destination, dive_site) = (document.destination.clone(), document.dive_site.clone());
            inner.documents.insert(document.path.clone(), Stored { state, passages, destination, dive_site });
        }
        Ok(())
    }

    async fn remove_documents(&self, paths: &[String]) -> Result<(), StoreError> {
        let mut inner = self.lock();
        for path in paths {
            inner.documents.remove(path);
        }
        Ok(())
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
        Ok(self.lock().documents.values().filter_map(|stored| stored.destination.clone()).collect())
    }

    async fn dive_sites(&self) -> Result<Vec<Value>, StoreError> {
        Ok(self.lock().documents.values().filter_map(|stored| stored.dive_site.clone()).collect())
    }
}
