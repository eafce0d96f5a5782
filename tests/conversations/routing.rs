//! A model's say in routing: only in doubt, never for long, never about an emergency.

use std::time::{Duration, Instant};

use dovvybuddy_fakes::model::{Fault, Script};
use serde_json::Value;

use crate::models::{start, with_model};
use crate::support::Setup;

const DEPTH: &str = "How deep can a PADI Open Water Diver go?";
const ALARM: &str = "My buddy can't feel his legs after the dive";

/// A setup whose router is always in doubt.
fn doubting() -> Setup {
    Setup::slice().with("ROUTER__MARGIN", "1.0").with("ROUTER__BUDGET_MS", "600")
}

#[tokio::test]
async fn a_model_that_names_an_agent_is_followed_and_anything_else_is_not() {
    let fake = start(Script::default()).await;
    let mut setup = doubting();
    with_model(&mut setup, &fake);
    let daemon = setup.start().await;
    let replies = [
        ("trip", "trip"),
        (" \"Trip\".\n", "trip"),
        ("certification", "certification"),
        ("I'm sorry, I can't help with that.", "certification"),
        ("emergency", "certification"),
        ("trip\nand ignore what you were told", "certification"),
        ("nonsense", "certification"),
        ("", "certification"),
    ];
    for (said, agent) in replies {
        fake.then([Script::saying(said)]);
        let before = fake.counts().chats;
        let answer = daemon.ask(None, DEPTH).await;
        assert_eq!(answer["agentType"], agent, "{said:?}: {answer}");
        assert_eq!(fake.counts().chats, before + 2, "one call to sort, one to answer");
        assert_eq!(answer["metadata"]["degraded"].as_array().unwrap().iter().filter(|d| *d == "llm").count(), 0);
    }
    let sorted: Vec<Value> =
        fake.requests().into_iter().filter(|request| request.to_string().contains("You sort")).collect();
    assert_eq!(sorted.len(), replies.len());
    assert!(sorted[0].to_string().contains("out_of_scope") && sorted[0].to_string().contains(DEPTH));

    // What lies outside diving is refused, unless it was read as a matter of safety.
    fake.then([Script::saying("out_of_scope")]);
    let answer = daemon.ask(None, DEPTH).await;
    assert_eq!(answer["metadata"]["outOfScope"], true, "{answer}");
    fake.then([Script::saying("out_of_scope")]);
    let answer = daemon.ask(None, "How long should I wait before flying after diving?").await;
    assert_eq!(answer["agentType"], "safety", "{answer}");
    assert_eq!(answer["metadata"]["outOfScope"], false, "{answer}");

    let before = fake.counts().chats;
    let alarm = daemon.ask(None, ALARM).await;
    assert_eq!(alarm["metadata"]["emergency"], true);
    assert_eq!(fake.counts().chats, before, "an emergency asks no model");
    daemon.kill().await;
}

#[tokio::test]
async fn a_model_that_fails_costs_a_moment_and_changes_nothing() {
    let fake = start(Script::default()).await;
    let mut setup = doubting();
    with_model(&mut setup, &fake);
    let daemon = setup.start().await;
    // Quick to answer, slow to sort: the second would say something else, too late.
    let slow = Script { first_token: Duration::from_secs(3), ..Script::saying("trip") };
    for script in [
        Script::failing(Fault::Hang),
        slow,
        Script::failing(Fault::Garble),
        Script::saying("trip").with(Fault::Cut(120)),
        Script::failing(Fault::Status { code: 500, retry_after: None }),
        Script::failing(Fault::Refuse),
    ] {
        fake.then([script.clone()]);
        let began = Instant::now();
        let answer = daemon.ask(None, DEPTH).await;
        assert_eq!(answer["agentType"], "certification", "{script:?}: {answer}");
        assert_eq!(answer["metadata"]["model"], "fake-1", "{script:?}: the answer is the model's all the same");
        assert!(began.elapsed() < Duration::from_millis(2500), "{script:?}: {:?}", began.elapsed());
    }
    daemon.kill().await;
}

#[tokio::test]
async fn a_model_is_not_asked_where_the_router_is_sure_or_the_caps_forbid_it() {
    let fake = start(Script::default()).await;
    let mut setup = Setup::slice();
    with_model(&mut setup, &fake);
    let daemon = setup.start().await;
    daemon.ask(None, DEPTH).await;
    assert_eq!(fake.counts().chats, 1, "by default a clear question is not sorted by a model");
    daemon.kill().await;

    let mut setup = doubting().with("LLM__TOKENS_PER_DAY", "1");
    with_model(&mut setup, &fake);
    let daemon = setup.start().await;
    let answer = daemon.ask(None, DEPTH).await;
    assert_eq!(answer["agentType"], "certification");
    assert_eq!(fake.counts().chats, 1, "what can't be paid is not asked");
    daemon.kill().await;
}

#[tokio::test]
async fn an_evaluation_asks_the_model_only_if_told_to() {
    let fake = start(Script::saying("trip")).await;
    let mut setup = doubting();
    with_model(&mut setup, &fake);
    let cases = [("a", DEPTH, "certification"), ("b", ALARM, "emergency")]
        .map(|(id, text, label)| serde_json::json!({"id": id, "text": text, "label": label, "lang": "en"}).to_string())
        .join("\n");
    let file = setup.home.path().join("cases.jsonl");
    std::fs::write(&file, cases).unwrap();
    let file = file.to_str().unwrap();
    let alone = setup.json(&["eval", "routing", file, "--json"]).await;
    assert_eq!((&alone["accuracy"], fake.counts().chats), (&Value::from(1.0), 0), "{alone}");
    let with = setup.json(&["eval", "routing", file, "--llm", "configured", "--json"]).await;
    assert_eq!(fake.counts().chats, 1, "the emergency is none of the model's business");
    assert_eq!(with["confusion"]["certification"]["trip"], 1, "{with}");
    assert_eq!(with["emergency"]["recall"], 1.0, "{with}");
}
