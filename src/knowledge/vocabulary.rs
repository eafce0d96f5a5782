//! The terms of an index, in order, in one piece of memory.

use crate::text;

/// Terms by number; the numbers follow the alphabet.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    letters: String,
    /// Where each term ends.
    ends: Vec<u32>,
}

/// Shorter words are taken as they are written: nearly every one is near to another.
const SHORTEST: usize = 3;
/// Before this length only letters out of order are put right.
const GUESSED: usize = 4;
/// From this length on a word may be two slips away from the term that is meant.
const TWO_SLIPS: usize = 7;
/// So much likelier are letters out of order than another letter, and one slip than two.
const SLIP: usize = 8;

impl Vocabulary {
    /// Takes over sorted terms.
    pub(crate) fn of(sorted: &[&str]) -> Self {
        let mut vocabulary = Self::default();
        vocabulary.letters.reserve_exact(sorted.iter().map(|term| term.len()).sum());
        vocabulary.ends.reserve_exact(sorted.len());
        for term in sorted {
            vocabulary.letters.push_str(term);
            vocabulary.ends.push(u32::try_from(vocabulary.letters.len()).unwrap_or(u32::MAX));
        }
        vocabulary
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The term of a number.
    pub(crate) fn term(&self, number: u32) -> &str {
        self.at(number as usize)
    }

    fn at(&self, number: usize) -> &str {
        let from = number.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        let to = self.ends.get(number).map_or(from, |end| *end as usize);
        self.letters.get(from..to).unwrap_or("")
    }

    /// The first term that is not before `sought`.
    fn lower_bound(&self, sought: &str) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.at(middle) < sought {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The number of a term.
    pub(crate) fn find(&self, sought: &str) -> Option<u32> {
        let at = self.lower_bound(sought);
        (at < self.len() && self.at(at) == sought).then(|| u32::try_from(at).ok())?
    }

    /// The term that a misspelt word most likely means: near, and frequent. The first letter is rarely
    /// wrong.
    pub(crate) fn nearest(&self, word: &str, frequency: impl Fn(u32) -> usize) -> Option<u32> {
        self.nearest_within(if word.len() >= TWO_SLIPS { 2 } else { 1 }, word, frequency)
    }

    /// The same of terms that are at most so many slips away.
    pub(crate) fn nearest_within(&self, most: usize, word: &str, frequency: impl Fn(u32) -> usize) -> Option<u32> {
        if word.len() < SHORTEST || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return None;
        }
        let first = word.get(..1)?;
        let mut best: Option<(usize, u32)> = None;
        for at in self.lower_bound(first)..self.len() {
            let term = self.at(at);
            if !term.starts_with(first) {
                break;
            }
            if term.len() < SHORTEST || term.len().abs_diff(word.len()) > most {
                continue;
            }
            let slips = strsim::osa_distance(word, term);
            let jumbled = text::same_letters(word, term);
            if slips > most || (word.len() < GUESSED && !jumbled) {
                continue;
            }
            let number = u32::try_from(at).ok()?;
            let likely = frequency(number).saturating_mul(match slips {
                _ if jumbled => SLIP * SLIP,
                0 | 1 => SLIP,
                _ => 1,
            });
            if best.is_none_or(|(most, _)| likely > most) {
                best = Some((likely, number));
            }
        }
        best.map(|(_, number)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_found_and_slips_forgiven() {
        let vocabulary = Vocabulary::of(&["deep", "dive", "open", "symptom"]);
        assert_eq!((vocabulary.find("open"), vocabulary.find("opne"), vocabulary.find("")), (Some(2), None, None));
        let nearest = |word| vocabulary.nearest(word, |_| 1);
        assert_eq!((nearest("opne"), nearest("symtom"), nearest("divve")), (Some(2), Some(3), Some(1)));
        assert_eq!((nearest("dog"), nearest("pizza"), nearest("w12345")), (None, None, None));
        assert_eq!(Vocabulary::default().nearest("shark", |_| 1), None);
    }
}
