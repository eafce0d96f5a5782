//! How many turns a second the store takes, and how long the slowest waited.
//!
//! `cargo run --release -p dovvybuddy-store-sqlite --example throughput -- [callers] [seconds] [parts] [1: read]`
//!
//! One turn is `accept` with a charged limit, `claim`, and `finish` with `parts` outbox parts, durable on
//! a file in the working directory's file system; with `1` also `session`, which reads ten messages.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measuring tool"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dovvybuddy_core::channel::{Content, Inbound, Sender};
use dovvybuddy_core::lang::Lang;
use dovvybuddy_core::limit::{Charge, Quota};
use dovvybuddy_core::reply::Reply;
use dovvybuddy_core::session::Session;
use dovvybuddy_core::store::{FinishedTurn, Inbox, Outcome, Sessions, Upkeep, Usage};
use dovvybuddy_core::{
    AgentId, BotId, ChannelId, Clock, ConversationKey, DiverKey, SessionId, SystemClock, Timestamp, TurnId,
};
use dovvybuddy_store_sqlite::{OpenOptions, SqliteStore};

fn event(caller: usize, now: Timestamp) -> Inbound {
    let channel = ChannelId::new("web");
    let id = SystemClock.uuid();
    Inbound {
        turn: TurnId(id),
        conversation: ConversationKey {
            bot: BotId::default(),
            channel: channel.clone(),
            account: String::new(),
            conversation: caller.to_string(),
        },
        sender: Sender {
            key: DiverKey { bot: BotId::default(), channel, account: String::new(), user: format!("diver {caller}") },
            name: None,
            locale: None,
            contact: None,
        },
        event_id: id.to_string(),
        fingerprint: None,
        content: Content::Text("What do I need for the open water course, and how long does it take? ".repeat(2)),
        opens_conversation: false,
        received_at: now,
        ready_at: now,
        profile: None,
        state: None,
        context: serde_json::Value::Null,
    }
}

/// A caller's session has the caller's number.
fn session_of(caller: &str) -> SessionId {
    SessionId(uuid::Uuid::from_u128(caller.parse().unwrap()))
}

async fn one(store: &SqliteStore, caller: usize, parts: usize, read: bool) -> (Duration, Duration) {
    let begun = Instant::now();
    let now = SystemClock.now();
    let event = event(caller, now);
    let charge = Charge { key: event.sender.key.encode(), quota: Quota { per_minute: 6_000_000, burst: 100_000 } };
    store.accept(&event, session_of(&event.conversation.conversation), Some(&charge)).await.unwrap();
    let accepted = begun.elapsed();
    // Every caller has one message on its way, so there is a claim for each.
    let claim = loop {
        let now = SystemClock.now();
        if let Some(claim) = store.claim(now, now.plus(Duration::from_mins(1))).await.unwrap() {
            break claim;
        }
        store.wait_for_work(now, Duration::from_millis(1)).await;
    };
    let event = claim.events.first().unwrap();
    let session = if read {
        store.session(&claim.conversation, &event.sender.key, 10).await.unwrap().unwrap()
    } else {
        Session::open(session_of(&claim.conversation.conversation), claim.conversation.clone(), now)
    };
    let turn = FinishedTurn {
        id: event.turn,
        attempt: claim.attempt,
        diver: event.sender.key.clone(),
        said: claim.text(),
        reply: Reply::fixed(
            "You need a medical statement and about four days. [1] ".repeat(12),
            AgentId::new("certification"),
            Lang::default(),
        ),
        outcome: Outcome::Answered,
        session,
        stands_down: false,
        restarts_session: false,
        usage: Usage::default(),
        parts: vec![serde_json::json!({ "text": "You need a medical statement." }); parts],
        context: serde_json::Value::Null,
        at: now,
    };
    store.finish(&claim, &turn).await.unwrap();
    (accepted, begun.elapsed())
}

fn show(name: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!(
        "{name}: p50 {:?}, p95 {:?}, p99 {:?}, p99.9 {:?}, longest {:?}",
        at(0.5),
        at(0.95),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

#[tokio::main]
async fn main() {
    let argument = |n: usize, default: usize| std::env::args().nth(n).map_or(default, |a| a.parse().unwrap());
    let (callers, seconds, parts, read) = (argument(1, 64), argument(2, 10), argument(3, 0), argument(4, 0) > 0);
    let dir = tempfile::tempdir_in(".").unwrap();
    let options = OpenOptions {
        url_or_path: dir.path().join("bench.db").display().to_string(),
        dispatch: true,
        max_waiting: 10_000,
        migrate: true,
        clock: Arc::new(SystemClock),
    };
    let store = SqliteStore::open(options).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let (store, stop) = (store.clone(), Arc::clone(&stop));
        tasks.spawn(async move {
            let mut took = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                took.push(one(&store, caller, parts, read).await);
            }
            took
        });
    }
    tokio::time::sleep(Duration::from_secs(seconds as u64)).await;
    stop.store(true, Ordering::Relaxed);
    let took: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    let elapsed = begun.elapsed().as_secs_f64();
    println!("{callers} callers, {parts} parts: {:.0} turns/s", took.len() as f64 / elapsed);
    let (accepts, turns): (Vec<_>, Vec<_>) = took.into_iter().unzip();
    show("accept", accepts);
    show("turn", turns);
    for file in std::fs::read_dir(dir.path()).unwrap().flatten() {
        println!("{:>12} {}", file.metadata().unwrap().len(), file.file_name().display());
    }
    store.close().await.unwrap();
}
