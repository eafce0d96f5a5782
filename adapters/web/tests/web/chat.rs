//! One message, one answer.

use std::time::Duration;

use crate::server::{Answered, Server, client};
use dovvybuddy_core::store::Upkeep as _;
use serde_json::{Value, json};

#[tokio::test]
async fn an_answer_has_every_field_of_the_contract() {
    let server = Server::start().await;
    let answer = server.chat("cite the depth").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = &answer.json;
    assert!(answer.message().starts_with("Open Water goes to 18 m [1]. Deeper needs training [2]."));
    assert!(answer.message().ends_with("<sources>: [1] Title 1; [2] Title 2"), "{}", answer.message());
    assert_eq!(body["agentType"], "retrieval");
    assert_eq!(body["followUpQuestion"], Value::Null);
    assert!(body.as_object().unwrap().contains_key("followUpQuestion"));
    let metadata = &body["metadata"];
    assert_eq!(metadata["emergency"], false);
    assert_eq!(metadata["outOfScope"], false);
    assert_eq!(metadata["model"], "echo");
    assert_eq!(metadata["tokensUsed"], 7);
    assert_eq!(metadata["detectedIntent"], "test");
    assert_eq!(metadata["stateUpdates"], json!({}));
    assert_eq!(metadata["grounding"], json!({"ragInvoked": true, "hasVerifiedData": true, "citationsCount": 2}));
    assert_eq!(metadata["versions"], json!({"content": "content-1", "prompts": "prompts-1"}));
    assert_eq!(metadata["degraded"], json!([]));
    assert_eq!(
        metadata["citations"][0],
        json!({"n": 1, "source": "certifications/1.md", "title": "Title 1", "section": "Depth",
            "publisher": "PADI", "updated": "2026-05-01", "score": 0.71})
    );
    assert!(metadata.get("sessionRestarted").is_none());
    assert_eq!(answer.session().len(), 36);
    assert_eq!(answer.session(), answer.session().to_lowercase());
}

