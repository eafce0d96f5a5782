//! Slash commands and buttons: one way for those of the gateway and those that come over HTTP, signed
//! with Ed25519. Discord waits three seconds for the first answer and never repeats an interaction, so a
//! diver whose command can't be taken is told so in its place.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use dovvybuddy_core::agent::Phrase;
use dovvybuddy_core::channel::{Command, Content, Inbound, TextLimit};
use dovvybuddy_core::intake::{Admitted, Intake, Refusal};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::DiscordAdapter;
use crate::desk::Desk;
use crate::events::InteractionEvent;
use crate::inbound::Translator;
use crate::split::{LONGEST, split};
use crate::way::Way;

/// Of Discord's three seconds this is left to storing.
const STORE_PATIENCE: Duration = Duration::from_millis(1_800);
/// And this to opening a direct chat.
const OPEN_PATIENCE: Duration = Duration::from_millis(900);
/// An interaction is a few kilobytes.
const LONGEST_BODY: usize = 256 * 1024;
const EPHEMERAL: u64 = 1 << 6;

/// The types of a first answer.
mod kind {
    pub(super) const PONG: u8 = 1;
    pub(super) const WORDS: u8 = 4;
    pub(super) const THINKING: u8 = 5;
    pub(super) const NOTHING: u8 = 6;
    pub(super) const EDIT: u8 = 7;
}

/// The type of an interaction that asks whether anybody is there.
const PING: u32 = 1;

/// An interaction of which only the type counts.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: u32,
}

/// Answers interactions.
pub(crate) struct Interactions {
    pub(crate) desk: Arc<Desk>,
    pub(crate) intake: Intake,
}

impl Interactions {
    /// Answers one that came over the gateway.
    pub(crate) async fn answer(&self, event: &InteractionEvent) {
        let Some(answer) = self.first_answer(event).await else { return };
        match self.desk.api.answer(&event.id, &event.token, &answer).await {
            Ok(()) => self.desk.answered.note(&event.id),
            Err(error) => tracing::warn!(error = %error, "an interaction could not be answered"),
        }
    }

    /// The first answer; `None` when it was given already, as words that could not wait.
    async fn first_answer(&self, event: &InteractionEvent) -> Option<Value> {
        const COMMAND: u32 = 2;
        let locale = event.locale.as_deref();
        let translator =
            Translator { bot: &self.desk.bot, me: "", clock: &**self.intake.clock(), settle: Duration::ZERO };
        let Some(mut inbound) = translator.interaction(event) else {
            return Some(match event.kind {
                COMMAND => quietly(&self.intake.say(Phrase::Fallback, locale)),
                _ => json!({ "type": kind::NOTHING }),
            });
        };
        let way = Way::read(&inbound.context, &inbound.conversation);
        let elsewhere = way.only_for.as_deref().filter(|_| is_a_talk(&inbound.content));
        if let Some(user) = elsewhere
            && !self.move_to_direct(&mut inbound, user).await
        {
            return Some(quietly(&self.intake.say(Phrase::WritePrivately, locale)));
        }
        let moved = elsewhere.is_some();
        match tokio::time::timeout(STORE_PATIENCE, self.intake.accept(inbound)).await {
            _ if self.desk.answered.has(&event.id) => None,
            Ok(Ok(Admitted::Noted { note: Some(note), .. })) if event.message.is_some() => Some(noted(event, &note)),
            Ok(Ok(Admitted::Noted { say, .. })) => Some(quietly(&say)),
            Ok(Ok(_)) if moved => Some(quietly(&self.intake.say(Phrase::WritePrivately, locale))),
            Ok(Ok(_)) => {
                let flags = if way.only_for.is_some() { EPHEMERAL } else { 0 };
                Some(json!({ "type": kind::THINKING, "data": { "flags": flags } }))
            }
            Ok(Err(Refusal::Limited { .. })) => Some(quietly(&self.intake.say(Phrase::SlowDown, locale))),
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "an interaction can't be taken in");
                Some(quietly(&self.intake.say(Phrase::Fallback, locale)))
            }
            Err(_) => {
                tracing::warn!("an interaction can't be taken in in time");
                Some(quietly(&self.intake.say(Phrase::Fallback, locale)))
            }
        }
    }

    /// Has the conversation go on in the direct chat. `false`: there is none to be had.
    async fn move_to_direct(&self, inbound: &mut Inbound, user: &str) -> bool {
        match tokio::time::timeout(OPEN_PATIENCE, self.desk.api.direct(user)).await {
            Ok(Ok(channel)) => {
                inbound.context = Way::to(channel.clone()).write();
                inbound.conversation.conversation = channel;
                true
            }
            Ok(Err(error)) => {
                tracing::info!(error = %error, "a direct chat can't be opened");
                false
            }
            Err(_) => false,
        }
    }
}

