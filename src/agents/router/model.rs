//! A linear model: a row of weights per named feature, one weight per label.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::LABELS;
use crate::vocabulary::{Vocabulary, place};

/// Weights per feature. Features are numbered in the order of their names.
#[derive(Debug, Clone, Default)]
pub struct Model {
    names: Vocabulary,
    rows: Vec<[f32; 5]>,
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
        Self::new(weights)
    }

    /// The model with these weights.
    pub(super) fn new(weights: BTreeMap<String, [f32; 5]>) -> Self {
        let mut names = Vocabulary::default();
        let row = |(name, row): (String, [f32; 5])| {
            names.number(&name);
            row
        };
        let rows = weights.into_iter().map(row).collect();
        names.complete();
        Self { names, rows }
    }

    /// The features with their weights, by name.
    pub(super) fn weights(&self) -> BTreeMap<&str, [f32; 5]> {
        let numbers = 0..place(self.rows.len());
        numbers.zip(&self.rows).map(|(number, row)| (self.names.word(number), *row)).collect()
    }

    /// The lines [`Self::parse`] reads; features without weight are left out.
    pub fn to_tsv(&self) -> String {
        let mut out = String::new();
        for (name, row) in self.weights() {
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

    /// The number of a feature that has weight.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.names.find(name)
    }

    /// The probability of each label, from features by number.
    pub(super) fn probabilities(&self, mut features: Vec<(u32, f32)>) -> [f32; 5] {
        // Always summed in the same order, so that the last digit is always the same.
        features.sort_by_key(|(number, _)| *number);
        features.dedup_by_key(|(number, _)| *number);
        let mut scores = [0.0f32; 5];
        for (number, value) in features {
            let Some(row) = self.rows.get(number as usize) else { continue };
            for (score, weight) in scores.iter_mut().zip(row) {
                *score += weight * value;
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
