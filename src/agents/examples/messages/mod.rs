//! The labelled messages that both trainers learn from.

use std::error::Error;
use std::path::{Path, PathBuf};

use dovvybuddy_agents::Example;
use dovvybuddy_core::Lang;

/// The sets in `tests/eval` that may be learnt from, in groups of the same author or the same collection.
pub(crate) const SETS: [&[&str]; 9] = [
    &["routing_dev", "routing_holdout"],
    &["routing_dev2", "routing_holdout2"],
    &["routing_dev3", "routing_holdout3"],
    &["routing_dev4", "routing_holdout4"],
    &["routing_dev5"],
    &["routing_dev6"],
    &["routing_dev7"],
    &["routing_dev9"],
    &["routing_dev11"],
];

/// The questions of the answer sets, none of which is an emergency. They have an agent's label where their category
/// tells it and `question` where it does not: those teach the guard alone.
pub(crate) const QUESTIONS: &[&str] = &["routing_questions"];

/// Sets by the authors of others that nothing is ever fitted on.
#[allow(dead_code, reason = "the trainers learn from none of them")]
pub(crate) const APART: &[&str] = &["routing_dev8", "routing_dev10"];

/// All of `training/`, and the sets except those that `left_out` names.
pub(crate) fn read(left_out: impl Fn(&str) -> bool) -> Result<Vec<Example>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(root.join("training"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    files.extend(
        SETS.iter().chain([&QUESTIONS]).copied().flatten().filter(|name| !left_out(name)).map(|name| set(name)),
    );
    files.sort();
    let mut examples = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "jsonl")) {
        for line in std::fs::read_to_string(file)?.lines().filter(|line| !line.trim().is_empty()) {
            let read = |error| format!("{}: {error}: {line}", file.display());
            let mut example: Example = serde_json::from_str(line).map_err(read)?;
            example.lang = example.lang.or_else(|| lang_of(file));
            examples.push(example);
        }
    }
    Ok(examples)
}

/// The language that the end of a file's name tells: `en.jsonl`, `emergency_en.jsonl`.
fn lang_of(file: &Path) -> Option<Lang> {
    Lang::from_locale(file.file_stem()?.to_str()?.rsplit('_').next()?)
}

/// The file of a set.
pub(crate) fn set(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/eval").join(format!("{name}.jsonl"))
}
