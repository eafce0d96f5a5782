//! The contract on a generic webhook; and ten thousand messages, half of them brought twice.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use dovvybuddy_core::agent::{Answer, Answerer, Brief, Release};
use dovvybuddy_core::channel::{ChannelAdapter, Outlet};
use dovvybuddy_core::delivery::Deliveries;
use dovvybuddy_core::limit::Quota;
use dovvybuddy_core::spine::{Ports, Spine, SpineSettings, Stops};
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::testkit::at_most;
use dovvybuddy_core::testkit::channel_contract::{self, Fault, Platform};
use dovvybuddy_core::testkit::minds::{Echo, KeysAloud, KnowsNothing, OneAgent, ScriptedGuard, ScriptedRouter};
use dovvybuddy_core::turn::TurnSettings;
use dovvybuddy_core::{BotId, Clock, SystemClock};
use dovvybuddy_store_sqlite::{OpenOptions, SqliteStore};
use dovvybuddy_webhook::{
    Allowed, Answers, Hook, HookConfig, Hooks, Problem, ReplyBy, Secret, router, sign, visible_text,
};
use futures::StreamExt as _;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Row as _};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::door::Door;
use crate::lab;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn secret() -> Secret {
    Secret::parse("secret", &SECRET.into()).unwrap()
}

fn config(callback_url: Option<String>) -> HookConfig {
    HookConfig {
        bot: BotId::default(),
        name: "crm".to_owned(),
        secret: SECRET.into(),
        previous_secret: None,
        reply: if callback_url.is_some() { ReplyBy::Callback } else { ReplyBy::Sync },
        callback_url,
        sync_timeout: Duration::from_secs(100),
        messages_per_minute: 0,
        allowed: Allowed::parse(&["127.0.0.1"]).unwrap(),
    }
}

