//! What the model looks at: named features, the same in every language.

use std::collections::BTreeMap;

use crate::concept::Concept;
use crate::emergency::Reading;
use crate::text::{self, Text};

/// The conversation before a message, as far as it matters.
#[derive(Debug, Clone)]
pub(crate) struct Previous {
    /// The label of the diver's last message.
    pub(crate) label: &'static str,
    /// What it spoke of.
    pub(crate) concepts: Vec<Concept>,
}

/// Named features and their values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Features {
    /// The values by name.
    pub(crate) values: BTreeMap<String, f32>,
    /// The message leans on what was said before.
    pub(crate) follow_up: bool,
}

/// A message of at most this many words leans on what was said before.
const SHORT: usize = 5;

impl Features {
    /// The features of a message with what went before.
    pub(crate) fn extract(raw: &str, reading: &Reading, previous: Option<&Previous>) -> Self {
        let mut concepts: Vec<Concept> = reading.hits().iter().map(|hit| hit.concept).collect();
        concepts.sort_unstable();
        concepts.dedup();
        let mut features = Self::default();
        features.set("bias", 1.0);
        let topics: Vec<Concept> = concepts.iter().copied().filter(|c| is_topic(*c)).collect();
        for concept in &concepts {
            features.set(&format!("c:{}", concept.key()), 1.0);
        }
        for (i, a) in topics.iter().enumerate() {
            for b in topics.get(i + 1..).unwrap_or_default() {
                features.set(&format!("p:{}+{}", a.key(), b.key()), 0.5);
            }
        }
        if topics.is_empty() {
            features.set("no_topic", 1.0);
            if !reading.any(&[Concept::Dive, Concept::PostDive]) && previous.is_none() {
                features.set("nothing_known", 1.0);
            }
        }
        words(&mut features, raw, reading);
        if let Some(previous) = previous {
            features.follow_up = leans_back(reading, &topics);
            features.remember(previous);
        }
        features
    }

    fn remember(&mut self, previous: &Previous) {
        self.set(&format!("h:{}", previous.label), 0.5);
        if self.follow_up {
            self.set(&format!("f:{}", previous.label), 2.0);
            for concept in previous.concepts.iter().filter(|c| is_topic(**c)) {
                self.set(&format!("hc:{}", concept.key()), 0.5);
            }
        }
    }

    fn set(&mut self, name: &str, value: f32) {
        self.values.insert(name.to_owned(), value);
    }
}

/// Words as they are, their beginnings, and how the sentence opens: what the lexicons don't know the
/// training may still have seen. Runs of characters where words are not spaced.
fn words(features: &mut Features, raw: &str, reading: &Reading) {
    let units: Vec<String> = Text::new(raw).units.into_iter().take(60).collect();
    if text::unspaced(reading.lang()) {
        for run in units.windows(2) {
            features.set(&format!("g:{}", run.concat()), 0.3);
        }
        return;
    }
    for unit in units.iter().filter(|unit| unit.len() > 1 && !unit.chars().all(|c| c.is_ascii_digit())) {
        features.set(&format!("w:{unit}"), 0.5);
        if unit.chars().count() > STEM {
            features.set(&format!("s:{}", unit.chars().take(STEM).collect::<String>()), 0.4);
        }
    }
    for pair in units.windows(2) {
        features.set(&format!("b:{}", pair.join(" ")), 0.3);
    }
    if let [first, second, ..] = units.as_slice() {
        features.set(&format!("o:{first} {second}"), 0.4);
    }
}

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
