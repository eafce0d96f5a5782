//! The place whose dive sites a question asks for, also one that nobody has heard of: "best dive sites in Ghana".
//!
//! The router names the places that it knows. What it doesn't know would be answered with the sites of another
//! place, since those speak of dive sites as well.

use crate::sites::MONTHS;
use crate::text;

/// Words for dive sites in a question that asks for them.
const SITES: [&str; 4] = ["sites", "spots", "wrecks", "reefs"];
/// Words that lead to a place.
const LEADING: [&str; 6] = ["in", "at", "off", "around", "near", "of"];
/// Words that end a place.
const ENDING: &str = "for with and or during from when that if as by on to is are which like between after before best";
/// What stands behind such a word without being a place.
const NO_PLACE: &str = "
    winter summer spring autumn fall season general world area region country place town my your a an one all any this
    these low high peak night water sea
";

/// The words of the place, in lower case.
pub(crate) fn asked_place(question: &str) -> Option<String> {
    let words = text::list_of_words(question);
    let sites = words.iter().position(|word| SITES.contains(&word.as_str()))?;
    let lead = words.iter().skip(sites).position(|word| LEADING.contains(&word.as_str()))? + sites;
    let place: Vec<&str> = words
        .iter()
        .skip(lead + 1)
        .map(String::as_str)
        .skip_while(|word| *word == "the")
        .take_while(|word| !lists(ENDING, word) && !LEADING.contains(word))
        .collect();
    let told = place.first().is_some_and(|first| first.chars().all(char::is_alphabetic))
        && !place.iter().any(|word| MONTHS.contains(word) || lists(NO_PLACE, word));
    told.then(|| place.join(" "))
}

fn lists(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|listed| listed == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_behind_the_dive_sites() {
        for (question, place) in [
            ("best dive sites in Ghana", Some("ghana")),
            ("What are the dive sites in South Georgia?", Some("south georgia")),
            ("famous wrecks off the Azores for beginners", Some("azores")),
            ("dive spots near Kuwait City with sharks", Some("kuwait city")),
            ("best dive sites in the world", None),
            ("best dive sites in October", None),
            ("where are the best dive sites", None),
            ("how many wrecks are there", None),
            ("what do sharks eat in Ghana", None),
        ] {
            assert_eq!(asked_place(question).as_deref(), place, "{question}");
        }
    }
}
