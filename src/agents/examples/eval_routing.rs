//! Measures guard and router on files of labelled messages, and lists what went wrong:
//! `cargo run --release -p dovvybuddy-agents --example eval_routing -- FILE… [--rows]`

use dovvybuddy_agents::{HeuristicRouter, Operator, RuleGuard, eval_routing};

#[allow(clippy::print_stdout, reason = "the table is the program's output")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = RuleGuard::load(None, &Operator::default())?;
    let router = HeuristicRouter::new(&[]);
    let (flags, files): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    for file in files {
        let report = eval_routing(&std::fs::read_to_string(&file)?, &guard, &router)?;
        println!("{file}\n{}", serde_json::to_string_pretty(&report)?);
        if flags.iter().any(|flag| flag == "--rows") {
            for row in report.rows.iter().filter(|row| row.label != row.predicted) {
                println!("{} {} {}→{} [{}] {}", row.id, row.lang, row.label, row.predicted, row.detected, row.text);
            }
        }
    }
    Ok(())
}
