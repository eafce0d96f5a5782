//! Several replicas on one database: what one of them does alone, and who takes up what a dead one left.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what was not expected ends the test"
)]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dovvybuddy_core::channel::{Content, Inbound, Sender};
use dovvybuddy_core::limit::{Charge, Quota};
use dovvybuddy_core::reply::Reply;
use dovvybuddy_core::store::{
    Accepted, Chronicle as _, Claim, Document, Edition, FinishedTurn, Inbox as _, KnowledgeBase as _, Leases as _,
    NewPassage, Outbox as _, Outcome, Schema, Sessions as _, StoreError, Upkeep as _, Usage,
};
use dovvybuddy_core::testkit::clock::{ManualClock, numbered};
use dovvybuddy_core::{
    AgentId, BotId, ChannelId, Clock, ConversationKey, DiverKey, Lang, SessionId, SystemClock, Timestamp, TurnId,
};
use dovvybuddy_fakes::postgres::Database;
use dovvybuddy_store_postgres::{OpenOptions, PostgresStore, Reckoning, known_version};
use futures::future::join_all;
use sqlx::{AssertSqlSafe, Executor as _};

const LEASE: Duration = Duration::from_secs(15);
/// A replica that died is noticed by the next beat of another one.
const NOTICED: Duration = Duration::from_secs(8);

fn options(database: &Database) -> OpenOptions {
    let (url, direct_url) = database.urls();
    OpenOptions {
        url,
        direct_url,
        connections: 6,
        dispatch: true,
        max_waiting: 100_000,
        migrate: true,
        adoption: None,
        clock: Arc::new(SystemClock),
        reckoning: Reckoning::Database,
    }
}

async fn open(database: &Database) -> PostgresStore {
    PostgresStore::open(options(database)).await.expect("it opens")
}

fn chat(name: &str) -> ConversationKey {
    ConversationKey {
        bot: BotId::default(),
        channel: ChannelId::new("telegram"),
        account: "bot1".into(),
        conversation: name.into(),
    }
}

/// Event `number` of a conversation, at this moment.
fn event(conversation: &str, number: u64, at: Timestamp) -> Inbound {
    let conversation = chat(conversation);
    let ConversationKey { bot, channel, account, conversation: user } = conversation.clone();
    Inbound {
        turn: TurnId(numbered(number)),
        conversation,
        sender: Sender { key: DiverKey { bot, channel, account, user }, name: None, locale: None, contact: None },
        event_id: format!("e{number}"),
        fingerprint: None,
        content: Content::Text(number.to_string()),
        opens_conversation: false,
        received_at: at,
        ready_at: at,
        profile: None,
        state: None,
        context: serde_json::Value::Null,
    }
}

async fn accept(store: &PostgresStore, event: &Inbound) -> Accepted {
    store.accept(event, SessionId(event.turn.0), None).await.expect("an answer")
}

async fn claim(store: &PostgresStore) -> Option<Claim> {
    let now = SystemClock.now();
    store.claim(now, now.plus(LEASE)).await.expect("a claim or none")
}

/// Waits for a claim as a worker does.
async fn claim_within(store: &PostgresStore, most: Duration) -> Claim {
    let begun = Instant::now();
    loop {
        if let Some(claim) = claim(store).await {
            return claim;
        }
        assert!(begun.elapsed() < most, "nothing to claim after {:?}", begun.elapsed());
        store.wait_for_work(SystemClock.now(), Duration::from_millis(200)).await;
    }
}

async fn answer(store: &PostgresStore, claim: &Claim, parts: Vec<serde_json::Value>) -> FinishedTurn {
    let diver = claim.events[0].sender.key.clone();
    let session = store.session(&claim.conversation, &diver, 10).await.unwrap().expect("a session");
    FinishedTurn {
        id: claim.turn().expect("an event"),
        attempt: claim.attempt,
        diver,
        said: claim.text(),
        reply: Reply::fixed("ok", AgentId::new("retrieval"), Lang::default()),
        outcome: Outcome::Answered,
        session,
        stands_down: false,
        restarts_session: false,
        usage: Usage::default(),
        parts,
        context: serde_json::Value::Null,
        at: SystemClock.now(),
    }
}

