//! Several replicas on one Postgres while they die, stand still and come back. `scripts/soak` runs the whole figures;
//! without variables these are samples.

mod chats;
mod failover;
mod upgrade;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dovvybuddy_fakes::postgres::Database;
use futures::future::join_all;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row as _};
use tokio::sync::RwLock;

use crate::crashes::{Dice, number_from};
use crate::models;
use crate::postgres::on;
use crate::support::{Daemon, Setup, client};
use crate::wire::Live;

const QUESTION: &str = "How deep may I dive with Open Water?";
/// The longest that anybody waits for a reply while a dead replica's work is taken over.
const TAKEOVER: Duration = Duration::from_secs(20);

fn seconds_from(variable: &str, default: u64) -> Duration {
    Duration::from_secs(number_from(variable, default))
}

async fn counted(url: &str, sql: &'static str) -> i64 {
    sqlx::query(sql).fetch_one(&mut PgConnection::connect(url).await.unwrap()).await.unwrap().get(0)
}

/// Where each replica can be reached; nothing while it is down.
type Bases = Arc<RwLock<Vec<Option<String>>>>;

struct Fleet {
    setups: Vec<Setup>,
    daemons: Vec<Option<Daemon>>,
    bases: Bases,
}

impl Fleet {
    async fn start(setups: Vec<Setup>) -> Self {
        let daemons: Vec<_> = join_all(setups.iter().map(Setup::start)).await.into_iter().map(Some).collect();
        let bases = daemons.iter().map(|daemon| daemon.as_ref().map(|daemon| daemon.base.clone())).collect();
        Self { setups, daemons, bases: Arc::new(RwLock::new(bases)) }
    }

    fn any(&self) -> &Daemon {
        self.daemons.iter().flatten().next().expect("a replica runs")
    }

    /// SIGKILL, and a new one in its place.
    async fn replace(&mut self, n: usize) {
        self.daemons[n].take().expect("it runs").kill().await;
        self.bases.write().await[n] = None;
        let daemon = self.setups[n].start().await;
        self.bases.write().await[n] = Some(daemon.base.clone());
        self.daemons[n] = Some(daemon);
    }

    /// Clients who have said nothing yet.
    async fn talks(&self, number: usize) -> Vec<Talk> {
        let sessions = join_all((0..number).map(|_| self.any().session())).await;
        sessions.into_iter().map(|session| Talk { session, ..Talk::default() }).collect()
    }

    /// Nothing was lost, answered twice or put out of order. Gives how many messages there were.
    async fn check(&self, url: &str, all: &[Talk]) -> usize {
        for talk in all {
            talk.check(&self.any().history(&talk.session).await);
        }
        let messages: usize = all.iter().map(|talk| talk.told.len()).sum();
        assert_eq!(counted(url, "SELECT count(*) FROM turns").await, i64::try_from(messages).unwrap());
        assert_eq!(counted(url, "SELECT count(*) FROM inbox WHERE covered_by IS NULL").await, 0);
        messages
    }

    async fn end(self) {
        for daemon in self.daemons.into_iter().flatten() {
            daemon.kill().await;
        }
    }
}

