//! What the platform brings: the handshake, and batches that are believed only by their signature and
//! answered only when they are stored.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use dovvybuddy_core::TurnId;
use dovvybuddy_core::channel::{Content, Inbound, Sender};
use dovvybuddy_core::intake::{Admitted, Intake, Refusal};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::inbound::{Echo, Event, News, Status, read};
use super::number::is_number;
use super::outbound::Context;
use super::signature::is_signed;
use super::{WhatsApp, stored};

/// The path the platform calls.
pub const PATH: &str = "/webhooks/whatsapp";
/// The platform's batches have up to 3 MB.
const LARGEST: usize = 4 * 1024 * 1024;
/// When a batch that can't be stored shall come again, in seconds.
const COME_AGAIN: &str = "2";
/// Under whose name staff who answer by telephone take a conversation over.
const STAFF: &str = "whatsapp";
/// Stands for what they sent where it has no words.
const NO_WORDS: &str = "…";
/// How long storing a batch may take before the platform is told to come again.
const PATIENCE: Duration = Duration::from_secs(5);

/// The address the platform calls.
pub fn router(whatsapp: Arc<WhatsApp>) -> Router {
    let routes = get(shake_hands).post(receive);
    Router::new().route(PATH, routes).layer(DefaultBodyLimit::max(LARGEST)).with_state(whatsapp)
}

#[derive(Deserialize)]
struct Handshake {
    #[serde(rename = "hub.mode", default)]
    mode: String,
    #[serde(rename = "hub.verify_token", default)]
    token: String,
    #[serde(rename = "hub.challenge", default)]
    challenge: String,
}

async fn shake_hands(
    State(whatsapp): State<Arc<WhatsApp>>,
    handshake: Result<Query<Handshake>, QueryRejection>,
) -> Response {
    let expected = whatsapp.config.verify_token.expose_secret().as_bytes();
    match handshake {
        Ok(Query(Handshake { mode, token, challenge }))
            if mode == "subscribe" && bool::from(token.as_bytes().ct_eq(expected)) =>
        {
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], challenge).into_response()
        }
        _ => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn receive(State(whatsapp): State<Arc<WhatsApp>>, headers: HeaderMap, body: Bytes) -> Response {
    let given = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_signed(&whatsapp.config.app_secret, given, &body) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Some(intake) = whatsapp.intake() else { return come_again() };
    let batch: Value = match serde_json::from_slice(&body) {
        Ok(batch) => batch,
        Err(_) => return StatusCode::BAD_REQUEST.into_response(),
    };
    // Goes on even if the platform does not wait for it: an emergency may be on its way out.
    let taker = Arc::clone(&whatsapp);
    let taken = whatsapp.beside.spawn(async move { taker.take(&batch, &intake).await });
    match tokio::time::timeout(PATIENCE, taken).await {
        Ok(Ok(true)) => StatusCode::OK.into_response(),
        _ => come_again(),
    }
}

fn come_again() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, COME_AGAIN)]).into_response()
}

impl WhatsApp {
    /// Takes a batch in, in its order; `true` when the platform may forget it.
    async fn take(&self, batch: &Value, intake: &Intake) -> bool {
        let mut all = true;
        for news in read(batch, &self.config.phone_number_id) {
            all &= match news {
                News::Said(event) => self.hand_in(*event, intake).await,
                News::Status(status) => self.note(&status, intake).await,
                News::Echo(echo) => self.overhear(&echo, intake).await,
            };
        }
        all
    }

    async fn hand_in(&self, event: Event, intake: &Intake) -> bool {
        let turn = self.again.get(&event.id).unwrap_or_else(|| TurnId(intake.clock().uuid()));
        let inbound = self.inbound(turn, &event, intake);
        self.window.heard(&event.person, event.at.unwrap_or(inbound.received_at));
        match intake.accept(inbound).await {
            Ok(Admitted::Queued { .. }) => {
                self.mark_read(&event.id, true);
                true
            }
            Ok(Admitted::Answered { .. } | Admitted::Noted { .. }) => {
                self.mark_read(&event.id, false);
                true
            }
            // The diver was told, or it was taken in before; neither gets better by repeating.
            Ok(Admitted::Repeat { .. }) | Err(Refusal::Limited { .. } | Refusal::Conflict) => true,
            Err(refusal @ (Refusal::Overloaded | Refusal::Unavailable(_))) => {
                if !self.again.contains_key(&event.id) {
                    tracing::warn!(%turn, why = %refusal, "a message stays with WhatsApp for now");
                }
                // When it comes again it is the same turn, so that nothing urgent is said twice.
                self.again.insert(event.id, turn);
                false
            }
        }
    }

    fn inbound(&self, turn: TurnId, event: &Event, intake: &Intake) -> Inbound {
        let now = intake.clock().now();
        let settles = !matches!(event.content, Content::Command(_));
        let conversation = self.conversation(&event.person);
        let context =
            Context { to: Some(event.to.clone()), message: Some(event.id.clone()), said_at: event.at.or(Some(now)) };
        Inbound {
            turn,
            sender: Sender {
                key: conversation.diver(&event.person),
                name: event.name.clone(),
                locale: None,
                contact: is_number(&event.person).then(|| format!("https://wa.me/{}", event.person)),
            },
            conversation,
            event_id: event.id.clone(),
            fingerprint: None,
            content: event.content.clone(),
            opens_conversation: false,
            received_at: now,
            ready_at: if settles { now.plus(self.config.settle) } else { now },
            profile: None,
            state: None,
            context: stored(&context),
        }
    }

    /// Somebody of the shop answered: the bot leaves the conversation to them for a while.
    async fn overhear(&self, echo: &Echo, intake: &Intake) -> bool {
        if self.overheard.contains_key(&echo.id) {
            return true;
        }
        let words = if echo.text.is_empty() { NO_WORDS } else { &echo.text };
        let heard = intake.overheard(&self.conversation(&echo.person), words, STAFF).await;
        match heard {
            Ok(()) => self.overheard.insert(echo.id.clone(), ()),
            Err(error) => {
                tracing::warn!(error = %error, "a person's answer stays with WhatsApp for now");
                return false;
            }
        }
        true
    }

    async fn note(&self, status: &Status, intake: &Intake) -> bool {
        if let Some(why) = &status.why {
            tracing::warn!(why, "WhatsApp could not deliver a message");
        }
        let at = status.at.unwrap_or_else(|| intake.clock().now());
        let noted = intake.note_status(&self.conversation(&status.person), &status.receipt, status.reached, at).await;
        if let Err(error) = &noted {
            tracing::warn!(error = %error, "a status stays with WhatsApp for now");
        }
        noted.is_ok()
    }
}
