//! Figures over time: turns, tokens, cost, and how long answers took.

use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use dovvybuddy_core::store::{Figure, LatencyFigure};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Operator;
use super::lists::whole_days;
use super::query::Parameters;
use crate::error::{ApiError, ErrorBody};
use crate::state::App;

/// Up to so many days are told hour by hour, more of them day by day.
const HOURLY_UP_TO: usize = 3;

/// Turns in a step of time, on one channel by one agent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FigureBody {
    /// When the step begins, RFC 3339.
    at: String,
    /// The channel.
    channel: String,
    /// The agent.
    agent: String,
    /// How many turns.
    turns: u64,
    /// Their tokens.
    tokens: u64,
    /// Their cost, in millionths of the configured currency.
    cost_micros: u64,
}

/// How long answers took in a step of time, in milliseconds from receipt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LatencyBody {
    /// When the step begins, RFC 3339.
    at: String,
    /// How many answers.
    turns: u64,
    /// Half of them began within this.
    first_p50: u64,
    /// 95 of 100 began within this.
    first_p95: u64,
    /// Half of them were whole within this.
    total_p50: u64,
    /// 95 of 100 were whole within this.
    total_p95: u64,
}

/// Figures over time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FiguresBody {
    /// When the first step begins, RFC 3339.
    since: String,
    /// Now, RFC 3339.
    until: String,
    /// The length of a step in seconds.
    step_seconds: u64,
    /// Turns by step, channel and agent; steps without any are left out.
    turns: Vec<FigureBody>,
    /// How long answers took, by step; steps without any are left out.
    latency: Vec<LatencyBody>,
    /// What was spent and reserved today, in tokens, where spending is capped.
    tokens_today: u64,
    /// The same in millionths of the configured currency.
    cost_micros_today: u64,
}

impl From<Figure> for FigureBody {
    fn from(figure: Figure) -> Self {
        Self {
            at: figure.at.to_rfc3339(),
            channel: figure.channel,
            agent: figure.agent,
            turns: figure.turns,
            tokens: figure.tokens,
            cost_micros: figure.cost_micros,
        }
    }
}

impl From<LatencyFigure> for LatencyBody {
    fn from(figure: LatencyFigure) -> Self {
        Self {
            at: figure.at.to_rfc3339(),
            turns: figure.turns,
            first_p50: figure.first_p50,
            first_p95: figure.first_p95,
            total_p50: figure.total_p50,
            total_p95: figure.total_p95,
        }
    }
}

/// Turns, tokens, cost and latency over time.
#[utoipa::path(get, path = "/api/admin/figures", tag = "admin", security(("key" = [])),
    params(("days" = Option<usize>, Query, minimum = 1, maximum = 366,
        description = "Of so many days, 7 unless said otherwise; up to 3 hour by hour, more day by day")),
    responses(
        (status = 200, description = "The figures", body = FiguresBody),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 422, description = "Parameters that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn figures(
    State(state): State<App>,
    _operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Json<FiguresBody>, ApiError> {
    let mut asked = Parameters::new(query);
    let days = asked.number("days", 1, 366, 7);
    asked.finish()?;
    let step = if days <= HOURLY_UP_TO { Duration::from_hours(1) } else { Duration::from_hours(24) };
    let now = state.clock.now();
    let length = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    // The first step is a whole one.
    let first = now.minus(whole_days(days)).as_millis() / length * length + length;
    let since = dovvybuddy_core::Timestamp::from_millis(first);
    let failed = |error| ApiError::store(&*state.clock, &error);
    let turns = state.store.figures(&state.bot, since, step).await.map_err(failed)?;
    let latency = state.store.latencies(&state.bot, since, step).await.map_err(failed)?;
    let (tokens_today, cost_micros_today) = state.store.spent(&now.day()).await.map_err(failed)?;
    Ok(Json(FiguresBody {
        since: since.to_rfc3339(),
        until: now.to_rfc3339(),
        step_seconds: step.as_secs(),
        turns: turns.into_iter().map(FigureBody::from).collect(),
        latency: latency.into_iter().map(LatencyBody::from).collect(),
        tokens_today,
        cost_micros_today,
    }))
}
