//! How well a sentence answers a question.

use std::collections::{HashMap, HashSet};

use dovvybuddy_core::knowledge::Passage;

use super::ages;
use super::candidates::Candidate;
use super::fit::{HAS_IT, fit};
use super::heading::About;
use super::kind::Kind;
use super::question::{self, Question};
use crate::text::terms;

/// Scores of the candidates of one brief.
pub(crate) struct Scores {
    /// One per candidate.
    pub(crate) relevance: Vec<f32>,
    /// How much of the question each candidate's own words and headings hold, 0 to 1.
    pub(crate) coverage: Vec<f32>,
    /// Which question terms each candidate holds in its own words.
    pub(crate) held: Vec<Vec<f32>>,
    /// The weight of each question term; they add up to 1.
    pub(crate) weights: Vec<f32>,
    /// Which candidates are about another place than the one asked about.
    pub(crate) beside: Vec<bool>,
    /// The part of the relevance that is the search's trust in the passage.
    pub(crate) trust: Vec<f32>,
    /// How far any heading, or wording in which its section is asked for, is what is asked.
    pub(crate) heading: f32,
    /// The same of the titles.
    pub(crate) title: f32,
}

/// Rates every candidate.
pub(crate) fn rate(
    question: &Question,
    passages: &[Passage],
    candidates: &[Candidate],
    tells: &HashMap<String, f32>,
) -> Scores {
    let weights = term_weights(question, tells);
    let headings: Vec<(HashSet<String>, HashSet<String>)> =
        passages.iter().map(|p| (terms::term_set(&p.title), terms::term_set(&p.section))).collect();
    let asked: Vec<Vec<HashSet<String>>> =
        passages.iter().map(|passage| passage.asked.split('?').map(terms::term_set).collect()).collect();
    // A site lies in the folder of its country or region, whose name it need not repeat.
    let folders: Vec<HashSet<String>> =
        passages.iter().map(|p| terms::term_set(&p.source.replace(['/', '-'], " "))).collect();
    let subject = subject(question, passages, &headings);
    let topic = topic(question, passages, tells);
    let rivals = Rivals::of(question);
    let about: Vec<About> =
        passages.iter().zip(&asked).map(|(passage, asked)| About::read(question, &weights, passage, asked)).collect();
    let best = passages.iter().map(|p| p.score).fold(f32::EPSILON, f32::max);
    let mut scores = Scores {
        relevance: Vec::new(),
        coverage: Vec::new(),
        held: Vec::new(),
        weights: weights.clone(),
        beside: Vec::new(),
        trust: Vec::new(),
        heading: about.iter().map(|about| about.heading).fold(0.0, f32::max),
        title: about.iter().map(|about| about.title).fold(0.0, f32::max),
    };
    for candidate in candidates {
        let held: Vec<f32> = question
            .terms
            .iter()
            .map(|(term, _)| question.holds_of(term, &candidate.terms, candidate.months))
            .collect();
        let around: Vec<f32> = question
            .terms
            .iter()
            .map(|(term, _)| {
                let wordings = asked.get(candidate.passage).into_iter().flatten();
                let typed = wordings.map(|wording| question.holds(term, wording));
                typed.fold(heading_holds(question, term, headings.get(candidate.passage)), f32::max)
            })
            .collect();
        let coverage: f32 = weights
            .iter()
            .zip(held.iter().zip(&around))
            .map(|(weight, (own, head))| weight * own.max(head * 0.65))
            .sum();
        let own: f32 = weights.iter().zip(&held).map(|(weight, own)| weight * own).sum();
        let trust = passages.get(candidate.passage).map_or(0.0, |p| p.score / best) * PASSAGE;
        let misses = |subjects: &[usize]| {
            let missed = |all: &[f32], at: usize| all.get(at).is_some_and(|holds| *holds <= 0.0);
            let elsewhere = |at: usize| {
                let term = question.terms.get(at).map_or("", |(term, _)| term);
                folders.get(candidate.passage).is_none_or(|folder| !folder.contains(term))
            };
            subjects.iter().any(|at| missed(&held, *at) && missed(&around, *at) && elsewhere(*at))
        };
        let (beside, off_topic) = (misses(&subject), misses(&topic));
        let fact = fit(question, question.kind, candidate);
        let relevance = coverage * COVERAGE
            + own * OWN
            + fact * FACT
            + if fact >= HAS_IT { HAS_THE_FACT } else { 0.0 }
            + further(question, candidate)
            + in_time(question, candidate)
            + ages::fit(question, candidate)
            + position(candidate)
            + about.get(candidate.passage).map_or(0.0, |about| about.bonus(candidate.place))
            + phrases(question, candidate) * PHRASES
            + length(candidate)
            + trust
            + rank(candidate.passage)
            - penalties(candidate)
            - if other_stars(&question.stars, &candidate.text) { BESIDE_THE_SUBJECT } else { 0.0 }
            - if beside { BESIDE_THE_SUBJECT } else { 0.0 }
            - if off_topic { BESIDE_THE_TOPIC } else { 0.0 }
            - if other_animals(question, candidate) { RIVAL } else { 0.0 }
            - rivals.objection(candidate, headings.get(candidate.passage));
        scores.relevance.push(relevance);
        scores.coverage.push(coverage);
        scores.held.push(held);
        scores.beside.push(beside || off_topic);
        scores.trust.push(trust);
    }
    scores
}

