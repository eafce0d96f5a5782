//! Care of the store itself.

use async_trait::async_trait;
use dovvybuddy_core::store::{StoreError, Upkeep};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use crate::fault::Outcome;
use crate::schema;
use crate::store::SqliteStore;

#[async_trait]
impl Upkeep for SqliteStore {
    async fn ping(&self) -> Result<(), StoreError> {
        let at = self.inner.clock.now().as_millis();
        self.set_meta("ping", at).await?;
        Ok(self.read_ping().await?)
    }

    async fn schema_version(&self) -> Result<i64, StoreError> {
        Ok(self.version().await?)
    }

    async fn close(&self) -> Result<(), StoreError> {
        if self.inner.dispatch {
            self.set_meta("clean", 1).await?;
        }
        if let Some(task) = &self.inner.checkpoints {
            task.abort();
        }
        // Readers first: an open one would keep the log from being emptied.
        self.readers().close().await;
        self.writer().close().await?;
        Ok(())
    }
}

impl SqliteStore {
    /// Whether another process changed the database since the last call: content ingested, a key
    /// revoked, a lead put into the outbox again. The first call only takes note. When something
    /// changed, whoever waits for parts is woken.
    ///
    /// # Errors
    /// When the store can't be used.
    pub async fn changed(&self) -> Result<bool, StoreError> {
        let mut seen = self.inner.seen.lock().await;
        let version = self.data_version().await?;
        let before = seen.replace(version);
        let changed = before.is_some_and(|before| before != version);
        if changed {
            self.outbox_wake().notify_waiters();
        }
        Ok(changed)
    }

    /// Asked on the writing connection, where it moves only for commits of others.
    async fn data_version(&self) -> Outcome<i64> {
        self.writer()
            .write(async move |conn: &mut SqliteConnection| {
                Ok(sqlx::query("PRAGMA data_version").fetch_one(conn).await?.try_get(0)?)
            })
            .await
    }

    async fn set_meta(&self, name: &'static str, value: i64) -> Outcome<()> {
        self.writer()
            .write(async move |conn: &mut SqliteConnection| {
                sqlx::query(
                    "INSERT INTO meta (name, value) VALUES ($1, $2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )
                .bind(name)
                .bind(value)
                .execute(conn)
                .await?;
                Ok(())
            })
            .await
    }

    async fn read_ping(&self) -> Outcome<()> {
        sqlx::query("SELECT value FROM meta WHERE name = 'ping'").fetch_one(self.readers()).await?;
        Ok(())
    }

    async fn version(&self) -> Outcome<i64> {
        let mut conn = self.readers().acquire().await?;
        schema::version(&mut conn).await
    }
}
