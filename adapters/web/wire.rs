//! Replies and events in the words of the HTTP contract.

use dovvybuddy_core::events::{NumberedEvent, TurnEvent};
use dovvybuddy_core::reply::{Citation, Degraded, Reply, Safety};
use dovvybuddy_core::{SessionId, TurnId};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// The answer to a message.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChatResponse {
    /// The whole reply, with `[1]` marks and a line of sources, in a safe subset of Markdown.
    pub(crate) message: String,
    /// The session, for the next message.
    pub(crate) session_id: String,
    /// Who answered: `certification`, `trip`, `safety`, `retrieval`, or an operator's agent.
    #[schema(example = "certification")]
    pub(crate) agent_type: String,
    /// At most one question back.
    #[schema(required = true)]
    pub(crate) follow_up_question: Option<String>,
    /// How the reply came about.
    pub(crate) metadata: ReplyMetadata,
}

/// How a reply came about.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplyMetadata {
    /// The turn, for ratings and for taking a stream up again.
    pub(crate) turn_id: String,
    /// The message reported an emergency; the reply says what to do now.
    pub(crate) emergency: bool,
    /// The message lay outside diving.
    pub(crate) out_of_scope: bool,
    /// `extractive`, `fixed`, or the model's name.
    pub(crate) model: String,
    /// Prompt and completion tokens.
    pub(crate) tokens_used: u32,
    /// How many passages the answer was given.
    pub(crate) context_chunks: usize,
    /// What the message is about, as a short stable word.
    pub(crate) detected_intent: String,
    /// What was learned (`cert_level`, `context_mode`, `location_known`, `conditions_known`, `last_intent`).
    #[schema(value_type = Object)]
    pub(crate) state_updates: Map<String, Value>,
    /// The passages the reply cites.
    pub(crate) citations: Vec<CitationBody>,
    /// Whether the reply rests on passages.
    pub(crate) grounding: GroundingBody,
    /// What content and prompts it was answered with.
    pub(crate) versions: VersionsBody,
    /// What this turn had to do without: `llm`, `embeddings`, `store`.
    #[schema(value_type = Vec<String>)]
    pub(crate) degraded: Vec<Degraded>,
    /// The session had expired and began anew with this turn.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub(crate) session_restarted: bool,
}

/// A passage the reply cites.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CitationBody {
    /// The mark in the text.
    pub(crate) n: usize,
    /// The document's path inside the content.
    #[schema(example = "certifications/padi/open-water.md")]
    pub(crate) source: String,
    /// The document's title.
    pub(crate) title: String,
    /// The heading the passage stands under.
    pub(crate) section: String,
    /// Who published it.
    pub(crate) publisher: String,
    /// When it was last revised, as a date.
    #[schema(example = "2026-05-01")]
    pub(crate) updated: String,
    /// How well it fits, 0 to 1.
    pub(crate) score: f64,
}

/// Whether a reply rests on passages.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroundingBody {
    /// Passages were sought.
    pub(crate) rag_invoked: bool,
    /// Some were good enough.
    pub(crate) has_verified_data: bool,
    /// How many are cited.
    pub(crate) citations_count: usize,
}

/// What a reply was answered with.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct VersionsBody {
    /// A digest of the content.
    pub(crate) content: String,
    /// A digest of the prompts.
    pub(crate) prompts: String,
}

/// One event of a stream: the `data` of a server-sent event, or a WebSocket's text frame.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StreamEvent {
    /// `route`, `safety`, `token`, `citation`, `final` or `error`.
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "token")]
    pub(crate) kind: &'static str,
    /// What happened; its form depends on the type.
    pub(crate) content: Value,
    /// More about it, where the type has more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Object)]
    pub(crate) metadata: Option<Value>,
    /// On a WebSocket: where the event stands, `turnId/attempt/n`. In a stream this is the event's `id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub(crate) id: Option<String>,
}

/// One event as it stands in a `text/event-stream`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerSentEvent {
    /// Where the event stands, `turnId/attempt/n`; an `error` that is not part of the turn has none.
    #[schema(required = false)]
    pub(crate) id: Option<String>,
    /// A `StreamEvent` as JSON.
    pub(crate) data: String,
}

/// The answer of `POST /api/chat` as JSON, for `ask --json`.
pub fn chat_response(turn: TurnId, session: SessionId, reply: &Reply) -> Value {
    serde_json::to_value(ChatResponse::new(turn, session, reply)).unwrap_or_default()
}

impl ChatResponse {
    pub(crate) fn new(turn: TurnId, session: SessionId, reply: &Reply) -> Self {
        Self {
            message: reply.text.clone(),
            session_id: session.to_string(),
            agent_type: reply.agent.to_string(),
            follow_up_question: reply.follow_up.clone(),
            metadata: ReplyMetadata::new(turn, reply),
        }
    }
}

