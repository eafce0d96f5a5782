//! Replies on their way out: payloads, where they go, and what an error means for the outbox.

use dovvybuddy_core::channel::{Action, Command, DeliveryKey, Origin, OutboundPart, Receipt, Rendering, SendError};
use dovvybuddy_core::{Clock, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

use crate::api::ApiError;
use crate::desk::Desk;
use crate::markdown::to_discord;
use crate::split::{LONGEST, split};
use crate::way::{Ticket, Way};

/// Link previews would take more room than the answer.
const SUPPRESS_EMBEDS: u64 = 1 << 2;
const EPHEMERAL: u64 = 1 << 6;
/// The receipt of an interaction's first answer.
const ORIGINAL: &str = "@original";
/// The longest label of a button.
const LONGEST_LABEL: usize = 80;
/// Rows of buttons, and buttons in a row.
const MOST_ROWS: usize = 5;
const ROW: usize = 5;

/// Discord's codes.
mod code {
    pub(super) const UNKNOWN_CHANNEL: u64 = 10_003;
    pub(super) const UNKNOWN_MESSAGE: u64 = 10_008;
    pub(super) const UNKNOWN_WEBHOOK: u64 = 10_015;
    pub(super) const ALREADY_ANSWERED: u64 = 40_060;
    pub(super) const MISSING_ACCESS: u64 = 50_001;
    pub(super) const CANNOT_MESSAGE_USER: u64 = 50_007;
    pub(super) const MISSING_PERMISSIONS: u64 = 50_013;
    pub(super) const INVALID_TOKEN: u64 = 50_027;
    pub(super) const THREAD_ARCHIVED: u64 = 50_083;
}

/// The payloads of a reply: words in parts that fit, buttons under the last.
pub(crate) fn render(rendering: &Rendering<'_>) -> Vec<Value> {
    let mut text = to_discord(&rendering.reply.text);
    if let Some(question) = &rendering.reply.follow_up {
        text.push_str("\n\n");
        text.push_str(&to_discord(question));
    }
    let mut parts: Vec<Value> = split(&text, LONGEST).into_iter().map(|part| json!({ "content": part })).collect();
    if let Some(last) = parts.last_mut() {
        // Also when empty: a part that replaces another takes its buttons away.
        last["components"] = buttons(rendering.actions);
    }
    parts
}

/// The payload of an unfinished reply: its beginning, as much as fits.
pub(crate) fn render_progress(text: &str) -> Value {
    let first = split(&to_discord(text), LONGEST).into_iter().next().unwrap_or_default();
    json!({ "content": first })
}

const fn is_question(action: &Action) -> bool {
    matches!(action.command, Command::FollowUp { .. })
}

fn fits_label(label: &str) -> bool {
    LONGEST.unit.measure(label) <= LONGEST_LABEL
}

fn buttons(actions: &[Action]) -> Value {
    const ACTION_ROW: u8 = 1;
    const BUTTON: u8 = 2;
    const PRIMARY: u8 = 1;
    const SECONDARY: u8 = 2;
    let button = |action: &Action| -> Option<Value> {
        let style = if is_question(action) { PRIMARY } else { SECONDARY };
        let id = action.command.token()?;
        Some(json!({ "type": BUTTON, "style": style, "label": short_label(&action.label), "custom_id": id }))
    };
    let shown: Vec<Value> = actions.iter().filter_map(button).take(MOST_ROWS * ROW).collect();
    shown.chunks(ROW).map(|row| json!({ "type": ACTION_ROW, "components": row })).collect()
}

fn short_label(label: &str) -> String {
    if fits_label(label) {
        return label.to_owned();
    }
    let mut short = String::new();
    for c in label.chars() {
        if LONGEST.unit.measure(&short) + c.len_utf16() + 1 > LONGEST_LABEL {
            break;
        }
        short.push(c);
    }
    format!("{}…", short.trim_end())
}

/// Sends parts.
pub(crate) struct Sender<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) clock: &'a dyn Clock,
}

