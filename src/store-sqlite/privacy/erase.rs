//! Removal of everything held about a subject, and of what it leaves in the files.
//!
//! The deletions are one write like any other. `secure_delete` overwrites the deleted rows and every page
//! that becomes free. What it does not reach are copies that stayed behind in a page when the tree moved
//! rows to its neighbours, and older versions of pages in the log. Rewriting the file removes the first,
//! emptying the log the second. No write can be made meanwhile, so this is done once for all erasures that
//! came together, in a quiet moment, and at most a small part of the time ([`SHARE`]). An erasure waits for
//! it for [`PATIENCE`]: in a file of a usual size and load the files are clean when it returns. At the latest they
//! are after the next housekeeping, before a command ends, or after the next start.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::store::Subject;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Held, everyone, held};
use crate::fault::{Fault, Outcome};
use crate::lanes::Lanes;
use crate::pauses;
use crate::store::SqliteStore;
use crate::writer::Writer;

/// How long an erasure waits for clean files.
const PATIENCE: Duration = Duration::from_secs(5);
/// A larger file takes long to rewrite, about 5 ms per MB; that is left to the housekeeping.
const QUICK: u64 = 64 << 20;
/// How long a quiet moment is waited for.
const QUIET: Duration = Duration::from_millis(500);
/// The pause after a scrub, in multiples of the time it took: erasures on end can't keep writes from being made.
const SHARE: u32 = 10;
/// The bounds of that pause; the longer one is also the pause after a failure.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(30));
/// How long, and how often, a reader in the log may hold up its emptying.
const READER: Duration = Duration::from_millis(200);
const READERS: usize = 10;

/// In the order of what hangs on what. `$1` conversations, `$2` sessions, `$3` the diver, `$4` whether
/// everything in the conversations is the subject's, `$5` leads too.
const ERASE: &[&str] = &[
    "DELETE FROM alerts WHERE kind = 'emergency' AND subject IN (SELECT id FROM turns
        WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3))",
    // What the operator is still to be told.
    "DELETE FROM outbox WHERE (state IN ('pending', 'unknown', 'send_started') OR state = 'dead')
        AND conversation NOT IN (SELECT value FROM json_each($1)) AND turn IN (SELECT id FROM turns
        WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3))",
    "DELETE FROM placeholders WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    "DELETE FROM feedback WHERE turn IN (SELECT id FROM turns
        WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3))",
    "DELETE FROM turns WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    "DELETE FROM messages WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    "DELETE FROM inbox WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    // The answer to the command that erases is still to be sent; it goes when it is.
    "DELETE FROM outbox WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)
        AND NOT (command AND state IN ('pending', 'unknown', 'send_started'))",
    "DELETE FROM usage WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    "DELETE FROM participants WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    // A platform's name of a message may hold the number it went to.
    "DELETE FROM message_statuses WHERE conversation IN (SELECT value FROM json_each($1))
        AND NOT EXISTS (SELECT 1 FROM participants p WHERE p.conversation = message_statuses.conversation)",
    // A group keeps its session as long as somebody else spoke in it, without what was noted meanwhile.
    "DELETE FROM sessions WHERE conversation IN (SELECT value FROM json_each($1))
        AND NOT EXISTS (SELECT 1 FROM participants p WHERE p.conversation = sessions.conversation)",
    "DELETE FROM pauses WHERE conversation IN (SELECT value FROM json_each($1))
        AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.conversation = pauses.conversation)",
    "DELETE FROM interventions WHERE conversation IN (SELECT value FROM json_each($1))
        AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.conversation = interventions.conversation)",
    "UPDATE outbox SET turn = NULL, diver = NULL
        WHERE conversation IN (SELECT value FROM json_each($1)) AND ($4 OR diver = $3)",
    "UPDATE sessions SET state = '{}', emergency = NULL, diver = NULL
        WHERE conversation IN (SELECT value FROM json_each($1)) AND diver = $3",
    "DELETE FROM divers WHERE key = $3",
    "DELETE FROM limits WHERE key = $3",
    "DELETE FROM reservations WHERE diver = $3 AND $3 <> ''",
    "DELETE FROM spend WHERE diver = $3 AND $3 <> ''",
    "DELETE FROM link_codes WHERE diver = $3 OR redeemed_by = $3",
    "DELETE FROM link_misses WHERE diver = $3",
    "DELETE FROM identities WHERE diver = $3",
    "DELETE FROM alerts WHERE $5 AND kind = 'lead' AND subject IN
        (SELECT id FROM leads WHERE session IN (SELECT value FROM json_each($2)))",
    "DELETE FROM outbox WHERE $5 AND lead IN
        (SELECT id FROM leads WHERE session IN (SELECT value FROM json_each($2)))",
    "DELETE FROM leads WHERE $5 AND session IN (SELECT value FROM json_each($2))",
    // A lead that stays is a matter between diver and operator; it no longer tells of the conversation.
    "UPDATE leads SET session = NULL WHERE session IN (SELECT value FROM json_each($2))",
];

