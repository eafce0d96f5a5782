//! Whether the passages answer the question at all.

use std::collections::HashSet;

use dovvybuddy_core::agent::Brief;
use dovvybuddy_core::knowledge::Passage;
use dovvybuddy_core::lang::Lang;

use super::fit;
use super::months::Months;
use super::question::Question;
use super::score::Scores;
use super::strangers;
use crate::text::terms;

/// Below this coverage no sentence answers the question.
const LEAST_COVERAGE: f32 = 0.3;

/// The same where the search is sure of a passage: it knows meanings, this here only words.
const LEAST_COVERAGE_WHEN_SURE: f32 = 0.15;

/// From this score on the search is sure of a passage.
const SURE: f32 = 0.75;

/// Below this score one unknown word is enough to doubt that the passages are about the question.
const DOUBTFUL: f32 = 0.5;

/// Who asks so wants the words of a short form and nothing else.
const STANDS_FOR: &[&str] = &["stand for", "stands for", "short for"];

/// Words that may be missing from every passage without telling anything.
const PLAIN: &[&str] = &[
    "what",
    "look",
    "okay",
    "explain",
    "wear",
    "havent",
    "shouldnt",
    "doesnt",
    "dont",
    "didnt",
    "special",
    "allow",
    "recommend",
    "suggest",
    "someon",
    "anyon",
    "peopl",
    "friend",
    "wife",
    "husband",
    "girlfriend",
    "boyfriend",
    "pleas",
    "thank",
    "hello",
    "wonder",
    "think",
    "tell",
    "heard",
    "read",
    "plan",
    "wast",
    "actual",
    "usual",
    "still",
    "alreadi",
    "right",
    "kid",
    "session",
    "yesterday",
    "today",
    "tonight",
    "tomorrow",
    "polici",
    "word",
    "term",
    "call",
    "belong",
    "star",
    "main",
    "famous",
    "popular",
    "collect",
    "made",
    "style",
    "leftov",
    "trickier",
    "tricki",
    "fix",
    "point",
    "move",
    "turn",
    "regular",
    "proper",
    "happen",
    "suppos",
    "guess",
    "mate",
    "guy",
    "folk",
    "everyon",
    "someth",
    "anyth",
    "stuff",
    "thing",
    "sort",
    "worth",
    "matter",
    "sure",
    "real",
    "true",
    "quick",
    "question",
    "answer",
    "explan",
    "learn",
    "understand",
    "rememb",
    "forgot",
    "confus",
    "group",
    "region",
    "area",
    "provinc",
    "place",
    "spot",
    "record",
    "name",
    "definit",
    "popularis",
    "anim",
    "creatur",
    "mention",
    "tini",
    "hide",
    "big",
    "describ",
    "refer",
    "crack",
    "deal",
    "bad",
    "instructor",
];

/// Whether the sentences rated in `scores` say something about what is asked.
pub(crate) fn covered(question: &Question, text: &str, brief: &Brief, passages: &[Passage], scores: &Scores) -> bool {
    let coverage = scores.coverage.iter().copied().fold(0.0, f32::max);
    let best = passages.iter().map(|p| p.score).fold(0.0, f32::max);
    if scores.coverage.is_empty() {
        return false;
    }
    if strangers::names_a_stranger(brief, text, passages) {
        return false;
    }
    if brief.route.lang != Lang::En {
        // Words of another language hardly occur in English passages; there the search's own view counts.
        return true;
    }
    let asked = text.to_lowercase();
    if STANDS_FOR.iter().any(|words| asked.contains(words))
        && !passages.iter().any(|passage| fit::spells_out(question, &passage.text))
    {
        return false;
    }
    let known = words_of(passages.iter());
    if asks_for_the_unknown(question, text, &known) || names_an_unknown_place(brief, text, &known) {
        return false;
    }
    let least = if best >= SURE { LEAST_COVERAGE_WHEN_SURE } else { LEAST_COVERAGE };
    coverage >= least && (best >= SURE || !names_the_unknown(question, text, brief, passages, &known, best))
}

/// The terms of passages, headings included.
fn words_of<'a>(passages: impl Iterator<Item = &'a Passage>) -> HashSet<String> {
    passages.flat_map(|p| terms::terms(&format!("{} {} {} {}", p.title, p.section, p.asked, p.text))).collect()
}