impl ReplyMetadata {
    fn new(turn: TurnId, reply: &Reply) -> Self {
        Self {
            turn_id: turn.to_string(),
            emergency: reply.safety == Safety::Emergency,
            out_of_scope: reply.out_of_scope,
            model: reply.model.clone(),
            tokens_used: reply.tokens_used,
            context_chunks: reply.context_chunks,
            detected_intent: reply.intent.clone(),
            state_updates: reply.state_updates.clone(),
            citations: reply.citations.iter().map(CitationBody::from).collect(),
            grounding: GroundingBody {
                rag_invoked: reply.grounding.rag_invoked,
                has_verified_data: reply.grounding.has_verified_data,
                citations_count: reply.citations.len(),
            },
            versions: VersionsBody { content: reply.versions.content.clone(), prompts: reply.versions.prompts.clone() },
            degraded: reply.degraded.clone(),
            session_restarted: reply.session_restarted,
        }
    }
}

impl From<&Citation> for CitationBody {
    fn from(citation: &Citation) -> Self {
        Self {
            n: citation.n,
            source: citation.source.clone(),
            title: citation.title.clone(),
            section: citation.section.clone(),
            publisher: citation.publisher.clone(),
            updated: citation.updated.clone(),
            score: rounded(citation.score),
        }
    }
}

/// A score or confidence as people read it; an `f32` written as JSON would show its inexact tail.
fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1000.0).round() / 1000.0
}

impl StreamEvent {
    /// An event as the client sees it.
    pub(crate) fn of(event: &NumberedEvent) -> Self {
        let turn = event.turn;
        match &event.event {
            TurnEvent::Route { agent, confidence, session } => Self::with(
                "route",
                json!({"route": agent, "confidence": rounded(*confidence)}),
                json!({"turnId": turn, "sessionId": session}),
            ),
            TurnEvent::Safety(safety) => Self::plain("safety", json!({"classification": safety})),
            TurnEvent::Token(text) => Self::plain("token", Value::from(text.as_str())),
            TurnEvent::Citation(citation) => Self::with(
                "citation",
                Value::from(citation.source.as_str()),
                serde_json::to_value(CitationBody::from(citation)).unwrap_or_default(),
            ),
            TurnEvent::Final { reply, session } => Self::with(
                "final",
                Value::from(reply.text.as_str()),
                json!({
                    "sessionId": session,
                    "agentType": reply.agent,
                    "followUpQuestion": reply.follow_up,
                    "metadata": ReplyMetadata::new(turn, reply),
                }),
            ),
            TurnEvent::Failed => Self::error("STORE_UNAVAILABLE", Some(turn)),
        }
    }

    /// The end of a stream that has no reply.
    pub(crate) fn error(code: &'static str, turn: Option<TurnId>) -> Self {
        Self { kind: "error", content: Value::from(code), metadata: turn.map(|turn| json!({"turnId": turn})), id: None }
    }

    fn plain(kind: &'static str, content: Value) -> Self {
        Self { kind, content, metadata: None, id: None }
    }

    fn with(kind: &'static str, content: Value, metadata: Value) -> Self {
        Self { kind, content, metadata: Some(metadata), id: None }
    }

    /// As JSON. These types have string keys only, which can't fail.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Where an event stands. A failure has no place: a client that comes back goes on after what it has.
pub(crate) fn place(event: &NumberedEvent) -> Option<String> {
    let failed = matches!(event.event, TurnEvent::Failed);
    (!failed).then(|| format!("{}/{}/{}", event.turn, event.at.attempt, event.at.n))
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::events::Cursor;
    use dovvybuddy_core::{AgentId, Lang};

    use super::*;

    fn turn() -> TurnId {
        TurnId::parse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff").unwrap()
    }

    fn event(event: TurnEvent) -> NumberedEvent {
        NumberedEvent { turn: turn(), at: Cursor { attempt: 2, n: 7 }, event }
    }

    #[test]
    fn a_score_is_shown_without_its_tail() {
        assert_eq!(serde_json::to_string(&rounded(0.71)).unwrap(), "0.71");
        assert_eq!(serde_json::to_string(&rounded(0.93)).unwrap(), "0.93");
    }

    #[test]
    fn events_have_the_shapes_of_the_contract() {
        let session = SessionId(turn().0);
        let route = TurnEvent::Route { agent: AgentId::new("trip"), confidence: 0.93, session };
        assert_eq!(
            StreamEvent::of(&event(route)).to_json(),
            format!(
                r#"{{"type":"route","content":{{"confidence":0.93,"route":"trip"}},"metadata":{{"sessionId":"{session}","turnId":"{session}"}}}}"#
            )
        );
        let token = event(TurnEvent::Token("a\nb".into()));
        assert_eq!(StreamEvent::of(&token).to_json(), r#"{"type":"token","content":"a\nb"}"#);
        assert_eq!(place(&token), Some(format!("{}/2/7", turn())));
        assert_eq!(place(&event(TurnEvent::Failed)), None);
    }

    #[test]
    fn restarted_is_shown_only_when_it_is_so() {
        let mut reply = Reply::fixed("hi", AgentId::new("retrieval"), Lang::En);
        let shown =
            |reply: &Reply| serde_json::to_value(ChatResponse::new(turn(), SessionId(turn().0), reply)).unwrap();
        let plain = shown(&reply);
        assert!(plain["metadata"].get("sessionRestarted").is_none());
        assert!(plain["followUpQuestion"].is_null());
        reply.session_restarted = true;
        assert_eq!(shown(&reply)["metadata"]["sessionRestarted"], true);
    }
}
