//! What a question wants: its subject terms and the kind of fact that answers it.

use std::collections::{HashMap, HashSet};

use dovvybuddy_core::knowledge::Passage;

use super::ages;
use super::kind::{self, Kind};
use super::months::Months;
use crate::text::terms;

/// A question, taken apart.
#[derive(Debug)]
pub(crate) struct Question {
    /// The kind of fact that answers.
    pub(crate) kind: Kind,
    /// Its content terms with their weight: 1 for its own words.
    pub(crate) terms: Vec<(String, f32)>,
    /// The star grades it names ("two star", "1*").
    pub(crate) stars: Vec<u8>,
    /// Neighbouring terms, which may be a name.
    pub(crate) pairs: Vec<(String, String)>,
    /// The stem of what is counted, if it asks how many.
    pub(crate) counted: Option<String>,
    /// The months it names.
    pub(crate) months: Months,
    /// What else it asks: "where is it and when did it sink" asks twice.
    pub(crate) further: Vec<Kind>,
    /// How old somebody in it is.
    pub(crate) age: Option<u32>,
    /// The terms of each of the things it compares.
    pub(crate) sides: Vec<HashSet<String>>,
    /// Its words that may be short forms ("EAD"), in lower case.
    pub(crate) short_forms: Vec<String>,
    /// The terms of the question as it was asked.
    pub(crate) own: HashSet<String>,
    /// Terms that mean the same, by the term of the question.
    synonyms: HashMap<String, HashSet<String>>,
}

impl Question {
    /// Reads the question as asked, in another language as rendered in English, and as searched; the latter stands alone and is in English as far as
    /// the router could make it so.
    pub(crate) fn read(asked: &str, query: &str) -> Self {
        let words = terms::terms(asked);
        // What the router adds to an English question says what it is about, and not what is wanted of it.
        let rendered = if terms::terms(query).iter().any(|term| words.contains(term)) { "" } else { query };
        let kind = kind::kind(asked, rendered);
        let source = if query.trim().is_empty() { asked } else { query };
        let mut seen = HashSet::new();
        let mut weighted = Vec::new();
        for term in terms::terms(source).into_iter().flat_map(mixed) {
            if seen.insert(term.clone()) {
                let weight = if GENERAL.contains(&term.as_str()) { 0.35 } else { 1.0 };
                weighted.push((term, weight));
            }
        }
        for term in meant(asked) {
            if seen.insert((*term).to_owned()) {
                weighted.push(((*term).to_owned(), 0.7));
            }
        }
        let general = |term: &String| GENERAL.contains(&term.as_str());
        let pairs = words.iter().zip(words.iter().skip(1));
        let pairs = pairs
            .filter(|(a, b)| !(general(a) && general(b) || is_a_time(a, b)))
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect();
        let synonyms = weighted
            .iter()
            .map(|(term, _)| {
                // "Best" asks for a season only where a time is wanted.
                let other = kind != Kind::When && matches!(term.as_str(), "best" | "time");
                (term.clone(), if other { HashSet::new() } else { same_as(term) })
            })
            .collect();
        let months = Months::asked(asked).or(Months::asked(query));
        Self {
            kind,
            terms: weighted,
            pairs,
            stars: stars(asked),
            counted: counted(asked),
            months,
            further: kind::further(asked, kind),
            age: ages::told(asked).or_else(|| ages::told(query).filter(|_| asks_by_age(kind))),
            sides: sides(asked, kind),
            // How a thing works is not what its short form stands for.
            short_forms: if asked.contains(" work") { Vec::new() } else { short_forms(asked) },
            own: words.into_iter().collect(),
            synonyms,
        }
    }

    /// Reads what only the message as it was typed has, where this is the question's English rendering: marks that part
    /// its questions, and stars.
    pub(crate) fn read_marks(&mut self, typed: &str) {
        self.further = kind::further(typed, self.kind);
        self.stars = stars(typed);
    }

    /// The terms of what is to be paid for, without the places and what is said of every price.
    pub(crate) fn things(&self, names: &[String], passages: &[Passage]) -> Vec<String> {
        let of_a_place = |p: &&Passage| matches!(p.doc_type.as_str(), "destination" | "dive_site");
        let titles = passages.iter().filter(of_a_place).flat_map(|passage| terms::terms(&passage.title));
        let places: HashSet<String> = names.iter().flat_map(|name| terms::terms(name)).chain(titles).collect();
        let thing = |term: &&String| !places.contains(*term) && !OF_PRICES.contains(&term.as_str());
        let own = self.terms.iter().filter(|(term, weight)| *weight >= 1.0 && self.own.contains(term));
        own.map(|(term, _)| term).filter(thing).cloned().collect()
    }

