//! What divers write, brought to the bot: signed, and again until it is taken.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::oneshot;

use super::{FakeGraph, PHONE_NUMBER_ID, Shared};

/// The pause before a batch that was refused is brought again. The platform's is longer.
const AGAIN: Duration = Duration::from_millis(200);

impl FakeGraph {
    /// A diver writes. Returns the message's id.
    pub fn say(&self, person: &str, text: &str) -> String {
        self.bring(person, json!({ "type": "text", "text": { "body": text } }))
    }

    /// A diver presses what stands under a message, by its data.
    pub fn press(&self, person: &str, label: &str, data: &str) -> String {
        let reply = json!({ "type": "button_reply", "button_reply": { "id": data, "title": label } });
        self.bring(person, json!({ "type": "interactive", "interactive": reply }))
    }

    /// A message of any kind from a diver.
    pub fn bring(&self, person: &str, message: Value) -> String {
        let id = self.next_id();
        let batch = self.batch(&[(&id, person, message)]);
        self.keep(&[&id], &batch);
        self.deliver(person, vec![id.clone()], batch);
        id
    }

    /// A batch of messages, as the platform brings them, without bringing it.
    pub fn batch(&self, messages: &[(&str, &str, Value)]) -> String {
        let mut told = Vec::new();
        let mut contacts = Vec::new();
        for (id, person, message) in messages {
            let number = person.bytes().all(|byte| byte.is_ascii_digit());
            let mut message = message.clone();
            message["id"] = json!(id);
            message["timestamp"] =
                if message["timestamp"].is_null() { json!(now().to_string()) } else { message["timestamp"].clone() };
            message[if number { "from" } else { "from_user_id" }] = json!(person);
            told.push(message);
            let mut contact = json!({ "profile": { "name": "Ada" } });
            contact[if number { "wa_id" } else { "user_id" }] = json!(person);
            contacts.push(contact);
            let mut world = self.shared.world();
            world.heard.insert((*person).to_owned(), Instant::now());
            world.closed.remove(*person);
        }
        envelope("messages", &json!({ "contacts": contacts, "messages": told }))
    }

    /// Tells what became of a message of the bot.
    pub async fn tell_status(&self, receipt: &str, person: &str, status: &str) -> u16 {
        let status = json!({ "id": receipt, "status": status, "timestamp": now().to_string(), "recipient_id": person,
            "errors": if status == "failed" { json!([{ "code": 131_026, "title": "Message undeliverable" }]) } else { Value::Null } });
        self.post(&envelope("messages", &json!({ "statuses": [status] }))).await
    }

    /// Staff answer a diver with the WhatsApp Business app.
    pub async fn echo(&self, person: &str, text: &str) -> u16 {
        let id = self.next_id();
        let echo = json!({ "from": "15550100", "to": person, "id": id, "timestamp": now().to_string(), "type": "text",
            "text": { "body": text } });
        self.post(&envelope("smb_message_echoes", &json!({ "message_echoes": [echo] }))).await
    }

    /// A diver writes whom the platform names in both ways, by their number and by its own id of them.
    pub fn say_with_both_names(&self, number: &str, user: &str, text: &str) -> String {
        let id = self.next_id();
        let message = json!({ "type": "text", "text": { "body": text } });
        let batch = self
            .batch(&[(&id, number, message)])
            .replace(&format!("\"wa_id\":\"{number}\""), &format!("\"wa_id\":\"{number}\",\"user_id\":\"{user}\""));
        self.keep(&[&id], &batch);
        self.deliver(number, vec![id.clone()], batch);
        id
    }

    /// Brings a message once more.
    pub fn bring_again(&self, id: &str) {
        let batch = self.shared.world().batches.get(id).cloned();
        if let Some(batch) = batch {
            self.deliver("", vec![id.to_owned()], batch);
        }
    }

    /// Brings a body once, signed, and gives the status it was answered with; 0 for none.
    pub async fn post(&self, body: &str) -> u16 {
        let signature = sign(&self.shared.world().app_secret, body.as_bytes());
        self.post_as(body, Some(&signature)).await
    }

    /// The same with a signature of one's own.
    pub async fn post_as(&self, body: &str, signature: Option<&str>) -> u16 {
        let Some(hook) = self.shared.world().hook.clone() else { return 0 };
        let mut request = self.client.post(hook).header("content-type", "application/json").body(body.to_owned());
        if let Some(signature) = signature {
            request = request.header("X-Hub-Signature-256", signature);
        }
        request.send().await.map_or(0, |response| response.status().as_u16())
    }

    pub(super) fn next_id(&self) -> String {
        let mut world = self.shared.world();
        world.next += 1;
        format!("wamid.IN{}", world.next)
    }

    pub(super) fn keep(&self, ids: &[&String], batch: &str) {
        let mut world = self.shared.world();
        for id in ids {
            world.batches.insert((*id).clone(), batch.to_owned());
        }
    }

    /// Brings a batch until it is taken or the platform stops, after what the same person wrote before.
    pub(super) fn deliver(&self, person: &str, ids: Vec<String>, batch: String) {
        let (shared, client) = (Arc::downgrade(&self.shared), self.client.clone());
        let (done, taken) = oneshot::channel::<()>();
        let before = self.shared.world().lines.insert(person.to_owned(), taken);
        tokio::spawn(async move {
            // Dropped when it is done.
            let _done = done;
            if let Some(before) = before {
                let _ = before.await;
            }
            while let Some((hook, signature)) = shared.upgrade().map(|platform| platform.address(&batch)) {
                let request = client.post(hook.unwrap_or_default()).header("content-type", "application/json");
                let sent = request.header("X-Hub-Signature-256", signature).body(batch.clone()).send().await;
                let status = sent.map_or(0, |response| response.status().as_u16());
                if shared.upgrade().is_none_or(|platform| platform.is_taken(status, &ids)) {
                    return;
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
    }
}

impl Shared {
    /// Where a batch is brought, and its signature.
    fn address(&self, batch: &str) -> (Option<String>, String) {
        let world = self.world();
        (world.hook.clone(), sign(&world.app_secret, batch.as_bytes()))
    }

    /// Whether the bot took what was brought.
    fn is_taken(&self, status: u16, ids: &[String]) -> bool {
        let mut world = self.world();
        if status == 200 {
            world.acknowledged.extend(ids.iter().cloned());
        } else {
            world.refusals.push(status);
        }
        drop(world);
        self.changed.notify_waiters();
        status == 200
    }
}

fn envelope(field: &str, of: &Value) -> String {
    let mut value = json!({ "messaging_product": "whatsapp",
        "metadata": { "display_phone_number": "15550100", "phone_number_id": PHONE_NUMBER_ID } });
    for (name, field) in of.as_object().into_iter().flatten() {
        value[name.as_str()] = field.clone();
    }
    let entry = json!([{ "id": "1", "changes": [{ "field": field, "value": value }] }]);
    escaped(&json!({ "object": "whatsapp_business_account", "entry": entry }))
}

/// The platform escapes what is not ASCII.
pub(super) fn escaped(body: &Value) -> String {
    let body = body.to_string();
    let mut escaped = String::with_capacity(body.len());
    for character in body.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// The value of `X-Hub-Signature-256`.
pub fn sign(app_secret: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes()) else { return String::new() };
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    bytes.iter().fold("sha256=".to_owned(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[expect(clippy::disallowed_methods, reason = "the platform has a clock of its own")]
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
