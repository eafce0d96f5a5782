//! Search over ten thousand passages, with vectors, without the query's embedding; and building the index.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a benchmark over data of its own"
)]

use std::sync::Arc;

use async_trait::async_trait;
use divan::{Bencher, black_box};
use dovvybuddy_core::clock::{SystemClock, Timestamp};
use dovvybuddy_core::knowledge::{Query, Retriever as _};
use dovvybuddy_core::store::{Document, Edition, KnowledgeBase as _, NewPassage};
use dovvybuddy_knowledge::embed::{EmbedError, Embedder, Urgency};
use dovvybuddy_knowledge::lexical::{Bm25, Fields, LexicalIndex};
use dovvybuddy_knowledge::{Embeddings, Knowledge, KnowledgeConfig, MemoryKnowledgeBase, Silent};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const DOCUMENTS: usize = 1_000;
const PASSAGES: usize = 10;

fn main() {
    divan::main();
}

/// Words with a natural distribution: a few frequent, most rare.
struct Words(u64);

impl Words {
    fn word(&mut self) -> String {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let uniform = (self.0 >> 33) as f64 / f64::from(1_u32 << 31);
        format!("w{}", (20_000.0_f64.powf(uniform) - 1.0) as u32)
    }

    fn text(&mut self, count: usize) -> String {
        (0..count).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }
}

/// A vector by the words' letters: cheap, and the same for the same text.
struct ByLetters;

#[async_trait]
impl Embedder for ByLetters {
    fn model(&self) -> &'static str {
        "by-letters"
    }

    fn dimension(&self) -> usize {
        384
    }

    async fn embed(&self, texts: &[String], _: Urgency) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(texts
            .iter()
            .map(|text| {
                let mut vector = vec![0.01_f32; 384];
                for word in text.split_whitespace() {
                    let at = word.bytes().fold(7_usize, |hash, byte| hash.wrapping_mul(31) + usize::from(byte)) % 384;
                    vector[at] += 1.0;
                }
                let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
                vector.iter().map(|x| x / length).collect()
            })
            .collect())
    }
}

fn open(runtime: &Runtime) -> Arc<Knowledge> {
    let mut words = Words(1);
    let documents: Vec<Document> = (0..DOCUMENTS)
        .map(|number| Document {
            path: format!("d{number:04}.md"),
            hash: number.to_string(),
            title: words.text(4),
            doc_type: "safety".into(),
            passages: (0..PASSAGES)
                .map(|part| NewPassage {
                    section: words.text(4),
                    text: words.text(150),
                    hash: format!("{number}-{part}"),
                })
                .collect(),
            ..Document::default()
        })
        .collect();
    runtime.block_on(async {
        let store = Arc::new(MemoryKnowledgeBase::new());
        let edition = Edition { version: "bench".into(), put: documents, ..Edition::default() };
        store.publish(&edition, Timestamp::from_millis(0)).await.unwrap();
        let config = KnowledgeConfig::new(Vec::new(), "unused".into(), Embeddings::None);
        let knowledge = Knowledge::open_with(config, store, Arc::new(SystemClock), Arc::new(ByLetters)).await.unwrap();
        knowledge.embed_missing(&Silent, &CancellationToken::new()).await.unwrap();
        knowledge
    })
}

#[divan::bench]
fn hybrid_10_000(bencher: Bencher) {
    let runtime = Runtime::new().unwrap();
    let knowledge = open(&runtime);
    let mut words = Words(99);
    bencher
        .with_inputs(|| Query { text: words.text(9), limit: 5, ..Query::default() })
        .bench_local_values(|query| black_box(runtime.block_on(knowledge.search(&query))));
}

fn texts() -> Vec<String> {
    let mut words = Words(3);
    (0..DOCUMENTS * PASSAGES).map(|_| words.text(150)).collect()
}

fn fields(text: &str) -> Fields<'_> {
    Fields { text, ..Fields::default() }
}

#[divan::bench(sample_count = 10)]
fn build_lexical_10_000(bencher: Bencher) {
    let texts = texts();
    bencher.bench_local(|| LexicalIndex::build(texts.iter().map(|text| fields(text)), Bm25::default()));
}

#[divan::bench]
fn lexical_10_000(bencher: Bencher) {
    let texts = texts();
    let index = LexicalIndex::build(texts.iter().map(|text| fields(text)), Bm25::default());
    let mut words = Words(99);
    bencher.with_inputs(|| words.text(9)).bench_local_values(|text| {
        let mut scores = vec![0.0; index.len()];
        index.score_into(&index.query(&text), &mut scores);
        black_box(scores)
    });
}