    /// Whether a set of terms holds one of these things, if there are any.
    pub(crate) fn speaks_of(&self, things: &[String], set: &HashSet<String>) -> bool {
        things.is_empty() || things.iter().any(|thing| self.holds(thing, set) > 0.0)
    }

    /// Whether a term is one of the question's.
    pub(crate) fn asks_for(&self, term: &str) -> bool {
        self.terms.iter().any(|(own, _)| own == term)
    }

    /// How far a set of terms holds this term of the question: 1 itself, less for a synonym.
    pub(crate) fn holds(&self, term: &str, set: &HashSet<String>) -> f32 {
        if set.contains(term) {
            return 1.0;
        }
        let known = self.synonyms.get(term);
        if known.is_some_and(|synonyms| synonyms.iter().any(|s| set.contains(s))) { 0.8 } else { 0.0 }
    }

    /// How far a sentence with these terms, telling of these months, holds this term of the question.
    pub(crate) fn holds_of(&self, term: &str, set: &HashSet<String>, told: Months) -> f32 {
        if Months::names(term) && told.meet(self.months) { 1.0 } else { self.holds(term, set) }
    }

    /// The same for a term that is not the question's: whether the question holds it or a synonym.
    pub(crate) fn holds_in(&self, term: &str, asked: &HashSet<String>) -> f32 {
        if asked.contains(term) {
            return 1.0;
        }
        if self.synonyms.values().any(|synonyms| synonyms.contains(term)) { 0.8 } else { 0.0 }
    }
}

/// Whether the answer depends on an age that was told earlier, rather than on what is asked now.
fn asks_by_age(kind: Kind) -> bool {
    matches!(kind, Kind::Depth | Kind::Age | Kind::Requirement | Kind::Open | Kind::Definition)
}

/// Terms that any question for a price may have.
const OF_PRICES: &[&str] = &[
    "cost", "price", "much", "charg", "pay", "paid", "cheap", "cheapest", "expens", "week", "month", "today",
    "current", "usd", "dollar", "euro", "rate", "book", "averag",
];

/// What a question compares: the terms on both sides of "or", "vs", "and".
fn sides(asked: &str, kind: Kind) -> Vec<HashSet<String>> {
    const BETWEEN: &[&str] =
        &[" or ", " vs ", " vs. ", " versus ", " compared to ", " compared with ", " better than "];
    const ENDS: &[&str] = &["for", "in", "with", "as", "to", "if", "when", "is", "are", "during", "on", "which"];
    let lower = asked.to_lowercase();
    let parted = BETWEEN.iter().find_map(|word| lower.split_once(word)).or_else(|| {
        let (_, after) = lower.split_once("between ")?;
        after.split_once(" and ")
    });
    let Some((left, right)) = parted.filter(|_| kind == Kind::Comparison) else { return Vec::new() };
    let words = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    let left: Vec<String> =
        words(left).into_iter().rev().take_while(|word| !ENDS.contains(&word.as_str())).take(3).collect();
    let right: Vec<String> =
        words(right).into_iter().take_while(|word| !ENDS.contains(&word.as_str())).take(3).collect();
    let sets = [left, right].map(|side| terms::term_set(&side.join(" ")));
    let [one, two] = &sets;
    let own = [one.difference(two).cloned().collect(), two.difference(one).cloned().collect()];
    if own.iter().any(HashSet::is_empty) { Vec::new() } else { own.into() }
}

/// A mix by its short name, as the sources write it: EAN32 is nitrox 32.
fn mixed(term: String) -> Vec<String> {
    let share = term.strip_prefix("eanx").or_else(|| term.strip_prefix("ean")).unwrap_or("");
    if share.len() == 2 && share.chars().all(|c| c.is_ascii_digit()) {
        return vec!["nitrox".to_owned(), share.to_owned()];
    }
    vec![term]
}

/// The star grades a text names, in figures or words.
pub(crate) fn stars(text: &str) -> Vec<u8> {
    const GRADES: &[(u8, [&str; 2])] = &[(1, ["1", "one"]), (2, ["2", "two"]), (3, ["3", "three"]), (4, ["4", "four"])];
    let text = text.to_lowercase().replace('*', " star ").replace("stars", "star");
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let named = |grade: &&(u8, [&str; 2])| {
        words.windows(2).any(|pair| pair.get(1) == Some(&"star") && pair.first().is_some_and(|n| grade.1.contains(n)))
    };
    GRADES.iter().filter(named).map(|grade| grade.0).collect()
}

