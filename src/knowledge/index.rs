//! What is searched: passages, their words, their vectors, and the sites, as one snapshot.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use dovvybuddy_core::knowledge::Passage;
use dovvybuddy_core::store::{DocumentState, KnowledgeBase, StoreError, StoredPassage};
use serde_json::Value;

use crate::asked;
use crate::digest::sha256_hex;
use crate::front_matter;
use crate::ingest::is_searched;
use crate::lexical::{Bm25, Fields, LexicalIndex};
use crate::listing::Root;
use crate::names::Names;
use crate::neighbours::Neighbours;
use crate::sites::Sites;
use crate::spelling::{self, Spelling};
use crate::vector::{VectorIndex, keep_largest};

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
    pub(crate) names: Names,
    pub(crate) neighbours: Neighbours,
    spelling: Spelling,
    pub(crate) sites: Sites,
    /// The types that occur; passages name theirs by its place here.
    pub(crate) types: Vec<String>,
    /// Each passage's type, side by side: a search asks for all of them.
    type_of: Vec<u32>,
}

/// A passage, with its document's part shared among the document's passages.
#[derive(Debug)]
pub(crate) struct Indexed {
    pub(crate) id: i64,
    pub(crate) document: Arc<About>,
    pub(crate) position: usize,
    pub(crate) section: Box<str>,
    pub(crate) text: Box<str>,
    /// What people type for it; empty if nothing is known.
    pub(crate) asked: Box<str>,
    pub(crate) hash: Box<str>,
    /// Its runs of words, worked out when it is first held against others.
    pub(crate) runs: OnceLock<Box<[u32]>>,
}

/// What a search result says of its document.
#[derive(Debug)]
pub(crate) struct About {
    /// Documents are numbered as their passages come.
    pub(crate) number: usize,
    pub(crate) path: Box<str>,
    pub(crate) title: Box<str>,
    /// The place of its type in [`Content::types`].
    pub(crate) doc_type: u32,
    publisher: Box<str>,
    updated: Box<str>,
}

impl Content {
    /// Reads and indexes what the store holds of these roots: one version, also while the next is published.
    pub(crate) async fn read(store: &dyn KnowledgeBase, roots: &[Root], bm25: Bm25) -> Result<Self, StoreError> {
        let mut states = store.documents().await?;
        let (mut stored, mut destinations, mut sites) = loop {
            // One after another, over one connection: each further one takes a thread and a cache of its own for good.
            let rows = (store.passages().await?, store.destinations().await?, store.dive_sites().await?);
            let now = store.documents().await?;
            if now == states {
                break rows;
            }
            states = now;
        };
        states.retain(|state| is_searched(state, roots));
        let ours: HashSet<&str> = states.iter().map(|state| state.path.as_str()).collect();
        stored.retain(|passage| ours.contains(passage.path.as_str()));
        for rows in [&mut destinations, &mut sites] {
            rows.retain(|row| row.get("path").and_then(Value::as_str).is_none_or(|path| ours.contains(path)));
        }
        let documents = states.len();
        let version = version_of(&states);
        let build = move || Self::build(version, documents, stored, &Sites::new(&destinations, &sites), bm25);
        tokio::task::spawn_blocking(build).await.map_err(|error| StoreError::Unavailable(Box::new(error)))
    }

