//! The knowledge as the daemon holds it: opened once, searched always, brought up to date meanwhile.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::clock::Clock;
use dovvybuddy_core::knowledge::{Found, Meaning, Passage, Query, Retriever};
use dovvybuddy_core::store::{ContentVersion, KnowledgeBase};
use moka::sync::Cache;
use serde::Serialize;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

use crate::embed::{
    CachedEmbedder, EmbedError, Embedder, LocalEmbedder, OpenAiEmbedder, OpenAiEmbeddings, Urgency, is_present,
    model_directory,
};
use crate::error::KnowledgeError;
use crate::index::{self, Content, Snapshot, Vectors};
use crate::ingest::{self, IngestReport, Mode};
use crate::lexical::Bm25;
use crate::listing::Root;
use crate::missing::{self, Missing};
use crate::progress::Progress;
use crate::rank::Fusion;
use crate::search::{self, ResultKey};
use crate::text::Analyzer;

/// A query whose vector takes longer is answered by words alone.
const QUERY_DEADLINE: Duration = Duration::from_millis(2_500);
/// Passages embedded between two writes.
const EMBED_BATCH: usize = 32;
/// Hashes looked up at a time.
const LOOKUP_BATCH: usize = 500;
/// The pause after a failed attempt to embed.
const EMBED_PAUSE: Duration = Duration::from_mins(1);
/// Results remembered.
const REMEMBERED: u64 = 2_048;
/// The most passages that a further question of a message adds.
const FURTHER: usize = 3;

/// How knowledge is opened.
#[derive(Debug, Clone)]
pub struct KnowledgeConfig {
    /// The content directories; paths of documents are relative to theirs. What the store holds of other
    /// directories is neither searched nor removed.
    pub roots: Vec<Root>,
    /// Where the model's files lie, in `models/`.
    pub data_dir: PathBuf,
    /// Who embeds.
    pub embeddings: Embeddings,
    /// How words are weighed.
    pub bm25: Bm25,
    /// How words and meaning are weighed together.
    pub fusion: Fusion,
}

impl KnowledgeConfig {
    /// The usual weights over these directories.
    pub fn new(roots: Vec<Root>, data_dir: PathBuf, embeddings: Embeddings) -> Self {
        Self { roots, data_dir, embeddings, bm25: Bm25::default(), fusion: Fusion::default() }
    }
}

/// Who embeds.
#[derive(Debug, Clone)]
pub enum Embeddings {
    /// The model in this process, once its files are there.
    Local,
    /// An OpenAI-compatible endpoint.
    OpenAi(OpenAiEmbeddings),
    /// Nobody: words alone.
    None,
}

/// Where the knowledge stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The content's version.
    pub version: String,
    /// Documents that are searched.
    pub documents: usize,
    /// Passages that are searched.
    pub passages: usize,
    /// The embedding model; `None` when words alone are searched.
    pub model: Option<String>,
    /// Numbers per vector, 0 without a model.
    pub dimension: usize,
    /// Whether the model is loaded.
    pub model_ready: bool,
    /// Passages that have a vector of that model.
    pub embedded: usize,
    /// Whether vectors are being made now.
    pub embedding: bool,
    /// Files that differ from what is searched: added, changed, removed, or of a version that was rolled back.
    pub stale: Vec<String>,
    /// The versions that are kept, newest first.
    pub versions: Vec<ContentVersion>,
}

/// What is searched right now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The content's version.
    pub version: String,
    /// Documents that are searched.
    pub documents: usize,
    /// Passages that are searched.
    pub passages: usize,
    /// Passages that have a vector of the embedding model.
    pub embedded: usize,
    /// The newest `last_updated` of any document, as a date; empty without documents.
    pub updated: String,
}

/// The knowledge. Cheap to share in an [`Arc`].
pub struct Knowledge {
    config: KnowledgeConfig,
    store: Arc<dyn KnowledgeBase>,
    clock: Arc<dyn Clock>,
    snapshot: RwLock<Snapshot>,
    embedder: RwLock<Option<Arc<CachedEmbedder>>>,
    results: Cache<ResultKey, Arc<Found>>,
    /// One reload at a time.
    reloading: Mutex<()>,
    /// One round of embedding at a time.
    embedding: Mutex<()>,
    embeds_now: AtomicBool,
    /// New passages may want vectors.
    wants_vectors: Notify,
}

