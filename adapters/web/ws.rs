//! `GET /api/ws`: the same conversation over a WebSocket.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::Response;
use dovvybuddy_core::events::{Follower, NumberedEvent};
use dovvybuddy_core::{SessionId, TurnId};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::admit::{Admission, Ask, Coming, admit, ready_events, sounds_alarming};
use crate::body::parse;
use crate::client::Client;
use crate::error::{ApiError, ErrorBody, whole_seconds};
use crate::form::Form;
use crate::idempotency::{is_key, wrong_key};
use crate::origin;
use crate::request::ChatRequest;
use crate::state::App;
use crate::wire::{StreamEvent, place};

/// The longest message.
const LONGEST: usize = 64 * 1024;
/// So much of one is read all the same: a client that is still sending does not hear why it is let go.
const LONGEST_READ: usize = 4 * LONGEST;
/// Messages of one socket that are waiting or being answered.
const AT_ONCE: usize = 8;
/// Emergencies of one socket that are being answered. Each takes well under a second, whatever the store
/// does; until one is done, nothing more is read from the socket.
const ALARMS_AT_ONCE: usize = 4;
/// How long a client may take to accept a frame.
const SEND_TIME: Duration = Duration::from_secs(20);
/// A socket on which nothing is asked for this long is closed.
const LONGEST_IDLE: Duration = Duration::from_hours(1);
/// After this long without an event a turn is no longer followed.
const LONGEST_SILENCE: Duration = Duration::from_mins(5);

/// Talk over a WebSocket.
///
/// The client sends `{"type":"message","message","sessionId"?,"idempotencyKey"?}` as text frames and gets
/// the events of `/api/chat/stream` as text frames.
#[utoipa::path(get, path = "/api/ws", tag = "chat",
    responses(
        (status = 101, description = "The WebSocket is open", body = StreamEvent),
        (status = 403, description = "A page of another origin", body = ErrorBody),
        (status = 426, description = "Not a WebSocket handshake", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "Too many are connected; see Retry-After", body = ErrorBody)))]
pub(crate) async fn socket(
    State(state): State<App>,
    Extension(client): Extension<Arc<Client>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    if !origin::allowed(&state, &headers) {
        return Err(ApiError::OriginNotAllowed);
    }
    let upgrade = upgrade.map_err(|_| ApiError::UpgradeRequired)?;
    let room = Arc::clone(&state.sockets).try_acquire_owned().map_err(|_| ApiError::Overloaded)?;
    if state.closing.is_cancelled() {
        return Err(ApiError::Overloaded);
    }
    let tasks = state.tasks.clone();
    let talk = Talk {
        state,
        client,
        steps: FuturesUnordered::new(),
        waiting: VecDeque::new(),
        admitting: false,
        alarms: 0,
        lines: HashMap::new(),
        heard: Instant::now(),
        asked: Instant::now(),
        _room: room,
    };
    Ok(upgrade
        .max_message_size(LONGEST_READ)
        .max_frame_size(LONGEST_READ)
        .read_buffer_size(4 * 1024)
        .write_buffer_size(4 * 1024)
        .max_write_buffer_size(256 * 1024)
        .on_upgrade(move |socket| tasks.track_future(talk.run(socket))))
}

/// One open socket.
struct Talk {
    state: App,
    client: Arc<Client>,
    /// What is going on: messages being taken in, turns being followed.
    steps: FuturesUnordered<BoxFuture<'static, Step>>,
    /// Messages that wait for the one before them to be taken in, so that they keep their order.
    waiting: VecDeque<Ask>,
    admitting: bool,
    /// How many emergencies are being answered, past those that wait.
    alarms: usize,
    /// Turns that are told when the one before them in their session was: the followed one is not in
    /// its line, but its session has one.
    lines: HashMap<SessionId, VecDeque<(TurnId, Follower)>>,
    /// When the client was last heard of, its pongs included.
    heard: Instant,
    /// When it last asked something.
    asked: Instant,
    _room: OwnedSemaphorePermit,
}

/// Something that happened.
enum Step {
    /// A message was taken in, or not. `in_order`: the next one may follow.
    Admitted { result: Result<Admission, ApiError>, in_order: bool },
    /// A turn told something, or nothing for too long.
    Told { session: SessionId, turn: TurnId, events: Follower, event: Option<NumberedEvent> },
}

/// Goes on, or ends with a close frame.
type Flow = ControlFlow<Option<CloseFrame>>;

