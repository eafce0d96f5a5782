//! A stream that tells when something has changed, so that a view can look again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::Stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::auth::Operator;
use crate::error::{ApiError, ErrorBody};
use crate::state::App;

/// How often the store is asked.
const LOOK: Duration = Duration::from_secs(1);
/// How often a silent stream says that it lives; then the key is looked at again, too.
const BEAT: Duration = Duration::from_secs(15);
/// A stream ends after this long; the client opens another one.
const LONGEST: Duration = Duration::from_hours(1);

/// Follow what changes. Each event is `data: {"type":"changed"}` with an id that names the state of things; it
/// says that something an operator looks at is new, not what. With `Last-Event-ID` the first event comes only
/// when something has changed since.
#[utoipa::path(get, path = "/api/admin/events", tag = "admin", security(("key" = [])),
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that arrived")),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        (status = 401, description = "No valid key", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "Too many streams, or the store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn events(
    State(state): State<App>,
    operator: Operator,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let room = Arc::clone(&state.desk.streams).try_acquire_owned().map_err(|_| ApiError::Overloaded)?;
    let seen = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let body = Body::from_stream(changes(state.clone(), operator.hash, seen, room));
    Ok((headers, body).into_response())
}

fn changes(
    state: App,
    hash: String,
    mut seen: Option<String>,
    room: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    async_stream::stream! {
        let _room = room;
        let end = Instant::now() + LONGEST;
        let mut beat = Instant::now() + BEAT;
        yield Ok(Bytes::from_static(b": follow\n\n"));
        while Instant::now() < end {
            // A store that is away has nothing new to tell.
            if let Ok(mark) = state.store.mark().await && seen.as_ref() != Some(&mark) {
                yield Ok(Bytes::from(format!("id: {mark}\ndata: {{\"type\":\"changed\"}}\n\n")));
                seen = Some(mark);
            }
            if Instant::now() >= beat {
                beat = Instant::now() + BEAT;
                if matches!(state.store.key_by_hash(&hash).await, Ok(None)) {
                    return;
                }
                yield Ok(Bytes::from_static(b": still here\n\n"));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = state.closing.cancelled() => return,
            }
        }
    }
}
