//! The one writer: a thread that owns the writing connection and commits in groups.
//!
//! What queued up during the last commit goes into one transaction ([`crate::batch`]), so that many callers
//! share one sync of the disk and one call of sqlx; nobody waits for a group to fill. Callers hear of success
//! only after the commit. When one write of a group fails, the group is rolled back and each runs alone;
//! writes are therefore written so that they can run again.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use dovvybuddy_core::store::StoreError;
use futures::future::LocalBoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::accept::{Offer, Took};
use crate::batch::{self, After, Pending, Texts, Write};
use crate::checkpoint::Pressure;
use crate::fault::{Fault, Outcome};
use crate::finish::Finish;
use crate::recall::Recall;

/// The most writes that share a commit; bounds how long one caller waits for the others.
const GROUP: usize = 256;
/// The most writes that may wait; callers beyond that wait for room.
const QUEUE: usize = 1024;

/// The way to the writer thread.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Task>,
}

enum Task {
    Write(Write),
    /// Copies the rest of the log into the database file.
    Checkpoint(oneshot::Sender<Outcome<()>>),
    Close(oneshot::Sender<Outcome<()>>),
}

/// A write whose type was erased.
pub(crate) trait Job: Send {
    fn run<'a>(&'a mut self, conn: &'a mut SqliteConnection) -> LocalBoxFuture<'a, Outcome<()>>;
    fn commit(self: Box<Self>);
    fn fail(self: Box<Self>, fault: Fault);
}

impl<T, F> Job for Pending<F, T>
where
    T: Send,
    F: AsyncFnMut(&mut SqliteConnection) -> Outcome<T> + Send,
{
    fn run<'a>(&'a mut self, conn: &'a mut SqliteConnection) -> LocalBoxFuture<'a, Outcome<()>> {
        Box::pin(async move {
            self.out = Some((self.write)(conn).await?);
            Ok(())
        })
    }

    fn commit(self: Box<Self>) {
        Pending::commit(*self);
    }

    fn fail(self: Box<Self>, fault: Fault) {
        Pending::fail(*self, fault);
    }
}