// What a sentence is worth was fitted outside the program, on some 900 questions of the open answer sets: how likely each
// feature makes a sentence the one that has the fact. The values are rounded; what is told apart too seldom keeps one set by
// hand.

/// For holding the question's words, its headings' among them.
const COVERAGE: f32 = 0.8;
/// For holding them itself.
const OWN: f32 = 0.55;
/// For how well it fits the kind of fact asked for,
const FACT: f32 = 0.2;
/// and for having such a fact.
const HAS_THE_FACT: f32 = 0.44;
/// For words that stand side by side in the question, too.
const PHRASES: f32 = 0.45;
/// What the search's trust in a sentence's passage is worth: it knows what people mean, this here only their words.
const PASSAGE: f32 = 0.83;

/// Longer sentences say more.
#[allow(clippy::cast_precision_loss, reason = "words of a sentence")]
fn length(candidate: &Candidate) -> f32 {
    0.12 * (candidate.words.max(1) as f32 / TYPICAL).ln()
}

/// A sentence of so many words is neither long nor short.
const TYPICAL: f32 = 18.0;

/// What a sentence gains that has further facts of those asked for.
fn further(question: &Question, candidate: &Candidate) -> f32 {
    let has = |kind: &&Kind| fit(question, **kind, candidate) >= HAS_IT;
    #[allow(clippy::cast_precision_loss, reason = "a few parts of a question")]
    let found = question.further.iter().filter(has).count() as f32;
    found.min(2.0) * FURTHER
}

const FURTHER: f32 = 0.15;

/// What a sentence gains or loses where places are asked for in a month.
fn in_time(question: &Question, candidate: &Candidate) -> f32 {
    if question.months.is_empty() || candidate.months.is_empty() || question.kind == Kind::When {
        0.0
    } else if candidate.months.meet(question.months) {
        IN_TIME
    } else {
        -IN_TIME
    }
}

const IN_TIME: f32 = 0.2;

/// What a sentence about another subject loses.
const BESIDE_THE_SUBJECT: f32 = 0.5;

/// What it loses where the subject is no place: other documents may speak of it in other words.
const BESIDE_THE_TOPIC: f32 = 0.2;

/// What a sentence about another agency or level loses.
const RIVAL: f32 = 0.4;

/// Whether a sentence tells of other star grades than the ones asked about: their limits differ.
fn other_stars(asked: &[u8], text: &str) -> bool {
    let told = question::stars(text);
    !asked.is_empty() && !told.is_empty() && !told.iter().any(|grade| asked.contains(grade))
}

