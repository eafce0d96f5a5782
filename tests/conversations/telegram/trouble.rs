//! A platform that throttles, refuses, breaks or takes the token away; a store that takes nothing.

use std::time::{Duration, Instant};

use dovvybuddy_core::testkit::at_most;
use dovvybuddy_fakes::telegram::{FakeTelegram, Fault, Person, Place};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::{ALARM, DEPTH, SOON, TOKEN, ada, ask, confirmed, messages, platform, setup, start, status};
use crate::support::Setup;
use crate::wire::eventually;

#[tokio::test]
async fn a_throttled_answer_comes_as_soon_as_the_platform_allows() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));
    platform.fail("sendMessage", [Fault::TooMany(3)]);
    let answer = ask(&platform, place, &diver, DEPTH).await;
    let sends = platform.calls_of("sendMessage");
    assert_eq!(sends.len(), 2, "asked once, repeated once");
    let delay = answer.sent_at - sends[0].at;
    println!("a 429 with retry_after 3 delayed the answer by {delay:?}");
    assert!(delay >= Duration::from_secs(3) && delay <= Duration::from_millis(3500), "{delay:?}");
    daemon.kill().await;
}

#[tokio::test]
async fn markup_that_is_refused_goes_without_and_a_broken_proxy_is_tried_again() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));
    let refused = "Bad Request: can't parse entities: Unsupported start tag \"x\" at byte offset 0";
    platform.fail("sendMessage", [Fault::Error(400, refused.into())]);
    let plain = ask(&platform, place, &diver, DEPTH).await;
    assert_eq!(plain.parse_mode, None);
    assert!(plain.text.contains("18"), "{}", plain.text);
    for fault in [Fault::BadGateway, Fault::Error(500, "Internal Server Error".into()), Fault::Garbled] {
        platform.fail("sendMessage", [fault]);
        ask(&platform, place, &diver, "/privacy").await;
    }
    daemon.kill().await;
}

#[tokio::test]
async fn polls_that_fail_lose_nothing() {
    let platform = platform().await;
    let faults = [Fault::BadGateway, Fault::Garbled, Fault::Error(500, "Internal".into()), Fault::TooMany(1)];
    platform.fail("getUpdates", faults);
    let (_setup, daemon) = start(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));
    ask(&platform, place, &diver, DEPTH).await;
    confirmed(&platform).await;
    daemon.kill().await;
}

#[tokio::test]
async fn a_flood_gets_one_notice_and_an_emergency_passes() {
    let platform = platform().await;
    let setup = setup(&platform).with("LIMITS__DIVER_PER_MINUTE", "1").with("LIMITS__DIVER_BURST", "1");
    let daemon = setup.start().await;
    let (diver, place) = (ada(), platform.private(&ada()));
    ask(&platform, place, &diver, DEPTH).await;
    for _ in 0..4 {
        platform.say(place, &diver, DEPTH);
    }
    confirmed(&platform).await;
    let shown = messages(&platform, place, 2).await;
    assert_eq!(shown.len(), 2, "an answer and one notice: {shown:#?}");
    let began = Instant::now();
    let alarm = ask(&platform, place, &diver, ALARM).await;
    assert!(alarm.text.contains("oxygen"), "{}", alarm.text);
    assert!(began.elapsed() < at_most(Duration::from_secs(1)), "{:?}", began.elapsed());
    daemon.kill().await;
}

/// Another process that holds the database's only write lock: nothing can be stored.
async fn lock(setup: &Setup) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(setup.database());
    let mut connection = options.connect().await.unwrap();
    connection.execute("BEGIN IMMEDIATE").await.unwrap();
    connection
}

#[tokio::test]
async fn without_a_store_an_emergency_is_answered_once_and_stays_with_the_platform() {
    let platform = platform().await;
    let (setup, daemon) = start(&platform).await;
    let (ada, ben) = (ada(), Person::new(8, "Ben", "en"));
    let (place, other) = (platform.private(&ada), platform.private(&ben));
    ask(&platform, place, &ada, "/privacy").await;
    confirmed(&platform).await;
    let mut held = lock(&setup).await;
    platform.say(other, &ben, DEPTH);
    let alarm = ask(&platform, place, &ada, ALARM).await;
    assert!(alarm.text.contains("oxygen"), "{}", alarm.text);
    // It is offered again and again meanwhile, and said once.
    let polls = platform.calls_of("getUpdates").len();
    platform.until(SOON, |p| (p.calls_of("getUpdates").len() > polls + 2).then_some(())).await.expect("it goes on");
    assert_eq!(platform.waiting().len(), 2, "neither was confirmed");
    assert_eq!(platform.shown(place).len(), 2);
    held.execute("ROLLBACK").await.unwrap();
    held.close().await.unwrap();
    confirmed(&platform).await;
    messages(&platform, other, 1).await;
    assert!(platform.shown(place).len() <= 3, "it may come twice, not more");
    daemon.kill().await;
}

