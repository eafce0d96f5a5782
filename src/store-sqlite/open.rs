//! Opening the store: lock, connections, schema, and what a crash left behind.

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dovvybuddy_core::store::StoreError;
use dovvybuddy_core::{Clock, Timestamp};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Row};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::checkpoint::{self, Pressure};
use crate::fault::{Fault, Outcome};
use crate::lanes::Lanes;
use crate::pauses::Paused;
use crate::privacy::erase::Scrubber;
use crate::recall::Recall;
use crate::rows;
use crate::schema::{self, Standing, beside};
use crate::store::{Inner, SqliteStore};
use crate::writer::{self, Writer};

/// How long a predecessor may take to let go of the lock.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// No part of the outbox is put off for longer than this.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// How long a statement waits for another process's write.
const BUSY: Duration = Duration::from_secs(5);
const READERS: u32 = 4;

/// How to open the store.
#[derive(Clone)]
pub struct OpenOptions {
    /// `sqlite::memory:`, `sqlite://path`, `sqlite:path`, or a path. The first is a temporary file that
    /// is removed when the store is dropped and survives no power cut.
    pub url_or_path: String,
    /// Whether this process hands out lanes and parts; only one may at a time. Others may open the
    /// store beside it for commands.
    pub dispatch: bool,
    /// How many accepted messages may wait for their reply.
    pub max_waiting: usize,
    /// Bring the schema up to date; otherwise an older one is refused.
    pub migrate: bool,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl SqliteStore {
    /// Opens or creates the database.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`] for a file that only newer programs can use, [`StoreError::OlderSchema`] for one
    /// of an older when `migrate` is off, [`StoreError::Corrupt`] for one that is damaged or not ours,
    /// [`StoreError::Unavailable`] when it can't be written or another process dispatches.
    pub async fn open(options: OpenOptions) -> Result<Self, StoreError> {
        open(options).await.map_err(StoreError::from)
    }
}

/// Where the database is, and whether it is only for this run.
fn locate(url_or_path: &str) -> Outcome<(PathBuf, Option<TempDir>)> {
    let place = url_or_path.strip_prefix("sqlite:").unwrap_or(url_or_path);
    if place == ":memory:" || place == "//:memory:" {
        let dir = TempDir::with_prefix("dovvybuddy-")?;
        return Ok((dir.path().join("dovvybuddy.db"), Some(dir)));
    }
    let place = place.strip_prefix("//").unwrap_or(place);
    let place = if url_or_path.starts_with("sqlite:") { place.split('?').next().unwrap_or(place) } else { place };
    if place.is_empty() {
        return Err(Fault::unavailable("the database's address names no file"));
    }
    Ok((PathBuf::from(place), None))
}

/// How every connection to the file is made.
pub(crate) fn connect_options(path: &Path, durable: bool) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(if durable { SqliteSynchronous::Full } else { SqliteSynchronous::Off })
        .foreign_keys(true)
        .busy_timeout(BUSY)
        // What is deleted is overwritten with zeros, in pages and in the list of free pages.
        .pragma("secure_delete", "ON")
        // What the log may keep of the disk once it is emptied.
        .pragma("journal_size_limit", "16777216")
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(200)
        .disable_statement_logging()
}