async fn replica(bases: &Bases, dice: &mut Dice) -> String {
    loop {
        let up: Vec<String> = bases.read().await.iter().flatten().cloned().collect();
        if let Some(base) = up.get(usize::try_from(dice.below(up.len().max(1) as u64)).unwrap()) {
            return base.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends a message to replica after replica until it has its reply, as a front end behind a load balancer does.
/// Returns the reply, and whether a connection broke meanwhile.
async fn insist(
    client: &Client,
    bases: &Bases,
    dice: &mut Dice,
    session: &str,
    key: &str,
    text: &str,
) -> (Value, bool) {
    let (begun, mut broke) = (Instant::now(), false);
    loop {
        let base = replica(bases, dice).await;
        let request = client.post(format!("{base}/api/chat")).header("Idempotency-Key", key);
        match request.json(&json!({ "message": text, "sessionId": session })).send().await {
            Ok(response) if response.status() == StatusCode::OK => {
                if let Ok(answer) = response.json().await {
                    return (answer, broke);
                }
                broke = true;
            }
            Ok(response) => {
                let busy = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS];
                assert!(busy.contains(&response.status()), "{key}: {}", response.text().await.unwrap_or_default());
            }
            Err(_) => broke = true,
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "{key} has no reply after {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What one client knows of its conversation.
#[derive(Default)]
struct Talk {
    session: String,
    /// What was said, and what was told, in this order.
    told: Vec<(String, String)>,
    /// How long the replies took whose replica died.
    interrupted: Vec<Duration>,
}

impl Talk {
    async fn go_on(&mut self, name: usize, bases: Bases, pace: Duration, over: &AtomicBool) {
        let (client, mut dice) = (client(), Dice(name as u64 + 1));
        // Not all at the same moment.
        tokio::time::sleep(pace * u32::try_from(dice.below(1000)).unwrap() / 1000).await;
        for n in 0.. {
            if over.load(Ordering::Relaxed) {
                return;
            }
            let text = format!("Message {name}-{n}: how deep may I dive with Open Water?");
            let sent = Instant::now();
            let key = format!("{name}-{n}");
            let (answer, broke) = insist(&client, &bases, &mut dice, &self.session, &key, &text).await;
            if broke {
                self.interrupted.push(sent.elapsed());
            }
            self.told.push((text, answer["message"].as_str().unwrap().to_owned()));
            tokio::time::sleep(pace).await;
        }
    }

    /// Everything said stands there once, in its order, each followed by what was told.
    fn check(&self, history: &[(String, String)]) {
        assert_eq!(history.len(), self.told.len() * 2, "{history:#?}");
        for ((said, told), pair) in self.told.iter().zip(history.chunks(2)) {
            assert_eq!(pair, [("user".into(), said.clone()), ("assistant".into(), told.clone())]);
        }
    }
}

/// All of them write until it is over.
async fn go_on(all: &mut [Talk], bases: &Bases, pace: Duration, over: &AtomicBool) {
    join_all(all.iter_mut().enumerate().map(|(name, talk)| talk.go_on(name, Arc::clone(bases), pace, over))).await;
}

/// `REPLICA_TALKS` conversations, each with a message every `REPLICA_PACE` milliseconds, while a random replica is
/// killed every `REPLICA_KILL_EVERY` seconds for `REPLICA_SECONDS`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_nothing_is_lost_doubled_or_out_of_order() {
    let talks = usize::try_from(number_from("REPLICA_TALKS", 24)).unwrap();
    let (every, lasts) = (seconds_from("REPLICA_KILL_EVERY", 3), seconds_from("REPLICA_SECONDS", 11));
    let pace = Duration::from_millis(number_from("REPLICA_PACE", 150));
    let database = Database::create().await.unwrap();
    let mut fleet = Fleet::start((0..3).map(|_| on(&database)).collect()).await;
    let mut all = fleet.talks(talks).await;
    let (over, bases) = (AtomicBool::new(false), Arc::clone(&fleet.bases));
    let until = Instant::now() + lasts;
    let talking = go_on(&mut all, &bases, pace, &over);
    let mut kills = 0;
    let killing = async {
        let mut dice = Dice(number_from("SOAK_SEED", 42));
        let mut next = Instant::now() + every;
        while next < until {
            tokio::time::sleep_until(next.into()).await;
            fleet.replace(usize::try_from(dice.below(3)).unwrap()).await;
            kills += 1;
            next += every;
        }
        tokio::time::sleep_until(until.into()).await;
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(talking, killing);

    let messages = fleet.check(&database.url(), &all).await;
    let mut interrupted: Vec<Duration> = all.iter().flat_map(|talk| talk.interrupted.clone()).collect();
    interrupted.sort();
    let p99 = interrupted.get((interrupted.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
    println!(
        "{kills} kills, {talks} conversations, {messages} messages: 0 lost, 0 second turns, 0 inversions; {} replies \
         whose replica died took p99 {p99:?}, at most {:?}",
        interrupted.len(),
        interrupted.last().copied().unwrap_or_default()
    );
    assert!(p99 <= TAKEOVER, "{p99:?}");
    fleet.end().await;
}

/// `REPLICA_IDS` messages, half of them once more, at the same moment, at another replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_come_again_anywhere_make_no_second_turn() {
    let ids = number_from("REPLICA_IDS", 200);
    let database = Database::create().await.unwrap();
    let fleet = Fleet::start((0..3).map(|_| on(&database)).collect()).await;
    let sessions = join_all((0..20).map(|_| fleet.any().session())).await;
    let (client, work) = (client(), Arc::new(tokio::sync::Semaphore::new(40)));
    let sends = (0..ids).map(|n| {
        let (client, bases, work) = (client.clone(), Arc::clone(&fleet.bases), Arc::clone(&work));
        let session = sessions[usize::try_from(n).unwrap() % sessions.len()].clone();
        tokio::spawn(async move {
            let _room = work.acquire().await.unwrap();
            let (key, text) = (format!("id-{n}"), format!("Message {n}: {QUESTION}"));
            let (mut here, mut there) = (Dice(n), Dice(n + 1_000_000));
            let first = insist(&client, &bases, &mut here, &session, &key, &text);
            if n % 2 == 1 {
                return vec![first.await.0];
            }
            let again = insist(&client, &bases, &mut there, &session, &key, &text);
            let (first, again) = tokio::join!(first, again);
            vec![first.0, again.0]
        })
    });
    for answers in join_all(sends).await {
        let turns: Vec<Value> =
            answers.unwrap().into_iter().map(|answer| answer["metadata"]["turnId"].clone()).collect();
        assert!(turns.iter().all(|turn| turn.is_string() && *turn == turns[0]), "{turns:?}");
    }
    assert_eq!(counted(&database.url(), "SELECT count(*) FROM turns").await, i64::try_from(ids).unwrap());
    fleet.end().await;
}

/// One diver writes to all replicas as fast as they answer: never more than the burst and what has flowed in since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_never_exceeded_over_all_replicas() {
    const BURST: u64 = 5;
    let database = Database::create().await.unwrap();
    let limited = || on(&database).with("LIMITS__DIVER_PER_MINUTE", "120").with("LIMITS__DIVER_BURST", "5");
    let fleet = Fleet::start((0..3).map(|_| limited()).collect()).await;
    let body = json!({ "message": QUESTION, "sessionId": fleet.any().session().await });
    let (begun, lasts) = (Instant::now(), seconds_from("REPLICA_LIMIT_SECONDS", 5));
    let writers = fleet.daemons.iter().flatten().flat_map(|daemon| [daemon, daemon]).map(|daemon| async {
        let mut taken = 0;
        while begun.elapsed() < lasts {
            match daemon.post("/api/chat/stream", &body).await.status() {
                StatusCode::OK => taken += 1,
                StatusCode::TOO_MANY_REQUESTS => tokio::time::sleep(Duration::from_millis(20)).await,
                other => panic!("{other}"),
            }
        }
        taken
    });
    let taken: u64 = join_all(writers).await.into_iter().sum();
    let flowed = 2.0 * begun.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "a few dozen")]
    let (taken, most) = (taken as f64, BURST as f64 + flowed);
    assert!(taken <= most, "{taken} of {most}");
    assert!(taken >= most * 0.8, "{taken} of {most}");
    fleet.end().await;
}

/// Whatever runs in a conversation ends for an emergency, whichever replica hears of it.
#[tokio::test]
async fn an_emergency_cuts_short_what_another_replica_is_answering() {
    let database = Database::create().await.unwrap();
    let model = models::start(models::slow(Duration::from_secs(15))).await;
    let setups = (0..2).map(|_| {
        let mut setup = on(&database);
        models::with_model(&mut setup, &model);
        setup
    });
    let fleet = Fleet::start(setups.collect()).await;
    let (one, two) = (fleet.daemons[0].as_ref().unwrap(), fleet.daemons[1].as_ref().unwrap());
    let session = one.session().await;
    let mut stream = one.stream(Some(&session), QUESTION).await;
    stream.next_of("route").await.unwrap();
    let asked = Instant::now();
    let alarm = two.ask(Some(&session), "my buddy can't feel his legs after the dive").await;
    assert!(alarm["message"].as_str().unwrap().contains("oxygen"), "{alarm}");
    let rest = stream.rest().await;
    assert_eq!(rest.last().expect("an end").kind(), "final", "{rest:?}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    fleet.end().await;
}

/// A client whose connection breaks finds the rest of its running stream at another replica.
#[tokio::test]
async fn a_stream_goes_on_at_another_replica() {
    let database = Database::create().await.unwrap();
    let model = models::start(models::slow(Duration::from_secs(4))).await;
    let setups = (0..2).map(|_| {
        let mut setup = on(&database);
        models::with_model(&mut setup, &model);
        setup
    });
    let fleet = Fleet::start(setups.collect()).await;
    let (one, two) = (fleet.daemons[0].as_ref().unwrap(), fleet.daemons[1].as_ref().unwrap());
    let mut stream = one.stream(Some(&one.session().await), QUESTION).await;
    let route = stream.next_of("route").await.unwrap();
    let turn = route.data["metadata"]["turnId"].as_str().unwrap().to_owned();
    let mut text = String::new();
    let last = loop {
        let event = stream.next().await.expect("it goes on");
        if event.kind() == "token" {
            text.push_str(event.data["content"].as_str().unwrap());
            break event;
        }
    };
    drop(stream);
    let resumed = two.client.get(format!("{}/api/turns/{turn}/events", two.base)).header("Last-Event-ID", &last.id);
    let rest = Live::new(resumed.send().await.unwrap()).rest().await;
    let end = rest.last().expect("events");
    assert_eq!(end.kind(), "final", "{rest:?}");
    // Either the rest, or the reply from its beginning under a new route.
    if rest.iter().any(|event| event.kind() == "route") {
        text.clear();
    }
    text.extend(
        rest.iter().filter(|event| event.kind() == "token").map(|event| event.data["content"].as_str().unwrap()),
    );
    assert_eq!(end.data["content"], text.as_str());
    fleet.end().await;
}
