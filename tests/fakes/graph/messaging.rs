//! Instagram and Messenger: what divers write there, and what the bot may send.

use std::time::Instant;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::deliver::{escaped, now};
use super::{FakeGraph, Shared, Shown, error};

/// The Instagram account and the page that the bot has.
pub const INSTAGRAM_ID: &str = "17841400000000000";
/// See [`INSTAGRAM_ID`].
pub const PAGE_ID: &str = "100000000000000";

/// The two messengers beside WhatsApp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// A professional account on Instagram.
    Instagram,
    /// A page on Facebook.
    Messenger,
}

impl Product {
    /// The bot's account.
    pub const fn account(self) -> &'static str {
        match self {
            Self::Instagram => INSTAGRAM_ID,
            Self::Messenger => PAGE_ID,
        }
    }

    const fn object(self) -> &'static str {
        match self {
            Self::Instagram => "instagram",
            Self::Messenger => "page",
        }
    }

    /// The token with which calls are made, from the one of WhatsApp.
    pub fn token(self, whatsapp: &str) -> String {
        format!("{whatsapp}-{}", self.object())
    }

    /// Instagram counts bytes, Messenger characters.
    fn takes(self, text: &str) -> bool {
        let fits = match self {
            Self::Instagram => text.len() <= 1000,
            Self::Messenger => text.chars().count() <= 2000,
        };
        fits && !text.trim().is_empty()
    }
}

impl FakeGraph {
    /// A diver writes. Returns the message's id.
    pub fn write(&self, on: Product, person: &str, text: &str) -> String {
        self.direct(on, person, json!({ "text": text }))
    }

    /// A diver presses a quick reply, by what stands on it and its data.
    pub fn choose(&self, on: Product, person: &str, label: &str, data: &str) -> String {
        self.direct(on, person, json!({ "text": label, "quick_reply": { "payload": data } }))
    }

    /// A message of any kind from a diver.
    pub fn direct(&self, on: Product, person: &str, mut message: Value) -> String {
        let id = self.next_id();
        message["mid"] = json!(id);
        {
            let mut world = self.shared.world();
            world.heard.insert(person.to_owned(), Instant::now());
            world.closed.remove(person);
        }
        let batch = batch(on, person, on.account(), &json!({ "message": message }));
        self.keep(&[&id], &batch);
        self.deliver(person, vec![id.clone()], batch);
        id
    }

    /// A batch of one event at a time of its own, without bringing it. The person counts as heard.
    pub fn batch_at(&self, on: Product, person: &str, event: &Value, seconds: u64) -> String {
        self.shared.world().heard.insert(person.to_owned(), Instant::now());
        batch_at(on, (person, on.account()), event, seconds)
    }

    /// Staff answer a diver in the app's own inbox.
    pub async fn answer_by_hand(&self, on: Product, person: &str, text: &str) -> u16 {
        let id = self.next_id();
        let message = json!({ "mid": id, "text": text, "is_echo": true });
        self.post(&batch(on, on.account(), person, &json!({ "message": message }))).await
    }
}

fn batch(on: Product, from: &str, to: &str, event: &Value) -> String {
    batch_at(on, (from, to), event, now())
}

fn batch_at(on: Product, (from, to): (&str, &str), event: &Value, seconds: u64) -> String {
    let mut event = event.clone();
    event["sender"] = json!({ "id": from });
    event["recipient"] = json!({ "id": to });
    event["timestamp"] = json!(seconds * 1000);
    let entry = json!({ "id": on.account(), "time": seconds * 1000, "messaging": [event] });
    escaped(&json!({ "object": on.object(), "entry": [entry] }))
}

/// Takes a call to the Send API.
pub(super) fn call(shared: &Shared, on: Product, call: &Value) -> Response {
    let Some(to) = call["recipient"]["id"].as_str() else { return error(400, 100, "no recipient") };
    if let Some(action) = call["sender_action"].as_str() {
        if !["mark_seen", "typing_on", "typing_off"].contains(&action) {
            return error(400, 100, "an action that is not known");
        }
        shared.world().marks.push((to.to_owned(), action == "typing_on"));
        shared.changed.notify_waiters();
        return Json(json!({ "recipient_id": to })).into_response();
    }
    match send(shared, on, to, call) {
        Ok(id) => Json(json!({ "recipient_id": to, "message_id": id })).into_response(),
        Err((code, part, why)) => {
            let body = json!({ "error": { "message": format!("(#{code}) {why}"), "type": "OAuthException", "code": code,
                "error_subcode": part, "fbtrace_id": "fake" } });
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    }
}

/// Sends a message, and brings its echo to whoever listens, the bot itself included.
fn send(shared: &Shared, on: Product, to: &str, call: &Value) -> Result<String, (i64, i64, &'static str)> {
    let wrong = |why| Err((100, 0, why));
    if call["messaging_type"] != "RESPONSE" {
        return wrong("messaging_type is needed");
    }
    let Some(text) = call["message"]["text"].as_str().filter(|text| on.takes(text)) else {
        return wrong("a text that is missing or too long");
    };
    let Some(buttons) = quick_replies(&call["message"]["quick_replies"]) else {
        return wrong("quick replies that are too many or too long");
    };
    let mut world = shared.world();
    if world.lost.contains(to) {
        return Err((551, 1_545_041, "This person isn't available right now."));
    }
    if !super::rules::is_open(&world, to) {
        return Err((10, 2_018_278, "This message is sent outside of allowed window."));
    }
    world.next += 1;
    let id = format!("m_OUT{}", world.next);
    let kind = if buttons.is_empty() { "text" } else { "quick_replies" };
    let (to, text) = (to.to_owned(), text.to_owned());
    let echo = json!({ "message": { "mid": id, "text": text, "is_echo": true, "app_id": 1 } });
    world.echoes.push(batch(on, on.account(), &to, &echo));
    world.sent.push(Shown { id: id.clone(), to, kind: kind.to_owned(), text, buttons });
    Ok(id)
}

fn quick_replies(of: &Value) -> Option<Vec<(String, String)>> {
    if of.is_null() {
        return Some(Vec::new());
    }
    let list = of.as_array().filter(|list| (1..=13).contains(&list.len()))?;
    let within = |value: &Value, most: usize| {
        value.as_str().filter(|text| !text.is_empty() && text.chars().count() <= most).map(str::to_owned)
    };
    let one = |reply: &Value| {
        let text = reply["content_type"] == "text";
        Some((within(&reply["title"], 20)?, within(&reply["payload"], 1000)?)).filter(|_| text)
    };
    list.iter().map(one).collect()
}