/// Ends a store as SIGKILL ends its process: nothing is said, its connections break.
fn kill(store: PostgresStore) {
    drop(store);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_events_offered_to_several_replicas_each_is_taken_once() {
    let database = Database::create().await.unwrap();
    let stores = join_all((0..3).map(|_| open(&database))).await;
    let now = SystemClock.now();
    // Half of them twice, at another replica, at the same moment.
    let offers = (0..600).flat_map(|n| {
        let twice = n % 2 == 0;
        (0..if twice { 2 } else { 1 }).map(move |again| (n, (usize::try_from(n).unwrap() + again) % 3))
    });
    let answers = join_all(offers.map(|(n, store)| {
        let (store, event) = (stores[store].clone(), event(&format!("c{}", n % 40), n, now));
        tokio::spawn(async move { accept(&store, &event).await })
    }))
    .await;
    let new = answers.iter().filter(|answer| matches!(answer, Ok(Accepted::New { .. }))).count();
    assert_eq!((new, answers.len()), (600, 900));
    assert_eq!(stores[0].backlog(now).await.unwrap().waiting, 600);

    // All of them work: every event once, in the order of its conversation.
    let workers = stores.iter().flat_map(|store| [store.clone(), store.clone()]).map(|store| {
        tokio::spawn(async move {
            let mut heard = Vec::new();
            let begun = Instant::now();
            while store.backlog(SystemClock.now()).await.unwrap().waiting > 0 {
                assert!(begun.elapsed() < Duration::from_mins(1), "it goes on");
                let Some(claim) = claim(&store).await else {
                    store.wait_for_work(SystemClock.now(), Duration::from_millis(100)).await;
                    continue;
                };
                heard.push((claim.fence, claim.conversation.conversation.clone(), claim.sequence[0], claim.text()));
                let turn = answer(&store, &claim, Vec::new()).await;
                store.finish(&claim, &turn).await.unwrap();
            }
            heard
        })
    });
    let mut heard: Vec<_> = join_all(workers).await.into_iter().flat_map(Result::unwrap).collect();
    heard.sort();
    let texts: HashSet<&str> = heard.iter().map(|(.., text)| text.as_str()).collect();
    assert_eq!((texts.len(), heard.len()), (600, 600));
    for conversation in 0..40 {
        let name = format!("c{conversation}");
        let order: Vec<i64> = heard.iter().filter(|(_, at, ..)| *at == name).map(|(_, _, seq, _)| *seq).collect();
        assert!(order.is_sorted() && order.len() == 15, "{name}: {order:?}");
    }
}

/// However wrong their own clocks are: the limit is counted by the database's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_holds_over_replicas_with_wrong_clocks() {
    let database = Database::create().await.unwrap();
    let now = SystemClock.now();
    let hour = Duration::from_hours(1);
    let clocks = [now.minus(hour), now, now.plus(hour), now.plus(hour * 24 * 3650)];
    let mut stores = Vec::new();
    for at in clocks {
        let clock = ManualClock::default();
        clock.set(at);
        stores.push((
            PostgresStore::open(OpenOptions { clock: Arc::new(clock), ..options(&database) }).await.unwrap(),
            at,
        ));
    }
    let charge = Charge { key: "k".into(), quota: Quota { per_minute: 1, burst: 7 } };
    let answers = join_all((0..80).map(|n: u64| {
        let (store, at) = &stores[usize::try_from(n).unwrap() % stores.len()];
        let (event, charge) = (event(&format!("c{n}"), n, *at), charge.clone());
        async move { store.accept(&event, SessionId(event.turn.0), Some(&charge)).await.unwrap() }
    }))
    .await;
    let new = answers.iter().filter(|answer| matches!(answer, Accepted::New { .. })).count();
    assert_eq!(new, 7);
    let patient = |answer: &Accepted| match answer {
        Accepted::Limited { retry_after } => *retry_after <= Duration::from_mins(1) && !retry_after.is_zero(),
        _ => true,
    };
    assert!(answers.iter().all(patient), "{answers:?}");
    // And whoever's clock is ahead makes nobody wait.
    for _ in 0..7 {
        claim_within(&stores[1].0, Duration::from_secs(5)).await;
    }
}

