//! The database as a file: opening, refusing, copying, moving between versions and processes.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test's way to fail")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::channel::{Content, Inbound, Sender};
use dovvybuddy_core::lead::{Lead, LeadKind};
use dovvybuddy_core::session::{DiverProfile, Session};
use dovvybuddy_core::store::{
    ApiKey, Inbox, Keys, KnowledgeBase, Leads, Notice, Outbox, Privacy, Schema, Sessions, StoreError, Subject, Upkeep,
};
use dovvybuddy_core::testkit::clock::{ManualClock, START, numbered};
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, DiverKey, LeadId, SessionId, TurnId};
use dovvybuddy_store_sqlite::{HandOver, OpenOptions, SqliteStore, backup, known_version, restore};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

fn options(path: &Path, dispatch: bool) -> OpenOptions {
    OpenOptions {
        url_or_path: path.display().to_string(),
        dispatch,
        max_waiting: 10,
        migrate: true,
        clock: Arc::new(ManualClock::default()),
    }
}

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(options(path, true)).await.expect("open")
}

fn conversation(name: &str) -> ConversationKey {
    ConversationKey {
        bot: BotId::default(),
        channel: ChannelId::new("web"),
        account: String::new(),
        conversation: name.into(),
    }
}

async fn remember(store: &SqliteStore, name: &str, number: u64) {
    let session = Session::open(SessionId(numbered(number)), conversation(name), START);
    store.open_session(&session).await.expect("stored");
}

async fn knows(store: &SqliteStore, name: &str) -> bool {
    let diver =
        DiverKey { bot: BotId::default(), channel: ChannelId::new("web"), account: String::new(), user: "u".into() };
    store.session(&conversation(name), &diver, 1).await.expect("readable").is_some()
}

async fn raw(path: &Path, sql: &'static str) {
    let mut conn = SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.expect("connect");
    sqlx::raw_sql(sql).execute(&mut conn).await.expect("executed");
    conn.close().await.expect("closed");
}

/// The demo mode leaves nothing behind.
#[tokio::test]
async fn a_store_in_memory_is_removed_at_drop() {
    let memory = OpenOptions { url_or_path: "sqlite::memory:".into(), ..options(Path::new(""), true) };
    let store = SqliteStore::open(memory).await.expect("open");
    remember(&store, "a", 1).await;
    let path = store.path().to_owned();
    assert!(path.exists());
    store.close().await.expect("closed");
    drop(store);
    assert!(!path.exists() && !path.parent().is_some_and(Path::exists));
}

#[tokio::test]
async fn a_url_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/er/x.db");
    for url in [format!("sqlite://{}", path.display()), format!("sqlite:{}?mode=rwc", path.display())] {
        let store = SqliteStore::open(OpenOptions { url_or_path: url, ..options(&path, true) }).await.expect("open");
        assert_eq!(store.path(), path);
        store.close().await.expect("closed");
    }
}

#[tokio::test]
async fn a_file_of_another_program_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.db");
    raw(&path, "CREATE TABLE theirs (x); PRAGMA application_id = 7").await;
    let before = fs::read(&path).unwrap();
    assert!(matches!(SqliteStore::open(options(&path, true)).await, Err(StoreError::Corrupt(_))));
    let text = dir.path().join("text.db");
    fs::write(&text, "no database at all, but long enough to be looked at".repeat(50)).unwrap();
    assert!(matches!(SqliteStore::open(options(&text, true)).await, Err(StoreError::Corrupt(_))));
    assert_eq!(fs::read(&path).unwrap().len(), before.len());
}

