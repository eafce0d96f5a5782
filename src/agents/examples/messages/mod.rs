//! The labelled messages that both trainers learn from.

use std::error::Error;
use std::path::Path;

use dovvybuddy_agents::Example;

const DEVELOPMENT: [&str; 4] = ["routing_dev", "routing_dev2", "routing_dev3", "routing_dev4"];

/// All of `training/`, and the development sets except those that the arguments name (`without-dev` for
/// all of them). The held-out sets are never learnt from.
pub(crate) fn read() -> Result<Vec<Example>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(root.join("training"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    let without: Vec<String> = std::env::args().skip(1).collect();
    let left_out = |name: &str| without.iter().any(|given| given == "without-dev" || given == name);
    let dev = root.join("../../tests/eval");
    files.extend(DEVELOPMENT.iter().filter(|name| !left_out(name)).map(|name| dev.join(format!("{name}.jsonl"))));
    files.sort();
    let mut examples = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "jsonl")) {
        for line in std::fs::read_to_string(file)?.lines().filter(|line| !line.trim().is_empty()) {
            examples.push(serde_json::from_str(line).map_err(|error| format!("{}: {error}: {line}", file.display()))?);
        }
    }
    Ok(examples)
}