    fn build(version: String, documents: usize, stored: Vec<StoredPassage>, sites: &Sites, bm25: Bm25) -> Self {
        let mut reader = Reader::default();
        let mut keywords: Vec<Labels> = Vec::with_capacity(stored.len());
        let passages: Vec<Indexed> = stored
            .into_iter()
            .map(|passage| {
                let (document, words) = reader.document(&passage);
                keywords.push(words);
                let asked = asked::of(&passage.front_matter, &passage.section);
                let StoredPassage { id, position, section, text, hash, .. } = passage;
                Indexed {
                    id,
                    document,
                    position,
                    section: section.into(),
                    text: text.into(),
                    asked: asked.into(),
                    hash: hash.into(),
                    runs: OnceLock::new(),
                }
            })
            .collect();
        let fields = passages.iter().zip(&keywords).map(|(passage, keywords)| Fields {
            title: &passage.document.title,
            section: &passage.section,
            keywords: keywords.first().map_or("", String::as_str),
            tags: keywords.last().map_or("", String::as_str),
            asked: &passage.asked,
            text: &passage.text,
        });
        let lexical = LexicalIndex::build(fields, bm25);
        let updated = passages.iter().map(|passage| &*passage.document.updated).max().unwrap_or_default().to_owned();
        let sites = sites.located(&passages);
        let mut titles: Vec<&Arc<About>> = passages.iter().map(|passage| &passage.document).collect();
        titles.dedup_by_key(|document| document.number);
        titles.sort_by_key(|document| document.number);
        titles.dedup_by_key(|document| document.number);
        let names = Names::of(titles.into_iter().map(|document| &*document.title));
        let type_of = passages.iter().map(|passage| passage.document.doc_type).collect();
        let neighbours = Neighbours::of(&passages);
        // Not what people type for a passage: they may have slipped there.
        let quoted = passages.iter().flat_map(|one| [&*one.document.title, &*one.section, &*one.text]);
        let spelling = Spelling::of(quoted);
        Self {
            version,
            documents,
            updated,
            passages,
            lexical,
            names,
            neighbours,
            spelling,
            sites,
            types: reader.types,
            type_of,
        }
    }

    /// An English message with its slips put right; none where there are none.
    pub(crate) fn respelled(&self, text: &str) -> Option<String> {
        spelling::Reader { spelling: &self.spelling, neighbours: &self.neighbours }.respelled(text)
    }

    /// The passage as a result with these words and score.
    pub(crate) fn result(&self, passage: &Indexed, text: String, score: f32) -> Passage {
        let document = &passage.document;
        Passage {
            source: document.path.to_string(),
            title: document.title.to_string(),
            section: passage.section.to_string(),
            doc_type: self.types.get(document.doc_type as usize).cloned().unwrap_or_default(),
            publisher: document.publisher.to_string(),
            updated: document.updated.to_string(),
            text,
            asked: passage.asked.to_string(),
            score,
        }
    }

    /// Which passages a filter by type prefixes lets through, by their numbers.
    pub(crate) fn allowed(&self, wanted: &[String]) -> Vec<bool> {
        let fits = |doc_type: &String| {
            wanted.is_empty() || wanted.iter().any(|prefix| crate::doc_type::matches(doc_type, prefix))
        };
        let types: Vec<bool> = self.types.iter().map(fits).collect();
        self.type_of.iter().map(|doc_type| types.get(*doc_type as usize).copied().unwrap_or(false)).collect()
    }
}

/// A document's keywords and its tags.
type Labels = Arc<[String; 2]>;

/// Reads each document's part once, however many passages it has.
#[derive(Default)]
struct Reader {
    documents: HashMap<Box<str>, (Arc<About>, Labels)>,
    types: Vec<String>,
}

impl Reader {
    /// The document of a passage, with its keywords and tags.
    fn document(&mut self, passage: &StoredPassage) -> (Arc<About>, Labels) {
        if let Some(known) = self.documents.get(passage.path.as_str()) {
            return known.clone();
        }
        let doc_type = self.types.iter().position(|known| *known == passage.doc_type).unwrap_or_else(|| {
            self.types.push(passage.doc_type.clone());
            self.types.len() - 1
        });
        let doc_type = u32::try_from(doc_type).unwrap_or(u32::MAX);
        let front = &passage.front_matter;
        let words = ["keywords", "tags"].map(|key| front_matter::list_of(front, key).join(" . "));
        let updated = front_matter::text_of(front, "last_updated").and_then(|date| front_matter::calendar_day(&date));
        let about = Arc::new(About {
            number: self.documents.len(),
            path: passage.path.as_str().into(),
            title: passage.title.as_str().into(),
            doc_type,
            publisher: front_matter::publisher_of(front).into(),
            updated: updated.unwrap_or_default().into(),
        });
        let read = (about, Arc::new(words));
        self.documents.insert(passage.path.as_str().into(), read.clone());
        read
    }
}

/// The version of the roots' documents.
pub(crate) async fn version(store: &dyn KnowledgeBase, roots: &[Root]) -> Result<String, StoreError> {
    let mut states = store.documents().await?;
    states.retain(|state| is_searched(state, roots));
    Ok(version_of(&states))
}

