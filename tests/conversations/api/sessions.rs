//! Sessions, feedback, and the addresses that tell about the daemon.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{DEPTH, error_of, is_utc_time, is_uuid_v4, keys};
use crate::support::Setup;

#[tokio::test]
async fn a_session_is_made_shown_and_removed() {
    let setup = Setup::slice();
    let daemon = setup.start().await;

    let made = daemon.post("/api/sessions", &json!({})).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let made: Value = made.json().await.unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(is_uuid_v4(&id));
    let bodiless = daemon.client.post(format!("{}/api/sessions", daemon.base)).send().await.unwrap();
    assert_eq!(bodiless.status(), StatusCode::CREATED, "there is nothing to say in a body");

    daemon.ask(Some(&id), DEPTH).await;
    let shown: Value = daemon.get(&format!("/api/sessions/{id}")).await.unwrap().json().await.unwrap();
    assert_eq!(keys(&shown), ["conversation_history", "created_at", "diver_profile", "id", "updated_at"]);
    assert_eq!(shown["id"], id);
    assert!(shown["diver_profile"].is_object());
    assert!(is_utc_time(&shown["created_at"]) && is_utc_time(&shown["updated_at"]), "{shown}");
    let history = shown["conversation_history"].as_array().unwrap();
    assert_eq!(history.len(), 2);
    for (message, role) in history.iter().zip(["user", "assistant"]) {
        assert_eq!(keys(message), ["content", "created_at", "role"]);
        assert_eq!(message["role"], role);
        assert!(is_utc_time(&message["created_at"]));
    }
    assert_eq!(history[0]["content"], DEPTH);

    let removed = daemon.client.delete(format!("{}/api/sessions/{id}", daemon.base)).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    assert_eq!(removed.text().await.unwrap(), "");
    for gone in [id.as_str(), "3f8a2c10-9b7e-4d21-8a55-0c1d2e3f4a5b", "nonsense"] {
        for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
            let response =
                daemon.client.request(method, format!("{}/api/sessions/{gone}", daemon.base)).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{gone}");
            assert_eq!(error_of(&response.text().await.unwrap()).0, "SESSION_NOT_FOUND");
        }
    }
    let afterwards = daemon.ask(Some(&id), "What did I ask before?").await;
    assert_ne!(afterwards["sessionId"], id, "a removed session is as good as never issued");
    daemon.kill().await;
}

#[tokio::test]
async fn feedback_belongs_to_a_turn() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let answer = daemon.ask(None, DEPTH).await;
    let turn = answer["metadata"]["turnId"].as_str().unwrap();
    for body in [
        json!({ "turnId": turn, "rating": "up" }),
        json!({ "turnId": turn, "rating": "down", "comment": "too short" }),
        json!({ "turnId": turn, "rating": "up", "comment": null }),
    ] {
        assert_eq!(daemon.post("/api/feedback", &body).await.status(), StatusCode::NO_CONTENT, "{body}");
    }
    for (body, field) in [
        (json!({ "rating": "up" }), "turnId"),
        (json!({ "turnId": turn }), "rating"),
        (json!({ "turnId": turn, "rating": "sideways" }), "rating"),
        (json!({ "turnId": turn, "rating": 1 }), "rating"),
        (json!({ "turnId": turn, "rating": "up", "comment": 5 }), "comment"),
    ] {
        let response = daemon.post("/api/feedback", &body).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let (code, fields) = error_of(&response.text().await.unwrap());
        assert_eq!((code.as_str(), fields), ("VALIDATION_ERROR", vec![field.to_owned()]), "{body}");
    }
    let unknown = json!({ "turnId": "3f8a2c10-9b7e-4d21-8a55-0c1d2e3f4a5b", "rating": "up" });
    let response = daemon.post("/api/feedback", &unknown).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    error_of(&response.text().await.unwrap());
    daemon.kill().await;
}

#[tokio::test]
async fn the_daemon_tells_about_itself() {
    let setup = Setup::slice();
    let daemon = setup.start().await;

    let health: Value = daemon.get("/health").await.unwrap().json().await.unwrap();
    assert_eq!(keys(&health), ["status", "version"]);
    assert_eq!(health["status"], "healthy");
    let ready = daemon.get("/ready").await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["status"], "ready");
    assert_eq!(ready["version"], health["version"]);
    for check in ["database", "llm", "lead_capture", "knowledge"] {
        assert!(ready["checks"].get(check).is_some(), "{check} in {ready}");
    }

    let document: Value = daemon.get("/openapi.json").await.unwrap().json().await.unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let described = keys(&document["paths"]);
    for path in [
        "/api/chat",
        "/api/chat/stream",
        "/api/ws",
        "/api/sessions",
        "/api/leads",
        "/api/feedback",
        "/health",
        "/ready",
        "/status",
        "/metrics",
    ] {
        assert!(described.contains(&path), "{path} is missing in {described:?}");
    }
    for beginning in ["/api/sessions/{", "/api/turns/{"] {
        assert!(described.iter().any(|path| path.starts_with(beginning)), "{beginning} is missing in {described:?}");
    }
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(operation["responses"].as_object().is_some_and(|r| !r.is_empty()), "{method} {path}");
        }
    }
    let chat = &document["paths"]["/api/chat"]["post"]["responses"];
    for status in ["200", "400", "409", "413", "415", "422", "429", "503"] {
        assert!(chat.get(status).is_some(), "{status} of /api/chat is not described");
    }
    daemon.kill().await;
}
