//! What only one process may hold: the file's lock says who that is.

use async_trait::async_trait;
use dovvybuddy_core::store::{Leases, StoreError};

use crate::store::SqliteStore;

#[async_trait]
impl Leases for SqliteStore {
    async fn hold(&self, _name: &str) -> Result<bool, StoreError> {
        Ok(self.inner.dispatch)
    }

    async fn let_go(&self, _name: &str) -> Result<(), StoreError> {
        Ok(())
    }
}