#[tokio::test]
async fn a_newer_schema_is_used_until_a_migration_says_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy, back) = (dir.path().join("x.db"), dir.path().join("copy.db"), dir.path().join("back.db"));
    let store = open(&path).await;
    let before = store.schema().await.expect("readable");
    assert_eq!(before.version, known_version());
    remember(&store, "before", 1).await;
    store.close().await.expect("closed");
    drop(store);

    raw(
        &path,
        "ALTER TABLE sessions ADD COLUMN mood TEXT NOT NULL DEFAULT '';
         ALTER TABLE inbox ADD COLUMN weight INTEGER;
         ALTER TABLE outbox ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
         CREATE TABLE moods (name TEXT PRIMARY KEY) WITHOUT ROWID;
         INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9001, 'only adds', 1, x'00', 0)",
    )
    .await;
    let store = open(&path).await;
    assert_eq!(store.schema().await.expect("readable"), Schema { version: 9001, ..before });
    assert!(knows(&store, "before").await);
    remember(&store, "after", 2).await;
    assert!(knows(&store, "after").await);
    backup(&path, &copy).await.expect("copied");
    restore(&copy, &back).await.expect("put back");
    store.close().await.expect("closed");
    drop(store);
    // This program would leave behind what was added.
    let moved = HandOver::open(&path).await.err();
    assert!(matches!(moved, Some(StoreError::NewerSchema { found: 9001, oldest: 9001, .. })), "{moved:?}");

    raw(&path, "UPDATE meta SET value = 9001 WHERE name = 'oldest_program'").await;
    let refused = SqliteStore::open(options(&path, true)).await;
    let known = known_version();
    assert!(
        matches!(refused, Err(StoreError::NewerSchema { found: 9001, oldest: 9001, known: k }) if k == known),
        "{refused:?}"
    );
}

#[tokio::test]
async fn without_leave_to_migrate_an_older_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let refused = SqliteStore::open(OpenOptions { migrate: false, ..options(&path, true) }).await;
    assert!(matches!(refused, Err(StoreError::OlderSchema { found: 0, .. })), "{refused:?}");
    open(&path).await.close().await.expect("closed");
    SqliteStore::open(OpenOptions { migrate: false, ..options(&path, true) }).await.expect("up to date");
}

/// Two commands started at the same moment on a fresh machine.
#[tokio::test]
async fn two_processes_may_create_the_schema_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let opened = futures::future::join_all((0..4).map(|_| SqliteStore::open(options(&path, false)))).await;
    for store in opened {
        assert_eq!(store.expect("open").schema().await.expect("readable").version, known_version());
    }
}

/// What an earlier version stored is there after every migration since. The fixture is the first
/// schema's own SQL, filled by hand; a new migration is tested by adding its number here.
#[tokio::test]
async fn rows_of_the_first_version_survive_migration() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let first = sqlx::migrate::Migrator::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/sqlite"))
        .await
        .expect("the folder");
    let mut conn =
        SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.expect("connect");
    first.run_to(1, &mut conn).await.expect("the first schema");
    sqlx::raw_sql(include_str!("fixtures/0001.sql")).execute(&mut conn).await.expect("the rows");
    conn.close().await.expect("closed");

    let store = open(&path).await;
    // 9: the schema says for whom it is. What comes later only adds.
    let schema = Schema { version: known_version(), oldest_program: 9 };
    assert_eq!(store.schema().await.expect("readable"), schema);
    assert!(knows(&store, "abc").await);
    assert_eq!(store.keys().await.expect("readable").len(), 1);
    // 2: documents belong to a root, and what waits knows how often it was parked.
    let documents = store.documents().await.expect("readable");
    let of: Vec<_> = documents.iter().map(|document| (document.root.as_str(), document.path.as_str())).collect();
    assert_eq!(of, [("content", "safety/ears.md")]);
    let claim = store.claim(START, START).await.expect("readable").expect("the waiting message");
    assert_eq!((claim.text().as_str(), claim.attempt, claim.crashes), ("how deep", 3, 2));
}

/// Only the log is looked at here; the contract looks at all files.
#[tokio::test]
async fn erasures_that_come_together_are_cleaned_up_together() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x.db");
    let store = open(&path).await;
    for number in 0..40 {
        remember(&store, &format!("CANARY {number}"), number).await;
    }
    let erase = |number| {
        let store = store.clone();
        async move { store.erase(&Subject::Session(BotId::default(), SessionId(numbered(number))), false).await }
    };
    let began = std::time::Instant::now();
    let erased = futures::future::join_all((0..40).map(erase)).await;
    assert!(erased.into_iter().all(|rows| rows.expect("erased") > 0));
    println!("40 erasures together took {:?}", began.elapsed());
    for file in fs::read_dir(dir.path()).expect("readable").flatten() {
        let bytes = fs::read(file.path()).expect("readable");
        assert!(!bytes.windows(6).any(|word| word == b"CANARY"), "{}", file.path().display());
    }
}

