//! Which crate may know which: adapters, agents, knowledge, models and stores know the core alone;
//! only the daemon sees everything.

#![allow(missing_docs, reason = "tests describe themselves by their names")]

use std::collections::BTreeMap;
use std::process::Command;

#[test]
fn arrows_point_inwards() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut wrong = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        // Test fakes and benchmarks stand outside the house.
        if ["dovvybuddy", "dovvybuddy-bench", "dovvybuddy-fakes"].contains(&name) {
            continue;
        }
        let ours: Vec<&str> = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|dependency| dependency.starts_with("dovvybuddy") && *dependency != "dovvybuddy-core")
            .collect();
        if !ours.is_empty() {
            wrong.insert(name.to_owned(), ours.join(", "));
        }
    }
    assert!(wrong.is_empty(), "these know more than the core: {wrong:?}");
}
