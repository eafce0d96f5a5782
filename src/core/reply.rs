//! A reply: the words, what they rest on, and what the turn had to do without.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::AgentId;
use crate::lang::Lang;

/// The one reply that covers a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The whole text with `[1]` marks and the sources line, in the project's Markdown subset.
    pub text: String,
    /// The byte lengths of the pieces the text was released in; they add up to `text`. A resumed
    /// stream repeats exactly these.
    pub pieces: Vec<u32>,
    /// Who answered. Emergencies are `safety`, out of scope is `retrieval`.
    pub agent: AgentId,
    /// How sure the router was, 0 to 1.
    pub confidence: f32,
    /// What the message is about, in the router's words.
    pub intent: String,
    /// The language of the reply.
    pub lang: Lang,
    /// The guard's view of the message.
    pub safety: Safety,
    /// At most one question back.
    pub follow_up: Option<String>,
    /// What the diver may want to ask next, in the diver's words: a button where there are buttons.
    #[serde(default)]
    pub next_question: Option<String>,
    /// `extractive`, `fixed`, or the provider's model name.
    pub model: String,
    /// Prompt and completion tokens together.
    pub tokens_used: u32,
    /// How many passages the answer was given.
    pub context_chunks: usize,
    /// The passages the text cites, in the order of their marks.
    pub citations: Vec<Citation>,
    /// The message lay outside diving.
    pub out_of_scope: bool,
    /// Whether passages were sought, and found.
    pub grounding: Grounding,
    /// What was learned of the diver in this turn (`cert_level`, `context_mode`, …).
    pub state_updates: Map<String, Value>,
    /// Which content and prompts answered.
    pub versions: Versions,
    /// What the turn had to do without.
    pub degraded: Vec<Degraded>,
    /// The session had expired and began anew with this turn.
    pub session_restarted: bool,
}

impl Reply {
    /// A reply of fixed words: a notice, a refusal, a fallback, an emergency text.
    pub fn fixed(text: impl Into<String>, agent: AgentId, lang: Lang) -> Self {
        let text = text.into();
        Self {
            pieces: vec![u32::try_from(text.len()).unwrap_or(u32::MAX)],
            text,
            agent,
            confidence: 1.0,
            intent: String::new(),
            lang,
            safety: Safety::None,
            follow_up: None,
            next_question: None,
            model: "fixed".to_owned(),
            tokens_used: 0,
            context_chunks: 0,
            citations: Vec::new(),
            out_of_scope: false,
            grounding: Grounding::default(),
            state_updates: Map::new(),
            versions: Versions::default(),
            degraded: Vec::new(),
            session_restarted: false,
        }
    }

    /// The text in the pieces it was released in.
    pub fn released_pieces(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.pieces.iter().filter_map(move |length| {
            let end = start + *length as usize;
            let piece = self.text.get(start..end);
            start = end;
            piece
        })
    }
}

/// The guard's classification of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// Nothing about safety.
    #[default]
    None,
    /// A safety matter, not an emergency.
    Caution,
    /// Someone may be in danger now.
    Emergency,
}

/// A passage the reply points at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Citation {
    /// The mark in the text, from 1.
    pub n: usize,
    /// The document's path inside the content directory.
    pub source: String,
    /// The document's title.
    pub title: String,
    /// The heading the passage stands under.
    pub section: String,
    /// Who published what the document rests on.
    pub publisher: String,
    /// When the document was last revised, as a date.
    pub updated: String,
    /// The retrieval score, 0 to 1.
    pub score: f32,
}

/// Whether the answer rests on passages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounding {
    /// Passages were sought.
    pub rag_invoked: bool,
    /// Some were good enough.
    pub has_verified_data: bool,
}

/// The versions a turn was answered with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// A digest of the ingested content.
    pub content: String,
    /// A digest of the prompt files.
    pub prompts: String,
}

/// Something a turn had to do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Degraded {
    /// A model is configured but none answered.
    Llm,
    /// The search ran on words alone.
    Embeddings,
    /// The turn could not be stored.
    Store,
}