/// A daemon killed right after an erasure: the next start, or a command, finishes it.
#[tokio::test]
async fn an_erasure_that_was_cut_off_is_finished_by_whoever_opens_next() {
    for dispatch in [true, false] {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("x.db");
        let store = open(&path).await;
        remember(&store, "CANARY", 1).await;
        store.close().await.expect("closed");
        drop(store);
        // What an erasure commits before the files are cleaned.
        raw(
            &path,
            "PRAGMA secure_delete = OFF; DELETE FROM sessions; DELETE FROM participants; DELETE FROM divers; INSERT INTO meta (name, value) VALUES ('scrub', 1)",
        )
        .await;
        let traces = || fs::read(&path).expect("readable").windows(6).any(|word| word == b"CANARY");
        assert!(traces(), "there is something to clean");
        let store = SqliteStore::open(options(&path, dispatch)).await.expect("open");
        store.close().await.expect("closed");
        assert!(!traces(), "dispatch: {dispatch}");
    }
}

/// One process hands out the lanes; others may open the store beside it, and it notices what they do.
#[tokio::test]
async fn a_second_process_works_beside_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let serve = open(&path).await;
    assert!(!serve.changed().await.expect("first look"));
    remember(&serve, "own", 1).await;
    assert!(!serve.changed().await.expect("own writes are no news"));

    let refused = SqliteStore::open(options(&path, true)).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(ref why)) if why.to_string().contains("another process")),
        "{refused:?}"
    );
    let command = SqliteStore::open(options(&path, false)).await.expect("beside it");
    let key = ApiKey { id: "k".into(), name: "n".into(), scope: "s".into(), created_at: START, revoked_at: None };
    command.add_key(&key, "h").await.expect("stored");
    assert!(serve.changed().await.expect("looked"));
    assert!(!serve.changed().await.expect("looked"));
    assert_eq!(serve.keys().await.expect("readable"), [key]);
}

#[tokio::test]
async fn a_backup_is_taken_while_serving_and_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("x.db"), dir.path().join("copy.db"));
    let store = open(&path).await;
    remember(&store, "before", 1).await;
    backup(&path, &copy).await.expect("copied");
    assert!(backup(&path, &copy).await.is_err(), "an existing backup is not overwritten");
    remember(&store, "after", 2).await;
    assert!(restore(&copy, &path).await.is_err(), "refused while served");
    store.close().await.expect("closed");
    drop(store);

    restore(&copy, &path).await.expect("put back");
    let store = open(&path).await;
    assert!(knows(&store, "before").await);
    assert!(!knows(&store, "after").await);
}

/// The copy one takes before an upgrade, with the new program already there.
#[tokio::test]
async fn a_backup_leaves_an_older_database_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("x.db"), dir.path().join("copy.db"));
    open(&path).await.close().await.expect("closed");
    raw(&path, "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    backup(&path, &copy).await.expect("copied");
    for database in [&path, &copy] {
        let opened = SqliteStore::open(OpenOptions { migrate: false, ..options(database, false) }).await;
        let older = known_version() - 1;
        assert!(matches!(opened, Err(StoreError::OlderSchema { found, .. }) if found == older), "{opened:?}");
    }
    assert!(backup(&dir.path().join("missing.db"), &dir.path().join("none.db")).await.is_err());
    assert!(!dir.path().join("missing.db").exists(), "looking makes no database");
}

