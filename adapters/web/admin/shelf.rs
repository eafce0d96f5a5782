//! The operator's own documents: answers and facts, written, looked at, published, undone.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use dovvybuddy_core::shelf::{Draft, Shelf, ShelfEntry, ShelfError};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::{Operator, Role};
use crate::body::JsonObject;
use crate::error::{ApiError, ErrorBody};
use crate::form::Form;
use crate::path::Id;
use crate::state::App;

/// The longest question and answer, in characters.
const LONGEST_QUESTION: usize = 200;
const LONGEST_ANSWER: usize = 8000;

/// An entry of the operator's.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryBody {
    /// Its id; the facts are `hours`, `prices` and `contacts`.
    id: String,
    /// Whether it is one of the facts.
    fact: bool,
    /// The question, or the fact's heading.
    question: String,
    /// The answer; empty for a fact nobody has written yet.
    answer: String,
    /// The path replies cite it by.
    source: String,
    /// When it was last changed, as a date; empty for a fact nobody has written yet.
    updated: String,
    /// Whether there is something to undo.
    undo: bool,
}

impl From<ShelfEntry> for EntryBody {
    fn from(entry: ShelfEntry) -> Self {
        let ShelfEntry { id, fact, question, answer, source, updated, undo } = entry;
        Self { id, fact, question, answer, source, updated, undo }
    }
}

/// What an entry is to say.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryRequest {
    /// The question, 1 to 200 characters; the facts have their own heading.
    #[schema(required = false, max_length = 200)]
    question: Option<String>,
    /// The answer in Markdown, 1 to 8000 characters.
    #[schema(min_length = 1, max_length = 8000, pattern = r"\S")]
    answer: String,
    /// Which fact it is, for a look before it is published: `hours`, `prices` or `contacts`.
    #[schema(required = false)]
    id: Option<String>,
}

/// An entry as it would be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewBody {
    /// The whole document, front matter included.
    document: String,
}

/// An entry that was published.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PublishedBody {
    /// Its id.
    id: String,
}

