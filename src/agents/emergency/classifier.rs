//! The classifier beside the rules: a linear model over what the rules read, the words themselves and
//! what was said before.
//!
//! The rules know the signs; the classifier knows how people speak of them. It raises an alarm that
//! the rules missed, and takes one back only where it is all but certain that nobody is in danger.
//! Its weights are fitted by `examples/train_emergency.rs` and compiled in; it is as deterministic as
//! the rules.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use hashbrown::HashMap;

use super::reading::Reading;
use super::{company, judge};
use crate::concept::Concept;
use crate::feature::Name;
use crate::message::Message;
use crate::text;

/// The probabilities from which the classifier has its say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// From here on a message is an emergency even if the rules saw none.
    pub raise: f32,
    /// The same for a message that names no sign, after none that told one of these days: words alone need to be clearer.
    pub raise_unsigned: f32,
    /// Below this an alarm of the rules is taken back: the rules hear the word, not the story.
    pub take_back: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { raise: 0.5, raise_unsigned: 0.55, take_back: 0.5 }
    }
}

/// The least probability at which a worry or a few words without a sign are an emergency.
const ALL_BUT_CERTAIN: f32 = 0.97;

/// Below this even an alarm told just before is not gone on about: the message says what it was instead.
const DISMISS: f32 = 0.1;

const WEIGHTS: &str = include_str!("weights.tsv");

/// Words beyond this many are not looked at.
const LONGEST: usize = 160;
/// A word is also known by its beginning, which most inflections share.
const STEM: usize = 5;

/// The fitted weights. Features are numbered in the order of their names.
#[derive(Debug, Default)]
pub(crate) struct Classifier {
    numbers: HashMap<&'static str, u32>,
    weights: Vec<Weight>,
    thresholds: Thresholds,
}

#[derive(Debug, Clone, Copy)]
struct Weight {
    weight: f32,
    /// It is of something that the message itself says; others count, sum up, or tell of what was said before.
    said: bool,
}

/// Whether a feature is of something that the message itself says.
fn is_of_the_message(name: &str) -> bool {
    name.contains(':') && !name.starts_with("before:") && !name.starts_with("after_")
}

/// What the classifier makes of the rules' verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opinion {
    /// An emergency.
    Raise,
    /// Nothing to add.
    Agree,
    /// No emergency, whatever the rules say of the message itself.
    TakeBack,
    /// No emergency, whatever was said before.
    Dismiss,
}

impl Classifier {
    /// The weights that are compiled in.
    pub(super) fn shipped() -> &'static Self {
        static SHIPPED: OnceLock<Classifier> = OnceLock::new();
        SHIPPED.get_or_init(|| Self::parse(WEIGHTS))
    }

    /// Reads lines of `feature<TAB>weight`.
    pub(super) fn parse(source: &'static str) -> Self {
        let pair = |line: &'static str| {
            let (name, weight) = line.split_once('\t')?;
            Some((name, weight.parse().ok()?))
        };
        let pairs: BTreeMap<&'static str, f32> = source.lines().filter_map(pair).collect();
        let weights =
            pairs.iter().map(|(name, weight)| Weight { weight: *weight, said: is_of_the_message(name) }).collect();
        Self { numbers: pairs.keys().copied().zip(0..).collect(), weights, thresholds: Thresholds::default() }
    }

    /// The same with other thresholds.
    pub(super) const fn with_thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Weighs a message, read as `readings` says, after `before`.
    pub(super) fn opinion(&self, message: &str, readings: &[Reading], before: &[&Reading]) -> Opinion {
        if self.weights.is_empty() {
            return Opinion::Agree;
        }
        let mut found: Vec<(u32, f32)> = Vec::new();
        let mut name = Name::new(|name, value| found.extend(self.numbers.get(name).map(|number| (*number, value))));
        features(&mut name, message, readings, before);
        // Always summed in the same order, so that the last digit is always the same.
        found.sort_by_key(|(number, _)| *number);
        found.dedup_by_key(|(number, _)| *number);
        let (mut sum, mut known) = (0.0, 0);
        for (number, value) in found {
            let Some(Weight { weight, said }) = self.weights.get(number as usize) else { continue };
            sum += weight * value;
            known += usize::from(*said);
        }
        if known == 0 {
            // Not a word of it was ever seen: whatever the sum says is chance.
            return Opinion::Agree;
        }
        let probability = 1.0 / (1.0 + (-sum).exp());
        let names_a_sign = |reading: &Reading| reading.count(Concept::is_sign) > 0;
        let signed = readings.iter().any(names_a_sign) || before.iter().any(|earlier| tells_a_sign(earlier));
        let Thresholds { raise, raise_unsigned, take_back } = self.thresholds;
        // Who speaks of a fear and names no sign has the words of danger without the danger.
        let worried = readings.iter().any(|reading| reading.has(Concept::Worry));
        // "I dived yesterday": who, when and a dive sum up to an emergency's words where nothing else is told.
        let few = readings.first().is_some_and(|reading| matches!(length(reading), "outcry" | "line"));
        let enough = match (signed, worried) {
            (true, _) => raise,
            (false, false) if !few => raise_unsigned,
            (false, _) => raise_unsigned.max(ALL_BUT_CERTAIN),
        };
        match probability {
            p if p >= enough => Opinion::Raise,
            p if p < DISMISS => Opinion::Dismiss,
            p if p < take_back => Opinion::TakeBack,
            _ => Opinion::Agree,
        }
    }
}

