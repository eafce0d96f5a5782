//! Moves the write-ahead log into the database file beside the writer, so that no commit pays for it.
//!
//! SQLite's own automatic checkpoint runs inside whichever commit crosses its bound. Here a connection
//! of its own does the bulk passively while commits go on. What they add meanwhile is copied in further,
//! ever shorter passes, until the writer itself has only a few frames to copy, after which SQLite starts
//! the log over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};
use tokio::sync::Notify;

use crate::fault::Outcome;
use crate::writer::Writer;

/// A checkpoint is due after about this many pages of log, 16 MB.
const PAGES: usize = 4096;
/// What a group adds to the log: pages that all its writes share, and pages of each write's own. Measured on
/// 100 MB: 13 pages for a write alone, 5 for one of 64. A count of writes would let the log of a daemon that
/// commits them one by one grow to more than twice as long as that of a busy one.
const SHARED: usize = 8;
const OWN: usize = 5;
/// And after this long when there was any write at all.
const IDLE: Duration = Duration::from_secs(5);

/// So few pages, 1 MB, may be left for the writer, if so many passes get there.
const LEFT: i64 = 256;
const PASSES: usize = 4;

/// Estimates the pages written since the last checkpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pressure(Arc<(AtomicUsize, Notify)>);

impl Pressure {
    /// A group of so many writes was committed.
    pub(crate) fn wrote(&self, writes: usize) {
        let pages = SHARED + writes * OWN;
        let before = self.0.0.fetch_add(pages, Ordering::Relaxed);
        if before < PAGES && before + pages >= PAGES {
            self.0.1.notify_one();
        }
    }

    async fn due(&self) {
        loop {
            let _ = tokio::time::timeout(IDLE, self.0.1.notified()).await;
            if self.0.0.swap(0, Ordering::Relaxed) > 0 {
                return;
            }
        }
    }
}

/// Runs until it is aborted.
pub(crate) async fn run(options: SqliteConnectOptions, writer: Writer, pressure: Pressure) {
    loop {
        pressure.due().await;
        if let Err(fault) = bulk(&options).await {
            tracing::warn!(error = %fault.0, "the write-ahead log could not be checkpointed");
            continue;
        }
        if writer.checkpoint().await.is_err() {
            // Closed; whoever closed it stops this task too.
            return;
        }
    }
}

async fn bulk(options: &SqliteConnectOptions) -> Outcome<()> {
    use sqlx::Connection as _;
    let mut conn = options.connect().await?;
    let mut before = 0;
    for _ in 0..PASSES {
        let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&mut conn).await?;
        let (logged, copied): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        // What came during a short pass is less still. Where a reader holds back the rest, more passes
        // do not help.
        if logged - before <= LEFT || copied < logged {
            break;
        }
        before = copied;
    }
    conn.close().await?;
    Ok(())
}
