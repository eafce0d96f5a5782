//! Meta's Graph API on this machine, for WhatsApp, Instagram and Messenger: it takes what the bot sends, as strictly as the platform does, and
//! brings what divers write, signed and until it is taken.

mod deliver;
mod messaging;
mod rules;

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use crate::served::{Served, serve};

pub use deliver::sign;
pub use messaging::{INSTAGRAM_ID, PAGE_ID, Product};

/// The number the bot has.
pub const PHONE_NUMBER_ID: &str = "106540352242922";
/// The longest a test waits between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A message of the bot, as its reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// Whom it went to.
    pub to: String,
    /// `text`, `interactive` or `template`.
    pub kind: String,
    /// The words; a template's name.
    pub text: String,
    /// What can be pressed: label and data.
    pub buttons: Vec<(String, String)>,
}

/// How a call goes wrong. Unless it says otherwise the call has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error of the Graph API: status and code.
    Error(u16, i64),
    /// 429 with `Retry-After` in seconds.
    TooMany(u32),
    /// A proxy's page: 503 in HTML.
    Unavailable,
    /// It is done, but the connection ends without an answer.
    DoneUnanswered,
    /// It is done after this long.
    Slow(Duration),
    /// Nothing is answered.
    Hang,
}

/// What the platform was told of a message: read, and whether with typing.
pub type Mark = (String, bool);

#[derive(Debug, Default)]
struct World {
    token: String,
    app_secret: String,
    /// Where messages are brought, once the bot is known.
    hook: Option<String>,
    sent: Vec<Shown>,
    marks: Vec<Mark>,
    faults: VecDeque<Fault>,
    /// Nobody can be reached here any more.
    lost: HashSet<String>,
    /// When each person last wrote, for the 24 hours.
    heard: HashMap<String, Instant>,
    /// Enforce about one message in six seconds to a person after this many.
    pair_burst: Option<usize>,
    /// The whole 24 hours are over for these.
    closed: HashSet<String>,
    batches: HashMap<String, String>,
    /// Ends when what a person wrote last was taken.
    lines: HashMap<String, oneshot::Receiver<()>>,
    acknowledged: HashSet<String>,
    /// What went out on Instagram and Messenger and is to be brought back.
    echoes: Vec<String>,
    refusals: Vec<u16>,
    calls: usize,
    next: u64,
}

#[derive(Debug, Default)]
struct Shared {
    world: Mutex<World>,
    changed: Notify,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running platform. Dropped, it stops.
#[derive(Debug)]
pub struct FakeGraph {
    served: Served,
    shared: Arc<Shared>,
    client: reqwest::Client,
}

/// Starts a platform that knows one number, one token and one app.
pub async fn start(addr: SocketAddr, token: &str, app_secret: &str) -> io::Result<FakeGraph> {
    let shared = Arc::new(Shared::default());
    {
        let mut world = shared.world();
        token.clone_into(&mut world.token);
        app_secret.clone_into(&mut world.app_secret);
    }
    let router = Router::new()
        .route("/{version}/{number}/messages", post(messages))
        .route("/{version}/{number}", get(number))
        .with_state(Arc::clone(&shared));
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().map_err(io::Error::other)?;
    Ok(FakeGraph { served: serve(addr, router).await?, shared, client })
}

impl FakeGraph {
    /// Where the API is.
    pub fn url(&self) -> String {
        format!("http://{}", self.served.addr)
    }

    /// Tells where the bot is: `http://host:port/webhooks/whatsapp`.
    pub fn connect(&self, hook: &str) {
        self.shared.world().hook = Some(hook.to_owned());
    }

    /// The next sends go wrong like this, one each. Marks of reading are left alone.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.world().faults.extend(faults);
    }

    /// From now on this person can't be reached.
    pub fn lose(&self, person: &str) {
        self.shared.world().lost.insert(person.to_owned());
    }

    /// The 24 hours are over for this person, until they write again.
    pub fn close(&self, person: &str) {
        self.shared.world().closed.insert(person.to_owned());
    }

    /// Enforce the limit of messages to one person after so many.
    pub fn enforce_pairs(&self, burst: usize) {
        self.shared.world().pair_burst = Some(burst);
    }

    /// The messages of the bot to a person, oldest first.
    pub fn shown(&self, person: &str) -> Vec<Shown> {
        self.shared.world().sent.iter().filter(|shown| shown.to == person).cloned().collect()
    }

    /// What was marked as read.
    pub fn marks(&self) -> Vec<Mark> {
        self.shared.world().marks.clone()
    }

    /// The statuses with which the bot refused what was brought.
    pub fn refusals(&self) -> Vec<u16> {
        self.shared.world().refusals.clone()
    }

    /// How many messages the bot tried to send.
    pub fn calls(&self) -> usize {
        self.shared.world().calls
    }

