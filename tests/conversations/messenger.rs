//! Instagram and Messenger: the real binary against a Graph API of our own, by one webhook with WhatsApp.

use std::time::Duration;

use dovvybuddy_fakes::graph::{self, FakeGraph, PHONE_NUMBER_ID, Product, Shown};
use serde_json::{Value, json};

use crate::models::anywhere;
use crate::support::{Daemon, Setup};

const TOKEN: &str = "EAAG-messenger-token";
const SECRET: &str = "messenger-app-secret";
const VERIFY: &str = "messenger-verify-token";
const BOTH: [Product; 2] = [Product::Instagram, Product::Messenger];
const DEPTH: &str = "How deep can a PADI Open Water Diver go?";
const ALARM: &str = "My buddy can't feel his legs after the dive";
/// How long an answer may take on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(20);

/// How a channel is called in the configuration.
const fn section(on: Product) -> &'static str {
    match on {
        Product::Instagram => "INSTAGRAM",
        Product::Messenger => "MESSENGER",
    }
}

async fn platform() -> FakeGraph {
    graph::start(anywhere(), TOKEN, SECRET).await.unwrap()
}

fn setup(platform: &FakeGraph) -> Setup {
    let mut setup = Setup::slice().with("LANES__SETTLE_MS", "0");
    for on in BOTH {
        for (key, value) in [
            ("ACCOUNT_ID", on.account()),
            ("ACCESS_TOKEN", &on.token(TOKEN)),
            ("APP_SECRET", SECRET),
            ("VERIFY_TOKEN", VERIFY),
            ("GRAPH_URL", &platform.url()),
        ] {
            setup.set(&format!("{}__{key}", section(on)), value);
        }
    }
    setup
}

async fn start(platform: &FakeGraph, setup: &Setup) -> Daemon {
    let daemon = setup.start().await;
    platform.connect(&format!("{}/webhooks/whatsapp", daemon.base));
    daemon
}

async fn messages(platform: &FakeGraph, person: &str, n: usize) -> Vec<Shown> {
    let found = platform.until(SOON, |p| Some(p.shown(person)).filter(|shown| shown.len() >= n)).await;
    found.unwrap_or_else(|| panic!("{n} messages expected, there are {:#?}", platform.shown(person)))
}

async fn ask(platform: &FakeGraph, on: Product, person: &str, text: &str) -> Shown {
    let before = platform.shown(person).len();
    platform.write(on, person, text);
    messages(platform, person, before + 1).await.pop().unwrap()
}

