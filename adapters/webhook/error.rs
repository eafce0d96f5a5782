//! Settings that can't be used.

/// A setting that can't be used. The value is left out: it may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: expected {expected}")]
pub struct ConfigError {
    /// The key in the configuration.
    pub key: String,
    /// What was expected.
    pub expected: String,
}

impl ConfigError {
    pub(crate) fn new(key: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { key: key.into(), expected: expected.into() }
    }
}