    /// Whether the bot took a message.
    pub fn acknowledged(&self, id: &str) -> bool {
        self.shared.world().acknowledged.contains(id)
    }

    /// What went out on Instagram and Messenger, as batches that the platform brings back to whoever listens.
    pub fn echoes(&self) -> Vec<String> {
        self.shared.world().echoes.clone()
    }

    /// Waits until `look` finds something.
    pub async fn until<T>(&self, patience: Duration, look: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            if let Some(found) = look(self) {
                return Some(found);
            }
            if tokio::time::Instant::now() >= deadline {
                return None;
            }
            let _ = tokio::time::timeout(LOOK, self.shared.changed.notified()).await;
        }
    }
}

/// An error as the Graph API writes it.
fn error(status: u16, code: i64, message: &str) -> Response {
    let body = json!({ "error": { "message": format!("(#{code}) {message}"), "type": "OAuthException", "code": code,
        "error_data": { "messaging_product": "whatsapp", "details": message }, "fbtrace_id": "fake" } });
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(body)).into_response()
}

fn token(headers: &HeaderMap) -> &str {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.strip_prefix("Bearer ").unwrap_or_default()
}

/// Which of the two messengers beside WhatsApp a call is made for, by its token.
fn product(shared: &Shared, headers: &HeaderMap) -> Option<Product> {
    let world = shared.world();
    let products = [Product::Instagram, Product::Messenger];
    products.into_iter().find(|product| product.token(&world.token) == token(headers))
}

fn is_authorized(shared: &Shared, headers: &HeaderMap) -> bool {
    product(shared, headers).is_some() || token(headers) == shared.world().token
}

async fn number(
    State(shared): State<Arc<Shared>>,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if !is_authorized(&shared, &headers) {
        return error(401, 190, "Invalid OAuth access token");
    }
    if id == "me" {
        return Json(json!({ "id": "1", "name": "Dive Shop" })).into_response();
    }
    if id != PHONE_NUMBER_ID {
        return error(400, 100, "Unsupported get request");
    }
    let name = json!({ "id": id, "display_phone_number": "+1 555 0100", "verified_name": "Dive Shop", "quality_rating": "GREEN" });
    Json(name).into_response()
}

async fn messages(
    State(shared): State<Arc<Shared>>,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_authorized(&shared, &headers) {
        return error(401, 190, "Invalid OAuth access token");
    }
    let Ok(call) = serde_json::from_slice::<Value>(&body) else { return error(400, 100, "Invalid JSON") };
    let on = product(&shared, &headers);
    let known = match on {
        Some(_) => id == "me",
        None => id == PHONE_NUMBER_ID && call["messaging_product"] == "whatsapp",
    };
    if !known {
        return error(400, 100, "Invalid parameter");
    }
    if let Some(on) = on.filter(|_| call["sender_action"].is_string()) {
        return messaging::call(&shared, on, &call);
    }
    if call["status"] == "read" {
        let typing = call["typing_indicator"]["type"] == "text";
        let message = call["message_id"].as_str().unwrap_or_default().to_owned();
        shared.world().marks.push((message, typing));
        shared.changed.notify_waiters();
        return Json(json!({ "success": true })).into_response();
    }
    let fault = {
        let mut world = shared.world();
        world.calls += 1;
        world.faults.pop_front()
    };
    match fault {
        Some(Fault::Error(status, code)) => error(status, code, "as the test wants it"),
        Some(Fault::TooMany(seconds)) => {
            let mut response = error(429, 130_429, "Rate limit hit");
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            response
        }
        Some(Fault::Unavailable) => {
            (StatusCode::SERVICE_UNAVAILABLE, "<html>Service Unavailable</html>").into_response()
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::DoneUnanswered) => {
            let _ = done(&shared, on, &call);
            shared.changed.notify_waiters();
            // A body that breaks off: the client can't know what became of the call.
            (StatusCode::OK, "{\"messaging_product\":\"whatsapp\",\"mess").into_response()
        }
        Some(Fault::Slow(pause)) => {
            tokio::time::sleep(pause).await;
            done(&shared, on, &call)
        }
        None => done(&shared, on, &call),
    }
}

fn done(shared: &Shared, on: Option<Product>, call: &Value) -> Response {
    if let Some(on) = on {
        let response = messaging::call(shared, on, call);
        shared.changed.notify_waiters();
        return response;
    }
    let sent = rules::send(shared, call);
    shared.changed.notify_waiters();
    match sent {
        Ok((id, to)) => {
            let contacts = json!([{ "input": to, "wa_id": to }]);
            let sent = json!({ "messaging_product": "whatsapp", "contacts": contacts, "messages": [{ "id": id }] });
            Json(sent).into_response()
        }
        Err((code, why)) => error(400, code, why),
    }
}
