//! `Idempotency-Key`: a repeat is the same turn.

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{DEPTH, error_of};
use crate::support::{Daemon, Setup};

async fn send(daemon: &Daemon, path: &str, key: &str, body: &Value) -> reqwest::Response {
    let request = daemon.client.post(format!("{}{path}", daemon.base)).header("Idempotency-Key", key);
    request.json(body).send().await.unwrap()
}

async fn answer(daemon: &Daemon, key: &str, body: &Value) -> Value {
    let response = send(daemon, "/api/chat", key, body).await;
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_repeat_returns_the_same_turn_and_a_concurrent_one_waits_for_it() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let session = daemon.session().await;
    let body = json!({ "message": DEPTH, "sessionId": session });

    let at_once = join_all((0..8).map(|_| answer(&daemon, "at-once", &body))).await;
    for other in &at_once {
        assert_eq!(other, &at_once[0]);
    }
    assert_eq!(answer(&daemon, "at-once", &body).await, at_once[0], "and later again");
    assert_eq!(daemon.history(&session).await.len(), 2, "one turn");

    let same_in_other_words = json!({ "session_id": session, "message": format!("  {DEPTH} ") });
    let repeat = answer(&daemon, "at-once", &same_in_other_words).await;
    assert_eq!(repeat["metadata"]["turnId"], at_once[0]["metadata"]["turnId"]);

    let other_key = answer(&daemon, "other", &body).await;
    assert_ne!(other_key["metadata"]["turnId"], at_once[0]["metadata"]["turnId"]);
    assert_eq!(daemon.history(&session).await.len(), 4);

    let streamed = send(&daemon, "/api/chat/stream", "at-once", &body).await.text().await.unwrap();
    let last = crate::support::events(&streamed).pop().unwrap();
    assert_eq!(last.kind(), "final");
    assert_eq!(last.data["metadata"]["metadata"]["turnId"], at_once[0]["metadata"]["turnId"]);
    assert_eq!(last.data["content"], at_once[0]["message"]);
    daemon.kill().await;
}

#[tokio::test]
async fn another_body_under_the_same_key_is_a_conflict() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let session = daemon.session().await;
    let first = json!({ "message": DEPTH, "sessionId": session });
    answer(&daemon, "key", &first).await;
    for path in ["/api/chat", "/api/chat/stream"] {
        let other = json!({ "message": "What is a safety stop?", "sessionId": session });
        let response = send(&daemon, path, "key", &other).await;
        assert_eq!(response.status(), StatusCode::CONFLICT, "{path}");
        assert_eq!(error_of(&response.text().await.unwrap()).0, "IDEMPOTENCY_CONFLICT");
    }
    assert_eq!(daemon.history(&session).await.len(), 2, "the refused ones left nothing");

    let elsewhere = json!({ "message": "What is a safety stop?", "sessionId": daemon.session().await });
    answer(&daemon, "key", &elsewhere).await;
    daemon.kill().await;
}

#[tokio::test]
async fn without_a_session_the_key_belongs_to_the_client_and_outlives_a_restart() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let body = json!({ "message": DEPTH });
    let first = answer(&daemon, "first-contact", &body).await;
    let repeat = answer(&daemon, "first-contact", &body).await;
    assert_eq!(first, repeat, "the same turn in the same session");
    daemon.kill().await;

    let daemon = setup.start().await;
    assert_eq!(answer(&daemon, "first-contact", &body).await, first);
    let history = daemon.history(first["sessionId"].as_str().unwrap()).await;
    assert_eq!(history.len(), 2);
    daemon.kill().await;
}

#[tokio::test]
async fn odd_keys_break_nothing() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    for key in ["x", " ", "ключ", "\u{7f}x", &"k".repeat(255), &"k".repeat(256), &"k".repeat(10_000)] {
        let Ok(value) = reqwest::header::HeaderValue::from_bytes(key.as_bytes()) else { continue };
        let request = daemon.client.post(format!("{}/api/chat", daemon.base)).header("Idempotency-Key", value);
        let status = request.json(&json!({ "message": DEPTH })).send().await.unwrap().status();
        assert!(status.is_success() || status.is_client_error(), "{status} for a key of {} bytes", key.len());
    }
    daemon.kill().await;
}

#[tokio::test]
async fn an_emergency_repeated_under_its_key_is_one_turn() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let session = daemon.session().await;
    let body = json!({ "message": "My buddy can't feel his legs after the dive", "sessionId": session });
    let first = answer(&daemon, "alarm", &body).await;
    let repeat = answer(&daemon, "alarm", &body).await;
    assert_eq!(first["metadata"]["turnId"], repeat["metadata"]["turnId"]);
    assert_eq!(first["message"], repeat["message"]);
    assert_eq!(daemon.history(&session).await.len(), 2);
    daemon.kill().await;
}

/// 500 ids, half of them delivered twice in the same moment, over 20 conversations.
#[tokio::test]
async fn five_hundred_ids_half_redelivered_make_five_hundred_turns() {
    const IDS: usize = 500;
    const SESSIONS: usize = 20;
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let sessions = join_all((0..SESSIONS).map(|_| daemon.session())).await;
    let daemon = &daemon;
    let deliver = |n: usize| {
        let body =
            json!({ "message": format!("Question {n}: how deep may one dive?"), "sessionId": sessions[n % SESSIONS] });
        async move { answer(daemon, &format!("id-{n}"), &body).await["metadata"]["turnId"].as_str().unwrap().to_owned() }
    };
    let mut turns = std::collections::HashSet::new();
    for batch in (0..IDS).collect::<Vec<_>>().chunks(50) {
        let answers = join_all(batch.iter().map(|&n| async move {
            if n % 2 == 0 {
                let (one, other) = tokio::join!(deliver(n), deliver(n));
                assert_eq!(one, other, "id-{n} made two turns");
                one
            } else {
                deliver(n).await
            }
        }))
        .await;
        turns.extend(answers);
    }
    assert_eq!(turns.len(), IDS);
    let mut said = 0;
    for session in &sessions {
        let history = daemon.history(session).await;
        assert_eq!(history.len() % 2, 0);
        said += history.iter().filter(|(role, _)| role == "user").count();
    }
    assert_eq!(said, IDS);
}