/// Whether a trip is asked for to a place that is written like a name and stands nowhere: what is said of others is
/// no answer, however sure the search is of it.
fn names_an_unknown_place(brief: &Brief, text: &str, known: &HashSet<String>) -> bool {
    if brief.agent.id.as_str() != "trip" || !brief.route.names.is_empty() {
        return false;
    }
    let unknown = |name: &String| !known.contains(name) && known_apart(name, known) && !Months::names(name);
    names(text).iter().filter(|name| unknown(name)).count() > 1
}

/// "What is the salary of an instructor?" is not answered by all there is about instructors: what is asked for
/// has to stand somewhere in the passages.
fn asks_for_the_unknown(question: &Question, asked: &str, known: &HashSet<String>) -> bool {
    let Some(wanted) = wanted(asked) else { return false };
    let tells = wanted.chars().count() > 3 && !PLAIN.contains(&wanted.as_str()) && !GENERIC.contains(&wanted.as_str());
    tells && question.holds(&wanted, known) <= 0.0 && known_apart(&wanted, known)
}

/// What a question asks for of something: "what is the X of", "what X does … earn". Its stem.
fn wanted(asked: &str) -> Option<String> {
    let asked = asked.to_lowercase();
    for verb in ["earn", "weigh"] {
        if asked.split(|c: char| !c.is_alphabetic()).any(|word| word.starts_with(verb)) {
            return Some(verb.to_owned());
        }
    }
    let after = ["what is the ", "what's the ", "whats the ", "what are the "].iter().find_map(|start| {
        let (_, after) = asked.split_once(start)?;
        Some(after)
    })?;
    let words: Vec<&str> = after.split_whitespace().collect();
    let ends = words.iter().position(|word| matches!(*word, "of" | "for"))?;
    let noun = ends.checked_sub(1).and_then(|before| words.get(before)).filter(|_| ends <= 4)?;
    terms::terms(noun).into_iter().next()
}

/// Stems that ask for whatever there is to say.
const GENERIC: &[&str] = &[
    "mean",
    "purpos",
    "point",
    "use",
    "name",
    "differ",
    "reason",
    "sign",
    "symptom",
    "rule",
    "chanc",
    "danger",
    "advantag",
    "benefit",
    "caus",
    "procedur",
    "treatment",
    "first",
    "best",
    "time",
    "cost",
    "price",
    "odd",
    "require",
    "requir",
    "lifespan",
    "amount",
    "number",
    "risk",
    "mechan",
    "diet",
    "habitat",
    "function",
    "role",
    "shape",
    "origin",
    "speed",
];

/// Whether the question is about a name, or with a doubtful search about any word, that no passage has.
fn names_the_unknown(
    question: &Question,
    text: &str,
    brief: &Brief,
    passages: &[Passage],
    known: &HashSet<String>,
    best: f32,
) -> bool {
    // Who asks about a place is not answered by a document that names it in passing.
    let is_trip = brief.agent.id.as_str() == "trip";
    let of_a_place = |p: &&Passage| matches!(p.doc_type.as_str(), "destination" | "dive_site");
    let places = is_trip.then(|| words_of(passages.iter().filter(of_a_place)));
    let places = places.as_ref().unwrap_or(known);
    let names = names(text);
    // A month is told by the span it lies in.
    let places_asked = before_a_feature(text);
    let mut subjects = question.terms.iter().filter(|(term, weight)| *weight >= 1.0 && !Months::names(term));
    subjects.any(|(term, _)| {
        let unknown = question.holds(term, known) <= 0.0 && known_apart(term, known);
        let tells =
            term.chars().count() > 3 && !term.chars().any(|c| c.is_ascii_digit()) && !PLAIN.contains(&term.as_str());
        if places_asked.contains(term) && unknown {
            true
        } else if names.contains(term) {
            unknown || question.holds(term, places) <= 0.0
        } else {
            // The router's words for what was asked need not stand anywhere.
            unknown && tells && best <= DOUBTFUL && question.own.contains(term)
        }
    })
}

/// A compound that the passages write apart ("freediving", "free diving") is not unknown.
fn known_apart(term: &str, known: &HashSet<String>) -> bool {
    !known.iter().any(|word| word.len() > 3 && (term.starts_with(word.as_str()) || word.starts_with(term)))
}

