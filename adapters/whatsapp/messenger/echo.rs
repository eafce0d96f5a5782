//! The platform brings back what went out from an account, whoever wrote it. What we said ourselves takes no
//! conversation over.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use moka::sync::Cache;

use crate::line::recent;

/// How long an echo may be on its way.
const MEMORY: Duration = Duration::from_hours(1);

/// What we said lately, by the platform's id of it, and by its words: an echo may overtake the answer to the call.
pub(super) struct Said {
    ids: Cache<String, ()>,
    words: Cache<(String, u64), ()>,
}

impl Default for Said {
    fn default() -> Self {
        Self { ids: recent(MEMORY), words: recent(MEMORY) }
    }
}

impl Said {
    /// These words go out to a person now.
    pub(super) fn saying(&self, person: &str, words: &str) {
        self.words.insert((person.to_owned(), digest(words)), ());
    }

    /// They went out under this id.
    pub(super) fn said(&self, id: &str) {
        self.ids.insert(id.to_owned(), ());
    }

    /// Whether an echo is of ours.
    pub(super) fn has(&self, id: &str, person: &str, words: &str) -> bool {
        self.ids.contains_key(id) || self.words.contains_key(&(person.to_owned(), digest(words)))
    }
}

fn digest(words: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for word in words.split_whitespace() {
        word.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_known_by_its_id_and_by_its_words_to_that_person() {
        let said = Said::default();
        said.saying("ana", "Up to 18 m.\n\nSources: [1]");
        assert!(said.has("m1", "ana", "Up to 18 m. Sources: [1]"));
        assert!(!said.has("m1", "ben", "Up to 18 m. Sources: [1]"));
        assert!(!said.has("m1", "ana", "Hi, this is Rosa."));
        said.said("m2");
        assert!(said.has("m2", "ana", "changed on its way"));
    }
}
