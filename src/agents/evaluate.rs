//! `eval routing`: guard and router over labelled messages.

use std::collections::BTreeMap;
use std::time::Duration;

use dovvybuddy_core::guard::{Assessment, EmergencyGuard as _, Heard};
use dovvybuddy_core::session::Role;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::emergency::RuleGuard;
use crate::router::{HeuristicRouter, also};

/// A labelled message.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// Its id.
    pub id: String,
    /// The message.
    pub text: String,
    /// What was said before, oldest first.
    #[serde(default)]
    pub history: Vec<Turn>,
    /// The right label.
    pub label: String,
    /// Further agents that should contribute.
    #[serde(default)]
    pub also: Vec<String>,
    /// The language as ISO 639-1.
    #[serde(default)]
    pub lang: String,
    /// It contains wording like an emergency's but is none.
    #[serde(default)]
    pub hard_negative: bool,
}

/// An earlier message of a case.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Turn {
    /// Who spoke.
    pub role: Role,
    /// What was said.
    pub content: String,
}

/// A line that is no case.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {source}")]
pub struct EvalError {
    /// The line, from 1.
    line: usize,
    source: serde_json::Error,
}

/// The result, field by field as printed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RoutingReport {
    /// How many cases.
    pub n: usize,
    /// The share of right labels.
    pub accuracy: f64,
    /// The mean of the labels' F1.
    pub macro_f1: f64,
    /// The emergency label by itself.
    pub emergency: EmergencyReport,
    /// Recall of `also` over the cases that have one.
    pub also_recall: f64,
    /// Figures per label.
    pub by_label: BTreeMap<String, Share>,
    /// Figures per language.
    pub by_lang: BTreeMap<String, LangShare>,
    /// For each label, how often each was predicted.
    pub confusion: BTreeMap<String, BTreeMap<String, usize>>,
    /// Milliseconds per message.
    pub latency_ms: Latency,
    /// One row per case.
    #[serde(skip)]
    pub rows: Vec<Row>,
}

/// The emergency label by itself.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EmergencyReport {
    /// The share of emergencies that were recognised.
    pub recall: f64,
    /// The share of alarms that were right.
    pub precision: f64,
    /// Alarms on cases that only look like emergencies.
    pub false_positives_on_hard_negatives: usize,
    /// How many such cases there are.
    pub hard_negatives: usize,
}

/// Figures of one label.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Share {
    /// How many cases have it.
    pub n: usize,
    /// The share of predictions that were right.
    pub precision: f64,
    /// The share of cases that were found.
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
}

/// Figures of one language.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LangShare {
    /// How many cases.
    pub n: usize,
    /// The share of right labels.
    pub accuracy: f64,
    /// How many emergencies.
    pub emergencies: usize,
    /// The share of emergencies that were recognised.
    pub emergency_recall: f64,
}

/// Milliseconds per message.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
}

/// One case with what was predicted.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The case's id.
    pub id: String,
    /// The message.
    pub text: String,
    /// The right label.
    pub label: String,
    /// The label given.
    pub predicted: String,
    /// Further agents given.
    pub also: Vec<String>,
    /// The language of the case.
    pub lang: String,
    /// The language that was detected.
    pub detected: String,
    /// How far the label is ahead of the next one, 0 to 1; an alarm is by 1.
    pub margin: f32,
    /// The time it took.
    pub ms: f64,
}

/// Labels every line and compares.
pub fn eval_routing(lines: &str, guard: &RuleGuard, router: &HeuristicRouter) -> Result<RoutingReport, EvalError> {
    let cases = read_cases(lines)?;
    let rows = predict_all(&cases, guard, router);
    Ok(report(&cases, rows))
}

/// The cases of a file, one a line.
pub fn read_cases(lines: &str) -> Result<Vec<Case>, EvalError> {
    let mut cases = Vec::new();
    for (at, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        cases.push(serde_json::from_str(line).map_err(|source| EvalError { line: at + 1, source })?);
    }
    Ok(cases)
}

/// What guard and router say of every case.
pub fn predict_all(cases: &[Case], guard: &RuleGuard, router: &HeuristicRouter) -> Vec<Row> {
    guard.warm_up();
    cases.iter().map(|case| predict(case, guard, router)).collect()
}