impl Talk {
    async fn run(mut self, mut socket: WebSocket) {
        let closing = self.state.closing.clone();
        let drain = self.state.config.drain;
        let stopped = async {
            closing.cancelled().await;
            tokio::time::sleep(drain).await;
        };
        tokio::pin!(stopped);
        let mut beat = tokio::time::interval(self.state.config.socket_idle / 3);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let end = loop {
            let flow = tokio::select! {
                incoming = socket.recv(), if self.alarms < ALARMS_AT_ONCE => match incoming {
                    Some(Ok(message)) => self.hear(&mut socket, message).await,
                    // A broken frame, one that is too long, or the client went away.
                    Some(Err(_)) | None => ControlFlow::Break(None),
                },
                Some(step) = self.steps.next(), if !self.steps.is_empty() => self.advance(&mut socket, step).await,
                _ = beat.tick() => self.check(&mut socket).await,
                () = closing.cancelled(), if self.steps.is_empty() => ControlFlow::Break(away("the service stops")),
                () = &mut stopped => ControlFlow::Break(away("the service stops")),
            };
            if let ControlFlow::Break(end) = flow {
                break end;
            }
        };
        if let Some(frame) = end {
            // The socket ends here whether or not the client still hears it.
            let _ = tokio::time::timeout(SEND_TIME, socket.send(Message::Close(Some(frame)))).await;
        }
    }

    async fn hear(&mut self, socket: &mut WebSocket, message: Message) -> Flow {
        self.heard = Instant::now();
        match message {
            Message::Text(text) if text.len() > LONGEST => {
                let frame = CloseFrame { code: close_code::SIZE, reason: "messages have up to 64 KiB".into() };
                ControlFlow::Break(Some(frame))
            }
            Message::Text(text) => {
                self.asked = self.heard;
                match self.read(text.as_bytes()).and_then(|ask| self.take(ask)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => send(socket, &refusal(&error, None)).await,
                }
            }
            Message::Binary(_) => {
                let frame = CloseFrame { code: close_code::UNSUPPORTED, reason: "send text frames".into() };
                ControlFlow::Break(Some(frame))
            }
            Message::Ping(_) | Message::Pong(_) => ControlFlow::Continue(()),
            Message::Close(_) => ControlFlow::Break(None),
        }
    }

    /// Reads a frame and charges the address for it.
    fn read(&self, bytes: &[u8]) -> Result<Ask, ApiError> {
        let limited = self.state.limits.all.check(self.client.ip).err().map(ApiError::RateLimited);
        let crowded = (self.under_way() >= AT_ONCE).then_some(ApiError::Overloaded);
        let unless_emergency = limited.or(crowded);
        let read = || {
            let mut form = parse(bytes)?;
            check_type(&mut form);
            let key = form.string(&["idempotencyKey", "idempotency_key"]);
            if key.as_deref().is_some_and(|key| !is_key(key)) {
                return Err(wrong_key("idempotencyKey"));
            }
            Ok((ChatRequest::read(form)?, key))
        };
        match read() {
            Ok((request, key)) => Ok(Ask { request, key, unless_emergency, streamed: true, arrived: Instant::now() }),
            Err(error) => Err(unless_emergency.unwrap_or(error)),
        }
    }

    /// Messages that wait, are being taken in, or are answered.
    fn under_way(&self) -> usize {
        let queued: usize = self.lines.values().map(VecDeque::len).sum();
        self.waiting.len() + self.steps.len() + queued
    }

    /// Messages are taken in one after another; an emergency does not wait for those before it.
    fn take(&mut self, mut ask: Ask) -> Result<(), ApiError> {
        let session = ask.request.session_id.as_deref().and_then(SessionId::parse);
        if sounds_alarming(&self.state, &self.client, &ask.request.message, session) {
            self.alarms += 1;
            self.admit(ask, false);
            return Ok(());
        }
        // Told at once: while the store hangs, those that will be refused must not pile up either.
        if let Some(refusal) = ask.unless_emergency.take() {
            return Err(refusal);
        }
        self.waiting.push_back(ask);
        self.admit_next();
        Ok(())
    }

    fn admit_next(&mut self) {
        if !self.admitting
            && let Some(ask) = self.waiting.pop_front()
        {
            self.admitting = true;
            self.admit(ask, true);
        }
    }

    fn admit(&mut self, mut ask: Ask, in_order: bool) {
        let (state, client) = (self.state.clone(), Arc::clone(&self.client));
        ask.arrived = Instant::now();
        self.steps
            .push(Box::pin(async move { Step::Admitted { result: admit(&state, &client, ask).await, in_order } }));
    }

