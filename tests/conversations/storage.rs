//! What is kept: broken documents and databases, a full disk, and what is left after erasing.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use dovvybuddy_core::testkit::at_most;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Daemon, Setup};
use crate::wire::{PATIENCE, eventually};

const DEPTH: &str = "How deep can a PADI Open Water Diver go?";

#[tokio::test]
async fn a_broken_document_is_skipped_and_named_and_the_rest_goes_in() {
    let setup = Setup::slice();
    setup.document(
        "safety/broken.md",
        "---\ntitle: \"never closed\ndoc_type: [safety\n---\n# Broken\n\nZanzabuku needs 77 bar.\n",
    );
    std::fs::write(setup.content().join("safety/latin.md"), b"---\ntitle: Latin\n---\n# Caf\xe9\n").unwrap();
    let daemon = setup.start().await;
    let answer = daemon.ask(None, DEPTH).await;
    assert!(answer["message"].as_str().unwrap().contains("18 m"), "{answer}");
    let log = setup.log_text();
    assert!(log.contains("safety/broken.md"), "the broken file is named: {log}");
    assert!(log.contains("safety/latin.md"), "the broken file is named: {log}");
    daemon.kill().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_told_clearly() {
    type Damage = dyn Fn(&Path);
    let broken: [(&str, &Damage); 4] = [
        ("garbage", &|db| std::fs::write(db, "no database at all ".repeat(4000)).unwrap()),
        ("half a database", &|db| {
            let whole = std::fs::read(db).unwrap();
            std::fs::write(db, &whole[..whole.len() / 2]).unwrap();
        }),
        ("a directory", &|db| {
            std::fs::remove_file(db).unwrap();
            std::fs::create_dir(db).unwrap();
        }),
        ("a header and garbage", &|db| {
            let mut whole = std::fs::read(db).unwrap();
            whole[100..].fill(0x5a);
            std::fs::write(db, whole).unwrap();
        }),
    ];
    for (what, damage) in broken {
        let setup = Setup::slice();
        let daemon = setup.start().await;
        daemon.ask(None, DEPTH).await;
        daemon.terminate();
        daemon.ended().await;
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{beside}", setup.database().display()));
        }
        damage(&setup.database());
        let (code, out, err) = setup.run_for(PATIENCE, &["serve"]).await;
        assert_eq!(code, 1, "{what}: {out}{err}");
        assert!(err.contains("dovvybuddy.db") || err.contains("database"), "{what}: {err}");
        assert!(!err.contains("panicked"), "{what}: {err}");
        assert!(!err.contains("SELECT") && !err.contains("PRAGMA"), "{what}: {err}");
    }
}

#[tokio::test]
async fn a_schema_from_the_future_is_refused() {
    use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
    let setup = Setup::slice();
    let daemon = setup.start().await;
    daemon.terminate();
    daemon.ended().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(setup.database());
    let mut connection = options.connect().await.unwrap();
    connection
        .execute("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'future', 1, x'00', 1)")
        .await
        .unwrap();
    connection.execute("UPDATE meta SET value = 9999 WHERE name = 'oldest_program'").await.unwrap();
    connection.close().await.unwrap();
    for command in ["serve", "migrate"] {
        let (code, out, err) = setup.run_for(PATIENCE, &[command]).await;
        assert_eq!(code, 1, "{command}: {out}{err}");
        assert!(err.contains("newer"), "{command}: {err}");
    }
}

/// Runs a shell line in a mount namespace of its own and the daemon after it; `None` where the machine
/// does not allow that.
fn in_own_mounts(setup: &Setup, line: &str) -> Option<tokio::process::Command> {
    let allowed = std::process::Command::new("unshare").args(["-rm", "true"]).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine allows no mount namespaces");
        return None;
    }
    let mut command = tokio::process::Command::new("unshare");
    let inner = setup.command();
    command.args(["-rm", "sh", "-c", &format!("{line} && exec \"$0\" serve"), crate::support::BINARY]);
    command.env_clear().envs(inner.as_std().get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.current_dir(setup.home.path()).kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null());
    Some(command)
}

#[tokio::test]
async fn a_read_only_database_is_told_clearly() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    daemon.terminate();
    daemon.ended().await;
    let Some(mut command) = in_own_mounts(&setup, "mount --bind data data && mount -o remount,ro,bind data") else {
        return;
    };
    let output = tokio::time::timeout(PATIENCE, command.stderr(Stdio::piped()).output()).await.unwrap().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("read-only") || err.contains("Read-only") || err.contains("write"), "{err}");
    assert!(!err.contains("panicked"), "{err}");
}

