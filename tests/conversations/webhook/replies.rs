//! Replies on their way to the callback: in order, tried again, given up, sent after all.

use std::time::Duration;

use dovvybuddy_fakes::webhook::Answer;
use serde_json::{Value, json};

use super::{DEPTH, SECRET, SOON, header, receiver, replies, say, setup, text, wait_for};
use crate::wire::eventually;

#[tokio::test]
async fn a_receiver_that_fails_gets_the_same_reply_until_it_takes_it_and_order_is_kept() {
    let receiver = receiver().await;
    receiver.then([Answer::Status(500, None), Answer::Status(429, Some(1)), Answer::Status(404, None)]);
    let setup = setup(&receiver);
    let daemon = setup.start().await;
    say(&daemon, "msg_1", "c", DEPTH).await;
    say(&daemon, "msg_2", "c", "/privacy").await;
    let came = wait_for(&receiver, 2).await;
    assert!(text(&came[0]).contains("18"), "the first is first");
    let all = receiver.deliveries();
    assert_eq!(all.len(), 5);
    let first: Vec<_> = all.iter().take(4).collect();
    assert!(first.iter().all(|d| header(d, "webhook-id") == header(first[0], "webhook-id")));
    assert!(first.iter().all(|d| d.body == first[0].body && d.signed == Some(true)), "every try sends the same bytes");
    daemon.kill().await;
}

#[tokio::test]
async fn a_slow_conversation_holds_up_no_other() {
    let receiver = receiver().await;
    receiver.then([Answer::Status(503, Some(600))]);
    let setup = setup(&receiver);
    let daemon = setup.start().await;
    say(&daemon, "msg_1", "slow", DEPTH).await;
    eventually("the first try", SOON, async || (!receiver.deliveries().is_empty()).then_some(())).await;
    say(&daemon, "msg_2", "slow", "/privacy").await;
    say(&daemon, "msg_3", "quick", "/privacy").await;
    let came = wait_for(&receiver, 1).await;
    assert_eq!(came[0]["data"]["conversation"], "quick");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(replies(&receiver).len(), 1, "what comes after a reply that waits, waits as well");
    daemon.kill().await;
}

#[tokio::test]
async fn gone_means_stop_and_what_was_given_up_can_be_sent_after_all() {
    let receiver = receiver().await;
    receiver.then([Answer::Status(410, None)]);
    let setup = setup(&receiver);
    let daemon = setup.start().await;
    say(&daemon, "msg_1", "c", DEPTH).await;
    say(&daemon, "msg_2", "c", "/privacy").await;
    wait_for(&receiver, 1).await;
    assert_eq!(receiver.deliveries().len(), 2, "what is gone is not tried again");
    let listed = setup.json(&["webhooks", "list", "--json"]).await;
    let dead = &listed[0];
    assert_eq!((listed.as_array().unwrap().len(), &dead["outlet"]), (1, &json!("webhook:crm")));
    assert_eq!((&dead["conversation"], &dead["attempts"]), (&json!("c"), &json!(1)));
    assert!(!dead["error"].as_str().unwrap().is_empty());
    let table = setup.ok(&["webhooks", "list"]).await;
    assert!(table.contains("webhook:crm"), "{table}");

    assert!(setup.fails(&["webhooks", "replay", "999999"]).await.contains("999999"));
    let id = dead["id"].to_string();
    assert_eq!(setup.json(&["webhooks", "replay", &id, "--json"]).await, json!({ "replayed": 1 }));
    let came = wait_for(&receiver, 2).await;
    assert!(text(&came[1]).contains("18"), "{came:?}");
    assert_eq!(setup.json(&["webhooks", "list", "--json"]).await, json!([]));
    assert_eq!(setup.json(&["webhooks", "replay", "--all", "--json"]).await, json!({ "replayed": 0 }));
    assert_eq!(setup.run(&["webhooks", "replay"]).await.0, 2, "of what?");
    daemon.kill().await;
}

