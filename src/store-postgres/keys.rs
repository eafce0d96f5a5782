//! Operators' API keys.

use async_trait::async_trait;
use dovvybuddy_core::Timestamp;
use dovvybuddy_core::store::{ApiKey, Keys, StoreError};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::ask::{BUDGET, Repeat};
use crate::fault::Outcome;
use crate::rows;
use crate::store::PostgresStore;

fn key(row: &PgRow) -> Outcome<ApiKey> {
    Ok(ApiKey {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        scope: row.try_get(2)?,
        created_at: rows::moment(row, 3)?,
        revoked_at: row.try_get::<Option<i64>, _>(4)?.map(Timestamp::from_millis),
    })
}

#[async_trait]
impl Keys for PostgresStore {
    async fn add_key(&self, key: &ApiKey, hash: &str) -> Result<(), StoreError> {
        self.rows(Repeat::IfUndone, BUDGET, |_| {
            sqlx::query(
                "INSERT INTO api_keys (id, name, scope, hash, created_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(key.id.clone())
            .bind(key.name.clone())
            .bind(key.scope.clone())
            .bind(hash.to_owned())
            .bind(key.created_at.as_millis())
            .bind(key.revoked_at.map(Timestamp::as_millis))
        })
        .await?;
        Ok(())
    }

    async fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let read =
            || sqlx::query("SELECT id, name, scope, created_at, revoked_at FROM api_keys ORDER BY created_at, id");
        Ok(self.all(read).await?.iter().map(key).collect::<Outcome<Vec<_>>>()?)
    }

    async fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let revoked = self
            .touched(|| {
                sqlx::query("UPDATE api_keys SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1")
                    .bind(id.to_owned())
                    .bind(at.as_millis())
            })
            .await?;
        Ok(revoked > 0)
    }

    async fn key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError> {
        let read = || {
            sqlx::query(
                "SELECT id, name, scope, created_at, revoked_at FROM api_keys WHERE hash = $1 AND revoked_at IS NULL",
            )
            .bind(hash.to_owned())
        };
        Ok(self.row(read).await?.as_ref().map(key).transpose()?)
    }
}
