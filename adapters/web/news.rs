//! `GET /api/sessions/{id}/news`: what was said in a conversation that no request waits for.

use axum::Json;
use axum::extract::{RawQuery, State};
use dovvybuddy_core::SessionId;
use dovvybuddy_core::store::InterventionKind;
use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::query::Parameters;
use crate::error::{ApiError, ErrorBody};
use crate::path::Id;
use crate::state::App;

/// How much is told at a time.
const MOST: usize = 100;

/// What no request waits for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewsBody {
    /// Turns nobody asked for here, oldest first.
    turns: Vec<NewsTurn>,
    /// What to send as `after` next time.
    after: i64,
    /// Until when a person has the conversation, RFC 3339.
    paused_until: Option<String>,
}

/// A turn nobody asked for; `GET /api/turns/{turnId}/events` tells it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewsTurn {
    /// Its id.
    turn_id: String,
    /// `reply`: a person wrote; `notice`: a person has taken over; `taken_up`: the bot answers what was left.
    kind: &'static str,
}

/// What was said in a conversation that no request waits for: a person's words, and what the bot takes up after
/// a person had the conversation.
#[utoipa::path(get, path = "/api/sessions/{id}/news", tag = "sessions",
    params(("id" = String, Path, description = "The session"),
        ("after" = Option<i64>, Query, description = "`after` of the last answer; left out, everything is told")),
    responses(
        (status = 200, description = "What is new", body = NewsBody),
        (status = 404, description = "No such session", body = ErrorBody),
        (status = 422, description = "Parameters that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn news(
    State(state): State<App>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Json<NewsBody>, ApiError> {
    let mut asked = Parameters::new(query);
    let seen = asked.row("after").unwrap_or(0);
    asked.finish()?;
    let at = state.conversation(SessionId::parse(&id).ok_or(ApiError::SessionNotFound)?);
    let failed = |error| ApiError::store(&*state.clock, &error);
    let found = state.store.interventions(&at, seen, MOST).await.map_err(failed)?;
    let pause = state.store.paused(&at, state.clock.now()).await.map_err(failed)?;
    let told = |kind| matches!(kind, InterventionKind::Reply | InterventionKind::Notice | InterventionKind::TakenUp);
    let after = found.last().map_or(seen, |last| last.number);
    let turns = found
        .iter()
        .filter(|one| told(one.kind))
        .filter_map(|one| Some(NewsTurn { turn_id: one.turn?.to_string(), kind: one.kind.as_str() }));
    Ok(Json(NewsBody { turns: turns.collect(), after, paused_until: pause.map(|pause| pause.until.to_rfc3339()) }))
}