#[tokio::test]
async fn no_redirect_is_followed_and_no_private_address_reached() {
    let receiver = receiver().await;
    let elsewhere = super::receiver().await;
    receiver.then([Answer::Redirect(elsewhere.url())]);
    let setup = setup(&receiver);
    let daemon = setup.start().await;
    say(&daemon, "msg_1", "c", DEPTH).await;
    wait_for(&receiver, 1).await;
    assert_eq!((receiver.deliveries().len(), elsewhere.deliveries().len()), (2, 0));
    daemon.kill().await;

    let port = elsewhere.url();
    for host in ["127.0.0.1", "0x7f000001", "2130706433", "0177.1", "[::1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]"] {
        let url = port.replace("127.0.0.1", host);
        let inside =
            super::setup(&elsewhere).with("OUTGOING__ALLOW", "").with("CHANNELS__WEBHOOK__CRM__CALLBACK_URL", &url);
        let said = inside.fails(&["serve"]).await;
        assert!(said.contains("channels.webhook.crm.callback_url"), "{url}: {said}");
        assert!(!said.contains(SECRET));
    }
    // A name is judged when it is resolved, each time.
    let named = super::setup(&elsewhere)
        .with("OUTGOING__ALLOW", "")
        .with("CHANNELS__WEBHOOK__CRM__CALLBACK_URL", &port.replace("127.0.0.1", "localhost"));
    let daemon = named.start().await;
    say(&daemon, "msg_1", "c", "/privacy").await;
    eventually("a try that fails", SOON, async || {
        let status: Value = daemon.get("/status").await.unwrap().json().await.unwrap();
        (status["queue"]["outbox_pending"] == 1 && named.log_text().contains("not delivered")).then_some(())
    })
    .await;
    assert!(elsewhere.deliveries().is_empty());
    daemon.kill().await;
}

#[tokio::test]
async fn a_webhook_that_is_set_up_wrongly_stops_the_start_and_shows_no_secret() {
    let receiver = receiver().await;
    for (key, value, named) in [
        ("CRM__SECRET", "hunter2hunter2hunter2", "channels.webhook.crm.secret"),
        ("CRM__PREVIOUS_SECRET", "whsec_hunter2", "channels.webhook.crm.previous_secret"),
        ("CRM__CALLBACK_URL", "ftp://example.com", "channels.webhook.crm.callback_url"),
        ("CRM__SYNC_TIMEOUT", "0", "channels.webhook.crm.sync_timeout"),
        ("CRM__REPLY", "never", "channels.webhook.crm.reply"),
        ("CRM__SECRT", "x", "channels.webhook.crm.secrt"),
        ("TELEGRAM__SECRET", SECRET, "channels.webhook.telegram"),
        ("ERP__CALLBACK_URL", "https://example.com", "channels.webhook.erp.secret"),
    ] {
        let wrong = setup(&receiver).with(&format!("CHANNELS__WEBHOOK__{key}"), value);
        let said = wrong.fails(&["serve"]).await;
        assert!(said.contains(named), "{key}: {said}");
        assert!(!said.contains("hunter2") && !said.contains(SECRET), "{said}");
    }
    let file = receiver_secret_file(&receiver);
    let daemon = file.start().await;
    assert_eq!(say(&daemon, "msg_1", "c", "/privacy").await.0, 202);
    let shown = file.ok(&["config", "show"]).await;
    assert!(!shown.contains(SECRET) && shown.contains("channels.webhook.crm.secret"), "{shown}");
    let doctor = file.run(&["doctor"]).await.1;
    assert!(doctor.contains("/webhooks/crm"), "{doctor}");
    let status: Value = daemon.get("/status").await.unwrap().json().await.unwrap();
    assert!(status["channels"].to_string().contains("webhook:crm"), "{status}");
    assert!(status["loops"].to_string().contains("webhook:crm"), "{status}");
    daemon.kill().await;
}

/// A webhook set up in a file whose secret stands in another.
fn receiver_secret_file(receiver: &dovvybuddy_fakes::webhook::Receiver) -> crate::support::Setup {
    let setup = crate::support::Setup::slice().with("OUTGOING__ALLOW", "127.0.0.0/8");
    let secret = setup.home.path().join("secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    setup.file(&format!(
        "[channels.webhook.crm]\nsecret_file = '{}'\ncallback_url = '{}'\nsync_timeout = 3\n",
        secret.display(),
        receiver.url()
    ));
    setup
}
