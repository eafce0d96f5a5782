//! `POST /api/chat/stream` and taking a lost stream up again.

use std::time::{Duration, Instant};

use reqwest::StatusCode;

use super::{DEPTH, error_of, header, is_uuid_v4, keys};
use crate::models;
use crate::support::{Daemon, Event, Setup, events};
use crate::wire::{PATIENCE, eventually};

/// Checks order, shape and ids of a whole stream.
fn assert_stream(events: &[Event]) {
    let kinds: Vec<&str> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds[..2], ["route", "safety"], "{kinds:?}");
    let after: Vec<&str> = kinds[2..].iter().copied().skip_while(|kind| *kind == "token").collect();
    assert!(after.len() < kinds.len() - 2, "there are tokens: {kinds:?}");
    let end: Vec<&str> = after.into_iter().skip_while(|kind| *kind == "citation").collect();
    assert_eq!(end, ["final"], "{kinds:?}");

    for event in events {
        for key in keys(&event.data) {
            assert!(["type", "content", "metadata"].contains(&key), "{key} in {event:?}");
        }
    }
    let route = &events[0].data;
    assert_eq!(keys(&route["content"]), ["confidence", "route"]);
    assert!((0.0..=1.0).contains(&route["content"]["confidence"].as_f64().unwrap()));
    assert_eq!(keys(&route["metadata"]), ["sessionId", "turnId"]);
    assert!(is_uuid_v4(route["metadata"]["sessionId"].as_str().unwrap()));
    let turn = route["metadata"]["turnId"].as_str().unwrap();
    for (i, event) in events.iter().enumerate() {
        assert_eq!(event.id, format!("{turn}/1/{}", i + 1));
    }
    assert_eq!(keys(&events[1].data["content"]), ["classification"]);

    let last = &events.last().unwrap().data;
    let tokens: String =
        events.iter().filter(|e| e.kind() == "token").map(|e| e.data["content"].as_str().unwrap()).collect();
    assert_eq!(tokens, last["content"].as_str().unwrap(), "the tokens put together are the reply");
    let metadata = &last["metadata"];
    assert_eq!(keys(metadata), ["agentType", "followUpQuestion", "metadata", "sessionId"]);
    assert_eq!(metadata["agentType"], route["content"]["route"]);
    assert_eq!(metadata["sessionId"], route["metadata"]["sessionId"]);
    assert_eq!(metadata["metadata"]["turnId"], turn);
    let cited: Vec<&serde_json::Value> =
        events.iter().filter(|e| e.kind() == "citation").map(|e| &e.data["metadata"]).collect();
    let listed: Vec<&serde_json::Value> = metadata["metadata"]["citations"].as_array().unwrap().iter().collect();
    assert_eq!(cited, listed);
    for event in events.iter().filter(|e| e.kind() == "citation") {
        assert_eq!(event.data["content"], event.data["metadata"]["source"]);
    }
}

async fn resume(daemon: &Daemon, turn: &str, seen: Option<&str>) -> Vec<Event> {
    let mut request = daemon.client.get(format!("{}/api/turns/{turn}/events", daemon.base));
    if let Some(seen) = seen {
        request = request.header("Last-Event-ID", seen);
    }
    let response = request.timeout(PATIENCE).send().await.unwrap();
    assert!(response.status().is_success(), "{} after {seen:?}", response.status());
    let rest = response.text().await.unwrap_or_else(|e| panic!("the stream after {seen:?} does not end: {e}"));
    events(&rest)
}

fn comparable(events: &[Event]) -> Vec<(String, String)> {
    events.iter().map(|e| (e.id.clone(), e.data.to_string())).collect()
}

/// What is left after each position is exactly what followed it.
async fn assert_resumable(daemon: &Daemon, whole: &[Event]) {
    let turn = whole[0].data["metadata"]["turnId"].as_str().unwrap();
    assert_eq!(comparable(&resume(daemon, turn, None).await), comparable(whole));
    for (i, event) in whole.iter().enumerate() {
        let rest = resume(daemon, turn, Some(&event.id)).await;
        assert_eq!(comparable(&rest), comparable(&whole[i + 1..]), "after {}", event.id);
    }
}

#[tokio::test]
async fn a_stream_has_its_order_and_can_be_taken_up_anywhere_even_after_restarts() {
    let setup = Setup::slice();
    let daemon = setup.start().await;

    let response = daemon.post("/api/chat/stream", &serde_json::json!({ "message": DEPTH })).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(header(&response, "content-type").starts_with("text/event-stream"));
    assert_eq!(header(&response, "cache-control"), "no-cache");
    assert_eq!(header(&response, "x-accel-buffering"), "no");
    assert_eq!(header(&response, "content-encoding"), "");
    let calm = events(&response.text().await.unwrap());
    assert_stream(&calm);
    assert_eq!(calm[0].data["content"]["route"], "certification");
    assert_eq!(calm[1].data["content"]["classification"], "none");
    assert!(calm.iter().filter(|e| e.kind() == "citation").count() > 0);

    let alarm = daemon.stream(None, "My buddy can't feel his legs after the dive").await.rest().await;
    assert_stream(&alarm);
    assert_eq!(alarm[0].data["content"]["route"], "safety");
    assert_eq!(alarm[1].data["content"]["classification"], "emergency");
    let elsewhere = daemon.stream(None, "What is the best pizza in Naples?").await.rest().await;
    assert_stream(&elsewhere);
    assert_eq!(elsewhere[0].data["content"]["route"], "retrieval");

    for whole in [&calm, &alarm, &elsewhere] {
        assert_resumable(&daemon, whole).await;
    }
    daemon.terminate();
    assert!(daemon.ended().await.success());
    let daemon = setup.start().await;
    assert_resumable(&daemon, &calm).await;
    assert_resumable(&daemon, &alarm).await;
    daemon.kill().await;
    let daemon = setup.start().await;
    assert_resumable(&daemon, &calm).await;
    daemon.kill().await;
}

