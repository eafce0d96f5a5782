//! Search over 100,000 passages that a Postgres server holds: how long it takes, and what it finds of what is nearest.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use dovvybuddy_bench::corpus::Numbers;
use dovvybuddy_bench::{BoxError, CONNECTIONS};
use dovvybuddy_core::knowledge::{Query, Retriever as _};
use dovvybuddy_core::store::{Document, Edition, KnowledgeBase, NewPassage};
use dovvybuddy_core::{Clock as _, SystemClock};
use dovvybuddy_knowledge::embed::{EmbedError, Embedder, Urgency};
use dovvybuddy_knowledge::vector::VectorIndex;
use dovvybuddy_knowledge::{Embeddings, Knowledge, KnowledgeConfig};
use dovvybuddy_store_postgres::{OpenOptions, PostgresStore, Reckoning};
use sqlx::Executor as _;

use crate::Bench;
use crate::postgres::Scratch;
use crate::report::{Goal, Report};

const SECTION: &str = "Search over 100,000 passages of Postgres";
const DOCUMENTS: usize = 5_000;
const PASSAGES: usize = 20;
const WORDS: usize = 80;
const DIMENSION: usize = 384;
const QUERIES: usize = 200;
const WANTED: usize = 10;
/// Documents of one write.
const BATCH: usize = 250;
const MODEL: &str = "bench";

/// A vector by the words themselves: texts that share words lie near each other, as with a real model.
struct ByWords;

impl ByWords {
    fn vector(text: &str) -> Vec<f32> {
        let mut vector = vec![0.0_f32; DIMENSION];
        for word in text.split_whitespace() {
            let seed = word.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(1_000_003) ^ u64::from(byte));
            let mut numbers = Numbers::new(seed);
            for value in &mut vector {
                *value += numbers.centred();
            }
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        vector.iter().map(|x| x / length).collect()
    }
}

#[async_trait]
impl Embedder for ByWords {
    fn model(&self) -> &'static str {
        MODEL
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    async fn embed(&self, texts: &[String], _: Urgency) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(texts.iter().map(|text| Self::vector(text)).collect())
    }
}

/// Words with a natural distribution: a few frequent, most rare.
fn words(numbers: &mut Numbers, count: usize) -> String {
    let word = |numbers: &mut Numbers| {
        let uniform = f64::from(u32::try_from(numbers.below(1 << 20)).unwrap_or(0)) / f64::from(1 << 20);
        format!("w{:.0}", 20_000_f64.powf(uniform))
    };
    (0..count).map(|_| word(numbers)).collect::<Vec<_>>().join(" ")
}

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<(), BoxError> {
    let scratch = Scratch::make(bench, "retrieval").await?;
    let measured = search(&scratch, report).await;
    scratch.remove().await?;
    measured
}

async fn search(scratch: &Scratch, report: &mut Report) -> Result<(), BoxError> {
    let store = Arc::new(open(scratch).await?);
    // The index is for queries of an operator's own; the daemon searches in memory.
    scratch.connect().await?.execute("DROP INDEX content_embeddings_hnsw").await?;
    fill(&store).await?;
    let config = KnowledgeConfig::new(Vec::new(), "unused".into(), Embeddings::None);
    let began = Instant::now();
    let knowledge = Knowledge::open_with(config, store.clone(), Arc::new(SystemClock), Arc::new(ByWords)).await?;
    report.figure(SECTION, "read from the database and indexed", began.elapsed().as_secs_f64(), "s", Goal::None);
    let mut numbers = Numbers::new(99);
    let questions: Vec<String> = (0..QUERIES).map(|_| words(&mut numbers, 9)).collect();
    let mut took = Vec::with_capacity(QUERIES);
    for text in &questions {
        let query = Query { text: text.clone(), limit: 5, ..Query::default() };
        let began = Instant::now();
        std::hint::black_box(knowledge.search(&query).await);
        took.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    took.sort_by(f64::total_cmp);
    for (name, at, goal) in [("p50", QUERIES / 2, Goal::None), ("p95", QUERIES * 95 / 100, Goal::AtMost(20.0))] {
        report.figure(SECTION, format!("a search, {name}"), took.get(at).copied().unwrap_or_default(), "ms", goal);
    }
    let recall = recall(&*store, &questions).await?;
    report.figure(SECTION, "recall@10 of the nearest against an exact scan", recall, "", Goal::AtLeast(0.98));
    Ok(())
}

async fn open(scratch: &Scratch) -> Result<PostgresStore, BoxError> {
    let options = OpenOptions {
        url: scratch.url.to_string(),
        direct_url: None,
        connections: CONNECTIONS,
        dispatch: false,
        max_waiting: 1,
        migrate: true,
        adoption: None,
        clock: Arc::new(SystemClock),
        reckoning: Reckoning::Database,
    };
    Ok(PostgresStore::open(options).await?)
}

async fn fill(store: &PostgresStore) -> Result<(), BoxError> {
    let mut numbers = Numbers::new(1);
    for first in (0..DOCUMENTS).step_by(BATCH) {
        let documents = (first..first + BATCH).map(|number| document(number, &mut numbers)).collect();
        let edition = Edition { version: format!("bench-{first}"), put: documents, ..Edition::default() };
        store.publish(&edition, SystemClock.now()).await?;
    }
    let passages = store.passages().await?;
    for some in passages.chunks(1_000) {
        let vectors: Vec<_> = some.iter().map(|passage| (passage.id, ByWords::vector(&passage.text))).collect();
        store.put_vectors(MODEL, &vectors).await?;
    }
    Ok(())
}

fn document(number: usize, numbers: &mut Numbers) -> Document {
    let passage = |part: usize, numbers: &mut Numbers| NewPassage {
        section: words(numbers, 3),
        text: words(numbers, WORDS),
        hash: format!("{number}-{part}"),
    };
    Document {
        path: format!("d{number:05}.md"),
        hash: number.to_string(),
        title: words(numbers, 4),
        doc_type: "safety".into(),
        passages: (0..PASSAGES).map(|part| passage(part, numbers)).collect(),
        ..Document::default()
    }
}

/// How many of the ten nearest by an exact scan in full precision are among the ten that are found.
async fn recall(store: &PostgresStore, questions: &[String]) -> Result<f64, BoxError> {
    let vectors = store.vectors(MODEL, DIMENSION).await?;
    let mut index = VectorIndex::new(DIMENSION, vectors.len());
    for (_, vector) in &vectors {
        index.push(vector);
    }
    let mut shared = 0_u32;
    for question in questions {
        let query = ByWords::vector(question);
        let likeness = |vector: &[f32]| vector.iter().zip(&query).map(|(x, y)| x * y).sum::<f32>();
        let mut exact: Vec<(u32, f32)> = (0_u32..).zip(vectors.iter().map(|(_, vector)| likeness(vector))).collect();
        exact.sort_by(|left, right| right.1.total_cmp(&left.1));
        let found = index.nearest(&query, WANTED, |_| true);
        let hit = |nearest: &&(u32, f32)| found.iter().any(|(number, _)| *number == nearest.0);
        shared += u32::try_from(exact.iter().take(WANTED).filter(hit).count())?;
    }
    Ok(f64::from(shared) / f64::from(u32::try_from(questions.len() * WANTED)?))
}
