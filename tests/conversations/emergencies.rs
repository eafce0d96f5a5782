//! An emergency gets the right words at once, whatever else is broken or busy, and stays on the
//! conversation until it is called off.

use std::time::{Duration, Instant};

use dovvybuddy_core::testkit::at_most;
use dovvybuddy_fakes::model::Script;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::models;
use crate::support::{Daemon, Setup};
use crate::wire::{PATIENCE, eventually};

const ALARM: &str = "My buddy can't feel his legs after the dive";
/// The longest an emergency may take.
const AT_ONCE: Duration = Duration::from_millis(500);

async fn alarm(daemon: &Daemon, session: Option<&str>, message: &str) -> Value {
    let began = Instant::now();
    let answer = daemon.ask(session, message).await;
    let took = began.elapsed();
    assert!(is_alarm(&answer), "{message}: {answer}");
    assert!(took < at_most(AT_ONCE), "{message}: took {took:?}");
    answer
}

fn is_alarm(answer: &Value) -> bool {
    answer["agentType"] == "safety" && answer["metadata"]["emergency"] == true
}

fn text(answer: &Value) -> &str {
    answer["message"].as_str().unwrap()
}

#[tokio::test]
async fn the_words_fit_the_danger_and_the_divers_language() {
    let setup = Setup::slice().with("OPERATOR__EMERGENCY_CONTACTS", "Duty instructor +62 812 5550 100");
    let daemon = setup.start().await;
    let number = regex::Regex::new(r"\+?\d[\d ]{5,}\d").unwrap();
    let oxygen = [
        (ALARM, "oxygen"),
        ("tingly feet 2 hrs after last dive is this something", "oxygen"),
        ("Mi compañero no siente las piernas después de bucear", "oxígeno"),
        ("Mein Tauchpartner spürt nach dem Tauchgang seine Beine nicht mehr", "Sauerstoff"),
        ("ダイビングの後、足の感覚がありません", "酸素"),
        ("朋友潜水后半边身体没有知觉", "氧"),
    ];
    for (message, word) in oxygen {
        let answer = alarm(&daemon, None, message).await;
        let said = text(&answer);
        assert!(said.contains(word), "{word} in {said}");
        assert!(number.is_match(said), "a number to call in {said}");
        assert!(said.contains("+62 812 5550 100"), "the operator's own contact in {said}");

        let events = daemon.stream(None, message).await.rest().await;
        assert_eq!(events[0].data["content"]["route"], "safety");
        assert_eq!(events[1].data["content"], json!({ "classification": "emergency" }));
        assert_eq!(events.last().unwrap().data["content"], said, "the stream says the same");
    }
    let missing = alarm(&daemon, None, "we cant find one of our divers, everyone else is back on board").await;
    assert!(!text(&missing).contains("lying flat"), "a missing diver can't be laid flat: {}", text(&missing));
    let heart = alarm(&daemon, None, "my dad is grabbing his chest, we just climbed out after the dive").await;
    assert!(text(&heart).contains("AED") || text(&heart).contains("defibrillator"), "{}", text(&heart));

    for calm in [
        "how common is dcs in recreational diving",
        "help me pick a mask for a narrow face",
        "id kill for a trip to raja ampat",
    ] {
        let answer = daemon.ask(None, calm).await;
        assert_eq!(answer["metadata"]["emergency"], false, "{calm}");
    }
    daemon.kill().await;
}

#[tokio::test]
async fn it_waits_for_no_model_and_cuts_short_what_runs() {
    let fake = models::start(Script { first_token: Duration::from_secs(8), ..Script::default() }).await;
    let mut setup = Setup::slice();
    models::with_model(&mut setup, &fake);
    let daemon = setup.start().await;
    let session = daemon.session().await;
    let mut running = daemon.stream(Some(&session), "How deep can a PADI Open Water Diver go?").await;
    assert_eq!(running.next().await.unwrap().kind(), "route");
    let waiting = daemon.stream(Some(&session), "And what is a safety stop?").await;
    eventually("the model is asked", PATIENCE, async || (fake.counts().chats > 0).then_some(())).await;

    let began = Instant::now();
    alarm(&daemon, Some(&session), ALARM).await;
    let cut = running.next_of("final").await.expect("the running turn ends");
    assert!(began.elapsed() < Duration::from_secs(2), "it was cut short: {:?}", began.elapsed());
    assert_eq!(cut.data["metadata"]["sessionId"], json!(session));
    eventually("the model's call is dropped", Duration::from_secs(2), async || {
        (fake.counts().in_flight <= 1).then_some(())
    })
    .await;

    // The message that waited is covered too, in the light of the emergency or not, but never lost.
    assert_eq!(waiting.rest().await.last().unwrap().kind(), "final");
    let history = daemon.history(&session).await;
    let said = history.iter().filter(|(role, _)| role == "user").count();
    let replies = history.iter().filter(|(role, _)| role == "assistant").count();
    assert_eq!((said, replies), (3, 3), "{history:?}");
    daemon.kill().await;
}