impl Knowledge {
    /// Indexes what the store holds and starts loading the model. Neither ingests nor waits for the
    /// model. Must be called inside a runtime.
    pub async fn open(
        config: KnowledgeConfig,
        store: Arc<dyn KnowledgeBase>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, KnowledgeError> {
        let knowledge = Arc::new(Self {
            config,
            store,
            clock,
            snapshot: RwLock::default(),
            embedder: RwLock::default(),
            results: Cache::new(REMEMBERED),
            reloading: Mutex::default(),
            embedding: Mutex::default(),
            embeds_now: AtomicBool::new(false),
            wants_vectors: Notify::new(),
        });
        knowledge.start_embedder()?;
        knowledge.rebuild().await?;
        Ok(knowledge)
    }

    /// The same with an embedder of the caller's.
    pub async fn open_with(
        config: KnowledgeConfig,
        store: Arc<dyn KnowledgeBase>,
        clock: Arc<dyn Clock>,
        embedder: Arc<dyn Embedder>,
    ) -> Result<Arc<Self>, KnowledgeError> {
        let without = KnowledgeConfig { embeddings: Embeddings::None, ..config };
        let knowledge = Self::open(without, store, clock).await?;
        *knowledge.embedder.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::new(CachedEmbedder::new(embedder)));
        knowledge.rebuild().await?;
        Ok(knowledge)
    }

