//! Leads, ratings, questions that were not covered, and who looked at what.

use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use dovvybuddy_core::lead::LeadRecord;
use dovvybuddy_core::session::DiverProfile;
use dovvybuddy_core::store::{AuditRecord, QuestionGroup, RatingRecord, grouped};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::Operator;
use super::query::Parameters;
use crate::error::{ApiError, ErrorBody};
use crate::state::App;

/// The most questions that are grouped.
const MOST_QUESTIONS: usize = 5000;

/// A lead.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeadBody {
    /// Its id.
    id: String,
    /// `training` or `trip`.
    kind: &'static str,
    /// The form the diver sent.
    #[schema(value_type = Object)]
    data: Value,
    /// The session it came from.
    session_id: Option<String>,
    /// What was passed on of the diver.
    #[schema(value_type = Object)]
    profile: DiverProfile,
    /// How far each delivery got.
    deliveries: Vec<DeliveryBody>,
    /// When it was made, RFC 3339.
    created_at: String,
}

/// A delivery of a lead.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryBody {
    /// Where to.
    outlet: String,
    /// `pending`, `send_started`, `sent`, `unknown` or `dead`.
    state: String,
}

/// A rating.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FeedbackBody {
    /// The rated turn.
    turn_id: String,
    /// Its session.
    session_id: String,
    /// Where.
    channel: String,
    /// What was asked.
    said: Option<String>,
    /// What was answered.
    reply: String,
    /// Whether it helped.
    up: bool,
    /// What the diver says about it.
    comment: Option<String>,
    /// When, RFC 3339.
    at: String,
}

/// Questions that read alike and were not covered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuestionBody {
    /// The newest of them, as it was asked.
    text: String,
    /// How often it was asked.
    count: usize,
    /// When it was last asked, RFC 3339.
    last_at: String,
    /// Some of the sessions it was asked in, the newest first.
    sessions: Vec<String>,
}

/// Somebody looked at something, or changed it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditBody {
    /// The key's id.
    key: String,
    /// The key's name.
    name: String,
    /// What was done.
    action: String,
    /// To what.
    subject: String,
    /// When, RFC 3339.
    at: String,
}

/// A page of the audit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditPage {
    /// The newest first.
    entries: Vec<AuditBody>,
    /// Where the list goes on, as `before`; `null` at its end.
    next: Option<String>,
}

impl From<LeadRecord> for LeadBody {
    fn from(record: LeadRecord) -> Self {
        let LeadRecord { lead, deliveries } = record;
        Self {
            id: lead.id.to_string(),
            kind: lead.kind.as_str(),
            data: lead.data,
            session_id: lead.session.map(|session| session.to_string()),
            profile: lead.profile,
            deliveries: deliveries
                .into_iter()
                .map(|one| DeliveryBody { outlet: one.outlet, state: one.state })
                .collect(),
            created_at: lead.created_at.to_rfc3339(),
        }
    }
}

impl From<RatingRecord> for FeedbackBody {
    fn from(one: RatingRecord) -> Self {
        Self {
            turn_id: one.turn.to_string(),
            session_id: one.session.to_string(),
            channel: one.channel.to_string(),
            said: one.said,
            reply: one.reply,
            up: one.up,
            comment: one.comment,
            at: one.at.to_rfc3339(),
        }
    }
}

