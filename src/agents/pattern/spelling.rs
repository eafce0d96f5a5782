//! What a word is that no pattern has as it stands: one with another word written on it, or a misspelt one.

use std::collections::{BTreeMap, HashSet};

use dovvybuddy_core::Lang;

/// Small words that a language writes on the words beside them, folded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attached {
    before: &'static [&'static str],
    after: &'static [&'static str],
    /// What is left after `before` begins with a vowel or an h.
    elided: bool,
}

/// What is written on words in a language.
pub(crate) const fn attached(lang: Lang) -> Attached {
    match lang {
        Lang::Fr => Attached {
            before: &["l", "d", "m", "t", "s", "n", "j", "c", "qu", "jusqu", "lorsqu", "puisqu", "quelqu"],
            after: &[],
            elided: true,
        },
        Lang::It => Attached {
            before: &[
                "l", "d", "m", "t", "s", "c", "un", "dell", "all", "nell", "sull", "dall", "sott", "quest", "quell",
            ],
            after: &[],
            elided: true,
        },
        Lang::Id => Attached { before: &[], after: &["nya", "ku", "mu", "lah", "kah"], elided: false },
        Lang::Ar => Attached {
            before: &["ال", "بال", "لل", "فال", "كال", "عال", "هال"], after: &[], elided: false
        },
        _ => Attached { before: &[], after: &[], elided: false },
    }
}

/// What is left of a word has at least so many letters.
const SHORTEST_LEFT: usize = 3;

impl Attached {
    /// What `word` may be without what is written on it.
    pub(crate) fn left(self, word: &str) -> impl Iterator<Item = &str> {
        let long = |rest: &&str| rest.chars().count() >= SHORTEST_LEFT;
        let opens = move |rest: &&str| !self.elided || rest.starts_with(['a', 'e', 'i', 'o', 'u', 'y', 'h']);
        let after_small = self.before.iter().filter_map(move |small| word.strip_prefix(small)).filter(opens);
        let before_small = self.after.iter().filter_map(move |small| word.strip_suffix(small));
        after_small.chain(before_small).filter(long)
    }
}

/// What words are when they are written otherwise than in the patterns.
#[derive(Debug, Default)]
pub(super) struct Spelling {
    /// What the language writes on words.
    pub(super) attached: Attached,
    /// The longer words of the patterns, which may be misspelt, by their first letter: that is seldom wrong.
    longer: BTreeMap<u8, Vec<Longer>>,
    /// The numbers of those, while patterns are added.
    seen: HashSet<u32>,
}

/// Words shorter than this are never taken for a misspelling of another.
const SHORTEST_TYPO: usize = 6;

/// A word that is understood with one letter wrong.
#[derive(Debug)]
struct Longer {
    number: u32,
    /// Which letters it has, a bit each.
    letters: u32,
    text: Box<str>,
}

impl Spelling {
    /// Learns a word of the patterns, which may be misspelt from now on.
    pub(super) fn learn(&mut self, word: &str, number: u32) {
        if word.is_ascii()
            && word.len() >= SHORTEST_TYPO
            && let Some(first) = word.bytes().next()
            && self.seen.insert(number)
        {
            let longer = Longer { number, letters: letters(word), text: word.into() };
            self.longer.entry(first).or_default().push(longer);
        }
    }

    /// No more words come: gives back the memory kept for them.
    pub(super) fn complete(&mut self) {
        self.seen = HashSet::new();
        self.longer.values_mut().for_each(Vec::shrink_to_fit);
    }

