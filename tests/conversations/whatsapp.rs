//! WhatsApp: the real binary against a Graph API of our own.

use std::time::Duration;

use dovvybuddy_fakes::graph::{self, FakeGraph, Fault, PHONE_NUMBER_ID, Shown};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};

use crate::models::anywhere;
use crate::support::{Daemon, Setup};
use crate::wire::eventually;

const TOKEN: &str = "EAAG-test-token";
const SECRET: &str = "whatsapp-app-secret";
const VERIFY: &str = "whatsapp-verify-token";
const ADA: &str = "14158675309";
const DEPTH: &str = "How deep can a PADI Open Water Diver go?";
const ALARM: &str = "My buddy can't feel his legs after the dive";
/// How long an answer may take on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(20);

async fn platform() -> FakeGraph {
    graph::start(anywhere(), TOKEN, SECRET).await.unwrap()
}

/// A daemon that knows the platform; bursts don't settle unless a test says so.
fn setup(platform: &FakeGraph) -> Setup {
    let mut setup = Setup::slice()
        .with("LANES__SETTLE_MS", "0")
        .with("WHATSAPP__PHONE_NUMBER_ID", PHONE_NUMBER_ID)
        .with("WHATSAPP__GRAPH_URL", &platform.url());
    setup.variable("WHATSAPP_ACCESS_TOKEN", TOKEN).variable("WHATSAPP_APP_SECRET", SECRET);
    setup.variable("WHATSAPP_VERIFY_TOKEN", VERIFY);
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

async fn ask(platform: &FakeGraph, person: &str, text: &str) -> Shown {
    let before = platform.shown(person).len();
    platform.say(person, text);
    messages(platform, person, before + 1).await.pop().unwrap()
}

#[tokio::test]
async fn the_handshake_proves_itself_by_the_verify_token() {
    let platform = platform().await;
    let setup = setup(&platform);
    let daemon = start(&platform, &setup).await;
    let shake = async |query: &str| {
        let response = daemon.get(&format!("/webhooks/whatsapp?{query}")).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let right = format!("hub.mode=subscribe&hub.verify_token={VERIFY}&hub.challenge=1158201444");
    assert_eq!(shake(&right).await, (200, "1158201444".to_owned()));
    for wrong in ["", "hub.mode=subscribe&hub.verify_token=guess&hub.challenge=1", &right.replace("subscribe", "x")] {
        let (status, body) = shake(wrong).await;
        assert_eq!(status, 403, "{wrong}");
        assert!(!body.contains("1158201444"));
    }
    daemon.kill().await;
}

#[tokio::test]
async fn a_message_is_read_answered_in_whatsapps_markup_and_offers_what_comes_next() {
    let platform = platform().await;
    let mut setup = setup(&platform);
    let daemon = start(&platform, &setup).await;
    let answer = ask(&platform, ADA, DEPTH).await;
    assert!(answer.text.contains("18") && answer.text.contains("Sources:"), "{}", answer.text);
    assert!(!answer.text.contains("**") && !answer.text.contains("]("), "{}", answer.text);
    assert!(!answer.buttons.is_empty() && answer.kind == "interactive", "{answer:#?}");
    assert!(platform.marks().iter().any(|(_, typing)| *typing), "read, with typing");
    let (label, data) =
        answer.buttons.iter().find(|(_, data)| data == "connect").cloned().expect("a way to a professional");
    platform.press(ADA, &label, &data);
    let asked = messages(&platform, ADA, 2).await.pop().unwrap();
    let trip = asked.buttons.iter().find(|(_, data)| data == "choose:trip").cloned().expect("a trip");
    platform.press(ADA, &trip.0, &trip.1);
    let named = messages(&platform, ADA, 3).await.pop().unwrap();
    assert!(named.buttons.iter().any(|(label, _)| label == "Ada"), "the name shown there: {named:#?}");
    let status: Value = daemon.get("/status").await.unwrap().json().await.unwrap();
    assert!(status["loops"].to_string().contains("whatsapp"), "{status}");
    assert!(!setup.log_text().contains(TOKEN) && !setup.log_text().contains(SECRET));
    setup.set("HTTP__PUBLIC_URL", "https://bot.example.com");
    let doctor = setup.run(&["doctor"]).await.1;
    assert!(doctor.contains("ok    whatsapp: +1 555 0100 Dive Shop"), "{doctor}");
    daemon.kill().await;
}

#[tokio::test]
async fn without_the_right_signature_nothing_is_stored() {
    let platform = platform().await;
    let setup = setup(&platform);
    let daemon = start(&platform, &setup).await;
    let body = platform.batch(&[("wamid.X", ADA, json!({ "type": "text", "text": { "body": ALARM } }))]);
    let right = graph::sign(SECRET, body.as_bytes());
    for wrong in
        [None, Some(""), Some("sha256="), Some(&*right.to_uppercase()), Some(&*graph::sign("x", body.as_bytes()))]
    {
        assert_eq!(platform.post_as(&body, wrong).await, 401, "{wrong:?}");
    }
    assert_eq!(platform.post_as(&body.replace("legs", "arms"), Some(&right)).await, 401);
    let status: Value = daemon.get("/status").await.unwrap().json().await.unwrap();
    assert_eq!(status["queue"]["waiting"], 0);
    assert!(platform.shown(ADA).is_empty());
    assert_eq!(platform.post(&body).await, 200);
    assert!(messages(&platform, ADA, 1).await[0].text.contains("oxygen"));
    daemon.kill().await;
}

#[tokio::test]
async fn batches_repeats_and_every_kind_of_message_are_taken() {
    let platform = platform().await;
    let setup = setup(&platform);
    let daemon = start(&platform, &setup).await;
    let text = |words: &str| json!({ "type": "text", "text": { "body": words } });
    let batch = platform.batch(&[
        ("wamid.A", ADA, text(DEPTH)),
        ("wamid.B", "US.13491", text("/privacy")),
        ("wamid.A", ADA, text(DEPTH)),
        ("wamid.C", "551187654321", text("/privacy")),
        ("wamid.R", ADA, json!({ "type": "reaction", "reaction": { "message_id": "wamid.OUT1", "emoji": "👍" } })),
    ]);
    for _ in 0..3 {
        assert_eq!(platform.post(&batch).await, 200);
    }
    assert!(messages(&platform, ADA, 1).await[0].text.contains("18"));
    messages(&platform, "US.13491", 1).await;
    messages(&platform, "551187654321", 1).await;

    let picture = json!({ "type": "image", "image": { "id": "1", "mime_type": "image/jpeg" } });
    platform.bring(ADA, picture);
    let kind = messages(&platform, ADA, 2).await.pop().unwrap();
    assert!(kind.text.contains("emergency"), "{}", kind.text);
    platform.bring(ADA, json!({ "type": "image", "image": { "id": "1", "caption": ALARM } }));
    assert!(messages(&platform, ADA, 3).await[2].text.contains("oxygen"));
    // A Brazilian number has one name, with and without its ninth digit.
    let held = setup.run(&["export", "--channel", "whatsapp", "--user", "5511987654321", "--account", PHONE_NUMBER_ID]);
    assert!(held.await.1.contains("5511987654321"));
    let shown = platform.shown(ADA);
    let answers = shown.iter().filter(|shown| shown.text.contains("Sources:")).count();
    assert_eq!(answers, 1, "three times brought, once answered: {shown:#?}");
    daemon.kill().await;
}

#[tokio::test]
async fn statuses_are_stored_and_only_move_forward() {
    let platform = platform().await;
    let setup = setup(&platform);
    let daemon = start(&platform, &setup).await;
    let shown = ask(&platform, ADA, "/privacy").await;
    for status in ["sent", "read", "delivered", "failed"] {
        assert_eq!(platform.tell_status(&shown.id, ADA, status).await, 200);
    }
    assert_eq!(platform.tell_status("wamid.STRANGE", "4915100000000", "read").await, 200);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(setup.database());
    let mut reading = options.connect().await.unwrap();
    let rows = sqlx::query("SELECT receipt, rank FROM message_statuses").fetch_all(&mut reading).await.unwrap();
    let rows: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [(shown.id, 3)], "read, and nothing of people we don't know");
    reading.close().await.unwrap();
    daemon.kill().await;
}

/// After a campaign, or an hour in which nobody could be reached.
#[tokio::test]
async fn thousands_of_statuses_in_one_batch_are_taken_in_time() {
    let platform = platform().await;
    let setup = setup(&platform);
    let daemon = start(&platform, &setup).await;
    let status =
        |n: usize| json!({ "id": format!("wamid.{n}"), "status": "read", "timestamp": "1", "recipient_id": ADA });
    let statuses: Vec<Value> = (0..20_000).map(status).collect();
    let change = json!({ "field": "messages", "value": { "statuses": statuses } });
    let batch = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [change] }] });
    assert_eq!(platform.post(&batch.to_string()).await, 200);
    daemon.kill().await;
}