/// Terms that tell which sense of a word is meant.
fn meant(asked: &str) -> &'static [&'static str] {
    let asked = format!(" {} ", asked.to_lowercase());
    let ill = [" a cold", " head cold", " my cold", " bad cold"].iter().any(|words| asked.contains(words));
    let gear = ["in diving", "regulator", "hose", "gear", "scuba"].iter().any(|words| asked.contains(words));
    if ill && !asked.contains("cold water") {
        &["nose", "fever"]
    } else if gear && asked.contains("octopus") {
        &["valv", "buddi"]
    } else if ["maximum age", "max age", "too old", "upper age", "age limit"].iter().any(|words| asked.contains(words))
    {
        &["upper"]
    } else {
        &[]
    }
}

/// "6 weeks": who is so far along, or so long away, is told by the question, and other sentences have the same number.
fn is_a_time(number: &str, unit: &str) -> bool {
    number.chars().all(|c| c.is_ascii_digit()) && matches!(unit, "day" | "week" | "month" | "year")
}

/// The words that may be short forms: a few letters each, and no function words.
fn short_forms(asked: &str) -> Vec<String> {
    let words = asked.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    let short = |word: &String| (3..=6).contains(&word.len()) && word.chars().all(|c| c.is_ascii_alphabetic());
    words.filter(|word| short(word) && !terms::is_stop(word)).collect()
}

/// "How many logged dives do …" counts dives: the last word before the question goes on.
fn counted(asked: &str) -> Option<String> {
    let asked = asked.to_lowercase();
    let (_, after) = asked.split_once("how many ")?;
    let noun = after.split_whitespace().take_while(|word| !terms::is_stop(word)).take(4).last()?;
    terms::terms(noun).into_iter().next()
}

/// Stems so common in this subject that they say little.
const GENERAL: &[&str] = &[
    "dive",
    "diver",
    "scuba",
    "good",
    "best",
    "need",
    "requir",
    "long",
    "old",
    "deep",
    "take",
    "kind",
    "differ",
    "recreat",
    "becom",
    "work",
    "way",
    "day",
    "time",
    "year",
    "ago",
    "last",
    "month",
    "week",
    "tip",
    "right",
    "water",
    "fit",
    "fitness",
    "physician",
    "like",
    "max",
    "maximum",
    "minimum",
    "limit",
];

