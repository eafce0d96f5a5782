//! Messages and replies on disk: one writer thread that commits in groups.

use std::path::Path;
use std::thread;

use dovvybuddy_bench::BoxError;
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

/// The most writes that share a commit, and the most that wait.
const GROUP: usize = 256;
const QUEUE: usize = 1024;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS messages (
        event TEXT PRIMARY KEY, session TEXT NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS replies (
        event TEXT PRIMARY KEY, session TEXT NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL
    ) WITHOUT ROWID;";
const ACCEPT: &str = "INSERT INTO messages (event, session, text, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
const FINISH: &str = "INSERT INTO replies (event, session, text, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";

/// How durable a commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Synchronous {
    /// Synced to the disk before anyone hears of it.
    Full,
    /// A power cut may take the last commits.
    Normal,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    New,
    Known,
}

struct Write {
    sql: &'static str,
    event: String,
    session: String,
    text: String,
    at: i64,
    done: oneshot::Sender<Result<Stored, String>>,
}

/// The way to the writer.
pub(crate) struct Log(mpsc::Sender<Write>);

impl Log {
    pub(crate) fn open(path: &Path, synchronous: Synchronous) -> Result<Self, BoxError> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let level = match synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", level)?;
        connection.execute_batch(SCHEMA)?;
        let (queue, writes) = mpsc::channel(QUEUE);
        thread::Builder::new().name("writer".to_owned()).spawn(move || write_all(&connection, writes))?;
        Ok(Self(queue))
    }

    pub(crate) async fn accept(&self, event: &str, session: &str, text: &str, at: i64) -> Result<Stored, BoxError> {
        self.write(ACCEPT, event, session, text, at).await
    }

    pub(crate) async fn finish(&self, event: &str, session: &str, text: &str, at: i64) -> Result<Stored, BoxError> {
        self.write(FINISH, event, session, text, at).await
    }

    async fn write(
        &self,
        sql: &'static str,
        event: &str,
        session: &str,
        text: &str,
        at: i64,
    ) -> Result<Stored, BoxError> {
        let (done, written) = oneshot::channel();
        let write = Write { sql, event: event.into(), session: session.into(), text: text.into(), at, done };
        self.0.send(write).await.map_err(|_| "the writer is gone")?;
        Ok(written.await??)
    }
}

/// What queued up during the last commit shares the next one.
fn write_all(connection: &Connection, mut writes: mpsc::Receiver<Write>) {
    let mut group = Vec::with_capacity(GROUP);
    while let Some(first) = writes.blocking_recv() {
        group.push(first);
        while group.len() < GROUP {
            let Ok(next) = writes.try_recv() else { break };
            group.push(next);
        }
        let stored = commit(connection, &group);
        for (i, write) in group.drain(..).enumerate() {
            let result = match &stored {
                Ok(stored) => Ok(stored.get(i).copied().unwrap_or(Stored::New)),
                Err(error) => Err(error.to_string()),
            };
            // Whoever asked may be gone; the write stands.
            let _ = write.done.send(result);
        }
    }
}

fn commit(connection: &Connection, group: &[Write]) -> rusqlite::Result<Vec<Stored>> {
    let transaction = connection.unchecked_transaction()?;
    let mut stored = Vec::with_capacity(group.len());
    for write in group {
        let rows = transaction.prepare_cached(write.sql)?.execute(params![
            write.event,
            write.session,
            write.text,
            write.at
        ])?;
        stored.push(if rows == 0 { Stored::Known } else { Stored::New });
    }
    transaction.commit()?;
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_repeat_is_known_and_what_was_told_is_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("floor.db");
        let log = Log::open(&path, Synchronous::Full).unwrap();
        assert_eq!(log.accept("e", "s", "hello", 1).await.unwrap(), Stored::New);
        assert_eq!(log.accept("e", "s", "hello", 2).await.unwrap(), Stored::Known);
        assert_eq!(log.finish("e", "s", "hi", 3).await.unwrap(), Stored::New);
        let reader = Connection::open(&path).unwrap();
        let text: String =
            reader.query_row("SELECT text FROM replies WHERE event = 'e'", [], |row| row.get(0)).unwrap();
        assert_eq!(text, "hi");
    }
}
