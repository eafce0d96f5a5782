//! The sentences of the passages, each with what scoring needs to know of it.

use std::collections::{HashMap, HashSet};

use dovvybuddy_core::knowledge::Passage;

use super::months::Months;
use crate::text::quantities::{Quantity, quantities};
use crate::text::{injection, markdown, marks, terms};

/// The most sentences looked at per answer; passages are short, so this is a guard, not a choice.
const MOST: usize = 400;

/// A sentence that may be quoted.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// The passage's number, from 0.
    pub(crate) passage: usize,
    /// Its place within the passage, from 0.
    pub(crate) place: usize,
    /// The words.
    pub(crate) text: String,
    /// Its content terms.
    pub(crate) terms: HashSet<String>,
    /// Its numbers.
    pub(crate) quantities: Vec<Quantity>,
    /// It leans on the sentence before it ("It also…").
    pub(crate) leans: bool,
    /// It speaks of "the course" that a sentence before it named.
    pub(crate) refers: bool,
    /// How many words it has.
    pub(crate) words: usize,
    /// The months it tells of.
    pub(crate) months: Months,
}

impl Candidate {
    /// Whether the sentence is about money or opening times.
    pub(crate) fn is_business(&self) -> bool {
        const WORDS: &[&str] = &["cost", "price", "fee", "expens", "cheap", "pay", "paid", "permit", "operat"];
        const CHARGED_WITH_POWER: &[&str] = &["batteri", "comput", "torch", "light", "rechargeabl"];
        let says = |words: &[&str]| words.iter().any(|word| self.terms.contains(*word));
        says(WORDS) || self.terms.contains("charg") && !says(CHARGED_WITH_POWER)
    }
}

/// All sentences that may be quoted, in source order.
pub(crate) fn candidates(passages: &[Passage]) -> Vec<Candidate> {
    let mut out = Vec::new();
    for (passage, found) in passages.iter().enumerate() {
        let sentences = injection::before_any(markdown::plain_sentences(&found.text)).into_iter();
        // Footnote marks of a source would read as ours.
        let sentences = sentences.map(|s| marks::strip(&s));
        for (place, text) in sentences.filter(|s| quotable(s)).enumerate() {
            if out.len() >= MOST {
                return out;
            }
            out.push(Candidate {
                passage,
                place,
                terms: terms::term_set(&text),
                quantities: quantities(&text),
                leans: leans(&text),
                refers: place > 0 && refers(&text),
                words: text.split_whitespace().count(),
                months: Months::told(&text),
                text,
            });
        }
    }
    out
}

fn quotable(sentence: &str) -> bool {
    let link = sentence.contains("://") || sentence.contains("www.");
    !link && !sentence.contains('<') && sentence.chars().count() <= 600
}

/// "The course takes…", with the course named before.
fn refers(sentence: &str) -> bool {
    const NOUNS: &[&str] = &[
        "course",
        "programme",
        "program",
        "rating",
        "level",
        "form",
        "certification",
        "card",
        "site",
        "wreck",
        "dive",
        "level",
        "credit",
        "standard",
        "stop",
        "reserve",
        "search",
        "surgeon",
        "decision",
        "recognition",
        "rule",
    ];
    let mut words = sentence.split_whitespace();
    words.next() == Some("The") && words.next().is_some_and(|noun| NOUNS.contains(&noun))
}

fn leans(sentence: &str) -> bool {
    const LEANING: &[&str] = &[
        "it",
        "its",
        "this",
        "that",
        "these",
        "those",
        "they",
        "their",
        "he",
        "she",
        "however",
        "therefore",
        "also",
        "such",
        "both",
        "instead",
        "otherwise",
        "but",
        "and",
        "so",
        "then",
        "here",
        "there",
        "prerequisites",
        "requirements",
        "neither",
    ];
    let first = sentence.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("").to_lowercase();
    let counts = ["one", "two", "three", "four", "another", "others", "most"].contains(&first.as_str());
    let second = sentence.split_whitespace().nth(1).unwrap_or("").to_lowercase();
    let trails = [" it.", " them.", " this.", " so.", " this way."].iter().any(|end| sentence.ends_with(end));
    LEANING.contains(&first.as_str())
        || trails
        || counts && matches!(second.as_str(), "is" | "are" | "of" | "reason" | "ask" | "adds" | "require")
}

/// How much each term tells: seldom ones more.
#[allow(clippy::cast_precision_loss, reason = "counts of sentences")]
pub(crate) fn weights(candidates: &[Candidate]) -> HashMap<String, f32> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for candidate in candidates {
        for term in &candidate.terms {
            *counts.entry(term).or_default() += 1;
        }
    }
    let all = candidates.len() as f32;
    counts.into_iter().map(|(term, count)| (term.to_owned(), (1.0 + all / count as f32).ln())).collect()
}
