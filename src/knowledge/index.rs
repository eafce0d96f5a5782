//! What is searched: passages, their words, their vectors, and the sites, as one snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use dovvybuddy_core::knowledge::Passage;
use dovvybuddy_core::store::{KnowledgeBase, StoreError, StoredPassage};

use crate::digest::sha256_hex;
use crate::front_matter;
use crate::lexical::{Bm25, Fields, LexicalIndex};
use crate::sites::Sites;
use crate::vector::VectorIndex;

/// Below this share of embedded passages the vectors say too little, and the search goes by words.
const ENOUGH_EMBEDDED: f32 = 0.9;

/// The content as it was at one moment. Passages are numbered as the store orders them.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) version: String,
    pub(crate) documents: usize,
    /// The newest revision of any document, as a date.
    pub(crate) updated: String,
    pub(crate) passages: Vec<Indexed>,
    pub(crate) lexical: LexicalIndex,
    pub(crate) sites: Sites,
    /// The types that occur; passages name theirs by its place here.
    pub(crate) types: Vec<String>,
}

/// A passage with what a search result says of its document.
#[derive(Debug)]
pub(crate) struct Indexed {
    pub(crate) stored: StoredPassage,
    pub(crate) doc_type: usize,
    publisher: Arc<str>,
    updated: Arc<str>,
}

impl Indexed {
    /// The passage as a result with these words and score.
    pub(crate) fn result(&self, text: String, score: f32) -> Passage {
        Passage {
            source: self.stored.path.clone(),
            title: self.stored.title.clone(),
            section: self.stored.section.clone(),
            doc_type: self.stored.doc_type.clone(),
            publisher: self.publisher.to_string(),
            updated: self.updated.to_string(),
            text,
            score,
        }
    }
}

impl Content {
    /// Reads and indexes everything the store holds.
    pub(crate) async fn read(store: &dyn KnowledgeBase, bm25: Bm25) -> Result<Self, StoreError> {
        let version = digest(store).await?;
        let documents = store.documents().await?.len();
        let stored = store.passages().await?;
        let (destinations, sites) = (store.destinations().await?, store.dive_sites().await?);
        let build = move || Self::build(version, documents, stored, &Sites::new(&destinations, &sites), bm25);
        tokio::task::spawn_blocking(build).await.map_err(|error| StoreError::Unavailable(Box::new(error)))
    }

    fn build(version: String, documents: usize, stored: Vec<StoredPassage>, sites: &Sites, bm25: Bm25) -> Self {
        let mut by_document: HashMap<String, About> = HashMap::new();
        let mut types: Vec<String> = Vec::new();
        let passages: Vec<Indexed> = stored
            .into_iter()
            .map(|passage| {
                let about = by_document.entry(passage.path.clone()).or_insert_with(|| About::read(&passage));
                let doc_type = types.iter().position(|known| *known == passage.doc_type).unwrap_or_else(|| {
                    types.push(passage.doc_type.clone());
                    types.len() - 1
                });
                let (publisher, updated) = (Arc::clone(&about.publisher), Arc::clone(&about.updated));
                Indexed { stored: passage, doc_type, publisher, updated }
            })
            .collect();
        let fields = passages.iter().map(|passage| Fields {
            title: &passage.stored.title,
            section: &passage.stored.section,
            keywords: by_document.get(&passage.stored.path).map_or("", |about| about.keywords.as_str()),
            text: &passage.stored.text,
        });
        let lexical = LexicalIndex::build(fields, bm25);
        let updated = passages.iter().map(|passage| passage.updated.as_ref()).max().unwrap_or_default().to_owned();
        Self { version, documents, updated, lexical, sites: sites.located(&passages), passages, types }
    }

    /// Which passages a filter by type prefixes lets through.
    pub(crate) fn type_filter(&self, wanted: &[String]) -> Vec<bool> {
        let fits = |doc_type: &String| {
            wanted.is_empty() || wanted.iter().any(|prefix| crate::doc_type::matches(doc_type, prefix))
        };
        self.types.iter().map(fits).collect()
    }
}

struct About {
    keywords: String,
    publisher: Arc<str>,
    updated: Arc<str>,
}

impl About {
    fn read(passage: &StoredPassage) -> Self {
        let front = &passage.front_matter;
        let keywords = [front_matter::list_of(front, "keywords"), front_matter::list_of(front, "tags")].concat();
        let updated = front_matter::text_of(front, "last_updated").and_then(|date| front_matter::calendar_day(&date));
        Self {
            keywords: keywords.join(" . "),
            publisher: front_matter::publisher_of(front).into(),
            updated: updated.unwrap_or_default().into(),
        }
    }
}

/// A short digest over all documents' hashes.
pub(crate) async fn digest(store: &dyn KnowledgeBase) -> Result<String, StoreError> {
    let mut documents = store.documents().await?;
    documents.sort_by(|left, right| left.path.cmp(&right.path));
    let parts: Vec<&[u8]> = documents.iter().flat_map(|state| [state.path.as_bytes(), state.hash.as_bytes()]).collect();
    let mut digest = if parts.is_empty() { sha256_hex(&[b"", b""]) } else { sha256_hex(&parts) };
    digest.truncate(12);
    Ok(digest)
}

/// The passages' vectors of one model.
#[derive(Debug, Default)]
pub(crate) struct Vectors {
    pub(crate) index: VectorIndex,
    /// Which passages have a vector.
    pub(crate) known: Vec<bool>,
    pub(crate) embedded: usize,
}

impl Vectors {
    /// Reads the vectors of the content's passages.
    pub(crate) async fn read(
        store: &dyn KnowledgeBase,
        content: &Arc<Content>,
        model: &str,
        dimension: usize,
    ) -> Result<Self, StoreError> {
        let rows = store.vectors(model, dimension).await?;
        let content = Arc::clone(content);
        let build = move || {
            let by_id: HashMap<i64, Vec<f32>> = rows.into_iter().collect();
            let mut index = VectorIndex::new(dimension, content.passages.len());
            let mut known = Vec::with_capacity(content.passages.len());
            for passage in &content.passages {
                let vector = by_id.get(&passage.stored.id);
                known.push(vector.is_some());
                index.push(vector.map_or(&[], Vec::as_slice));
            }
            let embedded = known.iter().filter(|known| **known).count();
            Self { index, known, embedded }
        };
        tokio::task::spawn_blocking(build).await.map_err(|error| StoreError::Unavailable(Box::new(error)))
    }

    /// Whether enough passages have a vector to search by meaning.
    #[allow(clippy::cast_precision_loss, reason = "counts far below the precision of f32")]
    pub(crate) fn suffice(&self) -> bool {
        self.embedded > 0 && self.embedded as f32 >= self.known.len() as f32 * ENOUGH_EMBEDDED
    }
}

/// Content and vectors that belong together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) content: Arc<Content>,
    pub(crate) vectors: Arc<Vectors>,
}
