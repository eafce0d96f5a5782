//! Words as they count for matching: lower case, without function words, stemmed.

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use hashbrown::HashMap;
use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

/// English function words, and words every question has.
const STOP: &str = "a about above after again all also am an and any are as at be because been before being below \
between both but by can could did do does doing don during each few for from further get go had has have having \
he her here hers him his how i if in into is it its itself just know let like ll make many may me might more most much \
must my need no nor not now of off on once one only or other our out over own per please really s same shall she should \
so some such t tell than that the their theirs them then there these they this those though through to too under until \
up us use very want was way we were what when where which while who whom why will with within without would yes you your \
yours d m re ve im i'm what's it's don't can't doesn't isn't there's that's whats hows wheres dont doesnt didnt shouldnt cant havent isnt ive okay ok wont aint whens whos whys im ur pls plz gonna wanna gotta kinda funny literally roughly basically actually mainly mostly apart still usually often generally typically";

thread_local! {
    static STOP_WORDS: HashSet<&'static str> = STOP.split_whitespace().collect();
    static STEMMER: Stemmer = Stemmer::create(Algorithm::English);
}

/// Whether the word carries no subject of its own. Lower case expected.
pub(crate) fn is_stop(word: &str) -> bool {
    STOP_WORDS.with(|set| set.contains(word))
}

/// The stem of a lower-case word.
pub(crate) fn stem(word: &str) -> String {
    STEMMER.with(|stemmer| stemmer.stem(word).into_owned())
}

/// The content terms of a text, in order, repeated as they are.
pub(crate) fn terms(text: &str) -> Vec<String> {
    text.unicode_words().filter_map(term).collect()
}

/// Terms by number, for comparing only: two terms have the same number if they are the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Terms(Vec<u64>);

impl Terms {
    /// The terms of a text.
    pub(crate) fn of(text: &str) -> Self {
        let mut numbers: Vec<u64> = text.unicode_words().filter_map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.shrink_to_fit();
        Self(numbers)
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many of them satisfy `held`.
    pub(crate) fn count(&self, held: impl Fn(u64) -> bool) -> usize {
        self.0.iter().filter(|term| held(**term)).count()
    }

    /// Whether the term is among them.
    pub(crate) fn contains(&self, term: u64) -> bool {
        self.0.binary_search(&term).is_ok()
    }

    /// How much of them satisfies `held`, 0 to 1; 0 if there is none.
    pub(crate) fn share(&self, held: impl Fn(u64) -> bool) -> f32 {
        if self.is_empty() { 0.0 } else { ratio(self.count(held), self.len()) }
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of words in a passage")]
fn ratio(part: usize, whole: usize) -> f32 {
    part as f32 / whole as f32
}

/// How many words' numbers a thread remembers.
const REMEMBERED: usize = 4_096;

thread_local! {
    /// Words as they are written, with their numbers; divers and passages use the same ones over and over.
    static NUMBERS: RefCell<HashMap<Box<str>, Option<u64>>> = RefCell::default();
}

/// The number of a word's term; `None` for a stop word.
fn number(word: &str) -> Option<u64> {
    // Chosen when the program starts, so that nobody can make up words with the same number.
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    NUMBERS.with_borrow_mut(|known| {
        if let Some(number) = known.get(word) {
            return *number;
        }
        let number = term(word).map(|term| HASHER.hash_one(term));
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(word.into(), number);
        number
    })
}

/// The term of a word; `None` for a stop word.
fn term(word: &str) -> Option<String> {
    let word = word.to_lowercase().replace('’', "'");
    (!is_stop(&word)).then(|| figure(&word).map_or_else(|| stem(word.trim_end_matches("'s")), str::to_owned))
}

/// A small number in figures: who asks for 2 days is answered by two.
fn figure(word: &str) -> Option<&'static str> {
    const WORDS: [(&str, &str); 9] = [
        ("two", "2"),
        ("three", "3"),
        ("four", "4"),
        ("five", "5"),
        ("six", "6"),
        ("seven", "7"),
        ("eight", "8"),
        ("nine", "9"),
        ("ten", "10"),
    ];
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, figure)| *figure)
}

/// The same as a set.
pub(crate) fn term_set(text: &str) -> HashSet<String> {
    terms(text).into_iter().collect()
}

/// How much of `part` lies in `whole`, 0 to 1; 0 for an empty part.
#[allow(clippy::cast_precision_loss, reason = "counts of words in a sentence")]
pub(crate) fn share(part: &HashSet<String>, whole: &HashSet<String>) -> f32 {
    if part.is_empty() {
        return 0.0;
    }
    part.intersection(whole).count() as f32 / part.len() as f32
}

/// How alike two sets are, 0 to 1 (Jaccard).
#[allow(clippy::cast_precision_loss, reason = "counts of words in a sentence")]
pub(crate) fn likeness(a: &HashSet<String>, b: &HashSet<String>) -> f32 {
    let both = a.intersection(b).count();
    let all = a.len() + b.len() - both;
    if all == 0 { 0.0 } else { both as f32 / all as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inflected_words_meet() {
        assert_eq!(terms("How deep can divers go?"), terms("deep diver"));
        assert!(
            (share(&term_set("certified divers"), &term_set("A certified diver dives")) - 1.0).abs() < f32::EPSILON
        );
        assert!(share(&HashSet::new(), &term_set("x")).abs() < f32::EPSILON);
    }

    #[test]
    fn numbers_tell_terms_apart_as_their_letters_do() {
        let (said, ground) = (Terms::of("Divers’ dive the WRECKS"), Terms::of("a diver's wreck, a reef"));
        let (words, passage) = (term_set("Divers’ dive the WRECKS"), term_set("a diver's wreck, a reef"));
        assert_eq!((said.len(), ground.len()), (words.len(), passage.len()));
        assert_eq!(said.count(|term| ground.contains(term)), words.intersection(&passage).count());
        assert_eq!(Terms::of("the of and"), Terms::default());
    }
}
