//! What is taken, what is refused, and what a call is answered with.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::{
    ALARM, Call, DEPTH, FLYING, OTHER, SECRET, answer, now, receiver, replies, said, say, setup, setup_sync, sign,
    text, wait_for,
};

#[tokio::test]
async fn a_message_is_accepted_and_its_reply_posted_signed() {
    let receiver = receiver().await;
    let setup = setup(&receiver);
    let daemon = setup.start().await;
    let mut message = said("room-7", DEPTH);
    message["messageId"] = json!("m-1");
    let (status, accepted) = answer(Call::new("msg_1", &message).post(&daemon).await).await;
    assert_eq!(status, 202, "{accepted}");
    let reply = wait_for(&receiver, 1).await.remove(0);
    assert_eq!(reply["type"], "reply.created");
    assert!(reply["timestamp"].as_str().unwrap().ends_with('Z'), "{reply}");
    let data = &reply["data"];
    assert_eq!((&data["conversation"], &data["turnId"]), (&json!("room-7"), &accepted["turnId"]));
    assert_eq!((&data["inReplyTo"], &data["emergency"]), (&json!("m-1"), &json!(false)));
    assert_eq!(data["agentType"], "certification");
    assert!(text(&reply).contains("18"), "{reply}");
    assert!(!data["citations"][0]["source"].as_str().unwrap().is_empty());
    let names: Vec<&String> = data.as_object().unwrap().keys().collect();
    assert_eq!(names, ["agentType", "citations", "conversation", "emergency", "inReplyTo", "text", "turnId"]);
    assert_eq!(receiver.deliveries()[0].signed, Some(true));

    // The session goes on, and whoever names no message is answered by the call's own id.
    say(&daemon, "msg_2", "room-7", "/privacy").await;
    let reply = wait_for(&receiver, 2).await.remove(1);
    assert_eq!(reply["data"]["inReplyTo"], "msg_2");
    daemon.kill().await;
}

#[tokio::test]
async fn a_repeated_id_answers_as_the_first_time_and_makes_no_turn() {
    let receiver = receiver().await;
    let setup = setup(&receiver);
    let daemon = setup.start().await;
    let first = say(&daemon, "msg_1", "c", DEPTH).await;
    for _ in 0..3 {
        assert_eq!(say(&daemon, "msg_1", "c", DEPTH).await, first);
    }
    wait_for(&receiver, 1).await;
    assert_eq!(say(&daemon, "msg_1", "c", DEPTH).await, first);
    say(&daemon, "msg_2", "c", "/privacy").await;
    wait_for(&receiver, 2).await;
    assert_eq!(replies(&receiver).len(), 2);
    daemon.kill().await;
}

#[tokio::test]
async fn only_what_is_signed_right_and_in_time_is_believed() {
    let receiver = receiver().await;
    let mut setup = setup(&receiver);
    setup.set("CHANNELS__WEBHOOK__CRM__PREVIOUS_SECRET", OTHER);
    let daemon = setup.start().await;
    let body = said("c", ALARM);
    let right = || Call::new("msg_1", &body);
    let aged = |seconds: i64| {
        let at = (now() + seconds).to_string();
        let signature = Some(sign(SECRET, "msg_1", &at, body.to_string().as_bytes()));
        Call { at, signature, ..right() }
    };
    let wrong = [
        Call { signature: None, ..right() },
        Call { signature: Some(String::new()), ..right() },
        Call { signature: Some("v1,AAAA".to_owned()), ..right() },
        Call { id: "msg_2".to_owned(), ..right() },
        Call { at: (now() - 1).to_string(), ..right() },
        Call { body: said("c", "My buddy can't feel his legs after the dive!").to_string().into_bytes(), ..right() },
        Call { at: i64::MIN.to_string(), ..right() },
        Call { at: String::new(), ..right() },
        aged(-302),
        aged(302),
        Call::raw("a.b", body.to_string().into_bytes()),
    ];
    for (n, call) in wrong.iter().enumerate() {
        let (status, refused) = answer(call.post(&daemon).await).await;
        assert_eq!((status, &refused["code"]), (401, &json!("SIGNATURE_REFUSED")), "{n}: {refused}");
    }
    let status: Value = daemon.get("/status").await.unwrap().json().await.unwrap();
    assert_eq!((&status["queue"]["waiting"], &status["queue"]["outbox_pending"]), (&json!(0), &json!(0)));
    assert!(replies(&receiver).is_empty());

    // The same id is news, so nothing of it was stored; and the secret of before still counts.
    assert_eq!(aged(-290).post(&daemon).await.status(), 202);
    let old = sign(OTHER, "msg_9", &now().to_string(), body.to_string().as_bytes());
    let rotated = Call { id: "msg_9".to_owned(), signature: Some(format!("v1,AAAA {old}")), ..right() };
    assert_eq!(rotated.post(&daemon).await.status(), 202);
    assert!(text(&wait_for(&receiver, 1).await[0]).contains("oxygen"));
    assert!(!setup.log_text().contains("MfKQ9r8") && !setup.log_text().contains("C2FVsBQ"));
    daemon.kill().await;
}