    /// The word of the patterns that `word` stands for, which is none itself; `known` numbers them.
    pub(super) fn meant<'a>(&'a self, word: &'a str, known: impl Fn(&str) -> Option<u32>) -> Option<(u32, &'a str)> {
        let left = self.attached.left(word).find_map(|rest| Some((known(rest)?, rest)));
        left.or_else(|| self.correct(word).map(|longer| (longer.number, &*longer.text)))
    }

    /// The pattern word that `word`, which is in no pattern, misspells by one letter: first one that has a
    /// letter more, then one that differs in an earlier letter.
    fn correct(&self, word: &str) -> Option<&Longer> {
        if word.len() + 1 < SHORTEST_TYPO || !word.is_ascii() {
            return None;
        }
        let letters = letters(word);
        let known = self.longer.get(&word.bytes().next()?)?;
        let close = known.iter().filter(|longer| {
            matches!(longer.text.len().wrapping_sub(word.len()), 0 | 1)
                && (longer.letters ^ letters).count_ones() <= 2
                && one_edit_apart(word, &longer.text)
        });
        // Of several that are equally near, the first.
        let slips = close.filter_map(|longer| Some((slip(word, &longer.text)?, longer)));
        slips.min_by_key(|(slip, _)| *slip).map(|(_, longer)| longer)
    }
}

/// Which letters a word has, a bit each.
fn letters(word: &str) -> u32 {
    word.bytes().fold(0, |letters, byte| letters | 1 << (byte & 31))
}

/// How unlikely it is that `word` is `known` with one letter wrong: 0 where a letter is left out, else the
/// earliest letter that may be taken out of `word` to give what `known` is without one. `None`: it is not.
fn slip(word: &str, known: &str) -> Option<usize> {
    let shorter = deletions(known);
    if known.len() > word.len() {
        return shorter.iter().any(|spelling| spelling == word).then_some(0);
    }
    deletions(word).iter().position(|spelling| shorter.contains(spelling)).map(|at| at + 1)
}

/// `word` with each single letter taken out, the first one excepted: first letters are seldom wrong.
fn deletions(word: &str) -> Vec<String> {
    word.char_indices()
        .skip(1)
        .map(|(at, c)| {
            let mut shorter = String::with_capacity(word.len());
            shorter.push_str(word.get(..at).unwrap_or_default());
            shorter.push_str(word.get(at + c.len_utf8()..).unwrap_or_default());
            shorter
        })
        .collect()
}

/// Whether one letter was added, left out, changed, or swapped with its neighbour.
fn one_edit_apart(a: &str, b: &str) -> bool {
    let (a, b) = if a.len() <= b.len() { (a.as_bytes(), b.as_bytes()) } else { (b.as_bytes(), a.as_bytes()) };
    if b.len() - a.len() > 1 {
        return false;
    }
    let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let left = a.len().saturating_sub(start + end);
    if left <= 1 {
        return true;
    }
    a.len() == b.len() && left == 2 && a.get(start) == b.get(start + 1) && a.get(start + 1) == b.get(start)
}

#[cfg(test)]
mod tests {
    use super::super::Matcher;
    use super::*;
    use crate::text::Text;

    fn found(lang: Option<Lang>, pattern: &str, text: &str) -> bool {
        let mut matcher = Matcher::new(false);
        if let Some(lang) = lang {
            matcher = matcher.with_attached(attached(lang));
        }
        matcher.add((), pattern, true).unwrap();
        matcher.complete();
        !matcher.find(&Text::new(text), &|_| false).is_empty()
    }

    #[test]
    fn one_letter_wrong_is_understood_in_longer_words() {
        assert!(found(None, "unconscious", "he is unconcious"));
        assert!(found(None, "breathing", "not braething"));
        assert!(!found(None, "numb", "dumb"));
        assert!(!found(None, "rascasse", "ramasse"), "a letter for two is no slip");
    }

    #[test]
    fn words_are_known_with_small_words_written_on_them() {
        assert!(found(Some(Lang::Fr), "angoisse", "la profondeur m'angoisse"));
        assert!(found(Some(Lang::It), "acqua", "paura sott'acqua"));
        assert!(found(Some(Lang::Id), "telinga", "telinganya sakit"));
        assert!(found(Some(Lang::Ar), "غوص", "بعد الغوص"));
        assert!(!found(Some(Lang::Fr), "pire", "j'aspire"), "nothing is elided before a consonant");
        assert!(!found(None, "angoisse", "mangoisse"));
    }

    proptest::proptest! {
        #[test]
        fn edits_are_symmetric(a in "[a-c]{1,7}", b in "[a-c]{1,7}") {
            proptest::prop_assert_eq!(one_edit_apart(&a, &b), one_edit_apart(&b, &a));
        }
    }
}
