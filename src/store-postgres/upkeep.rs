//! Care of the store itself.

use async_trait::async_trait;
use dovvybuddy_core::store::{Schema, StoreError, Upkeep};
use sqlx::Row as _;

use crate::fault::Outcome;
use crate::schema;
use crate::store::PostgresStore;

const PARK_ALL: &str = "
SELECT dovvy_park(conversation, fence, $1, first_seq) FROM lanes WHERE holder = $1";

/// How a database keeps what was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    /// `synchronous_commit` as the server has it; `off` may lose the last moment in a crash.
    pub synchronous_commit: String,
    /// Whether a commit waits for a standby; otherwise what was acknowledged can die with the primary.
    pub waits_for_standby: bool,
    /// How many standbys follow; 0 where this role may not see them.
    pub standbys: i64,
    /// The server's version, such as `16.4`.
    pub version: String,
    /// The version of pgvector.
    pub pgvector: String,
}

#[async_trait]
impl Upkeep for PostgresStore {
    async fn ping(&self) -> Result<(), StoreError> {
        // A standby can be read; this can only be done where writes are taken.
        let ping = || {
            sqlx::query(
                "INSERT INTO meta (name, value) VALUES ('ping', dovvy_now())
             ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE meta.value < excluded.value - 1000",
            )
        };
        self.touched(ping).await?;
        Ok(())
    }

    async fn schema(&self) -> Result<Schema, StoreError> {
        Ok(self.read_schema().await?)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.stop();
        let left = self.leave().await;
        self.inner.connections.close();
        Ok(left?)
    }

    async fn changed(&self) -> Result<bool, StoreError> {
        Ok(self.inner.changes.take())
    }

    fn whereabouts(&self) -> String {
        self.inner.address.clone()
    }
}

impl PostgresStore {
    /// Gives back what runs and tells the others that this replica is gone: nothing crashed.
    async fn leave(&self) -> Outcome<()> {
        let Some(me) = self.inner.me.get().copied() else { return Ok(()) };
        self.all(|| sqlx::query(PARK_ALL).bind(me)).await?;
        self.touched(|| sqlx::query("DELETE FROM leases WHERE holder = $1").bind(me)).await?;
        self.touched(|| sqlx::query("DELETE FROM replicas WHERE id = $1").bind(me)).await?;
        Ok(())
    }

    async fn read_schema(&self) -> Outcome<Schema> {
        let mut conn = self.borrow().await?;
        let read = schema::read(conn.begin()).await?;
        conn.settle();
        Ok(read)
    }

    /// How safe an acknowledged message is here.
    ///
    /// # Errors
    /// When the store can't be used.
    pub async fn durability(&self) -> Result<Durability, StoreError> {
        Ok(self.read_durability().await?)
    }

    async fn read_durability(&self) -> Outcome<Durability> {
        let read = || {
            sqlx::query(
                "SELECT current_setting('synchronous_commit'), current_setting('synchronous_standby_names') <> '',
                        (SELECT count(*) FROM pg_stat_replication), current_setting('server_version'),
                        coalesce((SELECT extversion FROM pg_extension WHERE extname = 'vector'), '')",
            )
        };
        let row = self.row(read).await?.ok_or_else(|| crate::fault::Fault::corrupt("the server's settings"))?;
        Ok(Durability {
            synchronous_commit: row.try_get(0)?,
            waits_for_standby: row.try_get(1)?,
            standbys: row.try_get(2)?,
            version: row.try_get(3)?,
            pgvector: row.try_get(4)?,
        })
    }
}
