//! Fits the classifier: logistic regression by `AdaGrad`, repeatable to the last digit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dovvybuddy_core::guard::Heard;
use dovvybuddy_core::session::Role;

use super::{classifier, earlier_readings, readings, told_first};
use crate::language;
use crate::router::Example;

/// How the classifier is fitted.
#[derive(Debug, Clone, Copy)]
pub struct EmergencyTrainer {
    /// Passes over the examples.
    pub epochs: usize,
    /// The step of the first updates.
    pub rate: f32,
    /// The pull of every weight towards zero.
    pub decay: f32,
    /// The same for words as they are.
    pub word_decay: f32,
    /// How much more a missed emergency costs than a false alarm.
    pub miss_cost: f32,
    /// Features seen in fewer messages are left out: they would be learnt by heart.
    pub least_seen: usize,
}

impl Default for EmergencyTrainer {
    fn default() -> Self {
        Self { epochs: 40, rate: 0.15, decay: 0.004, word_decay: 0.004, miss_cost: 15.0, least_seen: 3 }
    }
}

struct Row {
    features: Vec<(usize, f32)>,
    emergency: bool,
}

impl EmergencyTrainer {
    /// Fits the weights and returns them as lines of `feature<TAB>weight`.
    pub fn fit(&self, examples: &[Example]) -> String {
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        let mut rows: Vec<Row> = examples.iter().map(|example| row(example, &mut names)).collect();
        self.forget_rare(&mut rows, names.len());
        shuffle(&mut rows);
        let mut weights = vec![0.0f32; names.len()];
        let mut squares = vec![0.0f32; names.len()];
        let mut decays = vec![self.decay; names.len()];
        for (_, at) in names.iter().filter(|(name, _)| is_wording(name)) {
            if let Some(decay) = decays.get_mut(*at) {
                *decay = self.word_decay;
            }
        }
        let mut sums = vec![0.0f32; names.len()];
        let averaged = self.epochs.div_ceil(2);
        for epoch in 0..self.epochs {
            for row in &rows {
                let sum: f32 = row.features.iter().filter_map(|(at, value)| Some(weights.get(*at)? * value)).sum();
                let probability = 1.0 / (1.0 + (-sum).exp());
                let error = if row.emergency { (probability - 1.0) * self.miss_cost } else { probability };
                for (at, value) in &row.features {
                    let (Some(weight), Some(square), Some(decay)) =
                        (weights.get_mut(*at), squares.get_mut(*at), decays.get(*at))
                    else {
                        continue;
                    };
                    let gradient = error * value + decay * *weight;
                    *square += gradient * gradient;
                    *weight -= self.rate * gradient / (square.sqrt() + 1e-4);
                }
            }
            // The mean of the later passes depends less on the order of the rows than the last one.
            if epoch + averaged >= self.epochs {
                sums.iter_mut().zip(&weights).for_each(|(sum, weight)| *sum += weight);
            }
        }
        #[allow(clippy::cast_precision_loss, reason = "a few dozen passes")]
        let passes = averaged.max(1) as f32;
        let mut out = String::new();
        for (name, at) in &names {
            let weight = sums.get(*at).copied().unwrap_or_default() / passes;
            if weight.abs() >= 0.02 {
                // Writing to a String can't fail.
                let _ = writeln!(out, "{name}\t{weight:.2}");
            }
        }
        out
    }
}

/// Mixes the files, always in the same way, so that no language or subject has the last word in a pass.
fn shuffle<T>(rows: &mut [T]) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for at in (1..rows.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bound = u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1);
        rows.swap(at, usize::try_from((state >> 33) % bound).unwrap_or(0));
    }
}

impl EmergencyTrainer {
    fn forget_rare(&self, rows: &mut [Row], features: usize) {
        let mut seen = vec![0usize; features];
        for (at, _) in rows.iter().flat_map(|row| &row.features) {
            if let Some(count) = seen.get_mut(*at) {
                *count += 1;
            }
        }
        for row in rows {
            row.features.retain(|(at, _)| seen.get(*at).is_some_and(|count| *count >= self.least_seen));
        }
    }
}

/// Features of the words themselves, as opposed to what they mean.
fn is_wording(name: &str) -> bool {
    ["w:", "s:", "g:", "b:"].iter().any(|kind| name.starts_with(kind))
}

fn row(example: &Example, names: &mut BTreeMap<String, usize>) -> Row {
    let by_diver = example.history.iter().filter(|turn| turn.role == Role::User);
    let heard = Heard { said: by_diver.map(|turn| turn.content.clone()).collect(), ..Heard::default() };
    let detected = language::detect(&example.text, super::hint(&heard));
    let earlier = earlier_readings(&heard, &detected);
    let readings = told_first(readings(&example.text, &detected), detected.sure);
    let found = classifier::named(&example.text, &readings, &earlier.iter().collect::<Vec<_>>());
    let features = found
        .into_iter()
        .map(|(name, value)| {
            let next = names.len();
            (*names.entry(name).or_insert(next), value)
        })
        .collect();
    Row { features, emergency: example.label == "emergency" }
}
