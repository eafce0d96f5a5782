//! What only one process may hold: the file's lock says who that is. And what it leaves for the next.

use async_trait::async_trait;
use dovvybuddy_core::store::{Leases, StoreError};

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use crate::fault::Outcome;
use crate::store::SqliteStore;

const LEAVE: &str = "
INSERT INTO left_words (name, word) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET word = excluded.word";

#[async_trait]
impl Leases for SqliteStore {
    async fn hold(&self, _name: &str) -> Result<bool, StoreError> {
        Ok(self.inner.dispatch)
    }

    async fn let_go(&self, _name: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn leave_word(&self, name: &str, word: &str) -> Result<(), StoreError> {
        let (name, word) = (name.to_owned(), word.to_owned());
        let write = async move |conn: &mut SqliteConnection| {
            sqlx::query(LEAVE).bind(&name).bind(&word).execute(conn).await?;
            Ok(())
        };
        Ok(self.writer().write(write).await?)
    }

    async fn word(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self.left_word(name).await?)
    }
}

impl SqliteStore {
    async fn left_word(&self, name: &str) -> Outcome<Option<String>> {
        let found = sqlx::query("SELECT word FROM left_words WHERE name = $1").bind(name);
        let found = found.fetch_optional(self.readers()).await?;
        Ok(found.map(|row| row.try_get(0)).transpose()?)
    }
}
