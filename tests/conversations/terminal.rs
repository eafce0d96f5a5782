//! The terminal: what people type, what they and programs read, and what the exit status says.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::support::Setup;
use crate::wire::PATIENCE;

const DEPTH: &str = "How deep can a PADI Open Water Diver go?";

#[tokio::test]
async fn ask_answers_with_sources_for_people_and_for_programs() {
    let setup = Setup::slice();
    let out = setup.ok(&["ask", DEPTH]).await;
    assert!(out.contains("18 m") && out.contains("[1]") && out.contains("Sources:"), "{out}");
    assert!(!out.contains('\u{1b}'), "no colours where no terminal is: {out:?}");

    let answer = setup.json(&["ask", DEPTH, "--json"]).await;
    assert_eq!(answer["agentType"], "certification");
    assert!(answer["message"].as_str().unwrap().contains("18 m"));
    assert!(answer["metadata"]["citations"].as_array().is_some_and(|c| !c.is_empty()));
    let session = answer["sessionId"].as_str().unwrap();
    let next = setup.json(&["ask", "And how old must one be?", "--json", "--session", session]).await;
    assert_eq!(next["sessionId"], session);
    assert_eq!(next["agentType"], "certification", "read with its history: {next}");

    let alarm = setup.json(&["ask", "My buddy can't feel his legs after the dive", "--json"]).await;
    assert_eq!(alarm["metadata"]["emergency"], true);
    let out = setup.ok(&["ask", "Mein Tauchpartner ist bewusstlos"]).await;
    assert!(out.contains("Sauerstoff") || out.contains("Notruf") || out.contains("Rettung"), "{out}");

    setup.fails(&["ask", DEPTH, "--session", "3f8a2c10-9b7e-4d21-8a55-0c1d2e3f4a5b"]).await;
}

/// Nothing is read, opened or ingested for what can't be asked.
#[tokio::test]
async fn what_can_not_be_asked_is_wrong_use() {
    let setup = Setup::slice();
    for text in ["", "   ", &"x".repeat(2001)] {
        let (code, out, err) = setup.run(&["ask", text]).await;
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.contains("2000"), "{err}");
        let (code, out, _) = setup.run(&["ask", text, "--json"]).await;
        let failure: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &failure["code"]), (2, &Value::from("VALIDATION_ERROR")));
    }
    assert!(!setup.database().exists());
}

/// Programs read one document whatever happens.
#[tokio::test]
async fn failures_are_one_document_too() {
    let setup = Setup::slice();
    let unknown = "3f8a2c10-9b7e-4d21-8a55-0c1d2e3f4a5b";
    let commands: [&[&str]; 4] = [
        &["ask", DEPTH, "--session", unknown],
        &["erase", "--session", unknown],
        &["eval", "routing", "missing.jsonl"],
        &["chat", "--session", unknown],
    ];
    for command in commands {
        let (code, out, err) = setup.run(&[command, &["--json"]].concat()).await;
        let failure: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{command:?}: {e} in {out}"));
        assert_eq!(code, 1, "{command:?}");
        assert!(failure["error"].is_string() && failure["code"].is_string(), "{failure}");
        assert!(!err.trim().is_empty(), "people are told too");
    }
    setup.file("[http]\nbindd = 5\n");
    let (code, out, _) = setup.run(&["config", "check", "--json"]).await;
    let failure: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &failure["code"]), (1, &Value::from("CONFIGURATION_ERROR")));
}

async fn chat(setup: &Setup, arguments: &[&str], input: &str) -> (i32, String) {
    let mut command = setup.command();
    command.arg("chat").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn a_whole_conversation_is_one_document() {
    let setup = Setup::slice();
    let (code, out) = chat(&setup, &["--json"], &format!("{DEPTH}\nWhat is a safety stop?\n")).await;
    assert_eq!(code, 0, "{out}");
    let conversation: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e} in {out}"));
    let turns = conversation["turns"].as_array().unwrap();
    assert_eq!(turns.len(), 2);
    assert!(turns.iter().all(|turn| turn["sessionId"] == conversation["sessionId"]), "{conversation}");
    assert!(turns[0]["message"].as_str().unwrap().contains("18 m"));
}

/// The words need no database; that there is none is said after them.
#[tokio::test]
async fn an_emergency_gets_its_words_without_a_database() {
    const ALARM: &str = "My buddy can't feel his legs after the dive";
    let setup = Setup::slice();
    std::fs::create_dir_all(setup.database().parent().unwrap()).unwrap();
    std::fs::write(setup.database(), "garbage ".repeat(1000)).unwrap();

    let (code, out, err) = setup.run(&["ask", ALARM]).await;
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("oxygen"), "{out}");
    assert!(err.contains("database"), "{err}");
    let (code, out, _) = setup.run(&["ask", ALARM, "--json"]).await;
    let answer: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e} in {out}"));
    assert_eq!((code, &answer["metadata"]["emergency"]), (1, &Value::from(true)));
    assert_eq!(answer["metadata"]["degraded"], serde_json::json!(["store"]));
    assert_eq!(answer["code"], "STORE_UNAVAILABLE");

    let (code, out) = chat(&setup, &[], &format!("hello\n{ALARM}\n")).await;
    assert_eq!(code, 1);
    assert!(out.contains("oxygen"), "{out}");
    let (code, out, _) = setup.run(&["ask", DEPTH]).await;
    assert_eq!((code, out.as_str()), (1, ""), "nothing else is answered");
}

