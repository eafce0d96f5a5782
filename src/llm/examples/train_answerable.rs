//! Fits the weights by which a question is told to lie outside the content, from what `eval answers --features` wrote.
//! `CONTRIBUTING.md` says how.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

/// What one such question counts more than one that is answered: there are fewer.
const OUTSIDE_COUNTS: f64 = 1.5;
/// How strongly weights are held near nothing.
const RIDGE: f64 = 0.2;
/// What a feature's spread is brought to; words have about as much.
const SPREAD: f64 = 0.5;
const STEPS: usize = 600;
const PACE: f64 = 0.3;
/// A smaller weight is left out.
const TELLS: f64 = 0.04;

#[derive(Deserialize)]
struct Row {
    outside: bool,
    passed: bool,
    features: Features,
}

/// How the weight of each number of a meaning is named, with the number's place behind it.
const MEANING: &str = "meaning ";
/// The weight that stands for a meaning which another model gave.
const NO_MEANING: &str = "no meaning";

#[derive(Deserialize)]
struct Features {
    named: BTreeMap<String, f64>,
    meaning: Vec<f64>,
}

#[allow(clippy::print_stdout, reason = "the weights are the program's output")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rows: Vec<Row> = Vec::new();
    for file in std::env::args().skip(1) {
        for line in std::fs::read_to_string(&file)?.lines() {
            rows.push(serde_json::from_str(line)?);
        }
    }
    // Of a question that should be answered and isn't, even from all that is found, nothing can be learnt.
    rows.retain(|row| row.outside || row.passed);
    let numbered = |meaning: &[f64]| -> Vec<_> {
        meaning.iter().enumerate().map(|(at, number)| (format!("{MEANING}{at}"), *number)).collect()
    };
    for row in &mut rows {
        row.features.named.extend(numbered(&row.features.meaning));
    }
    let mut weights = fit(&rows);
    weights.insert(NO_MEANING, average_meaning(&rows, &weights));
    for (name, weight) in weights {
        println!("{name}\t{weight:.3}");
    }
    Ok(())
}

fn fit(rows: &[Row]) -> BTreeMap<&str, f64> {
    let scales = scales(rows);
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let sparse: Vec<Vec<(usize, f64)>> = rows
        .iter()
        .map(|row| {
            let numbered = row.features.named.iter().map(|(name, value)| {
                let next = numbers.len();
                let number = *numbers.entry(name).or_insert(next);
                (number, value * scales.get(name.as_str()).copied().unwrap_or(1.0))
            });
            numbered.collect()
        })
        .collect();
    let mut weights = vec![0.0; numbers.len()];
    let mut travelled = vec![1e-8; numbers.len()];
    for _ in 0..STEPS {
        let mut slope: Vec<f64> = weights.iter().map(|weight| weight * RIDGE).collect();
        for (row, features) in rows.iter().zip(&sparse) {
            let sum: f64 = features.iter().map(|(number, value)| value * weights.get(*number).unwrap_or(&0.0)).sum();
            let likelihood = 1.0 / (1.0 + (-sum).exp());
            let error = if row.outside { (likelihood - 1.0) * OUTSIDE_COUNTS } else { likelihood };
            for (number, value) in features {
                if let Some(slope) = slope.get_mut(*number) {
                    *slope += error * value;
                }
            }
        }
        for ((weight, travelled), slope) in weights.iter_mut().zip(&mut travelled).zip(&slope) {
            *travelled += slope * slope;
            *weight -= PACE * slope / travelled.sqrt();
        }
    }
    let found = numbers.iter().map(|(name, number)| {
        (*name, weights.get(*number).copied().unwrap_or(0.0) * scales.get(name).copied().unwrap_or(1.0))
    });
    found.filter(|(name, weight)| weight.abs() >= TELLS || name.starts_with(MEANING)).collect()
}

/// What the meanings of the rows that have one say on average.
#[allow(clippy::cast_precision_loss, reason = "counts of rows")]
fn average_meaning(rows: &[Row], weights: &BTreeMap<&str, f64>) -> f64 {
    let meant: Vec<&Row> = rows.iter().filter(|row| !row.features.meaning.is_empty()).collect();
    let named = meant.iter().flat_map(|row| &row.features.named).filter(|(name, _)| name.starts_with(MEANING));
    let sum: f64 = named.map(|(name, number)| weights.get(name.as_str()).copied().unwrap_or(0.0) * number).sum();
    sum / meant.len().max(1) as f64
}

/// What brings each measured feature to the same spread; words, agents, intents and kinds are there or not.
#[allow(clippy::cast_precision_loss, reason = "counts of rows")]
fn scales(rows: &[Row]) -> HashMap<&str, f64> {
    let listed = ["w ", "opens ", "agent ", "intent ", "kind ", "bias", "by words bias", MEANING];
    let mut sums: HashMap<&str, (f64, f64)> = HashMap::new();
    let measured =
        rows.iter().flat_map(|row| &row.features.named).filter(|(name, _)| !listed.iter().any(|l| name.starts_with(l)));
    for (name, value) in measured {
        let sum = sums.entry(name).or_default();
        *sum = (sum.0 + value, sum.1 + value * value);
    }
    let count = rows.len() as f64;
    let spread = |(sum, squares): (f64, f64)| (squares / count - (sum / count).powi(2)).max(1e-6).sqrt();
    sums.into_iter().map(|(name, sums)| (name, SPREAD / spread(sums))).collect()
}