#[tokio::test]
async fn it_stays_on_until_it_is_called_off_and_new_signs_start_it_again() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let conversations = [
        (ALARM, "I feel fine now", "It's not an emergency"),
        (
            "Mein Tauchpartner spürt nach dem Tauchgang seine Beine nicht mehr",
            "Mir geht es wieder gut",
            "Das ist kein Notfall",
        ),
        ("Mi compañero no siente las piernas después de bucear", "Ya me siento bien", "No es una emergencia"),
    ];
    for (danger, fine, called_off) in conversations {
        let first = alarm(&daemon, None, danger).await;
        let session = first["sessionId"].as_str();
        let still = daemon.ask(session, fine).await;
        assert!(is_alarm(&still), "{fine} ends nothing: {still}");
        let off = daemon.ask(session, called_off).await;
        assert_eq!(off["metadata"]["emergency"], false, "{called_off}: {off}");
        let calm = daemon.ask(session, "How deep can a PADI Open Water Diver go?").await;
        assert_eq!(calm["agentType"], "certification", "{calm}");
        assert_eq!(calm["metadata"]["emergency"], false);
        alarm(&daemon, session, danger).await;
    }
    // What was called off in one conversation goes on in another, across a restart.
    let first = alarm(&daemon, None, ALARM).await;
    daemon.kill().await;
    let daemon = setup.start().await;
    let still = daemon.ask(first["sessionId"].as_str(), "I feel fine now").await;
    assert!(is_alarm(&still), "it stays on over a restart: {still}");
    daemon.kill().await;
}

/// Another process that holds the database's only write lock: nothing can be stored.
pub(crate) async fn lock(setup: &Setup) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(setup.database());
    let mut connection = options.connect().await.unwrap();
    connection.execute("BEGIN IMMEDIATE").await.unwrap();
    connection
}

#[tokio::test]
async fn with_a_store_that_takes_nothing_it_is_answered_all_the_same() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let session = daemon.session().await;
    daemon.ask(Some(&session), "What is a safety stop?").await;

    let other = daemon.session().await;
    let mut held = lock(&setup).await;
    for session in [Some(session.as_str()), None] {
        let answer = alarm(&daemon, session, ALARM).await;
        assert_eq!(answer["metadata"]["degraded"], json!(["store"]), "{answer}");
        assert!(text(&answer).contains("oxygen"));
    }
    let events = daemon.stream(Some(&session), ALARM).await.rest().await;
    assert_eq!(events.last().unwrap().data["metadata"]["metadata"]["degraded"], json!(["store"]));
    let asked = Instant::now();
    let refused = daemon.post("/api/chat", &json!({ "message": "What is nitrox?", "sessionId": other })).await;
    assert!(asked.elapsed() < Duration::from_secs(21), "nobody waits longer than 20 s: {:?}", asked.elapsed());
    assert_eq!(refused.status(), 503, "anything else is told to come back");
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "STORE_UNAVAILABLE");

    held.execute("ROLLBACK").await.unwrap();
    held.close().await.unwrap();
    let still = daemon.ask(Some(&session), "I feel fine now").await;
    assert!(is_alarm(&still), "what could not be stored was heard: {still}");
    assert_eq!(still["metadata"]["degraded"].as_array().unwrap().iter().filter(|d| *d == "store").count(), 0);
    daemon.kill().await;
}

#[tokio::test]
async fn without_any_content_it_is_answered_all_the_same() {
    let setup = Setup::new();
    let empty = setup.home.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let setup = setup.with("CONTENT_DIR", empty.to_str().unwrap());
    let daemon = setup.start().await;
    let answer = alarm(&daemon, None, ALARM).await;
    assert!(text(&answer).contains("oxygen"), "{answer}");
    let other = daemon.ask(None, "How deep can a PADI Open Water Diver go?").await;
    assert_eq!(other["metadata"]["citations"], json!([]), "nothing is made up: {other}");
    assert_eq!(other["metadata"]["grounding"]["hasVerifiedData"], false);
    daemon.kill().await;
}

#[tokio::test]
async fn with_broken_words_in_the_content_the_ones_built_in_are_used_and_the_file_is_named() {
    let setup = Setup::slice();
    setup.document("emergency/replies/en.toml", "first = \"never closed\n");
    setup.document("emergency/hotlines.toml", "[[region]\n");
    let daemon = setup.start().await;
    let answer = alarm(&daemon, None, ALARM).await;
    assert!(text(&answer).contains("oxygen"), "{answer}");
    let log = setup.log_text();
    assert!(log.contains("en.toml") && log.contains("hotlines.toml"), "{log}");
    daemon.kill().await;
}

#[tokio::test]
async fn doctor_fails_over_broken_words_and_says_how_to_mend_them() {
    let setup = Setup::slice();
    setup.ok(&["doctor"]).await;
    setup.document("emergency/replies/en.toml", "first = \"never closed\n");
    setup.document("emergency/replies/th.toml", "reviewed = ''\n");
    setup.document("emergency/hotlines.toml", "[[region]\n");
    let said = setup.fails(&["doctor"]).await;
    for file in ["en.toml", "th.toml", "hotlines.toml"] {
        assert!(said.lines().any(|line| line.starts_with("FAIL") && line.contains(file)), "{file} in {said}");
    }
    for line in said.lines().filter(|line| line.starts_with("FAIL") || line.starts_with("warn")) {
        assert!(line.contains("; "), "no mend: {line}");
    }
    let (_, out, _) = setup.run(&["doctor", "--json"]).await;
    let findings: Value = serde_json::from_str(&out).unwrap();
    for finding in findings.as_array().unwrap().iter().filter(|finding| finding["state"] != "ok") {
        assert!(finding["mend"].as_str().is_some_and(|mend| !mend.is_empty()), "{finding}");
    }

    // A date that is none says nothing of when a number was checked.
    let setup = Setup::slice();
    let path = setup.content().join("emergency/hotlines.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let dated = regex::Regex::new("(?m)^checked = \"[0-9-]+\"|checked = \"[0-9-]+\"").unwrap();
    std::fs::write(&path, dated.replace_all(&text, "checked = \"yesterday\"").as_ref()).unwrap();
    let said = setup.ok(&["doctor"]).await;
    assert!(said.lines().any(|line| line.starts_with("warn  hotlines")), "{said}");
}
