//! `eval retrieval`: how well the search finds what people judged relevant.
//!
//! The documents go through the daemon's own pipeline into a knowledge base of their own. Every query is
//! ranked to the end: abstention and joining, which serve answers, would hide what is measured here.

mod measures;
mod read;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dovvybuddy_core::clock::SystemClock;
use dovvybuddy_core::store::{Document, Edition, KnowledgeBase, NewPassage};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::chunk;
use crate::error::KnowledgeError;
use crate::knowledge::{Knowledge, KnowledgeConfig};
use crate::memory::MemoryKnowledgeBase;
use crate::progress::Progress;
use crate::rank;

use measures::Judged;

/// Ranks that are measured.
const DEPTH: usize = 100;

/// The result, as `--json` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetrievalReport {
    /// `hybrid` or `lexical`.
    pub mode: &'static str,
    /// Queries with at least one relevant document.
    pub queries: usize,
    /// Documents searched.
    pub documents: usize,
    /// Linear gain, as `trec_eval` counts it.
    #[serde(rename = "ndcg@10")]
    pub ndcg_10: f64,
    /// The share of relevant documents among the first 5.
    #[serde(rename = "recall@5")]
    pub recall_5: f64,
    /// The same among the first 10.
    #[serde(rename = "recall@10")]
    pub recall_10: f64,
    /// The same among the first 100.
    #[serde(rename = "recall@100")]
    pub recall_100: f64,
    /// The mean of 1 over the rank of the first relevant document, if among the first 10.
    #[serde(rename = "mrr@10")]
    pub mrr_10: f64,
    /// Time of a query, its embedding included.
    pub latency_ms: Latency,
    /// Time to index the documents, their embedding included.
    pub index_seconds: f64,
    /// One entry per query, for `--rows`.
    #[serde(skip)]
    pub rows: Vec<RetrievalRow>,
}

/// Times in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// What 95 of 100 stay under.
    pub p95: f64,
}

/// One query's result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetrievalRow {
    /// The query's id.
    pub id: String,
    /// Its text.
    pub text: String,
    /// The first ten documents found.
    pub found: Vec<String>,
    /// The documents judged relevant, best first.
    pub relevant: Vec<String>,
    /// This query's measure.
    #[serde(rename = "ndcg@10")]
    pub ndcg_10: f64,
}

