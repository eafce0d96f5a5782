//! Whose file it is and which schema it has.

use std::fs::File;
use std::path::{Path, PathBuf};

use dovvybuddy_core::store::{Schema, StoreError};
use sqlx::Row;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnection;

use crate::fault::{Fault, Outcome};

pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// "DVYB", as the first migration writes it.
const APPLICATION_ID: i64 = 0x4456_5942;

/// How a database stands against this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The schema found.
    pub found: Schema,
    /// The newest schema this program knows.
    pub known: i64,
}

/// The newest schema this program knows.
pub fn known_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Reads whose file it is; refuses a stranger's, and one that became newer than this program can use.
pub(crate) async fn standing(conn: &mut SqliteConnection) -> Outcome<Standing> {
    // One snapshot: another process may be creating the schema right now.
    let found = sqlx::query(
        "BEGIN;
         SELECT (SELECT application_id FROM pragma_application_id),
                (SELECT count(*) FROM sqlite_schema WHERE tbl_name NOT LIKE '\\_sqlx%' ESCAPE '\\'),
                (SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations');
         COMMIT",
    )
    .fetch_all(&mut *conn)
    .await?;
    let found = found.first().ok_or_else(|| Fault::corrupt("the database's description"))?;
    let (application, tables, migrated) =
        (found.try_get::<i64, _>(0)?, found.try_get::<i64, _>(1)?, found.try_get::<i64, _>(2)?);
    if application != APPLICATION_ID && (application != 0 || tables > 0) {
        return Err(Fault::corrupt("the file is a database of another program"));
    }
    let mut standing = Standing { found: Schema { version: 0, oldest_program: 0 }, known: known_version() };
    if migrated > 0 && application == APPLICATION_ID {
        standing.found = read(conn).await?;
    }
    standing.found.admits(standing.known)?;
    Ok(standing)
}

/// Reads the number of the last migration, and whom the schema is for. Before migration 9 nobody asked.
pub(crate) async fn read(conn: &mut SqliteConnection) -> Outcome<Schema> {
    let row = sqlx::query(
        "SELECT newest, coalesce((SELECT value FROM meta WHERE name = 'oldest_program'), newest)
         FROM (SELECT coalesce(max(version), 0) AS newest FROM _sqlx_migrations WHERE success) AS done",
    )
    .fetch_one(conn)
    .await?;
    Ok(Schema { version: row.try_get(0)?, oldest_program: row.try_get(1)? })
}

/// Brings the schema up to date, one process at a time.
pub(crate) async fn migrate(conn: &mut SqliteConnection, path: &Path) -> Outcome<()> {
    let beside = beside(path, ".migrate-lock");
    let _lock = tokio::task::spawn_blocking(move || {
        let file = File::options().create(true).truncate(false).write(true).open(beside)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    })
    .await
    .map_err(|_| Fault::unavailable("the migration lock can't be taken"))??;
    // Another process may have done it while we waited; then there is nothing left to do.
    MIGRATIONS.run_direct(None, conn, false).await.map_err(|error| Fault(StoreError::Unavailable(Box::new(error))))
}

/// The database's path with something behind its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
