//! What systems post: believed only by its signature, answered only when it is stored.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use dovvybuddy_core::channel::{Content, Inbound, Sender};
use dovvybuddy_core::events::{Follower, TurnEvent};
use dovvybuddy_core::intake::{Admitted, Intake, Refusal};
use dovvybuddy_core::reply::{Degraded, Reply};
use dovvybuddy_core::store::StoreError;
use dovvybuddy_core::{SessionId, TurnId};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::hook::{Context, Hook, Hooks, ReplyBy};
use crate::message::{Message, WrongField};
use crate::seat::Sitting;
use crate::signature::{Proof, verify};

/// The longest body.
const LONGEST: usize = 64 * 1024;
/// How much of a body that is too long is read, so that its sender can finish and read the answer.
const DRAINED: usize = 1024 * 1024;
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(15);
/// How long storing a message may take before the sender is told to come again.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a call fails of. Said in the one form of errors, which is the HTTP API's.
#[derive(Debug)]
pub enum Problem {
    /// There is no webhook of that name.
    Unknown,
    /// Another method than POST.
    Method,
    /// No signature that is right, or not in time.
    Unsigned,
    /// The body is no JSON.
    Malformed,
    /// The body is longer than 64 KiB.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// The body is of another type than JSON.
    NotJson,
    /// Fields that can't be used.
    Invalid(Vec<WrongField>),
    /// A limit: of the whole webhook with its rate, or of one diver.
    Limited {
        /// The webhook's rate; `None` for the diver's limit.
        per_minute: Option<u32>,
        /// When to come back.
        retry_after: Duration,
    },
    /// Too much is waiting, or the daemon is stopping.
    Busy,
    /// The store did not do it.
    Store(StoreError),
}

/// How calls are answered, in the words of the HTTP API.
#[derive(Clone)]
pub struct Answers {
    /// The body of a reply: that of `POST /api/chat`.
    pub reply: fn(TurnId, SessionId, &Reply) -> Value,
    /// An error.
    pub problem: Arc<dyn Fn(Problem) -> Response + Send + Sync>,
}

#[derive(Clone)]
struct Reception {
    hooks: Arc<Hooks>,
    answers: Answers,
}

/// `POST /webhooks/<name>` for every webhook there is.
pub fn router(hooks: Hooks, answers: Answers) -> Router {
    let refused = Arc::clone(&answers.problem);
    Router::new()
        .route("/webhooks/{name}", post(receive))
        .method_not_allowed_fallback(move || async move { refused(Problem::Method) })
        .with_state(Reception { hooks: Arc::new(hooks), answers })
}

async fn receive(
    State(reception): State<Reception>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let hook = name.ok().and_then(|Path(name)| reception.hooks.get(&name).cloned());
    let answered = match hook {
        Some(hook) => Call { hook, answers: reception.answers.clone() }.answer(&headers, body).await,
        None => Err(Problem::Unknown),
    };
    answered.unwrap_or_else(|problem| (reception.answers.problem)(problem))
}

/// One call of a webhook.
struct Call {
    hook: Arc<Hook>,
    answers: Answers,
}

/// A message that was taken in.
enum Taken {
    Later { turn: TurnId, events: Follower },
    Now { turn: TurnId, session: SessionId, reply: Arc<Reply> },
    Noted { say: String },
}

