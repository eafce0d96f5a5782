//! Twilio: WhatsApp and SMS, the real binary against an API of our own.

use std::time::Duration;

use dovvybuddy_fakes::twilio::{self, ACCOUNT, FakeTwilio, Fault, NUMBER, Sent};
use serde_json::Value;

use crate::models::anywhere;
use crate::support::{Daemon, Setup};
use crate::wire::eventually;

const TOKEN: &str = "twilio-auth-token";
const SMS: &str = "+14158675309";
const OVER_WHATSAPP: &str = "whatsapp:+14158675309";
const DEPTH: &str = "How deep can a PADI Open Water Diver go?";
const ALARM: &str = "My buddy can't feel his legs after the dive";
/// How long an answer may take on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(20);

async fn start() -> (FakeTwilio, Setup, Daemon) {
    let platform = twilio::start(anywhere(), TOKEN).await.unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut setup = Setup::slice()
        .with("LANES__SETTLE_MS", "0")
        .with("HTTP__BIND", &format!("127.0.0.1:{port}"))
        .with("HTTP__PUBLIC_URL", &format!("http://127.0.0.1:{port}"))
        .with("TWILIO__API_URL", &platform.url());
    setup.variable("TWILIO_ACCOUNT_SID", ACCOUNT).variable("TWILIO_AUTH_TOKEN", TOKEN);
    let daemon = setup.start().await;
    platform.connect(&format!("{}/webhooks/twilio", daemon.base));
    (platform, setup, daemon)
}

async fn messages(platform: &FakeTwilio, person: &str, n: usize) -> Vec<Sent> {
    eventually("messages arrive", SOON, async || Some(platform.sent(person)).filter(|sent| sent.len() >= n)).await
}

#[tokio::test]
async fn whatsapp_and_sms_are_answered_from_the_address_that_was_written_to() {
    let (platform, setup, daemon) = start().await;
    platform.say(OVER_WHATSAPP, DEPTH);
    platform.say(SMS, DEPTH);
    let over_whatsapp = messages(&platform, OVER_WHATSAPP, 1).await;
    assert_eq!(over_whatsapp[0].from, format!("whatsapp:{NUMBER}"));
    let sms = messages(&platform, SMS, 1).await;
    assert_eq!(sms[0].from, NUMBER);
    assert!(sms[0].body.contains("18") && !sms[0].body.contains('*'), "{}", sms[0].body);
    let sid = platform.say(SMS, "/privacy");
    messages(&platform, SMS, 2).await;
    platform.bring_again(&sid);
    platform.bring(SMS, &[("Body", ""), ("NumMedia", "1")]);
    let kind = messages(&platform, SMS, 3).await;
    assert!(kind[2].body.contains("emergency"), "{}", kind[2].body);
    platform.say(SMS, ALARM);
    assert!(messages(&platform, SMS, 4).await[3].body.contains("oxygen"));
    let doctor = setup.run(&["doctor"]).await.1;
    assert!(doctor.contains("ok    twilio: Dive Shop, active"), "{doctor}");
    assert!(!setup.log_text().contains(TOKEN));
    daemon.kill().await;
}

#[tokio::test]
async fn the_address_and_every_field_are_signed() {
    let (platform, _setup, daemon) = start().await;
    let form = [("MessageSid", "SM1"), ("From", SMS), ("To", NUMBER), ("Body", ALARM)];
    for wrong in ["", "AAAA", "RSOYDt4T1cUTdK1PDd93/VVr8B8="] {
        assert_eq!(platform.post_as(&form, Some(wrong)).await, 401, "{wrong}");
    }
    let owned: Vec<(String, String)> = form.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let elsewhere = twilio::sign(TOKEN, "https://elsewhere.example/webhooks/twilio", &owned);
    assert_eq!(platform.post_as(&form, Some(&elsewhere)).await, 401);
    let status: Value = daemon.get("/status").await.unwrap().json().await.unwrap();
    assert_eq!(status["queue"]["waiting"], 0);
    assert_eq!(platform.post_as(&form, None).await, 200);
    assert!(messages(&platform, SMS, 1).await[0].body.contains("oxygen"));
    let told = [("MessageSid", "SM77"), ("MessageStatus", "delivered"), ("To", SMS), ("From", NUMBER)];
    assert_eq!(platform.post_as(&told, None).await, 200);
    daemon.kill().await;
}

#[tokio::test]
async fn twilio_in_trouble_gets_the_reply_once() {
    let (platform, _setup, daemon) = start().await;
    platform.fail([Fault::TooMany(1), Fault::Unavailable]);
    platform.say(SMS, DEPTH);
    messages(&platform, SMS, 1).await;
    platform.lose("+4915112345678");
    platform.say("+4915112345678", DEPTH);
    platform.say(SMS, "/privacy");
    assert_eq!(messages(&platform, SMS, 2).await.len(), 2);
    assert!(platform.sent("+4915112345678").is_empty());
    daemon.kill().await;
}
