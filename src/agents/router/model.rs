//! A linear model: a row of weights per named feature, one weight per label.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::LABELS;
use super::features::Features;

/// Weights per feature.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    pub(super) weights: BTreeMap<String, [f32; 5]>,
}

impl Model {
    /// Reads lines of `feature<TAB>w1…w5`; lines of any other form are left out.
    pub fn parse(source: &str) -> Self {
        let mut weights = BTreeMap::new();
        for line in source.lines() {
            let mut fields = line.split('\t');
            let Some(name) = fields.next() else { continue };
            let mut row = [0.0; 5];
            let mut read = 0;
            for (slot, field) in row.iter_mut().zip(fields) {
                if let Ok(value) = field.parse() {
                    *slot = value;
                    read += 1;
                }
            }
            if read == LABELS.len() {
                weights.insert(name.to_owned(), row);
            }
        }
        Self { weights }
    }

    /// The lines [`Self::parse`] reads; features without weight are left out.
    pub fn to_tsv(&self) -> String {
        let mut out = String::new();
        for (name, row) in &self.weights {
            if row.iter().all(|weight| weight.abs() < 0.01) {
                continue;
            }
            out.push_str(name);
            for weight in row {
                let _ = write!(out, "\t{weight:.2}");
            }
            out.push('\n');
        }
        out
    }

    /// The probability of each label.
    pub(crate) fn probabilities(&self, features: &Features) -> [f32; 5] {
        let mut scores = [0.0f32; 5];
        for (name, value) in &features.values {
            if let Some(row) = self.weights.get(name) {
                for (score, weight) in scores.iter_mut().zip(row) {
                    *score += weight * value;
                }
            }
        }
        softmax(scores)
    }
}

/// Scores as probabilities that add up to 1.
pub(super) fn softmax(scores: [f32; 5]) -> [f32; 5] {
    let highest = scores.iter().copied().fold(f32::MIN, f32::max);
    let exponentials = scores.map(|score| (score - highest).exp());
    let sum: f32 = exponentials.iter().sum();
    exponentials.map(|value| value / sum)
}
