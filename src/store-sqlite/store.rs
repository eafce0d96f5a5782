//! The handle of the store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};

use dovvybuddy_core::Clock;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::lanes::Lanes;
use crate::pauses::Paused;
use crate::privacy::erase::Scrubber;
use crate::recall::Recall;
use crate::writer::Writer;

/// The embedded store. Clones share one database; opened by [`SqliteStore::open`].
#[derive(Clone)]
pub struct SqliteStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) writer: Writer,
    pub(crate) readers: SqlitePool,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) recall: Arc<Recall>,
    pub(crate) outbox_wake: Arc<Notify>,
    pub(crate) paused: Arc<Paused>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) path: PathBuf,
    /// How a further connection to the file is made.
    pub(crate) options: SqliteConnectOptions,
    /// Whether this process hands out lanes and parts.
    pub(crate) dispatch: bool,
    /// What runs beside the writer.
    pub(crate) tasks: Vec<AbortHandle>,
    pub(crate) scrubber: Scrubber,
    /// When a write last showed that writes can be made.
    pub(crate) pinged: Mutex<Option<Instant>>,
    /// The number of the next offered event, from a random start: no two offers share one.
    pub(crate) offers: AtomicI64,
    /// Serialises whoever compares data versions, and remembers the last one.
    pub(crate) seen: tokio::sync::Mutex<Option<i64>>,
    /// Holds the file of a store that is to leave nothing behind; removed at drop.
    pub(crate) _scratch: Option<TempDir>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Where the database file is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.inner.writer
    }

    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }

    pub(crate) fn lanes(&self) -> &Arc<Lanes> {
        &self.inner.lanes
    }

    pub(crate) fn recall(&self) -> &Arc<Recall> {
        &self.inner.recall
    }

    pub(crate) fn outbox_wake(&self) -> &Arc<Notify> {
        &self.inner.outbox_wake
    }
}