#[tokio::test]
async fn unknown_turns_and_odd_positions_are_answered() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    for unknown in ["3f8a2c10-9b7e-4d21-8a55-0c1d2e3f4a5b", "nonsense", "%00", "..%2f..%2fetc"] {
        let url = format!("{}/api/turns/{unknown}/events", daemon.base);
        let response = daemon.client.get(url).timeout(PATIENCE).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{unknown}");
        error_of(&response.text().await.unwrap());
    }
    let whole = daemon.stream(None, DEPTH).await.rest().await;
    let turn = whole[0].data["metadata"]["turnId"].as_str().unwrap();
    for odd in ["", "nonsense", "1/2/3", &format!("{turn}/1/x"), &format!("{turn}/99999999999999999999/1")] {
        let rest = resume(&daemon, turn, Some(odd)).await;
        assert_eq!(comparable(&rest), comparable(&whole), "{odd:?} tells of nothing seen");
    }
    daemon.kill().await;
}

#[tokio::test]
async fn a_turn_is_finished_whether_or_not_anyone_listens() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let session = daemon.session().await;
    let mut live = daemon.stream(Some(&session), DEPTH).await;
    live.next().await.unwrap();
    drop(live);
    let history = eventually("the reply in the history", PATIENCE, async || {
        let history = daemon.history(&session).await;
        (history.len() == 2).then_some(history)
    })
    .await;
    assert!(history[1].1.contains("18 m"), "{history:?}");
    let next = daemon.ask(Some(&session), "What is a safety stop?").await;
    assert_eq!(next["agentType"], "safety");
    daemon.kill().await;
}

#[tokio::test]
async fn turns_of_one_conversation_keep_their_order() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let session = daemon.session().await;
    let mut streams = Vec::new();
    for n in 0..10 {
        // The route is sent once the message is accepted: from then on its place is fixed.
        let mut live = daemon.stream(Some(&session), &format!("Question {n}: what is a safety stop?")).await;
        assert_eq!(live.next().await.unwrap().kind(), "route");
        streams.push(live);
    }
    for live in streams {
        assert_eq!(live.rest().await.last().unwrap().kind(), "final");
    }
    let history = daemon.history(&session).await;
    let said: Vec<&str> = history.iter().filter(|(role, _)| role == "user").map(|(_, text)| text.as_str()).collect();
    let expected: Vec<String> = (0..10).map(|n| format!("Question {n}: what is a safety stop?")).collect();
    assert_eq!(said, expected);
    assert!(history.chunks(2).all(|turn| turn[0].0 == "user" && turn[1].0 == "assistant"));
    daemon.kill().await;
}

/// A client whose message waits for the one before it knows at once what it waits for.
#[tokio::test]
async fn the_route_is_told_once_the_message_is_accepted() {
    let fake = models::start(models::slow(Duration::from_secs(6))).await;
    let mut setup = Setup::slice();
    models::with_model(&mut setup, &fake);
    let daemon = setup.start().await;
    let session = daemon.session().await;
    let mut first = daemon.stream(Some(&session), DEPTH).await;
    first.next_of("token").await.expect("it runs");

    let began = Instant::now();
    let mut second = daemon.stream(Some(&session), "What is a safety stop?").await;
    let route = second.next().await.expect("the route");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(route.kind(), "route");
    let turn = route.data["metadata"]["turnId"].as_str().unwrap().to_owned();
    // The connection is lost while the message waits.
    drop(second);
    let rest = resume(&daemon, &turn, Some(&route.id)).await;
    let whole: Vec<Event> = std::iter::once(route).chain(rest).collect();
    assert_stream(&whole);
    assert_resumable(&daemon, &whole).await;
    assert_eq!(first.rest().await.last().unwrap().kind(), "final");
    daemon.kill().await;
}

/// Whatever erased it: nobody waits for a turn that will never come.
#[tokio::test]
async fn the_turns_of_an_erased_session_are_unknown() {
    let fake = models::start(models::slow(Duration::from_secs(6))).await;
    let mut setup = Setup::slice();
    models::with_model(&mut setup, &fake);
    let daemon = setup.start().await;
    for by in ["delete", "/forget", "command"] {
        let session = daemon.session().await;
        let mut running = daemon.stream(Some(&session), DEPTH).await;
        let route = running.next().await.unwrap();
        if by == "/forget" {
            assert_eq!(running.rest().await.last().unwrap().kind(), "final");
        } else {
            drop(running);
        }
        let turn = route.data["metadata"]["turnId"].as_str().unwrap();
        match by {
            "delete" => {
                let url = format!("{}/api/sessions/{session}", daemon.base);
                assert_eq!(daemon.client.delete(url).send().await.unwrap().status(), StatusCode::NO_CONTENT);
            }
            "/forget" => drop(daemon.ask(Some(&session), "/forget").await),
            _ => drop(setup.ok(&["erase", "--session", &session]).await),
        }
        for seen in ["", &route.id] {
            let url = format!("{}/api/turns/{turn}/events", daemon.base);
            let request = daemon.client.get(url).header("Last-Event-ID", seen);
            let response = request.timeout(Duration::from_secs(10)).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{by}, {seen:?}");
            assert_eq!(error_of(&response.text().await.unwrap()).0, "TURN_NOT_FOUND");
        }
    }
    daemon.kill().await;
}