/// The versions of the roots that these documents are of, in the order of the roots' names.
fn version_of(documents: &[DocumentState]) -> String {
    let mut roots: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for DocumentState { root, path, hash, .. } in documents {
        roots.entry(root).or_default().push((path, hash));
    }
    let versions: Vec<String> = roots.into_values().map(digest).collect();
    if versions.is_empty() { digest(Vec::new()) } else { versions.join("+") }
}

/// A short digest over paths and hashes: the name of a root's version.
pub(crate) fn digest(mut documents: Vec<(&str, &str)>) -> String {
    documents.sort_unstable();
    let parts: Vec<&[u8]> = documents.iter().flat_map(|(path, hash)| [path.as_bytes(), hash.as_bytes()]).collect();
    let mut digest = if parts.is_empty() { sha256_hex(&[b"", b""]) } else { sha256_hex(&parts) };
    digest.truncate(12);
    digest
}

/// The name under which a model's vectors of what people type for the passages are stored.
pub(crate) fn of_asked(model: &str) -> String {
    format!("{model}#asked")
}

/// The passages' vectors of one model.
#[derive(Debug, Default)]
pub(crate) struct Vectors {
    pub(crate) index: VectorIndex,
    /// What people type for them: zeros, which nothing is near to, where nothing is known, and `None` where nothing is
    /// known of any.
    pub(crate) asked: Option<VectorIndex>,
    /// Which passages have a vector of their words.
    pub(crate) known: Vec<bool>,
    /// Which have one of what people type for them, or need none.
    pub(crate) asked_known: Vec<bool>,
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
        let asked = store.vectors(&of_asked(model), dimension).await?;
        let content = Arc::clone(content);
        let build = move || {
            let by_id: HashMap<i64, Vec<f32>> = rows.into_iter().collect();
            let asked_by_id: HashMap<i64, Vec<f32>> = asked.into_iter().collect();
            let mut index = VectorIndex::new(dimension, content.passages.len());
            let typed_for_any = !asked_by_id.is_empty();
            let mut asked = typed_for_any.then(|| VectorIndex::new(dimension, content.passages.len()));
            let mut known = Vec::with_capacity(content.passages.len());
            let mut asked_known = Vec::with_capacity(content.passages.len());
            for passage in &content.passages {
                let vector = by_id.get(&passage.id);
                let typed = asked_by_id.get(&passage.id);
                known.push(vector.is_some());
                asked_known.push(typed.is_some() || passage.asked.is_empty());
                index.push(vector.map_or(&[], Vec::as_slice));
                if let Some(asked) = &mut asked {
                    asked.push(typed.map_or(&[], Vec::as_slice));
                }
            }
            let embedded = known.iter().filter(|known| **known).count();
            Self { index, asked, known, asked_known, embedded }
        };
        tokio::task::spawn_blocking(build).await.map_err(|error| StoreError::Unavailable(Box::new(error)))
    }

    /// The `count` passages nearest to any of the wordings of a query, in no order, each with its largest cosine: of its
    /// words, or of what people type for it.
    pub(crate) fn nearest(
        &self,
        meanings: &[Arc<[f32]>],
        count: usize,
        allowed: impl Fn(u32) -> bool,
    ) -> Vec<(u32, f32)> {
        let indices = || self.indices().flat_map(|index| meanings.iter().map(move |meaning| (index, meaning)));
        let found = indices().flat_map(|(index, meaning)| index.nearest(meaning, count, &allowed));
        let mut numbers: Vec<u32> = found.map(|(number, _)| number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let cosine = |number: u32| (number, self.cosine(number as usize, meanings));
        let mut nearest: Vec<(u32, f32)> = numbers.into_iter().map(cosine).collect();
        keep_largest(&mut nearest, count);
        nearest
    }

    /// The largest cosine of the wordings of a query with a passage's words and with what people type for it.
    pub(crate) fn cosine(&self, number: usize, meanings: &[Arc<[f32]>]) -> f32 {
        let cosines =
            |index: &VectorIndex| meanings.iter().map(|meaning| index.cosine(number, meaning)).fold(0.0, f32::max);
        self.indices().map(cosines).fold(0.0, f32::max)
    }

    fn indices(&self) -> impl Iterator<Item = &VectorIndex> {
        std::iter::once(&self.index).chain(&self.asked)
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
