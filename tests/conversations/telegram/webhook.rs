//! Updates brought by the platform.

use std::net::TcpListener;

use dovvybuddy_fakes::telegram::{FakeTelegram, Place};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::{ALARM, DEPTH, SOON, ada, ask, confirmed, messages, platform, setup};
use crate::support::{Daemon, Setup};
use crate::wire::eventually;

const SECRET: &str = "webhook_secret-1";

/// A daemon the platform can reach: its port must be known beforehand.
async fn called(platform: &FakeTelegram) -> (Setup, Daemon) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let setup = setup(platform)
        .with("HTTP__BIND", &address)
        .with("HTTP__PUBLIC_URL", &format!("http://{address}"))
        .with("TELEGRAM__MODE", "webhook")
        .with("TELEGRAM__WEBHOOK_SECRET", SECRET);
    let daemon = setup.start().await;
    let hooked = platform.until(SOON, |p| p.calls_of("getWebhookInfo").pop()).await;
    assert!(hooked.is_some(), "the webhook is registered");
    (setup, daemon)
}

async fn post(daemon: &Daemon, secret: Option<&str>, update: &Value) -> reqwest::Response {
    let mut request = daemon.client.post(format!("{}/webhooks/telegram", daemon.base)).json(update);
    if let Some(secret) = secret {
        request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
    }
    request.send().await.unwrap()
}

fn update(id: i64, text: &str) -> Value {
    let person = json!({ "id": 7, "is_bot": false, "first_name": "Ada", "language_code": "en" });
    let chat = json!({ "id": 7, "type": "private", "first_name": "Ada" });
    json!({ "update_id": id, "message": { "message_id": id, "from": person, "chat": chat, "date": 1_790_000_000, "text": text } })
}

#[tokio::test]
async fn what_is_brought_is_answered_and_a_repeat_is_not() {
    let platform = platform().await;
    let (_setup, daemon) = called(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));
    let answer = ask(&platform, place, &diver, DEPTH).await;
    assert!(answer.text.contains("18"), "{}", answer.text);
    confirmed(&platform).await;
    let again = update(5, "/privacy");
    for _ in 0..3 {
        assert_eq!(post(&daemon, Some(SECRET), &again).await.status(), StatusCode::OK);
    }
    messages(&platform, place, 2).await;
    ask(&platform, place, &diver, "/help").await;
    assert_eq!(platform.shown(place).len(), 3, "three times brought, once answered");
    assert!(platform.calls_of("getUpdates").is_empty(), "nobody polls");
    daemon.kill().await;
}

#[tokio::test]
async fn a_webhook_nobody_registered_is_told() {
    let platform = platform().await;
    let setup = setup(&platform).with("TELEGRAM__MODE", "webhook").with("TELEGRAM__WEBHOOK_SECRET", SECRET);
    let (code, out, _) = setup.run(&["doctor", "--json"]).await;
    let findings: Value = serde_json::from_str(&out).unwrap();
    let ours = findings.as_array().unwrap().iter().find(|f| f["check"] == "telegram").unwrap();
    assert_eq!((code, &ours["state"]), (1, &json!("fail")), "{ours}");
    assert!(ours["mend"].as_str().unwrap().contains("http.public_url"), "{ours}");
    let daemon = setup.start().await;
    eventually("the log says so", SOON, async || setup.log_text().contains("knows no webhook").then_some(())).await;
    daemon.kill().await;
}

#[tokio::test]
async fn without_the_secret_nothing_is_taken() {
    let platform = platform().await;
    let (_setup, daemon) = called(&platform).await;
    let place = platform.private(&ada());
    for secret in [None, Some(""), Some("webhook_secret-2"), Some("webhook_secret-11")] {
        assert_eq!(post(&daemon, secret, &update(5, ALARM)).await.status(), StatusCode::UNAUTHORIZED, "{secret:?}");
    }
    let status: Value = super::status(&daemon).await;
    assert_eq!(status["queue"]["waiting"], 0);
    // The same update with the secret is news, so nothing of it was stored.
    assert_eq!(post(&daemon, Some(SECRET), &update(5, DEPTH)).await.status(), StatusCode::OK);
    assert!(messages(&platform, place, 1).await[0].text.contains("18"));
    assert_eq!(post(&daemon, Some(SECRET), &json!(["no update"])).await.status(), StatusCode::OK);
    daemon.kill().await;
}

#[tokio::test]
async fn a_store_that_takes_nothing_sends_the_platform_away_for_a_while() {
    let platform = platform().await;
    let (setup, daemon) = called(&platform).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(setup.database());
    let mut held = options.connect().await.unwrap();
    held.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = post(&daemon, Some(SECRET), &update(5, DEPTH)).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    held.execute("ROLLBACK").await.unwrap();
    held.close().await.unwrap();
    let place: Place = platform.private(&ada());
    assert_eq!(post(&daemon, Some(SECRET), &update(5, DEPTH)).await.status(), StatusCode::OK);
    assert!(messages(&platform, place, 1).await[0].text.contains("18"));
    daemon.kill().await;
}

#[tokio::test]
async fn back_to_polling_what_waits_is_not_lost() {
    let platform = platform().await;
    let (mut first, daemon) = called(&platform).await;
    let (diver, place) = (ada(), platform.private(&ada()));
    daemon.terminate();
    assert!(daemon.ended().await.success());
    platform.say(place, &diver, DEPTH);
    first.set("TELEGRAM__MODE", "polling");
    let daemon = first.start().await;
    assert!(messages(&platform, place, 1).await[0].text.contains("18"));
    daemon.kill().await;
}