/// Connects, waiting for another process that makes the file: the switch to the write-ahead log is the
/// one step that SQLite's own busy timeout does not cover.
async fn connect_patiently(options: &SqliteConnectOptions) -> Outcome<SqliteConnection> {
    const BUSY_CODES: [&str; 3] = ["5", "261", "517"];
    let give_up = tokio::time::Instant::now() + BUSY;
    loop {
        match options.connect().await {
            Err(sqlx::Error::Database(cause))
                if cause.code().is_some_and(|code| BUSY_CODES.contains(&&*code))
                    && tokio::time::Instant::now() < give_up =>
            {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            outcome => return Ok(outcome?),
        }
    }
}

async fn open(options: OpenOptions) -> Outcome<SqliteStore> {
    let (path, scratch) = locate(&options.url_or_path)?;
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)?;
    }
    let lock = if options.dispatch { Some(lock(&path).await?) } else { None };
    let connect = connect_options(&path, scratch.is_none());
    #[cfg(feature = "bench")]
    let connect = if options.url_or_path.ends_with("?synchronous=normal") {
        connect.synchronous(SqliteSynchronous::Normal)
    } else {
        connect
    };
    // A dispatching process has a task for checkpoints; the bound, 64 MB, is only for when that fails. With the default
    // cache of 2 MB every other write would read first; readers do with it, since the system keeps the file's pages, too.
    let writing = connect
        .clone()
        .pragma("wal_autocheckpoint", if options.dispatch { "16384" } else { "1000" })
        .pragma("cache_size", "-8192");
    let mut conn = connect_patiently(&writing).await?;
    let Standing { found, known } = schema::standing(&mut conn).await?;
    found.tell_if_newer(known);
    if found.version < known {
        if !options.migrate {
            return Err(Fault(StoreError::OlderSchema { found: found.version, known }));
        }
        schema::migrate(&mut conn, &path).await?;
    }
    let now = options.clock.now();
    let epoch = if options.dispatch { recover(&mut conn, now).await? } else { 0 };
    let lanes = Lanes::new(options.max_waiting, epoch);
    if options.dispatch {
        load(&mut conn, &lanes, now).await?;
    }
    let paused = Arc::new(Paused::default());
    paused.load(&mut conn).await?;
    writer::install(&mut conn).await?;
    let pressure = Pressure::default();
    let recall = Recall::new(options.dispatch);
    let writer = Writer::start(conn, writing, pressure.clone(), recall.clone(), lock)?;
    let scrubber = Scrubber::default();
    let mut tasks = vec![tokio::spawn(scrubber.clone().run(connect.clone(), writer.clone())).abort_handle()];
    if options.dispatch {
        tasks.push(tokio::spawn(checkpoint::run(connect.clone(), writer.clone(), pressure)).abort_handle());
        // An erasure whose process ended before the files were clean.
        scrubber.ask();
    }
    let inner = Inner {
        readers: readers(&connect),
        writer,
        lanes,
        recall,
        outbox_wake: Arc::new(Notify::new()),
        paused,
        clock: options.clock,
        path,
        options: connect,
        dispatch: options.dispatch,
        tasks,
        scrubber,
        pinged: Mutex::new(None),
        offers: AtomicI64::new(random()),
        seen: tokio::sync::Mutex::new(None),
        _scratch: scratch,
    };
    Ok(SqliteStore { inner: Arc::new(inner) })
}

/// The standard library's own source of randomness for its maps; nothing here is secret.
fn random() -> i64 {
    i64::from_ne_bytes(RandomState::new().hash_one("offers").to_ne_bytes())
}

fn readers(connect: &SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .min_connections(0)
        .acquire_timeout(BUSY)
        .test_before_acquire(false)
        .connect_lazy_with(connect.clone().pragma("query_only", "ON"))
}

/// Takes the lock that makes this the one dispatching process.
async fn lock(path: &Path) -> Outcome<File> {
    let file = File::options().create(true).truncate(false).write(true).open(beside(path, ".lock"))?;
    let deadline = tokio::time::Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Fault::unavailable("another process serves this database"));
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
}

/// Puts right what the last run left: after a crash the first waiting event of each lane may have been
/// running, and a part may have been on its way. Returns the number of this opening.
async fn recover(conn: &mut SqliteConnection, now: Timestamp) -> Outcome<i64> {
    // The clock was ahead when these were put off; nobody waits until it is that late again.
    sqlx::query(
        "UPDATE outbox SET next_at = $1 WHERE state IN ('pending', 'unknown', 'send_started')
            AND (created_at > $1 OR next_at > $2)",
    )
    .bind(now.as_millis())
    .bind(now.plus(LONGEST_PAUSE).as_millis())
    .execute(&mut *conn)
    .await?;
    let found = sqlx::query(
        "BEGIN IMMEDIATE;

         UPDATE inbox SET attempts = 1
         WHERE attempts = 0 AND seq IN (SELECT min(seq) FROM inbox WHERE covered_by IS NULL GROUP BY conversation)
           AND NOT EXISTS (SELECT 1 FROM meta WHERE name = 'clean' AND value = 1);

         UPDATE outbox SET state = 'unknown', uncertain = 1 WHERE state = 'send_started';

         INSERT INTO meta (name, value) VALUES ('clean', 0) ON CONFLICT (name) DO UPDATE SET value = 0;

         INSERT INTO meta (name, value) VALUES ('opened', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1
         RETURNING value;

         COMMIT",
    )
    .fetch_all(conn)
    .await?;
    let row = found.last().ok_or_else(|| Fault::corrupt("the count of openings"))?;
    Ok(row.try_get(0)?)
}

/// Fills the lanes from the inbox. What seems to have come in later than now came in while the clock was
/// ahead, and is ready.
async fn load(conn: &mut SqliteConnection, lanes: &Lanes, now: Timestamp) -> Outcome<()> {
    let waiting = sqlx::query("SELECT seq, event, attempts, parked FROM inbox WHERE covered_by IS NULL ORDER BY seq")
        .fetch_all(conn)
        .await?;
    for row in &waiting {
        let (seq, mut event, tries) = rows::waiting(row)?;
        if event.received_at > now {
            (event.received_at, event.ready_at) = (now, now);
        }
        lanes.add(seq, event, tries);
    }
    Ok(())
}
