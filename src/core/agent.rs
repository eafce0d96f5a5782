//! Agents: who answers what, and the ports through which an answer comes about.
//!
//! A message is [routed](Router) to one agent; its [`Brief`] gathers everything the answer may rest
//! on; an [`Answerer`] writes it, with a model or by quoting the passages.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::ids::{AgentId, DiverKey};
use crate::knowledge::{Meaning, Passage};
use crate::lang::Lang;
use crate::model::Prompt;
pub use crate::phrase::Phrase;
use crate::reply::{Citation, Degraded};
use crate::session::{DiverProfile, ProfileField, Session};

/// What is asked, with the conversation around it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The message, or a burst joined by line breaks, with its misspelt words put right.
    pub text: String,
    /// The same as it was typed.
    pub typed: String,
    /// The conversation so far; `history` does not hold `text` yet.
    pub session: Session,
    /// Who asks; spend caps count by it.
    pub diver: DiverKey,
    /// The platform's idea of the diver's language.
    pub locale: Option<String>,
    /// The current moment.
    pub now: Timestamp,
    /// Until when the reply must be there.
    pub deadline: tokio::time::Instant,
}

impl Asked {
    /// What is left until the deadline.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(tokio::time::Instant::now())
    }
}

/// Decides who answers. Without a model it takes under 20 ms and always gives the same result.
#[async_trait]
pub trait Router: Send + Sync {
    /// Reads the message with its history.
    async fn route(&self, asked: &Asked) -> Route;

    /// What [`Router::route`] will probably say, told at once: no model is asked for it.
    async fn foresee(&self, asked: &Asked) -> Route {
        self.route(asked).await
    }
}

/// How a message hangs on the conversation, and what it asks one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The message word by word in English, as far as it is known, where it is in another language.
    pub english: Option<String>,
    /// What of the query is taken over from what was said before, in words of the search.
    pub taken_over: String,
    /// The message asks nothing and tells more of what was asked before.
    pub tells: bool,
    /// The message tells something and neither asks nor complains, whether or not it goes on from anything.
    pub only_tells: bool,
    /// The message read by itself where it was taken to go on: searched for where the first reading has no answer.
    pub alone: Option<Alone>,
    /// The questions of a message that asks several, in words of the search; empty where it asks one.
    pub questions: Vec<String>,
    /// Who is worried asks for a fact as well.
    pub wants_a_fact: bool,
}

/// A message read by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alone {
    /// What is searched for.
    pub query: String,
    /// The places, dive sites and animals it names.
    pub names: Vec<String>,
}

/// Where a message goes and what was understood of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// What is to be done.
    pub to: Destination,
    /// How sure that is, 0 to 1.
    pub confidence: f32,
    /// What the message is about, as a short stable word.
    pub intent: String,
    /// Agents whose subject is touched too; `safety` here adds its words to the answer.
    pub also: Vec<AgentId>,
    /// The language of the message.
    pub lang: Lang,
    /// The question as it would be asked without its history, for the search.
    pub query: String,
    /// How the message hangs on the conversation, and what it asks one by one.
    pub context: Context,
    /// The places, dive sites and animals that the message names and asks about, in English as far as known.
    pub names: Vec<String>,
    /// The message carries a worry that wants to be acknowledged first.
    pub worry: Option<String>,
    /// A safety matter that is no emergency.
    pub caution: bool,
    /// What is asked for lies deeper than the diver's certificate is taken for.
    pub beyond_certificate: bool,
    /// What the diver wants forgotten.
    pub forgets: Vec<ProfileField>,
    /// What the message tells of the diver.
    pub learned: DiverProfile,
    /// The same as the outside sees it (`cert_level`, `context_mode`, `last_intent`…).
    pub state_updates: Map<String, Value>,
}

impl Route {
    /// The words in which the message of this route is understood in English, `typed` as it was: itself, or of another
    /// language the rendering, if there is one.
    pub fn english<'a>(&'a self, typed: &'a str) -> Option<&'a str> {
        if self.lang == Lang::En { Some(typed) } else { self.context.english.as_deref() }
    }

