//! Who looked at what and who changed what.

use async_trait::async_trait;
use dovvybuddy_core::Timestamp;
use dovvybuddy_core::store::{Audit, AuditEntry, AuditRecord, StoreError};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::fault::Outcome;
use crate::store::SqliteStore;

#[async_trait]
impl Audit for SqliteStore {
    async fn note(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let entry = entry.clone();
        let write = async move |conn: &mut SqliteConnection| {
            sqlx::query("INSERT INTO audit (key, name, action, subject, at) VALUES ($1, $2, $3, $4, $5)")
                .bind(&entry.key)
                .bind(&entry.name)
                .bind(&entry.action)
                .bind(&entry.subject)
                .bind(entry.at.as_millis())
                .execute(conn)
                .await?;
            Ok(())
        };
        Ok(self.writer().write(write).await?)
    }

    async fn audit(&self, before: Option<i64>, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        Ok(self.read_audit(before, limit).await?)
    }
}

impl SqliteStore {
    async fn read_audit(&self, before: Option<i64>, limit: usize) -> Outcome<Vec<AuditRecord>> {
        let found = sqlx::query(
            "SELECT number, key, name, action, subject, at FROM audit
             WHERE $1 IS NULL OR number < $1 ORDER BY number DESC LIMIT $2",
        )
        .bind(before)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(self.readers())
        .await?;
        found.iter().map(record).collect()
    }
}

fn record(row: &SqliteRow) -> Outcome<AuditRecord> {
    Ok(AuditRecord {
        number: row.try_get(0)?,
        entry: AuditEntry {
            key: row.try_get(1)?,
            name: row.try_get(2)?,
            action: row.try_get(3)?,
            subject: row.try_get(4)?,
            at: Timestamp::from_millis(row.try_get(5)?),
        },
    })
}
