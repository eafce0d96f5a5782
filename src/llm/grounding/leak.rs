//! Whether a sentence shows the instructions.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, OnceLock};

use super::ground::Ground;

/// So many words in a row, or so many characters in scripts without spaces, are no accident.
const WORDS: usize = 7;
const CHARS: usize = 18;

/// The instructions, less what passages and the question say too.
///
/// Hardly a sentence has anything in common with the instructions, so what is exact and slow is worked out
/// only for one that may.
pub(crate) struct Leak {
    system: String,
    /// The spans of the instructions, roughly.
    spans: Spans,
    /// What may be said: passages and the question.
    grounds: Vec<Arc<Ground>>,
    asked: String,
    exact: OnceLock<Exact>,
}

/// Instructions and open text, word by word and without spaces.
struct Exact {
    system: Vec<String>,
    open: Vec<String>,
    squeezed: String,
    known: String,
}

impl Leak {
    /// `system` must not show; what `grounds` and `asked` say may.
    pub(super) fn new(system: &str, grounds: Vec<Arc<Ground>>, asked: String) -> Self {
        let spans = Spans::of(system);
        Self { system: system.to_owned(), spans, grounds, asked, exact: OnceLock::new() }
    }

    fn exact(&self) -> &Exact {
        self.exact.get_or_init(|| {
            let mut open = String::new();
            for ground in &self.grounds {
                open.push_str(&ground.words);
                open.push('\n');
            }
            open.push('\n');
            open.push_str(&self.asked);
            Exact {
                system: words(&self.system).collect(),
                open: words(&open).collect(),
                squeezed: squeeze(&self.system),
                known: squeeze(&open),
            }
        })
    }

    /// Whether the sentence has a secret-looking word of the instructions.
    pub(crate) fn names_a_secret(&self, sentence: &str) -> bool {
        words(sentence).filter(|word| is_canary(word)).any(|word| {
            let exact = self.exact();
            exact.system.contains(&word) && !exact.open.contains(&word)
        })
    }

    /// Whether the sentence repeats a long span of the instructions.
    pub(crate) fn shows_in(&self, sentence: &str) -> bool {
        if self.spans.may_share(sentence) {
            let exact = self.exact();
            let said: Vec<String> = words(sentence).collect();
            let has = |text: &[String], span: &[String]| text.windows(WORDS).any(|window| window == span);
            if said.windows(WORDS).any(|span| has(&exact.system, span) && !has(&exact.open, span)) {
                return true;
            }
        }
        let spaced = sentence.chars().filter(|c| !c.is_ascii()).count() * 2 < sentence.chars().count();
        if spaced {
            return false;
        }
        let exact = self.exact();
        let chars: Vec<char> = squeeze(sentence).chars().collect();
        chars.windows(CHARS).any(|window| {
            let span: String = window.iter().collect();
            exact.squeezed.contains(&span) && !exact.known.contains(&span)
        })
    }
}

/// A text's runs of words, told apart by a few bits of their hashes: what is not among them is certainly
/// not in the text.
struct Spans {
    hasher: RandomState,
    bits: Box<[u64; SLOTS / 64]>,
}

/// Instructions have some five hundred runs, so one in thirty sentences is looked at closely for nothing.
const SLOTS: usize = 1 << 17;

impl Spans {
    fn of(text: &str) -> Self {
        let mut spans = Self { hasher: RandomState::new(), bits: Box::new([0; SLOTS / 64]) };
        for slot in spans.slots(text) {
            if let Some(bits) = spans.bits.get_mut(slot / 64) {
                *bits |= 1 << (slot % 64);
            }
        }
        spans
    }

    fn may_share(&self, text: &str) -> bool {
        let has = |slot: usize| self.bits.get(slot / 64).is_some_and(|bits| bits & (1 << (slot % 64)) != 0);
        self.slots(text).into_iter().any(has)
    }

    fn slots(&self, text: &str) -> Vec<usize> {
        let hashes: Vec<u64> = words(text).map(|word| self.hasher.hash_one(word)).collect();
        // Multiplied, so that the same words in another order give another sum.
        let mix = |sum: u64, hash: &u64| sum.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(*hash);
        let slot = |span: &[u64]| usize::try_from(span.iter().fold(0, mix) >> 32).unwrap_or_default() % SLOTS;
        hashes.windows(WORDS).map(slot).collect()
    }
}

/// Words in lower case; `-` and `_` stay inside, as in `CANARY-7f3a`.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_'))
        .map(|word| word.trim_matches(['-', '_']))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

fn squeeze(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Letters and digits mixed, and long: no word of a language.
fn is_canary(word: &str) -> bool {
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    let digits = word.chars().filter(char::is_ascii_digit).count();
    letters >= 3 && digits >= 2 && word.chars().count() >= 6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_spans_and_canaries_show_short_ones_and_passages_do_not() {
        let leak = Leak::new(
            "You answer only from the passages given below and never from memory. Secret CANARY-7f3a91. Divers go to 18 m with Open Water, says the page.",
            Vec::new(),
            "Divers go to 18 m with Open Water, says the page.".to_owned(),
        );
        assert!(leak.shows_in("My rules: answer only from the passages given below and never from memory."));
        assert!(leak.names_a_secret("it is canary-7F3A91"));
        assert!(!leak.shows_in("Divers go to 18 m with Open Water, says the page."));
        assert!(!leak.shows_in("You answer only briefly."));
    }
}
