//! What the title and the heading of a passage say about its sentences.

use std::collections::HashSet;

use dovvybuddy_core::knowledge::Passage;

use super::kind::Kind;
use super::question::Question;
use crate::text::terms;

/// How far the title and the heading of a passage are what the question is about.
pub(crate) struct About {
    pub(crate) title: f32,
    pub(crate) heading: f32,
    /// The heading announces the kind of fact that is asked for.
    announces: bool,
    /// The title names a branch of training that was not asked about.
    branch: bool,
    /// The heading announces advice on choosing a course or a school.
    to_ask: bool,
}

/// Branches of training; who does not name one does not ask about it.
const BRANCHES: &[&str] = &[
    "freediv",
    "freediver",
    "deep",
    "sidemount",
    "tec",
    "wreck",
    "drift",
    "night",
    "bubblemak",
    "dri",
    "self-reli",
    "oxygen",
    "respons",
];

impl About {
    /// Reads the headings of a passage, and the terms of each wording in which it is `asked` for, against a question
    /// whose terms have these weights.
    pub(crate) fn read(question: &Question, weights: &[f32], passage: &Passage, asked: &[HashSet<String>]) -> Self {
        let heading = terms::term_set(&passage.section);
        let asked = asked.iter().map(|wording| agreement(question, weights, wording));
        let cues = question.kind.heading_cues();
        let lower = passage.section.to_lowercase();
        Self {
            title: agreement(question, weights, &terms::term_set(passage.subject())),
            heading: asked.fold(agreement(question, weights, &heading), f32::max),
            announces: cues
                .iter()
                .any(|cue| lower.split(|c: char| !c.is_alphanumeric()).any(|w| terms::stem(w) == *cue))
                || match question.kind {
                    Kind::Why => lower.starts_with("why"),
                    Kind::Definition => lower.starts_with("what ") && (lower.contains(" is") || lower.contains(" are")),
                    Kind::HowTo => {
                        ["how ", "what to do", "what helps", "what if"].iter().any(|words| lower.starts_with(words))
                            || lower.contains("do divers")
                    }
                    Kind::Allowed => ["can ", "may ", "is it ", "does "].iter().any(|w| lower.starts_with(w)),
                    _ => false,
                },
            branch: BRANCHES
                .iter()
                .any(|name| terms::term_set(passage.subject()).contains(*name) && !asks_for_branch(question, name)),
            to_ask: lower.starts_with("questions to ask") && !question.asks_for("ask"),
        }
    }

    /// What the headings are worth for the sentence at `place`: the opening of a section says what its
    /// heading announces.
    pub(crate) fn bonus(&self, place: usize) -> f32 {
        let share = match place {
            0 => 1.0,
            1 => 0.7,
            _ => 0.5,
        };
        let announced = if self.announces { 0.09 } else { 0.0 };
        self.title * 0.15 + (self.heading * 0.27 + announced) * share
            - if self.to_ask { 0.2 } else { 0.0 }
            - if self.branch { 0.2 } else { 0.0 }
    }
}

/// "How deep" asks for a depth, and not for the course that has the word in its name.
fn asks_for_branch(question: &Question, name: &str) -> bool {
    let after = |next: &[&str]| question.pairs.iter().any(|(one, two)| one == name && next.contains(&two.as_str()));
    let only_a_depth = name == "deep" && question.kind == Kind::Depth;
    question.asks_for(name) && (!only_a_depth || after(&["diver", "dive", "special", "specialti", "cours"]))
}

/// How far a question and the words of a heading are about the same, 0 to 1.
#[allow(clippy::cast_precision_loss, reason = "counts of words in a heading")]
fn agreement(question: &Question, weights: &[f32], heading: &HashSet<String>) -> f32 {
    if heading.is_empty() {
        return 0.0;
    }
    let held: f32 =
        question.terms.iter().zip(weights).map(|((term, _), weight)| weight * question.holds(term, heading)).sum();
    let asked: HashSet<String> = question.terms.iter().map(|(term, _)| term.clone()).collect();
    let fitting = heading.iter().map(|term| question.holds_in(term, &asked)).sum::<f32>() / heading.len() as f32;
    if held + fitting > 0.0 { 2.0 * held * fitting / (held + fitting) } else { 0.0 }
}
