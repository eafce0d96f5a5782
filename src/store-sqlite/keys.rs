//! Operators' API keys.

use async_trait::async_trait;
use dovvybuddy_core::Timestamp;
use dovvybuddy_core::store::{ApiKey, Keys, StoreError};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::fault::Outcome;
use crate::store::SqliteStore;

fn key(row: &SqliteRow) -> Outcome<ApiKey> {
    Ok(ApiKey {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        scope: row.try_get(2)?,
        created_at: Timestamp::from_millis(row.try_get(3)?),
        revoked_at: row.try_get::<Option<i64>, _>(4)?.map(Timestamp::from_millis),
    })
}

#[async_trait]
impl Keys for SqliteStore {
    async fn add_key(&self, key: &ApiKey, hash: &str) -> Result<(), StoreError> {
        let (key, hash) = (key.clone(), hash.to_owned());
        self.writer()
            .write(async move |conn: &mut SqliteConnection| {
                sqlx::query(
                    "INSERT INTO api_keys (id, name, scope, hash, created_at, revoked_at)
                     VALUES ($1, $2, $3, $4, $5, $6)",
                )
                .bind(&key.id)
                .bind(&key.name)
                .bind(&key.scope)
                .bind(&hash)
                .bind(key.created_at.as_millis())
                .bind(key.revoked_at.map(Timestamp::as_millis))
                .execute(conn)
                .await?;
                Ok(())
            })
            .await?;
        Ok(())
    }

    async fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        Ok(self.all_keys().await?)
    }

    async fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let id = id.to_owned();
        Ok(self
            .writer()
            .write(async move |conn: &mut SqliteConnection| {
                let done = sqlx::query("UPDATE api_keys SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1")
                    .bind(&id)
                    .bind(at.as_millis())
                    .execute(conn)
                    .await?;
                Ok(done.rows_affected() > 0)
            })
            .await?)
    }

    async fn key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.valid_key(hash).await?)
    }
}

impl SqliteStore {
    async fn all_keys(&self) -> Outcome<Vec<ApiKey>> {
        let found = sqlx::query("SELECT id, name, scope, created_at, revoked_at FROM api_keys ORDER BY created_at, id")
            .fetch_all(self.readers())
            .await?;
        found.iter().map(key).collect()
    }

    async fn valid_key(&self, hash: &str) -> Outcome<Option<ApiKey>> {
        let found = sqlx::query(
            "SELECT id, name, scope, created_at, revoked_at FROM api_keys WHERE hash = $1 AND revoked_at IS NULL",
        )
        .bind(hash)
        .fetch_optional(self.readers())
        .await?;
        found.as_ref().map(key).transpose()
    }
}
