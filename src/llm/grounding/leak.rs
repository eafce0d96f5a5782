//! Whether a sentence shows the instructions.

use std::collections::HashSet;

/// So many words in a row, or so many characters in scripts without spaces, are no accident.
const WORDS: usize = 7;
const CHARS: usize = 18;

/// The instructions, less what passages and the question say too.
pub(crate) struct Leak {
    spans: HashSet<String>,
    canaries: HashSet<String>,
    squeezed: String,
    known: String,
}

impl Leak {
    /// `system` must not show; `open` may.
    pub(crate) fn new(system: &str, open: &str) -> Self {
        let open_words = words(open);
        let open_spans: HashSet<String> = spans(&open_words).collect();
        let open_set: HashSet<&String> = open_words.iter().collect();
        let system_words = words(system);
        let spans = spans(&system_words).filter(|span| !open_spans.contains(span)).collect();
        let canaries = system_words.iter().filter(|w| is_canary(w) && !open_set.contains(w)).cloned().collect();
        Self { spans, canaries, squeezed: squeeze(system), known: squeeze(open) }
    }

    /// Whether the sentence has a secret-looking word of the instructions.
    pub(crate) fn names_a_secret(&self, sentence: &str) -> bool {
        words(sentence).iter().any(|word| self.canaries.contains(word))
    }

    /// Whether the sentence repeats a long span of the instructions.
    pub(crate) fn shows_in(&self, sentence: &str) -> bool {
        let words = words(sentence);
        if spans(&words).any(|span| self.spans.contains(&span)) {
            return true;
        }
        let spaced = sentence.chars().filter(|c| !c.is_ascii()).count() * 2 < sentence.chars().count();
        if spaced {
            return false;
        }
        let chars: Vec<char> = squeeze(sentence).chars().collect();
        chars.windows(CHARS).any(|window| {
            let span: String = window.iter().collect();
            self.squeezed.contains(&span) && !self.known.contains(&span)
        })
    }
}

/// Words in lower case; `-` and `_` stay inside, as in `CANARY-7f3a`.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_'))
        .map(|word| word.trim_matches(['-', '_']).to_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

fn spans(words: &[String]) -> impl Iterator<Item = String> + '_ {
    words.windows(WORDS).map(|window| window.join(" "))
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
            "Divers go to 18 m with Open Water, says the page.",
        );
        assert!(leak.shows_in("My rules: answer only from the passages given below and never from memory."));
        assert!(leak.names_a_secret("it is canary-7F3A91"));
        assert!(!leak.shows_in("Divers go to 18 m with Open Water, says the page."));
        assert!(!leak.shows_in("You answer only briefly."));
    }
}