#[tokio::test]
async fn another_poller_is_told_and_survived() {
    let platform = platform().await;
    let (setup, daemon) = start(&platform).await;
    let rival = format!("{}/bot{TOKEN}/getUpdates", platform.url());
    let client = crate::support::client();
    eventually("a conflict is logged", SOON, async || {
        client.post(&rival).json(&json!({ "timeout": 0, "offset": 0 })).send().await.unwrap();
        setup.log_text().contains("another process polls").then_some(())
    })
    .await;
    let (diver, place) = (ada(), platform.private(&ada()));
    ask(&platform, place, &diver, DEPTH).await;
    assert!(!setup.log_text().contains(TOKEN), "the token stays out of the log");
    daemon.kill().await;
}

#[tokio::test]
async fn a_revoked_token_concerns_nobody_else_and_needs_no_hand() {
    let platform = platform().await;
    let (setup, daemon) = start(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));
    ask(&platform, place, &diver, DEPTH).await;
    platform.revoke(true);
    eventually("the channel is started again", SOON, async || {
        let status = status(&daemon).await;
        let ours = status["loops"].as_array()?.iter().find(|l| l["name"] == "telegram")?.clone();
        (ours["restarts"].as_u64()? > 0).then_some(())
    })
    .await;
    assert_eq!(daemon.get("/ready").await.unwrap().status(), 200);
    let web = daemon.ask(None, DEPTH).await;
    assert!(web["message"].as_str().unwrap().contains("18"), "{web}");
    platform.revoke(false);
    ask(&platform, place, &diver, "/privacy").await;
    let log = setup.log_text();
    assert!(log.contains("refused our credentials") && !log.contains(TOKEN), "{log}");
    daemon.kill().await;
}

/// The texts of these commands in this order, wherever a throttle struck.
async fn in_order(platform: &FakeTelegram, place: Place) -> Vec<String> {
    messages(platform, place, 3).await.into_iter().map(|shown| shown.text).collect()
}

#[tokio::test]
async fn throttled_at_random_no_chat_sees_its_answers_in_another_order() {
    let platform = platform().await;
    let (_setup, daemon) = start(&platform).await;
    platform.fail("sendMessage", (0..10).map(|_| Fault::TooMany(1)));
    let divers: Vec<Person> = (300..320).map(|id| Person::new(id, "Diver", "en")).collect();
    for command in ["/help", "/privacy", "/profile"] {
        for diver in &divers {
            platform.say(platform.private(diver), diver, command);
        }
    }
    let first = in_order(&platform, Place::chat(300)).await;
    assert_ne!(first[0], first[1]);
    for diver in &divers[1..] {
        assert_eq!(in_order(&platform, Place::chat(diver.id)).await, first);
    }
    daemon.kill().await;
}

#[tokio::test]
async fn doctor_says_how_the_bot_stands() {
    let platform = platform().await;
    let setup = setup(&platform);
    let findings = |json: &Value| {
        let ours = json.as_array().unwrap().iter().find(|f| f["check"] == "telegram").unwrap().clone();
        let mend = ours["mend"].as_str().unwrap_or_default();
        (ours["state"].as_str().unwrap().to_owned(), format!("{} {mend}", ours["text"].as_str().unwrap()))
    };
    platform.say(platform.private(&ada()), &ada(), "hello");
    let (_, out, _) = setup.run(&["doctor", "--json"]).await;
    let (state, text) = findings(&serde_json::from_str(&out).unwrap());
    assert_eq!(state, "ok", "{text}");
    assert!(text.contains("@dovvy_test_bot") && text.contains("polling") && text.contains("1 updates"), "{text}");
    platform.revoke(true);
    let (code, out, _) = setup.run(&["doctor", "--json"]).await;
    let (state, text) = findings(&serde_json::from_str(&out).unwrap());
    assert_eq!((code, state.as_str()), (1, "fail"), "{text}");
    assert!(text.contains("telegram.token") && !text.contains(TOKEN), "{text}");
}
