//! Messages and replies on Postgres: one statement each, over a pool.

use dovvybuddy_bench::{BoxError, CONNECTIONS};
use sqlx::postgres::{PgPool, PgPoolOptions};

use crate::log::Stored;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS messages (
        event text PRIMARY KEY, session text NOT NULL, text text NOT NULL, at bigint NOT NULL
    );
    CREATE TABLE IF NOT EXISTS replies (
        event text PRIMARY KEY, session text NOT NULL, text text NOT NULL, at bigint NOT NULL
    );";
const ACCEPT: &str = "INSERT INTO messages (event, session, text, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const FINISH: &str = "INSERT INTO replies (event, session, text, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

/// The database.
pub(crate) struct Tables(PgPool);

impl Tables {
    pub(crate) async fn open(address: &str) -> Result<Self, BoxError> {
        let options = PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
        let pool = options.connect(address).await?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        Ok(Self(pool))
    }

    pub(crate) async fn accept(&self, event: &str, session: &str, text: &str, at: i64) -> Result<Stored, BoxError> {
        self.write(ACCEPT, event, session, text, at).await
    }

    pub(crate) async fn finish(&self, event: &str, session: &str, text: &str, at: i64) -> Result<Stored, BoxError> {
        self.write(FINISH, event, session, text, at).await
    }

    async fn write(
        &self,
        sql: &'static str,
        event: &str,
        session: &str,
        text: &str,
        at: i64,
    ) -> Result<Stored, BoxError> {
        let written = sqlx::query(sql).bind(event).bind(session).bind(text).bind(at).execute(&self.0).await?;
        Ok(if written.rows_affected() == 0 { Stored::Known } else { Stored::New })
    }
}
