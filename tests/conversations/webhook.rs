//! Generic webhooks: signed calls in, signed replies out.

mod calls;
mod crashes;
mod events;
mod load;
mod replies;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dovvybuddy_core::{Clock as _, SystemClock};
use dovvybuddy_fakes::webhook::{self, Delivery, Receiver};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Response;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::models::anywhere;
use crate::support::{Daemon, Setup};
use crate::wire::eventually;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const DEPTH: &str = "How deep can a PADI Open Water Diver go?";
const FLYING: &str = "How long should I wait before flying after diving?";
const ALARM: &str = "My buddy can't feel his legs after the dive";
/// How long an answer may take on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(20);

/// A receiver that checks signatures by the same secret.
async fn receiver() -> Receiver {
    webhook::start(anywhere(), Some(SECRET)).await.unwrap()
}

/// A daemon with a webhook `crm` whose replies go to the receiver.
fn setup(receiver: &Receiver) -> Setup {
    Setup::slice()
        .with("CHANNELS__WEBHOOK__CRM__SECRET", SECRET)
        .with("CHANNELS__WEBHOOK__CRM__CALLBACK_URL", &receiver.url())
        .with("OUTGOING__ALLOW", "127.0.0.0/8")
}

/// The same without a callback: replies come in the answer to the call.
fn setup_sync() -> Setup {
    Setup::slice().with("CHANNELS__WEBHOOK__CRM__SECRET", SECRET)
}

fn now() -> i64 {
    SystemClock.now().as_millis() / 1000
}

/// Signs as the specification says, with nothing of the daemon's own code.
fn sign(secret: &str, id: &str, at: &str, body: &[u8]) -> String {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn said(conversation: &str, text: &str) -> Value {
    json!({ "conversation": conversation, "user": { "id": "u1", "name": "Ana", "locale": "en" }, "text": text })
}

/// A call as it goes over the wire.
struct Call {
    name: &'static str,
    id: String,
    at: String,
    signature: Option<String>,
    kind: &'static str,
    body: Vec<u8>,
}

impl Call {
    /// A right one.
    fn new(id: &str, body: &Value) -> Self {
        Self::raw(id, body.to_string().into_bytes())
    }

    fn raw(id: &str, body: Vec<u8>) -> Self {
        let at = now().to_string();
        let signature = Some(sign(SECRET, id, &at, &body));
        Self { name: "crm", id: id.to_owned(), at, signature, kind: "application/json", body }
    }

    async fn post(&self, daemon: &Daemon) -> Response {
        let mut request = daemon
            .client
            .post(format!("{}/webhooks/{}", daemon.base, self.name))
            .header("content-type", self.kind)
            .header("webhook-id", &self.id)
            .header("webhook-timestamp", &self.at)
            .body(self.body.clone());
        if let Some(signature) = &self.signature {
            request = request.header("webhook-signature", signature);
        }
        request.send().await.unwrap()
    }
}

/// Says something; gives status and body.
async fn say(daemon: &Daemon, id: &str, conversation: &str, text: &str) -> (u16, Value) {
    answer(Call::new(id, &said(conversation, text)).post(daemon).await).await
}

async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

/// The replies that were taken, in the order they came.
fn replies(receiver: &Receiver) -> Vec<Value> {
    let taken = receiver.deliveries().into_iter().filter(|delivery| delivery.answered == 200);
    taken.map(|delivery| serde_json::from_slice(&delivery.body).unwrap()).collect()
}

/// Waits until there are so many.
async fn wait_for(receiver: &Receiver, n: usize) -> Vec<Value> {
    eventually("replies arrive", SOON, async || {
        let replies = replies(receiver);
        (replies.len() >= n).then_some(replies)
    })
    .await
}

fn text(reply: &Value) -> &str {
    reply["data"]["text"].as_str().unwrap()
}

fn header<'a>(delivery: &'a Delivery, name: &str) -> &'a str {
    delivery.header(name).unwrap_or_default()
}
