//! Settings that can't be used.

/// A setting that can't be used. The value is left out: it may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: expected {expected}")]
pub struct ConfigError {
    /// The key in the configuration.
    pub key: &'static str,
    /// What was expected.
    pub expected: String,
}

impl ConfigError {
    pub(crate) fn new(key: &'static str, expected: impl Into<String>) -> Self {
        Self { key, expected: expected.into() }
    }
}