/// Its lane is free at once, not when the lease ends; what it still writes is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_replicas_lane_and_parts_are_taken_over() {
    let database = Database::create().await.unwrap();
    let (dying, other) = (open(&database).await, open(&database).await);
    accept(&dying, &event("c", 1, SystemClock.now())).await;
    accept(&dying, &event("d", 2, SystemClock.now())).await;
    let held = claim(&dying).await.expect("its own");
    let sent = claim(&dying).await.expect("its own");
    let turn = answer(&dying, &sent, vec!["part".into()]).await;
    dying.finish(&sent, &turn).await.unwrap();
    assert_eq!(dying.due(SystemClock.now(), 9).await.unwrap().len(), 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(claim(&other).await, None, "it lives, and works on it");
    let late = answer(&dying, &held, Vec::new()).await;

    let begun = Instant::now();
    kill(dying);
    let again = claim_within(&other, NOTICED).await;
    assert!(begun.elapsed() < LEASE);
    assert_eq!((again.events.clone(), again.attempt, again.crashes), (held.events.clone(), 2, 1));
    assert!(again.fence > held.fence);
    assert!(matches!(other.finish(&held, &late).await, Err(StoreError::LeaseLost)));
    let turn = answer(&other, &again, Vec::new()).await;
    other.finish(&again, &turn).await.unwrap();
    loop {
        if let Some(part) = other.due(SystemClock.now(), 9).await.unwrap().pop() {
            assert!(part.uncertain, "it may have arrived");
            break;
        }
        assert!(begun.elapsed() < LEASE);
        other.wait_for_parts(SystemClock.now(), Duration::from_millis(200)).await;
    }
}