/// Groups of stems that stand for one another in a diver's question.
const SYNONYMS: &[&[&str]] = &[
    &["deep", "deepest", "depth", "metr", "meter", "m", "ft", "feet", "maximum", "limit"],
    &["old", "oldest", "age", "year", "young", "youngest", "minimum", "junior"],
    &["kid", "child", "children", "junior", "son", "daughter", "teen", "teenag", "youth"],
    &["fli", "flight", "plane", "airplan", "aircraft", "flew", "altitud"],
    &["long", "durat", "hour", "day", "minut", "week", "last"],
    &["need", "requir", "prerequisit", "necessari", "minimum"],
    &["cost", "price", "fee", "expens", "cheap"],
    &["cert", "certif", "certifi", "certificat", "licens", "licenc", "card", "qualif"],
    &["cours", "class", "train", "program"],
    &["ow", "owd", "open"],
    &["aow", "aowd", "advanc"],
    &["dm", "divemast"],
    &["nitrox", "ean", "enrich", "eanx"],
    &["refresh", "reactiv", "updat", "rusti", "inact", "lapsed", "expir"],
    &["dcs", "decompress", "bend"],
    &["ear", "sinus"],
    &["equal", "equalis", "clear"],
    &["season", "month", "time", "best", "monsoon", "weather"],
    &["warm", "temperatur", "cold"],
    &["current", "drift"],
    &["manta", "ray"],
    &["wreck", "ship"],
    &["mask", "goggl"],
    &["reg", "regul"],
    &["bcd", "buoyanc", "jacket", "wing"],
    &["medic", "medicin", "drug", "pill", "tablet", "medicament"],
    &["pregnanc", "pregnant"],
    &["doctor", "physician"],
    &["shop", "center", "centr", "oper", "school"],
    &["scare", "afraid", "fear", "anxieti", "anxious", "nervous", "worri", "panic"],
    &["ascent", "ascend", "surfac"],
    &["tank", "cylind", "bottl"],
    &["difficulti", "difficult", "hard", "level", "easi", "beginn"],
    &["see", "seen", "wildlif", "fish", "marin"],
    &["first", "begin", "start", "appear", "show", "notic", "earliest"],
    &["mandatori", "compulsori", "requir", "voluntari", "oblig"],
    &[
        "big", "bigger", "biggest", "size", "larg", "larger", "largest", "length", "longest", "grow", "adult",
        "exceed", "huge",
    ],
    &["danger", "risk", "harm", "harmless", "safe"],
    &["invent", "develop", "patent", "built"],
    &["decongest", "pseudoephedrin", "sudaf"],
    &["clean", "rins", "wash", "care"],
    &["doctor", "physician", "medic"],
    &["kind", "type", "sort"],
    &["air", "gas"],
    &["sea", "salt", "saltwat", "ocean"],
    &["licenc", "licens", "card"],
    &["po2", "partial", "pressur"],
    &["hydro", "hydrostat", "test"],
    &["fast", "faster", "fastest", "speed", "quick", "quicker", "quickli", "rate"],
    &["venom", "venomous", "poison", "poisonous", "toxin", "toxic", "sting"],
    &["eat", "feed", "food", "diet", "prey", "hunt"],
    &["found", "founder", "establish", "creat"],
    &["sink", "sank", "sunk", "sunken"],
    &["narcosi", "narcot", "nark", "narc"],
    &["colour", "color", "red", "yellow", "green"],
    &["litr", "liter"],
    &["equalis", "equal", "equaliz"],
    &["heat", "warm", "warmth"],
    &["die", "death", "dead", "deadli", "fatal", "kill"],
    &["countri", "coast", "island", "locat"],
    &["convuls", "seizur", "fit"],
    &["male", "dad", "father"],
    &["femal", "mum", "mom", "mother"],
    &["lead", "weight", "ballast"],
    &["kit", "gear", "equip"],
    &["freshwat", "fresh", "lake"],
    &["leftov", "residu", "remain"],
    &["boot", "booti", "bootee"],
    &["drysuit", "dri"],
    &["drunk", "narcosi", "tipsi", "giggl", "gigg"],
    &["suit", "wetsuit", "drysuit"],
    &["belong", "owner", "own"],
    &["skip", "mandatori", "requir", "compulsori"],
    &["nation", "british", "american", "german", "japanes", "italian", "french", "dutch", "swedish", "norwegian"],
    &["treat", "treatment", "recompress", "hyperbar", "chamber"],
    &["carri", "cargo", "load"],
    &["nicknam", "call", "known"],
    &["babi", "young", "birth", "pup", "pregnant"],
    &["rubber", "neopren", "materi", "made"],
    &["buoy", "smb", "dsmb"],
    &["viz", "visibl"],
    &["photo", "photographi", "camera", "pictur"],
    &["symptom", "sign"],
    &["hurt", "pain", "ach", "sore"],
    &["throw", "vomit", "sick", "seasick"],
    &["lifespan", "life", "live", "age", "old", "year"],
    &["diet", "eat", "food", "feed"],
    &["scottish", "scotland", "orkney"],
    &["egyptian", "egypt"],
    &["mexican", "mexico"],
    &["indonesian", "indonesia"],
    &["thai", "thailand"],
    &["filipino", "philippin"],
    &["japanes", "japan"],
    &["italian", "itali"],
    &["australian", "australia"],
    &["american", "america", "unit"],
    &["british", "britain", "kingdom", "england"],
    &["gateway", "harbour", "airport", "reach", "town"],
    &["contin", "tecton", "plate"],
    &["boyl", "volum"],
];

fn same_as(term: &str) -> HashSet<String> {
    let groups = SYNONYMS.iter().filter(|group| group.contains(&term));
    groups.flat_map(|group| group.iter()).filter(|s| **s != term).map(|s| (*s).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_grades_are_read_in_figures_and_words() {
        assert_eq!(stars("how deep is CMAS 1 star, or cmas 2*?"), [1, 2]);
        assert_eq!(stars("CMAS Three Star Diver"), [3]);
        assert!(stars("a five star resort, one dive").is_empty());
    }

    #[test]
    fn a_question_may_ask_twice() {
        let further = |asked: &str| Question::read(asked, asked).further;
        assert_eq!(further("where is the thistlegorm and when did she sink"), [Kind::Where]);
        assert_eq!(further("what age is bubblemaker from and how deep do they go"), [Kind::Age]);
        assert_eq!(further("how many arms does an octopus have"), []);
        assert_eq!(further("in welchem Land liegt die Zenobia und wann ist sie gesunken"), [Kind::Country]);
        assert!(further("how deep is it and how deep may I go").is_empty());
    }

    #[test]
    fn what_is_counted_is_the_noun_after_how_many() {
        assert_eq!(counted("How many logged dives do I need?").as_deref(), Some("dive"));
        assert_eq!(counted("how deep").as_deref(), None);
        assert_eq!(mixed("ean32".into()), ["nitrox", "32"]);
    }
}