#[tokio::test]
async fn only_a_whole_backup_of_ours_is_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("x.db"), dir.path().join("copy.db"));
    let store = open(&path).await;
    for number in 0..200 {
        remember(&store, &format!("session {number}"), number).await;
    }
    backup(&path, &copy).await.expect("copied");
    store.close().await.expect("closed");
    drop(store);
    let mut bytes = fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xAB);
    fs::write(&copy, bytes).unwrap();
    let foreign = dir.path().join("foreign.db");
    raw(&foreign, "CREATE TABLE theirs (x)").await;
    let empty = dir.path().join("empty.db");
    fs::write(&empty, "").unwrap();
    for bad in [&copy, &foreign, &empty, &dir.path().join("missing.db")] {
        assert!(restore(bad, &path).await.is_err(), "{}", bad.display());
    }
    let store = open(&path).await;
    assert!(knows(&store, "session 199").await, "the database is as it was");
}

/// What another process erases is not answered from memory once the next message has come in.
#[tokio::test]
async fn a_session_erased_by_another_process_is_gone_here_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.db");
    let serving = open(&path).await;
    let (event, session) = (said("c", 1), SessionId(numbered(1)));
    serving.accept(&event, session, None).await.expect("accepted");
    assert!(knows(&serving, "c").await);
    let other = SqliteStore::open(options(&path, false)).await.expect("open");
    let rows = other.erase(&Subject::Session(BotId::default(), session), true).await.expect("erased");
    assert!(rows > 0);
    serving.accept(&said("d", 2), SessionId(numbered(2)), None).await.expect("accepted");
    assert!(!knows(&serving, "c").await);
}

fn said(conversation_name: &str, number: u64) -> Inbound {
    let conversation = conversation(conversation_name);
    let key = DiverKey {
        bot: BotId::default(),
        channel: conversation.channel.clone(),
        account: String::new(),
        user: "u".into(),
    };
    Inbound {
        turn: TurnId(numbered(100 + number)),
        conversation,
        sender: Sender { key, name: None, locale: None, contact: None },
        event_id: number.to_string(),
        fingerprint: None,
        content: Content::Text("x".into()),
        opens_conversation: false,
        received_at: START,
        ready_at: START,
        profile: None,
        state: None,
        context: serde_json::Value::Null,
    }
}

/// Messages that come one by one write far more log each than those that share a commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_bounded_when_writes_come_one_by_one() {
    let memory = OpenOptions { url_or_path: "sqlite::memory:".into(), ..options(Path::new(""), true) };
    let store = SqliteStore::open(memory).await.expect("open");
    let log = store.path().with_extension("db-wal");
    let mut longest = 0;
    for number in 0..6000_u64 {
        // Scattered, as random ids are.
        let name = format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        remember(&store, &format!("{name} {}", "x".repeat(200)), number).await;
        longest = longest.max(fs::metadata(&log).map_or(0, |log| log.len()));
    }
    println!("the log grew to {} MB", longest >> 20);
    assert!((1 << 20..48 << 20).contains(&longest), "{longest} bytes");
    store.close().await.expect("closed");
}

/// A machine may begin with a clock that is years ahead and is put right later.
#[tokio::test]
async fn what_was_stored_while_the_clock_was_ahead_is_worked_on_once_it_is_right() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.db");
    let ahead = START.plus(Duration::from_hours(24 * 3650));
    let store = open(&path).await;
    let event = Inbound { received_at: ahead, ready_at: ahead, ..said("c", 1) };
    store.accept(&event, SessionId(numbered(1)), None).await.expect("accepted");
    let lead = Lead {
        id: LeadId(numbered(7)),
        bot: BotId::default(),
        kind: LeadKind::Trip,
        data: serde_json::json!({}),
        session: None,
        profile: DiverProfile::default(),
        created_at: ahead,
    };
    let notice = Notice { outlet: ChannelId::new("mail"), subject: "7".into(), payload: serde_json::json!({}) };
    store.add_lead(&lead, &[notice]).await.expect("stored");
    store.close().await.expect("closed");

    let store = open(&path).await;
    let claim = store.claim(START, START.plus(Duration::from_secs(30))).await.expect("readable");
    assert_eq!(claim.expect("the message waits no ten years").events.len(), 1);
    assert_eq!(store.due(START, 10).await.expect("readable").len(), 1, "nor does the lead");
}
