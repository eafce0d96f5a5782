//! Power cuts: an accepted message is covered by exactly one reply, wherever the process dies.
//!
//! The oracle stands outside the process: it remembers what it sent under which idempotency key and
//! what it was told, and compares that with the history after the restart.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Daemon, Setup};

#[cfg(feature = "failpoints")]
const POINTS: [&str; 4] = ["accepted", "claimed", "answered", "finished"];

async fn send(daemon: &Daemon, session: &str, key: &str, message: &str) -> Option<(StatusCode, Value)> {
    let response = daemon
        .client
        .post(format!("{}/api/chat", daemon.base))
        .header("Idempotency-Key", key)
        .json(&json!({ "message": message, "sessionId": session }))
        .send()
        .await
        .ok()?;
    let status = response.status();
    Some((status, response.json().await.ok()?))
}

async fn new_session(daemon: &Daemon) -> String {
    let session: Value = daemon.post("/api/sessions", &json!({})).await.json().await.unwrap();
    session["id"].as_str().unwrap().to_owned()
}

/// Repeats a request until it gets an answer; the key makes it the same message.
async fn insist(daemon: &Daemon, session: &str, key: &str, message: &str) -> Value {
    for _ in 0..40 {
        if let Some((StatusCode::OK, answer)) = send(daemon, session, key, message).await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("no answer to {message}");
}

/// Every message once, each followed by exactly one reply.
fn assert_covered_once(history: &[(String, String)], messages: &[String]) {
    for message in messages {
        let said = history.iter().filter(|(role, text)| role == "user" && text == message).count();
        assert_eq!(said, 1, "{message} stands {said} times in {history:#?}");
    }
    let turns = history.chunks(2);
    for turn in turns {
        let roles: Vec<&str> = turn.iter().map(|(role, _)| role.as_str()).collect();
        assert_eq!(roles, ["user", "assistant"], "in {history:#?}");
    }
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn killed_at_every_named_point_nothing_is_lost_or_doubled() {
    for point in POINTS {
        let mut setup = Setup::new();
        let daemon = setup.start().await;
        let session = new_session(&daemon).await;
        daemon.terminate();
        assert!(daemon.ended().await.success());

        setup.set("FAILPOINT", &format!("{point}:2"));
        let daemon = setup.start().await;
        let first = "How deep can a PADI Open Water Diver go?".to_owned();
        let second = "How long should I wait before flying after diving?".to_owned();
        insist(&daemon, &session, "one", &first).await;
        assert!(send(&daemon, &session, "two", &second).await.is_none(), "{point}: the connection breaks");
        daemon.ended().await;
        assert!(setup.log_text().contains(&format!("failpoint {point} fired")));

        setup.set("FAILPOINT", "none");
        let daemon = setup.start().await;
        let answer = insist(&daemon, &session, "two", &second).await;
        let again = insist(&daemon, &session, "two", &second).await;
        assert_eq!(answer["metadata"]["turnId"], again["metadata"]["turnId"]);
        assert_covered_once(&daemon.history(&session).await, &[first, second]);
        daemon.kill().await;
    }
}

#[tokio::test]
async fn killed_at_random_moments_under_load_nothing_is_lost_or_doubled() {
    let kills: u32 = std::env::var("SOAK_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let setup = Setup::new();
    let mut sent: HashMap<String, Vec<String>> = HashMap::new();
    let mut daemon = setup.start().await;
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(new_session(&daemon).await);
    }
    // A fixed sequence that looks random; a run can be repeated with SOAK_SEED.
    let mut seed: u64 = std::env::var("SOAK_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(42);
    for round in 0..kills {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = Duration::from_millis(20 + (seed >> 33) % 400);
        let load = async {
            let talk = sessions.iter().map(|session| converse(&daemon, session, round));
            futures::future::join_all(talk).await
        };
        let spoken = tokio::select! {
            spoken = load => spoken,
            () = tokio::time::sleep(moment) => Vec::new(),
        };
        drop(spoken);
        daemon.kill().await;
        daemon = setup.start().await;
        for session in &sessions {
            let messages = sent.entry(session.clone()).or_default();
            for n in 0..MESSAGES {
                let message = message(round, n);
                insist(&daemon, session, &key(round, n), &message).await;
                messages.push(message);
            }
        }
    }
    for (session, messages) in &sent {
        assert_covered_once(&daemon.history(session).await, messages);
    }
    daemon.kill().await;
}

const MESSAGES: u32 = 6;

fn message(round: u32, n: u32) -> String {
    format!("Question {round}-{n}: how deep can an open water diver go?")
}

fn key(round: u32, n: u32) -> String {
    format!("key-{round}-{n}")
}

async fn converse(daemon: &Daemon, session: &str, round: u32) {
    for n in 0..MESSAGES {
        let _ = send(daemon, session, &key(round, n), &message(round, n)).await;
    }
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_message_that_kills_three_times_is_set_aside_and_the_lane_goes_on() {
    let mut setup = Setup::new();
    let daemon = setup.start().await;
    let session = new_session(&daemon).await;
    daemon.terminate();
    daemon.ended().await;

    setup.set("FAILPOINT", "claimed:1");
    let message = "What is a safety stop?";
    let daemon = setup.start().await;
    assert!(send(&daemon, &session, "poison", message).await.is_none());
    daemon.ended().await;
    for _ in 0..2 {
        // The recovered message kills the process right after the start.
        let mut child = setup.command().arg("serve").stderr(std::process::Stdio::null()).spawn().unwrap();
        tokio::time::timeout(Duration::from_secs(20), child.wait()).await.unwrap().unwrap();
    }

    setup.set("FAILPOINT", "none");
    let daemon = setup.start().await;
    let fallback = insist(&daemon, &session, "poison", message).await;
    assert_eq!(fallback["metadata"]["model"], "fixed");
    let next = insist(&daemon, &session, "next", "How deep can a PADI Open Water Diver go?").await;
    assert_ne!(next["metadata"]["model"], "fixed");
    daemon.kill().await;
}
