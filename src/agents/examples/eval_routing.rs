//! Measures guard and router on files of labelled messages, and lists what went wrong:
//! `cargo run -p dovvybuddy-agents --example eval_routing -- FILE… [--rows] [--short] [--router=TSV] [--emergency=TSV]`
//!
//! The last two measure weights fresh from a trainer before they are compiled in.

use dovvybuddy_agents::{HeuristicRouter, Model, Operator, RuleGuard, eval_routing};

#[allow(clippy::print_stdout, reason = "the table is the program's output")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut guard = RuleGuard::load(None, &Operator::default())?;
    let mut router = HeuristicRouter::new(&[]);
    let (flags, files): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    for flag in &flags {
        if let Some(path) = flag.strip_prefix("--router=") {
            router = router.with_model(Model::parse(&std::fs::read_to_string(path)?));
        }
        if let Some(path) = flag.strip_prefix("--emergency=") {
            guard = guard.with_weights(std::fs::read_to_string(path)?.leak());
        }
    }
    let given = |name: &str| flags.iter().any(|flag| flag == name);
    for file in files {
        let report = eval_routing(&std::fs::read_to_string(&file)?, &guard, &router)?;
        if given("--short") {
            let alarms = &report.emergency;
            println!(
                "{file}: accuracy {:.3}, recall {:.3}, precision {:.3}, false alarms {} of {}",
                report.accuracy,
                alarms.recall,
                alarms.precision,
                alarms.false_positives_on_hard_negatives,
                alarms.hard_negatives
            );
        } else {
            println!("{file}\n{}", serde_json::to_string_pretty(&report)?);
        }
        if given("--rows") {
            for row in report.rows.iter().filter(|row| row.label != row.predicted) {
                println!("{} {} {}→{} [{}] {}", row.id, row.lang, row.label, row.predicted, row.detected, row.text);
            }
        }
    }
    Ok(())
}
