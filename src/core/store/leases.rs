//! What only one of several processes may hold, and what a holder leaves for the next.

use async_trait::async_trait;

use super::StoreError;

/// Names that only one process at a time may hold: a token that is polled, a platform's gateway.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// Takes the name, or keeps it; to be called again every few seconds. `false` while another process that is
    /// alive holds it. A dead holder's names are free within 15 s.
    async fn hold(&self, name: &str) -> Result<bool, StoreError>;

    /// Gives the name back.
    async fn let_go(&self, name: &str) -> Result<(), StoreError>;

    /// Leaves word for whoever holds the name next, this process after a restart among them: where a platform's
    /// stream goes on. It stands in the place of what was left before.
    async fn leave_word(&self, name: &str, word: &str) -> Result<(), StoreError>;

    /// What was left last.
    async fn word(&self, name: &str) -> Result<Option<String>, StoreError>;
}
