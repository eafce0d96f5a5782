//! Who looked at what and who changed what.

use async_trait::async_trait;
use dovvybuddy_core::store::{Audit, AuditEntry, AuditRecord, StoreError};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::ask::{BUDGET, Repeat};
use crate::fault::Outcome;
use crate::rows;
use crate::store::PostgresStore;

#[async_trait]
impl Audit for PostgresStore {
    async fn note(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.rows(Repeat::IfUndone, BUDGET, |_| {
            sqlx::query("INSERT INTO audit (key, name, action, subject, at) VALUES ($1, $2, $3, $4, $5)")
                .bind(entry.key.clone())
                .bind(entry.name.clone())
                .bind(entry.action.clone())
                .bind(rows::words(&entry.subject).into_owned())
                .bind(entry.at.as_millis())
        })
        .await?;
        Ok(())
    }

    async fn audit(&self, before: Option<i64>, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self
            .all(|| {
                sqlx::query(
                    "SELECT number, key, name, action, subject, at FROM audit
                     WHERE $1::bigint IS NULL OR number < $1 ORDER BY number DESC LIMIT $2",
                )
                .bind(before)
                .bind(limit)
            })
            .await?;
        Ok(found.iter().map(record).collect::<Outcome<Vec<_>>>()?)
    }
}

fn record(row: &PgRow) -> Outcome<AuditRecord> {
    Ok(AuditRecord {
        number: row.try_get(0)?,
        entry: AuditEntry {
            key: row.try_get(1)?,
            name: row.try_get(2)?,
            action: row.try_get(3)?,
            subject: row.try_get(4)?,
            at: rows::moment(row, 5)?,
        },
    })
}