#[tokio::test]
async fn a_full_disk_is_refused_with_503_and_heals_unaided() {
    let mut setup = Setup::slice();
    std::fs::create_dir(setup.home.path().join("data")).unwrap();
    setup.set("HTTP__ADDRESS_FILE", setup.home.path().join("address").to_str().unwrap());
    let Some(mut command) = in_own_mounts(&setup, "mount -t tmpfs -o size=24m tmpfs data") else { return };
    let child = command.stderr(std::fs::File::create(setup.home.path().join("log")).unwrap()).spawn().unwrap();
    let daemon = Daemon::adopt(child, &setup).await;
    let session = daemon.session().await;
    daemon.ask(Some(&session), DEPTH).await;

    // From outside, the mount is seen through the process.
    let fill = format!("/proc/{}/root{}/data/fill", daemon.pid(), setup.home.path().display());
    let written = tokio::task::spawn_blocking({
        let fill = fill.clone();
        move || std::io::copy(&mut std::io::repeat(0), &mut std::fs::File::create(fill).unwrap())
    });
    assert!(written.await.unwrap().is_err(), "the disk is full");

    // What the log has allocated already may take some more messages.
    let body = json!({ "message": format!("{DEPTH} {}", "x".repeat(1500)), "sessionId": session });
    let mut accepted = 1;
    let refused = loop {
        let response = daemon.post("/api/chat", &body).await;
        if response.status() != StatusCode::OK {
            break response;
        }
        accepted += 1;
        assert!(accepted < 2000, "a full disk takes everything");
    };
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let code = refused.json::<Value>().await.unwrap()["code"].clone();
    assert_eq!(code, "STORE_UNAVAILABLE");
    eventually("readiness turns red", Duration::from_secs(8), async || {
        (daemon.get("/ready").await.unwrap().status() == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    assert_eq!(daemon.get("/health").await.unwrap().status(), StatusCode::OK);
    let began = Instant::now();
    let alarm = daemon.ask(Some(&session), "My buddy can't feel his legs after the dive").await;
    assert!(began.elapsed() < at_most(Duration::from_millis(500)));
    assert_eq!(alarm["metadata"]["degraded"], json!(["store"]), "{alarm}");

    std::fs::remove_file(fill).unwrap();
    eventually("readiness heals", Duration::from_secs(10), async || {
        (daemon.get("/ready").await.unwrap().status() == StatusCode::OK).then_some(())
    })
    .await;
    let other = daemon.session().await;
    daemon.ask(Some(&other), DEPTH).await;
    let history = daemon.history(&session).await;
    assert_eq!(history.len() % 2, 0, "{history:?}");
    assert!(history.len() >= 2 * accepted, "{} messages of {accepted} accepted", history.len());
    daemon.kill().await;
}

/// Where a canary still stands below `directory`.
fn hits(directory: &Path, canary: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            hits(&path, canary, found);
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(canary.len()).any(|window| window.eq_ignore_ascii_case(canary.as_bytes()))
        {
            found.push(path.display().to_string());
        }
    }
}

#[tokio::test]
async fn what_was_erased_is_nowhere_any_more() {
    const SAID: &str = "zanzaquirl7741";
    const LED: &str = "brombelwick9913";
    let mut setup = Setup::slice();
    // Even talkative logs hold nothing.
    setup.variable("RUST_LOG", "info");
    let daemon = setup.start().await;
    let mut sessions = Vec::new();
    for n in 0..3 {
        let session = daemon.session().await;
        let body = json!({ "message": format!("My name is {SAID}-{n}. {DEPTH}"), "sessionId": session,
            "diverProfile": { "name": format!("{SAID} profile") }, "sessionState": { "note": format!("{SAID} state") } });
        assert_eq!(daemon.post("/api/chat", &body).await.status(), StatusCode::OK);
        let answer = daemon.ask(Some(&session), &format!("{SAID} again: what is a safety stop?")).await;
        daemon.ask(Some(&session), &format!("{SAID}: my buddy can't feel his legs after the dive")).await;
        let feedback =
            json!({ "turnId": answer["metadata"]["turnId"], "rating": "down", "comment": format!("{SAID} comment") });
        assert_eq!(daemon.post("/api/feedback", &feedback).await.status(), StatusCode::NO_CONTENT);
        let lead = json!({ "type": "trip", "session_id": session, "data": { "name": LED, "email": format!("{LED}@example.com"), "message": LED } });
        assert_eq!(daemon.post("/api/leads", &lead).await.status(), StatusCode::CREATED);
        sessions.push(session);
    }
    let mut before = Vec::new();
    hits(setup.home.path(), SAID, &mut before);
    assert!(!before.is_empty(), "the canary is in the database first");

    let (_, out, _) = setup.run(&["leads", "list", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap().as_array().map(Vec::len), Some(3), "{out}");
    let removed = daemon.client.delete(format!("{}/api/sessions/{}", daemon.base, sessions[0])).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    for session in &sessions[1..] {
        let (code, _, err) = setup.run(&["erase", "--session", session, "--leads"]).await;
        assert_eq!(code, 0, "{err}");
        assert_eq!(daemon.get(&format!("/api/sessions/{session}")).await.unwrap().status(), StatusCode::NOT_FOUND);
    }
    let mut left = Vec::new();
    hits(setup.home.path(), SAID, &mut left);
    assert!(left.is_empty(), "still there while it runs: {left:?}");
    daemon.terminate();
    daemon.ended().await;
    hits(setup.home.path(), SAID, &mut left);
    assert!(left.is_empty(), "still there after the end: {left:?}");
    let (_, out, _) = setup.run(&["leads", "list", "--json"]).await;
    let leads: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(leads.as_array().map(Vec::len), Some(1), "leads go only if asked: {leads}");
}
