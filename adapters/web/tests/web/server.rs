//! A daemon in small: the web channel over the real turn and the embedded store, behind a real socket.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::agent::{Answer, Answerer, Brief, Release};
use dovvybuddy_core::channel::ChannelAdapter;
use dovvybuddy_core::knowledge::{Found, Passage, Query, Retriever};
use dovvybuddy_core::lead::Lead;
use dovvybuddy_core::limit::Quota;
use dovvybuddy_core::reply::Citation;
use dovvybuddy_core::spine::{Ports, Spine, SpineSettings, Stops};
use dovvybuddy_core::store::{Notice, Store};
use dovvybuddy_core::testkit::minds::{Echo, KeysAloud, KnowsNothing, OneAgent, ScriptedGuard, ScriptedRouter};
use dovvybuddy_core::turn::TurnSettings;
use dovvybuddy_core::{BotId, ChannelId, Clock, SystemClock, Timestamp};
use dovvybuddy_store_sqlite::{OpenOptions, SqliteStore};
use dovvybuddy_web::{WebAdapter, WebConfig, WebParts, WebState, router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The real clock, moved by what a test adds.
#[derive(Default)]
pub struct ShiftedClock(AtomicI64);

impl ShiftedClock {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().as_millis() + self.0.load(Ordering::SeqCst))
    }

    fn uuid(&self) -> Uuid {
        SystemClock.uuid()
    }
}

/// Echoes; `gate …` waits after its first word until the gate opens, `cite …` cites two passages.
pub struct Mind {
    gate: Arc<Semaphore>,
    reached: Arc<Semaphore>,
}

#[async_trait]
impl Answerer for Mind {
    async fn answer(&self, brief: &Brief, release: &dyn Release) -> Answer {
        let asked = brief.asked.text.as_str();
        if asked.starts_with("gate") {
            release.piece("waiting ");
            self.reached.add_permits(1);
            let _pass = self.gate.acquire().await;
            release.piece("over");
            return Answer { text: "waiting over".into(), ..plain() };
        }
        if asked.starts_with("cite") {
            release.piece("Open Water goes to 18 m [1]. ");
            release.piece("Deeper needs training [2].");
            let text = "Open Water goes to 18 m [1]. Deeper needs training [2].".into();
            return Answer { text, citations: vec![citation(1, 0.71), citation(2, 0.5)], ..plain() };
        }
        Echo.answer(brief, release).await
    }
}

/// Knows what `cite …` cites.
struct Shelf;

#[async_trait]
impl Retriever for Shelf {
    async fn search(&self, _query: &Query) -> Found {
        Found::default()
    }

    fn section(&self, source: &str, section: &str) -> Vec<Passage> {
        if source != "certifications/1.md" || !["Depth", "Time"].contains(&section) {
            return Vec::new();
        }
        let Citation { source, title, publisher, updated, .. } = citation(1, 1.0);
        let text = format!("{section}: what a diver should know.");
        vec![Passage { source, title, section: section.into(), publisher, updated, text, ..Passage::default() }]
    }

    fn version(&self) -> String {
        "shelf".into()
    }
}

fn plain() -> Answer {
    Answer {
        text: String::new(),
        model: "echo".into(),
        tokens_used: 7,
        cost_micros: 0,
        citations: Vec::new(),
        follow_up: None,
        covered: true,
        degraded: Vec::new(),
    }
}

fn citation(n: usize, score: f32) -> Citation {
    Citation {
        n,
        source: format!("certifications/{n}.md"),
        title: format!("Title {n}"),
        section: "Depth".into(),
        publisher: "PADI".into(),
        updated: "2026-05-01".into(),
        score,
    }
}

/// No limit on addresses; otherwise roomy.
fn settings() -> WebConfig {
    WebConfig {
        public_url: None,
        cors_origins: Vec::new(),
        trusted_proxies: Vec::new(),
        diver_per_minute: 20,
        ip_per_minute: 0,
        leads_per_minute: 20,
        sessions_per_minute: 60,
        feedback_per_minute: 60,
        operator_name: None,
        operator_contact: None,
        sites: BTreeMap::new(),
        reply_within: Duration::from_millis(19_500),
        body_within: Duration::from_secs(15),
        most_streams: 1000,
        most_sockets: 1000,
        socket_idle: Duration::from_secs(24),
        drain: Duration::from_secs(20),
    }
}

