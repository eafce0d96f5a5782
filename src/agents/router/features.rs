//! What the model looks at: named features, the same in every language.

use crate::concept::Concept;
use crate::emergency::{Reading, company};
use crate::feature::Name;
use crate::message::Message;
use crate::text;

/// The conversation before a message, as far as it matters.
#[derive(Debug, Clone)]
pub(crate) struct Previous {
    /// The label of the diver's last message.
    pub(crate) label: &'static str,
    /// What it spoke of.
    pub(crate) concepts: Vec<Concept>,
}

/// A message of at most this many words leans on what was said before.
const SHORT: usize = 5;

/// Names the features of a message with what went before; one that comes twice has the same value twice.
pub(crate) fn extract(raw: &str, reading: &Reading, previous: Option<&Previous>, take: impl FnMut(&str, f32)) {
    let mut name = Name::new(take);
    let concepts = reading.concepts();
    name.set(&["bias"], 1.0);
    let topics: Vec<Concept> = concepts.iter().copied().filter(|c| is_topic(*c)).collect();
    for concept in &concepts {
        name.set(&["c:", concept.key()], 1.0);
    }
    for (i, a) in topics.iter().enumerate() {
        for b in topics.get(i + 1..).unwrap_or_default() {
            name.set(&["p:", a.key(), "+", b.key()], 0.5);
        }
    }
    if topics.is_empty() {
        name.set(&["no_topic"], 1.0);
        if !reading.any(&[Concept::Dive, Concept::PostDive]) && previous.is_none() {
            name.set(&["nothing_known"], 1.0);
        }
    }
    company::of(&mut name, reading);
    words(&mut name, raw, reading);
    let Some(previous) = previous else { return };
    name.set(&["h:", previous.label], 0.5);
    if leans_back(reading, &topics) {
        name.set(&["f:", previous.label], 2.0);
        for concept in previous.concepts.iter().filter(|c| is_topic(**c)) {
            name.set(&["hc:", concept.key()], 0.5);
        }
    }
}

/// Words as they are, their beginnings, and how the sentence opens: what the lexicons don't know the
/// training may still have seen. Runs of characters where words are not spaced.
fn words(name: &mut Name<impl FnMut(&str, f32)>, raw: &str, reading: &Reading) {
    let message = Message::read(raw);
    let units = message.text.units.get(..LONGEST).unwrap_or(&message.text.units);
    if text::unspaced(reading.lang()) {
        for (run, next) in units.iter().zip(units.iter().skip(1)) {
            name.set(&["g:", run, next], 0.3);
        }
        return;
    }
    for unit in units.iter().filter(|unit| unit.len() > 1 && !unit.chars().all(|c| c.is_ascii_digit())) {
        name.set(&["w:", unit], 0.5);
        if let Some((stem, _)) = unit.char_indices().nth(STEM).and_then(|(end, _)| unit.split_at_checked(end)) {
            name.set(&["s:", stem], 0.4);
        }
    }
    for (word, next) in units.iter().zip(units.iter().skip(1)) {
        name.set(&["b:", word, " ", next], 0.3);
    }
    if let [first, second, ..] = units {
        name.set(&["o:", first, " ", second], 0.4);
    }
}

/// Units beyond this many are not looked at.
const LONGEST: usize = 160;
/// A word is also known by its beginning, which most inflections share.
const STEM: usize = 5;

fn leans_back(reading: &Reading, topics: &[Concept]) -> bool {
    let short = if text::unspaced(reading.lang()) { SHORT * 3 } else { SHORT };
    // A short question that names its own subject stands alone.
    reading.has(Concept::FollowUp) || (topics.is_empty() && reading.len() <= short * 2)
}

/// Concepts that name a subject, as opposed to grammar and circumstances.
pub(crate) const fn is_topic(concept: Concept) -> bool {
    concept as usize >= Concept::Agency as usize
        && !matches!(
            concept,
            Concept::FollowUp
                | Concept::Greeting
                | Concept::Thanks
                | Concept::Allowed
                | Concept::Better
                | Concept::HowLong
                | Concept::HowWork
                | Concept::When
                | Concept::Where
                | Concept::Owned
                | Concept::Imperial
                | Concept::Metric
                | Concept::HereIn
        )
}
