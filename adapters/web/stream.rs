//! Server-sent events: `POST /api/chat/stream`, and taking a stream up again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use dovvybuddy_core::TurnId;
use dovvybuddy_core::events::{Cursor, Follower, NumberedEvent, events_of};
use futures::Stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::admit::{Admission, Coming, admit, ready_events};
use crate::body::JsonObject;
use crate::chat::read_ask;
use crate::client::Client;
use crate::error::{ApiError, ErrorBody};
use crate::headers::keep_session;
use crate::limits::tell_allowance;
use crate::passages::parameter;
use crate::path::Id;
use crate::request::ChatRequest;
use crate::state::App;
use crate::wire::{ServerSentEvent, StreamEvent, place};

/// How often a silent stream sends a comment, so that no proxy takes it for dead.
const BEAT: Duration = Duration::from_secs(15);
/// After this long without an event a stream ends; the client may take it up again.
const LONGEST_SILENCE: Duration = Duration::from_mins(5);

/// Ask a question and follow the answer as it is written.
///
/// Server-sent events in the order `route`, `safety`, `token`…, `citation`…, then one `final` or one
/// `error`. The tokens put together equal the reply.
#[utoipa::path(post, path = "/api/chat/stream", tag = "chat", request_body = ChatRequest,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$",
        description = "As for `/api/chat`")),
    responses(
        (status = 200, description = "Events, each with `id: turnId/attempt/n`", body = ServerSentEvent, content_type = "text/event-stream"),
        (status = 400, description = "Malformed JSON", body = ErrorBody),
        (status = 408, description = "The body took too long", body = ErrorBody),
        (status = 409, description = "The idempotency key was used with another body", body = ErrorBody),
        (status = 413, description = "Body over 64 KiB", body = ErrorBody),
        (status = 415, description = "Not JSON", body = ErrorBody),
        (status = 422, description = "Fields that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "Overloaded, or the store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn chat_stream(
    State(state): State<App>,
    Extension(client): Extension<Arc<Client>>,
    headers: HeaderMap,
    body: Result<JsonObject, ApiError>,
) -> Result<Response, ApiError> {
    let mut ask = read_ask(&client, &headers, body)?;
    ask.streamed = true;
    // Taken before the message is, so that a message that was taken in can be followed.
    let room = Arc::clone(&state.streams).try_acquire_owned();
    if room.is_err() {
        ask.unless_emergency.get_or_insert(ApiError::Overloaded);
    }
    let Admission { turn, session, allowance, answer } = admit(&state, &client, ask).await?;
    let mut response = match answer {
        Coming::Ready(reply) => whole(&ready_events(&state, turn, session, &reply)),
        Coming::Later(events) => {
            let room = room.map_err(|_| ApiError::Overloaded)?;
            respond(Body::from_stream(live(state.clone(), turn, events, room)))
        }
    };
    keep_session(response.headers_mut(), &client, session);
    tell_allowance(response.headers_mut(), allowance, state.limits.diver_per_minute());
    Ok(response)
}

/// Take a stream up again after the last event that arrived.
///
/// Without a position the whole turn is told. Where nothing is left to tell, the answer is 204.
#[utoipa::path(get, path = "/api/turns/{turnId}/events", tag = "chat",
    params(("turnId" = String, Path, description = "The turn"),
        ("Last-Event-ID" = Option<String>, Header, description = "`turnId/attempt/n` of the last event that arrived"),
        ("lastEventId" = Option<String>, Query, description = "The same, where headers can't be set")),
    responses(
        (status = 200, description = "The rest of the events", body = ServerSentEvent, content_type = "text/event-stream"),
        (status = 204, description = "Everything was told before"),
        (status = 404, description = "No such turn", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn resume(
    State(state): State<App>,
    Id(turn): Id,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let turn = TurnId::parse(&turn).ok_or(ApiError::TurnNotFound)?;
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let seen = header.map(str::to_owned).or_else(|| parameter(&query?, "lastEventId")).and_then(|id| cursor(turn, &id));
    if let Some(stored) = state.store.turn(turn).await.map_err(|error| ApiError::store(&*state.clock, &error))? {
        let fresh = |e: &NumberedEvent| seen.is_none_or(|seen| e.at.attempt != seen.attempt || e.at.n > seen.n);
        let rest: Vec<_> = events_of(&stored).into_iter().filter(fresh).collect();
        return Ok(if rest.is_empty() { StatusCode::NO_CONTENT.into_response() } else { whole(&rest) });
    }
    if !still_comes(&state, turn).await {
        return Err(ApiError::TurnNotFound);
    }
    let room = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| ApiError::Overloaded)?;
    let events = state.intake.follow(turn, seen);
    Ok(respond(Body::from_stream(live(state.clone(), turn, events, room))))
}

/// Whether a turn has a reply or will get one: an unknown one never does, nor one that was erased meanwhile. A
/// store that can't tell ends nothing.
async fn still_comes(state: &App, turn: TurnId) -> bool {
    match state.store.is_waiting(turn).await {
        Ok(true) => true,
        // It may have been answered between the two looks.
        Ok(false) => !matches!(state.store.turn(turn).await, Ok(None)),
        Err(error) => {
            tracing::warn!(error = %error, %turn, "it can't be told whether a turn is still to come");
            true
        }
    }
}

/// A place in this turn's stream.
pub(crate) fn cursor(turn: TurnId, id: &str) -> Option<Cursor> {
    let mut parts = id.split('/');
    let (of, attempt, n) = (parts.next()?, parts.next()?, parts.next()?);
    (TurnId::parse(of)? == turn && parts.next().is_none()).then_some(())?;
    Some(Cursor { attempt: attempt.parse().ok()?, n: n.parse().ok()? })
}

/// The events of a turn until it ends, the daemon stops, or nothing happens for too long.
fn live(
    state: App,
    turn: TurnId,
    mut events: Follower,
    room: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    async_stream::stream! {
        let _room = room;
        let stopped = async {
            state.closing.cancelled().await;
            tokio::time::sleep(state.config.drain).await;
        };
        tokio::pin!(stopped);
        let mut quiet_since = Instant::now();
        loop {
            let beat = Instant::now() + BEAT;
            let next = tokio::select! {
                next = events.next(beat) => next,
                () = &mut stopped => {
                    yield Ok(data(&StreamEvent::error("OVERLOADED", Some(turn)), None));
                    return;
                }
            };
            match next {
                Some(event) => {
                    let ends = event.event.ends();
                    yield Ok(frame(&event));
                    if ends {
                        return;
                    }
                    quiet_since = Instant::now();
                }
                None if quiet_since.elapsed() >= LONGEST_SILENCE => {
                    tracing::warn!(%turn, "a stream was ended after a long silence");
                    yield Ok(data(&StreamEvent::error("OVERLOADED", Some(turn)), None));
                    return;
                }
                // Boxed, since every open stream would keep room for what the store may answer.
                None if !Box::pin(still_comes(&state, turn)).await => {
                    yield Ok(data(&StreamEvent::error(ApiError::TurnNotFound.code(), Some(turn)), None));
                    return;
                }
                None => yield Ok(Bytes::from_static(b": still here\n\n")),
            }
        }
    }
}

fn frame(event: &NumberedEvent) -> Bytes {
    data(&StreamEvent::of(event), place(event))
}

fn data(event: &StreamEvent, id: Option<String>) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("{id}data: {}\n\n", event.to_json()))
}

/// A stream whose events are all there.
pub(crate) fn whole(events: &[NumberedEvent]) -> Response {
    let frames: Vec<Bytes> = events.iter().map(frame).collect();
    respond(Body::from(frames.concat()))
}

fn respond(body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_place_is_read_back_and_nothing_else_panics(attempt: u32, n: u32, noise in ".{0,80}") {
            let turn = TurnId::parse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff").unwrap();
            prop_assert_eq!(cursor(turn, &format!("{turn}/{attempt}/{n}")), Some(Cursor { attempt, n }));
            prop_assert_eq!(cursor(turn, &noise), None);
            let _ = parameter(&noise, "lastEventId");
        }
    }

    #[test]
    fn a_place_belongs_to_its_turn() {
        let id = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
        let turn = TurnId::parse(id).unwrap();
        assert_eq!(cursor(turn, &format!("{id}/2/7")), Some(Cursor { attempt: 2, n: 7 }));
        let other = "11111111-8b86-4d01-b42d-00cf4fc964ff";
        for wrong in
            ["", "x", &format!("{other}/1/1"), &format!("{id}/1"), &format!("{id}/1/2/3"), &format!("{id}/-1/2")]
        {
            assert_eq!(cursor(turn, wrong), None, "{wrong}");
        }
    }
}