/// What only one may hold has one holder, and another when that one is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_has_one_holder() {
    let database = Database::create().await.unwrap();
    let (first, second) = (open(&database).await, open(&database).await);
    assert!(first.hold("token").await.unwrap());
    assert!(!second.hold("token").await.unwrap());
    assert!(second.hold("another token").await.unwrap());
    first.let_go("token").await.unwrap();
    assert!(second.hold("token").await.unwrap());
    assert!(!first.hold("token").await.unwrap());
    let begun = Instant::now();
    kill(second);
    while !first.hold("token").await.unwrap() {
        assert!(begun.elapsed() < NOTICED);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A conversation is left to the replica that its client is connected to, and no longer than a moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_replicas_messages_are_taken_by_another_after_a_moment() {
    let database = Database::create().await.unwrap();
    let (busy, idle) = (open(&database).await, open(&database).await);
    let begun = Instant::now();
    accept(&busy, &event("c", 1, SystemClock.now())).await;
    assert_eq!(claim(&idle).await, None);
    claim_within(&idle, Duration::from_secs(5)).await;
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
}

/// Connections break all the time: everything is accepted once, answered once, and nobody is told of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_lose_and_double_nothing() {
    let database = Arc::new(Database::create().await.unwrap());
    let store = open(&database).await;
    let over = Arc::new(AtomicBool::new(false));
    let cutter = tokio::spawn({
        let (database, over) = (Arc::clone(&database), Arc::clone(&over));
        async move {
            while !over.load(Ordering::Relaxed) {
                database.cut().await.unwrap();
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
        }
    });
    for n in 0..150 {
        let answer = accept(&store, &event(&format!("c{}", n % 5), n, SystemClock.now())).await;
        assert!(matches!(answer, Accepted::New { .. }), "{answer:?}");
    }
    over.store(true, Ordering::Relaxed);
    cutter.await.unwrap();
    assert_eq!(store.backlog(SystemClock.now()).await.unwrap().waiting, 150);
    let mut heard = HashSet::new();
    while heard.len() < 150 {
        let claim = claim_within(&store, LEASE * 2).await;
        assert!(heard.insert(claim.text()), "twice: {}", claim.text());
        let turn = answer(&store, &claim, Vec::new()).await;
        store.finish(&claim, &turn).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_changed_is_told_and_ones_own_is_not() {
    let database = Database::create().await.unwrap();
    let (here, there) = (open(&database).await, open(&database).await);
    let passage = NewPassage { section: String::new(), text: "x".into(), hash: "h".into() };
    let document = Document { path: "a.md".into(), passages: vec![passage], ..Document::default() };
    let edition = Edition { version: "v1".into(), put: vec![document], ..Edition::default() };
    here.publish(&edition, SystemClock.now()).await.unwrap();
    let begun = Instant::now();
    while !there.changed().await.unwrap() {
        assert!(begun.elapsed() < NOTICED);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!there.changed().await.unwrap(), "once");
    assert!(!here.changed().await.unwrap());
}

/// Of two that listen one tells, and a lead that is committed after one with a later number is told all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_is_told_by_one_replica_and_none_is_left_out() {
    let database = Database::create().await.unwrap();
    let (here, there) = (open(&database).await, open(&database).await);
    let long_ago = Timestamp::from_millis(0);
    here.untold(long_ago, 9).await.unwrap();
    let lead = |id: u8| {
        format!(
            "INSERT INTO leads (id, bot, kind, data, profile, created_at)
             VALUES ('00000000-0000-0000-0000-00000000000{id}', 'default', 'trip', '{{}}', '{{}}', 5)"
        )
    };
    let (mut slow, mut quick) = (database.connect().await.unwrap(), database.connect().await.unwrap());
    slow.execute("BEGIN").await.unwrap();
    slow.execute(AssertSqlSafe(lead(1))).await.unwrap();
    quick.execute(AssertSqlSafe(lead(2))).await.unwrap();
    let told = async |store: &PostgresStore| {
        let untold = store.untold(long_ago, 9).await.unwrap();
        let ids = untold.news.iter().map(|news| format!("{:?}", news.about())).collect::<Vec<_>>().join(" ");
        (untold, ids)
    };
    let (first, ids) = told(&here).await;
    assert!(ids.contains("02") && !ids.contains("01"), "{ids}");
    let (bot, now) = (BotId::default(), SystemClock.now());
    let (one, other) = tokio::join!(here.announce(&bot, &first, &[], now), there.announce(&bot, &first, &[], now));
    assert!(one.unwrap() ^ other.unwrap());
    slow.execute("COMMIT").await.unwrap();
    let (_, ids) = told(&there).await;
    assert!(ids.contains("01") && !ids.contains("02"), "{ids}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_is_brought_up_once() {
    let database = Database::create().await.unwrap();
    let unready = OpenOptions { migrate: false, ..options(&database) };
    assert!(matches!(PostgresStore::open(unready.clone()).await, Err(StoreError::OlderSchema { found: 0, .. })));
    let opened = join_all((0..4).map(|_| PostgresStore::open(options(&database)))).await;
    for store in opened {
        assert_eq!(store.unwrap().schema().await.unwrap().version, known_version());
    }
    PostgresStore::open(unready).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_used_until_a_migration_says_otherwise() {
    let database = Database::create().await.unwrap();
    let store = open(&database).await;
    let before = store.schema().await.unwrap();
    accept(&store, &event("c", 1, SystemClock.now())).await;
    store.close().await.unwrap();

    let later = "ALTER TABLE sessions ADD COLUMN mood text NOT NULL DEFAULT '';
                 ALTER TABLE inbox ADD COLUMN weight bigint;
                 ALTER TABLE outbox ADD COLUMN priority bigint NOT NULL DEFAULT 0;
                 CREATE TABLE moods (name text PRIMARY KEY);
                 INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9001, 'only adds', true, '', 1)";
    let mut conn = database.connect().await.unwrap();
    conn.execute(later).await.unwrap();
    let store = open(&database).await;
    assert_eq!(store.schema().await.unwrap(), Schema { version: 9001, ..before });
    let claimed = claim_within(&store, NOTICED).await;
    assert_eq!(claimed.text(), "1");
    let turn = answer(&store, &claimed, Vec::new()).await;
    store.finish(&claimed, &turn).await.unwrap();
    store.close().await.unwrap();

    conn.execute("UPDATE meta SET value = 9001 WHERE name = 'oldest_program'").await.unwrap();
    let refused = PostgresStore::open(options(&database)).await;
    let known = known_version();
    assert!(
        matches!(refused, Err(StoreError::NewerSchema { found: 9001, oldest: 9001, known: k }) if k == known),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anothers_database_is_left_alone() {
    let database = Database::create().await.unwrap();
    database.connect().await.unwrap().execute("CREATE TABLE sessions (id uuid PRIMARY KEY)").await.unwrap();
    let refused = PostgresStore::open(options(&database)).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
}
