//! What only one of several replicas may hold, and what it leaves for the next.

use async_trait::async_trait;
use dovvybuddy_core::store::{Leases, StoreError};

use sqlx::Row;

use crate::fault::Fault;
use crate::store::PostgresStore;

const LEAVE: &str = "
INSERT INTO left_words (name, word) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET word = excluded.word";

const HOLD: &str = "
INSERT INTO leases AS l (name, holder) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder
    WHERE l.holder = excluded.holder OR l.holder <> ALL (dovvy_alive())";

#[async_trait]
impl Leases for PostgresStore {
    async fn hold(&self, name: &str) -> Result<bool, StoreError> {
        let me = self.me().await?;
        Ok(self.touched(|| sqlx::query(HOLD).bind(name.to_owned()).bind(me)).await? > 0)
    }

    async fn let_go(&self, name: &str) -> Result<(), StoreError> {
        let me = self.me().await?;
        let gone = || sqlx::query("DELETE FROM leases WHERE name = $1 AND holder = $2").bind(name.to_owned()).bind(me);
        self.touched(gone).await?;
        Ok(())
    }

    async fn leave_word(&self, name: &str, word: &str) -> Result<(), StoreError> {
        self.touched(|| sqlx::query(LEAVE).bind(name.to_owned()).bind(word.to_owned())).await?;
        Ok(())
    }

    async fn word(&self, name: &str) -> Result<Option<String>, StoreError> {
        let found =
            self.row(|| sqlx::query("SELECT word FROM left_words WHERE name = $1").bind(name.to_owned())).await?;
        Ok(found.map(|row| row.try_get(0)).transpose().map_err(Fault::from)?)
    }
}
