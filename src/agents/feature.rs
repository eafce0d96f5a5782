//! Names of features, put together without a new string for each.

/// Puts names together and hands them on with their values.
pub(crate) struct Name<F> {
    name: String,
    take: F,
}

impl<F: FnMut(&str, f32)> Name<F> {
    /// Names are handed to `take`.
    pub(crate) const fn new(take: F) -> Self {
        Self { name: String::new(), take }
    }

    /// The feature whose name consists of `parts`.
    pub(crate) fn set(&mut self, parts: &[&str], value: f32) {
        self.name.clear();
        for part in parts {
            self.name.push_str(part);
        }
        (self.take)(&self.name, value);
    }
}
