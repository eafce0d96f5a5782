//! Many conversations at once, each asking its next question when the last was answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::client::{ClientError, Connection, post};
use crate::latency::{Latencies, Summary};
use crate::process;

/// An answer that takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is kept of a reply that went wrong, for the report.
const SHOWN: usize = 300;

/// What is asked, and when the clock stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// `POST /api/chat`, to the end of the answer.
    Chat,
    /// `POST /api/chat/stream`, to the first `token` event; the stream is then read to its end.
    Stream,
    /// The model itself, streaming, to the end: what the generator and the fake cost by themselves.
    Model,
}

impl Ask {
    const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/api/chat",
            Self::Stream => "/api/chat/stream",
            Self::Model => "/v1/chat/completions",
        }
    }
}

/// A round of load.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Who is asked.
    pub addr: SocketAddr,
    /// What.
    pub ask: Ask,
    /// How many conversations at once.
    pub conversations: usize,
    /// Runs before anything counts.
    pub warm_up: Duration,
    /// How long it counts.
    pub duration: Duration,
    /// The conversations begin spread over this, so that they don't march in step.
    pub stagger: Duration,
    /// What is asked, round and round.
    pub questions: Arc<[String]>,
    /// Each message tells another certification, so that the search can't remember its results while
    /// the embeddings of the questions come from the cache.
    pub fresh_searches: bool,
    /// What every answer must hold, such as the model's name; one without it is worthless.
    pub expects: Option<&'static str>,
    /// The server's process, whose CPU time is read at both ends of the counted time.
    pub pid: Option<u32>,
    /// The other processes that work for a turn, such as the model; this one always counts as such.
    pub helpers: Vec<u32>,
}

/// What a round gave.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Round {
    /// Turns that ended in the counted time.
    pub turns: usize,
    /// The same a second.
    pub per_second: f64,
    /// Milliseconds from the request to where the clock stops.
    pub latency: Summary,
    /// Requests without a good answer, the warm-up's included.
    pub errors: usize,
    /// Answers that had to do without something, or lack what was expected; they make a round worthless.
    pub degraded: usize,
    /// The first error, for a person to read.
    pub first_error: Option<String>,
    /// The first answer that counts as degraded, cut.
    pub first_degraded: Option<String>,
    /// The server's CPU milliseconds per turn.
    pub cpu_ms: Option<f64>,
    /// The CPU milliseconds per turn of server, helpers and generator together.
    pub cpu_in_all_ms: Option<f64>,
}

/// What one conversation saw.
#[derive(Debug, Default)]
struct Tally {
    latencies: Latencies,
    errors: usize,
    degraded: usize,
    first_error: Option<String>,
    first_degraded: Option<String>,
}

impl Tally {
    fn fault(&mut self, what: String) {
        self.errors += 1;
        self.first_error.get_or_insert(what);
    }

    fn merge(&mut self, other: Self) {
        self.latencies.merge(other.latencies);
        self.errors += other.errors;
        self.degraded += other.degraded;
        self.first_error = self.first_error.take().or(other.first_error);
        self.first_degraded = self.first_degraded.take().or(other.first_degraded);
    }
}

/// Runs a round.
pub async fn run(plan: &Plan) -> Round {
    let begin = Instant::now() + plan.warm_up;
    let end = begin + plan.duration;
    let mut conversations = JoinSet::new();
    for number in 0..plan.conversations {
        conversations.spawn(converse(plan.clone(), number, begin, end));
    }
    sleep_until(begin).await;
    let before = Cpu::read(plan);
    sleep_until(end).await;
    let after = Cpu::read(plan);

    let mut all = Tally::default();
    while let Some(ended) = conversations.join_next().await {
        match ended {
            Ok(tally) => all.merge(tally),
            Err(error) => all.fault(format!("a conversation failed: {error}")),
        }
    }
    let turns = all.latencies.len();
    #[expect(clippy::cast_precision_loss, reason = "a round has far fewer than 2^52 turns")]
    let count = turns as f64;
    let each = |before: Option<f64>, after: Option<f64>| Some((after? - before?) * 1000.0 / count.max(1.0));
    Round {
        turns,
        per_second: count / plan.duration.as_secs_f64(),
        latency: all.latencies.summary(),
        errors: all.errors,
        degraded: all.degraded,
        first_error: all.first_error,
        first_degraded: all.first_degraded,
        cpu_ms: each(before.server, after.server),
        cpu_in_all_ms: each(before.all, after.all),
    }
}

/// CPU seconds so far.
struct Cpu {
    server: Option<f64>,
    all: Option<f64>,
}

impl Cpu {
    fn read(plan: &Plan) -> Self {
        let server = plan.pid.and_then(process::cpu_seconds);
        let others = plan.helpers.iter().copied().chain([std::process::id()]).map(process::cpu_seconds);
        Self { server, all: server.and_then(|server| Some(server + others.sum::<Option<f64>>()?)) }
    }
}

async fn converse(plan: Plan, number: usize, begin: Instant, end: Instant) -> Tally {
    let share = u32::try_from(number).unwrap_or(0);
    let of = u32::try_from(plan.conversations.max(1)).unwrap_or(1);
    sleep(plan.stagger * share / of).await;

    let mut tally = Tally::default();
    let mut asker = Asker::default();
    let mut next = number * 37;
    while Instant::now() < end {
        let question = plan.questions.get(next % plan.questions.len().max(1)).map_or("", String::as_str);
        let level = plan.fresh_searches.then(|| format!("bench {number}.{next}"));
        next += 1;
        let asked_at = Instant::now();
        match timeout(PATIENCE, asker.turn(&plan, question, level)).await {
            Ok(Ok(stopped)) => {
                if asker.degraded(plan.expects) {
                    tally.degraded += 1;
                    tally.first_degraded.get_or_insert_with(|| asker.shown());
                }
                if stopped >= begin && stopped <= end {
                    tally.latencies.add(stopped - asked_at);
                }
            }
            Ok(Err(error)) => {
                tally.fault(error.to_string());
                asker = Asker::default();
                sleep(Duration::from_millis(10)).await;
            }
            Err(_) => {
                tally.fault("no answer in time".to_owned());
                asker = Asker::default();
            }
        }
    }
    tally
}

