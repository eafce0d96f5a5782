//! Knowledge: passages, and the search that finds them.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::session::DiverProfile;

/// Finds passages. Never fails: without embeddings it searches by words and says so.
#[async_trait]
pub trait Retriever: Send + Sync {
    /// The best passages for a query, or none when nothing is good enough.
    async fn search(&self, query: &Query) -> Found;

    /// The passages under one heading of a document, in the document's order; none where there is no such
    /// heading. `section` is empty for what stands before the first. Whoever keeps no documents has none.
    fn section(&self, _source: &str, _section: &str) -> Vec<Passage> {
        Vec::new()
    }

    /// An English message with its misspelt words as the content spells them; none where there are none, or where the
    /// message is in another language.
    fn respelled(&self, _message: &str) -> Option<String> {
        None
    }

    /// A digest of the content that is being searched.
    fn version(&self) -> String;
}

/// What is sought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// The question, standing alone.
    pub text: String,
    /// The message with its slips put right, in another language its English rendering: its words are looked up where
    /// the content may not have them. Empty to take the question's.
    pub said: String,
    /// The same where it opens a conversation: its meaning is sought beside that of `text`, to which the router adds and
    /// from which it takes.
    pub opening: Option<String>,
    /// The questions of a message that asks several, which may find passages of their own; each leans on what the
    /// whole found.
    pub further: Vec<String>,
    /// The operator's own business is asked for: documents of the type `faq` come first, also where they share few words
    /// with the question.
    pub operator_first: bool,
    /// Document types by prefix (`certification` finds `certification_limits`); empty for all.
    pub doc_types: Vec<String>,
    /// Passages of other types count, too, where they answer clearly better.
    pub also_elsewhere: bool,
    /// Places, dive sites and animals that the question is about: what knows nothing of them does not answer.
    pub names: Vec<String>,
    /// The most passages wanted.
    pub limit: usize,
    /// What is known of the diver; constrains destinations and sites.
    pub profile: DiverProfile,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Passages, best first. Empty: the search abstains.
    pub passages: Vec<Passage>,
    /// The search ran on words alone.
    pub lexical_only: bool,
    /// Words of the query that stand nowhere in the content, not even misspelt, and pairs of words written like a name
    /// that stand together nowhere ("silver otter"), in lower case: of what they name, nothing is known.
    pub unknown: Vec<String>,
    /// How alike in meaning the question, where it opens a conversation as `Query::opening` has it, and what is nearest to
    /// it are, 0 to 1; of several searches the largest, and 0 where words alone were searched.
    pub likeness: f32,
    /// What that question means; none where words alone were searched.
    pub meaning: Option<Meaning>,
}

/// What a text means, to an embedding model.
#[derive(Debug, Clone, PartialEq)]
pub struct Meaning {
    /// The model's name: the numbers of different models say nothing to one another.
    pub model: Arc<str>,
    /// The text's vector, of length 1.
    pub vector: Arc<[f32]>,
}

impl Found {
    /// Adds what a further search found behind what is there, each passage once.
    pub fn add(&mut self, more: Self) {
        for passage in more.passages {
            let known = |other: &Passage| other.source == passage.source && other.section == passage.section;
            if !self.passages.iter().any(known) {
                self.passages.push(passage);
            }
        }
        self.lexical_only |= more.lexical_only;
        self.likeness = self.likeness.max(more.likeness);
        self.meaning = self.meaning.take().or(more.meaning);
    }
}

/// A piece of a document that search returns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// The document's path inside the content directory, with forward slashes.
    pub source: String,
    /// The document's title.
    pub title: String,
    /// The heading the passage stands under; empty before the first.
    pub section: String,
    /// The document's type.
    pub doc_type: String,
    /// Who published what the document rests on; empty if unknown.
    pub publisher: String,
    /// When the document was last revised, as `2026-05-01`; empty if unknown.
    pub updated: String,
    /// The words, as Markdown without headings.
    pub text: String,
    /// What people type for what it answers, parted by question marks. It is searched and never quoted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub asked: String,
    /// How well it fits, 0 to 1.
    pub score: f32,
}

impl Passage {
    /// What its document is about: the title without what explains it in brackets or after a colon.
    pub fn subject(&self) -> &str {
        self.title.split(['(', ':']).next().unwrap_or_default().trim()
    }
}
