//! What models cost, and the caps on it.

use async_trait::async_trait;
use dovvybuddy_core::store::{Ledger, Spend, SpendCaps, StoreError};
use sqlx::Row as _;

use crate::ask::{BUDGET, Repeat};
use crate::fault::Fault;
use crate::rows;
use crate::store::PostgresStore;

const SETTLE: &str = "
WITH settled AS (DELETE FROM reservations WHERE id = $1 RETURNING day, diver, tokens, cost_micros)
UPDATE spend SET
    tokens = greatest(0, spend.tokens - r.tokens + $2),
    cost_micros = greatest(0, spend.cost_micros - r.cost_micros + $3)
FROM settled r WHERE spend.day = r.day AND spend.diver IN (r.diver, '')";

#[async_trait]
impl Ledger for PostgresStore {
    async fn reserve(&self, spend: &Spend, caps: &SpendCaps) -> Result<Option<i64>, StoreError> {
        // Reserved twice would count twice: after a lost answer the caller is told to do without.
        let found = self
            .rows(Repeat::IfUndone, BUDGET, |_| {
                sqlx::query("SELECT dovvy_reserve($1, $2, $3, $4, $5, $6, $7)")
                    .bind(spend.day.clone())
                    .bind(spend.diver.clone())
                    .bind(rows::stored(spend.tokens))
                    .bind(rows::stored(spend.cost_micros))
                    .bind(rows::stored(caps.diver_tokens))
                    .bind(rows::stored(caps.all_tokens))
                    .bind(rows::stored(caps.all_cost_micros))
            })
            .await?;
        Ok(found.first().map_or(Ok(None), |row| row.try_get(0)).map_err(Fault::from)?)
    }

    async fn settle_spend(&self, reservation: i64, tokens: u64, cost_micros: u64) -> Result<(), StoreError> {
        self.touched(|| {
            sqlx::query(SETTLE).bind(reservation).bind(rows::stored(tokens)).bind(rows::stored(cost_micros))
        })
        .await?;
        Ok(())
    }

    async fn spent(&self, day: &str) -> Result<(u64, u64), StoreError> {
        let read =
            || sqlx::query("SELECT tokens, cost_micros FROM spend WHERE day = $1 AND diver = ''").bind(day.to_owned());
        let Some(row) = self.row(read).await? else { return Ok((0, 0)) };
        Ok((rows::count(&row, 0)?, rows::count(&row, 1)?))
    }
}
