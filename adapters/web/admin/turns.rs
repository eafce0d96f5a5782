//! A turn, and what else happened in a conversation, as the operator's view shows them.

use dovvybuddy_core::reply::{Degraded, Safety, Versions};
use dovvybuddy_core::store::{Intervention, InterventionKind, TurnRecord};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::CitationBody;

/// A turn with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TurnBody {
    /// Its id.
    id: String,
    /// How it ended: `answered`, `not_covered`, `out_of_scope`, `emergency`, `fixed`, `fallback`, `cut_short`,
    /// `set_aside`, `with_person`, `person`.
    outcome: String,
    /// What the diver said; `null` where nothing was, or where it stands with a later turn.
    said: Option<String>,
    /// What was answered.
    reply: String,
    /// Who of us wrote, where a person did.
    by: Option<String>,
    /// Which agent answered.
    agent: String,
    /// How sure the router was, 0 to 1.
    confidence: f32,
    /// What the message is about, in the router's words.
    intent: String,
    /// The language of the reply.
    language: &'static str,
    /// `none`, `caution` or `emergency`.
    #[schema(value_type = String)]
    safety: Safety,
    /// `extractive`, `fixed`, or the model's name.
    model: String,
    /// How many passages the answer was given.
    context_chunks: usize,
    /// The passages the answer cites.
    citations: Vec<CitationBody>,
    /// The content and the prompts that answered.
    #[schema(value_type = Object)]
    versions: Versions,
    /// What the turn had to do without.
    #[schema(value_type = Vec<String>)]
    degraded: Vec<Degraded>,
    /// Which try finished it.
    attempt: u32,
    /// Tokens, cost and timings; `null` for words no message asked for.
    usage: Option<UsageBody>,
    /// The diver's rating.
    rating: Option<RatingBody>,
    /// When it was finished, RFC 3339.
    finished_at: String,
}

/// What a turn used.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageBody {
    /// Prompt and completion tokens.
    tokens: u32,
    /// Cost in millionths of the configured currency.
    cost_micros: u64,
    /// From receipt to the start of the turn, in milliseconds.
    waited_ms: u64,
    /// The routing.
    route_ms: u64,
    /// The search.
    search_ms: u64,
    /// From receipt to the first released piece.
    first_piece_ms: u64,
    /// From receipt to the whole reply.
    total_ms: u64,
}

/// A rating.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RatingBody {
    /// Whether it helped.
    up: bool,
    /// What the diver says about it.
    comment: Option<String>,
}

/// Something a person did, or that came of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InterventionBody {
    /// `pause`, `resume`, `reply`, `notice` or `taken_up`.
    kind: &'static str,
    /// The turn it became.
    turn_id: Option<String>,
    /// Who did it; empty where it came by itself.
    by: String,
    /// When, RFC 3339.
    at: String,
}

impl TurnBody {
    pub(crate) fn new(turn: TurnRecord, interventions: &[Intervention]) -> Self {
        let TurnRecord { id, attempt, outcome, said, reply, usage, rating, finished_at, .. } = turn;
        let written = |one: &&Intervention| one.turn == Some(id) && one.kind == InterventionKind::Reply;
        Self {
            id: id.to_string(),
            outcome,
            said,
            by: interventions.iter().find(written).map(|one| one.by.clone()),
            reply: reply.text,
            agent: reply.agent.to_string(),
            confidence: reply.confidence,
            intent: reply.intent,
            language: reply.lang.code(),
            safety: reply.safety,
            model: reply.model,
            context_chunks: reply.context_chunks,
            citations: reply.citations.iter().map(CitationBody::from).collect(),
            versions: reply.versions,
            degraded: reply.degraded,
            attempt,
            usage: usage.map(|usage| UsageBody {
                tokens: usage.tokens,
                cost_micros: usage.cost_micros,
                waited_ms: usage.waited_ms,
                route_ms: usage.route_ms,
                search_ms: usage.search_ms,
                first_piece_ms: usage.first_piece_ms,
                total_ms: usage.total_ms,
            }),
            rating: rating.map(|(up, comment)| RatingBody { up, comment }),
            finished_at: finished_at.to_rfc3339(),
        }
    }
}

impl From<&Intervention> for InterventionBody {
    fn from(one: &Intervention) -> Self {
        Self {
            kind: one.kind.as_str(),
            turn_id: one.turn.map(|turn| turn.to_string()),
            by: one.by.clone(),
            at: one.at.to_rfc3339(),
        }
    }
}
