//! An OpenAI-compatible model: `/v1/chat/completions`, streaming and not, `/v1/embeddings`, `/v1/models`.

mod embed;
mod reply;
mod script;
mod stream;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::served::{Served, serve};

pub use self::script::{Fault, Reply, Script};

/// The most requests kept for looking at.
const MOST_KEPT: usize = 10_000;

/// A running model. Dropped, it stops.
#[derive(Debug)]
pub struct Model {
    served: Served,
    shared: Arc<Shared>,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Chat calls.
    pub chats: u64,
    /// Calls for embeddings.
    pub embeddings: u64,
    /// Chat calls under way.
    pub in_flight: u64,
    /// The most chat calls that were under way at the same time.
    pub most_in_flight: u64,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    script: Script,
    next: VecDeque<Script>,
    counts: Counts,
    requests: VecDeque<Value>,
    keys: VecDeque<String>,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a model that follows `script`.
pub async fn start(addr: SocketAddr, script: Script) -> io::Result<Model> {
    let shared = Arc::new(Shared::default());
    shared.inner().script = script;
    let router = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/models", get(models))
        .with_state(Arc::clone(&shared));
    Ok(Model { served: serve(addr, router).await?, shared })
}

impl Model {
    /// What to configure as `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.served.addr)
    }

    /// From now on it follows this script.
    pub fn follow(&self, script: Script) {
        self.shared.inner().script = script;
    }

    /// The next calls follow these scripts, one each; after them the standing one holds again.
    pub fn then(&self, scripts: impl IntoIterator<Item = Script>) {
        self.shared.inner().next.extend(scripts);
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.shared.inner().counts
    }

    /// The chat requests, oldest first.
    pub fn requests(&self) -> Vec<Value> {
        self.shared.inner().requests.iter().cloned().collect()
    }

    /// The `Authorization` headers that came, oldest first.
    pub fn keys(&self) -> Vec<String> {
        self.shared.inner().keys.iter().cloned().collect()
    }
}

/// A call under way; dropped when its answer is over or its client is gone.
struct Under(Arc<Shared>);

impl Under {
    fn way(shared: &Arc<Shared>) -> Self {
        let mut inner = shared.inner();
        let counts = &mut inner.counts;
        counts.chats += 1;
        counts.in_flight += 1;
        counts.most_in_flight = counts.most_in_flight.max(counts.in_flight);
        drop(inner);
        Self(Arc::clone(shared))
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.0.inner().counts.in_flight -= 1;
    }
}

fn keep<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() >= MOST_KEPT {
        list.pop_front();
    }
    list.push_back(item);
}

async fn chat(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(request): Json<Value>) -> Response {
    let under = Under::way(&shared);
    let script = {
        let mut inner = shared.inner();
        let key = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
        keep(&mut inner.keys, key);
        if inner.script.fault != Fault::Instant {
            keep(&mut inner.requests, request.clone());
        }
        inner.next.pop_front().unwrap_or_else(|| inner.script.clone())
    };
    if let Some(response) = refuse(&script.fault).await {
        return response;
    }
    let text = reply::write(&script.reply, &request);
    if request["stream"].as_bool() == Some(true) && script.fault != Fault::NoStream {
        return stream::answer(&script, &request, &text, under);
    }
    tokio::time::sleep(script.first_token).await;
    Json(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": request["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": reply::usage(&request, &text),
    }))
    .into_response()
}

/// The answer of a fault that needs no model.
async fn refuse(fault: &Fault) -> Option<Response> {
    let error = |code: u16, kind: &str| {
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (
            status,
            Json(
                json!({"error": {"message": "Incorrect API key provided: sk-test at https://internal.example/v1", "code": kind}}),
            ),
        )
    };
    Some(match fault {
        Fault::Status { code, retry_after } => {
            let mut response = error(*code, "fake_error").into_response();
            if let Some(value) = retry_after.as_ref().and_then(|text| text.parse().ok()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            response
        }
        Fault::Html => (StatusCode::BAD_GATEWAY, Html("<html><h1>502 Bad Gateway</h1></html>")).into_response(),
        Fault::HtmlOk => Html("<html>welcome to the captive portal</html>").into_response(),
        Fault::Hang => {
            std::future::pending::<()>().await;
            return None;
        }
        _ => return None,
    })
}

async fn embeddings(State(shared): State<Arc<Shared>>, Json(request): Json<Value>) -> Response {
    shared.inner().counts.embeddings += 1;
    let fault = shared.inner().script.fault.clone();
    if let Some(response) = refuse(&fault).await {
        return response;
    }
    let texts: Vec<&str> = match &request["input"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let dimension = request["dimensions"].as_u64().and_then(|d| usize::try_from(d).ok()).unwrap_or(384).clamp(1, 4096);
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(
            |(index, text)| json!({"object": "embedding", "index": index, "embedding": embed::vector(text, dimension)}),
        )
        .collect();
    let tokens: usize = texts.iter().map(|text| text.len() / 4 + 1).sum();
    Json(json!({"object": "list", "data": data, "model": request["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}))
    .into_response()
}

async fn models() -> Json<Value> {
    Json(json!({"object": "list", "data": [{"id": "fake", "object": "model", "created": 1, "owned_by": "dovvybuddy"}]}))
}
