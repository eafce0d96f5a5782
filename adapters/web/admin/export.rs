//! Lists to take along, as CSV or as lines of JSON.

use axum::extract::{RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use dovvybuddy_core::store::Place;
use serde::Serialize;
use serde_json::Value;

use super::auth::Operator;
use super::conversations::{SummaryBody, filter};
use super::csv::{csv, lines};
use super::lists::{all_feedback, all_leads, all_unanswered};
use super::query::Parameters;
use crate::error::{ApiError, ErrorBody};
use crate::path::Id;
use crate::state::App;

/// The most rows of an export.
const MOST: usize = 10_000;
/// How many conversations are read at a time.
const PAGE: usize = 500;

/// What can be taken along, and the columns of its CSV.
const LISTS: [(&str, &[&str]); 4] = [
    (
        "conversations",
        &[
            "id",
            "channel",
            "conversation",
            "createdAt",
            "updatedAt",
            "lastWords",
            "agent",
            "emergency",
            "pausedUntil",
            "pausedBy",
            "turns",
            "notCovered",
            "waiting",
        ],
    ),
    ("leads", &["id", "kind", "data", "sessionId", "profile", "deliveries", "createdAt"]),
    ("feedback", &["turnId", "sessionId", "channel", "said", "reply", "up", "comment", "at"]),
    ("unanswered", &["text", "count", "lastAt", "sessions"]),
];

/// A whole list as a file: `conversations`, `leads`, `feedback` or `unanswered`, at most 10,000 rows.
#[utoipa::path(get, path = "/api/admin/export/{what}", tag = "admin", security(("key" = [])),
    params(("what" = String, Path, description = "`conversations`, `leads`, `feedback` or `unanswered`"),
        ("format" = Option<String>, Query, description = "`jsonl`, one JSON text a line, or `csv`"),
        ("channel" = Option<String>, Query, description = "Conversations only of this channel"),
        ("agent" = Option<String>, Query, description = "Conversations only in which this agent answered"),
        ("emergency" = Option<bool>, Query, description = "Conversations only in which an emergency stands"),
        ("paused" = Option<bool>, Query, description = "Conversations only that a person has"),
        ("unanswered" = Option<bool>, Query, description = "Conversations only with an open question"),
        ("days" = Option<usize>, Query, minimum = 1, maximum = 366, description = "Open questions of so many days; 30 unless said otherwise")),
    responses(
        (status = 200, description = "The file", body = String, content_type = "application/jsonl"),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 404, description = "No such list", body = ErrorBody),
        (status = 422, description = "Parameters that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn export(
    State(state): State<App>,
    operator: Operator,
    Id(what): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (what, columns) = LISTS.into_iter().find(|(name, _)| *name == what).ok_or(ApiError::NotFound)?;
    let mut asked = Parameters::new(query);
    let format = asked.choice("format", &["jsonl", "csv"]);
    let filter = filter(&mut asked);
    let days = asked.number("days", 1, 366, 30);
    asked.finish()?;
    operator.does(&state, "export", what).await?;
    let rows = match what {
        "conversations" => conversations(&state, &filter).await?,
        "leads" => values(all_leads(&state, MOST).await?),
        "feedback" => values(all_feedback(&state, MOST).await?),
        _ => values(all_unanswered(&state, days).await?),
    };
    let (text, kind) = match format {
        "csv" => (csv(columns, &rows), "text/csv; charset=utf-8"),
        _ => (lines(&rows), "application/jsonl; charset=utf-8"),
    };
    let name = format!("attachment; filename=\"{what}-{}.{format}\"", state.clock.now().day());
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_DISPOSITION, HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("attachment"))),
    ];
    Ok((headers, text).into_response())
}

async fn conversations(
    state: &App,
    filter: &dovvybuddy_core::store::ConversationFilter,
) -> Result<Vec<Value>, ApiError> {
    let mut rows = Vec::new();
    let mut from = None;
    while rows.len() < MOST {
        let page = state.store.conversations(&state.bot, filter, from, state.clock.now(), PAGE).await;
        let page = page.map_err(|error| ApiError::store(&*state.clock, &error))?;
        from = page.last().map(|last| Place { updated_at: last.updated_at, number: last.number });
        rows.extend(values(page.iter().map(SummaryBody::from).collect()));
        if page.len() < PAGE {
            break;
        }
    }
    Ok(rows)
}

fn values<T: Serialize>(rows: Vec<T>) -> Vec<Value> {
    rows.into_iter().filter_map(|row| serde_json::to_value(row).ok()).collect()
}