#[tokio::test]
async fn a_platform_in_trouble_gets_the_reply_once() {
    let platform = platform().await;
    let setup = setup(&platform);
    let daemon = start(&platform, &setup).await;
    platform.fail([Fault::Error(400, 130_429), Fault::Unavailable, Fault::Error(500, 131_016), Fault::TooMany(1)]);
    let answer = ask(&platform, ADA, DEPTH).await;
    assert!(answer.text.contains("18"));
    // Refused for good: the conversation goes on.
    platform.fail([Fault::Error(400, 100)]);
    platform.say(ADA, "/help");
    let next = ask(&platform, ADA, "/privacy").await;
    assert!(!next.text.is_empty());
    platform.lose("4915112345678");
    platform.say("4915112345678", DEPTH);
    ask(&platform, ADA, "/help").await;
    assert!(platform.shown("4915112345678").is_empty());
    daemon.kill().await;
}

#[tokio::test]
async fn a_message_that_came_a_day_late_asks_no_model_and_gets_the_template() {
    let model = crate::models::start(dovvybuddy_fakes::model::Script::default()).await;
    for template in [true, false] {
        let platform = platform().await;
        let mut setup = setup(&platform);
        crate::models::with_model(&mut setup, &model);
        if template {
            setup.set("WHATSAPP__TEMPLATE", "we_are_back").set("WHATSAPP__TEMPLATE_LANGUAGE", "en_US");
        }
        let daemon = start(&platform, &setup).await;
        let old = json!({ "type": "text", "text": { "body": DEPTH }, "timestamp": "1700000000" });
        let asked = model.counts();
        assert_eq!(platform.post(&platform.batch(&[("wamid.OLD", ADA, old)])).await, 200);
        platform.close(ADA);
        if template {
            let shown = messages(&platform, ADA, 1).await;
            assert_eq!((shown[0].kind.as_str(), shown[0].text.as_str()), ("template", "we_are_back"));
        } else {
            eventually("the part is given up", SOON, async || {
                let status: Value = daemon.get("/status").await.unwrap().json().await.unwrap();
                (status["queue"]["outbox_dead"] == 1).then_some(())
            })
            .await;
            assert_eq!(platform.calls(), 0, "nothing is sent in vain");
        }
        assert_eq!(format!("{:?}", model.counts()), format!("{asked:?}"), "no model was asked");
        // A new message opens the conversation again.
        let answer = ask(&platform, ADA, "/privacy").await;
        assert_ne!(answer.kind, "template");
        daemon.kill().await;
    }
}