pub struct Server {
    pub addr: SocketAddr,
    pub store: SqliteStore,
    pub clock: Arc<ShiftedClock>,
    pub closing: CancellationToken,
    pub state: WebState,
    /// Client without a cookie jar.
    pub http: reqwest::Client,
    gate: Arc<Semaphore>,
    reached: Arc<Semaphore>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut WebConfig)) -> Self {
        let mut config = settings();
        change(&mut config);
        Self::build(config).await
    }

    async fn build(config: WebConfig) -> Self {
        let clock = Arc::new(ShiftedClock::default());
        let shared: Arc<dyn Clock> = clock.clone();
        let store = SqliteStore::open(OpenOptions {
            url_or_path: "sqlite::memory:".into(),
            dispatch: true,
            max_waiting: 1000,
            migrate: true,
            clock: shared.clone(),
        })
        .await
        .unwrap();
        let any: Arc<dyn Store> = Arc::new(store.clone());
        let closing = CancellationToken::new();
        let gate = Arc::new(Semaphore::new(0));
        let reached = Arc::new(Semaphore::new(0));
        let channels: HashMap<ChannelId, Arc<dyn ChannelAdapter>> =
            HashMap::from([(ChannelId::new("web"), Arc::new(WebAdapter) as Arc<dyn ChannelAdapter>)]);
        let ports = Ports {
            store: any.clone(),
            guard: Arc::new(ScriptedGuard),
            router: Arc::new(ScriptedRouter),
            agents: Arc::new(OneAgent),
            retriever: Arc::new(KnowsNothing),
            answerer: Arc::new(Mind { gate: gate.clone(), reached: reached.clone() }),
            voice: Arc::new(KeysAloud),
            clock: shared.clone(),
            channels,
            lead_notices: Arc::new(|_| Vec::new()),
            operator: None,
        };
        let (budget, least) = (Duration::from_secs(15), Duration::from_secs(2));
        let settings = SpineSettings {
            diver_quota: Quota { per_minute: config.diver_per_minute, burst: 5 },
            turn: TurnSettings { budget, least, history: 10, passages: 4 },
            most_running: 64,
            remembered: 1000,
        };
        let stops = Stops { closing: closing.clone(), ..Stops::default() };
        let Spine { intake, lanes, hearing, handover, .. } = Spine::new(ports, settings, stops);
        let state = WebState::new(WebParts {
            intake,
            store: any,
            guard: Arc::new(ScriptedGuard),
            hearing,
            clock: shared,
            bot: BotId::default(),
            retriever: Arc::new(Shelf),
            lead_notices: Arc::new(notices),
            handover: Arc::clone(&handover),
            shelf: None,
            config,
            closing: closing.clone(),
        })
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let panics = axum::Router::new().route("/panics", axum::routing::get(panics));
        let routes = router(&state).merge(dovvybuddy_web::guarded(panics, &state));
        let app = routes.into_make_service_with_connect_info::<SocketAddr>();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        tasks.spawn(async move { lanes.run(CancellationToken::new()).await.unwrap() });
        tasks.spawn(async move { handover.run(CancellationToken::new()).await.unwrap() });
        Self { addr, store, clock, closing, state, http: client().build().unwrap(), gate, reached, _tasks: tasks }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Waits until a turn stands before the gate.
    pub async fn gate_reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    pub fn open_gate(&self) {
        self.gate.add_permits(1000);
    }

    pub async fn post(&self, path: &str, body: Value) -> Answered {
        Answered::of(self.http.post(self.url(path)).json(&body).send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answered {
        Answered::of(self.http.get(self.url(path)).send().await.unwrap()).await
    }

    pub async fn chat(&self, message: &str) -> Answered {
        self.post("/api/chat", json!({"message": message})).await
    }

    pub async fn chat_in(&self, session: &str, message: &str) -> Answered {
        self.post("/api/chat", json!({"message": message, "sessionId": session})).await
    }

    /// Asks with an idempotency key.
    pub async fn chat_with_key(&self, key: &str, body: Value) -> Answered {
        let request = self.http.post(self.url("/api/chat")).header("Idempotency-Key", key).json(&body);
        Answered::of(request.send().await.unwrap()).await
    }
}

#[allow(clippy::unused_async, reason = "a handler is async")]
async fn panics() -> &'static str {
    panic!("a secret path: /var/lib/secret")
}

fn notices(lead: &Lead) -> Vec<Notice> {
    vec![Notice { outlet: ChannelId::new("mail"), subject: lead.id.to_string(), payload: json!({"kind": lead.kind}) }]
}

pub fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).redirect(reqwest::redirect::Policy::none())
}

/// A whole response.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Answered {
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, json }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn session(&self) -> String {
        self.json["sessionId"].as_str().unwrap().to_owned()
    }

    pub fn turn(&self) -> String {
        self.json["metadata"]["turnId"].as_str().unwrap().to_owned()
    }

    pub fn message(&self) -> &str {
        self.json["message"].as_str().unwrap()
    }

    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or("none")
    }

    pub fn fields(&self) -> Vec<&str> {
        self.json["details"].as_array().unwrap().iter().map(|d| d["field"].as_str().unwrap()).collect()
    }
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: Option<String>,
    pub data: Value,
}

impl Event {
    pub fn kind(&self) -> &str {
        self.data["type"].as_str().unwrap()
    }
}

/// The events in a stream's text; comments are left out.
pub fn events(text: &str) -> Vec<Event> {
    let block = |block: &str| {
        let mut id = None;
        let mut data = None;
        for line in block.lines() {
            if let Some(value) = line.strip_prefix("id: ") {
                id = Some(value.to_owned());
            } else if let Some(value) = line.strip_prefix("data: ") {
                data = Some(serde_json::from_str(value).unwrap());
            } else {
                assert!(line.starts_with(':'), "{line}");
            }
        }
        data.map(|data| Event { id, data })
    };
    text.split("\n\n").filter(|block| !block.is_empty()).filter_map(block).collect()
}

/// Reads a stream until it holds so many events.
pub async fn read_events(response: &mut reqwest::Response, count: usize) -> Vec<Event> {
    let mut text = String::new();
    let enough = async {
        loop {
            let found = events(text.rsplit_once("\n\n").map_or("", |(whole, _)| whole));
            if found.len() >= count {
                return found;
            }
            let chunk = response.chunk().await.unwrap().expect("the stream ended early");
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(10), enough).await.expect("events in time")
}

/// The tokens put together.
pub fn spoken(events: &[Event]) -> String {
    events.iter().filter(|e| e.kind() == "token").map(|e| e.data["content"].as_str().unwrap()).collect()
}
