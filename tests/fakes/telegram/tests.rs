use std::net::Ipv4Addr;

use super::*;

const TOKEN: &str = "4242:secret";

async fn platform() -> FakeTelegram {
    start((Ipv4Addr::LOCALHOST, 0).into(), TOKEN).await.unwrap()
}

async fn call(platform: &FakeTelegram, method: &str, parameters: Value) -> (u16, Value) {
    let url = format!("{}/bot{TOKEN}/{method}", platform.url());
    let response = reqwest::Client::new().post(url).json(&parameters).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn ids(answer: &Value) -> Vec<i64> {
    answer["result"].as_array().unwrap().iter().map(|update| update["update_id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn an_offset_confirms_what_lies_before_it_and_nothing_else() {
    let platform = platform().await;
    let ada = Person::new(7, "Ada", "en");
    let place = platform.private(&ada);
    for text in ["one", "two", "three"] {
        platform.say(place, &ada, text);
    }
    let (_, first) = call(&platform, "getUpdates", json!({})).await;
    let known = ids(&first);
    assert_eq!(known.len(), 3);
    let (_, again) = call(&platform, "getUpdates", json!({ "offset": known[1] })).await;
    assert_eq!(ids(&again), known[1..]);
    let (_, whole) = call(&platform, "getUpdates", json!({})).await;
    assert_eq!(ids(&whole), known[1..], "the first is gone for good");
}

#[tokio::test]
async fn a_poll_is_held_until_something_comes_and_a_second_one_ends_it() {
    let platform = platform().await;
    let ada = Person::new(7, "Ada", "en");
    let place = platform.private(&ada);
    let patient = json!({ "timeout": 20 });
    let (first, second) = tokio::join!(call(&platform, "getUpdates", patient.clone()), async {
        platform.until(Duration::from_secs(5), |p| (!p.calls().is_empty()).then_some(())).await.unwrap();
        let (later, ()) = tokio::join!(call(&platform, "getUpdates", patient), async {
            platform.until(Duration::from_secs(5), |p| (p.calls().len() > 1).then_some(())).await.unwrap();
            platform.say(place, &ada, "hello");
        });
        later
    });
    assert_eq!(first.0, 409);
    assert!(first.1["description"].as_str().unwrap().starts_with("Conflict: terminated by other getUpdates"));
    assert_eq!(ids(&second.1).len(), 1);
}

#[tokio::test]
async fn texts_are_measured_without_their_markup() {
    let platform = platform().await;
    let place = platform.private(&Person::new(7, "Ada", "en"));
    let text = |n: usize| format!("<b>{}</b>", "x".repeat(n));
    for (n, expected) in [(4096, 200), (4097, 400)] {
        let message = json!({ "chat_id": place.chat, "text": text(n), "parse_mode": "HTML" });
        assert_eq!(call(&platform, "sendMessage", message).await.0, expected);
    }
    let (code, refused) = call(&platform, "sendMessage", json!({ "chat_id": 99, "text": "x" })).await;
    assert_eq!((code, refused["description"].as_str().unwrap()), (400, "Bad Request: chat not found"));
}

#[tokio::test]
async fn a_webhook_is_delivered_in_order_until_it_is_taken() {
    let platform = platform().await;
    let receiver = crate::webhook::start((Ipv4Addr::LOCALHOST, 0).into(), None).await.unwrap();
    receiver.then([crate::webhook::Answer::Status(503, None), crate::webhook::Answer::Status(503, Some(1))]);
    let hook = json!({ "url": receiver.url(), "secret_token": "s3cret" });
    assert_eq!(call(&platform, "setWebhook", hook).await.0, 200);
    assert_eq!(call(&platform, "getUpdates", json!({})).await.0, 409);
    let ada = Person::new(7, "Ada", "en");
    let place = platform.private(&ada);
    let began = Instant::now();
    platform.say(place, &ada, "one");
    platform.say(place, &ada, "two");
    platform.until(Duration::from_secs(10), |p| p.waiting().is_empty().then_some(())).await.expect("delivered");
    assert!(began.elapsed() >= Duration::from_secs(1), "the pause that was asked for is kept");
    let texts: Vec<String> = receiver
        .deliveries()
        .iter()
        .map(|d| serde_json::from_slice::<Value>(&d.body).unwrap()["message"]["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(texts, ["one", "one", "one", "two"]);
    assert_eq!(receiver.deliveries()[0].header("x-telegram-bot-api-secret-token"), Some("s3cret"));
}

#[tokio::test]
async fn scripted_faults_come_once_each_and_have_no_effect() {
    let platform = platform().await;
    let place = platform.private(&Person::new(7, "Ada", "en"));
    platform.fail("sendMessage", [Fault::TooMany(3), Fault::Error(500, "Internal Server Error".into())]);
    let message = json!({ "chat_id": place.chat, "text": "x" });
    let (code, answer) = call(&platform, "sendMessage", message.clone()).await;
    assert_eq!((code, answer["parameters"]["retry_after"].as_i64()), (429, Some(3)));
    assert_eq!(call(&platform, "sendMessage", message.clone()).await.0, 500);
    assert!(platform.shown(place).is_empty());
    assert_eq!(call(&platform, "sendMessage", message).await.0, 200);
    assert_eq!(platform.shown(place).len(), 1);
    platform.revoke(true);
    assert_eq!(call(&platform, "getMe", json!({})).await.0, 401);
}
