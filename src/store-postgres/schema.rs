//! Whose database it is and which schema it has.

use dovvybuddy_core::store::StoreError;
use sqlx::Row as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;

use crate::adopt;
use crate::fault::{Fault, Outcome};

pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

/// How a database stands against this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The schema found; 0 for an empty database.
    pub(crate) found: i64,
    /// The newest schema this program knows.
    pub(crate) known: i64,
    /// It holds the Python service's tables.
    pub(crate) foreign: bool,
}

/// The newest schema this program knows.
pub fn known_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Reads whose database it is; refuses a stranger's and one from the future.
pub(crate) async fn standing(conn: &mut PgConnection) -> Outcome<Standing> {
    let mut standing = look(&mut *conn).await?;
    if standing.foreign && !adopt::recognised(&mut *conn).await? {
        // Another replica may have taken it over between the two questions.
        standing = look(&mut *conn).await?;
        if standing.foreign {
            return Err(Fault::corrupt("the database holds another program's tables; use one of its own"));
        }
    }
    if standing.found > standing.known {
        return Err(StoreError::NewerSchema { found: standing.found, known: standing.known }.into());
    }
    Ok(standing)
}

async fn look(conn: &mut PgConnection) -> Outcome<Standing> {
    let found = sqlx::query(
        "SELECT to_regclass('_sqlx_migrations') IS NOT NULL, to_regclass('sessions') IS NOT NULL,
                to_regclass('lanes') IS NOT NULL",
    )
    .fetch_one(&mut *conn)
    .await?;
    let (migrated, sessions, lanes): (bool, bool, bool) = (found.try_get(0)?, found.try_get(1)?, found.try_get(2)?);
    let found = if migrated { version(conn).await? } else { 0 };
    Ok(Standing { found, known: known_version(), foreign: sessions && !lanes })
}

pub(crate) async fn version(conn: &mut PgConnection) -> Outcome<i64> {
    let row =
        sqlx::query("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success").fetch_one(conn).await?;
    Ok(row.try_get(0)?)
}

/// Brings the schema up to date, one process at a time: an advisory lock of the database is held meanwhile. Another
/// process may have done it while we waited; then there is nothing left to do.
pub(crate) async fn migrate(conn: &mut PgConnection) -> Outcome<()> {
    MIGRATIONS.run_direct(None, conn, false).await.map_err(|error| Fault(StoreError::Unavailable(Box::new(error))))
}