impl Sender<'_> {
    pub(crate) async fn send(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError> {
        if !matches!(key.origin, Origin::Urgent(_)) {
            return self.deliver(part, key).await;
        }
        // The event stays unacknowledged and brings them again.
        let nonce = key.nonce();
        if self.desk.said.has(&nonce) {
            return Ok(Receipt(None));
        }
        let receipt = self.deliver(part, key).await?;
        self.desk.said.note(&nonce);
        Ok(receipt)
    }

    async fn deliver(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError> {
        let way = Way::read(&part.context, &part.conversation);
        let now = self.clock.now();
        if let Some(ticket) = way.ticket.as_ref().filter(|ticket| ticket.good(now)) {
            let answer = self.answer(part, key, &way, ticket).await;
            match answer {
                Ok(receipt) => return Ok(receipt),
                // It was accepted, and the process died before Discord was told: the token is worthless.
                Err(ApiError::Refused { code: code::UNKNOWN_WEBHOOK | code::UNKNOWN_MESSAGE, .. })
                    if is_young(ticket, now) =>
                {
                    return Err(SendError::RetryAfter(Duration::from_millis(150)));
                }
                Err(ApiError::Refused {
                    code: code::UNKNOWN_WEBHOOK | code::UNKNOWN_MESSAGE | code::INVALID_TOKEN,
                    ..
                }) => {}
                Err(error) => return Err(meaning(error)),
            }
        }
        self.post(part, key, &way).await.map_err(meaning)
    }

    /// Over the interaction's own webhook, which only its user may see and no nonce protects.
    async fn answer(
        &self,
        part: &OutboundPart,
        key: &DeliveryKey,
        way: &Way,
        ticket: &Ticket,
    ) -> Result<Receipt, ApiError> {
        let hook = format!("/webhooks/{}/{}", ticket.application, ticket.token);
        let flags = if way.only_for.is_some() { EPHEMERAL | SUPPRESS_EMBEDS } else { SUPPRESS_EMBEDS };
        let body = body(part, flags);
        let replaced = part.replaces.as_ref().and_then(|receipt| receipt.0.as_deref());
        let urgent = matches!(key.origin, Origin::Urgent(_));
        if urgent && key.part == 0 && self.say_first(ticket, &body).await? {
            return Ok(Receipt(Some(ORIGINAL.to_owned())));
        }
        if key.part == 0 {
            let message = replaced.unwrap_or(ORIGINAL);
            self.desk
                .api
                .send(Method::PATCH, &format!("{hook}/messages/{message}"), &body, u32::from(part.progress))
                .await?;
            // Not the message's own id: the token can edit it only by this name.
            return Ok(Receipt(Some(ORIGINAL.to_owned())));
        }
        // Where the bot may speak by itself, a nonce keeps a repeat from being a second message; what only one
        // person may read goes on in the direct chat.
        match self.post(part, key, way).await {
            Err(ApiError::Refused { status: 403 | 404, .. }) => {}
            Err(ApiError::Unauthorized) if self.desk.api.token().is_none() => {}
            ended => return ended,
        }
        let message = self.desk.api.send(Method::POST, &hook, &body, 0).await?;
        Ok(receipt(&message))
    }

    /// Words that can't wait are the first answer themselves, unless there was one. `false`: there was.
    async fn say_first(&self, ticket: &Ticket, body: &Value) -> Result<bool, ApiError> {
        const MESSAGE: u8 = 4;
        if self.desk.answered.has(&ticket.id) {
            return Ok(false);
        }
        let answer = json!({ "type": MESSAGE, "data": body });
        match self.desk.api.answer(&ticket.id, &ticket.token, &answer).await {
            Ok(()) => {
                self.desk.answered.note(&ticket.id);
                Ok(true)
            }
            Err(error) if error.code() == Some(code::ALREADY_ANSWERED) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// As an ordinary message, or an edit of one.
    async fn post(&self, part: &OutboundPart, key: &DeliveryKey, way: &Way) -> Result<Receipt, ApiError> {
        let channel = match &way.only_for {
            Some(user) => self.desk.api.direct(user).await?,
            None => way.channel.clone(),
        };
        let mut body = body(part, SUPPRESS_EMBEDS);
        let spare = u32::from(part.progress);
        let replaced = part.replaces.as_ref().and_then(|receipt| receipt.0.as_deref()).filter(|id| *id != ORIGINAL);
        if let Some(message) = replaced {
            let path = format!("/channels/{channel}/messages/{message}");
            match self.desk.api.send(Method::PATCH, &path, &body, spare).await {
                Ok(message) => return Ok(receipt(&message)),
                // Somebody deleted it.
                Err(error) if error.code() == Some(code::UNKNOWN_MESSAGE) && !part.progress => {}
                Err(error) => return Err(error),
            }
        }
        let mut add = |name: &str, value: Value| {
            if let Some(body) = body.as_object_mut() {
                body.insert(name.to_owned(), value);
            }
        };
        add("nonce", key.nonce().into());
        add("enforce_nonce", true.into());
        if let Some(to) = way.reply_to.as_ref().filter(|_| key.part == 0) {
            add("message_reference", json!({ "message_id": to, "fail_if_not_exists": false }));
        }
        let message = self.desk.api.send(Method::POST, &format!("/channels/{channel}/messages"), &body, spare).await?;
        self.desk.spoke(&channel);
        Ok(receipt(&message))
    }
}

/// A ticket that was taken just now: its first answer may still be on the way.
fn is_young(ticket: &Ticket, now: Timestamp) -> bool {
    now.since(ticket.since) < Duration::from_secs(4)
}

fn body(part: &OutboundPart, flags: u64) -> Value {
    let mut body = part.payload.clone();
    if let Some(body) = body.as_object_mut() {
        body.insert("flags".to_owned(), flags.into());
        // Nobody is called to the chat by an answer, whatever stands in it.
        body.insert("allowed_mentions".to_owned(), json!({ "parse": [], "replied_user": false }));
    }
    body
}

fn receipt(message: &Value) -> Receipt {
    Receipt(message["id"].as_str().map(str::to_owned))
}

/// What an error means for the part.
fn meaning(error: ApiError) -> SendError {
    match error {
        ApiError::Limited(pause) => SendError::RetryAfter(pause),
        ApiError::Unauthorized => SendError::Unauthorized,
        ApiError::Unreachable(cause) => SendError::Transport(cause),
        ApiError::Lost(cause) => SendError::Uncertain(cause),
        ApiError::Refused {
            code:
                code::UNKNOWN_CHANNEL
                | code::MISSING_ACCESS
                | code::CANNOT_MESSAGE_USER
                | code::MISSING_PERMISSIONS
                | code::THREAD_ARCHIVED,
            ..
        } => SendError::Gone,
        ApiError::Refused { status, code, message } => SendError::Rejected(format!("{status} {code} {message}")),
    }
}

#[cfg(test)]
#[path = "outbound_tests.rs"]
mod tests;
