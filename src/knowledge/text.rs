//! From text to the terms that are indexed and sought.

use std::sync::LazyLock;

use hashbrown::HashSet;
use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization as _;

/// Words that carry no subject.
const STOP_WORDS: [&str; 132] = [
    "a", "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because",
    "been", "being", "but", "by", "can", "cannot", "could", "did", "do", "does", "doing", "don", "down", "each", "for",
    "from", "get", "go", "going", "had", "has", "have", "having", "he", "her", "here", "hers", "him", "his", "how",
    "i", "if", "in", "into", "is", "it", "its", "just", "ll", "m", "may", "me", "might", "more", "most", "much",
    "must", "my", "no", "nor", "not", "of", "off", "on", "once", "only", "or", "other", "our", "ours", "out", "over",
    "own", "please", "re", "s", "same", "shall", "she", "should", "so", "some", "such", "t", "tell", "than", "that",
    "the", "their", "theirs", "them", "then", "there", "these", "they", "this", "those", "through", "to", "too",
    "under", "until", "up", "ve", "very", "was", "we", "were", "what", "when", "where", "which", "while", "who",
    "whom", "why", "will", "with", "would", "you", "your", "yours", "yourself", "am", "oh", "ok", "okay",
];

/// Units that people write on to the number: `18m` is `18 m`.
const UNITS: [&str; 20] = [
    "m", "mt", "mtr", "meter", "meters", "metre", "metres", "ft", "feet", "foot", "bar", "psi", "kg", "lb", "lbs", "l",
    "mm", "c", "f", "hrs",
];

/// Turns text into terms: Unicode-normalised, lower-cased, without accents, stemmed as English.
/// Scripts written without spaces give pairs of characters.
pub struct Analyzer {
    stemmer: Stemmer,
}

impl Default for Analyzer {
    fn default() -> Self {
        Self { stemmer: Stemmer::create(Algorithm::English) }
    }
}

impl Analyzer {
    /// The terms of a text in order, stop words left out.
    pub fn terms(&self, text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        words(text, |word| {
            if let Some(term) = self.term(word) {
                terms.push(term);
            }
        });
        terms
    }

    /// The term of a word as [`words`] gives it; `None` for a stop word.
    pub fn term(&self, word: &str) -> Option<String> {
        if is_stop_word(word) {
            return None;
        }
        if !word.is_ascii() || word.bytes().any(|byte| byte.is_ascii_digit()) {
            return Some(word.to_owned());
        }
        Some(self.stemmer.stem(word).into_owned())
    }
}

/// Whether a word carries no subject.
pub fn is_stop_word(word: &str) -> bool {
    static SET: LazyLock<HashSet<&str>> = LazyLock::new(|| STOP_WORDS.into_iter().collect());
    SET.contains(word)
}

/// The stop word that a word is with its letters out of order, as hurried fingers write them.
pub(crate) fn unjumbled_stop_word(word: &str) -> Option<&'static str> {
    let first = word.chars().next();
    let meant = |stop: &&str| stop.chars().next() == first && same_letters(stop, word);
    STOP_WORDS.into_iter().find(meant).filter(|_| word.len() > 2)
}

/// Whether two words have the same letters, in whatever order.
pub(crate) fn same_letters(left: &str, right: &str) -> bool {
    let sorted = |word: &str| {
        let mut letters: Vec<u8> = word.bytes().collect();
        letters.sort_unstable();
        letters
    };
    left.len() == right.len() && sorted(left) == sorted(right)
}

/// Calls `each` with every word of the text, normalised but neither stemmed nor filtered.
pub fn words(text: &str, mut each: impl FnMut(&str)) {
    if text.is_ascii() {
        let lower = text.to_ascii_lowercase();
        split(&lower, &mut each);
        return;
    }
    let folded: String =
        text.nfkd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).nfc().flat_map(char::to_lowercase).collect();
    split(&folded, &mut each);
}

/// The words of the text as [`words`] tells them.
pub fn list_of_words(text: &str) -> Vec<String> {
    let mut list = Vec::new();
    words(text, |word| list.push(word.to_owned()));
    list
}

fn split(text: &str, each: &mut impl FnMut(&str)) {
    let mut start = None;
    let mut dense = false;
    for (at, c) in text.char_indices() {
        let inside = is_word_character(c);
        let here_dense = is_dense_script(c);
        if let Some(from) = start
            && (!inside || here_dense != dense)
        {
            emit(text.get(from..at).unwrap_or(""), dense, each);
            start = None;
        }
        if inside && start.is_none() {
            start = Some(at);
            dense = here_dense;
        }
    }
    if let Some(from) = start {
        emit(text.get(from..).unwrap_or(""), dense, each);
    }
}

fn is_word_character(c: char) -> bool {
    // Thai and Arabic vowel signs are marks, not letters, and belong to their words.
    c.is_alphanumeric()
        || matches!(c, '\u{0e31}' | '\u{0e34}'..='\u{0e3a}' | '\u{0e47}'..='\u{0e4e}' | '\u{064b}'..='\u{0652}')
}

fn emit(run: &str, dense: bool, each: &mut impl FnMut(&str)) {
    if dense {
        pairs(run, each);
    } else if let Some((number, unit)) = number_with_unit(run) {
        each(number);
        each(unit);
    } else {
        each(run);
    }
}

fn pairs(run: &str, each: &mut impl FnMut(&str)) {
    let starts: Vec<usize> = run.char_indices().map(|(at, _)| at).chain([run.len()]).collect();
    if starts.len() == 2 {
        each(run);
    }
    for window in starts.windows(3) {
        if let [from, _, to] = window {
            each(run.get(*from..*to).unwrap_or(""));
        }
    }
}

fn number_with_unit(run: &str) -> Option<(&str, &str)> {
    if !run.is_ascii() || !run.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let at = run.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = run.split_at_checked(at)?;
    UNITS.contains(&unit).then_some((number, unit))
}

/// Scripts written without spaces between words.
pub(crate) fn is_dense_script(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}'      // Thai, Lao
        | '\u{1000}'..='\u{109f}'    // Burmese
        | '\u{1780}'..='\u{17ff}'    // Khmer
        | '\u{3040}'..='\u{30ff}'    // Hiragana, Katakana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(text: &str) -> Vec<String> {
        Analyzer::default().terms(text)
    }

    #[test]
    fn english_is_stemmed_and_stop_words_go() {
        assert_eq!(terms("How deep can the certified divers dive?"), ["deep", "certifi", "diver", "dive"]);
        assert_eq!(terms("diver’s no-fly times"), ["diver", "fli", "time"]);
    }

    #[test]
    fn a_number_with_its_unit_is_two_terms_and_a_name_is_one() {
        assert_eq!(terms("18m 60ft p53 O2 EAN32"), ["18", "60", "ft", "p53", "o2", "ean32"]);
    }

    #[test]
    fn accents_and_widths_do_not_matter() {
        assert_eq!(terms("Café Ｄive"), terms("cafe dive"));
    }

    #[test]
    fn scripts_without_spaces_give_pairs() {
        assert_eq!(terms("潜水病"), ["潜水", "水病"]);
        assert_eq!(terms("ดำ"), ["ดํ", "ํา"], "the composed vowel is taken apart by normalisation");
        assert_eq!(terms("PADIの深度"), ["padi", "の深", "深度"]);
    }

    proptest! {
        #[test]
        fn any_text_gives_terms_without_a_panic(text in "\\PC{0,80}") {
            for term in terms(&text) {
                prop_assert!(!term.is_empty());
            }
        }
    }
}
