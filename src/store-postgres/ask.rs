//! Sends statements, and repeats those that failed for a reason that passes, inside a budget.

use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::{Executor as _, Postgres};
use tokio::time::{Instant, timeout, timeout_at};

use crate::connections::Borrowed;
use crate::fault::{Failure, Fault, Outcome, judge, leads_astray};
use crate::store::PostgresStore;

/// A text with its parameters.
pub(crate) type Question = sqlx::query::Query<'static, Postgres, PgArguments>;

/// How long a statement and its repeats may take. Whoever sent the message waits for it.
pub(crate) const BUDGET: Duration = Duration::from_secs(4);
/// For what works on much at once: ingestion, retention, export.
pub(crate) const LONG: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What may be repeated when it is not known whether it was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// A second time does no harm.
    Harmless,
    /// Only what surely did nothing is tried again.
    IfUndone,
}

/// The tries of one piece of work.
pub(crate) struct Tries {
    repeat: Repeat,
    until: Instant,
    pause: Duration,
    /// The try before may have been carried out.
    pub(crate) lost: bool,
}

impl Tries {
    pub(crate) fn new(repeat: Repeat, budget: Duration) -> Self {
        Self { repeat, until: Instant::now() + budget, pause: FIRST_PAUSE, lost: false }
    }

    /// The end of the budget.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Waits for the next try, or says that there is none.
    pub(crate) async fn again(&mut self, error: sqlx::Error, sent: bool) -> Outcome<()> {
        // What failed before anything was sent did nothing.
        let failure = match judge(&error) {
            Failure::Lost if !sent => Failure::Undone,
            failure => failure,
        };
        let may = failure == Failure::Undone || failure == Failure::Lost && self.repeat == Repeat::Harmless;
        if !may || Instant::now() + self.pause >= self.until {
            return Err(error.into());
        }
        self.lost |= failure == Failure::Lost;
        tracing::debug!(error = %error, "the database is asked again");
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

fn late() -> Fault {
    Fault::unavailable("the database did not answer in time")
}

impl PostgresStore {
    /// The rows a statement returns. `build` makes it for each try, and is told whether an earlier one may have
    /// been carried out.
    pub(crate) async fn rows(
        &self,
        repeat: Repeat,
        budget: Duration,
        build: impl Fn(bool) -> Question + Send + Sync,
    ) -> Outcome<Vec<PgRow>> {
        let mut tries = Tries::new(repeat, budget);
        loop {
            let question = build(tries.lost);
            let asked = self.tried(&mut tries, |conn| Box::pin(question.fetch_all(conn)));
            if let Some(rows) = asked.await? {
                return Ok(rows);
            }
        }
    }

    /// The first row of a read.
    pub(crate) async fn row(&self, build: impl Fn() -> Question + Send + Sync) -> Outcome<Option<PgRow>> {
        Ok(self.rows(Repeat::Harmless, BUDGET, |_| build()).await?.into_iter().next())
    }

    /// The rows of a read, or of a write that may be repeated.
    pub(crate) async fn all(&self, build: impl Fn() -> Question + Send + Sync) -> Outcome<Vec<PgRow>> {
        self.rows(Repeat::Harmless, BUDGET, |_| build()).await
    }

    /// How many rows a write touched that may be repeated.
    pub(crate) async fn touched(&self, build: impl Fn() -> Question + Send + Sync) -> Outcome<u64> {
        let mut tries = Tries::new(Repeat::Harmless, BUDGET);
        loop {
            let question = build();
            let asked = self.tried(&mut tries, |conn| conn.execute(question));
            if let Some(done) = asked.await? {
                return Ok(done.rows_affected());
            }
        }
    }

    /// One try; nothing if another one is due.
    async fn tried<T>(
        &self,
        tries: &mut Tries,
        ask: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send,
    ) -> Outcome<Option<T>> {
        let (error, sent) = match timeout_at(tries.until(), self.inner.connections.borrow()).await {
            Err(_) => return Err(late()),
            Ok(Err(error)) => (error, false),
            Ok(Ok(mut conn)) => match timeout_at(tries.until(), ask(conn.begin())).await {
                Err(_) => {
                    // Its answer is still to come; nobody else is to read it.
                    conn.discard();
                    return Err(late());
                }
                Ok(Ok(answer)) => {
                    conn.settle();
                    return Ok(Some(answer));
                }
                Ok(Err(error)) => {
                    if self.lost_touch(&error) {
                        conn.discard();
                    } else {
                        conn.settle();
                    }
                    (error, true)
                }
            },
        };
        tries.again(error, sent).await?;
        Ok(None)
    }

    /// A connection for several statements that are not repeated.
    pub(crate) async fn borrow(&self) -> Outcome<Borrowed> {
        Ok(timeout(BUDGET, self.inner.connections.borrow()).await.map_err(|_| late())??)
    }

    /// Whether the error tells that the connection leads nowhere, or to a server that takes no writes any more. Then
    /// the others that were made before do so as well.
    pub(crate) fn lost_touch(&self, error: &sqlx::Error) -> bool {
        let lost = judge(error) == Failure::Lost || leads_astray(error);
        if lost {
            self.inner.connections.renew();
        }
        lost
    }
}

/// Does several statements as one transaction, all of it again where that helps. The body returns an [`Outcome`].
macro_rules! transaction {
    ($store:expr, $repeat:expr, $budget:expr, |$conn:ident| $body:expr) => {{
        let mut tries = $crate::ask::Tries::new($repeat, $budget);
        loop {
            let attempt = async {
                let mut conn = $store.inner.connections.borrow().await?;
                let mut transaction = sqlx::Connection::begin(conn.begin()).await?;
                let done = {
                    let $conn: &mut sqlx::postgres::PgConnection = &mut transaction;
                    $body.await
                };
                match done {
                    Ok(_) => transaction.commit().await?,
                    Err(_) => transaction.rollback().await?,
                }
                conn.settle();
                done
            };
            match tokio::time::timeout_at(tries.until(), attempt).await {
                Err(_) => {
                    // Its connection, and what that holds locked, are not kept for the next one.
                    $store.inner.connections.trim();
                    break Err($crate::fault::Fault::unavailable("the database did not answer in time"));
                }
                Ok(Ok(done)) => break Ok(done),
                Ok(Err($crate::ask::Trouble::Data(fault))) => break Err(fault),
                Ok(Err($crate::ask::Trouble::Database(error))) => {
                    $store.lost_touch(&error);
                    if let Err(fault) = tries.again(error, true).await {
                        break Err(fault);
                    }
                }
            }
        }
    }};
}
pub(crate) use transaction;

/// What goes wrong inside a transaction: the database may be asked again, data stays as it is.
#[derive(Debug)]
pub(crate) enum Trouble {
    Database(sqlx::Error),
    Data(Fault),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Data(fault)
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(error: serde_json::Error) -> Self {
        Self::Data(error.into())
    }
}

/// What a step of a transaction returns.
pub(crate) type Step<T> = Result<T, Trouble>;

/// Tells whoever listens on any replica, once the transaction is committed.
pub(crate) async fn notify(conn: &mut PgConnection, what: &'static str) -> Step<()> {
    sqlx::query("SELECT pg_notify('dovvybuddy', $1)").bind(what).execute(conn).await?;
    Ok(())
}
