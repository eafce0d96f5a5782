//! Why knowledge work failed.

use std::path::PathBuf;

use dovvybuddy_core::store::StoreError;

use crate::embed::EmbedError;

/// Why ingestion, indexing or evaluation did not go through.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The embedder refused.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// A content directory is missing or can't be listed. Nothing was removed.
    #[error("the content directory {} can't be read: {source}", path.display())]
    ContentDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An evaluation file can't be read.
    #[error("{}: {message}", path.display())]
    EvaluationFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where known.
        message: String,
    },
    /// The work was stopped before it was done; doing it again continues.
    #[error("stopped before it was done")]
    Stopped,
    /// A background task ended without a result.
    #[error("a background task failed: {0}")]
    Task(String),
}

impl From<tokio::task::JoinError> for KnowledgeError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Task(error.to_string())
    }
}
