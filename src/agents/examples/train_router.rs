//! Fits the router's weights from the labelled messages in `src/agents/training/`:
//! `cargo run --release -p dovvybuddy-agents --example train_router > src/agents/router/weights.tsv`

use std::path::Path;

use dovvybuddy_agents::{Example, Trainer};

#[allow(clippy::print_stdout, reason = "the weights are the program's output")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("training");
    let mut files: Vec<_> = std::fs::read_dir(&dir)?.collect::<Result<Vec<_>, _>>()?.iter().map(std::fs::DirEntry::path).collect();
    // The development set is learnt from as well, so only the held-out set measures; with
    // `--without-dev` the development set measures what the training messages alone teach.
    if !std::env::args().any(|arg| arg == "--without-dev") {
        files.push(dir.join("../../../tests/eval/routing_dev.jsonl"));
    }
    files.sort();
    let mut examples: Vec<Example> = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "jsonl")) {
        for line in std::fs::read_to_string(file)?.lines().filter(|line| !line.trim().is_empty()) {
            examples.push(serde_json::from_str(line).map_err(|error| format!("{}: {error}: {line}", file.display()))?);
        }
    }
    print!("{}", Trainer::default().fit(&examples).to_tsv());
    Ok(())
}