/// Names that exclude one another: who asks for one of them does not ask for its neighbours.
const RIVALS: &[&[&[&str]]] = &[
    &[&["padi"], &["ssi"], &["naui"], &["sdi", "tdi"], &["cmas"], &["bsac"], &["raid"], &["gue"]],
    &[
        &["open", "ow", "owd"],
        &["advanc", "aow", "aowd"],
        &["rescu"],
        &["divemast", "dm"],
        &["instructor"],
        &["junior"],
        &["discov", "try"],
    ],
];

/// Animals that one section tells of side by side; what is said of one is not so of the next.
const ANIMALS: &[&str] = &[
    "stonefish",
    "lionfish",
    "scorpionfish",
    "stingray",
    "urchin",
    "jellyfish",
    "octopus",
    "snake",
    "cone",
    "triggerfish",
    "barracuda",
    "moray",
];

/// Whether a sentence begins with other animals than those asked about.
fn other_animals(question: &Question, candidate: &Candidate) -> bool {
    let opening = terms::term_set(&candidate.text.split_whitespace().take(OPENING).collect::<Vec<_>>().join(" "));
    let asks = |animal: &str| question.terms.iter().any(|(term, _)| term == animal);
    ANIMALS.iter().any(|animal| asks(animal))
        && ANIMALS.iter().any(|animal| opening.contains(*animal))
        && !ANIMALS.iter().any(|animal| candidate.terms.contains(*animal) && asks(animal))
}

/// The words in which a sentence names what it is about.
const OPENING: usize = 4;

/// The names a question asks for, and their neighbours.
struct Rivals {
    asked: Vec<&'static str>,
    others: Vec<&'static str>,
    /// Names of which one has to stand over a sentence or in it.
    wanted: Vec<Vec<&'static str>>,
}

impl Rivals {
    fn of(question: &Question) -> Self {
        let mut rivals = Self { asked: Vec::new(), others: Vec::new(), wanted: Vec::new() };
        if question.kind == Kind::Comparison {
            return rivals;
        }
        for group in RIVALS {
            let asks = |names: &[&str]| question.terms.iter().any(|(term, _)| names.contains(&term.as_str()));
            if group.iter().any(|names| asks(names)) {
                // "Advanced open water" asks for the advanced level: "open water" is part of its name.
                let special = group.iter().filter(|names| asks(names)).any(|names| !names.contains(&"open"));
                let mut wanted = Vec::new();
                for names in *group {
                    if !asks(names) {
                        rivals.others.extend(names.iter());
                    } else if !(special && names.contains(&"open")) {
                        wanted.extend(names.iter().copied());
                    }
                }
                if special {
                    rivals.wanted.push(wanted.clone());
                }
                rivals.asked.extend(wanted);
            }
        }
        rivals
    }

    /// What a sentence loses that is about a neighbour: its title says so, or it names one and not what is
    /// asked. Where title and sentence agree that it is the neighbour's, it is no answer.
    fn objection(&self, candidate: &Candidate, heading: Option<&(HashSet<String>, HashSet<String>)>) -> f32 {
        let in_title = |names: &[&str]| heading.is_some_and(|(title, _)| names.iter().any(|n| title.contains(*n)));
        let in_text = |names: &[&str]| names.iter().any(|n| candidate.terms.contains(*n));
        let missing = self.wanted.iter().any(|names| !in_title(names) && !in_text(names));
        let named_in_both = in_title(&self.others) && in_text(&self.others);
        // "Open Water" is part of another level's name.
        let of_that = self.asked.contains(&"open") && only_the_advanced(&candidate.text);
        let names_asked = in_text(&self.asked) && !of_that;
        if named_in_both {
            BESIDE_THE_SUBJECT
        } else if missing || in_title(&self.others) || (in_text(&self.others) && !names_asked && !in_title(&self.asked))
        {
            RIVAL
        } else {
            0.0
        }
    }
}

/// Whether a sentence speaks of open water only in the name of the advanced level.
fn only_the_advanced(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut before = lower.match_indices("open water").filter_map(|(at, _)| lower.get(..at)).peekable();
    before.peek().is_some() && before.all(|before| before.trim_end().ends_with("advanced"))
}