/// Words that only the user sees.
fn quietly(words: &str) -> Value {
    json!({ "type": kind::WORDS, "data": { "content": words, "flags": EPHEMERAL } })
}

/// The message whose button was pressed, with a note in the place of its buttons, once.
fn noted(event: &InteractionEvent, note: &str) -> Value {
    let text = event.message.as_ref().map(|message| message.content.as_str()).unwrap_or_default();
    let text = text.strip_suffix(note).map_or(text, str::trim_end);
    let room = LONGEST.most.saturating_sub(LONGEST.unit.measure(note) + 2);
    let text = split(text, TextLimit { most: room, ..LONGEST }).into_iter().next().unwrap_or_default();
    let data = json!({ "content": format!("{text}\n\n{note}"), "components": [], "allowed_mentions": { "parse": [] } });
    json!({ "type": kind::EDIT, "data": data })
}

/// What begins a talk of several steps, with words to be written: that is done in the direct chat, for
/// what is written in a channel everybody reads.
const fn is_a_talk(content: &Content) -> bool {
    matches!(content, Content::Command(Command::Connect))
}

/// Why a public key can't be used.
#[derive(Debug, thiserror::Error)]
#[error("expected the 64 hexadecimal digits of the application's public key")]
pub struct PublicKeyError;

/// The public key of the application, as the developer portal shows it.
pub(crate) fn public_key(text: &str) -> Result<VerifyingKey, PublicKeyError> {
    let bytes: [u8; 32] = hex(text).and_then(|bytes| bytes.try_into().ok()).ok_or(PublicKeyError)?;
    VerifyingKey::from_bytes(&bytes).map_err(|_| PublicKeyError)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// Whether a body was signed by Discord: Ed25519 over timestamp and raw bytes. The check itself takes
/// the same time whatever is wrong.
pub(crate) fn signed(key: &VerifyingKey, headers: &HeaderMap, body: &[u8]) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(signature), Some(timestamp)) = (text("x-signature-ed25519"), text("x-signature-timestamp")) else {
        return false;
    };
    let Some(Ok(signature)) = hex(signature).map(|bytes| Signature::from_slice(&bytes)) else { return false };
    key.verify_strict(&[timestamp.as_bytes(), body].concat(), &signature).is_ok()
}

/// `POST /webhooks/discord`, for a channel that has a public key.
pub fn router(channel: Arc<DiscordAdapter>) -> Router {
    Router::new()
        .route("/webhooks/discord", post(receive))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(channel)
}

async fn receive(State(channel): State<Arc<DiscordAdapter>>, headers: HeaderMap, body: Bytes) -> Response {
    if !channel.key.is_some_and(|key| signed(&key, &headers, &body)) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    // Discord asks so whether anybody is there, before it takes the address: whatever else it sends along, and
    // whether or not the channel runs yet.
    if serde_json::from_slice::<Kind>(&body).is_ok_and(|event| event.kind == PING) {
        return axum::Json(json!({ "type": kind::PONG })).into_response();
    }
    let Ok(event) = serde_json::from_slice::<InteractionEvent>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Some(interactions) = channel.interactions() else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response();
    };
    match interactions.first_answer(&event).await {
        Some(answer) => {
            interactions.desk.answered.note(&event.id);
            axum::Json(answer).into_response()
        }
        None => StatusCode::ACCEPTED.into_response(),
    }
}

#[cfg(test)]
#[path = "interactions_tests.rs"]
mod tests;
