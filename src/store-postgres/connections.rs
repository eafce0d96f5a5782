//! The connections that this process keeps and hands from statement to statement.
//!
//! sqlx's own pool asks the server whenever a connection comes back whether it still lives, which doubles the trips of
//! a turn. Here a connection is handed on as it is; one that broke shows in the next statement, which is repeated.

use std::time::{Duration, Instant};

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::fault::{Fault, Outcome};

/// A connection ends when nobody needed it for so long.
const IDLE: Duration = Duration::from_mins(5);
/// One that is older is replaced: the server's processes grow with what they plan.
const LIFETIME: Duration = Duration::from_mins(30);

/// At most so many connections.
pub(crate) struct Connections(Pool<Connector>);

struct Connector(PgConnectOptions);

/// A connection between two statements, or in one.
pub(crate) struct Kept {
    conn: PgConnection,
    /// Nothing is under way on it.
    settled: bool,
}

/// A connection on loan.
pub(crate) struct Borrowed(Object<Connector>);

impl Connections {
    pub(crate) fn new(options: PgConnectOptions, most: u32) -> Outcome<Self> {
        let most = usize::try_from(most.max(1)).unwrap_or(1);
        // The one used last: what a burst needed besides may end.
        let pool = Pool::builder(Connector(options)).max_size(most).queue_mode(QueueMode::Lifo).build();
        Ok(Self(pool.map_err(|error| Fault::unavailable(error.to_string()))?))
    }

    /// A connection, once one is free. Whoever asks sets the deadline.
    pub(crate) async fn borrow(&self) -> Result<Borrowed, sqlx::Error> {
        match self.0.get().await {
            Ok(object) => Ok(Borrowed(object)),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Closed) => Err(sqlx::Error::PoolClosed),
            Err(PoolError::Timeout(_) | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_)) => {
                Err(sqlx::Error::PoolTimedOut)
            }
        }
    }

    /// Ends what nobody needed lately, and what was left in the middle of something.
    pub(crate) fn trim(&self) {
        self.0.retain(|kept, metrics| kept.settled && metrics.last_used() < IDLE);
    }

    /// The server went away: those not in use are broken as well.
    pub(crate) fn renew(&self) {
        self.0.retain(|_, _| false);
    }

    /// Ends them all, those in use once they come back.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

impl Manager for Connector {
    type Type = Kept;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Kept, sqlx::Error> {
        Ok(Kept { conn: self.0.connect().await?, settled: true })
    }

    async fn recycle(&self, kept: &mut Kept, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if !kept.settled {
            return Err(RecycleError::message("something was left under way"));
        }
        if Instant::now().duration_since(metrics.created) > LIFETIME {
            return Err(RecycleError::message("old"));
        }
        Ok(())
    }
}

impl Borrowed {
    /// For a statement or a transaction. Unless [`Self::settle`] follows, nobody else gets the connection: whoever
    /// asked may have gone away before the answer.
    pub(crate) fn begin(&mut self) -> &mut PgConnection {
        self.0.settled = false;
        &mut self.0.conn
    }

    /// What was begun is answered.
    pub(crate) fn settle(mut self) {
        self.0.settled = true;
    }

    /// Ends the connection now.
    pub(crate) fn discard(self) {
        drop(Object::take(self.0));
    }
}
