//! The page and the widget in a real browser against the real daemon: runs the tests beside this file, which
//! are written in JavaScript. `scripts/setup-browser` installs what they need.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::Command;

/// Runs one of the files; every test in it must pass.
fn passes(file: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/browser");
    assert!(folder.join("node_modules").exists(), "run scripts/setup-browser first");
    let mut node = Command::new("node");
    node.args(["--test", "--test-force-exit", "--test-reporter=spec", file]).current_dir(folder);
    let output = node.env("DOVVYBUDDY_BIN", env!("CARGO_BIN_EXE_dovvybuddy")).output().unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_conversation_on_the_page() {
    passes("conversation.test.js");
}

#[test]
fn leads() {
    passes("leads.test.js");
}

#[test]
fn the_widget_on_pages_of_others() {
    passes("widget.test.js");
}

#[test]
fn hostile_words_and_emergencies() {
    passes("safety.test.js");
}

#[test]
fn the_operators_view() {
    passes("admin.test.js");
}

#[test]
fn everybody_can_use_it() {
    passes("access.test.js");
}
