//! Fits the model: multinomial logistic regression by `AdaGrad`, repeatable to the last digit.

use std::collections::{BTreeMap, HashMap};

use dovvybuddy_core::Lang;
use dovvybuddy_core::session::Role;
use serde::Deserialize;

use super::model::softmax;
use super::{HeuristicRouter, LABELS, Model, Previous, features};
use crate::evaluate::Turn;
use crate::language;
use crate::message::Message;

/// A labelled message to learn from.
#[derive(Debug, Clone, Deserialize)]
pub struct Example {
    /// The message.
    pub text: String,
    /// What was said before, oldest first.
    #[serde(default)]
    pub history: Vec<Turn>,
    /// The label. The router skips emergencies and small talk, which are decided before it; for the
    /// emergency classifier everything but an emergency is none.
    pub label: String,
    /// The language, where it is told.
    #[serde(default)]
    pub lang: Option<Lang>,
}

/// How the model is fitted.
#[derive(Debug, Clone, Copy)]
pub struct Trainer {
    /// Passes over the examples.
    pub epochs: usize,
    /// The step of the first updates.
    pub rate: f32,
    /// The pull of every weight towards zero.
    pub decay: f32,
    /// The pull of single words, stronger: they generalise least.
    pub word_decay: f32,
    /// Wordings seen in fewer messages are left out: they would be learnt by heart.
    pub least_seen: usize,
}

impl Default for Trainer {
    fn default() -> Self {
        Self { epochs: 60, rate: 0.2, decay: 0.003, word_decay: 0.002, least_seen: 2 }
    }
}

impl Trainer {
    /// Fits a model. Follow-ups see the label that the model before them gives to the previous
    /// message, so the fit runs twice.
    pub fn fit(&self, examples: &[Example]) -> Model {
        let alone: Vec<Example> = examples.iter().filter(|example| example.history.is_empty()).cloned().collect();
        let first = self.fit_once(&alone, &Model::default());
        self.fit_once(examples, &first)
    }

    fn fit_once(&self, examples: &[Example], before: &Model) -> Model {
        let router = HeuristicRouter::new(&[]).with_model(before.clone());
        let labelled = examples.iter().filter_map(|example| {
            let label = LABELS.iter().position(|label| *label == example.label)?;
            Some((features_of(&router, example), label))
        });
        let (names, rows) = self.numbered(labelled.collect());
        let decays: Vec<f32> =
            names.iter().map(|name| if is_wording(name) { self.word_decay } else { self.decay }).collect();
        let mut weights = vec![[0.0f32; 5]; names.len()];
        let mut squares = vec![[0.0f32; 5]; names.len()];
        for _ in 0..self.epochs {
            for (features, label) in &rows {
                let mut scores = [0.0f32; 5];
                for (row, value) in features.iter().filter_map(|(at, value)| Some((weights.get(*at)?, value))) {
                    for (score, weight) in scores.iter_mut().zip(row) {
                        *score += weight * value;
                    }
                }
                let probabilities = softmax(scores);
                for (at, value) in features {
                    let (Some(row), Some(squares), Some(decay)) =
                        (weights.get_mut(*at), squares.get_mut(*at), decays.get(*at))
                    else {
                        continue;
                    };
                    for (i, ((weight, square), probability)) in
                        row.iter_mut().zip(squares.iter_mut()).zip(probabilities).enumerate()
                    {
                        let target = if i == *label { 1.0 } else { 0.0 };
                        let gradient = (probability - target) * value + decay * *weight;
                        *square += gradient * gradient;
                        *weight -= self.rate * gradient / (square.sqrt() + 1e-4);
                    }
                }
            }
        }
        Model::new(names.into_iter().zip(weights).collect())
    }

    /// The features' names, and the examples with their features by number; rare wordings are left out.
    fn numbered(&self, labelled: Vec<(Named, usize)>) -> (Vec<String>, Vec<Row>) {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for name in labelled.iter().flat_map(|(features, _)| features.keys()) {
            *seen.entry(name.clone()).or_default() += 1;
        }
        seen.retain(|name, count| !is_wording(name) || *count >= self.least_seen);
        let names: Vec<String> = seen.into_keys().collect();
        let numbers: HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
        let numbered = |features: Named| {
            features.iter().filter_map(|(name, value)| Some((*numbers.get(name.as_str())?, *value))).collect()
        };
        let rows = labelled.into_iter().map(|(features, label)| (numbered(features), label)).collect();
        (names, rows)
    }
}

/// An example's features by number, and its label.
type Row = (Vec<(usize, f32)>, usize);

/// Features of the words themselves, as opposed to what they mean.
fn is_wording(name: &str) -> bool {
    ["w:", "s:", "g:", "b:", "o:"].iter().any(|kind| name.starts_with(kind))
}

/// Features by name.
type Named = BTreeMap<String, f32>;

fn features_of(router: &HeuristicRouter, example: &Example) -> Named {
    let earlier: Vec<&str> =
        example.history.iter().filter(|turn| turn.role == Role::User).map(|turn| turn.content.as_str()).collect();
    let hint = earlier.iter().rev().map(|text| language::detect(text, None)).find(|d| d.sure).map(|d| d.lang);
    let message = Message::read(&example.text);
    let reading = message.reading(message.signs.detect(hint).lang);
    let previous = earlier.last().map(|text| {
        let before = router.label_alone(text, hint);
        Previous { label: before.label, concepts: before.concepts }
    });
    let mut named = Named::new();
    features::extract(&example.text, &reading, previous.as_ref(), |name, value| {
        named.insert(name.to_owned(), value);
    });
    named
}
