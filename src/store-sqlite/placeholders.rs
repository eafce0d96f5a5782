//! Messages that stand for a reply to come.

use async_trait::async_trait;
use dovvybuddy_core::channel::Receipt;
use dovvybuddy_core::store::{Placeholders, StoreError};
use dovvybuddy_core::{ConversationKey, DiverKey, TurnId};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use crate::fault::Outcome;
use crate::store::SqliteStore;

#[async_trait]
impl Placeholders for SqliteStore {
    async fn place(
        &self,
        turn: TurnId,
        conversation: &ConversationKey,
        diver: &DiverKey,
        receipt: &Receipt,
    ) -> Result<(), StoreError> {
        let Some(receipt) = receipt.0.clone() else { return Ok(()) };
        let (conversation, diver, now) = (conversation.encode(), diver.encode(), self.inner.clock.now());
        let write = async move |conn: &mut SqliteConnection| {
            sqlx::query(
                "INSERT INTO placeholders (turn, conversation, diver, receipt, placed_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (turn) DO UPDATE SET receipt = excluded.receipt",
            )
            .bind(turn.to_string())
            .bind(&conversation)
            .bind(&diver)
            .bind(&receipt)
            .bind(now.as_millis())
            .execute(conn)
            .await?;
            Ok(())
        };
        Ok(self.writer().write(write).await?)
    }

    async fn placeholder(&self, turn: TurnId) -> Result<Option<Receipt>, StoreError> {
        Ok(self.read_placeholder(turn).await?)
    }

    async fn forget_placeholder(&self, turn: TurnId) -> Result<(), StoreError> {
        let write = async move |conn: &mut SqliteConnection| {
            sqlx::query("DELETE FROM placeholders WHERE turn = $1").bind(turn.to_string()).execute(conn).await?;
            Ok(())
        };
        Ok(self.writer().write(write).await?)
    }
}

impl SqliteStore {
    async fn read_placeholder(&self, turn: TurnId) -> Outcome<Option<Receipt>> {
        let found = sqlx::query("SELECT receipt FROM placeholders WHERE turn = $1")
            .bind(turn.to_string())
            .fetch_optional(self.readers())
            .await?;
        Ok(found.map(|row| row.try_get(0)).transpose()?.map(|receipt: String| Receipt(Some(receipt))))
    }
}