    /// Whether the operator's own business is asked for: prices, hours, bookings, how to reach them.
    pub fn asks_the_operator(&self) -> bool {
        matches!(&*self.intent, "price" | "hours" | "operator")
    }
}

/// What is to be done with a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Destination {
    /// An agent answers from passages.
    Agent(AgentId),
    /// It is outside diving; a fixed refusal says what is covered.
    OutOfScope,
    /// A greeting, thanks, "are you a bot?": fixed words suffice.
    Fixed(Phrase),
    /// The numbers to call in an emergency are asked for; the guard has them.
    Helplines,
    /// A person is wanted: the diver is put in touch with one.
    Connect,
    /// It is asked what is remembered of the diver's own experience.
    Experience,
}

/// An agent as its prompt file describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentSpec {
    /// Its id.
    pub id: AgentId,
    /// What it is for, in a sentence.
    pub purpose: String,
    /// The document types it searches, as prefixes; empty for all.
    pub doc_types: Vec<String>,
    /// The model's temperature.
    pub temperature: f32,
    /// The questions it may ask back, by language code; one fits most answers.
    pub follow_ups: Map<String, Value>,
    /// What a diver may want to ask next, in the diver's own words, by language code; offered as buttons.
    pub next_questions: Map<String, Value>,
}

/// The agents that are configured. Replacing a prompt file changes [`Agents::version`].
pub trait Agents: Send + Sync {
    /// The agent of that id, or the general one.
    fn agent(&self, id: &AgentId) -> Arc<AgentSpec>;

    /// The prompt by which a model answers this brief.
    fn prompt(&self, brief: &Brief) -> Prompt;

    /// A digest of all prompt files.
    fn version(&self) -> String;
}

/// Everything an answer may rest on.
#[derive(Debug, Clone)]
pub struct Brief {
    /// What is asked.
    pub asked: Asked,
    /// What was understood.
    pub route: Route,
    /// Who answers.
    pub agent: Arc<AgentSpec>,
    /// What was found, best first; a citation mark `[n]` points at the n-th.
    pub passages: Vec<Passage>,
    /// How many of them were found for the message as it was read first; what follows was found for it read
    /// [by itself](Context::alone).
    pub first: usize,
    /// Words and names of two words that stand nowhere in the content, as [`Found::unknown`](crate::knowledge::Found)
    /// tells them.
    pub unknown: Vec<String>,
    /// How alike in meaning the question and what was found are, as [`Found::likeness`](crate::knowledge::Found).
    pub likeness: f32,
    /// What the message means to the model that searched, as [`Found::meaning`](crate::knowledge::Found).
    pub meaning: Option<Meaning>,
}

/// Writes the answer. Never fails: the last resort is extraction from the passages.
#[async_trait]
pub trait Answerer: Send + Sync {
    /// Answers the brief before its deadline, releasing checked text piece by piece.
    async fn answer(&self, brief: &Brief, release: &dyn Release) -> Answer;
}

/// Takes checked text on its way to the diver. What was released is never taken back.
pub trait Release: Send + Sync {
    /// Releases the next piece.
    fn piece(&self, text: &str);
}

/// An answer, without its sources line.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The text; the released pieces put together.
    pub text: String,
    /// `extractive`, or the provider's model name.
    pub model: String,
    /// Prompt and completion tokens together.
    pub tokens_used: u32,
    /// What it cost, in millionths of the configured currency.
    pub cost_micros: u64,
    /// The passages the text cites.
    pub citations: Vec<Citation>,
    /// One question back.
    pub follow_up: Option<String>,
    /// Whether the passages covered the question.
    pub covered: bool,
    /// What it had to do without.
    pub degraded: Vec<Degraded>,
}

/// The fixed sentences, in eleven languages and with the operator's contacts filled in.
pub trait Voice: Send + Sync {
    /// The sentence for `phrase`.
    fn say(&self, phrase: Phrase, lang: Lang) -> String;
}
