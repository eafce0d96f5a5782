//! The local model against figures of the reference implementation. Runs where the model's files are:
//! `DOVVYBUDDY_TEST_MODEL` names a directory, wheel or file, as `scripts/test` does.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it did not expect")]

use std::path::PathBuf;

use dovvybuddy_knowledge::Silent;
use dovvybuddy_knowledge::embed::{Embedder as _, LocalEmbedder, Urgency, fetch_from_file, model_directory};

#[tokio::test]
async fn vectors_agree_with_sentence_transformers() {
    let Some(source) = std::env::var_os("DOVVYBUDDY_TEST_MODEL").map(PathBuf::from) else {
        println!("skipped: DOVVYBUDDY_TEST_MODEL names no model");
        return;
    };
    let data = tempfile::tempdir().unwrap();
    fetch_from_file(data.path(), &source, &Silent).unwrap();
    let embedder = LocalEmbedder::start(model_directory(data.path())).unwrap();
    let texts = ["This is an example sentence".to_owned(), "Each sentence is converted".to_owned()];
    let vectors = embedder.embed(&texts, Urgency::Query).await.unwrap();
    // The model card's own example.
    let expected = [0.067_657, 0.063_496, 0.048_713, 0.079_305, 0.037_448];
    for (found, expected) in vectors[0].iter().zip(expected) {
        assert!((found - expected).abs() < 1e-3, "{found} {expected}");
    }
    let alone = embedder.embed(&texts[1..], Urgency::Background).await.unwrap();
    let cosine: f32 = alone[0].iter().zip(&vectors[1]).map(|(x, y)| x * y).sum();
    assert!(cosine > 0.999_9, "a text's vector does not depend on its batch: {cosine}");
}
