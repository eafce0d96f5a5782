//! Measures guard and router on messages that their weights never saw:
//! `cargo run --release -p dovvybuddy-agents --example cross_validate -- [--rows] [--NAME=VALUE…]`
//!
//! Each group of sets in turn is left out, both models are fitted on everything else, and the group is measured; so
//! are the sets that nothing is ever fitted on. Names set how the models are fitted (`epochs`, `rate`, `decay`,
//! `word`, `miss`, `least`; for the router `repochs`, `rrate`, `rdecay`, `rword`, `rleast`) and the guard's thresholds
//! (`raise`, `unsigned`, `back`, each a list to go through). `--only` names the sets whose groups are measured.
//! `--guard` leaves the router as it is shipped, which is quicker.

mod messages;

use std::collections::BTreeMap;
use std::error::Error;

use dovvybuddy_agents::{
    Case, EmergencyTrainer, HeuristicRouter, Operator, Row, RuleGuard, Thresholds, Trainer, predict_all, read_cases,
    report,
};

/// What was given as `--NAME=VALUE`.
struct Given(BTreeMap<String, String>);

impl Given {
    fn read() -> Self {
        let pairs = std::env::args().skip(1).map(|arg| {
            let arg = arg.trim_start_matches('-').to_owned();
            arg.split_once('=').map_or((arg.clone(), String::new()), |(name, value)| (name.into(), value.into()))
        });
        Self(pairs.collect())
    }

    fn one<T: std::str::FromStr + Copy>(&self, name: &str, default: T) -> T {
        self.0.get(name).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    /// Whether a group is to be measured.
    fn wants(&self, group: &[&str]) -> bool {
        self.0.get("only").is_none_or(|list| list.split(',').any(|name| group.contains(&name)))
    }

    fn list(&self, name: &str, default: f32) -> Vec<f32> {
        let given = self.0.get(name).map(|list| list.split(',').filter_map(|one| one.parse().ok()).collect());
        given.filter(|list: &Vec<f32>| !list.is_empty()).unwrap_or_else(|| vec![default])
    }

    fn emergency(&self) -> EmergencyTrainer {
        let usual = EmergencyTrainer::default();
        EmergencyTrainer {
            epochs: self.one("epochs", usual.epochs),
            rate: self.one("rate", usual.rate),
            decay: self.one("decay", usual.decay),
            word_decay: self.one("word", usual.word_decay),
            miss_cost: self.one("miss", usual.miss_cost),
            least_seen: self.one("least", usual.least_seen),
        }
    }

    fn router(&self) -> Trainer {
        let usual = Trainer::default();
        Trainer {
            epochs: self.one("repochs", usual.epochs),
            rate: self.one("rrate", usual.rate),
            decay: self.one("rdecay", usual.decay),
            word_decay: self.one("rword", usual.word_decay),
            least_seen: self.one("rleast", usual.least_seen),
        }
    }

    fn thresholds(&self) -> Vec<Thresholds> {
        let usual = Thresholds::default();
        let mut all = Vec::new();
        for raise in self.list("raise", usual.raise) {
            for raise_unsigned in self.list("unsigned", usual.raise_unsigned) {
                for take_back in self.list("back", usual.take_back) {
                    all.push(Thresholds { raise, raise_unsigned, take_back });
                }
            }
        }
        all
    }
}

/// A set that was left out of the fit, with what it is labelled.
struct Measured {
    name: &'static str,
    cases: Vec<Case>,
    /// What was predicted with each of the thresholds.
    rows: Vec<Vec<Row>>,
}

impl Measured {
    fn ids(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|case| case.id.as_str())
    }
}

#[allow(clippy::print_stdout, reason = "the tables are the program's output")]
fn main() -> Result<(), Box<dyn Error>> {
    let given = Given::read();
    let thresholds = given.thresholds();
    let mut measured = Vec::new();
    for group in messages::SETS.into_iter().chain([messages::QUESTIONS, messages::APART]) {
        if !given.wants(group) {
            continue;
        }
        let examples = messages::read(|name| group.contains(&name))?;
        let mut router = HeuristicRouter::new(&[]);
        if !given.0.contains_key("guard") {
            router = router.with_model(given.router().fit(&examples));
        }
        let weights: &'static str = given.emergency().fit(&examples).leak();
        for name in group.iter().copied() {
            let cases = read_cases(&std::fs::read_to_string(messages::set(name))?)?;
            let mut rows = Vec::new();
            for thresholds in &thresholds {
                let guard = RuleGuard::load(None, &Operator::default())?.with_thresholds(weights, *thresholds);
                rows.push(predict_all(&cases, &guard, &router));
            }
            measured.push(Measured { name, cases, rows });
        }
    }
    for (at, thresholds) in thresholds.iter().enumerate() {
        println!("{thresholds:?}");
        let (mut cases, mut rows) = (Vec::new(), Vec::new());
        for set in &measured {
            let predicted = set.rows.get(at).cloned().unwrap_or_default();
            line(set.name, &set.cases, predicted.clone());
            // Plain questions are no routing set: most have no agent's label.
            if messages::QUESTIONS.contains(&set.name) {
                continue;
            }
            cases.extend(set.cases.iter().cloned());
            rows.extend(predicted);
        }
        line("all", &cases, rows.clone());
        let whole = report(&cases, rows);
        for (lang, share) in &whole.by_lang {
            println!(
                "  {lang} {:.3} of {}, emergencies {:.3} of {}",
                share.accuracy, share.n, share.emergency_recall, share.emergencies
            );
        }
        if given.0.contains_key("rows") {
            // Of what nothing is fitted on, only the totals are looked at.
            let apart: Vec<&str> =
                measured.iter().filter(|set| messages::APART.contains(&set.name)).flat_map(Measured::ids).collect();
            println!("{}", serde_json::to_string(&whole.confusion)?);
            let shown = |case: &Case| apart.iter().all(|kept| kept != &case.id);
            for (row, case) in
                whole.rows.iter().zip(&cases).filter(|(row, case)| row.label != row.predicted && shown(case))
            {
                let hard = if case.hard_negative { "hard" } else { "" };
                let before: Vec<&str> = case.history.iter().map(|turn| turn.content.as_str()).collect();
                println!(
                    "{} {} {hard} {}→{} {:.2} [{}] {} {}",
                    row.id,
                    row.lang,
                    row.label,
                    row.predicted,
                    row.margin,
                    row.detected,
                    row.text,
                    if before.is_empty() { String::new() } else { format!("<< {}", before.join(" / ")) }
                );
            }
        }
    }
    Ok(())
}

/// One line of figures.
#[allow(clippy::print_stdout, reason = "the tables are the program's output")]
fn line(name: &str, cases: &[Case], rows: Vec<Row>) {
    let report = report(cases, rows);
    let alarms = &report.emergency;
    let english = report.by_lang.get("en").map_or(0.0, |share| share.accuracy);
    let calm = report.rows.iter().filter(|row| row.label != "emergency");
    let alarmed = calm.clone().filter(|row| row.predicted == "emergency").count();
    println!(
        "{name}: {} accuracy {:.3} en {english:.3} recall {:.3} precision {:.3} false alarms {} of {} hard, {alarmed} of {} calm",
        report.n,
        report.accuracy,
        alarms.recall,
        alarms.precision,
        alarms.false_positives_on_hard_negatives,
        alarms.hard_negatives,
        calm.count()
    );
}
