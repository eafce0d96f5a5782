//! Fits the emergency classifier's weights from the labelled messages:
//! `cargo run --release -p dovvybuddy-agents --example train_emergency > weights.tsv`, which then takes the
//! place of `src/agents/emergency/weights.tsv` (written there directly, it would be empty while it is
//! compiled in)

mod messages;

use dovvybuddy_agents::EmergencyTrainer;

#[allow(clippy::print_stdout, reason = "the weights are the program's output")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", EmergencyTrainer::default().fit(&messages::read(|_| false)?));
    Ok(())
}