#[tokio::test]
async fn a_conversation_goes_on_in_its_session_and_another_does_not_see_it() {
    let server = Server::start().await;
    let first = server.chat("one").await;
    let second = server.chat_in(&first.session(), "two").await;
    assert_eq!(first.session(), second.session());
    let other = server.chat("three").await;
    assert_ne!(first.session(), other.session());
    let held = server.get(&format!("/api/sessions/{}", first.session())).await;
    let said: Vec<_> = held.json["conversation_history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (m["role"].clone(), m["content"].clone()))
        .collect();
    assert_eq!(said.len(), 4);
    assert_eq!(said[0], (json!("user"), json!("one")));
    assert_eq!(said[2], (json!("user"), json!("two")));
    assert_eq!(said[3], (json!("assistant"), json!("two")));
}

#[tokio::test]
async fn an_id_that_was_never_issued_gets_a_new_session() {
    let server = Server::start().await;
    for id in
        ["6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "6F9619FF-8B86-4D01-B42D-00CF4FC964FF", "nonsense", "", "' OR 1=1 --"]
    {
        let answer = server.chat_in(id, "hi").await;
        assert_eq!(answer.status, 200, "{id}: {}", answer.text);
        assert_ne!(answer.session(), id);
        assert_eq!(answer.session().len(), 36);
    }
}

#[tokio::test]
async fn an_expired_session_begins_anew_under_its_id() {
    let server = Server::start().await;
    let first = server.chat("one").await;
    server.clock.advance(Duration::from_hours(25));
    let gone = server.get(&format!("/api/sessions/{}", first.session())).await;
    assert_eq!((gone.status, gone.code()), (404, "SESSION_NOT_FOUND"));
    let again = server.chat_in(&first.session(), "two").await;
    assert_eq!(again.session(), first.session());
    assert_eq!(again.json["metadata"]["sessionRestarted"], true);
    let held = server.get(&format!("/api/sessions/{}", first.session())).await;
    assert_eq!(held.json["conversation_history"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_emergency_passes_every_limit() {
    let server = Server::with(|config| config.ip_per_minute = 2).await;
    let first = server.chat("hi").await;
    let session = first.session();
    server.chat_in(&session, "hi").await;
    let refused = server.chat_in(&session, "hi").await;
    assert_eq!((refused.status, refused.code()), (429, "RATE_LIMITED"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"ip\";q=2;w=60"));
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    for _ in 0..10 {
        let helped = server.chat_in(&session, "mayday").await;
        assert_eq!(helped.status, 200, "{}", helped.text);
        assert_eq!(helped.json["agentType"], "safety");
        assert_eq!(helped.json["metadata"]["emergency"], true);
        assert!(helped.message().starts_with("Get help now."));
    }
    let malformed = server.post("/api/chat", json!({})).await;
    assert_eq!(malformed.status, 429);
}

#[tokio::test]
async fn an_emergency_is_answered_without_the_store() {
    let server = Server::start().await;
    let session = server.chat("hi").await.session();
    server.store.close().await.unwrap();
    for body in [json!({"message": "mayday"}), json!({"message": "mayday", "sessionId": session})] {
        let helped = server.post("/api/chat", body).await;
        assert_eq!(helped.status, 200, "{}", helped.text);
        assert_eq!(helped.json["metadata"]["degraded"], json!(["store"]));
    }
    let refused = server.chat("hi").await;
    assert_eq!((refused.status, refused.code()), (503, "STORE_UNAVAILABLE"));
    assert!(refused.header("retry-after").is_some());
    assert!(!refused.text.to_lowercase().contains("sql"), "{}", refused.text);
}

#[tokio::test]
async fn a_diver_is_told_what_is_left_and_then_refused() {
    let server = Server::start().await;
    let first = server.chat("hi").await;
    assert_eq!(first.header("ratelimit-policy"), Some("\"diver\";q=20;w=60"));
    assert_eq!(first.header("ratelimit"), Some("\"diver\";r=4;t=3"));
    for _ in 0..4 {
        assert_eq!(server.chat_in(&first.session(), "hi").await.status, 200);
    }
    for _ in 0..3 {
        let refused = server.chat_in(&first.session(), "hi").await;
        assert_eq!((refused.status, refused.code()), (429, "RATE_LIMITED"));
        assert!(refused.header("ratelimit").unwrap().starts_with("\"diver\";r=0;t="));
        assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() <= 3);
    }
    server.clock.advance(Duration::from_secs(4));
    assert_eq!(server.chat_in(&first.session(), "hi").await.status, 200);
}

#[tokio::test]
async fn a_repeat_returns_the_same_turn() {
    let server = Server::start().await;
    let first = server.chat_with_key("k1", json!({"message": "hi"})).await;
    let again = server.chat_with_key("k1", json!({"message": " hi ", "unknown": 1})).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!((first.turn(), first.session(), first.message()), (again.turn(), again.session(), again.message()));
    let other = server.chat_with_key("k2", json!({"message": "hi"})).await;
    assert_ne!(first.turn(), other.turn());
    let conflict = server.chat_with_key("k1", json!({"message": "something else"})).await;
    assert_eq!((conflict.status, conflict.code()), (409, "IDEMPOTENCY_CONFLICT"));
    // Within a session the key is another one.
    let named = json!({"message": "hi", "sessionId": first.session()});
    let inside = server.chat_with_key("k1", named.clone()).await;
    assert_ne!(inside.turn(), first.turn());
    assert_eq!(server.chat_with_key("k1", named).await.turn(), inside.turn());
}

#[tokio::test]
async fn a_repeat_that_carries_the_cookie_of_the_answer_returns_the_same_turn() {
    let server = Server::start().await;
    let browser = client().cookie_store(true).build().unwrap();
    let mut turns = Vec::new();
    for _ in 0..3 {
        let request =
            browser.post(server.url("/api/chat")).header("Idempotency-Key", "k").json(&json!({"message": "hi"}));
        turns.push(Answered::of(request.send().await.unwrap()).await.turn());
    }
    assert!(turns.iter().all(|turn| *turn == turns[0]), "{turns:?}");
}

#[tokio::test]
async fn a_concurrent_repeat_waits_for_the_same_turn() {
    let server = Server::start().await;
    let body = json!({"message": "gate please"});
    let repeats = (0..5).map(|_| server.chat_with_key("k", body.clone()));
    let opening = async {
        server.gate_reached().await;
        server.open_gate();
    };
    let (answers, ()) = tokio::join!(futures::future::join_all(repeats), opening);
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.turn(), answers[0].turn());
    }
}

#[tokio::test]
async fn an_emergency_cuts_short_what_runs() {
    let server = Server::start().await;
    let session = server.chat("hi").await.session();
    let cry = async {
        server.gate_reached().await;
        server.chat_in(&session, "mayday").await
    };
    let (cut, helped) = tokio::join!(server.chat_in(&session, "gate please"), cry);
    assert_eq!(helped.json["metadata"]["emergency"], true);
    assert_eq!(cut.status, 200);
    assert!(cut.message().contains("<cut_short>"), "{}", cut.message());
}

#[tokio::test]
async fn a_turn_that_takes_too_long_is_told_to_come_back() {
    let server = Server::with(|config| config.reply_within = Duration::from_millis(500)).await;
    let refused = server.chat("gate please").await;
    assert_eq!((refused.status, refused.code()), (503, "OVERLOADED"));
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test]
async fn a_turn_that_panics_gets_the_fallback() {
    let server = Server::start().await;
    let answer = server.chat("panic").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.message().contains("<fallback>"));
}

#[tokio::test]
async fn commands_are_understood() {
    let server = Server::start().await;
    assert!(server.chat("/help").await.message().contains("<help>"));
    let session = server.chat("a secret").await.session();
    assert!(server.chat_in(&session, "/forget").await.message().contains("<forgotten>"));
    assert_eq!(server.get(&format!("/api/sessions/{session}")).await.status, 404);
}

#[tokio::test]
async fn what_the_client_knows_of_the_diver_is_kept() {
    let server = Server::start().await;
    let body = json!({"message": "hi", "diver_profile": {"certificationLevel": "AOW", "dives": "many", "shoe": 43},
        "session_state": {"page": "trips"}, "unknown": {"deep": [1, 2, 3]}});
    let answer = server.post("/api/chat", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let held = server.get(&format!("/api/sessions/{}", answer.session())).await;
    assert_eq!(held.json["diver_profile"]["cert_level"], "AOW");
    assert_eq!(held.json["diver_profile"]["shoe"], 43);
}

#[tokio::test]
async fn naughty_strings_are_answered() {
    let server = Server::start().await;
    for text in [
        "\u{0}",
        "a\u{0}b",
        "\u{1}\u{7f}\u{9b}",
        "\u{202e}abc",
        "'; DROP TABLE sessions; --",
        "<script>alert(1)</script>",
        "Z̮̞̠͙͔ͅḀ̗̞͈̻̗Ḷ͙͎̯̹̞͓G̻O̭̗̮",
        "🏳️‍🌈👩‍👩‍👧‍👦",
        "${jndi:ldap://x}",
        "%00%0a",
        "\u{feff}",
        "(｡◕ ∀ ◕｡)",
        "{\"message\": 1}",
        "data: x\n\nid: y",
    ] {
        let answer = server.chat(text).await;
        assert_eq!(answer.status, 200, "{text:?}: {}", answer.text);
    }
}