    /// Starts the embedder if it can run and does not yet; the model may have been fetched meanwhile.
    fn start_embedder(&self) -> Result<(), EmbedError> {
        if self.embedder().is_some() {
            return Ok(());
        }
        let embedder: Arc<dyn Embedder> = match &self.config.embeddings {
            Embeddings::None => return Ok(()),
            Embeddings::Local if !is_present(&self.config.data_dir) => return Ok(()),
            Embeddings::Local => Arc::new(LocalEmbedder::start(model_directory(&self.config.data_dir))?),
            Embeddings::OpenAi(config) => Arc::new(OpenAiEmbedder::new(config.clone())?),
        };
        *self.embedder.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(CachedEmbedder::new(embedder)));
        Ok(())
    }

    fn embedder(&self) -> Option<Arc<CachedEmbedder>> {
        self.embedder.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Brings the store up to date with the content directories and searches the result at once, by
    /// words until the new passages have vectors.
    pub async fn ingest(
        &self,
        mode: Mode,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<IngestReport, KnowledgeError> {
        let report = ingest::ingest(&*self.store, &self.config.roots, mode, &*self.clock, progress, stop).await?;
        // Nothing may be left to change because another process has just published it.
        self.reload().await?;
        Ok(report)
    }

    /// Takes a document of the root in `dir` out of what is searched, whoever published it.
    pub(crate) async fn take_down(&self, dir: &Path, path: &str) -> Result<(), KnowledgeError> {
        let Some(root) = self.config.roots.iter().find(|root| root.dir == dir) else { return Ok(()) };
        ingest::take_down(&*self.store, root, path, &*self.clock).await?;
        self.reload().await.map(drop)
    }

    /// The versions of the content directory itself, newest first; those of other roots are not told.
    pub async fn versions(&self) -> Result<Vec<ContentVersion>, KnowledgeError> {
        let Some(root) = self.config.roots.first() else { return Ok(Vec::new()) };
        Ok(self.store.versions(&root.name).await?)
    }

    /// Returns to the content directory's version before the live one and searches it; `None` without one.
    /// The files are as they were: until they change, [`Mode::Changed`] leaves them alone.
    pub async fn roll_back(&self) -> Result<Option<ContentVersion>, KnowledgeError> {
        let Some(root) = self.config.roots.first() else { return Ok(None) };
        let live = self.store.roll_back(&root.name, self.clock.now()).await?;
        if live.is_some() {
            self.reload().await?;
        }
        Ok(live)
    }

    /// Takes over what changed in the store or the model directory, also through another process.
    /// Whether anything did.
    pub async fn reload(&self) -> Result<bool, KnowledgeError> {
        let had_embedder = self.embedder().is_some();
        self.start_embedder()?;
        let same_model = had_embedder == self.embedder().is_some();
        if same_model && index::version(&*self.store, &self.config.roots).await? == self.snapshot().content.version {
            return Ok(false);
        }
        self.rebuild().await?;
        Ok(true)
    }

    async fn rebuild(&self) -> Result<(), KnowledgeError> {
        let _one = self.reloading.lock().await;
        let content = Arc::new(Content::read(&*self.store, &self.config.roots, self.config.bm25).await?);
        let vectors = self.read_vectors(&content).await?;
        self.swap(Snapshot { content, vectors });
        self.wants_vectors.notify_one();
        Ok(())
    }

    async fn refresh_vectors(&self) -> Result<(), KnowledgeError> {
        let _one = self.reloading.lock().await;
        let content = self.snapshot().content;
        let vectors = self.read_vectors(&content).await?;
        self.swap(Snapshot { content, vectors });
        Ok(())
    }

    async fn read_vectors(&self, content: &Arc<Content>) -> Result<Arc<Vectors>, KnowledgeError> {
        let Some(embedder) = self.embedder() else { return Ok(Arc::default()) };
        Ok(Arc::new(Vectors::read(&*self.store, content, embedder.model(), embedder.dimension()).await?))
    }

    fn swap(&self, snapshot: Snapshot) {
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        self.results.invalidate_all();
    }

    /// Makes the vectors that are missing, in batches that are stored as they come, and searches with
    /// them once they are there. Returns how many were made. Without an embedder there is nothing to do.
    pub async fn embed_missing(
        &self,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<usize, KnowledgeError> {
        let Some(embedder) = self.embedder() else { return Ok(0) };
        let _one = self.embedding.lock().await;
        let [words, asked] = missing::in_snapshot(&self.snapshot());
        if words.is_empty() && asked.is_empty() {
            return Ok(0);
        }
        self.embeds_now.store(true, Ordering::Relaxed);
        progress.begin("embedding passages", u64::try_from(words.len() + asked.len()).unwrap_or(u64::MAX));
        let made = async {
            let of_words = self.embed_all(&embedder, embedder.model(), words, progress, stop).await?;
            let of_asked = index::of_asked(embedder.model());
            Ok(of_words + self.embed_all(&embedder, &of_asked, asked, progress, stop).await?)
        };
        let made = made.await;
        progress.end();
        self.embeds_now.store(false, Ordering::Relaxed);
        self.refresh_vectors().await?;
        made
    }

    /// Embeds what is missing and stores it under the name `model`.
    async fn embed_all(
        &self,
        embedder: &CachedEmbedder,
        model: &str,
        missing: Vec<Missing>,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<usize, KnowledgeError> {
        let mut made = 0;
        for lookup in missing.chunks(LOOKUP_BATCH) {
            let hashes: Vec<String> = lookup.iter().map(|one| one.hash.clone()).collect();
            let cached: std::collections::HashMap<String, Vec<f32>> = self
                .store
                .cached_vectors(model, &hashes)
                .await?
                .into_iter()
                .filter(|(_, vector)| vector.len() == embedder.dimension())
                .collect();
            let known: Vec<(i64, Vec<f32>)> =
                lookup.iter().filter_map(|one| Some((one.id, cached.get(&one.hash)?.clone()))).collect();
            if !known.is_empty() {
                self.store.put_vectors(model, &known).await?;
                progress.advance(u64::try_from(known.len()).unwrap_or(0));
            }
            let fresh: Vec<_> = lookup.iter().filter(|one| !cached.contains_key(&one.hash)).collect();
            for batch in fresh.chunks(EMBED_BATCH) {
                let texts: Vec<String> = batch.iter().map(|one| one.text.clone()).collect();
                let vectors = tokio::select! {
                    () = stop.cancelled() => return Err(KnowledgeError::Stopped),
                    vectors = embedder.embed(&texts, Urgency::Background) => vectors?,
                };
                let rows: Vec<(i64, Vec<f32>)> = batch.iter().map(|one| one.id).zip(vectors).collect();
                self.store.put_vectors(model, &rows).await?;
                made += rows.len();
                progress.advance(u64::try_from(rows.len()).unwrap_or(0));
            }
        }
        Ok(made)
    }

    /// Keeps making missing vectors whenever content changes, until `stop`. Run it as one task.
    pub async fn keep_embedded(&self, progress: &dyn Progress, stop: &CancellationToken) {
        loop {
            let pause = match self.embed_missing(progress, stop).await {
                Ok(_) => None,
                Err(KnowledgeError::Stopped) => return,
                Err(error) => {
                    tracing::warn!(%error, "passages could not be embedded; the search goes by words meanwhile");
                    Some(EMBED_PAUSE)
                }
            };
            let next = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => self.wants_vectors.notified().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = next => {}
            }
        }
    }

    /// What is searched right now, without a look at the files.
    pub fn standing(&self) -> Standing {
        let snapshot = self.snapshot();
        Standing {
            version: snapshot.content.version.clone(),
            documents: snapshot.content.documents,
            passages: snapshot.content.passages.len(),
            embedded: snapshot.vectors.embedded,
            updated: snapshot.content.updated.clone(),
        }
    }

    /// Where the knowledge stands, compared with the files. A content directory that can't be read
    /// makes nothing stale.
    pub async fn status(&self) -> Result<Status, KnowledgeError> {
        let snapshot = self.snapshot();
        let embedder = self.embedder();
        let stale = ingest::stale(&*self.store, &self.config.roots).await?;
        Ok(Status {
            version: snapshot.content.version.clone(),
            documents: snapshot.content.documents,
            passages: snapshot.content.passages.len(),
            model: embedder.as_ref().map(|embedder| embedder.model().to_owned()),
            dimension: embedder.as_ref().map_or(0, |embedder| embedder.dimension()),
            model_ready: embedder.as_ref().is_some_and(|embedder| embedder.ready()),
            embedded: snapshot.vectors.embedded,
            embedding: self.embeds_now.load(Ordering::Relaxed),
            stale,
            versions: self.versions().await?,
        })
    }

    /// Waits until the model is loaded; at once when there is none.
    pub async fn wait_until_ready(&self) -> Result<(), KnowledgeError> {
        if let Some(embedder) = self.embedder() {
            embedder.embed(&[String::from("ready")], Urgency::Query).await?;
        }
        Ok(())
    }

    /// The query's vector, if there is one in time.
    pub(crate) async fn query_vector(&self, snapshot: &Snapshot, text: &str) -> Option<Arc<[f32]>> {
        let embedder = self.embedder()?;
        if !snapshot.vectors.suffice() || !embedder.ready() {
            return None;
        }
        match tokio::time::timeout(QUERY_DEADLINE, embedder.query(text)).await {
            Ok(Ok(vector)) => Some(vector),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a query could not be embedded; it is answered by words");
                None
            }
            Err(_) => {
                tracing::warn!("embedding a query took too long; it is answered by words");
                None
            }
        }
    }

    /// The configured weights.
    pub(crate) fn fusion(&self) -> &Fusion {
        &self.config.fusion
    }
}

#[async_trait]
impl Retriever for Knowledge {
    async fn search(&self, query: &Query) -> Found {
        let snapshot = self.snapshot();
        let text = query.text.trim();
        if text.is_empty() || snapshot.content.passages.is_empty() {
            return Found { lexical_only: !snapshot.vectors.suffice(), ..Found::default() };
        }
        let mut meanings: Vec<Arc<[f32]>> = self.query_vector(&snapshot, text).await.into_iter().collect();
        let key = ResultKey::of(&snapshot, query, text, !meanings.is_empty());
        if let Some(found) = self.results.get(&key) {
            return (*found).clone();
        }
        let opening = query.opening.as_deref().filter(|opening| !meanings.is_empty() && *opening != text);
        if let Some(opening) = opening {
            meanings.extend(self.query_vector(&snapshot, opening).await);
        }
        let mut whole = opening.is_none() || meanings.len() > 1;
        let mut found = search::search(&snapshot, query, &meanings, &self.config.fusion);
        let model = self.embedder().map(|embedder| Arc::from(embedder.model()));
        found.meaning = model.zip(meanings.pop()).map(|(model, vector)| Meaning { model, vector });
        for question in &query.further {
            // It leans on the whole: what that found says what it is about.
            let Some(subject) = found.passages.first().map(|best| best.subject().to_owned()) else { break };
            let alone = Query { text: format!("{subject}: {question}"), limit: FURTHER, ..query.clone() };
            let meaning: Vec<_> = self.query_vector(&snapshot, &alone.text).await.into_iter().collect();
            whole &= found.meaning.is_none() || !meaning.is_empty();
            let more = search::search(&snapshot, &alone, &meaning, &self.config.fusion);
            // Its subject is like the passages that it was taken from, whatever is asked.
            found.add(Found { likeness: 0.0, ..more });
        }
        let said = if query.said.is_empty() { text } else { &query.said };
        found.unknown = snapshot.content.lexical.unknown(&Analyzer::default(), said);
        found.unknown.extend(snapshot.content.neighbours.strange(said));
        if whole {
            self.results.insert(key, Arc::new(found.clone()));
        }
        found
    }

    fn section(&self, source: &str, section: &str) -> Vec<Passage> {
        let content = self.snapshot().content;
        let here = content.passages.iter().filter(|one| &*one.document.path == source && &*one.section == section);
        let mut found: Vec<_> = here.collect();
        found.sort_by_key(|passage| passage.position);
        found.into_iter().map(|passage| content.result(passage, passage.text.to_string(), 1.0)).collect()
    }

    fn respelled(&self, text: &str) -> Option<String> {
        self.snapshot().content.respelled(text)
    }

    fn version(&self) -> String {
        self.snapshot().content.version.clone()
    }
}
