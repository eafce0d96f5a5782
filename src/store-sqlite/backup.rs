//! A consistent copy of the database while it is in use, and the way back.

use std::fs::{self, File};
use std::path::Path;

use dovvybuddy_core::store::StoreError;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection, Row};

use crate::fault::{Fault, Outcome};
use crate::open::connect_options;
use crate::schema::{self, Standing, beside};

const NO_DATABASE: &str = "the file is no database of this program";

/// Writes a consistent copy of the database `from` to `to`, which must not exist yet. Processes that use the
/// database go on meanwhile. A database of an older schema is copied as it is, so that the copy can be
/// taken before an upgrade.
///
/// # Errors
/// [`StoreError::Corrupt`] when `from` is no database of this program, [`StoreError::Unavailable`] when it can't
/// be read, or when `to` exists or can't be written.
pub async fn backup(from: &Path, to: &Path) -> Result<(), StoreError> {
    copy(from, to).await.map_err(StoreError::from)
}

async fn copy(from: &Path, to: &Path) -> Outcome<()> {
    if !from.is_file() {
        return Err(Fault::unavailable(format!("there is no database at {}", from.display())));
    }
    if to.exists() {
        return Err(Fault::unavailable(format!("{} exists already", to.display())));
    }
    // Under another name until it is whole: what bears the name is always a usable backup.
    let partial = beside(to, ".partial");
    remove(&partial)?;
    let result = async {
        let mut conn = connect_options(from, true).create_if_missing(false).connect().await?;
        if schema::standing(&mut conn).await?.found.version == 0 {
            return Err(Fault::corrupt(NO_DATABASE));
        }
        sqlx::query("VACUUM INTO $1").bind(text(&partial)?).execute(&mut conn).await?;
        conn.close().await?;
        File::open(&partial)?.sync_all()?;
        fs::rename(&partial, to)?;
        Ok(())
    }
    .await;
    if result.is_err() {
        let _ = remove(&partial);
    }
    result
}

/// Puts the backup `from` in the place of the database `to`, whose present content is lost.
///
/// # Errors
/// [`StoreError::Corrupt`] when `from` is damaged or not a database of this program,
/// [`StoreError::NewerSchema`] when only newer programs can use it, [`StoreError::Unavailable`] when a process
/// serves `to` or a file can't be written. Then `to` is as it was.
pub async fn restore(from: &Path, to: &Path) -> Result<(), StoreError> {
    put_back(from, to).await.map_err(StoreError::from)
}

async fn put_back(from: &Path, to: &Path) -> Outcome<()> {
    if !from.is_file() {
        return Err(Fault::unavailable(format!("{} is not a file", from.display())));
    }
    let lock = File::options().create(true).truncate(false).write(true).open(beside(to, ".lock"))?;
    lock.try_lock().map_err(|_| Fault::unavailable("a process serves the database; stop it first"))?;
    let incoming = beside(to, ".incoming");
    remove(&incoming)?;
    let result = async {
        fs::copy(from, &incoming)?;
        verify(&incoming).await?;
        File::open(&incoming)?.sync_all()?;
        // The log of the old database must not be replayed into the new one.
        remove(&beside(to, "-wal"))?;
        remove(&beside(to, "-shm"))?;
        fs::rename(&incoming, to)?;
        Ok(())
    }
    .await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = remove(&beside(&incoming, suffix));
    }
    result
}

/// Whether a file is a whole database of this program.
async fn verify(path: &Path) -> Outcome<Standing> {
    let mut conn = connect_options(path, true).create_if_missing(false).connect().await?;
    let standing = check(&mut conn).await;
    conn.close().await?;
    standing
}

async fn check(conn: &mut SqliteConnection) -> Outcome<Standing> {
    let standing = schema::standing(conn).await?;
    if standing.found.version == 0 {
        return Err(Fault::corrupt(NO_DATABASE));
    }
    let row = sqlx::query("PRAGMA integrity_check(1)").fetch_one(&mut *conn).await?;
    let verdict: String = row.try_get(0)?;
    if verdict != "ok" {
        return Err(Fault::corrupt(format!("the file is damaged: {verdict}")));
    }
    Ok(standing)
}

fn text(path: &Path) -> Outcome<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| Fault::unavailable("the path is not valid Unicode"))
}

fn remove(path: &Path) -> Outcome<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
