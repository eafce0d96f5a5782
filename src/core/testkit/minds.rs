//! Scripted minds: a guard, a router, agents and an answerer whose behaviour a test writes down.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Map;

use crate::agent::{
    AgentSpec, Agents, Answer, Answerer, Asked, Brief, Destination, Phrase, Release, Route, Router, Voice,
};
use crate::guard::{Alarm, Assessment, EmergencyGuard, EmergencyKind, Heard, StandingEmergency};
use crate::ids::AgentId;
use crate::knowledge::{Found, Passage, Query, Retriever};
use crate::lang::Lang;
use crate::model::Prompt;
use crate::session::DiverProfile;

/// Cries for a message that says `mayday`, alone or over the pieces heard before, and as long as an
/// emergency stands; `all clear` ends it. `still` takes up a `mayday` that was said before.
#[derive(Debug, Default, Clone, Copy)]
pub struct ScriptedGuard;

impl EmergencyGuard for ScriptedGuard {
    fn assess(&self, message: &str, heard: &Heard) -> Assessment {
        if message.contains("all clear") && heard.standing.is_some() {
            return Assessment::StoodDown { reply: Some("Good to hear.".into()), lang: Lang::En };
        }
        let standing = heard.standing.as_ref();
        let taken_up = message.contains("still") && heard.said.iter().any(|said| said.contains("mayday"));
        if message.contains("mayday") || standing.is_some() || taken_up {
            let replies = standing.map_or(0, |s| s.replies) + 1;
            let standing = StandingEmergency { kind: EmergencyKind::DecompressionIllness, replies, region: None };
            return Assessment::Emergency(Alarm {
                text: format!("Get help now. ({replies})"),
                lang: Lang::En,
                standing,
            });
        }
        Assessment::Calm
    }

    fn helplines(&self, _message: &str, _heard: &Heard, _lang: Lang) -> String {
        "Diving hotline: 1234".to_owned()
    }
}

/// Sends everything to the retrieval agent, except `hello`, which is small talk.
#[derive(Debug, Default, Clone, Copy)]
pub struct ScriptedRouter;

#[async_trait]
impl Router for ScriptedRouter {
    async fn route(&self, asked: &Asked) -> Route {
        let to = match asked.text.as_str() {
            "hello" => Destination::Fixed(Phrase::Greeting),
            text if text.ends_with("pizza") => Destination::OutOfScope,
            _ => Destination::Agent(AgentId::new("retrieval")),
        };
        // It doubts only that something lies outside.
        let confidence = if to == Destination::OutOfScope { 0.8 } else { 0.9 };
        Route {
            to,
            confidence,
            intent: "test".into(),
            also: Vec::new(),
            lang: Lang::En,
            query: asked.text.clone(),
            context: crate::agent::Context::default(),
            worry: None,
            caution: false,
            names: Vec::new(),
            beyond_certificate: false,
            forgets: Vec::new(),
            learned: DiverProfile::default(),
            state_updates: Map::new(),
        }
    }
}

/// One agent, whatever is asked for.
#[derive(Debug, Default, Clone, Copy)]
pub struct OneAgent;

impl Agents for OneAgent {
    fn agent(&self, id: &AgentId) -> Arc<AgentSpec> {
        Arc::new(AgentSpec {
            id: id.clone(),
            purpose: String::new(),
            doc_types: Vec::new(),
            temperature: 0.0,
            follow_ups: Map::new(),
            next_questions: Map::new(),
        })
    }

    fn prompt(&self, brief: &Brief) -> Prompt {
        Prompt {
            system: String::new(),
            messages: vec![(crate::session::Role::User, brief.asked.text.clone())],
            temperature: 0.0,
            max_tokens: 100,
        }
    }

    fn version(&self) -> String {
        "prompts-1".into()
    }
}

/// Knows nothing, but is sure of a text that begins with `known`.
#[derive(Debug, Default, Clone, Copy)]
pub struct KnowsNothing;

#[async_trait]
impl Retriever for KnowsNothing {
    async fn search(&self, query: &Query) -> Found {
        let sure = Passage { score: 0.9, ..Passage::default() };
        Found { passages: query.text.starts_with("known").then_some(sure).into_iter().collect(), ..Found::default() }
    }

    fn version(&self) -> String {
        "content-1".into()
    }
}

/// Repeats what was asked, word by word. `slow …` takes ten seconds, `panic` panics.
#[derive(Debug, Default, Clone, Copy)]
pub struct Echo;

#[async_trait]
impl Answerer for Echo {
    async fn answer(&self, brief: &Brief, release: &dyn Release) -> Answer {
        let asked = &brief.asked.text;
        assert_ne!(asked, "panic", "asked to panic");
        let mut text = String::new();
        for (i, word) in asked.split(' ').enumerate() {
            if i == 1 && asked.starts_with("slow") {
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
            let piece = if i == 0 { word.to_owned() } else { format!(" {word}") };
            release.piece(&piece);
            text.push_str(&piece);
        }
        Answer {
            text,
            model: "echo".into(),
            tokens_used: 0,
            cost_micros: 0,
            citations: Vec::new(),
            follow_up: None,
            covered: true,
            degraded: Vec::new(),
        }
    }
}

/// Says the key of each phrase.
#[derive(Debug, Default, Clone, Copy)]
pub struct KeysAloud;

impl Voice for KeysAloud {
    fn say(&self, phrase: Phrase, _lang: Lang) -> String {
        format!("<{}>", phrase.key())
    }
}
