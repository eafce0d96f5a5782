//! The rows of a turn on Postgres, as a program without lanes, leases and replicas would write them: one statement
//! that takes the message in, one that ends the turn, over a pool.

use dovvybuddy_bench::{BoxError, CONNECTIONS};
use sqlx::postgres::{PgPool, PgPoolOptions};

use crate::log::Stored;

/// What the daemon keeps of a turn, under the same keys and indexes.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS sessions (
        id text NOT NULL UNIQUE, conversation text PRIMARY KEY, state text NOT NULL, created_at bigint NOT NULL,
        updated_at bigint NOT NULL
    );
    CREATE INDEX IF NOT EXISTS sessions_updated ON sessions (updated_at);
    CREATE TABLE IF NOT EXISTS event_ids (event_key text PRIMARY KEY, conversation text NOT NULL);
    CREATE INDEX IF NOT EXISTS event_ids_conversation ON event_ids (conversation);
    CREATE TABLE IF NOT EXISTS inbox (
        conversation text NOT NULL, seq bigint GENERATED ALWAYS AS IDENTITY, event_key text NOT NULL,
        turn text NOT NULL, event text, covered_by text, received_at bigint NOT NULL, PRIMARY KEY (conversation, seq)
    ) WITH (fillfactor = 80);
    CREATE INDEX IF NOT EXISTS inbox_received ON inbox (received_at);
    CREATE TABLE IF NOT EXISTS limits (key text PRIMARY KEY, arrival bigint NOT NULL) WITH (fillfactor = 70);
    CREATE TABLE IF NOT EXISTS messages (
        conversation text NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, turn text NOT NULL, role text NOT NULL,
        content text NOT NULL, created_at bigint NOT NULL, PRIMARY KEY (conversation, id)
    );
    CREATE TABLE IF NOT EXISTS turns (
        id text PRIMARY KEY, conversation text NOT NULL, reply text NOT NULL, finished_at bigint NOT NULL
    );
    CREATE INDEX IF NOT EXISTS turns_conversation ON turns (conversation);
    CREATE TABLE IF NOT EXISTS usage (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, turn text NOT NULL, conversation text NOT NULL,
        at bigint NOT NULL
    );
    CREATE INDEX IF NOT EXISTS usage_conversation ON usage (conversation);";

const ACCEPT: &str = "
WITH fresh AS (
    INSERT INTO event_ids (event_key, conversation) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING event_key
), charged AS (
    INSERT INTO limits AS l (key, arrival) SELECT $2, $4 + 1 FROM fresh
    ON CONFLICT (key) DO UPDATE SET arrival = greatest(l.arrival, $4) + 1
), opened AS (
    INSERT INTO sessions (id, conversation, state, created_at, updated_at) SELECT $2, $2, '{}', $4, $4 FROM fresh
    ON CONFLICT DO NOTHING
)
INSERT INTO inbox (conversation, event_key, turn, event, received_at) SELECT $2, $1, $1, $3, $4 FROM fresh";

const FINISH: &str = "
WITH kept AS (
    INSERT INTO turns (id, conversation, reply, finished_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
    RETURNING id
), touched AS (
    UPDATE sessions SET updated_at = $4 WHERE conversation = $2
), covered AS (
    UPDATE inbox SET covered_by = $1, event = NULL WHERE conversation = $2 AND covered_by IS NULL AND event_key = $1
    RETURNING received_at
), said AS (
    INSERT INTO messages (conversation, turn, role, content, created_at)
    SELECT $2, id, role, $3, $4 FROM kept, (VALUES ('user'), ('assistant')) AS roles (role)
)
INSERT INTO usage (turn, conversation, at) SELECT id, $2, $4 FROM kept";

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
