//! Takes over the rows of another store, all of them or none.

use dovvybuddy_core::store::StoreError;
use serde_json::{Map, Value};
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres, Row as _, Transaction};

use crate::fault::{Fault, Outcome};
use crate::store::PostgresStore;

/// How many rows are read at once.
const PAGE: u64 = 1000;

/// Numbers that go on behind what was taken over.
const NUMBERED: [(&str, &str); 11] = [
    ("sessions", "number"),
    ("messages", "id"),
    ("turns", "number"),
    ("outbox", "id"),
    ("leads", "number"),
    ("usage", "number"),
    ("reservations", "id"),
    ("passages", "id"),
    ("alerts", "id"),
    ("interventions", "number"),
    ("audit", "number"),
];

/// What follows from the rows: what tells repeats, and the lanes. A part that was on its way may have arrived.
/// News goes on being told where it was: where there is any, somebody listens.
const DERIVE: [&str; 6] = [
    "INSERT INTO event_ids (event_key, conversation, seq, offer) SELECT event_key, conversation, seq, 0 FROM inbox",
    "INSERT INTO lanes (conversation, first_seq, waiting)
     SELECT conversation, min(seq), count(*) FROM inbox WHERE covered_by IS NULL GROUP BY conversation",
    "SELECT dovvy_place(conversation, first_seq, 0) FROM lanes",
    "UPDATE outbox SET state = 'unknown', uncertain = true WHERE state = 'send_started'",
    "INSERT INTO told (kind, number) SELECT kind, 0 FROM unnest(ARRAY['turn', 'lead', 'rating']) kind
     WHERE EXISTS (SELECT 1 FROM news)",
    "DELETE FROM news n WHERE n.kind = 'rating' AND NOT EXISTS (SELECT 1 FROM feedback f WHERE f.turn = n.subject)",
];

/// A move that is under way; nothing of it is there for anybody until [`TakeOver::finish`].
pub struct TakeOver {
    transaction: Transaction<'static, Postgres>,
}

impl PostgresStore {
    /// Begins a move into this database, which must be empty.
    ///
    /// # Errors
    /// When it is not, or can't be used.
    pub async fn take_over(&self) -> Result<TakeOver, StoreError> {
        Ok(self.begin_take_over().await?)
    }

    async fn begin_take_over(&self) -> Outcome<TakeOver> {
        let alone = PgPoolOptions::new().max_connections(1).connect_with(self.inner.direct.clone()).await?;
        let mut transaction = alone.begin().await?;
        sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *transaction).await?;
        let filled = "SELECT EXISTS (SELECT 1 FROM sessions) OR EXISTS (SELECT 1 FROM documents)
                      OR EXISTS (SELECT 1 FROM leads) OR EXISTS (SELECT 1 FROM inbox)";
        if sqlx::query(filled).fetch_one(&mut *transaction).await?.try_get(0)? {
            return Err(Fault::unavailable("the database is not empty; nothing was moved"));
        }
        // What is moved is no news by itself.
        sqlx::query("DELETE FROM told").execute(&mut *transaction).await?;
        Ok(TakeOver { transaction })
    }
}

/// Puts rows with the same columns into a table.
pub(crate) async fn insert(conn: &mut PgConnection, table: &str, rows: &[Map<String, Value>]) -> Outcome<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let columns: Vec<String> = first.keys().map(|name| format!("\"{name}\"")).collect();
    let columns = columns.join(", ");
    let sql = format!(
        "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
         SELECT {columns} FROM json_populate_recordset(NULL::{table}, $1::text::json)"
    );
    sqlx::query(AssertSqlSafe(sql)).bind(serde_json::to_string(rows)?).execute(conn).await?;
    Ok(())
}

impl TakeOver {
    /// Puts rows into a table.
    ///
    /// # Errors
    /// When they don't fit or the database can't be used. Then the move has failed.
    pub async fn put(&mut self, table: &'static str, rows: &[Map<String, Value>]) -> Result<(), StoreError> {
        Ok(insert(&mut self.transaction, table, rows).await?)
    }

    /// Some rows of a table as they are stored now, from the `from`th on; none at its end.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn rows(&mut self, table: &'static str, from: u64) -> Result<Vec<Map<String, Value>>, StoreError> {
        Ok(self.read(table, from).await?)
    }

    async fn read(&mut self, table: &'static str, from: u64) -> Outcome<Vec<Map<String, Value>>> {
        let sql = format!("SELECT to_json(t)::text FROM {table} t LIMIT {PAGE} OFFSET {from}");
        let found = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *self.transaction).await?;
        found.iter().map(|row| Ok(serde_json::from_str(row.try_get(0)?)?)).collect()
    }

    /// Makes what follows from the rows, and all of it visible.
    ///
    /// # Errors
    /// When it can't be committed; then nothing was moved.
    pub async fn finish(self) -> Result<(), StoreError> {
        Ok(self.complete().await?)
    }

    async fn complete(mut self) -> Outcome<()> {
        for statement in DERIVE {
            sqlx::query(statement).execute(&mut *self.transaction).await?;
        }
        for (table, column) in NUMBERED {
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'),
                               (SELECT coalesce(max({column}), 0) + 1 FROM {table}), false)"
            );
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *self.transaction).await?;
        }
        let seq = "SELECT setval('inbox_seq', (SELECT coalesce(max(seq), 0) + 1 FROM inbox), false)";
        sqlx::query(seq).execute(&mut *self.transaction).await?;
        sqlx::query("SELECT dovvy_changed()").execute(&mut *self.transaction).await?;
        self.transaction.commit().await?;
        Ok(())
    }
}
