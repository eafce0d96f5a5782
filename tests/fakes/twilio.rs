//! Twilio's REST API on this machine, and its calls for what divers write.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha1::Sha1;
use tokio::sync::oneshot;

use crate::served::{Served, serve};

/// The account.
pub const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
/// The bot's number.
pub const NUMBER: &str = "+15550100";
/// The pause before a message that was refused is brought again.
const AGAIN: Duration = Duration::from_millis(200);

/// A message of the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub sid: String,
    /// From which of the bot's addresses.
    pub from: String,
    /// Whom it went to.
    pub to: String,
    /// The words.
    pub body: String,
}

/// How a call goes wrong. Unless it says otherwise the call has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error of the API: status and code.
    Error(u16, i64),
    /// 429 with `Retry-After` in seconds.
    TooMany(u32),
    /// 503.
    Unavailable,
    /// It is done, but the answer breaks off.
    DoneUnanswered,
    /// It is done after this long.
    Slow(Duration),
}

#[derive(Debug, Default)]
struct World {
    token: String,
    hook: Option<String>,
    sent: Vec<Sent>,
    faults: VecDeque<Fault>,
    lost: HashSet<String>,
    forms: HashMap<String, Vec<(String, String)>>,
    acknowledged: HashSet<String>,
    /// Ends when what a person wrote last was taken.
    lines: HashMap<String, oneshot::Receiver<()>>,
    next: u64,
}

type Shared = Arc<Mutex<World>>;

fn lock(shared: &Shared) -> MutexGuard<'_, World> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running Twilio. Dropped, it stops.
#[derive(Debug)]
pub struct FakeTwilio {
    served: Served,
    shared: Shared,
    client: reqwest::Client,
}

/// Starts a Twilio that knows one account.
pub async fn start(addr: SocketAddr, token: &str) -> io::Result<FakeTwilio> {
    let shared = Shared::default();
    token.clone_into(&mut lock(&shared).token);
    let router = Router::new()
        .route("/2010-04-01/Accounts/{account}/Messages.json", post(messages))
        .route("/2010-04-01/Accounts/{account}", get(account))
        .with_state(Arc::clone(&shared));
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().map_err(io::Error::other)?;
    Ok(FakeTwilio { served: serve(addr, router).await?, shared, client })
}

impl FakeTwilio {
    /// Where the API is.
    pub fn url(&self) -> String {
        format!("http://{}", self.served.addr)
    }

    /// Tells where the bot is, as the console would: `http://host:port/webhooks/twilio`.
    pub fn connect(&self, hook: &str) {
        lock(&self.shared).hook = Some(hook.to_owned());
    }

    /// The next sends go wrong like this, one each.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.shared).faults.extend(faults);
    }

    /// From now on this person can't be reached.
    pub fn lose(&self, person: &str) {
        lock(&self.shared).lost.insert(person.to_owned());
    }

    /// The messages of the bot to a person, oldest first.
    pub fn sent(&self, person: &str) -> Vec<Sent> {
        lock(&self.shared).sent.iter().filter(|sent| sent.to == person).cloned().collect()
    }

    /// Whether the bot took a message.
    pub fn acknowledged(&self, sid: &str) -> bool {
        lock(&self.shared).acknowledged.contains(sid)
    }

    /// A diver writes, from `whatsapp:+…` or `+…`. Returns the message's id.
    pub fn say(&self, person: &str, text: &str) -> String {
        self.bring(person, &[("Body", text), ("NumMedia", "0")])
    }

    /// A message of any kind from a diver.
    pub fn bring(&self, person: &str, more: &[(&str, &str)]) -> String {
        let sid = {
            let mut world = lock(&self.shared);
            world.next += 1;
            format!("SM{:032x}", world.next)
        };
        let over = if person.starts_with("whatsapp:") { "whatsapp:" } else { "" };
        let us = format!("{over}{NUMBER}");
        let fields = [("MessageSid", sid.as_str()), ("AccountSid", ACCOUNT), ("From", person), ("To", &us)];
        let form =
            [&fields, more].concat().iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        lock(&self.shared).forms.insert(sid.clone(), form);
        self.bring_again(&sid);
        sid
    }

    /// Brings a message (once more) until it is taken.
    pub fn bring_again(&self, sid: &str) {
        let (weak, client, sid) = (Arc::downgrade(&self.shared), self.client.clone(), sid.to_owned());
        let (done, over) = oneshot::channel::<()>();
        let before = {
            let mut world = lock(&self.shared);
            let form = world.forms.get(&sid).and_then(|form| form.iter().find(|(name, _)| name == "From"));
            let person = form.map(|(_, person)| person.clone()).unwrap_or_default();
            world.lines.insert(person, over)
        };
        tokio::spawn(async move {
            // Dropped when it is done. What the same person wrote before comes first.
            let _done = done;
            if let Some(before) = before {
                let _ = before.await;
            }
            while let Some(shared) = weak.upgrade() {
                let (hook, form, secret) = {
                    let world = lock(&shared);
                    (world.hook.clone().unwrap_or_default(), world.forms.get(&sid).cloned(), world.token.clone())
                };
                let form = form.unwrap_or_default();
                if post_form(&client, &hook, &form, &sign(&secret, &hook, &form)).await == 200 {
                    lock(&shared).acknowledged.insert(sid);
                    return;
                }
                drop(shared);
                tokio::time::sleep(AGAIN).await;
            }
        });
    }

    /// Brings a form once, with a signature of one's own; gives the status.
    pub async fn post_as(&self, form: &[(&str, &str)], signature: Option<&str>) -> u16 {
        let (hook, token) = {
            let world = lock(&self.shared);
            (world.hook.clone().unwrap_or_default(), world.token.clone())
        };
        let form: Vec<_> = form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let right = sign(&token, &hook, &form);
        post_form(&self.client, &hook, &form, signature.unwrap_or(&right)).await
    }
}

