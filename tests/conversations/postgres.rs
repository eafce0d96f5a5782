//! The same daemon with its conversations on a Postgres server, alone and as one of several replicas.

use std::time::{Duration, Instant};

use dovvybuddy_fakes::postgres::Database;
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::models;
use crate::support::{Daemon, Setup};
use crate::wire::{Live, eventually};

const DEPTH: &str = "How deep can a PADI Open Water Diver go?";
const ALARM: &str = "my buddy can't feel his legs after the dive";
/// A replica's work is taken over within this time after it died.
const TAKEOVER: Duration = Duration::from_secs(15);

async fn database() -> Database {
    Database::create().await.expect("a server for the tests")
}

/// A daemon's environment on this database.
pub(crate) fn on(database: &Database) -> Setup {
    let mut setup = Setup::slice();
    setup.database_is(database);
    setup
}

async fn keyed(daemon: &Daemon, session: &str, key: &str, message: &str) -> (StatusCode, Value) {
    let request = daemon.client.post(format!("{}/api/chat", daemon.base)).header("Idempotency-Key", key);
    let response = request.json(&json!({ "message": message, "sessionId": session })).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_conversation_outlives_its_daemon() {
    let database = database().await;
    // As the Python service had it.
    let mut setup = on(&database);
    setup.variable("DATABASE_URL", &database.urls().0.replace("postgres://", "postgresql+asyncpg://"));
    let daemon = setup.start().await;
    let answer = daemon.ask(None, DEPTH).await;
    assert!(answer["message"].as_str().unwrap().contains("18 m"), "{answer}");
    let session = answer["sessionId"].as_str().unwrap().to_owned();
    daemon.terminate();
    assert!(daemon.ended().await.success());

    let daemon = setup.start().await;
    let further = daemon.ask(Some(&session), "And how long should I wait before flying?").await;
    assert_eq!(further["sessionId"], session.as_str());
    let history = daemon.history(&session).await;
    assert_eq!(history.iter().map(|(role, _)| role.as_str()).collect::<Vec<_>>(), ["user", "assistant"].repeat(2));
    let deleted = daemon.client.delete(format!("{}/api/sessions/{session}", daemon.base)).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(daemon.get(&format!("/api/sessions/{session}")).await.unwrap().status(), StatusCode::NOT_FOUND);
    daemon.kill().await;
}

#[tokio::test]
async fn with_the_database_gone_an_emergency_is_answered_and_all_heals_when_it_is_back() {
    let database = database().await;
    let setup = on(&database);
    let daemon = setup.start().await;
    let session = daemon.session().await;
    database.vanish().await.unwrap();

    let asked = Instant::now();
    let alarm = daemon.ask(Some(&session), ALARM).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(alarm["metadata"]["degraded"], json!(["store"]), "{alarm}");
    assert!(alarm["message"].as_str().unwrap().contains("oxygen"), "{alarm}");
    let refused = daemon.post("/api/chat", &json!({ "message": DEPTH })).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let body = refused.text().await.unwrap();
    assert!(body.contains("STORE_UNAVAILABLE") && !body.contains("SELECT") && !body.contains("postgres"), "{body}");
    eventually("readiness turns red", Duration::from_secs(5), async || {
        (daemon.get("/ready").await.unwrap().status() == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;

    database.appear().await.unwrap();
    eventually("it answers again, unaided", Duration::from_secs(10), async || {
        let response = daemon.post("/api/chat", &json!({ "message": DEPTH })).await;
        (response.status() == StatusCode::OK).then_some(())
    })
    .await;
    daemon.kill().await;
}

/// A server that is restarted, or fails over, ends every connection; nobody need notice.
#[tokio::test]
async fn connections_that_are_cut_are_made_anew_unnoticed() {
    let database = database().await;
    let daemon = on(&database).start().await;
    for n in 0..5 {
        database.cut().await.unwrap();
        let (status, answer) = keyed(&daemon, &daemon.session().await, &format!("k{n}"), DEPTH).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    daemon.kill().await;
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn killed_at_every_named_point_nothing_is_lost_or_doubled() {
    for point in crate::crashes::POINTS {
        let database = database().await;
        crate::crashes::killed_at(point, on(&database)).await;
    }
}

#[tokio::test]
async fn two_replicas_are_one_bot() {
    let database = database().await;
    let (one, two) = (on(&database), on(&database));
    let (one, two) = tokio::join!(one.start(), two.start());
    let session = one.session().await;
    one.ask(Some(&session), DEPTH).await;
    two.ask(Some(&session), "And how long should I wait before flying?").await;
    assert_eq!(one.history(&session).await.len(), 4);
    assert_eq!(one.history(&session).await, two.history(&session).await);

    // The same message at the same moment at both: one turn.
    for n in 0..10 {
        let key = format!("twice-{n}");
        let (here, there) = tokio::join!(keyed(&one, &session, &key, DEPTH), keyed(&two, &session, &key, DEPTH));
        assert_eq!((here.0, there.0), (StatusCode::OK, StatusCode::OK), "{here:?} {there:?}");
        assert_eq!(here.1["metadata"]["turnId"], there.1["metadata"]["turnId"]);
    }
    assert_eq!(one.history(&session).await.len(), 24);

    // What one stored is told by the other, event by event.
    let (_, answer) = keyed(&one, &session, "told", DEPTH).await;
    let turn = answer["metadata"]["turnId"].as_str().unwrap();
    let events = Live::new(two.get(&format!("/api/turns/{turn}/events")).await.unwrap()).rest().await;
    assert_eq!(events.last().unwrap().data["content"], answer["message"]);
    one.kill().await;
    two.kill().await;
}

/// One conversation, written to at both replicas at once: each message is answered once, one after another.
#[tokio::test]
async fn a_conversation_over_two_replicas_keeps_its_order() {
    let database = database().await;
    let (one, two) = (on(&database), on(&database));
    let (one, two) = tokio::join!(one.start(), two.start());
    let session = one.session().await;
    let messages: Vec<String> =
        (0..16).map(|n| format!("Question {n}: how deep may I dive with Open Water?")).collect();
    let sends = messages.iter().enumerate().map(|(n, message)| {
        let daemon = if n % 2 == 0 { &one } else { &two };
        daemon.ask(Some(&session), message)
    });
    join_all(sends).await;
    let history = two.history(&session).await;
    assert_eq!(history.len(), 32);
    for pair in history.chunks(2) {
        assert_eq!((pair[0].0.as_str(), pair[1].0.as_str()), ("user", "assistant"));
    }
    for message in &messages {
        assert_eq!(history.iter().filter(|(_, text)| text == message).count(), 1, "{message}");
    }
    one.kill().await;
    two.kill().await;
}

/// Five at once, whichever replica is asked.
#[tokio::test]
async fn a_limit_is_one_over_all_replicas() {
    let database = database().await;
    let mut setups = [on(&database), on(&database)];
    for setup in &mut setups {
        setup.set("LIMITS__DIVER_PER_MINUTE", "1").set("LIMITS__DIVER_BURST", "5");
    }
    let [one, two] = &setups;
    let (one, two) = tokio::join!(one.start(), two.start());
    let session = one.session().await;
    let body = json!({ "message": DEPTH, "sessionId": session });
    let sends = (0..12).map(|n| if n % 2 == 0 { one.post("/api/chat", &body) } else { two.post("/api/chat", &body) });
    let statuses: Vec<StatusCode> = join_all(sends).await.iter().map(reqwest::Response::status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::OK).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count(), 7, "{statuses:?}");
    one.kill().await;
    two.kill().await;
}

/// A replica dies in the middle of an answer; another one gives it, and the client finds it there.
#[tokio::test]
async fn a_dead_replicas_turn_is_taken_up_by_another() {
    let database = database().await;
    let model = models::start(models::slow(Duration::from_mins(1))).await;
    let (mut dying, other) = (on(&database), on(&database));
    models::with_model(&mut dying, &model);
    let (dying, other) = tokio::join!(dying.start(), other.start());
    let session = dying.session().await;
    let mut stream = dying.stream(Some(&session), DEPTH).await;
    let route = stream.next_of("route").await.unwrap();
    let turn = route.data["metadata"]["turnId"].as_str().unwrap().to_owned();
    eventually("the model is asked", Duration::from_secs(10), async || (model.counts().chats > 0).then_some(())).await;
    dying.kill().await;

    let died = Instant::now();
    let events = Live::new(other.get(&format!("/api/turns/{turn}/events")).await.unwrap()).rest().await;
    assert!(died.elapsed() < TAKEOVER, "{:?}", died.elapsed());
    let last = events.last().unwrap();
    assert_eq!(last.kind(), "final", "{last:?}");
    assert_eq!(other.history(&session).await.len(), 2);
    other.kill().await;
}

#[tokio::test]
async fn commands_know_whose_the_database_is() {
    let database = database().await;
    let mut setup = on(&database);
    let url = database.url();
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    setup.variable("DATABASE_URL", &format!("{scheme}://postgres:geheim@{host}"));
    setup.ok(&["migrate"]).await;
    for command in [&["backup", "copy"][..], &["restore", "copy"][..]] {
        assert!(setup.fails(command).await.contains("pg_"), "{command:?}");
    }
    let shown = setup.ok(&["config", "show"]).await;
    assert!(shown.contains(host) && !shown.contains("geheim"), "{shown}");
    let doctor = setup.run(&["doctor"]).await.1;
    assert!(doctor.contains("ok    durability: Postgres") && !doctor.contains("geheim"), "{doctor}");
    let answer = setup.json(&["ask", "--json", DEPTH]).await;
    assert!(answer["message"].as_str().unwrap().contains("18 m"), "{answer}");
}

/// Everything is there afterwards: conversations, leads, ratings, content.
#[tokio::test]
async fn an_embedded_installation_moves_over_whole() {
    let database = database().await;
    let mut setup = Setup::slice();
    let daemon = setup.start().await;
    let answer = daemon.ask(None, DEPTH).await;
    let session = answer["sessionId"].as_str().unwrap().to_owned();
    let lead = json!({ "type": "trip", "data": { "name": "Ada", "email": "ada@example.com" }, "session_id": session });
    assert_eq!(daemon.post("/api/leads", &lead).await.status(), StatusCode::CREATED);
    let rating = json!({ "turnId": answer["metadata"]["turnId"], "rating": "up", "comment": "nice" });
    assert_eq!(daemon.post("/api/feedback", &rating).await.status(), StatusCode::NO_CONTENT);
    let history = daemon.history(&session).await;

    let (from, to) = (format!("sqlite:{}", setup.database().display()), database.url());
    let moving = ["migrate", "--from", &from, "--to", &to];
    assert!(setup.fails(&moving).await.contains("stop it first"), "it is being served");
    daemon.terminate();
    assert!(daemon.ended().await.success());
    let moved = setup.json(&["migrate", "--json", "--from", &from, "--to", &to]).await;
    for (table, rows) in [("sessions", 1), ("messages", 2), ("turns", 1), ("leads", 1), ("feedback", 1)] {
        assert_eq!(moved["moved"][table], rows, "{moved}");
    }
    assert!(setup.fails(&moving).await.contains("not empty"), "not twice");

    setup.variable("DATABASE_URL", &to);
    let daemon = setup.start().await;
    assert_eq!(daemon.history(&session).await, history);
    daemon.ask(Some(&session), "And how long should I wait before flying?").await;
    assert_eq!(daemon.history(&session).await.len(), 4);
    let leads = setup.ok(&["leads", "list"]).await;
    assert!(leads.contains("Ada"), "{leads}");
    daemon.kill().await;
}

/// Content that one process ingests is answered from by every replica.
#[tokio::test]
async fn content_ingested_once_is_known_to_all() {
    let database = database().await;
    let (one, other) = (on(&database), on(&database));
    let (first, second) = tokio::join!(one.start(), other.start());
    one.document(
        "safety/zanzabuku.md",
        "---\ntitle: Zanzabuku valves\ndoc_type: safety\n---\n# Zanzabuku valves\n\nA zanzabuku valve opens at 77 bar.\n",
    );
    one.ok(&["content", "ingest"]).await;
    for daemon in [&first, &second] {
        eventually("the new document is cited", Duration::from_secs(10), async || {
            let answer = daemon.ask(None, "At what pressure does a zanzabuku valve open?").await;
            answer["message"].as_str().unwrap().contains("77 bar").then_some(())
        })
        .await;
    }
    first.kill().await;
    second.kill().await;
}
