//! Counts the letters of the labelled messages by language:
//! `cargo run --release -p dovvybuddy-agents --example train_language > letters.tsv`, which then takes the
//! place of `src/agents/language/letters.tsv` (written there directly, it would be empty while it is compiled in)

mod messages;

use dovvybuddy_agents::fit_letters;

#[allow(clippy::print_stdout, reason = "the weights are the program's output")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let examples = messages::read(|_| false)?;
    let told = examples.iter().filter_map(|example| Some((example.lang?, example.text.as_str())));
    print!("{}", fit_letters(&told.collect::<Vec<_>>()));
    Ok(())
}
