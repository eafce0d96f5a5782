//! Opening the store.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};

use dovvybuddy_core::Clock;
use dovvybuddy_core::store::StoreError;
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::OnceCell;

use crate::address;
use crate::adopt::{self, Adoption};
use crate::connections::Connections;
use crate::doorbell::Doorbell;
use crate::fault::{Fault, Outcome};
use crate::pauses::Paused;
use crate::queue::Queue;
use crate::schema::{self, Standing};
use crate::store::{Alarms, Changes, Inner, PostgresStore};

/// Nothing that serves a message takes longer on the server; long work is cut into pieces.
const STATEMENT: &str = "30s";
/// How long a statement waits for a row that another one holds.
const LOCK: &str = "5s";
const STATEMENTS_KEPT: usize = 200;

/// Whose clock counts for limits, leases and what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reckoning {
    /// The database's, which all replicas share.
    Database,
    /// The moments that come with each call: for tests that stand at any moment.
    Given,
}

/// How to open the store.
#[derive(Clone)]
pub struct OpenOptions {
    /// `postgres://user:password@host:port/database`, see [`crate::is_postgres`].
    pub url: String,
    /// An address past a pooler such as `PgBouncer`, whose connections belong to one client: for notifications, the
    /// lock that tells that this process lives, and migrations. `None`: `url` leads to the database itself.
    pub direct_url: Option<String>,
    /// The most connections of this process, beside the two that are always held.
    pub connections: u32,
    /// Whether this process takes up what others left, and sends what the outbox holds. Others only answer what
    /// they accepted themselves.
    pub dispatch: bool,
    /// How many accepted messages may wait for their reply, over all replicas.
    pub max_waiting: usize,
    /// Bring the schema up to date; otherwise an older one is refused.
    pub migrate: bool,
    /// What becomes of the Python service's database when it is brought up to date; `None` refuses it.
    pub adoption: Option<Adoption>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// See [`Reckoning`].
    pub reckoning: Reckoning,
}

impl PostgresStore {
    /// Connects.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`] for a database that only newer programs can use, [`StoreError::OlderSchema`] for
    /// one of an older when `migrate` is off, [`StoreError::Corrupt`] for one that is not ours, [`StoreError::Unavailable`] when it
    /// can't be reached or used.
    pub async fn open(options: OpenOptions) -> Result<Self, StoreError> {
        open(options).await.map_err(StoreError::from)
    }
}

async fn open(options: OpenOptions) -> Outcome<PostgresStore> {
    let through = address::parse(&options.url)?.application_name("dovvybuddy");
    let direct = match &options.direct_url {
        Some(direct) => address::parse(direct)?.application_name("dovvybuddy"),
        None => through.clone(),
    };
    // A pooler refuses what is set at the start of a session; there its own settings count.
    let through = if options.direct_url.is_none() { bounded(through) } else { through };
    bring_up(&direct, &options).await?;
    let inner = Inner {
        connections: connections(through.clone(), options.connections)?,
        address: address::shown(&through),
        direct: direct.disable_statement_logging(),
        clock: options.clock,
        reckoning: options.reckoning,
        dispatch: options.dispatch,
        me: OnceCell::new(),
        work: Arc::new(Doorbell::default()),
        parts: Arc::new(Doorbell::default()),
        queue: Arc::new(Queue::new(options.max_waiting)),
        changes: Arc::new(Changes::default()),
        paused: Paused::default(),
        alarms: Alarms::default(),
        offers: AtomicI64::new(random()),
        tasks: Mutex::default(),
    };
    let store = PostgresStore { inner: Arc::new(inner) };
    store.look_for_changes().await?;
    if options.dispatch {
        store.me().await?;
    }
    Ok(store)
}

async fn bring_up(direct: &PgConnectOptions, options: &OpenOptions) -> Outcome<()> {
    let mut conn = direct.clone().connect().await?;
    let Standing { found, known, foreign } = schema::standing(&mut conn).await?;
    found.tell_if_newer(known);
    if found.version < known {
        if !options.migrate {
            return Err(StoreError::OlderSchema { found: found.version, known }.into());
        }
        match &options.adoption {
            Some(adoption) if foreign => adopt::adopt(&mut conn, adoption, &*options.clock).await?,
            None if foreign => return Err(Fault::corrupt("the database is still the Python service's")),
            _ => {}
        }
        schema::migrate(&mut conn).await?;
    }
    sqlx::Connection::close(conn).await?;
    Ok(())
}

fn bounded(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("statement_timeout", STATEMENT), ("lock_timeout", LOCK)])
}

fn connections(options: PgConnectOptions, most: u32) -> Outcome<Connections> {
    Connections::new(options.statement_cache_capacity(STATEMENTS_KEPT).disable_statement_logging(), most)
}

/// The standard library's own source of randomness for its maps; nothing here is secret.
fn random() -> i64 {
    i64::from_ne_bytes(RandomState::new().hash_one("offers").to_ne_bytes())
}