#[tokio::test]
async fn when_staff_answer_by_telephone_the_bot_is_silent_but_for_an_emergency() {
    let platform = platform().await;
    let setup = setup(&platform);
    let daemon = start(&platform, &setup).await;
    ask(&platform, ADA, "/privacy").await;
    for _ in 0..2 {
        assert_eq!(platform.echo(ADA, "Hi Ada, this is Rosa from the shop.").await, 200);
    }
    let event = platform.say(ADA, DEPTH);
    platform.until(SOON, |p| p.acknowledged(&event).then_some(())).await.expect("it is stored");
    ask(&platform, "4915112345678", "/privacy").await;
    assert_eq!(platform.shown(ADA).len(), 1, "{:#?}", platform.shown(ADA));
    let alarm = ask(&platform, ADA, ALARM).await;
    assert!(alarm.text.contains("oxygen"), "{}", alarm.text);
    daemon.kill().await;
}

#[tokio::test]
async fn who_hid_their_number_first_is_the_same_diver_with_it() {
    const USER: &str = "US.13491208655302741918";
    let platform = platform().await;
    let setup = setup(&platform);
    let daemon = start(&platform, &setup).await;
    ask(&platform, USER, "I have the Open Water certificate and 37 logged dives").await;
    daemon.at_rest().await;
    // Only a message that carries both proves that they are one.
    assert!(!ask(&platform, "4915112345678", "/profile").await.text.contains("37"));
    platform.say_with_both_names(ADA, USER, "/profile");
    assert!(messages(&platform, ADA, 1).await[0].text.contains("37"));
    daemon.kill().await;

    // And from then on, whichever name a message carries.
    let daemon = start(&platform, &setup).await;
    ask(&platform, USER, DEPTH).await;
    daemon.at_rest().await;
    let held = async |user: &str| {
        let arguments = ["export", "--channel", "whatsapp", "--user", user, "--account", PHONE_NUMBER_ID];
        setup.json(&arguments).await
    };
    let (by_number, by_id) = (held(ADA).await, held(USER).await);
    assert!(by_number.to_string().contains("37 logged dives") && by_number.to_string().contains(DEPTH), "{by_number}");
    assert_eq!(by_number["held"], by_id["held"]);
    daemon.kill().await;
}