impl Classifier {
    /// What each feature of a message adds to the sum, the weightiest first: for whoever asks why.
    pub(super) fn shares(&self, message: &str, readings: &[Reading], before: &[&Reading]) -> Vec<(String, f32)> {
        let weigh = |(name, value): (String, f32)| {
            let number = self.numbers.get(name.as_str())?;
            Some((name, self.weights.get(*number as usize)?.weight * value))
        };
        let mut shares: Vec<(String, f32)> = named(message, readings, before).into_iter().filter_map(weigh).collect();
        shares.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
        shares
    }
}

/// The features of a message by name, with their values.
pub(super) fn named(message: &str, readings: &[Reading], before: &[&Reading]) -> BTreeMap<String, f32> {
    let mut named = BTreeMap::new();
    let mut name = Name::new(|name, value| {
        named.entry(name.to_owned()).or_insert(value);
    });
    features(&mut name, message, readings, before);
    named
}

/// The features of a message; of those that come twice the first counts.
fn features(name: &mut Name<impl FnMut(&str, f32)>, message: &str, readings: &[Reading], before: &[&Reading]) {
    name.set(&["bias"], 1.0);
    if let Some(reading) = readings.first() {
        read(name, reading);
        company::of(name, reading);
        company::in_pairs(name, reading);
        company::without_sign(name, reading);
        words(name, message, reading);
    }
    if judge::judge(readings).kind.is_some() {
        name.set(&["rules"], 1.0);
    }
    let denied = readings.first().is_some_and(Reading::opens_with_denial);
    if denied {
        name.set(&["denied"], 0.5);
    }
    if !before.is_empty() {
        in_talk(name, readings, before, denied);
    }
}

/// What was said before, and what the message adds to it.
fn in_talk(name: &mut Name<impl FnMut(&str, f32)>, readings: &[Reading], before: &[&Reading], denied: bool) {
    for earlier in before {
        for hit in earlier.hits().iter().filter(|hit| hit.concept.is_sign()) {
            name.set(&["before:", hit.concept.key()], 0.5);
        }
    }
    let severity = before.iter().map(|earlier| judge::weigh(earlier).severity).fold(0.0, f32::max);
    name.set(&["before_severity"], severity);
    let alarmed = before.iter().any(|earlier| judge::alarms(earlier));
    let after = if alarmed {
        "after_alarm:"
    } else if before.iter().any(|earlier| tells_a_sign(earlier)) {
        "after_sign:"
    } else {
        "after_talk:"
    };
    // The same word goes on about a sign, or about a plan.
    if let Some(reading) = readings.first() {
        for concept in reading.concepts() {
            name.set(&[after, concept.key()], 0.5);
        }
        name.set(&[after, length(reading)], 0.5);
    }
    name.set(&[if alarmed { "before_alarm" } else { "before" }], 1.0);
    // Who is asked whether somebody is hurt, and says no, means all that was said before.
    if denied {
        name.set(&[if alarmed { "alarm_denied" } else { "before_denied" }], 1.0);
    }
    if readings.iter().all(|reading| reading.count(Concept::is_sign) == 0) {
        name.set(&[if alarmed { "alarm_and_no_more" } else { "before_and_no_more" }], 1.0);
    }
}

/// Whether a message tells a sign, and not one that is past, gone, chronic, imagined or learnt of.
fn tells_a_sign(reading: &Reading) -> bool {
    reading.count(Concept::is_sign) > 0 && !judge::speaks_in_general(reading)
}

/// What the rules see: concepts, and the sums they weigh.
fn read(name: &mut Name<impl FnMut(&str, f32)>, reading: &Reading) {
    for hit in reading.hits() {
        name.set(&["c:", hit.concept.key()], 1.0);
    }
    let weighed = judge::weigh(reading);
    name.set(&["severity"], weighed.severity);
    name.set(&["concrete"], weighed.concrete);
    name.set(&["general"], weighed.general);
    if weighed.severity > 0.0 {
        name.set(&["sign_of_someone"], weighed.concrete);
        name.set(&["sign_in_general"], weighed.general);
    }
    name.set(&[length(reading)], 0.5);
    if reading.question() {
        name.set(&["question"], 1.0);
    }
    if reading.exclamation() {
        name.set(&["exclamation"], 1.0);
    }
}

/// How much is told: an outcry, a line, a story.
fn length(reading: &Reading) -> &'static str {
    let words = if text::unspaced(reading.lang()) { reading.len() / 2 } else { reading.len() };
    match words {
        0..=5 => "outcry",
        6..=10 => "line",
        11..=16 => "sentence",
        17..=25 => "sentences",
        _ => "story",
    }
}

/// The words as they are, their beginnings, and pairs of neighbours; runs of characters where words
/// are not spaced.
fn words(name: &mut Name<impl FnMut(&str, f32)>, message: &str, reading: &Reading) {
    let message = Message::read(message);
    let units = message.text.units.get(..LONGEST).unwrap_or(&message.text.units);
    if text::unspaced(reading.lang()) {
        for pair in units.windows(2) {
            if let [first, second] = pair {
                name.set(&["g:", first, second], 0.3);
            }
        }
        for three in units.windows(3) {
            if let [first, second, third] = three {
                name.set(&["g:", first, second, third], 0.3);
            }
        }
        return;
    }
    for unit in units {
        name.set(&["w:", unit], 0.5);
        if let Some((end, _)) = unit.char_indices().nth(STEM) {
            name.set(&["s:", unit.get(..end).unwrap_or(unit)], 0.5);
        }
    }
    for pair in units.windows(2) {
        if let [first, second] = pair {
            name.set(&["b:", first, " ", second], 0.4);
        }
    }
}
