//! The labelled messages that both trainers learn from.

use std::error::Error;
use std::path::Path;

use dovvybuddy_agents::Example;

/// All of `training/`, and the development sets unless the first argument is `without-dev`. The
/// held-out sets are never learnt from.
pub(crate) fn read() -> Result<Vec<Example>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(root.join("training"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    if std::env::args().nth(1).as_deref() != Some("without-dev") {
        let dev = root.join("../../tests/eval");
        files.extend(["routing_dev.jsonl", "routing_dev2.jsonl"].map(|name| dev.join(name)));
    }
    files.sort();
    let mut examples = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "jsonl")) {
        for line in std::fs::read_to_string(file)?.lines().filter(|line| !line.trim().is_empty()) {
            examples.push(serde_json::from_str(line).map_err(|error| format!("{}: {error}: {line}", file.display()))?);
        }
    }
    Ok(examples)
}