/// The operator's own entries: the facts first, then answers, the newest first.
#[utoipa::path(get, path = "/api/admin/entries", tag = "admin", security(("key" = [])),
    responses(
        (status = 200, description = "The entries", body = Vec<EntryBody>),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 404, description = "Nothing can be published here", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn entries(State(state): State<App>, _operator: Operator) -> Result<Json<Vec<EntryBody>>, ApiError> {
    let found = shelf(&state)?.entries().await.map_err(failed)?;
    Ok(Json(found.into_iter().map(EntryBody::from).collect()))
}

/// Look at an entry before it is published.
#[utoipa::path(post, path = "/api/admin/entries/preview", tag = "admin", security(("key" = [])),
    request_body = EntryRequest,
    responses(
        (status = 200, description = "The document it would become", body = PreviewBody),
        (status = 400, description = "Malformed JSON", body = ErrorBody),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 403, description = "The key allows less", body = ErrorBody),
        (status = 404, description = "Nothing can be published here", body = ErrorBody),
        (status = 408, description = "The body took too long", body = ErrorBody),
        (status = 413, description = "Body over 64 KiB", body = ErrorBody),
        (status = 415, description = "Not JSON", body = ErrorBody),
        (status = 422, description = "Fields that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn preview(
    State(state): State<App>,
    operator: Operator,
    JsonObject(mut form): JsonObject,
) -> Result<Json<PreviewBody>, ApiError> {
    operator.may(Role::Edit)?;
    let id = form.text("id", 80);
    let draft = draft(form, id)?;
    let document = shelf(&state)?.preview(&draft).await.map_err(failed)?;
    Ok(Json(PreviewBody { document }))
}

/// Publish a new answer. It is searched at once.
#[utoipa::path(post, path = "/api/admin/entries", tag = "admin", security(("key" = [])), request_body = EntryRequest,
    responses(
        (status = 201, description = "Published", body = PublishedBody),
        (status = 400, description = "Malformed JSON", body = ErrorBody),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 403, description = "The key allows less", body = ErrorBody),
        (status = 404, description = "Nothing can be published here", body = ErrorBody),
        (status = 408, description = "The body took too long", body = ErrorBody),
        (status = 413, description = "Body over 64 KiB", body = ErrorBody),
        (status = 415, description = "Not JSON", body = ErrorBody),
        (status = 422, description = "Fields that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn publish(
    State(state): State<App>,
    operator: Operator,
    JsonObject(form): JsonObject,
) -> Result<(StatusCode, Json<PublishedBody>), ApiError> {
    operator.may(Role::Edit)?;
    let draft = draft(form, None)?;
    operator.does(&state, "publish", &draft.question).await?;
    let id = shelf(&state)?.publish(&draft).await.map_err(failed)?;
    Ok((StatusCode::CREATED, Json(PublishedBody { id })))
}

/// Publish an entry anew, or a fact. It is searched at once.
#[utoipa::path(put, path = "/api/admin/entries/{id}", tag = "admin", security(("key" = [])),
    request_body = EntryRequest, params(("id" = String, Path, description = "The entry")),
    responses(
        (status = 200, description = "Published", body = PublishedBody),
        (status = 400, description = "Malformed JSON", body = ErrorBody),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 403, description = "The key allows less", body = ErrorBody),
        (status = 404, description = "No such entry", body = ErrorBody),
        (status = 408, description = "The body took too long", body = ErrorBody),
        (status = 413, description = "Body over 64 KiB", body = ErrorBody),
        (status = 415, description = "Not JSON", body = ErrorBody),
        (status = 422, description = "Fields that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn replace(
    State(state): State<App>,
    operator: Operator,
    Id(id): Id,
    JsonObject(form): JsonObject,
) -> Result<Json<PublishedBody>, ApiError> {
    operator.may(Role::Edit)?;
    let draft = draft(form, Some(id))?;
    operator.does(&state, "publish", draft.id.as_deref().unwrap_or_default()).await?;
    let id = shelf(&state)?.publish(&draft).await.map_err(failed)?;
    Ok(Json(PublishedBody { id }))
}

/// Take an entry down. It is found no more, and can be brought back by undoing that.
#[utoipa::path(delete, path = "/api/admin/entries/{id}", tag = "admin", security(("key" = [])),
    params(("id" = String, Path, description = "The entry")),
    responses(
        (status = 204, description = "Taken down"),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 403, description = "The key allows less", body = ErrorBody),
        (status = 404, description = "No such entry", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn remove(State(state): State<App>, operator: Operator, Id(id): Id) -> Result<StatusCode, ApiError> {
    operator.may(Role::Edit)?;
    operator.does(&state, "remove", &short(&id)).await?;
    shelf(&state)?.remove(&id).await.map_err(failed)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Bring back what stood there before the last change of an entry.
#[utoipa::path(post, path = "/api/admin/entries/{id}/undo", tag = "admin", security(("key" = [])),
    params(("id" = String, Path, description = "The entry")),
    responses(
        (status = 204, description = "Undone"),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 403, description = "The key allows less", body = ErrorBody),
        (status = 404, description = "No such entry, or nothing to undo", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn undo(State(state): State<App>, operator: Operator, Id(id): Id) -> Result<StatusCode, ApiError> {
    operator.may(Role::Edit)?;
    operator.does(&state, "undo", &short(&id)).await?;
    shelf(&state)?.undo(&id).await.map_err(failed)?;
    Ok(StatusCode::NO_CONTENT)
}

fn shelf(state: &App) -> Result<Arc<dyn Shelf>, ApiError> {
    state.shelf.clone().ok_or(ApiError::NotFound)
}

fn draft(mut form: Form, id: Option<String>) -> Result<Draft, ApiError> {
    let question = form.text("question", LONGEST_QUESTION).unwrap_or_default();
    let answer = form.required_text("answer", LONGEST_ANSWER).unwrap_or_default();
    form.finish()?;
    Ok(Draft { id: id.map(|id| short(&id)), question, answer })
}

/// As much of an id as any id has.
fn short(id: &str) -> String {
    id.chars().take(100).collect()
}

fn failed(error: ShelfError) -> ApiError {
    match error {
        ShelfError::Invalid { field, message } => ApiError::field(field, message),
        ShelfError::Unknown => ApiError::EntryNotFound,
        ShelfError::Unavailable(cause) => {
            tracing::error!(error = %cause, "an entry can't be written");
            ApiError::StoreUnavailable
        }
    }
}