#[tokio::test]
async fn ask_works_beside_a_daemon_and_with_a_database_that_keeps_nothing() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let served = daemon.ask(None, DEPTH).await;
    let asked = setup.json(&["ask", DEPTH, "--json"]).await;
    assert_eq!(asked["message"], served["message"], "the same knowledge, the same answer");
    // Both write to one database at once, and neither disturbs the other.
    let (asked, served) = tokio::join!(setup.json(&["ask", "What is a safety stop?", "--json"]), async {
        for _ in 0..10 {
            daemon.ask(None, DEPTH).await;
        }
        daemon.ask(None, "What is a safety stop?").await
    });
    assert_eq!(asked["message"], served["message"]);
    let session = served["sessionId"].as_str().unwrap();
    assert_eq!(daemon.history(session).await.len(), 2);
    daemon.kill().await;

    let mut setup = Setup::slice();
    setup.variable("DATABASE_URL", "sqlite::memory:");
    let answer = setup.json(&["ask", DEPTH, "--json"]).await;
    assert!(answer["message"].as_str().unwrap().contains("18 m"));
    assert!(!setup.database().exists());
}

#[tokio::test]
async fn a_conversation_of_ten_turns_goes_through_a_pipe() {
    let setup = Setup::slice();
    let lines = [
        "Hello!",
        DEPTH,
        "And how old must one be?",
        "What does the advanced course add?",
        "What is a safety stop?",
        "How long should I wait before flying?",
        "What is diving in Komodo like?",
        "My buddy can't feel his legs after the dive",
        "It's not an emergency, he was joking",
        "What is the difference between PADI and SSI?",
    ];
    let mut child = setup
        .command()
        .arg("chat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines.join("\n").as_bytes()).await.unwrap();
    drop(stdin);
    let output =
        tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends with its input").unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let mut rest = out.as_str();
    // In this order, each after the one before.
    for part in ["automated", "18 m", "10", "18 hours", "Komodo", "oxygen", "PADI", "SSI"] {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part} in {rest}\n--- whole:\n{out}"));
        rest = &rest[at..];
    }
    assert!(out.matches("Sources:").count() >= 6, "{out}");
    assert!(!out.contains('\u{1b}'));

    let odd = b"\xff\xfe broken\n\n/nonsense\n/help\n/quit\nnever read\n";
    let mut child =
        setup.command().arg("chat").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(odd).await.unwrap();
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("/quit ends it").unwrap();
    assert_eq!(output.status.code(), Some(0));
    drop(stdin);
}

#[tokio::test]
async fn help_reads_like_documentation_and_wrong_use_is_told_apart() {
    let setup = Setup::slice();
    let help = setup.ok(&["--help"]).await;
    let commands = [
        "serve", "ask", "chat", "content", "eval", "doctor", "config", "keys", "export", "erase", "leads", "backup",
        "restore", "migrate", "model", "openapi",
    ];
    for command in commands {
        let line = regex::Regex::new(&format!(r"(?m)^\s+{command}\s+[A-Z]\S+ \S+")).unwrap();
        assert!(line.is_match(&help), "{command} is explained in {help}");
        let own = setup.ok(&[command, "--help"]).await;
        assert!(own.len() > 80, "{command}: {own}");
    }
    assert!(help.contains("Exit status"), "{help}");
    let version = setup.ok(&["--version"]).await;
    assert!(version.starts_with("dovvybuddy "), "{version}");

    let wrong: [&[&str]; 14] = [
        &["frobnicate"],
        &["--nonsense"],
        &["ask"],
        &["ask", "a", "b"],
        &["serve", "--nonsense"],
        &["content"],
        &["content", "nonsense"],
        &["erase"],
        &["erase", "--channel", "web"],
        &["export", "--session", "x", "--channel", "web", "--user", "y"],
        &["keys", "create"],
        &["keys", "create", "x", "--scope", "everything"],
        &["eval", "retrieval"],
        &["backup"],
    ];
    for arguments in wrong {
        let (code, out, err) = setup.run(arguments).await;
        assert_eq!(code, 2, "{arguments:?}: {out}{err}");
        assert!(err.contains("Usage") || err.contains("--help"), "{arguments:?}: {err}");
        assert!(out.is_empty(), "{arguments:?}: {out}");
    }
}

#[tokio::test]
async fn the_other_commands_do_what_they_say() {
    let setup = Setup::slice();
    let api = setup.json(&["openapi"]).await;
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    setup.ok(&["migrate"]).await;
    assert!(setup.database().exists());
    setup.ok(&["migrate"]).await;
    let doctor = setup.ok(&["doctor"]).await;
    for subject in ["config", "database", "disk", "clock", "content"] {
        assert!(doctor.to_lowercase().contains(subject), "{subject} in {doctor}");
    }
    setup.json(&["doctor", "--json"]).await;

    let daemon = setup.start().await;
    let served: Value = daemon.get("/openapi.json").await.unwrap().json().await.unwrap();
    assert_eq!(served, api, "the same document");
    setup.ok(&["doctor"]).await;
    daemon.terminate();
    daemon.ended().await;

    std::fs::write(setup.database(), "garbage ".repeat(1000)).unwrap();
    let said = setup.fails(&["doctor"]).await;
    assert!(said.contains("database"), "{said}");
    setup.fails(&["migrate"]).await;
    setup.fails(&["ask", DEPTH]).await;
    setup.fails(&["keys", "list"]).await;
}