#[tokio::test]
async fn a_store_that_takes_nothing_leaves_the_batch_with_the_platform() {
    let platform = platform().await;
    let setup = setup(&platform);
    let daemon = start(&platform, &setup).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(setup.database());
    let mut held = options.connect().await.unwrap();
    held.execute("BEGIN IMMEDIATE").await.unwrap();
    let late = platform.say(ADA, DEPTH);
    platform.until(SOON, |p| p.refusals().contains(&503).then_some(())).await.expect("told to come again");
    assert!(!platform.acknowledged(&late));
    platform.say("4915112345678", ALARM);
    assert!(messages(&platform, "4915112345678", 1).await[0].text.contains("oxygen"), "an emergency waits for nothing");
    held.execute("ROLLBACK").await.unwrap();
    held.close().await.unwrap();
    assert!(messages(&platform, ADA, 1).await[0].text.contains("18"));
    assert!(platform.acknowledged(&late));
    daemon.kill().await;
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn killed_at_every_named_point_an_answer_is_neither_lost_nor_doubled() {
    const POINTS: [(&str, usize); 6] =
        [("accepted", 1), ("claimed", 1), ("answered", 1), ("finished", 1), ("part_started", 1), ("part_sent", 2)];
    for (point, most) in POINTS {
        let platform = platform().await;
        let mut setup = setup(&platform);
        setup.set("FAILPOINT", &format!("{point}:1"));
        let daemon = start(&platform, &setup).await;
        platform.say(ADA, DEPTH);
        daemon.ended().await;
        assert!(setup.log_text().contains(&format!("failpoint {point} fired")), "{point}");
        setup.set("FAILPOINT", "none");
        let daemon = start(&platform, &setup).await;
        messages(&platform, ADA, most).await;
        platform.say(ADA, "/privacy");
        let shown = messages(&platform, ADA, most + 1).await;
        let answers = shown.iter().filter(|shown| shown.text.contains("Sources:")).count();
        assert_eq!((answers, shown.len()), (most, most + 1), "{point}: {shown:#?}");
        daemon.kill().await;
    }
}

#[tokio::test]
async fn credentials_that_are_not_whole_stop_the_start() {
    let platform = platform().await;
    for (key, value, named) in [
        ("WHATSAPP_APP_SECRET", "", "whatsapp.app_secret"),
        ("WHATSAPP_VERIFY_TOKEN", "", "whatsapp.verify_token"),
        ("DOVVYBUDDY_WHATSAPP__PHONE_NUMBER_ID", "+1 555", "whatsapp.phone_number_id"),
        ("DOVVYBUDDY_WHATSAPP__GRAPH_URL", "graph", "whatsapp.graph_url"),
    ] {
        let mut wrong = setup(&platform);
        wrong.variable(key, value);
        let said = wrong.fails(&["serve"]).await;
        assert!(said.contains(named) && !said.contains(TOKEN), "{key}: {said}");
    }
}
