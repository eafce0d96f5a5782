//! Limits: who is refused, how it is told, and who never is.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::{DEPTH, error_of, header};
use crate::support::{Daemon, Setup};

const ALARM: &str = "My buddy can't feel his legs after the dive";

fn assert_refusal(response: &Response) {
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = header(response, "retry-after").parse().expect("Retry-After in seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(header(response, "ratelimit").contains("r=0"), "{:?}", response.headers());
    assert!(header(response, "ratelimit-policy").contains("q="), "{:?}", response.headers());
}

#[tokio::test]
async fn a_diver_is_refused_after_the_burst_but_never_in_an_emergency() {
    let setup = Setup::slice().with("LIMITS__DIVER_PER_MINUTE", "20").with("LIMITS__DIVER_BURST", "5");
    let daemon = setup.start().await;
    let session = daemon.session().await;
    let body = json!({ "message": DEPTH, "sessionId": session });
    let mut refused = None;
    let mut allowed = 0;
    for _ in 0..12 {
        let response = daemon.post("/api/chat", &body).await;
        if response.status() == StatusCode::OK {
            assert_ne!(header(&response, "ratelimit"), "", "what is left is told");
            assert!(header(&response, "ratelimit-policy").contains("q=20"));
            allowed += 1;
        } else {
            refused = Some(response);
            break;
        }
    }
    // One more may have been earned back meanwhile: one every three seconds.
    assert!((5..=8).contains(&allowed), "{allowed}");
    let refused = refused.expect("a flood is refused");
    assert_refusal(&refused);
    assert_eq!(error_of(&refused.text().await.unwrap()).0, "RATE_LIMITED");
    let streamed = daemon.post("/api/chat/stream", &body).await;
    assert_refusal(&streamed);

    let history = daemon.history(&session).await;
    assert_eq!(history.len(), 2 * allowed, "what was refused was not accepted");
    for _ in 0..3 {
        let alarm = daemon.ask(Some(&session), ALARM).await;
        assert_eq!(alarm["metadata"]["emergency"], true);
    }
    let other = daemon.session().await;
    daemon.ask(Some(&other), DEPTH).await;
    daemon.kill().await;
}

async fn from(daemon: &Daemon, forwarded: &str, message: &str) -> StatusCode {
    let request = daemon.client.post(format!("{}/api/chat", daemon.base)).header("X-Forwarded-For", forwarded);
    request.json(&json!({ "message": message })).send().await.unwrap().status()
}

/// How many of `tries` requests from these addresses were let through.
async fn let_through(daemon: &Daemon, tries: usize, address: impl Fn(usize) -> String) -> usize {
    let mut count = 0;
    for n in 0..tries {
        count += usize::from(from(daemon, &address(n), DEPTH).await == StatusCode::OK);
    }
    count
}

#[tokio::test]
async fn an_address_is_limited_and_a_made_up_one_does_not_help() {
    let setup = Setup::slice().with("LIMITS__IP_PER_MINUTE", "6");
    let daemon = setup.start().await;
    let through = let_through(&daemon, 20, |n| format!("203.0.113.{n}")).await;
    assert!((1..=10).contains(&through), "{through} of 20");
    let response = daemon.post("/api/chat", &json!({ "message": DEPTH })).await;
    assert_refusal(&response);
    assert_eq!(error_of(&response.text().await.unwrap()).0, "RATE_LIMITED");
    assert_eq!(from(&daemon, "203.0.113.7", ALARM).await, StatusCode::OK, "an emergency is never refused");
    assert_eq!(daemon.get("/health").await.unwrap().status(), StatusCode::OK);
    daemon.kill().await;

    let setup = setup.with("HTTP__TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8");
    let daemon = setup.start().await;
    let through = let_through(&daemon, 15, |n| format!("203.0.113.{n}")).await;
    assert_eq!(through, 15, "behind the proxy each address counts for itself");
    // What stands left of the first untrusted hop is the client's own invention.
    let through = let_through(&daemon, 20, |n| format!("198.51.100.{n}, 192.0.2.9, 10.0.0.{n}")).await;
    assert!((1..=10).contains(&through), "{through} of 20");
    daemon.kill().await;
}

#[tokio::test]
async fn leads_sessions_and_feedback_have_limits_of_their_own() {
    let setup = Setup::slice()
        .with("LIMITS__LEADS_PER_MINUTE", "3")
        .with("LIMITS__SESSIONS_PER_MINUTE", "3")
        .with("LIMITS__FEEDBACK_PER_MINUTE", "3");
    let daemon = setup.start().await;
    let answer = daemon.ask(None, DEPTH).await;
    let lead = json!({ "type": "trip", "data": { "name": "Ana", "email": "ana@example.com" } });
    let feedback = json!({ "turnId": answer["metadata"]["turnId"], "rating": "up" });
    for (path, body) in
        [("/api/leads", lead), ("/api/feedback", feedback), ("/api/sessions", Value::Object(serde_json::Map::new()))]
    {
        let mut statuses = Vec::new();
        for _ in 0..10 {
            statuses.push(daemon.post(path, &body).await.status());
        }
        assert!(statuses[0].is_success(), "{path}: {statuses:?}");
        let refusal = daemon.post(path, &body).await;
        assert_refusal(&refusal);
        assert_eq!(error_of(&refusal.text().await.unwrap()).0, "RATE_LIMITED");
    }
    daemon.ask(None, DEPTH).await;
    daemon.kill().await;
}
