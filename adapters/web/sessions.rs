//! `/api/sessions`: opening, reading and removing a conversation.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use dovvybuddy_core::SessionId;
use dovvybuddy_core::session::{DiverProfile, Message, Session};
use dovvybuddy_core::store::Subject;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::MaybeJsonObject;
use crate::client::Client;
use crate::error::{ApiError, ErrorBody};
use crate::headers::{drop_session, keep_session};
use crate::path::Id;
use crate::state::App;

/// How many of a session's newest messages are shown.
const SHOWN: usize = 500;

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionBody {
    /// Its id.
    pub(crate) id: String,
    /// What was said, oldest first.
    pub(crate) conversation_history: Vec<MessageBody>,
    /// What is known of the diver.
    #[schema(value_type = Object)]
    pub(crate) diver_profile: DiverProfile,
    /// When it was opened, RFC 3339.
    pub(crate) created_at: String,
    /// When it was last used, RFC 3339.
    pub(crate) updated_at: String,
}

/// One message of a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageBody {
    /// `user` or `assistant`.
    pub(crate) role: &'static str,
    /// What was said.
    pub(crate) content: String,
    /// When, RFC 3339.
    pub(crate) created_at: String,
}

impl From<Session> for SessionBody {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            conversation_history: session.history.into_iter().map(MessageBody::from).collect(),
            diver_profile: session.profile,
            created_at: session.created_at.to_rfc3339(),
            updated_at: session.updated_at.to_rfc3339(),
        }
    }
}

impl From<Message> for MessageBody {
    fn from(message: Message) -> Self {
        Self { role: message.role.as_str(), content: message.content, created_at: message.created_at.to_rfc3339() }
    }
}

/// Open a session nobody has spoken in yet. The body may be empty, or hold a `diverProfile`.
#[utoipa::path(post, path = "/api/sessions", tag = "sessions",
    responses(
        (status = 201, description = "The session", body = SessionBody),
        (status = 400, description = "Malformed JSON", body = ErrorBody),
        (status = 408, description = "The body took too long", body = ErrorBody),
        (status = 413, description = "Body over 64 KiB", body = ErrorBody),
        (status = 415, description = "Not JSON", body = ErrorBody),
        (status = 422, description = "Fields that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn open(
    State(state): State<App>,
    Extension(client): Extension<Arc<Client>>,
    MaybeJsonObject(mut form): MaybeJsonObject,
) -> Result<Response, ApiError> {
    let told = form.object(&["diverProfile", "diver_profile"]);
    form.finish()?;
    state.limits.sessions.check(client.ip).map_err(ApiError::RateLimited)?;
    let id = SessionId(state.clock.uuid());
    let mut session = Session::open(id, state.conversation(id), state.clock.now());
    session.profile = told.map(DiverProfile::read).unwrap_or_default();
    state.store.open_session(&session).await.map_err(|error| ApiError::store(&*state.clock, &error))?;
    let mut response = (StatusCode::CREATED, Json(SessionBody::from(session))).into_response();
    keep_session(response.headers_mut(), &client, id);
    Ok(response)
}

/// Read a session: its messages and what is known of the diver.
#[utoipa::path(get, path = "/api/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session")),
    responses(
        (status = 200, description = "The session", body = SessionBody),
        (status = 404, description = "No such session, or it has expired", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn read(
    State(state): State<App>,
    Extension(client): Extension<Arc<Client>>,
    Id(id): Id,
) -> Result<Json<SessionBody>, ApiError> {
    state.limits.sessions.check(client.ip).map_err(ApiError::RateLimited)?;
    let session = find(&state, &id, SHOWN).await?;
    if session.expired(state.clock.now()) {
        return Err(ApiError::SessionNotFound);
    }
    Ok(Json(SessionBody::from(session)))
}

/// Remove a session. Nothing of it remains.
#[utoipa::path(delete, path = "/api/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session")),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "No such session", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn remove(
    State(state): State<App>,
    Extension(client): Extension<Arc<Client>>,
    Id(id): Id,
) -> Result<Response, ApiError> {
    state.limits.sessions.check(client.ip).map_err(ApiError::RateLimited)?;
    let session = find(&state, &id, 0).await?;
    let subject = Subject::Session(state.bot.clone(), session.id);
    state.store.erase(&subject, false).await.map_err(|error| ApiError::store(&*state.clock, &error))?;
    state.intake.forget(&session.conversation);
    let mut response = StatusCode::NO_CONTENT.into_response();
    if client.cookie == Some(session.id) {
        drop_session(response.headers_mut(), &client);
    }
    Ok(response)
}

/// A session of this channel. Those of other channels are not for the web to see.
async fn find(state: &App, id: &str, window: usize) -> Result<Session, ApiError> {
    let id = SessionId::parse(id).ok_or(ApiError::SessionNotFound)?;
    let found = state.store.session_by_id(&state.bot, id, window).await;
    let session = found.map_err(|error| ApiError::store(&*state.clock, &error))?;
    session.filter(|session| session.conversation == state.conversation(id)).ok_or(ApiError::SessionNotFound)
}