/// The terms of the question that name a place some of the passages are about, but not all.
fn subject(question: &Question, passages: &[Passage], headings: &[(HashSet<String>, HashSet<String>)]) -> Vec<usize> {
    const NO_NAMES: &[&str] =
        &["island", "reef", "rock", "bay", "point", "wreck", "sea", "water", "marin", "north", "south", "great"];
    let names_a_place = |term: &str| {
        let mut places =
            passages.iter().zip(headings).filter(|(p, _)| matches!(p.doc_type.as_str(), "destination" | "dive_site"));
        !NO_NAMES.contains(&term) && places.any(|(_, (title, _))| title.contains(term))
    };
    if question.kind == Kind::Comparison {
        return Vec::new();
    }
    let terms = question.terms.iter().enumerate();
    terms.filter(|(_, (term, weight))| *weight >= 1.0 && names_a_place(term)).map(|(at, _)| at).collect()
}

/// The term of the question that names what the likeliest document is about: what another one says without it is
/// likely about something else.
fn topic(question: &Question, passages: &[Passage], tells: &HashMap<String, f32>) -> Vec<usize> {
    if question.kind == Kind::Comparison {
        return Vec::new();
    }
    // Only what the search believes most, and only words of the diver's own: the router adds general ones.
    let best = passages.iter().max_by(|a, b| a.score.total_cmp(&b.score));
    let name = best.map(|passage| terms::term_set(passage.subject())).unwrap_or_default();
    let named = |term: &str| name.contains(term) && question.own.contains(term);
    let terms = question.terms.iter().enumerate();
    let telling = terms.filter(|(_, (term, weight))| *weight >= 1.0 && named(term));
    // The most telling of them is the subject; "diver" or "rule" stand in many titles.
    let rarity = |at: &usize| question.terms.get(*at).and_then(|(term, _)| tells.get(term)).copied().unwrap_or(0.0);
    telling.map(|(at, _)| at).max_by(|a, b| rarity(a).total_cmp(&rarity(b))).into_iter().collect()
}

fn term_weights(question: &Question, tells: &HashMap<String, f32>) -> Vec<f32> {
    // A term no passage has at all is worth as much as a seldom one: its absence must show.
    let most = tells.values().copied().fold(1.0, f32::max);
    let raw: Vec<f32> =
        question.terms.iter().map(|(term, weight)| weight * tells.get(term).copied().unwrap_or(most * 0.7)).collect();
    let sum: f32 = raw.iter().sum();
    raw.into_iter().map(|w| if sum > 0.0 { w / sum } else { 0.0 }).collect()
}

fn heading_holds(question: &Question, term: &str, heading: Option<&(HashSet<String>, HashSet<String>)>) -> f32 {
    let Some((title, section)) = heading else { return 0.0 };
    question.holds(term, section).max(question.holds(term, title))
}

/// Which share of the question's pairs of neighbouring terms the sentence has as neighbours too.
#[allow(clippy::cast_precision_loss, reason = "counts of words in a question")]
fn phrases(question: &Question, candidate: &Candidate) -> f32 {
    if question.pairs.is_empty() {
        return 0.0;
    }
    let words = terms::terms(&candidate.text);
    let has =
        |(a, b): &&(String, String)| words.windows(2).any(|pair| pair.first() == Some(a) && pair.get(1) == Some(b));
    question.pairs.iter().filter(has).count() as f32 / question.pairs.len() as f32
}

const fn position(candidate: &Candidate) -> f32 {
    match candidate.place {
        0 => 0.24,
        1 => 0.06,
        _ => 0.0,
    }
}

#[allow(clippy::cast_precision_loss, reason = "a handful of passages")]
fn rank(passage: usize) -> f32 {
    0.26 / (passage as f32 + 1.0)
}

fn penalties(candidate: &Candidate) -> f32 {
    let mut sum = 0.0;
    if candidate.leans {
        sum += 0.1;
    }
    if candidate.text.contains(['=', '÷']) {
        sum += 0.1;
    }
    if candidate.words > 45 {
        sum += 0.05;
    }
    if candidate.words < 5 {
        sum += 0.3;
    }
    if candidate.text.ends_with('?') || candidate.text.starts_with("Good questions ") {
        sum += 0.4;
    }
    sum
}
