//! The operator's own documents: answers to questions that were not covered, and the facts of the house.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::channel::BoxError;

/// The operator's own documents. What is published is searched at once, and cited like any other.
#[async_trait]
pub trait Shelf: Send + Sync + 'static {
    /// What stands there: the facts in the order of [`Fact::ALL`], written or not, then answers, the newest first.
    async fn entries(&self) -> Result<Vec<ShelfEntry>, ShelfError>;

    /// The document a draft would become.
    async fn preview(&self, draft: &Draft) -> Result<String, ShelfError>;

    /// Publishes a draft; one of an entry that stands there replaces it. Returns the entry's id.
    async fn publish(&self, draft: &Draft) -> Result<String, ShelfError>;

    /// Takes an entry down; [`Self::undo`] brings it back.
    async fn remove(&self, id: &str) -> Result<(), ShelfError>;

    /// Brings back what stood there before the last change of this entry, which may be nothing.
    async fn undo(&self, id: &str) -> Result<(), ShelfError>;
}

/// What the operator writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The entry it replaces, or the [fact](Fact) it is; `None`: a new answer.
    pub id: Option<String>,
    /// The question; the facts have their own heading.
    pub question: String,
    /// The answer, in Markdown.
    pub answer: String,
}

/// An entry that stands there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShelfEntry {
    /// Its id.
    pub id: String,
    /// Whether it is one of the facts.
    pub fact: bool,
    /// The question, or the fact's heading.
    pub question: String,
    /// The answer; empty for a fact nobody has written yet.
    pub answer: String,
    /// The path replies cite it by.
    pub source: String,
    /// When it was last changed, as a date; empty for a fact nobody has written yet.
    pub updated: String,
    /// Whether there is something to undo.
    pub undo: bool,
}

/// The facts of a house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// When it is open.
    Hours,
    /// What things cost.
    Prices,
    /// How to reach it.
    Contacts,
}

impl Fact {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hours, Self::Prices, Self::Contacts];

    /// The entry's id.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Hours => "hours",
            Self::Prices => "prices",
            Self::Contacts => "contacts",
        }
    }

    /// The fact with this id.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fact| fact.id() == id)
    }
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The draft can't become a document.
    #[error("{field} {message}")]
    Invalid {
        /// Which part.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// There is no such entry, or nothing to undo.
    #[error("there is no such entry")]
    Unknown,
    /// Files or the store refused; whatever stood there stands.
    #[error("the documents can't be written: {0}")]
    Unavailable(#[source] BoxError),
}
