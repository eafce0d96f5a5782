//! `POST /api/feedback`: whether an answer helped.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use dovvybuddy_core::TurnId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::JsonObject;
use crate::client::Client;
use crate::error::{ApiError, ErrorBody};
use crate::form::Form;
use crate::state::App;

/// The longest comment.
const LONGEST: usize = 2000;

/// A rating of an answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FeedbackRequest {
    /// The turn whose answer is rated.
    #[schema(format = "uuid")]
    pub(crate) turn_id: String,
    /// `up` or `down`.
    #[schema(pattern = "^(up|down)$", example = "up")]
    pub(crate) rating: String,
    /// What the diver says about it.
    #[schema(required = false, max_length = 2000)]
    pub(crate) comment: Option<String>,
}

impl FeedbackRequest {
    fn read(mut form: Form) -> Result<Self, ApiError> {
        let turn_id = form.string(&["turnId", "turn_id"]).unwrap_or_default();
        if turn_id.is_empty() && !form.complains_of("turnId") && !form.complains_of("turn_id") {
            form.wrong("turnId", "is required");
        }
        let rating = form.string(&["rating"]).unwrap_or_default();
        if !matches!(&*rating, "up" | "down") && !form.complains_of("rating") {
            form.wrong("rating", "must be `up` or `down`");
        }
        let comment = form.text("comment", LONGEST);
        form.finish()?;
        Ok(Self { turn_id, rating, comment })
    }
}

/// Rate an answer. A repeat replaces the earlier rating.
#[utoipa::path(post, path = "/api/feedback", tag = "feedback", request_body = FeedbackRequest,
    responses(
        (status = 204, description = "Kept"),
        (status = 400, description = "Malformed JSON", body = ErrorBody),
        (status = 408, description = "The body took too long", body = ErrorBody),
        (status = 404, description = "No such turn", body = ErrorBody),
        (status = 413, description = "Body over 64 KiB", body = ErrorBody),
        (status = 415, description = "Not JSON", body = ErrorBody),
        (status = 422, description = "Fields that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn feedback(
    State(state): State<App>,
    Extension(client): Extension<Arc<Client>>,
    JsonObject(form): JsonObject,
) -> Result<StatusCode, ApiError> {
    let request = FeedbackRequest::read(form)?;
    let turn = TurnId::parse(&request.turn_id).ok_or(ApiError::TurnNotFound)?;
    state.limits.feedback.check(client.ip).map_err(ApiError::RateLimited)?;
    let kept = state.store.rate(turn, request.rating == "up", request.comment.as_deref(), state.clock.now()).await;
    match kept {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(ApiError::TurnNotFound),
        Err(error) => Err(ApiError::store(&*state.clock, &error)),
    }
}
