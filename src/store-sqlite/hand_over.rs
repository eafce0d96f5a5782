//! Reads every row of the database, for a move to another store.

use std::cmp::Ordering;
use std::fs::File;
use std::path::Path;

use dovvybuddy_core::store::StoreError;
use serde_json::{Map, Value};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Row as _, TypeInfo as _, ValueRef as _};

use crate::fault::{Fault, Outcome};
use crate::open::connect_options;
use crate::schema::{self, Standing, beside};

/// Every table that holds something of anybody, what others refer to first. What is left out says how this
/// database itself stands.
pub const TABLES: [&str; 33] = [
    "sessions",
    "messages",
    "participants",
    "divers",
    "inbox",
    "turns",
    "feedback",
    "outbox",
    "limits",
    "leads",
    "usage",
    "spend",
    "reservations",
    "documents",
    "passages",
    "content_embeddings",
    "destinations",
    "dive_sites",
    "api_keys",
    "identities",
    "link_codes",
    "link_misses",
    "placeholders",
    "alerts",
    "pauses",
    "interventions",
    "audit",
    "content_versions",
    "content_revisions",
    "content_version_documents",
    "message_statuses",
    "news",
    "left_words",
];

/// What was not told yet, which here follows from the marks: nothing if nobody ever listened.
const NEWS: &str = "(
    SELECT 'turn' AS kind, id AS subject FROM turns
    WHERE number > (SELECT value FROM meta WHERE name = 'told_turn')
    UNION ALL SELECT 'lead', id FROM leads WHERE number > (SELECT value FROM meta WHERE name = 'told_lead')
    UNION ALL SELECT 'rating', turn FROM ratings
    WHERE number > (SELECT value FROM meta WHERE name = 'told_rating') GROUP BY turn)";

/// How many rows are read at once.
const PAGE: u64 = 1000;

/// A database nobody serves meanwhile, as it stands at one moment.
pub struct HandOver {
    conn: SqliteConnection,
    _lock: File,
}

impl HandOver {
    /// Opens the file.
    ///
    /// # Errors
    /// When a process serves it, or it is not a database of this program's schema.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(open(path).await?)
    }

    /// Some rows of one of [`TABLES`], from the `from`th on; none at its end.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn rows(&mut self, table: &'static str, from: u64) -> Result<Vec<Map<String, Value>>, StoreError> {
        Ok(self.read(table, from).await?)
    }

    async fn read(&mut self, table: &'static str, from: u64) -> Outcome<Vec<Map<String, Value>>> {
        if !TABLES.contains(&table) {
            return Err(Fault::corrupt(format!("there is no table {table}")));
        }
        let rows = if table == "news" { NEWS } else { table };
        let sql = AssertSqlSafe(format!("SELECT * FROM {rows} LIMIT {PAGE} OFFSET {from}"));
        let found = sqlx::query(sql).fetch_all(&mut self.conn).await?;
        found.iter().map(row).collect()
    }
}

async fn open(path: &Path) -> Outcome<HandOver> {
    if !path.is_file() {
        return Err(Fault::unavailable(format!("there is no database at {}", path.display())));
    }
    let lock = File::options().create(true).truncate(false).write(true).open(beside(path, ".lock"))?;
    lock.try_lock().map_err(|_| Fault::unavailable("a process serves the database; stop it first"))?;
    let mut conn = connect_options(path, true).create_if_missing(false).connect().await?;
    let Standing { found, known } = schema::standing(&mut conn).await?;
    match found.version.cmp(&known) {
        Ordering::Less => return Err(Fault(StoreError::OlderSchema { found: found.version, known })),
        Ordering::Equal => {}
        // What was added since, this program would leave behind.
        Ordering::Greater => {
            return Err(Fault(StoreError::NewerSchema { found: found.version, oldest: found.version, known }));
        }
    }
    // One snapshot for all tables.
    sqlx::query("BEGIN").execute(&mut conn).await?;
    conn.ping().await?;
    Ok(HandOver { conn, _lock: lock })
}

/// Numbers, texts, and bytes as lists of the 32-bit floating-point numbers they hold.
fn row(row: &SqliteRow) -> Outcome<Map<String, Value>> {
    let mut out = Map::new();
    for column in row.columns() {
        let raw = row.try_get_raw(column.ordinal())?;
        let value = match raw.type_info().name() {
            _ if raw.is_null() => Value::Null,
            "INTEGER" => row.try_get::<i64, _>(column.ordinal())?.into(),
            "BLOB" => {
                let bytes: &[u8] = row.try_get(column.ordinal())?;
                let (values, _) = bytes.as_chunks::<4>();
                values.iter().copied().map(f32::from_le_bytes).map(Value::from).collect()
            }
            _ => row.try_get::<String, _>(column.ordinal())?.into(),
        };
        out.insert(column.name().to_owned(), value);
    }
    Ok(out)
}