/// Indexes `docs`, asks `queries` and measures against `qrels`. The model's files are looked for in
/// `data_dir`; without them, or with `Embeddings::None`, words alone are measured.
#[allow(clippy::too_many_arguments, reason = "three files and how to run them")]
pub async fn eval_retrieval(
    docs: &Path,
    queries: &Path,
    qrels: &Path,
    config: KnowledgeConfig,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<RetrievalReport, KnowledgeError> {
    let docs = read::documents(docs)?;
    let queries = read::queries(queries)?;
    let qrels = read::judgements(qrels)?;

    let started = Instant::now();
    let store = Arc::new(MemoryKnowledgeBase::new());
    let put: Vec<Document> = docs.iter().map(document).collect();
    let edition = Edition { version: "measured".to_owned(), put, ..Edition::default() };
    store.publish(&edition, dovvybuddy_core::Timestamp::from_millis(0)).await?;
    let store: Arc<dyn KnowledgeBase> = store;
    let knowledge = Knowledge::open(config, store, Arc::new(SystemClock)).await?;
    knowledge.embed_missing(progress, stop).await?;
    let index_seconds = started.elapsed().as_secs_f64();

    let queries: Vec<_> = queries.into_iter().filter(|query| qrels.contains_key(&query.id)).collect();
    progress.begin("asking", u64::try_from(queries.len()).unwrap_or(u64::MAX));
    let mut judged = Vec::with_capacity(queries.len());
    let mut times = Vec::with_capacity(queries.len());
    let mut by_meaning = false;
    for query in &queries {
        if stop.is_cancelled() {
            progress.end();
            return Err(KnowledgeError::Stopped);
        }
        let asked = Instant::now();
        let (ranked, meaning) = rank_documents(&knowledge, &query.text).await;
        times.push(asked.elapsed());
        by_meaning |= meaning;
        let grades = qrels.get(&query.id).cloned().unwrap_or_default();
        judged.push(Judged { ranked, grades });
        progress.advance(1);
    }
    progress.end();
    let rows = queries.iter().zip(&judged).map(|(query, judged)| row(query, judged)).collect();
    Ok(RetrievalReport {
        mode: if by_meaning { "hybrid" } else { "lexical" },
        queries: judged.len(),
        documents: docs.len(),
        ndcg_10: measures::mean(&judged, |query| query.ndcg(10)),
        recall_5: measures::mean(&judged, |query| query.recall(5)),
        recall_10: measures::mean(&judged, |query| query.recall(10)),
        recall_100: measures::mean(&judged, |query| query.recall(DEPTH)),
        mrr_10: measures::mean(&judged, |query| query.reciprocal_rank(10)),
        latency_ms: latency(times),
        index_seconds,
        rows,
    })
}

impl RetrievalReport {
    /// The result as a table for people.
    pub fn table(&self) -> String {
        let line = |name: &str, value: f64| format!("{name:<14}{value:>8.4}\n");
        let mut text = format!("{} documents, {} queries, {}\n", self.documents, self.queries, self.mode);
        text += &line("nDCG@10", self.ndcg_10);
        text += &line("recall@5", self.recall_5);
        text += &line("recall@10", self.recall_10);
        text += &line("recall@100", self.recall_100);
        text += &line("MRR@10", self.mrr_10);
        let Latency { p50, p95 } = self.latency_ms;
        text + &format!("query         p50 {p50:.2} ms, p95 {p95:.2} ms\nindexed in    {:.1} s\n", self.index_seconds)
    }
}

fn document(doc: &read::Doc) -> Document {
    let passages = chunk::chunks(&doc.title, &doc.text);
    Document {
        path: doc.id.clone(),
        hash: crate::document::document_hash(doc.text.as_bytes()),
        title: doc.title.clone(),
        doc_type: "document".to_owned(),
        passages: passages
            .into_iter()
            .map(|chunk| NewPassage { hash: chunk.hash(&doc.title), section: chunk.section, text: chunk.text })
            .collect(),
        ..Document::default()
    }
}

/// The documents for a query, best first: each by its best passage. Whether meaning was asked too.
async fn rank_documents(knowledge: &Knowledge, text: &str) -> (Vec<String>, bool) {
    let snapshot = knowledge.snapshot();
    let meanings: Vec<_> = knowledge.query_vector(&snapshot, text).await.into_iter().collect();
    let vectors = (!meanings.is_empty()).then_some((&*snapshot.vectors, meanings.as_slice()));
    let fusion = rank::Fusion { depth: knowledge.fusion().depth.max(DEPTH * 2), ..*knowledge.fusion() };
    let content = &snapshot.content;
    let (candidates, _) = rank::rank(content, vectors, text, &content.allowed(&[]), &[], &fusion);
    let mut ranked: Vec<String> = Vec::with_capacity(DEPTH);
    let mut seen = HashSet::new();
    for candidate in candidates {
        let Some(passage) = snapshot.content.passages.get(candidate.passage as usize) else { continue };
        if ranked.len() < DEPTH && seen.insert(passage.document.path.as_ref()) {
            ranked.push(passage.document.path.to_string());
        }
    }
    (ranked, vectors.is_some())
}

fn row(query: &read::Asked, judged: &Judged) -> RetrievalRow {
    let mut relevant: Vec<(&String, &f64)> = judged.grades.iter().filter(|(_, grade)| **grade > 0.0).collect();
    relevant.sort_by(|left, right| right.1.total_cmp(left.1).then(left.0.cmp(right.0)));
    RetrievalRow {
        id: query.id.clone(),
        text: query.text.clone(),
        found: judged.ranked.iter().take(10).cloned().collect(),
        relevant: relevant.into_iter().map(|(id, _)| id.clone()).collect(),
        ndcg_10: judged.ndcg(10),
    }
}

fn latency(mut times: Vec<Duration>) -> Latency {
    times.sort_unstable();
    let at = |share: usize| {
        let place = (times.len() * share).div_ceil(100).saturating_sub(1);
        times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    };
    Latency { p50: at(50), p95: at(95) }
}