fn predict(case: &Case, guard: &RuleGuard, router: &HeuristicRouter) -> Row {
    let started = Instant::now();
    let by_diver = case.history.iter().filter(|turn| turn.role == Role::User);
    let heard = Heard { said: by_diver.map(|turn| turn.content.clone()).collect(), ..Heard::default() };
    let alarm = matches!(guard.assess(&case.text, &heard), Assessment::Emergency(_));
    let history: Vec<(Role, &str)> = case.history.iter().map(|turn| (turn.role, turn.content.as_str())).collect();
    let decision = router.label(&case.text, &history, None);
    let predicted = if alarm { "emergency" } else { decision.label };
    let also = if alarm { Vec::new() } else { also(&decision.reading, predicted) };
    Row {
        id: case.id.clone(),
        text: case.text.clone(),
        label: case.label.clone(),
        predicted: predicted.to_owned(),
        also: also.iter().map(ToString::to_string).collect(),
        lang: case.lang.clone(),
        detected: decision.lang.code().to_owned(),
        margin: if alarm { 1.0 } else { decision.margin },
        ms: millis(started.elapsed()),
    }
}

/// Compares what was predicted with what is right.
pub fn report(cases: &[Case], rows: Vec<Row>) -> RoutingReport {
    let right = rows.iter().filter(|row| row.label == row.predicted).count();
    let mut report = RoutingReport { n: rows.len(), accuracy: ratio(right, rows.len()), ..RoutingReport::default() };
    for row in &rows {
        *report.confusion.entry(row.label.clone()).or_default().entry(row.predicted.clone()).or_default() += 1;
    }
    let labels: Vec<String> = report.confusion.keys().cloned().collect();
    for label in labels {
        let share = share(&rows, &label);
        report.by_label.insert(label, share);
    }
    #[allow(clippy::cast_precision_loss, reason = "a handful of labels")]
    let labels = report.by_label.len().max(1) as f64;
    report.macro_f1 = report.by_label.values().map(|share| share.f1).sum::<f64>() / labels;
    report.by_lang = by_lang(&rows);
    report.emergency = emergency(cases, &rows);
    report.also_recall = also_recall(cases, &rows);
    report.latency_ms = latency(&rows);
    report.rows = rows;
    report
}

fn share(rows: &[Row], label: &str) -> Share {
    let n = rows.iter().filter(|row| row.label == label).count();
    let predicted = rows.iter().filter(|row| row.predicted == label).count();
    let both = rows.iter().filter(|row| row.label == label && row.predicted == label).count();
    let (precision, recall) = (ratio(both, predicted), ratio(both, n));
    let f1 = if both == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
    Share { n, precision, recall, f1 }
}

fn by_lang(rows: &[Row]) -> BTreeMap<String, LangShare> {
    let mut langs: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        langs.entry(row.lang.clone()).or_default().push(row);
    }
    langs
        .into_iter()
        .map(|(lang, rows)| {
            let right = rows.iter().filter(|row| row.label == row.predicted).count();
            let emergencies = rows.iter().filter(|row| row.label == "emergency").count();
            let found = rows.iter().filter(|row| row.label == "emergency" && row.predicted == "emergency").count();
            let share = LangShare {
                n: rows.len(),
                accuracy: ratio(right, rows.len()),
                emergencies,
                emergency_recall: ratio(found, emergencies),
            };
            (lang, share)
        })
        .collect()
}

fn emergency(cases: &[Case], rows: &[Row]) -> EmergencyReport {
    let share = share(rows, "emergency");
    let hard = || cases.iter().zip(rows).filter(|(case, _)| case.hard_negative);
    EmergencyReport {
        recall: share.recall,
        precision: share.precision,
        false_positives_on_hard_negatives: hard().filter(|(_, row)| row.predicted == "emergency").count(),
        hard_negatives: hard().count(),
    }
}

fn also_recall(cases: &[Case], rows: &[Row]) -> f64 {
    let wanted: usize = cases.iter().map(|case| case.also.len()).sum();
    let found = cases
        .iter()
        .zip(rows)
        .map(|(case, row)| case.also.iter().filter(|agent| row.also.contains(agent)).count())
        .sum();
    ratio(found, wanted)
}

fn latency(rows: &[Row]) -> Latency {
    let mut times: Vec<f64> = rows.iter().map(|row| row.ms).collect();
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied();
    Latency { p50: at(50).unwrap_or_default(), p95: at(95).unwrap_or_default() }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[allow(clippy::cast_precision_loss, reason = "counts of cases")]
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