#[tokio::test]
async fn what_can_not_be_used_is_told_in_the_one_form_of_errors() {
    let receiver = receiver().await;
    let setup = setup(&receiver);
    let daemon = setup.start().await;
    let raw = |body: &str| Call::raw("msg_1", body.as_bytes().to_vec());
    let code = async |call: Call| {
        let (status, body) = answer(call.post(&daemon).await).await;
        assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        (status, body["code"].as_str().unwrap_or_default().to_owned(), body)
    };
    let (status, name, _) = code(Call { name: "erp", ..raw("{}") }).await;
    assert_eq!((status, name.as_str()), (404, "NOT_FOUND"));
    for taken in ["telegram", "discord", "whatsapp", "twilio"] {
        assert_eq!(code(Call { name: taken, ..raw("{}") }).await.0, 404, "{taken} is off");
    }
    assert_eq!(code(raw("{")).await.1, "MALFORMED_JSON");
    assert_eq!(code(Call { kind: "text/plain", ..raw("{}") }).await.0, 415);
    let (status, name, body) = code(raw(r#"{"conversation":"c","user":{"id":" "}}"#)).await;
    assert_eq!((status, name.as_str()), (422, "VALIDATION_ERROR"));
    let fields: Vec<&str> = body["details"].as_array().unwrap().iter().map(|d| d["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["user.id", "text"]);
    let fill = |length: usize| {
        let frame = said("c", "").to_string().len() + r#","pad":"""#.len();
        let mut body = said("c", "");
        body["pad"] = json!("x".repeat(length - frame));
        body.to_string()
    };
    assert_eq!(fill(65_536).len(), 65_536);
    assert_eq!(code(raw(&fill(65_536))).await.0, 422, "the text is empty, the length is not");
    assert_eq!(code(raw(&fill(65_537))).await.0, 413);
    let got = daemon.client.request(Method::GET, format!("{}/webhooks/crm", daemon.base)).send().await.unwrap();
    assert_eq!(got.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(replies(&receiver).is_empty());
    daemon.kill().await;
}

#[tokio::test]
async fn a_store_that_takes_nothing_sends_the_sender_away_for_a_while() {
    let receiver = receiver().await;
    let setup = setup(&receiver);
    let daemon = setup.start().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(setup.database());
    let mut held = options.connect().await.unwrap();
    held.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = Call::new("msg_1", &said("c", DEPTH)).post(&daemon).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    // What a diver in danger must read does not wait for it.
    assert_eq!(say(&daemon, "msg_2", "d", ALARM).await.0, 503, "not acknowledged");
    assert!(text(&wait_for(&receiver, 1).await[0]).contains("oxygen"));
    held.execute("ROLLBACK").await.unwrap();
    held.close().await.unwrap();
    assert_eq!(say(&daemon, "msg_1", "c", DEPTH).await.0, 202);
    // It comes again; by its webhook-id a receiver knows that it is the same.
    assert_eq!(say(&daemon, "msg_2", "d", ALARM).await.0, 202);
    let came = wait_for(&receiver, 3).await;
    assert!(came.iter().any(|reply| text(reply).contains("18")), "{came:?}");
    let alarms = receiver.deliveries().into_iter().filter(|d| String::from_utf8_lossy(&d.body).contains("oxygen"));
    let ids: std::collections::HashSet<_> = alarms.map(|d| d.header("webhook-id").map(str::to_owned)).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    daemon.kill().await;
}

#[tokio::test]
async fn in_sync_mode_the_reply_is_the_answer() {
    let setup = setup_sync();
    let daemon = setup.start().await;
    let (status, reply) = say(&daemon, "msg_1", "c", DEPTH).await;
    assert_eq!(status, 200, "{reply}");
    let asked = daemon.ask(None, DEPTH).await;
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&reply), names(&asked), "the same body as POST /api/chat");
    assert_eq!(names(&reply["metadata"]), names(&asked["metadata"]));
    assert!(reply["message"].as_str().unwrap().contains("18"));
    assert_eq!(say(&daemon, "msg_1", "c", DEPTH).await, (200, reply.clone()), "a repeat is answered alike");
    let (_, next) = say(&daemon, "msg_2", "c", FLYING).await;
    assert_eq!(next["sessionId"], reply["sessionId"]);
    let (status, alarm) = say(&daemon, "msg_3", "c", ALARM).await;
    assert_eq!((status, &alarm["metadata"]["emergency"]), (200, &json!(true)));
    daemon.kill().await;
}

#[tokio::test]
async fn an_emergency_is_answered_on_the_line_although_the_store_is_away() {
    let setup = setup_sync();
    let daemon = setup.start().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(setup.database());
    let mut held = options.connect().await.unwrap();
    held.execute("BEGIN IMMEDIATE").await.unwrap();
    let (status, reply) = say(&daemon, "msg_1", "c", ALARM).await;
    assert_eq!((status, &reply["metadata"]["degraded"]), (200, &json!(["store"])), "{reply}");
    assert!(reply["message"].as_str().unwrap().contains("oxygen"));
    held.execute("ROLLBACK").await.unwrap();
    held.close().await.unwrap();
    daemon.kill().await;
}

#[tokio::test]
async fn what_takes_too_long_for_the_line_goes_to_the_callback_and_only_there() {
    let receiver = receiver().await;
    let model = crate::models::start(crate::models::slow(std::time::Duration::from_secs(2))).await;
    let mut setup = setup(&receiver).with("CHANNELS__WEBHOOK__CRM__REPLY", "sync");
    setup.set("CHANNELS__WEBHOOK__CRM__SYNC_TIMEOUT", "0.5");
    crate::models::with_model(&mut setup, &model);
    let daemon = setup.start().await;
    let (status, accepted) = say(&daemon, "msg_1", "c", DEPTH).await;
    assert_eq!(status, 202, "{accepted}");
    let reply = wait_for(&receiver, 1).await.remove(0);
    assert_eq!(reply["data"]["turnId"], accepted["turnId"]);
    // What is quick enough is answered on the line and not posted.
    let (status, told) = say(&daemon, "msg_2", "c", "/privacy").await;
    assert_eq!(status, 200, "{told}");
    say(&daemon, "msg_3", "d", DEPTH).await;
    wait_for(&receiver, 2).await;
    let turns: Vec<Value> = replies(&receiver).iter().map(|reply| reply["data"]["turnId"].clone()).collect();
    assert!(!turns.contains(&told["metadata"]["turnId"]), "{turns:?}");
    daemon.kill().await;
}

#[tokio::test]
async fn a_webhook_has_a_limit_of_its_own_and_an_emergency_has_none() {
    let setup = setup_sync().with("CHANNELS__WEBHOOK__CRM__MESSAGES_PER_MINUTE", "3");
    let daemon = setup.start().await;
    for n in 0..3 {
        assert_eq!(say(&daemon, &format!("msg_{n}"), "c", "/privacy").await.0, 200);
    }
    let refused = Call::new("msg_4", &said("c", "/privacy")).post(&daemon).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    let (status, alarm) = say(&daemon, "msg_5", "c", ALARM).await;
    assert_eq!((status, &alarm["metadata"]["emergency"]), (200, &json!(true)));
    daemon.kill().await;
}

#[tokio::test]
async fn the_lead_flow_goes_by_numbers_where_there_are_no_buttons() {
    let setup = setup_sync();
    let daemon = setup.start().await;
    let receiver_less = |reply: &Value| reply["message"].as_str().unwrap_or_default().to_owned();
    let (_, asked) = say(&daemon, "msg_1", "c", "/connect").await;
    assert!(!receiver_less(&asked).is_empty());
    for (id, words) in [("msg_2", "2"), ("msg_3", "Ana"), ("msg_4", "ana@example.com"), ("msg_5", "Komodo in May")] {
        assert_eq!(say(&daemon, id, "c", words).await.0, 200);
    }
    let (_, sent) = say(&daemon, "msg_6", "c", "1").await;
    assert!(receiver_less(&sent).contains("Sent"), "{sent}");
    let leads: Value = serde_json::from_str(&setup.ok(&["leads", "list", "--json"]).await).unwrap();
    assert_eq!((&leads[0]["type"], &leads[0]["data"]["name"]), (&json!("trip"), &json!("Ana")));
    daemon.kill().await;
}
