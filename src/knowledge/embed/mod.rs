//! Embeddings: text as vectors whose nearness is likeness of meaning.

mod cached;
mod kernels;
mod local;
mod minilm;
mod model_files;
mod openai;

use async_trait::async_trait;

pub use cached::CachedEmbedder;
pub use local::LocalEmbedder;
pub use minilm::{MiniLm, load as load_minilm};
pub use model_files::{
    MODEL_DIMENSION, MODEL_NAME, MODEL_SHA256, ModelError, fetch, fetch_from_file, is_present, model_directory, verify,
};
pub use openai::{OpenAiEmbedder, OpenAiEmbeddings};

/// Turns texts into vectors of length 1.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// The name that vectors are stored under; vectors of different names are never compared.
    fn model(&self) -> &str;

    /// How many numbers a vector has.
    fn dimension(&self) -> usize;

    /// Whether an [`embed`](Self::embed) would start at once; `false` while a model is being loaded.
    fn ready(&self) -> bool {
        true
    }

    /// One vector per text, in order. Waits until the model is ready.
    async fn embed(&self, texts: &[String], urgency: Urgency) -> Result<Vec<Vec<f32>>, EmbedError>;
}

/// Who waits for the vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A diver: goes before everything else.
    Query,
    /// Nobody: work in the background.
    Background,
}

/// Why there are no vectors.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The model's files are missing or broken.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model could not compute.
    #[error("the embedding model failed: {0}")]
    Compute(String),
    /// More is waiting than the queue holds.
    #[error("the embedding queue is full")]
    Busy,
    /// The embedder was shut down.
    #[error("the embedder was shut down")]
    Closed,
    /// The provider can't be reached or answered with an error.
    #[error("the embeddings provider failed: {0}")]
    Provider(String),
    /// The provider's vectors have another length than configured.
    #[error("the embeddings provider sent vectors of {found} numbers, {expected} are configured")]
    Dimension {
        /// What came.
        found: usize,
        /// What is configured.
        expected: usize,
    },
}

/// Scales a vector to length 1; a zero vector stays.
pub(crate) fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > f32::EPSILON {
        for x in vector {
            *x /= length;
        }
    }
}
