//! What models cost, and the caps on it.

use async_trait::async_trait;
use dovvybuddy_core::store::{Ledger, Spend, SpendCaps, StoreError};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use crate::fault::Outcome;
use crate::rows;
use crate::store::SqliteStore;

/// Only the reservation knows whether a cap stood in the way; the sums follow it.
const RESERVE: &str = "
INSERT INTO reservations (day, diver, tokens, cost_micros)
SELECT $1, coalesce((SELECT person FROM identities WHERE diver = $2), $2), $3, $4
WHERE ($5 = 0 OR $3 + coalesce((SELECT tokens FROM spend WHERE day = $1
        AND diver = coalesce((SELECT person FROM identities WHERE diver = $2), $2)), 0) <= $5)
  AND ($6 = 0 OR $3 + coalesce((SELECT tokens FROM spend WHERE day = $1 AND diver = ''), 0) <= $6)
  AND ($7 = 0 OR $4 + coalesce((SELECT cost_micros FROM spend WHERE day = $1 AND diver = ''), 0) <= $7)
RETURNING id;

INSERT INTO spend (day, diver, tokens, cost_micros)
SELECT $1, column1, $3, $4 FROM (VALUES (coalesce((SELECT person FROM identities WHERE diver = $2), $2)), ('')) WHERE changes() = 1
ON CONFLICT (day, diver) DO UPDATE SET
    tokens = tokens + excluded.tokens, cost_micros = cost_micros + excluded.cost_micros";

const SETTLE: &str = "
UPDATE spend SET
    tokens = max(0, spend.tokens - r.tokens + $2),
    cost_micros = max(0, spend.cost_micros - r.cost_micros + $3)
FROM reservations r
WHERE r.id = $1 AND spend.day = r.day AND spend.diver IN (r.diver, '');

DELETE FROM reservations WHERE id = $1";

#[async_trait]
impl Ledger for SqliteStore {
    async fn reserve(&self, spend: &Spend, caps: &SpendCaps) -> Result<Option<i64>, StoreError> {
        let (spend, caps) = (spend.clone(), *caps);
        Ok(self.writer().write(async move |conn: &mut SqliteConnection| reserve(conn, &spend, caps).await).await?)
    }

    async fn settle_spend(&self, reservation: i64, tokens: u64, cost_micros: u64) -> Result<(), StoreError> {
        self.writer()
            .write(async move |conn: &mut SqliteConnection| {
                sqlx::query(SETTLE)
                    .bind(reservation)
                    .bind(rows::stored(tokens))
                    .bind(rows::stored(cost_micros))
                    .execute(conn)
                    .await?;
                Ok(())
            })
            .await?;
        Ok(())
    }

    async fn spent(&self, day: &str) -> Result<(u64, u64), StoreError> {
        Ok(self.spent_on(day).await?)
    }
}

async fn reserve(conn: &mut SqliteConnection, spend: &Spend, caps: SpendCaps) -> Outcome<Option<i64>> {
    let found = sqlx::query(RESERVE)
        .bind(&spend.day)
        .bind(&spend.diver)
        .bind(rows::stored(spend.tokens))
        .bind(rows::stored(spend.cost_micros))
        .bind(rows::stored(caps.diver_tokens))
        .bind(rows::stored(caps.all_tokens))
        .bind(rows::stored(caps.all_cost_micros))
        .fetch_all(conn)
        .await?;
    Ok(found.first().map(|row| row.try_get(0)).transpose()?)
}

impl SqliteStore {
    async fn spent_on(&self, day: &str) -> Outcome<(u64, u64)> {
        let found = sqlx::query("SELECT tokens, cost_micros FROM spend WHERE day = $1 AND diver = ''")
            .bind(day)
            .fetch_optional(self.readers())
            .await?;
        found.map_or(Ok((0, 0)), |row| Ok((rows::count(&row, 0)?, rows::count(&row, 1)?)))
    }
}
