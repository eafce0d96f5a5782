//! Whether a sentence shows the instructions.

use std::hash::BuildHasher as _;
use std::sync::{Arc, OnceLock};

use hashbrown::DefaultHashBuilder;

use super::ground::Ground;

/// So many words in a row, or so many characters in scripts without spaces, are no accident.
const WORDS: usize = 7;
const CHARS: usize = 18;

/// The instructions, less what passages and the question say too.
///
/// Hardly a sentence has anything in common with the instructions, so what is exact and slow is worked out
/// only for one that may.
pub(crate) struct Leak<'s> {
    system: &'s str,
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

impl<'s> Leak<'s> {
    /// `system` must not show; what `grounds` and `asked` say may.
    pub(super) fn new(system: &'s str, grounds: Vec<Arc<Ground>>, asked: String) -> Self {
        let spans = Spans::of(system);
        Self { system, spans, grounds, asked, exact: OnceLock::new() }
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
                system: words(self.system).collect(),
                open: words(&open).collect(),
                squeezed: squeeze(self.system),
                known: squeeze(&open),
            }
        })
    }

    /// Whether the sentence has a secret-looking word of the instructions.
    pub(crate) fn names_a_secret(&self, sentence: &str) -> bool {
        written(sentence).filter(|word| is_canary(word)).any(|word| {
            let (word, exact) = (word.to_lowercase(), self.exact());
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

/// A text's runs of words by half of their hashes, sorted: what is not among them is certainly not in the text.
struct Spans {
    seed: DefaultHashBuilder,
    runs: Vec<u32>,
}

impl Spans {
    fn of(text: &str) -> Self {
        let seed = DefaultHashBuilder::default();
        let mut runs: Vec<u32> = runs(&seed, text);
        runs.sort_unstable();
        runs.dedup();
        runs.shrink_to_fit();
        Self { seed, runs }
    }

    fn may_share(&self, text: &str) -> bool {
        runs(&self.seed, text).iter().any(|run| self.runs.binary_search(run).is_ok())
    }
}

fn runs(seed: &DefaultHashBuilder, text: &str) -> Vec<u32> {
    let mut lower = String::new();
    let hash = |word: &str| {
        lower.clear();
        if word.is_ascii() {
            lower.push_str(word);
            lower.make_ascii_lowercase();
        } else {
            lower.push_str(&word.to_lowercase());
        }
        seed.hash_one(lower.as_str())
    };
    let hashes: Vec<u64> = written(text).map(hash).collect();
    // Multiplied, so that the same words in another order give another sum.
    let mix = |sum: u64, hash: &u64| sum.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(*hash);
    let run = |span: &[u64]| u32::try_from(span.iter().fold(0, mix) >> 32).unwrap_or_default();
    hashes.windows(WORDS).map(run).collect()
}

/// Words in lower case.
fn words(text: &str) -> impl Iterator<Item = String> {
    written(text).map(str::to_lowercase)
}

/// Words as they are written; `-` and `_` stay inside, as in `CANARY-7f3a`.
fn written(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_'))
        .map(|word| word.trim_matches(['-', '_']))
        .filter(|word| !word.is_empty())
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