fn answers() -> Answers {
    let problem = |problem| match problem {
        Problem::Busy | Problem::Store(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        problem => (StatusCode::BAD_REQUEST, format!("{problem:?}")).into_response(),
    };
    Answers { reply: |turn, _, _| json!({ "turnId": turn }), problem: Arc::new(problem) }
}

fn call(uri: &str, id: &str, conversation: &str, text: &str) -> Request<String> {
    let body = json!({ "conversation": conversation, "user": { "id": conversation }, "text": text }).to_string();
    let at = SystemClock.now().as_millis() / 1000;
    Request::post(uri)
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", at)
        .header("webhook-signature", sign(&secret(), id, at, body.as_bytes()))
        .body(body)
        .unwrap()
}

/// The system on the other side: it calls, and takes replies by their ids.
struct System {
    door: Door,
    callback: String,
    state: Arc<Mutex<Seen>>,
    client: reqwest::Client,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    /// Conversation, id and text of each reply.
    replies: Vec<(String, String, String)>,
    faults: VecDeque<Fault>,
    lost: HashSet<String>,
    events: Vec<(String, String)>,
    acknowledged: HashSet<String>,
    /// Ends when what was said last in a conversation was taken.
    lines: HashMap<String, oneshot::Receiver<()>>,
}

async fn take(State(state): State<Arc<Mutex<Seen>>>, headers: HeaderMap, body: Bytes) -> Response {
    let event: Value = serde_json::from_slice(&body).unwrap();
    let text = |of: &Value| of.as_str().unwrap().to_owned();
    let (chat, said) = (text(&event["data"]["conversation"]), text(&event["data"]["text"]));
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let fault = {
        let mut seen = state.lock().unwrap();
        if seen.lost.contains(&chat) {
            return StatusCode::GONE.into_response();
        }
        seen.faults.pop_front()
    };
    match fault {
        Some(Fault::Throttled(wait)) => {
            return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", wait.as_secs().to_string())]).into_response();
        }
        Some(Fault::Unavailable) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(Fault::Refused) => return StatusCode::GONE.into_response(),
        Some(Fault::Slow(pause)) => tokio::time::sleep(pause).await,
        Some(Fault::AnswerLost) | None => {}
    }
    let mut seen = state.lock().unwrap();
    if !seen.replies.iter().any(|(_, known, _)| *known == id) {
        seen.replies.push((chat, id, said));
    }
    drop(seen);
    if fault == Some(Fault::AnswerLost) {
        // It was taken, and nobody will know.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    StatusCode::OK.into_response()
}

impl System {
    /// Calls until it is taken.
    fn bring(&self, event: String, chat: String, text: String) {
        let uri = format!("http://{}/webhooks/crm", self.door.addr);
        let (state, client) = (Arc::clone(&self.state), self.client.clone());
        let (done, taken) = oneshot::channel::<()>();
        let before = self.state.lock().unwrap().lines.insert(chat.clone(), taken);
        tokio::spawn(async move {
            // Dropped when it is done. What was said there before comes first.
            let _done = done;
            if let Some(before) = before {
                let _ = before.await;
            }
            loop {
                let request = reqwest::Request::try_from(call(&uri, &event, &chat, &text).map(reqwest::Body::from));
                let sent = client.execute(request.unwrap()).await;
                if sent.is_ok_and(|response| response.status() == 202) {
                    state.lock().unwrap().acknowledged.insert(event);
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    }
}

#[async_trait]
impl Platform for System {
    fn adapter(&self) -> Arc<dyn ChannelAdapter> {
        let hook = Arc::new(Hook::new(config(Some(self.callback.clone())), Arc::new(SystemClock)).unwrap());
        self.door.lead_to(router(Hooks::from([("crm".to_owned(), Arc::clone(&hook))]), answers()));
        hook
    }

    async fn say(&self, chat: &str, text: &str) -> String {
        let event = {
            let mut seen = self.state.lock().unwrap();
            seen.events.push((chat.to_owned(), text.to_owned()));
            format!("msg_{}", seen.events.len() - 1)
        };
        self.bring(event.clone(), chat.to_owned(), text.to_owned());
        event
    }

    async fn bring_again(&self, event: &str) {
        let n: usize = event.trim_start_matches("msg_").parse().unwrap();
        let (chat, text) = self.state.lock().unwrap().events[n].clone();
        self.bring(event.to_owned(), chat, text);
    }

    async fn acknowledged(&self, event: &str) -> bool {
        self.state.lock().unwrap().acknowledged.contains(event)
    }

    async fn shown(&self, chat: &str) -> Vec<String> {
        let seen = self.state.lock().unwrap();
        seen.replies.iter().filter(|(at, ..)| at == chat).map(|(.., text)| text.clone()).collect()
    }

    async fn fail_next(&self, faults: &[Fault]) {
        self.state.lock().unwrap().faults.extend(faults);
    }

    async fn lose(&self, chat: &str) {
        self.state.lock().unwrap().lost.insert(chat.to_owned());
    }
}

async fn platform() -> impl Platform {
    let state = Arc::new(Mutex::new(Seen::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let callback = format!("http://{}/hook", listener.local_addr().unwrap());
    let routes = Router::new().fallback(take).with_state(Arc::clone(&state));
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    System { door: Door::open().await, callback, state, client: reqwest::Client::new(), _serving: serving }
}

mod contract {
    use super::{lab, platform};

    dovvybuddy_core::channel_contract!(lab, platform);
}

#[test]
fn a_reply_is_rendered_whole_and_alike() {
    let hook = Hook::new(config(None), Arc::new(SystemClock)).unwrap();
    channel_contract::renders(&hook, visible_text);
}

/// A daemon's spine around the webhook, on a store in a directory of its own.
struct Place {
    path: PathBuf,
    routes: Router,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    _dir: TempDir,
}

impl Place {
    async fn open(config: HookConfig, answerer: Arc<dyn Answerer>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("load.db");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let options = OpenOptions {
            url_or_path: path.display().to_string(),
            dispatch: true,
            max_waiting: 20_000,
            migrate: true,
            clock: Arc::clone(&clock),
        };
        let store = Arc::new(SqliteStore::open(options).await.unwrap());
        let hook = Arc::new(Hook::new(config, Arc::clone(&clock)).unwrap());
        let channel: Arc<dyn ChannelAdapter> = hook.clone();
        let ports = Ports {
            store: store.clone(),
            guard: Arc::new(ScriptedGuard),
            router: Arc::new(ScriptedRouter),
            agents: Arc::new(OneAgent),
            retriever: Arc::new(KnowsNothing),
            answerer,
            voice: Arc::new(KeysAloud),
            clock: Arc::clone(&clock),
            channels: HashMap::from([(channel.id(), Arc::clone(&channel))]),
            lead_notices: Arc::new(|_| Vec::new()),
            operator: None,
        };
        let (budget, least) = (Duration::from_secs(100), Duration::from_secs(2));
        let settings = SpineSettings {
            diver_quota: Quota { per_minute: 0, burst: 1 },
            turn: TurnSettings { budget, least, history: 2, passages: 1 },
            most_running: 2000,
            remembered: 1000,
        };
        let stop = CancellationToken::new();
        let Spine { intake, lanes, .. } = Spine::new(ports, settings, Stops::default());
        let deliveries = Arc::new(Deliveries {
            store: store.clone(),
            outlets: HashMap::from([(hook.id(), hook.clone() as Arc<dyn Outlet>)]),
            clock: Arc::clone(&clock),
            progress: Progress::new("outbox", clock.now()),
            stopping: stop.clone(),
        });
        let mut tasks = JoinSet::new();
        let (token, progress) = (stop.clone(), Progress::new("channel", clock.now()));
        tasks.spawn(async move { channel.run(intake, progress, token).await.unwrap() });
        let token = stop.clone();
        tasks.spawn(async move { lanes.run(token).await.unwrap() });
        let token = stop.clone();
        tasks.spawn(async move { deliveries.run(token).await.unwrap() });
        let routes = router(Hooks::from([("crm".to_owned(), hook)]), answers());
        tokio::time::sleep(Duration::from_millis(100)).await;
        Self { path, routes, stop, tasks, _dir: dir }
    }

    async fn post(&self, id: &str, conversation: &str) -> Response {
        let request = call("/webhooks/crm", id, conversation, "hello");
        self.routes.clone().oneshot(request.map(Body::from)).await.unwrap()
    }

    async fn turns(&self) -> (i64, i64) {
        let mut reading = sqlx::sqlite::SqliteConnectOptions::new().filename(&self.path).connect().await.unwrap();
        let row = sqlx::query("SELECT count(*), count(DISTINCT id) FROM turns").fetch_one(&mut reading).await.unwrap();
        (row.get(0), row.get(1))
    }
}

const MESSAGES: usize = 10_000;

/// Through the adapter's own router, past the sockets; with the real store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_ids_half_of_them_brought_twice_make_ten_thousand_turns() {
    let mut place = Place::open(config(None), Arc::new(Echo)).await;
    // Half of the ids twice, in an order that is random and the same in every run.
    let mut ids: Vec<usize> = (0..MESSAGES).chain(0..MESSAGES / 2).collect();
    let mut seed = 42u64;
    for n in (1..ids.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ids.swap(n, usize::try_from(seed >> 33).unwrap() % (n + 1));
    }
    let here = &place;
    let turns: Vec<(usize, String)> = futures::stream::iter(ids)
        .map(|id| async move {
            let response = here.post(&format!("msg_{id}"), &format!("room-{}", id % 500)).await;
            assert_eq!(response.status(), StatusCode::OK);
            let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            (id, body["turnId"].as_str().unwrap().to_owned())
        })
        .buffer_unordered(128)
        .collect()
        .await;
    place.stop.cancel();
    while place.tasks.join_next().await.is_some() {}

    assert_eq!(turns.len(), MESSAGES / 2 * 3);
    let by_id: HashMap<usize, &String> = turns.iter().map(|(id, turn)| (*id, turn)).collect();
    assert!(turns.iter().all(|(id, turn)| by_id[id] == turn), "a repeat names the turn of the first time");
    assert_eq!(by_id.values().collect::<HashSet<_>>().len(), MESSAGES);
    assert_eq!(place.turns().await, (10_000, 10_000));
}

/// A model that never says a word.
struct Hangs;

#[async_trait]
impl Answerer for Hangs {
    async fn answer(&self, _brief: &Brief, _release: &dyn Release) -> Answer {
        std::future::pending().await
    }
}

const RATE: u32 = 100;
const SECONDS: u32 = 5;
/// The slowest hundredth.
const P99: Duration = Duration::from_millis(100);

/// A hundred a second, each in a conversation of its own. Past the sockets; with the real store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_acknowledged_at_once_while_every_model_hangs() {
    let place = Place::open(config(Some("http://127.0.0.1:1/hook".to_owned())), Arc::new(Hangs)).await;
    let began = Instant::now();
    let here = &place;
    let calls = (0..RATE * SECONDS).map(|n| async move {
        tokio::time::sleep_until(began + Duration::from_secs(1) * n / RATE).await;
        let sent = Instant::now();
        assert_eq!(here.post(&format!("msg_{n}"), &format!("room-{n}")).await.status(), StatusCode::ACCEPTED);
        sent.elapsed()
    });
    let mut took = futures::future::join_all(calls).await;
    took.sort_unstable();
    let at = |permille: usize| took[(took.len() * permille / 1000).min(took.len() - 1)];
    println!("acknowledged: p50 {:?}, p99 {:?}, most {:?}", at(500), at(990), at(1000));
    assert!(at(990) <= at_most(P99), "p99 {:?}", at(990));
}