impl Writer {
    /// Starts the thread on an open connection. `keep` lives as long as the thread: the file lock.
    pub(crate) fn start<K: Send + 'static>(
        conn: SqliteConnection,
        options: SqliteConnectOptions,
        pressure: Pressure,
        recall: Arc<Recall>,
        keep: K,
    ) -> Outcome<Self> {
        let (queue, tasks) = mpsc::channel(QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = Thread {
            conn: Some(conn),
            options,
            pressure,
            recall,
            texts: Texts::default(),
            version: None,
            keep: Some(keep),
        };
        let body = move || runtime.block_on(thread.run(tasks));
        thread::Builder::new().name("sqlite-writer".to_owned()).spawn(body)?;
        Ok(Self { queue })
    }

    /// Runs a write and waits until it is committed.
    pub(crate) async fn write<T, F>(&self, run: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: AsyncFnMut(&mut SqliteConnection) -> Outcome<T> + Send + 'static,
    {
        self.write_then(run, |_: &T| {}).await
    }

    /// As [`Self::write`]; `after` runs on the writer right after the commit, in the order of commits,
    /// even when the caller has gone. It is dropped without a call when the write failed.
    pub(crate) async fn write_then<T, F, A>(&self, run: F, after: A) -> Outcome<T>
    where
        T: Send + 'static,
        F: AsyncFnMut(&mut SqliteConnection) -> Outcome<T> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let after: After<T> = Box::new(after);
        let write = |reply| Write::Other(Box::new(Pending { write: run, out: None, after, reply }));
        self.ask(|reply| Task::Write(write(reply))).await
    }

    /// Stores an event; as [`Self::write_then`].
    pub(crate) async fn accept<A>(&self, offer: Offer, after: A) -> Outcome<Took>
    where
        A: FnOnce(&Took) + Send + 'static,
    {
        let after: After<Took> = Box::new(after);
        let write = |reply| Write::Accept(Box::new(Pending { write: offer, out: None, after, reply }));
        self.ask(|reply| Task::Write(write(reply))).await
    }

    /// Stores a turn; as [`Self::write_then`].
    pub(crate) async fn finish<A>(&self, turn: Finish, after: A) -> Outcome<()>
    where
        A: FnOnce(&()) + Send + 'static,
    {
        let after: After<()> = Box::new(after);
        let write = |reply| Write::Finish(Box::new(Pending { write: turn, out: None, after, reply }));
        self.ask(|reply| Task::Write(write(reply))).await
    }

    pub(crate) async fn checkpoint(&self) -> Outcome<()> {
        self.ask(Task::Checkpoint).await
    }

    /// Waits until nothing was queued for a moment, at most `at_most`.
    pub(crate) async fn quiet(&self, at_most: Duration) {
        const LOOK: Duration = Duration::from_millis(5);
        const LOOKS: usize = 3;
        let give_up = Instant::now() + at_most;
        let mut idle = 0;
        while idle < LOOKS && Instant::now() < give_up {
            tokio::time::sleep(LOOK).await;
            idle = if self.queue.capacity() == QUEUE { idle + 1 } else { 0 };
        }
    }

    /// Empties the log, closes the connection and ends the thread.
    pub(crate) async fn close(&self) -> Outcome<()> {
        self.ask(Task::Close).await
    }

    async fn ask<T>(&self, task: impl FnOnce(oneshot::Sender<Outcome<T>>) -> Task) -> Outcome<T> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(task(reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn closed() -> Fault {
    Fault::unavailable("the store is closed")
}

/// Gives a writing connection the programs that its writes call.
pub(crate) async fn install(conn: &mut SqliteConnection) -> Outcome<()> {
    for program in [crate::accept::PROGRAM, crate::finish::PROGRAM] {
        sqlx::query(program).execute(&mut *conn).await?;
    }
    Ok(())
}

struct Thread<K> {
    conn: Option<SqliteConnection>,
    options: SqliteConnectOptions,
    pressure: Pressure,
    recall: Arc<Recall>,
    texts: Texts,
    /// Of the data that others have written to, when last asked.
    version: Option<i64>,
    /// Let go only when the connection is closed.
    keep: Option<K>,
}

impl<K> Thread<K> {
    async fn run(mut self, mut tasks: mpsc::Receiver<Task>) {
        let mut group = Vec::new();
        while let Some(first) = tasks.recv().await {
            let mut next = Some(first);
            while let Some(task) = next.take() {
                match task {
                    Task::Write(write) => group.push(write),
                    other => {
                        self.commit_group(&mut group).await;
                        if self.special(other).await {
                            return;
                        }
                    }
                }
                if group.len() < GROUP {
                    next = tasks.try_recv().ok();
                }
            }
            self.commit_group(&mut group).await;
        }
        // Every handle was dropped without `close`: nothing is marked clean.
        if let Some(conn) = self.conn.take() {
            let _ = conn.close().await;
        }
    }

    /// Runs a task that can't be part of a transaction; `true` ends the thread.
    async fn special(&mut self, task: Task) -> bool {
        match task {
            Task::Write(_) => false,
            Task::Checkpoint(reply) => {
                let _ = reply.send(self.checkpoint(false).await);
                false
            }
            Task::Close(reply) => {
                let mut result = self.checkpoint(true).await;
                if let Some(conn) = self.conn.take() {
                    result = result.and(conn.close().await.map_err(Fault::from));
                }
                self.keep = None;
                let _ = reply.send(result);
                true
            }
        }
    }

    async fn commit_group(&mut self, group: &mut Vec<Write>) {
        if group.is_empty() {
            return;
        }
        let writes = group.len();
        match self.transaction(group).await {
            Ok(()) => group.drain(..).for_each(Write::commit),
            Err(fault) if writes == 1 => group.drain(..).for_each(|job| job.fail(Fault(clone(&fault.0)))),
            Err(_) => {
                for job in group.drain(..) {
                    let mut alone = vec![job];
                    let result = self.transaction(&mut alone).await;
                    for job in alone {
                        match &result {
                            Ok(()) => job.commit(),
                            Err(fault) => job.fail(Fault(clone(&fault.0))),
                        }
                    }
                }
            }
        }
        self.pressure.wrote(writes);
    }

    async fn transaction(&mut self, group: &mut [Write]) -> Outcome<()> {
        self.connect().await?;
        let Some(conn) = &mut self.conn else { return Err(closed()) };
        let result = batch::transaction(conn, &mut self.texts, group).await;
        match result {
            Ok(version) => {
                // Seen inside the transaction, so nobody can have written since.
                if version.is_some() && version != self.version {
                    self.version = version;
                    self.recall.forget_all();
                }
                Ok(())
            }
            Err(fault) => {
                self.undo().await;
                Err(fault)
            }
        }
    }

    /// Leaves the connection outside of any transaction, if need be by opening it anew.
    async fn undo(&mut self) {
        let Some(conn) = &mut self.conn else { return };
        // Fails harmlessly where SQLite rolled back by itself (full disk, I/O error).
        let _ = sqlx::query("ROLLBACK").execute(&mut *conn).await;
        let usable = async {
            sqlx::query("BEGIN").execute(&mut *conn).await?;
            sqlx::query("ROLLBACK").execute(&mut *conn).await
        };
        if usable.await.is_err() {
            self.conn = None;
        }
    }

    async fn connect(&mut self) -> Outcome<()> {
        if self.conn.is_none() {
            let mut conn = self.options.connect().await?;
            install(&mut conn).await?;
            self.conn = Some(conn);
        }
        Ok(())
    }

    async fn checkpoint(&mut self, truncate: bool) -> Outcome<()> {
        self.connect().await?;
        let conn = self.conn.as_mut().ok_or_else(closed)?;
        let sql = if truncate { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "PRAGMA wal_checkpoint(PASSIVE)" };
        let row = sqlx::query(sql).fetch_one(conn).await?;
        let busy: i64 = row.try_get(0)?;
        if truncate && busy != 0 {
            return Err(Fault::unavailable("a long read keeps the write-ahead log from being emptied"));
        }
        Ok(())
    }
}

/// The same error for one more caller; the cause keeps its words.
fn clone(error: &StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(cause) => StoreError::Unavailable(cause.to_string().into()),
        StoreError::LeaseLost => StoreError::LeaseLost,
        StoreError::Full => StoreError::Full,
        StoreError::Corrupt(cause) => StoreError::Corrupt(cause.to_string().into()),
        StoreError::OlderSchema { found, known } => StoreError::OlderSchema { found: *found, known: *known },
        StoreError::NewerSchema { found, oldest, known } => {
            StoreError::NewerSchema { found: *found, oldest: *oldest, known: *known }
        }
    }
}
