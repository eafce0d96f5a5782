//! Words as they count for matching: lower case, without function words, stemmed.

use std::collections::HashSet;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

/// English function words, and words every question has.
const STOP: &str = "a about above after again all also am an and any are as at be because been before being below \
between both but by can could did do does doing don during each few for from further get go had has have having \
he her here hers him his how i if in into is it its itself just know let like ll make many may me might more most much \
must my need no nor not now of off on once one only or other our out over own per please really s same shall she should \
so some such t tell than that the their theirs them then there these they this those though through to too under until \
up us use very want was way we were what when where which while who whom why will with within without would yes you your \
yours d m re ve im i'm what's it's don't can't doesn't isn't there's that's whats hows wheres dont doesnt didnt shouldnt cant havent isnt ive okay ok still usually often generally typically";

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
    text.unicode_words()
        .map(|word| word.to_lowercase().replace('’', "'"))
        .filter(|word| !is_stop(word))
        .map(|word| stem(word.trim_end_matches("'s")))
        .collect()
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
}
