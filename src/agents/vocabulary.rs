//! Words by number and numbers by word, in one piece of memory: eleven languages have some hundred thousand.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Words, numbered in the order in which they were first met.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vocabulary {
    letters: String,
    /// Where each word ends.
    ends: Vec<u32>,
    /// The words' numbers, found by the words' hashes.
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Vocabulary {
    /// The word of a number.
    pub(crate) fn word(&self, number: u32) -> &str {
        word(&self.letters, &self.ends, number)
    }

    /// The number of a word.
    pub(crate) fn find(&self, sought: &str) -> Option<u32> {
        self.numbers.find(self.hasher.hash_one(sought), |number| self.word(*number) == sought).copied()
    }

    /// The number of a word, which is added if it is new.
    pub(crate) fn number(&mut self, sought: &str) -> u32 {
        if let Some(known) = self.find(sought) {
            return known;
        }
        let new = place(self.ends.len());
        self.letters.push_str(sought);
        self.ends.push(place(self.letters.len()));
        let Self { letters, ends, numbers, hasher } = self;
        let hash = |number: &u32| hasher.hash_one(word(letters, ends, *number));
        numbers.insert_unique(hash(&new), new, hash);
        new
    }

    /// No more words come: gives back the memory kept for them.
    pub(crate) fn complete(&mut self) {
        self.letters.shrink_to_fit();
        self.ends.shrink_to_fit();
        let Self { letters, ends, numbers, hasher } = self;
        numbers.shrink_to_fit(|number| hasher.hash_one(word(letters, ends, *number)));
    }
}

fn word<'l>(letters: &'l str, ends: &[u32], number: u32) -> &'l str {
    let at = number as usize;
    let from = at.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |end| *end as usize);
    let to = ends.get(at).map_or(from, |end| *end as usize);
    letters.get(from..to).unwrap_or("")
}

/// A place in a list as it is stored; there are far fewer than four thousand million.
pub(crate) fn place(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn words_keep_the_number_they_first_got(words in proptest::collection::vec(".{0,6}", 0..80)) {
            let mut vocabulary = Vocabulary::default();
            let numbers: Vec<u32> = words.iter().map(|word| vocabulary.number(word)).collect();
            vocabulary.complete();
            for (word, number) in words.iter().zip(numbers) {
                proptest::prop_assert_eq!(vocabulary.find(word), Some(number));
                proptest::prop_assert_eq!(vocabulary.word(number), word.as_str());
            }
            proptest::prop_assert_eq!(vocabulary.find("none of them"), None);
        }
    }
}
