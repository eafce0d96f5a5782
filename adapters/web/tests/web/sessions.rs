//! Opening, reading, rating and removing.

use dovvybuddy_core::session::Session;
use dovvybuddy_core::store::Sessions as _;
use dovvybuddy_core::{BotId, ChannelId, Clock as _, ConversationKey, SessionId};
use serde_json::{Value, json};

use crate::server::{Answered, Server};

#[tokio::test]
async fn a_session_is_opened_read_used_and_removed() {
    let server = Server::start().await;
    let opened = Answered::of(server.http.post(server.url("/api/sessions")).send().await.unwrap()).await;
    assert_eq!(opened.status, 201, "{}", opened.text);
    let id = opened.json["id"].as_str().unwrap().to_owned();
    assert!(opened.header("set-cookie").unwrap().contains(&id));
    let path = format!("/api/sessions/{id}");
    let empty = server.get(&path).await;
    assert_eq!(empty.json["conversation_history"], json!([]));
    assert_eq!(empty.json["diver_profile"], json!({}));
    for field in ["created_at", "updated_at"] {
        let time = empty.json[field].as_str().unwrap();
        assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    }
    assert_eq!(server.chat_in(&id, "a canary").await.session(), id);
    let held = server.get(&path).await;
    let history = held.json["conversation_history"].as_array().unwrap();
    assert_eq!(history[0]["role"], "user");
    assert_eq!(history[0]["content"], "a canary");
    assert!(history[1]["created_at"].as_str().unwrap().ends_with('Z'));
    let mut keys: Vec<_> = held.json.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["conversation_history", "created_at", "diver_profile", "id", "updated_at"]);

    let delete = || server.http.delete(server.url(&path)).header("Cookie", format!("dovvybuddy_session={id}"));
    let removed = Answered::of(delete().send().await.unwrap()).await;
    assert_eq!((removed.status, removed.text.as_str()), (204, ""));
    assert!(removed.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(server.get(&path).await.code(), "SESSION_NOT_FOUND");
    let again = Answered::of(delete().send().await.unwrap()).await;
    assert_eq!((again.status, again.code()), (404, "SESSION_NOT_FOUND"));
    // Nothing remembers it: the id is one we never issued.
    assert_ne!(server.chat_in(&id, "hi").await.session(), id);
}

#[tokio::test]
async fn a_removed_session_leaves_no_emergency_standing() {
    let server = Server::start().await;
    let session = server.chat("mayday").await.session();
    let path = format!("/api/sessions/{session}");
    assert_eq!(server.http.delete(server.url(&path)).send().await.unwrap().status(), 204);
    let fresh = server.chat_in(&session, "hi").await;
    assert_eq!(fresh.json["metadata"]["emergency"], false);
}

#[tokio::test]
async fn sessions_of_other_channels_are_not_for_the_web() {
    let server = Server::start().await;
    let id = SessionId(server.clock.uuid());
    let conversation = ConversationKey {
        bot: BotId::default(),
        channel: ChannelId::new("telegram"),
        account: "1".into(),
        conversation: "42".into(),
    };
    server.store.open_session(&Session::open(id, conversation, server.clock.now())).await.unwrap();
    let path = format!("/api/sessions/{id}");
    assert_eq!(server.get(&path).await.status, 404);
    assert_eq!(server.http.delete(server.url(&path)).send().await.unwrap().status(), 404);
    assert_ne!(server.chat_in(&id.to_string(), "hi").await.session(), id.to_string());
}

#[tokio::test]
async fn a_session_may_be_opened_with_a_profile() {
    let server = Server::start().await;
    let opened = server.post("/api/sessions", json!({"diverProfile": {"cert_level": "OW", "dives": {}}})).await;
    assert_eq!(opened.json["diver_profile"]["cert_level"], "OW");
    let id = opened.json["id"].as_str().unwrap();
    let read = server.get(&format!("/api/sessions/{id}")).await;
    assert_eq!(read.json["diver_profile"]["cert_level"], "OW", "it is kept");
    let wrong = server.post("/api/sessions", json!({"diverProfile": 1})).await;
    assert_eq!(wrong.fields(), ["diverProfile"]);
}

#[tokio::test]
async fn sessions_have_a_limit_of_their_own() {
    let server = Server::with(|config| config.sessions_per_minute = 2).await;
    for _ in 0..2 {
        assert_eq!(server.post("/api/sessions", json!({})).await.status, 201);
    }
    let refused = server.post("/api/sessions", json!({})).await;
    assert_eq!((refused.status, refused.code()), (429, "RATE_LIMITED"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"sessions\";q=2;w=60"));
    assert_eq!(server.chat("hi").await.status, 200);
}

#[tokio::test]
async fn an_answer_is_rated() {
    let server = Server::start().await;
    let turn = server.chat("hi").await.turn();
    for body in [json!({"turnId": turn, "rating": "up"}), json!({"turn_id": turn, "rating": "down", "comment": "no"})] {
        let rated = server.post("/api/feedback", body).await;
        assert_eq!((rated.status, rated.text.as_str()), (204, ""));
    }
    for unknown in ["6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "nonsense"] {
        let answer = server.post("/api/feedback", json!({"turnId": unknown, "rating": "up"})).await;
        assert_eq!((answer.status, answer.code()), (404, "TURN_NOT_FOUND"));
    }
    for (body, fields) in [
        (json!({}), vec!["turnId", "rating"]),
        (json!({"turnId": turn, "rating": "meh"}), vec!["rating"]),
        (json!({"turnId": 1, "rating": Value::Null}), vec!["turnId", "rating"]),
        (json!({"turnId": turn, "rating": "up", "comment": "x".repeat(2001)}), vec!["comment"]),
    ] {
        assert_eq!(server.post("/api/feedback", body).await.fields(), fields);
    }
}

#[tokio::test]
async fn an_emergency_in_an_expired_session_begins_it_anew() {
    let server = Server::start().await;
    let told = server.post("/api/chat", json!({"message": "an old canary", "diverProfile": {"dives": 7}})).await;
    let session = told.session();
    server.clock.advance(std::time::Duration::from_hours(25));
    let alarm = server.chat_in(&session, "mayday").await;
    assert_eq!(alarm.session(), session);
    assert_eq!(alarm.json["metadata"]["emergency"], true);
    assert_eq!(alarm.json["metadata"]["sessionRestarted"], true, "{}", alarm.text);
    let held = server.get(&format!("/api/sessions/{session}")).await;
    assert!(!held.text.contains("an old canary"), "{}", held.text);
    assert_eq!(held.json["conversation_history"].as_array().unwrap().len(), 2);
    assert!(held.json["diver_profile"].get("dives").is_none(), "{}", held.text);
    // Only once: the session goes on from here.
    let still = server.chat_in(&session, "mayday").await;
    assert_eq!(still.json["metadata"].get("sessionRestarted"), None);
    let held = server.get(&format!("/api/sessions/{session}")).await;
    assert_eq!(held.json["conversation_history"].as_array().unwrap().len(), 4);
}
