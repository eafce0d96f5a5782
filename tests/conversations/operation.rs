//! Operation: stopping, starting again, slow clients, what can be seen from outside.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::models::{self, with_model};
use crate::support::{Daemon, Setup, client};
use crate::wire::{PATIENCE, eventually};

const DEPTH: &str = "How deep can a PADI Open Water Diver go?";

#[tokio::test]
async fn sigterm_during_a_stream_loses_nothing_and_the_stream_can_be_resumed() {
    let fake = models::start(models::slow(Duration::from_secs(6))).await;
    let mut setup = Setup::slice();
    with_model(&mut setup, &fake);
    let daemon = setup.start().await;
    let session = daemon.session().await;
    let mut live = daemon.stream(Some(&session), DEPTH).await;
    let route = live.next().await.unwrap();
    let turn = route.data["metadata"]["turnId"].as_str().unwrap().to_owned();

    let began = Instant::now();
    daemon.terminate();
    let base = daemon.base.clone();
    let status = daemon.ended().await;
    assert_eq!(status.code(), Some(0), "{}", setup.log_text());
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(reqwest::get(format!("{base}/health")).await.is_err(), "nobody listens any more");
    drop(live);

    let daemon = setup.start().await;
    let url = format!("{}/api/turns/{turn}/events", daemon.base);
    let body = daemon.client.get(url).header("Last-Event-ID", &route.id).send().await.unwrap().text().await.unwrap();
    let last = crate::support::events(&body).pop().expect("the rest of the turn");
    assert_eq!(last.kind(), "final", "{body}");
    let history = daemon.history(&session).await;
    assert_eq!(history.len(), 2, "covered by exactly one reply: {history:?}");
    assert_eq!(last.data["content"], history[1].1);
    daemon.kill().await;
}

