//! `POST /api/chat`: one message, one answer.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use dovvybuddy_core::events::{Follower, TurnEvent};
use dovvybuddy_core::reply::Reply;
use dovvybuddy_core::{SessionId, TurnId};
use tokio::time::Instant;

use crate::admit::{Admission, Ask, Coming, admit};
use crate::body::JsonObject;
use crate::client::Client;
use crate::error::{ApiError, ErrorBody};
use crate::headers::keep_session;
use crate::idempotency;
use crate::limits::tell_allowance;
use crate::request::ChatRequest;
use crate::state::App;
use crate::wire::ChatResponse;

/// Ask a question and wait for the whole answer.
///
/// An answer comes within 20 seconds. An emergency is answered at once, past every limit.
#[utoipa::path(post, path = "/api/chat", tag = "chat", request_body = ChatRequest,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$",
        description = "A repeat returns the same turn")),
    responses(
        (status = 200, description = "The answer", body = ChatResponse,
            headers(("RateLimit" = String, description = "What is left of the diver's limit"),
                ("RateLimit-Policy" = String, description = "The diver's limit"),
                ("Set-Cookie" = String, description = "`dovvybuddy_session`, for our own page"))),
        (status = 400, description = "Malformed JSON", body = ErrorBody),
        (status = 408, description = "The body took too long", body = ErrorBody),
        (status = 409, description = "The idempotency key was used with another body", body = ErrorBody),
        (status = 413, description = "Body over 64 KiB", body = ErrorBody),
        (status = 415, description = "Not JSON", body = ErrorBody),
        (status = 422, description = "Fields that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "Overloaded, or the store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn chat(
    State(state): State<App>,
    Extension(client): Extension<Arc<Client>>,
    headers: HeaderMap,
    body: Result<JsonObject, ApiError>,
) -> Result<Response, ApiError> {
    let ask = read_ask(&client, &headers, body)?;
    let Admission { turn, session, allowance, answer } = admit(&state, &client, ask).await?;
    let (turn, session, reply) = match answer {
        Coming::Ready(reply) => (turn, session, reply),
        Coming::Later(events) => {
            let (reply, session) = wait(&state, &client, turn, events).await?;
            (turn, session, reply)
        }
    };
    let mut response = Json(ChatResponse::new(turn, session, &reply)).into_response();
    keep_session(response.headers_mut(), &client, session);
    tell_allowance(response.headers_mut(), allowance, state.limits.diver_per_minute());
    Ok(response)
}

/// What a request asks. A request over its limit that can't even be read is told of the limit.
pub(crate) fn read_ask(
    client: &Client,
    headers: &HeaderMap,
    body: Result<JsonObject, ApiError>,
) -> Result<Ask, ApiError> {
    let read = || {
        let request = ChatRequest::read(body?.0)?;
        let key = idempotency::key(headers)?;
        let unless_emergency = client.limited.map(ApiError::RateLimited);
        Ok(Ask { request, key, unless_emergency, streamed: false, arrived: client.arrived })
    };
    read().map_err(|error| client.limited.map_or(error, ApiError::RateLimited))
}

/// The reply, in the time a client may be kept waiting.
async fn wait(
    state: &App,
    client: &Client,
    turn: TurnId,
    mut events: Follower,
) -> Result<(Arc<Reply>, SessionId), ApiError> {
    let deadline: Instant = client.arrived + state.config.reply_within;
    let stopped = async {
        state.closing.cancelled().await;
        tokio::time::sleep(state.config.drain).await;
    };
    tokio::pin!(stopped);
    loop {
        let next = tokio::select! {
            next = events.next(deadline) => next,
            () = &mut stopped => return Err(ApiError::Overloaded),
        };
        match next.map(|event| event.event) {
            Some(TurnEvent::Final { reply, session }) => return Ok((reply, session)),
            Some(TurnEvent::Failed) => return Err(ApiError::StoreUnavailable),
            Some(_) => {}
            None => {
                tracing::warn!(%turn, "a turn took longer than its client may wait");
                return Err(ApiError::Overloaded);
            }
        }
    }
}