async fn status(daemon: &Daemon) -> Value {
    daemon.get("/status").await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_question_is_answered_with_quick_replies_that_lead_on() {
    let platform = platform().await;
    let mut setup = setup(&platform);
    let daemon = start(&platform, &setup).await;
    for (on, ada) in BOTH.into_iter().zip(["ada-ig", "ada-page"]) {
        let answer = ask(&platform, on, ada, DEPTH).await;
        assert!(answer.text.contains("18") && answer.text.contains("Sources:"), "{}", answer.text);
        assert!(!answer.text.contains("**") && answer.kind == "quick_replies", "{answer:#?}");
        assert!(platform.marks().contains(&(ada.to_owned(), true)), "typing");
        let known = platform.shown(ada).len();
        let (label, data) = answer.buttons.iter().find(|(_, data)| data == "connect").cloned().expect("a professional");
        platform.choose(on, ada, &label, &data);
        let asked = messages(&platform, ada, known + 1).await.pop().unwrap();
        assert!(asked.buttons.iter().any(|(_, data)| data == "choose:trip"), "{asked:#?}");
    }
    let loops = status(&daemon).await["loops"].to_string();
    assert!(loops.contains("instagram") && loops.contains("messenger"), "{loops}");
    assert!(!setup.log_text().contains(TOKEN) && !setup.log_text().contains(SECRET));
    setup.set("HTTP__PUBLIC_URL", "https://bot.example.com");
    let doctor = setup.run(&["doctor"]).await.1;
    assert!(doctor.contains("ok    instagram: Dive Shop") && doctor.contains("ok    messenger: Dive Shop"), "{doctor}");
    daemon.kill().await;
}

#[tokio::test]
async fn without_the_right_signature_nothing_is_stored() {
    let platform = platform().await;
    let mut setup = setup(&platform);
    // Another app's secret: its batches count for its own account alone.
    setup.set("MESSENGER__APP_SECRET", "another-secret");
    let daemon = start(&platform, &setup).await;
    let event = json!({ "message": { "mid": "m1", "text": ALARM } });
    let body = platform.batch_at(Product::Instagram, "ada", &event, 1_790_000_000);
    let right = graph::sign(SECRET, body.as_bytes());
    let others = graph::sign("another-secret", body.as_bytes());
    for wrong in [None, Some(""), Some(&*right.to_uppercase()), Some(&*others)] {
        assert_eq!(platform.post_as(&body, wrong).await, 401, "{wrong:?}");
    }
    assert_eq!(platform.post_as(&body.replace("legs", "arms"), Some(&right)).await, 401);
    assert_eq!(status(&daemon).await["queue"]["waiting"], 0);
    // What is signed but for no account of ours is nobody's.
    assert_eq!(platform.post(r#"{"object":"user","entry":[]}"#).await, 200);
    for (verify, expected) in [(VERIFY, 200), ("guess", 403)] {
        let path = format!("/webhooks/whatsapp?hub.mode=subscribe&hub.verify_token={verify}&hub.challenge=42");
        assert_eq!(daemon.get(&path).await.unwrap().status(), expected);
    }
    assert!(platform.shown("ada").is_empty());
    daemon.kill().await;
}

#[tokio::test]
async fn repeats_pictures_and_presses_are_taken_once() {
    let platform = platform().await;
    let setup = setup(&platform);
    let daemon = start(&platform, &setup).await;
    let on = Product::Instagram;
    let event = platform.write(on, "ada", DEPTH);
    messages(&platform, "ada", 1).await;
    platform.bring_again(&event);
    let picture = platform.direct(on, "ada", json!({ "attachments": [{ "type": "image" }] }));
    assert!(messages(&platform, "ada", 2).await[1].text.contains("emergency"));
    assert!(platform.acknowledged(&picture));
    // Long answers are cut to what Instagram takes, in bytes.
    let alarm = ask(&platform, on, "ada", ALARM).await;
    let parts = platform.shown("ada");
    assert!(parts.iter().any(|shown| shown.text.contains("oxygen")), "{alarm:#?}");
    assert_eq!(parts.iter().filter(|shown| shown.text.contains("Sources:")).count(), 1, "{parts:#?}");
    daemon.kill().await;
}

#[tokio::test]
async fn staff_who_answer_in_the_inbox_silence_the_bot_and_its_own_words_do_not() {
    let platform = platform().await;
    let setup = setup(&platform);
    for on in BOTH {
        let daemon = start(&platform, &setup).await;
        let ada = format!("ada-{}", on.account());
        ask(&platform, on, &ada, DEPTH).await;
        daemon.at_rest().await;
        // The platform brings back what we said, now and after a restart.
        let echoes = platform.echoes();
        assert_eq!(platform.post(echoes.last().unwrap()).await, 200);
        ask(&platform, on, &ada, "/privacy").await;
        daemon.kill().await;
        let daemon = start(&platform, &setup).await;
        for echo in &echoes {
            assert_eq!(platform.post(echo).await, 200);
        }
        let known = platform.shown(&ada).len();
        ask(&platform, on, &ada, "What is a safety stop?").await;
        assert!(platform.shown(&ada).len() > known);
        daemon.at_rest().await;

        let known = platform.shown(&ada).len();
        for _ in 0..2 {
            assert_eq!(platform.answer_by_hand(on, &ada, "Hi Ada, this is Rosa from the shop.").await, 200);
        }
        let event = platform.write(on, &ada, DEPTH);
        platform.until(SOON, |p| p.acknowledged(&event).then_some(())).await.expect("it is stored");
        ask(&platform, on, "ben", "/privacy").await;
        assert_eq!(platform.shown(&ada).len(), known, "{:#?}", platform.shown(&ada));
        platform.write(on, &ada, ALARM);
        let alarm = messages(&platform, &ada, known + 1).await;
        assert!(alarm[known..].iter().any(|shown| shown.text.contains("oxygen")), "{alarm:#?}");
        daemon.kill().await;
    }
}

#[tokio::test]
async fn what_comes_a_day_late_asks_no_model_and_a_closed_conversation_is_left_alone() {
    let model = crate::models::start(dovvybuddy_fakes::model::Script::default()).await;
    let platform = platform().await;
    let mut setup = setup(&platform);
    crate::models::with_model(&mut setup, &model);
    let daemon = start(&platform, &setup).await;
    let asked = model.counts();
    let event = json!({ "message": { "mid": "m-old", "text": DEPTH } });
    assert_eq!(platform.post(&platform.batch_at(Product::Messenger, "ada", &event, 1_700_000_000)).await, 200);
    crate::wire::eventually("the part is given up", SOON, async || {
        (status(&daemon).await["queue"]["outbox_dead"] == 1).then_some(())
    })
    .await;
    assert_eq!(platform.calls(), 0, "nothing is sent in vain");
    assert_eq!(format!("{:?}", model.counts()), format!("{asked:?}"), "no model was asked");
    ask(&platform, Product::Messenger, "ada", "/privacy").await;
    daemon.kill().await;
}

#[tokio::test]
async fn one_app_serves_all_three_and_what_is_missing_stops_the_start() {
    let platform = platform().await;
    let mut setup = setup(&platform);
    for on in BOTH {
        setup.set(&format!("{}__APP_SECRET", section(on)), "").set(&format!("{}__VERIFY_TOKEN", section(on)), "");
    }
    let said = setup.fails(&["serve"]).await;
    assert!(said.contains("instagram.app_secret") && !said.contains(TOKEN), "{said}");
    setup.set("WHATSAPP__PHONE_NUMBER_ID", PHONE_NUMBER_ID).set("WHATSAPP__GRAPH_URL", &platform.url());
    setup.variable("WHATSAPP_ACCESS_TOKEN", TOKEN).variable("WHATSAPP_APP_SECRET", SECRET);
    setup.variable("WHATSAPP_VERIFY_TOKEN", VERIFY);
    let daemon = start(&platform, &setup).await;
    for on in BOTH {
        ask(&platform, on, &format!("ada-{}", on.account()), "/privacy").await;
    }
    platform.say("14158675309", "/privacy");
    messages(&platform, "14158675309", 1).await;
    daemon.kill().await;
    setup.set("MESSENGER__ACCOUNT_ID", "my page");
    assert!(setup.fails(&["serve"]).await.contains("messenger.account_id"));
}
