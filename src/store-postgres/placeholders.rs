//! Messages that stand for a reply to come.

use async_trait::async_trait;
use dovvybuddy_core::channel::Receipt;
use dovvybuddy_core::store::{Placeholders, StoreError};
use dovvybuddy_core::{ConversationKey, DiverKey, TurnId};
use sqlx::Row as _;

use crate::fault::Fault;
use crate::store::PostgresStore;

#[async_trait]
impl Placeholders for PostgresStore {
    async fn place(
        &self,
        turn: TurnId,
        conversation: &ConversationKey,
        diver: &DiverKey,
        receipt: &Receipt,
    ) -> Result<(), StoreError> {
        let Some(receipt) = receipt.0.clone() else { return Ok(()) };
        let now = self.inner.clock.now().as_millis();
        self.touched(|| {
            sqlx::query(
                "INSERT INTO placeholders (turn, conversation, diver, receipt, placed_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (turn) DO UPDATE SET receipt = excluded.receipt",
            )
            .bind(turn.to_string())
            .bind(conversation.encode())
            .bind(diver.encode())
            .bind(receipt.clone())
            .bind(now)
        })
        .await?;
        Ok(())
    }

    async fn placeholder(&self, turn: TurnId) -> Result<Option<Receipt>, StoreError> {
        let read = || sqlx::query("SELECT receipt FROM placeholders WHERE turn = $1").bind(turn.to_string());
        let Some(row) = self.row(read).await? else { return Ok(None) };
        Ok(Some(Receipt(Some(row.try_get(0).map_err(Fault::from)?))))
    }

    async fn forget_placeholder(&self, turn: TurnId) -> Result<(), StoreError> {
        self.touched(|| sqlx::query("DELETE FROM placeholders WHERE turn = $1").bind(turn.to_string())).await?;
        Ok(())
    }
}