pub(super) async fn erase(store: &SqliteStore, subject: &Subject, leads_too: bool) -> Outcome<u64> {
    let (subject, lanes, recall) = (subject.clone(), Arc::clone(store.lanes()), Arc::clone(store.recall()));
    let paused = Arc::clone(&store.inner.paused);
    let (rows, ..) = store
        .writer()
        .write_then(
            async move |conn: &mut SqliteConnection| {
                let (mut rows, mut gone) = (0, Vec::new());
                for subject in everyone(conn, &subject).await? {
                    let held = held(conn, &subject).await?;
                    rows += delete(conn, &held, leads_too).await?;
                    gone.push(held);
                }
                Ok((rows, gone, pauses::held(conn).await?))
            },
            move |(_, gone, pauses): &(u64, Vec<Held>, Vec<String>)| {
                for held in gone {
                    forget(&lanes, held);
                }
                paused.retain(pauses);
                recall.forget_all();
            },
        )
        .await?;
    if rows > 0 {
        store.inner.scrubber.clean().await;
    }
    Ok(rows)
}

async fn delete(conn: &mut SqliteConnection, held: &Held, leads_too: bool) -> Outcome<u64> {
    let (conversations, sessions, diver, whole) = held.parameters()?;
    let mut rows = 0;
    for statement in ERASE {
        let done = sqlx::query(*statement)
            .bind(&conversations)
            .bind(&sessions)
            .bind(&diver)
            .bind(whole)
            .bind(leads_too)
            .execute(&mut *conn)
            .await?;
        rows += done.rows_affected();
    }
    if rows > 0 {
        // Stays set should the process end before the files are clean; the next clean-up sees it.
        sqlx::query(
            "INSERT INTO meta (name, value) VALUES ('scrub', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
        )
        .execute(conn)
        .await?;
    }
    Ok(rows)
}

fn forget(lanes: &Lanes, held: &Held) {
    for conversation in &held.conversations {
        lanes.erase(conversation, |event| {
            held.whole || held.diver.as_deref() == Some(event.sender.key.encode().as_str())
        });
    }
}

/// Cleans the files for all erasures that came together.
#[derive(Clone)]
pub(crate) struct Scrubber {
    /// How many erasures asked for it.
    asked: Arc<watch::Sender<u64>>,
    /// How many of them are done.
    done: Arc<watch::Sender<u64>>,
}

impl Default for Scrubber {
    fn default() -> Self {
        Self { asked: Arc::new(watch::Sender::new(0)), done: Arc::new(watch::Sender::new(0)) }
    }
}

impl Scrubber {
    /// Asks for clean files and waits a while for them.
    async fn clean(&self) {
        let mut done = self.done.subscribe();
        let mine = self.ask();
        if tokio::time::timeout(PATIENCE, done.wait_for(|done| *done >= mine)).await.is_err() {
            tracing::info!("erased rows are gone; the files are cleaned of their traces in the background");
        }
    }

    /// Asks for clean files.
    pub(crate) fn ask(&self) -> u64 {
        let mut mine = 0;
        self.asked.send_modify(|asked| {
            *asked += 1;
            mine = *asked;
        });
        mine
    }

    /// Runs until it is aborted.
    pub(crate) async fn run(self, options: SqliteConnectOptions, writer: Writer) {
        let mut asked = self.asked.subscribe();
        let mut done = 0;
        while asked.wait_for(|asked| *asked > done).await.is_ok() {
            writer.quiet(QUIET).await;
            let covered = *asked.borrow();
            let began = Instant::now();
            let pause = match scrub(&options, false).await {
                Ok(()) => {
                    done = covered;
                    self.done.send_replace(done);
                    (began.elapsed() * SHARE).clamp(PAUSES.0, PAUSES.1)
                }
                Err(fault) => {
                    tracing::warn!(error = %fault.0, "the files can't be cleaned of erased rows yet");
                    PAUSES.1
                }
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// Whether the file is rewritten in a moment.
fn is_quick(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|file| file.len() <= QUICK)
}

/// Removes what deleting left in the files, if an erasure still owes it. Of a large file only the log is emptied,
/// unless `thorough`.
pub(crate) async fn scrub(options: &SqliteConnectOptions, thorough: bool) -> Outcome<()> {
    let quick = is_quick(options.get_filename());
    // A large file is too much for memory; a small one needs no folder for temporary files.
    let options = if quick { options.clone() } else { options.clone().pragma("temp_store", "FILE") };
    let mut conn = options.connect().await?;
    let owed =
        sqlx::query("SELECT value FROM meta WHERE name = 'scrub' AND value > 0").fetch_optional(&mut conn).await?;
    if let Some(owed) = owed {
        let rewritten = thorough || quick;
        if rewritten {
            sqlx::query("VACUUM").execute(&mut conn).await?;
        }
        empty_log(&mut conn).await?;
        if rewritten {
            // Not what was erased meanwhile.
            sqlx::query("UPDATE meta SET value = 0 WHERE name = 'scrub' AND value = $1")
                .bind(owed.try_get::<i64, _>(0)?)
                .execute(&mut conn)
                .await?;
        }
    }
    conn.close().await?;
    Ok(())
}

async fn empty_log(conn: &mut SqliteConnection) -> Outcome<()> {
    // Most of it beside the writer.
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut *conn).await?;
    // What follows keeps writers out while it waits for readers, so it waits briefly and rather comes again.
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA busy_timeout = {}", READER.as_millis())))
        .execute(&mut *conn)
        .await?;
    for _ in 0..READERS {
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *conn).await?;
        if row.try_get::<i64, _>(0)? == 0 {
            return Ok(());
        }
        tokio::time::sleep(READER).await;
    }
    Err(Fault::unavailable("a long read keeps the write-ahead log from being emptied"))
}