/// The stems of words before a feature of the sea: "pelican point" is a place, however it is written.
fn before_a_feature(asked: &str) -> HashSet<String> {
    const FEATURES: &[&str] = &[
        "point", "bay", "reef", "rock", "rocks", "island", "islands", "wreck", "wall", "atoll", "lagoon", "pass",
        "shoal",
    ];
    let asked = asked.to_lowercase();
    let words: Vec<&str> = asked.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let pairs = words.iter().zip(words.iter().skip(1));
    let names =
        |word: &str, feature: &str| FEATURES.contains(&feature) && !DESCRIBING.split_whitespace().any(|d| d == word);
    pairs.filter(|(word, feature)| names(word, feature)).flat_map(|(word, _)| terms::terms(word)).collect()
}

/// Words that tell what kind of reef, bay or island is meant and that name none.
const DESCRIBING: &str = "
    scottish english british irish french spanish italian greek turkish egyptian jordanian israeli maltese croatian
    norwegian icelandic mexican cuban thai indonesian malaysian filipino philippine japanese australian hawaiian african
    american caribbean mediterranean pacific atlantic indian tropical coral rocky sandy muddy volcanic granite limestone
    deep shallow big small little large huge tiny long high low steep vertical sloping famous popular best good nice
    beautiful easy hard dangerous remote natural artificial house shore home barrier fringing outer inner local nearby
    whole same other another any every sunken drowned hidden dark cold warm clear green blue white black red offshore
    underwater submerged protected marine volcano desert inhabited uninhabited healthy dying living
";

/// The stems of words that are written with a capital inside a sentence.
fn names(asked: &str) -> HashSet<String> {
    let mut out = HashSet::new();
    let mut opens = true;
    for word in asked.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let capital = bare.chars().next().is_some_and(char::is_uppercase);
        let shouts = bare.chars().count() > 1 && bare.chars().all(|c| c.is_uppercase() || c.is_ascii_digit());
        if capital && !opens && !shouts {
            out.extend(terms::terms(bare));
        }
        opens = word.ends_with(['.', '!', '?', ':']);
    }
    out
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::ids::AgentId;

    use super::super::choose;
    use crate::testing::{brief, limits, passage};

    fn answers(question: &str, score: f32) -> bool {
        let mut asked = brief(question, limits());
        for passage in &mut asked.passages {
            passage.score = score;
        }
        !choose(&asked, "").runs.is_empty()
    }

    #[test]
    fn an_unknown_name_is_not_covered_unless_the_search_is_sure() {
        assert!(answers("How deep may a PADI Open Water Diver go?", 0.6));
        assert!(!answers("How deep may a diver of the Zwartvis club go?", 0.6));
        assert!(answers("How deep may a diver of the Zwartvis club go?", 0.9));
        assert!(!answers("how deep may an open water diver of zwartvis go", 0.45));
    }

    #[test]
    fn what_is_asked_for_must_be_there() {
        assert!(!answers("what is the salary of a PADI Open Water Diver", 0.9));
        assert!(!answers("how much does an Open Water Diver earn", 0.9));
        assert!(answers("what is the depth of an Open Water dive", 0.9));
        assert!(answers("what's the purpose of the PADI Open Water Diver course", 0.9));
    }

    #[test]
    fn an_unknown_point_is_no_other_point() {
        let kin = || vec![passage("Shark Point, Gili", "What it is", "Shark Point is a reef with sharks.", 0.6)];
        assert!(!choose(&brief("shark point diving", kin()), "").runs.is_empty());
        assert!(choose(&brief("pelican point diving", kin()), "").runs.is_empty());
    }

    #[test]
    fn a_short_form_that_is_not_spelt_out_is_not_covered() {
        let about = "PADI lists a minimum age of 10 for the Open Water Diver.";
        let asked = brief("what does padi stand for", vec![passage("PADI Open Water Diver", "Age", about, 0.9)]);
        assert!(choose(&asked, "").runs.is_empty());
    }

    #[test]
    fn a_place_named_in_passing_is_no_place_we_know() {
        let text = "Palau, Hawaii and Bonaire restrict some sunscreens.";
        let mut asked = brief("Is diving good in Hawaii?", vec![passage("Reef etiquette", "Sunscreen", text, 0.55)]);
        assert!(!choose(&asked, "").runs.is_empty());
        let mut trip = (*asked.agent).clone();
        trip.id = AgentId::new("trip");
        asked.agent = std::sync::Arc::new(trip);
        assert!(choose(&asked, "").runs.is_empty());
    }
}
