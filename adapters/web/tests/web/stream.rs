//! Server-sent events, and taking them up again.

use dovvybuddy_core::store::Upkeep as _;
use serde_json::{Value, json};

use crate::server::{Answered, Event, Server, events, read_events, spoken};

async fn stream(server: &Server, message: &str) -> Answered {
    server.post("/api/chat/stream", json!({"message": message})).await
}

async fn resume(server: &Server, turn: &str, last: Option<&str>) -> Answered {
    let mut request = server.http.get(server.url(&format!("/api/turns/{turn}/events")));
    if let Some(last) = last {
        request = request.header("Last-Event-ID", last);
    }
    Answered::of(request.send().await.unwrap()).await
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::kind).collect()
}

#[tokio::test]
async fn events_come_in_order_and_the_tokens_are_the_reply() {
    let server = Server::start().await;
    let response = stream(&server, "cite the depth").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
    assert_eq!(response.header("cache-control"), Some("no-cache"));
    assert_eq!(response.header("x-accel-buffering"), Some("no"));
    assert_eq!(response.header("ratelimit"), Some("\"diver\";r=4;t=3"));
    let events = events(&response.text);
    assert_eq!(
        kinds(&events),
        ["route", "safety", "token", "token", "token", "token", "citation", "citation", "final"]
    );
    let route = &events[0].data;
    assert_eq!(route["content"], json!({"route": "retrieval", "confidence": 0.9}));
    let turn = route["metadata"]["turnId"].as_str().unwrap();
    assert_eq!(events[1].data["content"], json!({"classification": "none"}));
    assert_eq!(events[6].data["content"], "certifications/1.md");
    assert_eq!(events[6].data["metadata"]["score"], 0.71);
    let end = &events[8].data;
    assert_eq!(end["content"], spoken(&events));
    assert_eq!(end["metadata"]["sessionId"], route["metadata"]["sessionId"]);
    assert_eq!(end["metadata"]["agentType"], "retrieval");
    assert_eq!(end["metadata"]["followUpQuestion"], Value::Null);
    assert_eq!(end["metadata"]["metadata"]["turnId"], turn);
    assert_eq!(end["metadata"]["metadata"]["grounding"]["citationsCount"], 2);
    for (i, event) in events.iter().enumerate() {
        assert_eq!(event.id.as_deref(), Some(&*format!("{turn}/1/{}", i + 1)));
    }
}

#[tokio::test]
async fn a_stream_is_taken_up_again_at_every_place() {
    let server = Server::start().await;
    let all = events(&stream(&server, "cite the depth").await.text);
    let turn = all[0].data["metadata"]["turnId"].as_str().unwrap();
    assert_eq!(events(&resume(&server, turn, None).await.text), all);
    for (i, event) in all.iter().enumerate() {
        let rest = resume(&server, turn, event.id.as_deref()).await;
        assert_eq!(events(&rest.text), &all[i + 1..], "after {:?}", event.id);
        assert_eq!(rest.status, if i + 1 == all.len() { 204 } else { 200 });
    }
    // A client that saw an earlier try of the turn is told all of this one.
    assert_eq!(events(&resume(&server, turn, Some(&format!("{turn}/7/3"))).await.text), all);
    assert_eq!(events(&resume(&server, turn, Some("nonsense")).await.text), all);
    let by_query = server.get(&format!("/api/turns/{turn}/events?lastEventId={turn}/1/8")).await;
    assert_eq!(events(&by_query.text), &all[8..]);
    let odd = server.get(&format!("/api/turns/{turn}/events?lastEventId=%ff&lastEventId=x&%")).await;
    assert_eq!(events(&odd.text), all);
}

#[tokio::test]
async fn a_running_turn_is_followed_by_many_and_finished_for_nobody() {
    let server = Server::start().await;
    let request = server.http.post(server.url("/api/chat/stream")).json(&json!({"message": "gate please"}));
    let mut response = request.send().await.unwrap();
    let first = read_events(&mut response, 3).await;
    assert_eq!(kinds(&first), ["route", "safety", "token"]);
    let turn = first[0].data["metadata"]["turnId"].as_str().unwrap().to_owned();
    // The client leaves in the middle; another takes the stream up where it broke off.
    drop(response);
    let follow = |last: &str| {
        let request = server.http.get(server.url(&format!("/api/turns/{turn}/events")));
        request.header("Last-Event-ID", last).send()
    };
    let rest = follow(first[2].id.as_deref().unwrap()).await.unwrap();
    let again = follow("").await.unwrap();
    server.open_gate();
    let (rest, again) = (Answered::of(rest).await, Answered::of(again).await);
    let again = events(&again.text);
    assert_eq!(again[3..], events(&rest.text));
    assert_eq!(again.last().unwrap().kind(), "final");
    let stored = resume(&server, &turn, None).await;
    assert_eq!(events(&stored.text), again);
}