impl Call {
    async fn answer(&self, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
        let began = Instant::now();
        let body = tokio::time::timeout(BODY_WITHIN, collect(body)).await.unwrap_or(Err(Problem::TooSlow))?;
        let Some(intake) = self.hook.intake() else { return Err(Problem::Busy) };
        let now = intake.clock().now().as_millis() / 1000;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (id, timestamp, signatures) =
            (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
        if let Err(why) = verify(&self.hook.secrets, Proof { id, timestamp, signatures }, &body, now) {
            tracing::warn!(webhook = self.hook.config.name, why = %why, "a call is not believed");
            return Err(Problem::Unsigned);
        }
        if !is_json(headers) {
            return Err(Problem::NotJson);
        }
        let body: Value = serde_json::from_slice(&body).map_err(|_| Problem::Malformed)?;
        let message = Message::read(&body).map_err(Problem::Invalid)?;

        let turn = self.hook.turn_of(id, &**intake.clock());
        let event = self.inbound(&intake, turn, id, &message);
        if let Err(retry_after) = self.hook.room()
            && !intake.alarming(&event).await
        {
            let per_minute = Some(self.hook.config.messages_per_minute);
            return Err(Problem::Limited { per_minute, retry_after });
        }
        let waits = self.hook.config.reply == ReplyBy::Sync;
        let sitting = waits.then(|| self.hook.seats.take(turn));
        let taken = self.take(&intake, event).await?;
        Ok(self.respond(taken, sitting, began + self.hook.config.sync_timeout).await)
    }

    /// Hands the message in. Once this has begun, the caller's leaving does not stop it.
    async fn take(&self, intake: &Intake, event: Inbound) -> Result<Taken, Problem> {
        let (turn, id) = (event.turn, event.event_id.clone());
        let handed = {
            let intake = intake.clone();
            self.hook.tasks.spawn(async move { intake.accept(event).await })
        };
        let refusal = match tokio::time::timeout(PATIENCE, handed).await {
            Ok(Ok(Ok(Admitted::Queued { turn, events, .. } | Admitted::Repeat { turn, events, .. }))) => {
                return Ok(Taken::Later { turn, events });
            }
            Ok(Ok(Ok(Admitted::Answered { turn, session, reply }))) => {
                return Ok(Taken::Now { turn, session, reply });
            }
            Ok(Ok(Ok(Admitted::Noted { say, .. }))) => return Ok(Taken::Noted { say }),
            Ok(Ok(Err(Refusal::Limited { retry_after }))) => {
                return Err(Problem::Limited { per_minute: None, retry_after });
            }
            Ok(Ok(Err(Refusal::Unavailable(error)))) => Problem::Store(error),
            Ok(Ok(Err(Refusal::Overloaded | Refusal::Conflict)) | Err(_)) => Problem::Busy,
            Err(_) => Problem::Store(StoreError::Unavailable("the message could not be stored in time".into())),
        };
        if let Some(said) = self.hook.said_urgently(turn)
            && self.hook.config.reply == ReplyBy::Sync
        {
            // What a diver in danger must read outweighs a sender that tries again.
            let mut reply = Reply::clone(&said);
            reply.degraded.push(Degraded::Store);
            return Ok(Taken::Now { turn, session: SessionId(intake.clock().uuid()), reply: Arc::new(reply) });
        }
        self.hook.comes_again(&id, turn);
        Err(refusal)
    }

    async fn respond(&self, taken: Taken, sitting: Option<Sitting>, until: Instant) -> Response {
        match (taken, sitting) {
            (Taken::Noted { say }, _) => Json(json!({ "message": say })).into_response(),
            (Taken::Now { turn, .. } | Taken::Later { turn, .. }, None) => accepted(turn),
            (Taken::Now { turn, session, reply }, Some(sitting)) => {
                sitting.serve();
                self.reply(turn, session, &reply)
            }
            (Taken::Later { turn, mut events }, Some(sitting)) => {
                loop {
                    match events.next(until).await.map(|event| event.event) {
                        Some(TurnEvent::Final { reply, session }) if sitting.serve() => {
                            return self.reply(turn, session, &reply);
                        }
                        // Taken for the caller at the last moment: it is stored, and comes at once.
                        None if !sitting.leave() => {
                            let soon = Instant::now() + PATIENCE;
                            while let Some(event) = events.next(soon).await {
                                if let TurnEvent::Final { reply, session } = event.event {
                                    return self.reply(turn, session, &reply);
                                }
                            }
                            return accepted(turn);
                        }
                        None | Some(TurnEvent::Final { .. } | TurnEvent::Failed) => return accepted(turn),
                        Some(_) => {}
                    }
                }
            }
        }
    }

    fn reply(&self, turn: TurnId, session: SessionId, reply: &Reply) -> Response {
        Json((self.answers.reply)(turn, session, reply)).into_response()
    }

    fn inbound(&self, intake: &Intake, turn: TurnId, id: &str, message: &Message) -> Inbound {
        let now = intake.clock().now();
        let conversation = self.hook.conversation(&message.conversation);
        let context = Context { in_reply_to: Some(message.id.clone().unwrap_or_else(|| id.to_owned())) };
        Inbound {
            turn,
            sender: Sender {
                key: conversation.diver(&message.user),
                name: message.name.clone(),
                locale: message.locale.clone(),
                contact: None,
            },
            conversation,
            event_id: id.to_owned(),
            fingerprint: None,
            content: Content::written(&message.text),
            opens_conversation: false,
            received_at: now,
            ready_at: now,
            profile: None,
            state: None,
            context: serde_json::to_value(context).unwrap_or_default(),
        }
    }
}

fn accepted(turn: TurnId) -> Response {
    (StatusCode::ACCEPTED, Json(json!({ "turnId": turn }))).into_response()
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The raw bytes, bounded whatever the sender declares.
async fn collect(body: Body) -> Result<Bytes, Problem> {
    let mut chunks = body.into_data_stream();
    let (mut collected, mut seen) = (Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        // The sender went away or broke the framing; nobody reads the answer.
        let chunk = chunk.map_err(|_| Problem::Malformed)?;
        seen += chunk.len();
        if seen > DRAINED {
            break;
        }
        if seen <= LONGEST {
            collected.extend_from_slice(&chunk);
        }
    }
    if seen > LONGEST { Err(Problem::TooLarge) } else { Ok(collected.into()) }
}
