//! The texts that have no vector yet.

use crate::chunk;
use crate::index::{Indexed, Snapshot};

/// A text that has no vector yet.
pub(crate) struct Missing {
    /// Of the passage it belongs to.
    pub(crate) id: i64,
    pub(crate) hash: String,
    pub(crate) text: String,
}

/// What of a snapshot has no vector yet: passages' words, and what people type for them.
pub(crate) fn in_snapshot(snapshot: &Snapshot) -> [Vec<Missing>; 2] {
    let without = |known: &[bool], text: fn(&Indexed) -> String| -> Vec<Missing> {
        let passages = snapshot.content.passages.iter().enumerate();
        let missing = passages.filter(|(at, _)| !known.get(*at).copied().unwrap_or(false));
        let missing = missing.map(|(_, one)| Missing { id: one.id, hash: one.hash.to_string(), text: text(one) });
        missing.filter(|missing| !missing.text.is_empty()).collect()
    };
    let words = |one: &Indexed| chunk::embedded_text(&one.document.title, &one.section, &one.text);
    [without(&snapshot.vectors.known, words), without(&snapshot.vectors.asked_known, |one| one.asked.to_string())]
}