#[tokio::test]
async fn an_unknown_turn_is_not_found() {
    let server = Server::start().await;
    for turn in ["6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "nonsense", "%00"] {
        let answer = resume(&server, turn, None).await;
        assert_eq!((answer.status, answer.code()), (404, "TURN_NOT_FOUND"), "{turn}");
    }
}

#[tokio::test]
async fn an_emergency_streams_at_once_also_without_the_store() {
    let server = Server::start().await;
    let told = events(&stream(&server, "mayday").await.text);
    assert_eq!(kinds(&told), ["route", "safety", "token", "final"]);
    assert_eq!(told[0].data["content"]["route"], "safety");
    assert_eq!(told[1].data["content"], json!({"classification": "emergency"}));
    let turn = told[0].data["metadata"]["turnId"].as_str().unwrap();
    assert_eq!(events(&resume(&server, turn, None).await.text), told);
    server.store.close().await.unwrap();
    let told = events(&stream(&server, "mayday").await.text);
    assert_eq!(told[3].data["metadata"]["metadata"]["degraded"], json!(["store"]));
}

#[tokio::test]
async fn what_is_wrong_is_told_before_the_stream_begins() {
    let server = Server::start().await;
    let refused = stream(&server, "  ").await;
    assert_eq!((refused.status, refused.code()), (422, "VALIDATION_ERROR"));
    assert_eq!(refused.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn streams_end_when_the_daemon_stops() {
    let server = Server::with(|config| config.drain = std::time::Duration::from_millis(200)).await;
    let request = server.http.post(server.url("/api/chat/stream")).json(&json!({"message": "gate please"}));
    let response = request.send().await.unwrap();
    server.closing.cancel();
    let told = Answered::of(response).await;
    let told = events(&told.text);
    let last = told.last().unwrap();
    assert_eq!((last.kind(), &last.data["content"]), ("error", &json!("OVERLOADED")));
    assert_eq!(last.id, None);
    let refused = server.chat("hi").await;
    assert_eq!((refused.status, refused.code()), (503, "OVERLOADED"));
    let helped = server.chat("mayday").await;
    assert_eq!(helped.status, 200);
}

#[tokio::test]
async fn beyond_the_most_streams_only_an_emergency_gets_through() {
    let server = Server::with(|config| config.most_streams = 1).await;
    let request = server.http.post(server.url("/api/chat/stream")).json(&json!({"message": "gate please"}));
    let open = request.send().await.unwrap();
    let refused = stream(&server, "hi").await;
    assert_eq!((refused.status, refused.code()), (503, "OVERLOADED"));
    assert_eq!(stream(&server, "mayday").await.status, 200);
    server.open_gate();
    assert_eq!(events(&Answered::of(open).await.text).last().unwrap().kind(), "final");
    assert_eq!(stream(&server, "hi").await.status, 200);
}

#[tokio::test]
async fn a_repeat_with_the_key_streams_the_same_turn() {
    let server = Server::start().await;
    let ask = || async {
        let request = server.http.post(server.url("/api/chat/stream")).header("Idempotency-Key", "k");
        events(&Answered::of(request.json(&json!({"message": "hi there"})).send().await.unwrap()).await.text)
    };
    assert_eq!(ask().await, ask().await);
}

#[tokio::test]
async fn a_stream_is_never_compressed() {
    let server = Server::start().await;
    let request = server.http.post(server.url("/api/chat/stream")).header("Accept-Encoding", "gzip, br");
    let response = request.json(&json!({"message": "hi"})).send().await.unwrap();
    assert!(response.headers().get("content-encoding").is_none());
    let page = server.http.get(server.url("/widget.js")).header("Accept-Encoding", "gzip").send().await.unwrap();
    assert_eq!(page.headers()["content-encoding"], "gzip");
}
