//! Whose database it is and which schema it has.

use dovvybuddy_core::store::{Schema, StoreError};
use sqlx::Row as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;

use crate::adopt;
use crate::fault::{Fault, Outcome};

pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

/// How a database stands against this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The schema found.
    pub(crate) found: Schema,
    /// The newest schema this program knows.
    pub(crate) known: i64,
    /// It holds the Python service's tables.
    pub(crate) foreign: bool,
}

/// The newest schema this program knows.
pub fn known_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Reads whose database it is; refuses a stranger's, and one that became newer than this program can use.
pub(crate) async fn standing(conn: &mut PgConnection) -> Outcome<Standing> {
    let mut standing = look(&mut *conn).await?;
    if standing.foreign && !adopt::recognised(&mut *conn).await? {
        // Another replica may have taken it over between the two questions.
        standing = look(&mut *conn).await?;
        if standing.foreign {
            return Err(Fault::corrupt("the database holds another program's tables; use one of its own"));
        }
    }
    standing.found.admits(standing.known)?;
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
    let found = if migrated && lanes { read(conn).await? } else { Schema { version: 0, oldest_program: 0 } };
    Ok(Standing { found, known: known_version(), foreign: sessions && !lanes })
}

/// Reads the number of the last migration, and whom the schema is for. Before migration 9 nobody asked.
pub(crate) async fn read(conn: &mut PgConnection) -> Outcome<Schema> {
    let row = sqlx::query(
        "SELECT newest, coalesce((SELECT value FROM meta WHERE name = 'oldest_program'), newest)
         FROM (SELECT coalesce(max(version), 0) AS newest FROM _sqlx_migrations WHERE success) AS done",
    )
    .fetch_one(conn)
    .await?;
    Ok(Schema { version: row.try_get(0)?, oldest_program: row.try_get(1)? })
}

/// Brings the schema up to date, one process at a time: an advisory lock of the database is held meanwhile. Another
/// process may have done it while we waited; then there is nothing left to do.
pub(crate) async fn migrate(conn: &mut PgConnection) -> Outcome<()> {
    MIGRATIONS.run_direct(None, conn, false).await.map_err(|error| Fault(StoreError::Unavailable(Box::new(error))))
}