async fn post_form(client: &reqwest::Client, hook: &str, form: &[(String, String)], signature: &str) -> u16 {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = client.post(hook).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
    request.header("X-Twilio-Signature", signature).send().await.map_or(0, |response| response.status().as_u16())
}

/// The value of `X-Twilio-Signature`.
pub fn sign(token: &str, url: &str, form: &[(String, String)]) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.as_bytes()) else { return String::new() };
    mac.update(url.as_bytes());
    let mut sorted: Vec<_> = form.iter().collect();
    sorted.sort();
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

fn error(status: u16, code: i64, message: &str) -> Response {
    let body = json!({ "code": code, "message": message, "more_info": "", "status": status });
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(body)).into_response()
}

fn is_authorized(shared: &Shared, headers: &HeaderMap) -> bool {
    let expected = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{}", lock(shared).token)));
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) == Some(expected.as_str())
}

async fn account(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if !is_authorized(&shared, &headers) {
        return error(401, 20_003, "Authenticate");
    }
    Json(json!({ "sid": ACCOUNT, "friendly_name": "Dive Shop", "status": "active" })).into_response()
}

async fn messages(
    State(shared): State<Shared>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_authorized(&shared, &headers) || account != ACCOUNT {
        return error(401, 20_003, "Authenticate");
    }
    let fault = lock(&shared).faults.pop_front();
    match fault {
        Some(Fault::Error(status, code)) => error(status, code, "as the test wants it"),
        Some(Fault::TooMany(seconds)) => {
            let mut response = error(429, 20_429, "Too Many Requests");
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            response
        }
        Some(Fault::Unavailable) => error(503, 20_503, "Service unavailable"),
        Some(Fault::DoneUnanswered) => {
            drop(done(&shared, &body));
            (StatusCode::CREATED, "{\"sid\":\"S").into_response()
        }
        Some(Fault::Slow(pause)) => {
            tokio::time::sleep(pause).await;
            done(&shared, &body)
        }
        None => done(&shared, &body),
    }
}

fn done(shared: &Shared, body: &[u8]) -> Response {
    let fields: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let (from, to, body) = (field("From"), field("To"), field("Body"));
    let mut world = lock(shared);
    if from.is_empty() || from.starts_with("whatsapp:") != to.starts_with("whatsapp:") {
        return error(400, 21_212, "Invalid From");
    }
    if body.is_empty() || body.chars().count() > 1600 {
        return error(400, 21_617, "The concatenated message body exceeds the 1600 character limit");
    }
    if world.lost.contains(&to) {
        return error(400, 21_610, "Attempt to send to unsubscribed recipient");
    }
    world.next += 1;
    let sid = format!("SM{:032x}", world.next);
    world.sent.push(Sent { sid: sid.clone(), from, to, body });
    (StatusCode::CREATED, Json(json!({ "sid": sid, "status": "queued" }))).into_response()
}