/// Why a turn was no good.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the question can't be written: {0}")]
    Question(#[from] serde_json::Error),
    #[error("status {0}: {1}")]
    Status(u16, String),
    #[error("the stream had no token or no end: {0}")]
    Unfinished(String),
}

/// One conversation's connection, session and buffers.
#[derive(Debug, Default)]
struct Asker {
    connection: Option<Connection>,
    session: Option<String>,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Asker {
    /// Asks, reads the whole answer, and tells when the clock stopped.
    async fn turn(&mut self, plan: &Plan, question: &str, level: Option<String>) -> Result<Instant, TurnError> {
        let body = request_body(plan.ask, question, self.session.as_deref(), level)?;
        post(&mut self.request, plan.ask.path(), body.as_bytes());
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(plan.addr).await?,
        };
        self.answer.clear();
        let status = connection.send(&self.request).await?;
        let mut stopped = None;
        while connection.read(&mut self.answer).await? {
            if plan.ask == Ask::Stream && stopped.is_none() && holds(&self.answer, b"\"type\":\"token\"") {
                stopped = Some(Instant::now());
            }
        }
        if status != 200 {
            return Err(TurnError::Status(status, self.shown()));
        }
        if self.session.is_none() {
            self.session = session_in(&self.answer);
        }
        let stopped = match plan.ask {
            Ask::Chat | Ask::Model => Instant::now(),
            Ask::Stream if holds(&self.answer, b"\"type\":\"final\"") => {
                stopped.ok_or_else(|| TurnError::Unfinished(self.shown()))?
            }
            Ask::Stream => return Err(TurnError::Unfinished(self.shown())),
        };
        self.connection = Some(connection);
        Ok(stopped)
    }

    fn degraded(&self, expects: Option<&str>) -> bool {
        let lacks = expects.is_some_and(|expected| !holds(&self.answer, expected.as_bytes()));
        lacks || holds(&self.answer, b"\"degraded\":[\"")
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.answer).chars().take(SHOWN).collect()
    }
}

/// What a diver's client sends.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diver_profile: Option<Profile>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    certification_level: String,
}

fn request_body(
    ask: Ask,
    question: &str,
    session: Option<&str>,
    level: Option<String>,
) -> Result<String, serde_json::Error> {
    if ask == Ask::Model {
        let messages = json!([{"role": "user", "content": question}]);
        return serde_json::to_string(&json!({"model": "bench", "messages": messages, "stream": true}));
    }
    let diver_profile = level.map(|certification_level| Profile { certification_level });
    serde_json::to_string(&Request { message: question, session_id: session, diver_profile })
}

/// Whether `bytes` hold `sought`.
pub(crate) fn holds(bytes: &[u8], sought: &[u8]) -> bool {
    bytes.windows(sought.len()).any(|window| window == sought)
}

fn session_in(answer: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(answer).ok()?;
    let (_, after) = text.split_once("\"sessionId\":\"")?;
    after.split_once('"').map(|(id, _)| id.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::extract::State;
    use axum::routing::post;
    use axum::{Json, Router};
    use serde_json::Value;

    use super::*;

    async fn answer(State(fresh): State<Arc<AtomicUsize>>, Json(asked): Json<Value>) -> Json<Value> {
        if asked["sessionId"].is_null() {
            fresh.fetch_add(1, Ordering::Relaxed);
        }
        Json(json!({"message": asked["message"], "sessionId": "one", "metadata": {"degraded": ["llm"]}}))
    }

    async fn serve() -> (SocketAddr, Arc<AtomicUsize>) {
        let fresh = Arc::new(AtomicUsize::new(0));
        let app = Router::new().route("/api/chat", post(answer)).with_state(Arc::clone(&fresh));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (addr, fresh)
    }

    fn plan(addr: SocketAddr, ask: Ask) -> Plan {
        Plan {
            addr,
            ask,
            conversations: 4,
            warm_up: Duration::from_millis(50),
            duration: Duration::from_millis(200),
            stagger: Duration::ZERO,
            questions: vec!["How deep?".to_owned()].into(),
            fresh_searches: true,
            expects: Some("sessionId"),
            pid: Some(std::process::id()),
            helpers: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_conversation_keeps_its_session_and_counts_what_was_missing() {
        let (addr, fresh) = serve().await;
        let round = run(&plan(addr, Ask::Chat)).await;
        assert_eq!((fresh.load(Ordering::Relaxed), round.errors), (4, 0));
        assert!(round.turns > 0 && round.degraded >= round.turns, "{round:?}");
        // Server and generator are one process here, counted once as each.
        let doubled = round.cpu_ms.unwrap() * 2.0;
        assert!((round.cpu_in_all_ms.unwrap() - doubled).abs() < 0.5 + doubled / 2.0, "{round:?}");
    }

    #[tokio::test]
    async fn a_wrong_answer_is_an_error_and_no_turn() {
        let (addr, _) = serve().await;
        let round = run(&plan(addr, Ask::Stream)).await;
        assert_eq!(round.turns, 0);
        assert!(round.errors > 0 && round.first_error.is_some_and(|error| error.contains("404")));
    }
}
