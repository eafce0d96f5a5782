//! The classifier beside the rules: a linear model over what the rules read, the words themselves and
//! what was said before.
//!
//! The rules know the signs; the classifier knows how people speak of them. It raises an alarm that
//! the rules missed, and takes one back only where it is all but certain that nobody is in danger.
//! Its weights are fitted by `examples/train_emergency.rs` and compiled in; it is as deterministic as
//! the rules.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::judge;
use super::reading::Reading;
use crate::concept::Concept;
use crate::text::{self, Text};

/// From this probability on a message is an emergency even if the rules saw none.
const RAISE: f32 = 0.5;
/// The same for a message that names no sign, after none that did: words alone need to be clearer.
const RAISE_UNSIGNED: f32 = 0.75;
/// Below this probability an alarm of the rules is taken back: the rules hear the word, not the story.
const TAKE_BACK: f32 = 0.1;

const WEIGHTS: &str = include_str!("weights.tsv");

/// Words beyond this many are not looked at.
const LONGEST: usize = 80;
/// A word is also known by its beginning, which most inflections share.
const STEM: usize = 5;

/// The fitted weights by feature.
#[derive(Debug, Default)]
pub(crate) struct Classifier {
    weights: HashMap<String, f32>,
}

/// What the classifier makes of the rules' verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opinion {
    /// An emergency.
    Raise,
    /// Nothing to add.
    Agree,
    /// No emergency, whatever the rules say.
    TakeBack,
}

impl Classifier {
    /// The weights that are compiled in.
    pub(super) fn shipped() -> &'static Self {
        static SHIPPED: OnceLock<Classifier> = OnceLock::new();
        SHIPPED.get_or_init(|| Self::parse(WEIGHTS))
    }

    /// Reads lines of `feature<TAB>weight`.
    pub(super) fn parse(source: &str) -> Self {
        let pair = |line: &str| {
            let (name, weight) = line.split_once('\t')?;
            Some((name.to_owned(), weight.parse().ok()?))
        };
        Self { weights: source.lines().filter_map(pair).collect() }
    }

    /// Weighs a message, read as `readings` says, after `before`.
    pub(super) fn opinion(&self, message: &str, readings: &[Reading], before: &[&Reading]) -> Opinion {
        if self.weights.is_empty() {
            return Opinion::Agree;
        }
        let (mut sum, mut known) = (0.0, 0);
        for (name, value) in features(message, readings, before) {
            if let Some(weight) = self.weights.get(&name) {
                sum += weight * value;
                known += usize::from(name.contains(':'));
            }
        }
        if known == 0 {
            // Not a word of it was ever seen: whatever the sum says is chance.
            return Opinion::Agree;
        }
        let probability = 1.0 / (1.0 + (-sum).exp());
        let signed = readings.iter().chain(before.iter().copied()).any(|reading| reading.count(Concept::is_sign) > 0);
        match probability {
            p if p >= if signed { RAISE } else { RAISE_UNSIGNED } => Opinion::Raise,
            p if p < TAKE_BACK => Opinion::TakeBack,
            _ => Opinion::Agree,
        }
    }
}

/// The features of a message, with their values.
pub(crate) fn features(message: &str, readings: &[Reading], before: &[&Reading]) -> Vec<(String, f32)> {
    let mut features = vec![("bias".to_owned(), 1.0)];
    if let Some(reading) = readings.first() {
        read(&mut features, reading);
        words(&mut features, message, reading);
    }
    if judge::judge(readings).kind.is_some() {
        features.push(("rules".to_owned(), 1.0));
    }
    for earlier in before {
        for hit in earlier.hits().iter().filter(|hit| hit.concept.is_sign()) {
            features.push((format!("before:{}", hit.concept.key()), 0.5));
        }
    }
    if !before.is_empty() {
        let alarmed = before.iter().any(|reading| judge::judge(std::slice::from_ref(*reading)).kind.is_some());
        features.push((if alarmed { "before_alarm" } else { "before" }.to_owned(), 1.0));
    }
    features.sort_by(|a, b| a.0.cmp(&b.0));
    features.dedup_by(|a, b| a.0 == b.0);
    features
}

/// What the rules see: concepts, and the sums they weigh.
fn read(features: &mut Vec<(String, f32)>, reading: &Reading) {
    for hit in reading.hits() {
        features.push((format!("c:{}", hit.concept.key()), 1.0));
    }
    let weighed = judge::weigh(reading);
    features.push(("severity".to_owned(), weighed.severity));
    features.push(("concrete".to_owned(), weighed.concrete));
    features.push(("general".to_owned(), weighed.general));
    if weighed.severity > 0.0 {
        features.push(("sign_of_someone".to_owned(), weighed.concrete));
        features.push(("sign_in_general".to_owned(), weighed.general));
    }
    if reading.question() {
        features.push(("question".to_owned(), 1.0));
    }
    if reading.exclamation() {
        features.push(("exclamation".to_owned(), 1.0));
    }
}

/// The words as they are, their beginnings, and pairs of neighbours; runs of characters where words
/// are not spaced.
fn words(features: &mut Vec<(String, f32)>, message: &str, reading: &Reading) {
    let units: Vec<String> = Text::new(message).units.into_iter().take(LONGEST).collect();
    if text::unspaced(reading.lang()) {
        for run in units.windows(2).chain(units.windows(3)) {
            features.push((format!("g:{}", run.concat()), 0.3));
        }
        return;
    }
    for unit in &units {
        features.push((format!("w:{unit}"), 0.5));
        if unit.chars().count() > STEM {
            features.push((format!("s:{}", unit.chars().take(STEM).collect::<String>()), 0.5));
        }
    }
    for pair in units.windows(2) {
        features.push((format!("b:{}", pair.join(" ")), 0.4));
    }
}