impl From<QuestionGroup> for QuestionBody {
    fn from(group: QuestionGroup) -> Self {
        Self {
            text: group.text,
            count: group.count,
            last_at: group.last_at.to_rfc3339(),
            sessions: group.sessions.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<AuditRecord> for AuditBody {
    fn from(AuditRecord { entry, .. }: AuditRecord) -> Self {
        Self {
            key: entry.key,
            name: entry.name,
            action: entry.action,
            subject: entry.subject,
            at: entry.at.to_rfc3339(),
        }
    }
}

/// What divers asked professionals for, newest first.
#[utoipa::path(get, path = "/api/admin/leads", tag = "admin", security(("key" = [])),
    params(("limit" = Option<usize>, Query, minimum = 1, maximum = 500, description = "How many; 100 unless said otherwise")),
    responses(
        (status = 200, description = "The leads", body = Vec<LeadBody>),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 422, description = "Parameters that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn leads(
    State(state): State<App>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<LeadBody>>, ApiError> {
    let limit = limit(query)?;
    operator.looks(&state, "list", "leads").await?;
    all_leads(&state, limit).await.map(Json)
}

pub(crate) async fn all_leads(state: &App, limit: usize) -> Result<Vec<LeadBody>, ApiError> {
    let found = state.store.leads(&state.bot, limit).await;
    let found = found.map_err(|error| ApiError::store(&*state.clock, &error))?;
    Ok(found.into_iter().map(LeadBody::from).collect())
}

/// How divers rated answers, newest first.
#[utoipa::path(get, path = "/api/admin/feedback", tag = "admin", security(("key" = [])),
    params(("limit" = Option<usize>, Query, minimum = 1, maximum = 500, description = "How many; 100 unless said otherwise")),
    responses(
        (status = 200, description = "The ratings", body = Vec<FeedbackBody>),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 422, description = "Parameters that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn feedback(
    State(state): State<App>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<FeedbackBody>>, ApiError> {
    let limit = limit(query)?;
    operator.looks(&state, "list", "feedback").await?;
    all_feedback(&state, limit).await.map(Json)
}

pub(crate) async fn all_feedback(state: &App, limit: usize) -> Result<Vec<FeedbackBody>, ApiError> {
    let found = state.store.ratings(&state.bot, limit).await;
    let found = found.map_err(|error| ApiError::store(&*state.clock, &error))?;
    Ok(found.into_iter().map(FeedbackBody::from).collect())
}

/// Questions the content did not cover, grouped by what they ask; the most frequent first.
#[utoipa::path(get, path = "/api/admin/unanswered", tag = "admin", security(("key" = [])),
    params(("days" = Option<usize>, Query, minimum = 1, maximum = 366, description = "Of so many days; 30 unless said otherwise")),
    responses(
        (status = 200, description = "The questions", body = Vec<QuestionBody>),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 422, description = "Parameters that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn unanswered(
    State(state): State<App>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<QuestionBody>>, ApiError> {
    let mut asked = Parameters::new(query);
    let days = asked.number("days", 1, 366, 30);
    asked.finish()?;
    operator.looks(&state, "list", "unanswered").await?;
    all_unanswered(&state, days).await.map(Json)
}

pub(crate) async fn all_unanswered(state: &App, days: usize) -> Result<Vec<QuestionBody>, ApiError> {
    let since = state.clock.now().minus(whole_days(days));
    let found = state.store.open_questions(&state.bot, since, MOST_QUESTIONS).await;
    let found = found.map_err(|error| ApiError::store(&*state.clock, &error))?;
    Ok(grouped(found).into_iter().map(QuestionBody::from).collect())
}

/// Who looked at what and who changed what, newest first.
#[utoipa::path(get, path = "/api/admin/audit", tag = "admin", security(("key" = [])),
    params(("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 500, description = "How many; 100 unless said otherwise")),
    responses(
        (status = 200, description = "A page of the audit", body = AuditPage),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 422, description = "Parameters that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn audit(
    State(state): State<App>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Json<AuditPage>, ApiError> {
    let mut asked = Parameters::new(query);
    let before = asked.row("before");
    let limit = asked.number("limit", 1, 500, 100);
    asked.finish()?;
    operator.looks(&state, "list", "audit").await?;
    let found = state.store.audit(before, limit).await;
    let found = found.map_err(|error| ApiError::store(&*state.clock, &error))?;
    let next = found.last().filter(|_| found.len() == limit).map(|last| last.number.to_string());
    Ok(Json(AuditPage { entries: found.into_iter().map(AuditBody::from).collect(), next }))
}

fn limit(query: Option<String>) -> Result<usize, ApiError> {
    let mut asked = Parameters::new(query);
    let limit = asked.number("limit", 1, 500, 100);
    asked.finish().map(|()| limit)
}

/// So many days as a span of time.
pub(crate) fn whole_days(days: usize) -> Duration {
    Duration::from_hours(24 * u64::try_from(days).unwrap_or(u64::MAX / 1_000_000))
}
