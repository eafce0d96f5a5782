//! How long work reports where it stands.

/// Takes progress of work that may last. Called often and from any thread, so it must be quick.
pub trait Progress: Send + Sync {
    /// Work of `total` units begins: documents, passages or bytes.
    fn begin(&self, what: &str, total: u64);
    /// `by` more units are done.
    fn advance(&self, by: u64);
    /// The work is over, done or not.
    fn end(&self);
}

/// Reports to nobody.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _what: &str, _total: u64) {}
    fn advance(&self, _by: u64) {}
    fn end(&self) {}
}
