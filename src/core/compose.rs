//! From an answer to a reply: pieces are released on the way, sources and metadata come at the end.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::agent::{Answer, Brief, Phrase, Release, Voice};
use crate::events::{TurnEvent, TurnLog};
use crate::ids::{AgentId, SessionId};
use crate::lang::Lang;
use crate::offers;
use crate::reply::{Citation, Degraded, Grounding, Reply, Safety, Versions};

/// Puts a turn's reply together while its pieces are released.
pub(crate) struct Composer<'a> {
    voice: &'a dyn Voice,
    log: Arc<TurnLog>,
    session: SessionId,
    released: Mutex<Released>,
}

#[derive(Default)]
struct Released {
    text: String,
    pieces: Vec<u32>,
    /// How sure it is who answers, once that was said.
    routed: Option<f32>,
    first: Option<Instant>,
}

/// What a reply is composed from.
pub(crate) struct Draft<'a> {
    pub(crate) brief: &'a Brief,
    pub(crate) answer: Answer,
    pub(crate) safety: Safety,
    /// First contact: say who is speaking.
    pub(crate) introduce: bool,
    pub(crate) lexical_only: bool,
}

impl Release for Composer<'_> {
    fn piece(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        {
            let mut released = self.released();
            released.first.get_or_insert_with(Instant::now);
            released.text.push_str(text);
            released.pieces.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        self.log.push(TurnEvent::Token(text.to_owned()));
    }
}

impl<'a> Composer<'a> {
    /// Composes into a turn's log.
    pub(crate) fn new(voice: &'a dyn Voice, log: Arc<TurnLog>, session: SessionId) -> Self {
        Self { voice, log, session, released: Mutex::default() }
    }

    /// Tells the followers who answers. Said once; a reply that was never routed says it with its text.
    /// Gives how sure that is, as they were told.
    pub(crate) fn routed(&self, agent: &AgentId, confidence: f32, safety: Safety) -> f32 {
        let mut released = self.released();
        if released.routed.is_some() {
            return confidence;
        }
        let confidence = self.log.route(agent, confidence, self.session);
        released.routed = Some(confidence);
        self.log.push(TurnEvent::Safety(safety));
        confidence
    }

    /// When the first piece was released.
    pub(crate) fn first_piece(&self) -> Option<Instant> {
        self.released().first
    }

    /// A reply of fixed words. Words released before stand, and these follow them.
    pub(crate) fn fixed(&self, text: &str, agent: &str, lang: Lang, safety: Safety) -> Reply {
        let agent = AgentId::new(agent);
        let confidence = self.routed(&agent, 1.0, safety);
        let gap = if self.released().text.is_empty() { "" } else { "\n\n" };
        self.piece(&format!("{gap}{text}"));
        let mut reply = Reply::fixed("", agent, lang);
        (reply.safety, reply.confidence) = (safety, confidence);
        self.take_released(&mut reply);
        reply
    }

    /// Says who is speaking, behind a reply of fixed words that was a diver's first.
    pub(crate) fn introduced(&self, reply: &mut Reply) {
        self.introduce(reply.lang);
        self.take_released(reply);
    }

    fn introduce(&self, lang: Lang) {
        self.piece(&format!("\n\n{}", self.voice.say(Phrase::Introduction, lang)));
    }

    /// The reply of an agent: its released words, an introduction at first contact, the sources.
    pub(crate) fn compose(&self, draft: Draft<'_>) -> Reply {
        let Draft { brief, answer, safety, introduce, lexical_only } = draft;
        let lang = brief.route.lang;
        if introduce {
            self.introduce(lang);
        }
        if !answer.citations.is_empty() {
            self.piece(&format!("\n\n{}", self.sources(&answer.citations, lang)));
        }
        let mut degraded = answer.degraded;
        if lexical_only && !degraded.contains(&Degraded::Embeddings) {
            degraded.push(Degraded::Embeddings);
        }
        let mut reply = Reply {
            text: String::new(),
            pieces: Vec::new(),
            agent: brief.agent.id.clone(),
            confidence: self.released().routed.unwrap_or(brief.route.confidence),
            intent: brief.route.intent.clone(),
            lang,
            safety,
            follow_up: answer.follow_up,
            next_question: answer.covered.then(|| offers::next_question(brief)).flatten(),
            model: answer.model,
            tokens_used: answer.tokens_used,
            context_chunks: brief.passages.len(),
            grounding: Grounding { rag_invoked: true, has_verified_data: !answer.citations.is_empty() },
            citations: answer.citations,
            out_of_scope: false,
            state_updates: brief.route.state_updates.clone(),
            versions: Versions::default(),
            degraded,
            session_restarted: false,
        };
        self.take_released(&mut reply);
        reply
    }

    /// `Sources: [1] Title; [2] Title`, each title once per mark.
    fn sources(&self, citations: &[Citation], lang: Lang) -> String {
        let list: Vec<String> = citations.iter().map(|c| format!("[{}] {}", c.n, c.title)).collect();
        format!("{}: {}", self.voice.say(Phrase::Sources, lang), list.join("; "))
    }

    fn take_released(&self, reply: &mut Reply) {
        let released = self.released();
        reply.text.clone_from(&released.text);
        reply.pieces.clone_from(&released.pieces);
    }

    fn released(&self) -> std::sync::MutexGuard<'_, Released> {
        self.released.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
