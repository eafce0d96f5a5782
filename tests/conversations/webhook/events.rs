//! Events for the operator's own systems.

use dovvybuddy_fakes::webhook::{Answer, Receiver};
use serde_json::{Value, json};

use super::{ALARM, DEPTH, SECRET, SOON, receiver, replies};
use crate::support::Setup;
use crate::wire::eventually;

/// Every event once: one that was under way in a crash comes again under its id.
fn told(receiver: &Receiver, kind: &str) -> Vec<Value> {
    let mut ids = std::collections::HashSet::new();
    let taken = receiver.deliveries().into_iter().filter(|delivery| delivery.answered == 200);
    let fresh = taken.filter(|delivery| ids.insert(delivery.header("webhook-id").unwrap_or_default().to_owned()));
    let events = fresh.map(|delivery| serde_json::from_slice::<Value>(&delivery.body).unwrap());
    events.filter(|event| event["type"] == kind).collect()
}

async fn wait_for(receiver: &Receiver, kind: &str, n: usize) -> Vec<Value> {
    eventually(kind, SOON, async || {
        let events = told(receiver, kind);
        (events.len() >= n).then_some(events)
    })
    .await
}

fn with_events(receiver: &Receiver, kinds: &str) -> Setup {
    Setup::slice()
        .with("EVENTS__WEBHOOK_URL", &receiver.url())
        .with("EVENTS__WEBHOOK_SECRET", SECRET)
        .with("EVENTS__SEND", kinds)
        .with("OUTGOING__ALLOW", "127.0.0.0/8")
}

#[tokio::test]
async fn what_happens_is_told_once_across_a_restart() {
    let receiver = receiver().await;
    let setup = with_events(&receiver, "lead.created,turn.finished,feedback.created");
    let daemon = setup.start().await;
    // The first look marks the beginning.
    eventually("the herald looks", SOON, async || {
        let status: Value = daemon.get("/status").await.unwrap().json().await.unwrap();
        status["loops"].to_string().contains("\"events\"").then_some(())
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    let answer = daemon.ask(None, DEPTH).await;
    let turn = &answer["metadata"]["turnId"];
    let rating = json!({ "turnId": turn, "rating": "up", "comment": "clear" });
    assert_eq!(daemon.post("/api/feedback", &rating).await.status(), 204);
    let lead = json!({ "type": "trip", "data": { "name": "Ana", "email": "ana@example.com" } });
    assert_eq!(daemon.post("/api/leads", &lead).await.status(), 201);
    let finished = wait_for(&receiver, "turn.finished", 1).await;
    assert_eq!((&finished[0]["data"]["turnId"], &finished[0]["data"]["channel"]), (turn, &json!("web")));
    assert_eq!(finished[0]["data"]["outcome"], "answered");
    assert!(!finished[0].to_string().contains("Open Water Diver go?"), "no diver's words");
    let rated = wait_for(&receiver, "feedback.created", 1).await;
    assert_eq!((&rated[0]["data"]["rating"], &rated[0]["data"]["comment"]), (&json!("up"), &json!("clear")));
    let leads = wait_for(&receiver, "lead.created", 1).await;
    assert_eq!(leads[0]["data"]["data"]["name"], "Ana");
    daemon.kill().await;

    let daemon = setup.start().await;
    daemon.ask(None, "/privacy").await;
    wait_for(&receiver, "turn.finished", 2).await;
    assert_eq!((told(&receiver, "feedback.created").len(), told(&receiver, "lead.created").len()), (1, 1));
    assert!(receiver.deliveries().iter().all(|delivery| delivery.signed == Some(true)));
    daemon.kill().await;
}

#[tokio::test]
async fn an_emergency_is_repeated_until_it_is_acknowledged() {
    let receiver = receiver().await;
    // Taken, but nobody says that somebody saw it.
    receiver.then([Answer::Ok]);
    receiver.always(Answer::Body(r#"{"ack":true}"#.to_owned()));
    let setup = with_events(&receiver, "emergency.detected");
    let daemon = setup.start().await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    let answer = daemon.ask(None, ALARM).await;
    let first = wait_for(&receiver, "emergency.detected", 1).await;
    assert_eq!(first[0]["data"]["turnId"], answer["metadata"]["turnId"]);
    assert_eq!((&first[0]["data"]["text"], &first[0]["data"]["channel"]), (&json!(ALARM), &json!("web")));
    eventually("it is told again", std::time::Duration::from_secs(40), async || {
        (replies(&receiver).len() == 2).then_some(())
    })
    .await;
    let same = receiver.deliveries();
    assert_eq!(same[0].header("webhook-id"), same[1].header("webhook-id"));
    eventually("acknowledged is done", SOON, async || {
        let status: Value = daemon.get("/status").await.unwrap().json().await.unwrap();
        (status["queue"]["outbox_pending"] == 0).then_some(())
    })
    .await;
    daemon.kill().await;
}
