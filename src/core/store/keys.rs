//! Operators' API keys.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::clock::Timestamp;

/// Operators' API keys. Only hashes are stored.
#[async_trait]
pub trait Keys: Send + Sync + 'static {
    /// Stores a key.
    async fn add_key(&self, key: &ApiKey, hash: &str) -> Result<(), StoreError>;

    /// All keys, the revoked ones too.
    async fn keys(&self) -> Result<Vec<ApiKey>, StoreError>;

    /// Revokes a key; `false` if there is none of that id.
    async fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, StoreError>;

    /// The valid key with this hash.
    async fn key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError>;
}

/// An operator's API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its public id.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// What it allows.
    pub scope: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}
