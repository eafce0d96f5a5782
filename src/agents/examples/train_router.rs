//! Fits the router's weights from the labelled messages:
//! `cargo run --release -p dovvybuddy-agents --example train_router > weights.tsv`, which then takes the
//! place of `src/agents/router/weights.tsv` (written there directly, it would be empty while it is compiled in)

mod messages;

use dovvybuddy_agents::Trainer;

#[allow(clippy::print_stdout, reason = "the weights are the program's output")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", Trainer::default().fit(&messages::read(|_| false)?).to_tsv());
    Ok(())
}