    async fn advance(&mut self, socket: &mut WebSocket, step: Step) -> Flow {
        match step {
            Step::Admitted { result, in_order } => {
                if in_order {
                    self.admitting = false;
                    self.admit_next();
                } else {
                    self.alarms = self.alarms.saturating_sub(1);
                }
                match result {
                    // An emergency told again; it was answered when it came first.
                    Ok(Admission { turn, answer: Coming::Later(_), .. })
                        if !in_order && self.under_way() >= 2 * AT_ONCE =>
                    {
                        send(socket, &refusal(&ApiError::Overloaded, Some(turn))).await
                    }
                    Ok(Admission { turn, session, answer: Coming::Later(events), .. }) => {
                        self.line_up(session, turn, events);
                        ControlFlow::Continue(())
                    }
                    Ok(Admission { turn, session, answer: Coming::Ready(reply), .. }) => {
                        for event in ready_events(&self.state, turn, session, &reply) {
                            send(socket, &framed(&event)).await?;
                        }
                        ControlFlow::Continue(())
                    }
                    Err(error) => send(socket, &refusal(&error, None)).await,
                }
            }
            Step::Told { session, turn, events, event: Some(event) } => {
                if event.event.ends() {
                    self.follow_next(session);
                } else {
                    self.follow(session, turn, events);
                }
                send(socket, &framed(&event)).await
            }
            Step::Told { session, turn, event: None, .. } => {
                self.follow_next(session);
                send(socket, &refusal(&ApiError::Overloaded, Some(turn))).await
            }
        }
    }

    /// Turns of one session are told in their order; sessions do not wait for each other.
    fn line_up(&mut self, session: SessionId, turn: TurnId, events: Follower) {
        if let Some(line) = self.lines.get_mut(&session) {
            line.push_back((turn, events));
        } else {
            self.lines.insert(session, VecDeque::new());
            self.follow(session, turn, events);
        }
    }

    fn follow_next(&mut self, session: SessionId) {
        match self.lines.get_mut(&session).and_then(VecDeque::pop_front) {
            Some((turn, events)) => self.follow(session, turn, events),
            None => {
                self.lines.remove(&session);
            }
        }
    }

    fn follow(&mut self, session: SessionId, turn: TurnId, mut events: Follower) {
        self.steps.push(Box::pin(async move {
            let event = events.next(Instant::now() + LONGEST_SILENCE).await;
            Step::Told { session, turn, events, event }
        }));
    }

    /// Closes a socket whose client is gone or asks nothing; otherwise asks for a sign of life.
    async fn check(&mut self, socket: &mut WebSocket) -> Flow {
        if self.heard.elapsed() > self.state.config.socket_idle {
            return ControlFlow::Break(away("no sign of life"));
        }
        if self.asked.elapsed() > LONGEST_IDLE && self.steps.is_empty() {
            return ControlFlow::Break(away("nothing was asked"));
        }
        deliver(socket, Message::Ping(axum::body::Bytes::new())).await
    }
}

fn check_type(form: &mut Form) {
    let kind = form.string(&["type"]);
    if kind.as_deref() != Some("message") && !form.complains_of("type") {
        form.wrong("type", "must be `message`");
    }
}

fn framed(event: &NumberedEvent) -> StreamEvent {
    StreamEvent { id: place(event), ..StreamEvent::of(event) }
}

/// An error as an event, with what HTTP would have said beside the code.
fn refusal(error: &ApiError, turn: Option<TurnId>) -> StreamEvent {
    let body = error.body();
    let mut metadata = json!({"error": body.error});
    if let Some(fields) = metadata.as_object_mut() {
        if !body.details.is_empty() {
            fields.insert("details".into(), serde_json::to_value(body.details).unwrap_or_default());
        }
        if let ApiError::RateLimited(limited) = error {
            fields.insert("retryAfter".into(), whole_seconds(limited.retry_after).into());
        }
        fields.extend(body.id.map(|id| ("id".to_owned(), Value::from(id))));
        fields.extend(turn.map(|turn| ("turnId".to_owned(), Value::from(turn.to_string()))));
    }
    StreamEvent { metadata: Some(metadata), ..StreamEvent::error(error.code(), None) }
}

async fn send(socket: &mut WebSocket, event: &StreamEvent) -> Flow {
    deliver(socket, Message::Text(event.to_json().into())).await
}

async fn deliver(socket: &mut WebSocket, message: Message) -> Flow {
    match tokio::time::timeout(SEND_TIME, socket.send(message)).await {
        Ok(Ok(())) => ControlFlow::Continue(()),
        Ok(Err(_)) | Err(_) => ControlFlow::Break(None),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a flow ends with")]
fn away(reason: &'static str) -> Option<CloseFrame> {
    Some(CloseFrame { code: close_code::AWAY, reason: reason.into() })
}