/// While running turns end, whoever calls is told to come back, except in an emergency.
#[tokio::test]
async fn a_draining_daemon_still_answers() {
    let fake = models::start(models::slow(Duration::from_secs(6))).await;
    let mut setup = Setup::slice();
    with_model(&mut setup, &fake);
    let daemon = setup.start().await;
    let mut live = daemon.stream(None, DEPTH).await;
    live.next_of("token").await.expect("it runs");
    daemon.terminate();
    eventually("it stops", PATIENCE, async || {
        let ready = daemon.get("/ready").await.ok()?;
        (ready.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;

    // Nothing of before: a new connection each.
    for path in ["/api/chat", "/api/chat/stream"] {
        let request = client().post(format!("{}{path}", daemon.base)).json(&json!({ "message": DEPTH }));
        let refused = request.send().await.expect("somebody listens");
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key("retry-after"));
        assert_eq!(refused.json::<Value>().await.unwrap()["code"], "OVERLOADED");
    }
    assert_eq!(client().get(format!("{}/health", daemon.base)).send().await.unwrap().status(), StatusCode::OK);
    let alarm = daemon.ask(None, "My buddy can't feel his legs after the dive").await;
    assert_eq!(alarm["metadata"]["emergency"], true);
    assert_eq!(alarm["metadata"]["degraded"], json!([]), "it is stored");
    assert_eq!(live.rest().await.last().unwrap().kind(), "final", "what ran comes to its end");
    let base = daemon.base.clone();
    assert_eq!(daemon.ended().await.code(), Some(0));
    assert!(reqwest::get(format!("{base}/health")).await.is_err(), "nobody listens any more");
}

/// From the first moment somebody listens.
#[tokio::test]
async fn a_starting_daemon_answers_emergencies() {
    let setup = Setup::new();
    for path in ["/api/chat", "/api/chat/stream"] {
        let child = setup.launch();
        let base = setup.address().await;
        let send = |path: &str, message: &str| {
            client().post(format!("{base}{path}")).json(&json!({ "message": message })).send()
        };
        let calm = send("/api/chat", DEPTH).await.unwrap();
        assert_eq!(calm.status(), StatusCode::SERVICE_UNAVAILABLE, "it is still starting");
        assert!(calm.headers().contains_key("retry-after"));
        let alarm = send(path, "Mein Tauchpartner spürt nach dem Tauchgang seine Beine nicht mehr").await.unwrap();
        assert_eq!(alarm.status(), StatusCode::OK);
        let said = alarm.text().await.unwrap();
        assert!(said.contains("Sauerstoff"), "{said}");
        if path == "/api/chat" {
            let answer: Value = serde_json::from_str(&said).unwrap();
            assert_eq!(answer["agentType"], "safety");
        } else {
            let kinds: Vec<String> = crate::support::events(&said).iter().map(|e| e.kind().to_owned()).collect();
            assert_eq!(kinds, ["route", "safety", "token", "final"]);
        }
        Daemon::adopt(child, &setup).await.kill().await;
        std::fs::remove_dir_all(setup.database().parent().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn a_second_start_finds_everything_and_a_second_daemon_on_the_same_data_is_refused() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let first = daemon.ask(None, DEPTH).await;
    let session = first["sessionId"].as_str().unwrap();

    let (code, out, err) = setup.run_for(PATIENCE, &["serve"]).await;
    assert_eq!(code, 1, "two daemons on one embedded database: {out}{err}");
    daemon.ask(Some(session), "What is a safety stop?").await;

    daemon.terminate();
    assert_eq!(daemon.ended().await.code(), Some(0));
    let daemon = setup.start().await;
    assert_eq!(daemon.history(session).await.len(), 4);
    daemon.ask(Some(session), "And how long does it take?").await;
    assert_eq!(daemon.history(session).await.len(), 6);
    daemon.kill().await;
}

#[tokio::test]
async fn status_and_metrics_tell_what_happens() {
    let mut setup = Setup::slice();
    setup.set("METRICS__TOKEN", "a-token-for-the-scraper");
    let daemon = setup.start().await;
    daemon.ask(None, DEPTH).await;
    daemon.ask(None, "My buddy can't feel his legs after the dive").await;

    let status: Value = daemon.get("/status").await.unwrap().json().await.unwrap();
    assert!(status["version"].is_string(), "{status}");
    let told = status.to_string();
    for word in ["web", "queue", "oldest", "outbox", "models", "content"] {
        assert!(told.contains(word), "{word} in {status}");
    }
    let refused = daemon.get("/metrics").await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "UNAUTHORIZED");
    for path in ["/health", "/ready", "/status", "/metrics"] {
        let wrong = daemon.post(path, &json!({})).await;
        assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(wrong.json::<Value>().await.unwrap()["code"], "METHOD_NOT_ALLOWED", "{path}");
    }
    let ready: Value = daemon.get("/ready").await.unwrap().json().await.unwrap();
    assert_eq!(ready["checks"]["embeddings"], "none", "nothing is pending where none are made");
    let scrape = async |token: &str| {
        let request = daemon.client.get(format!("{}/metrics", daemon.base)).bearer_auth(token);
        let response = request.send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    };
    assert_eq!(scrape("another-token").await.0, StatusCode::UNAUTHORIZED);
    let (status, text) = scrape("a-token-for-the-scraper").await;
    assert_eq!(status, StatusCode::OK);
    for name in [
        "dovvybuddy_turns_total",
        "dovvybuddy_turn_seconds",
        "dovvybuddy_first_token_seconds",
        "dovvybuddy_queue_oldest_seconds",
        "dovvybuddy_outbox_parts",
        "dovvybuddy_retrieval_seconds",
        "dovvybuddy_emergencies_total",
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
    let line = regex::Regex::new(r#"(?m)^dovvybuddy_turns_total\{[^}]*agent="certification"[^}]*\} 1$"#).unwrap();
    assert!(line.is_match(&text), "{text}");
    assert!(text.contains("channel=\"web\""), "{text}");
    daemon.kill().await;
}

#[tokio::test]
async fn metrics_may_have_an_address_of_their_own() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    drop(taken);
    let setup = Setup::slice().with("METRICS__BIND", &address);
    let daemon = setup.start().await;
    assert_eq!(daemon.get("/metrics").await.unwrap().status(), StatusCode::NOT_FOUND);
    let there = reqwest::get(format!("http://{address}/metrics")).await.unwrap();
    assert_eq!(there.status(), StatusCode::OK);
    daemon.kill().await;
}

#[tokio::test]
async fn each_turn_is_one_line_of_json_without_what_was_said() {
    let mut setup = Setup::slice();
    setup.set("LOG__FORMAT", "json");
    let daemon = setup.start().await;
    let answer = daemon.ask(None, "How deep may Quetzalcanary dive with Open Water?").await;
    let turn = answer["metadata"]["turnId"].as_str().unwrap();
    daemon.terminate();
    daemon.ended().await;
    let log = setup.log_text();
    let lines: Vec<Value> =
        log.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e} in {l}"))).collect();
    let of_turn: Vec<&Value> = lines.iter().filter(|line| line.to_string().contains(turn)).collect();
    assert_eq!(of_turn.len(), 1, "one line per turn: {of_turn:?}");
    assert!(!log.contains("Quetzalcanary"), "what was said is not logged");
}
