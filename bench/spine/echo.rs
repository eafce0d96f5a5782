//! Stand-ins for everything that thinks: no guard, one agent, no passages, the question as the answer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::agent::{
    AgentSpec, Agents, Answer, Answerer, Asked, Brief, Destination, Phrase, Release, Route, Router, Voice,
};
use dovvybuddy_core::guard::{Assessment, EmergencyGuard, Heard};
use dovvybuddy_core::knowledge::{Found, Query, Retriever};
use dovvybuddy_core::model::Prompt;
use dovvybuddy_core::session::DiverProfile;
use dovvybuddy_core::{AgentId, Lang};
use serde_json::Map;

/// A guard that sees no danger.
pub(crate) struct Calm;

impl EmergencyGuard for Calm {
    fn assess(&self, _message: &str, _heard: &Heard) -> Assessment {
        Assessment::Calm
    }

    fn helplines(&self, _message: &str, _heard: &Heard, _lang: Lang) -> String {
        String::new()
    }
}

/// Says as little as a sentence can.
pub(crate) struct Plain;

impl Voice for Plain {
    fn say(&self, phrase: Phrase, _lang: Lang) -> String {
        phrase.key().to_owned()
    }
}

/// One agent for everything.
pub(crate) struct OneAgent(Arc<AgentSpec>);

impl Default for OneAgent {
    fn default() -> Self {
        Self(Arc::new(AgentSpec {
            id: AgentId::new("retrieval"),
            purpose: "echoes".to_owned(),
            doc_types: Vec::new(),
            temperature: 0.0,
            follow_ups: Map::new(),
            next_questions: Map::new(),
        }))
    }
}

impl Agents for OneAgent {
    fn agent(&self, _id: &AgentId) -> Arc<AgentSpec> {
        Arc::clone(&self.0)
    }

    fn prompt(&self, brief: &Brief) -> Prompt {
        Prompt { system: String::new(), messages: Vec::new(), temperature: brief.agent.temperature, max_tokens: 1 }
    }

    fn version(&self) -> String {
        "bench".to_owned()
    }
}

/// Routes everything to the one agent, finds nothing, and gives the question back.
pub(crate) struct Echo {
    /// Between the pieces; zero releases one piece at once.
    pub(crate) pause: Duration,
    /// How many pieces a slow echo has.
    pub(crate) pieces: u32,
}

#[async_trait]
impl Router for Echo {
    async fn route(&self, asked: &Asked) -> Route {
        Route {
            to: Destination::Agent(AgentId::new("retrieval")),
            confidence: 1.0,
            intent: "echo".to_owned(),
            also: Vec::new(),
            lang: Lang::En,
            query: asked.text.clone(),
            worry: None,
            caution: false,
            names: Vec::new(),
            context: dovvybuddy_core::agent::Context::default(),
            beyond_certificate: false,
            forgets: Vec::new(),
            learned: DiverProfile::default(),
            state_updates: Map::new(),
        }
    }
}

#[async_trait]
impl Retriever for Echo {
    async fn search(&self, _query: &Query) -> Found {
        Found::default()
    }

    fn version(&self) -> String {
        "bench".to_owned()
    }
}

#[async_trait]
impl Answerer for Echo {
    async fn answer(&self, brief: &Brief, release: &dyn Release) -> Answer {
        let mut text = String::new();
        if self.pause.is_zero() {
            text.push_str(&brief.asked.text);
            release.piece(&text);
        } else {
            for number in 1..=self.pieces {
                let piece = format!("Piece {number} of a slow answer. ");
                release.piece(&piece);
                text.push_str(&piece);
                tokio::time::sleep(self.pause).await;
            }
        }
        Answer {
            text,
            model: "echo".to_owned(),
            tokens_used: 0,
            cost_micros: 0,
            citations: Vec::new(),
            follow_up: None,
            covered: true,
            degraded: Vec::new(),
        }
    }
}
