//! Leads: checked, stored first, then delivered, each once.

use std::time::Duration;

use dovvybuddy_fakes::smtp::{self, Mood, Smtp};
use dovvybuddy_fakes::webhook::{self, Answer, Receiver};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::models::anywhere;
use crate::support::{Daemon, Setup};
use crate::wire::eventually;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// How long a delivery may take, retries included.
const DELIVERED: Duration = Duration::from_mins(1);

fn trip(name: &str) -> Value {
    json!({ "type": "trip", "data": { "name": name, "email": "ana@example.com", "phone": "+34 600 000 000",
        "message": "Calm water please", "destination": "Komodo", "travel_dates": "May", "group_size": 2, "budget": "2000 EUR" } })
}

fn training(name: &str) -> Value {
    json!({ "type": "training", "data": { "name": name, "email": "ben@example.com", "certification_level": "none",
        "interested_certification": "Open Water", "preferred_location": "Koh Tao" } })
}

async fn send(daemon: &Daemon, lead: &Value) -> String {
    let response = daemon.post("/api/leads", lead).await;
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert_eq!(body["success"], true);
    body["lead_id"].as_str().unwrap().to_owned()
}

async fn listed(setup: &Setup) -> Value {
    let (code, out, err) = setup.run(&["leads", "list", "--json"]).await;
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e} in {out}"))
}

/// The list's entry of one lead, as text.
fn entry(list: &Value, lead: &str) -> String {
    let leads = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    let entry = leads.iter().map(Value::to_string).find(|text| text.contains(lead));
    entry.unwrap_or_else(|| panic!("{lead} in {list}"))
}

async fn mail_server() -> Smtp {
    smtp::start(anywhere()).await.unwrap()
}

async fn receiver() -> Receiver {
    webhook::start(anywhere(), Some(SECRET)).await.unwrap()
}

fn with_mail(setup: &mut Setup, server: &Smtp) {
    setup.set("LEADS__MAIL_TO", "desk@example.com").set("LEADS__SMTP_URL", &server.url());
}

fn with_webhook(setup: &mut Setup, receiver: &Receiver) {
    setup.set("LEADS__WEBHOOK_URL", &receiver.url()).set("LEADS__WEBHOOK_SECRET", SECRET);
    setup.set("OUTGOING__ALLOW", "127.0.0.0/8");
}

fn accepted(receiver: &Receiver) -> Vec<webhook::Delivery> {
    receiver.deliveries().into_iter().filter(|delivery| delivery.answered == 200).collect()
}

fn data(changes: &Value, base: Value) -> Value {
    let mut lead = base;
    for (key, value) in changes.as_object().unwrap() {
        lead["data"][key] = value.clone();
    }
    lead
}

#[tokio::test]
async fn forms_are_checked_field_by_field_and_stored_without_any_delivery() {
    let setup = Setup::slice();
    let daemon = setup.start().await;
    let long = |n: usize| "ñ".repeat(n);
    let good = [
        trip("Ana"),
        training("Ben"),
        json!({ "type": "trip", "data": { "name": "A", "email": "a@b.co" } }),
        json!({ "type": "training", "data": { "name": long(100), "email": "a+b@example.co.uk", "unknown": [1] }, "other": true }),
        data(
            &json!({ "phone": long(20), "message": long(2000), "destination": long(100), "travel_dates": long(100), "budget": long(50), "group_size": 50 }),
            trip("x"),
        ),
        data(&json!({ "group_size": 1 }), trip("x")),
        data(
            &json!({ "certification_level": long(50), "interested_certification": long(50), "preferred_location": long(100) }),
            training("x"),
        ),
        data(&json!({ "phone": null, "message": null }), trip("x")),
    ];
    let mut ids = Vec::new();
    for lead in &good {
        ids.push(send(&daemon, lead).await);
    }
    let list = listed(&setup).await;
    for id in &ids {
        entry(&list, id);
    }
    assert_eq!(list.as_array().unwrap().len(), good.len());

    let bad = [
        (json!({ "type": "cruise", "data": trip("x")["data"] }), "type"),
        (json!({ "data": trip("x")["data"] }), "type"),
        (json!({ "type": 5, "data": trip("x")["data"] }), "type"),
        (json!({ "type": "trip" }), "data"),
        (json!({ "type": "trip", "data": "Ana" }), "data"),
        (json!({ "type": "trip", "data": { "email": "a@b.co" } }), "data.name"),
        (json!({ "type": "trip", "data": { "name": "Ana" } }), "data.email"),
        (data(&json!({ "name": "" }), trip("x")), "data.name"),
        (data(&json!({ "name": "   " }), trip("x")), "data.name"),
        (data(&json!({ "name": 5 }), trip("x")), "data.name"),
        (data(&json!({ "name": long(101) }), trip("x")), "data.name"),
        (data(&json!({ "email": "" }), trip("x")), "data.email"),
        (data(&json!({ "email": "ana" }), trip("x")), "data.email"),
        (data(&json!({ "email": "ana@" }), trip("x")), "data.email"),
        (data(&json!({ "email": "a b@example.com" }), trip("x")), "data.email"),
        (data(&json!({ "email": "a@b.co\r\nBcc: evil@example.com" }), trip("x")), "data.email"),
        (data(&json!({ "phone": long(21) }), trip("x")), "data.phone"),
        (data(&json!({ "message": long(2001) }), trip("x")), "data.message"),
        (data(&json!({ "destination": long(101) }), trip("x")), "data.destination"),
        (data(&json!({ "travel_dates": long(101) }), trip("x")), "data.travel_dates"),
        (data(&json!({ "budget": long(51) }), trip("x")), "data.budget"),
        (data(&json!({ "group_size": 0 }), trip("x")), "data.group_size"),
        (data(&json!({ "group_size": 51 }), trip("x")), "data.group_size"),
        (data(&json!({ "group_size": -1 }), trip("x")), "data.group_size"),
        (data(&json!({ "group_size": 2.5 }), trip("x")), "data.group_size"),
        (data(&json!({ "group_size": "many" }), trip("x")), "data.group_size"),
        (data(&json!({ "certification_level": long(51) }), training("x")), "data.certification_level"),
        (data(&json!({ "interested_certification": long(51) }), training("x")), "data.interested_certification"),
        (data(&json!({ "preferred_location": long(101) }), training("x")), "data.preferred_location"),
        (data(&json!({ "preferred_location": {} }), training("x")), "data.preferred_location"),
    ];
    for (lead, field) in bad {
        let response = daemon.post("/api/leads", &lead).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{lead}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["code"], "VALIDATION_ERROR");
        let fields: Vec<&str> =
            body["details"].as_array().unwrap().iter().map(|d| d["field"].as_str().unwrap()).collect();
        assert_eq!(fields, [field], "{lead}");
    }
    let several = daemon
        .post("/api/leads", &json!({ "type": "trip", "data": { "name": "", "email": "x", "group_size": 99 } }))
        .await;
    let several: Value = several.json().await.unwrap();
    assert_eq!(several["details"].as_array().unwrap().len(), 3, "all at once: {several}");
    assert_eq!(listed(&setup).await.as_array().unwrap().len(), good.len(), "what was refused is not stored");
    daemon.kill().await;
}

#[tokio::test]
async fn a_lead_goes_out_by_mail_and_signed_webhook_with_the_divers_profile() {
    let (mail, hook) = (mail_server().await, receiver().await);
    let mut setup = Setup::slice();
    with_mail(&mut setup, &mail);
    with_webhook(&mut setup, &hook);
    let daemon = setup.start().await;
    let told = daemon.ask(None, "I am PADI Open Water certified with 12 dives. How deep can I go?").await;
    let session = told["sessionId"].as_str().unwrap();

    let mut lead = trip("Ana Müller");
    lead["session_id"] = json!(session);
    let id = send(&daemon, &lead).await;
    let delivery = eventually("the webhook", DELIVERED, async || accepted(&hook).pop()).await;
    assert_eq!(delivery.signed, Some(true));
    assert!(delivery.header("content-type").unwrap().starts_with("application/json"));
    let body: Value = serde_json::from_slice(&delivery.body).unwrap();
    let text = body.to_string();
    for part in [id.as_str(), "trip", "Ana Müller", "ana@example.com", "Komodo", "Calm water please"] {
        assert!(text.contains(part), "{part} in {body}");
    }
    let sent = eventually("the mail", DELIVERED, async || mail.mails().pop()).await;
    assert_eq!(sent.to, ["desk@example.com"]);
    let headers = sent.data.split("\r\n\r\n").next().unwrap().to_lowercase();
    for header in ["from:", "to:", "subject:", "date:", "message-id:"] {
        assert!(headers.contains(header), "{header} in {headers}");
    }
    assert!(sent.data.contains("Komodo") && sent.data.contains("ana@example.com"), "{}", sent.data);

    eventually("both are marked as sent", DELIVERED, async || {
        let entry = entry(&listed(&setup).await, &id);
        (entry.matches("\"sent\"").count() == 2).then_some(())
    })
    .await;

    // Nobody writes headers of our mails.
    let nasty = "Eve\r\nBcc: victim@example.com\r\n\r\nbody";
    let response = daemon.post("/api/leads", &training(nasty)).await;
    if response.status() == StatusCode::CREATED {
        let sent = eventually("the mail", DELIVERED, async || mail.mails().get(1).cloned()).await;
        assert_eq!(sent.to, ["desk@example.com"]);
        let headers = sent.data.split("\r\n\r\n").next().unwrap().to_lowercase();
        assert!(!headers.lines().any(|line| line.starts_with("bcc:")), "{headers}");
    } else {
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    let sent_before = accepted(&hook).len();
    let (code, _, err) = setup.run(&["leads", "resend", &id]).await;
    assert_eq!(code, 0, "{err}");
    eventually("it is delivered again", DELIVERED, async || (accepted(&hook).len() > sent_before).then_some(())).await;
    let again = accepted(&hook).pop().unwrap();
    assert_eq!(again.signed, Some(true));
    assert!(String::from_utf8_lossy(&again.body).contains(&id));
    let (code, _, err) = setup.run(&["leads", "resend", "3f8a2c10-9b7e-4d21-8a55-0c1d2e3f4a5b"]).await;
    assert_eq!(code, 1, "{err}");
    let (code, out, _) = setup.run(&["leads", "export"]).await;
    assert_eq!(code, 0);
    assert!(out.contains(&id) && serde_json::from_str::<Value>(&out).is_ok(), "{out}");
    let (code, out, _) = setup.run(&["leads", "list"]).await;
    assert!(code == 0 && out.contains(&id), "{out}");
    daemon.kill().await;
}

#[tokio::test]
async fn targets_that_are_down_at_first_get_it_once_they_are_up() {
    let (mail, hook) = (mail_server().await, receiver().await);
    let mut setup = Setup::slice();
    with_mail(&mut setup, &mail);
    with_webhook(&mut setup, &hook);
    mail.be(Mood::Greylist(2));
    hook.then([Answer::Status(500, None), Answer::Status(503, Some(1)), Answer::Status(429, Some(1))]);
    let daemon = setup.start().await;
    send(&daemon, &trip("Ana")).await;
    eventually("the webhook", DELIVERED, async || accepted(&hook).pop()).await;
    eventually("the mail", DELIVERED, async || mail.mails().pop()).await;

    let tries = hook.deliveries();
    assert_eq!(tries.len(), 4, "three refusals and the one that was taken");
    assert!(tries.iter().all(|t| t.signed == Some(true)));
    let id = tries[0].header("webhook-id").unwrap();
    assert!(tries.iter().all(|t| t.header("webhook-id") == Some(id)), "the same id on every try");
    assert!(tries.iter().all(|t| t.body == tries[0].body));
    assert_eq!(mail.mails().len(), 1);

    // A redirect could lead anywhere: it is not followed.
    let elsewhere = receiver().await;
    hook.then([Answer::Redirect(elsewhere.url())]);
    send(&daemon, &trip("Ben")).await;
    eventually("the redirect was met", DELIVERED, async || (hook.deliveries().len() > 4).then_some(())).await;
    daemon.ask(None, "What is a safety stop?").await;
    assert!(elsewhere.deliveries().is_empty());
    daemon.kill().await;
}

#[tokio::test]
async fn a_power_cut_neither_loses_nor_doubles_a_lead() {
    let hook = receiver().await;
    let mail = mail_server().await;
    let mut setup = Setup::slice();
    with_webhook(&mut setup, &hook);
    with_mail(&mut setup, &mail);

    // Cut while nothing can be delivered: afterwards everything is.
    hook.always(Answer::Status(500, None));
    mail.be(Mood::Down);
    let daemon = setup.start().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(send(&daemon, &trip(&format!("Diver {n}"))).await);
    }
    daemon.kill().await;
    hook.always(Answer::Ok);
    mail.be(Mood::Accept);
    let daemon = setup.start().await;
    let delivered = async |count: usize| {
        eventually("all are delivered", DELIVERED, async || {
            (accepted(&hook).len() >= count && mail.mails().len() >= count).then_some(())
        })
        .await;
        eventually("all are marked", DELIVERED, async || {
            let list = listed(&setup).await.to_string();
            (!list.contains("\"pending\"") && !list.contains("\"send_started\"")).then_some(())
        })
        .await;
    };
    delivered(3).await;

    // Cut after everything was delivered and marked: nothing goes out again. A later lead shows that
    // the outbox was worked on.
    daemon.kill().await;
    let daemon = setup.start().await;
    ids.push(send(&daemon, &trip("The last")).await);
    delivered(4).await;
    assert_eq!(accepted(&hook).len(), 4);
    assert_eq!(mail.mails().len(), 4);
    for id in &ids {
        let times = accepted(&hook).iter().filter(|d| String::from_utf8_lossy(&d.body).contains(id)).count();
        assert_eq!(times, 1, "{id}");
    }

    // Cut in the very moment it is taken: the id of the delivery tells a repeat.
    let mut daemon = daemon;
    for n in 0..4 {
        ids.push(send(&daemon, &trip(&format!("Cut {n}"))).await);
        daemon.kill().await;
        daemon = setup.start().await;
    }
    let leads_of = |id: &String| {
        let deliveries = accepted(&hook);
        let of_lead = deliveries.iter().filter(|d| String::from_utf8_lossy(&d.body).contains(id));
        of_lead.filter_map(|d| d.header("webhook-id").map(str::to_owned)).collect::<std::collections::HashSet<_>>()
    };
    eventually("each has arrived", DELIVERED, async || ids.iter().all(|id| !leads_of(id).is_empty()).then_some(()))
        .await;
    for id in &ids {
        assert_eq!(leads_of(id).len(), 1, "{id} under one id only");
    }
    assert_eq!(listed(&setup).await.as_array().unwrap().len(), ids.len());
    daemon.kill().await;
}

#[tokio::test]
async fn private_addresses_are_reached_only_if_listed() {
    let hook = receiver().await;
    let mut setup = Setup::slice();
    with_webhook(&mut setup, &hook);
    setup.set("OUTGOING__ALLOW", "10.9.8.0/24");
    let (code, out, err) = setup.run_for(DELIVERED, &["serve"]).await;
    assert_eq!(code, 1, "an address that can never be reached is a wrong configuration: {out}{err}");
    assert!(err.contains("leads.webhook_url") && err.contains("outgoing.allow"), "{err}");

    // What a name leads to shows only when it is looked up.
    setup.set("LEADS__WEBHOOK_URL", &hook.url().replace("127.0.0.1", "localhost"));
    let daemon = setup.start().await;
    let id = send(&daemon, &trip("Ana")).await;
    eventually("it was tried", DELIVERED, async || {
        let list = listed(&setup).await;
        let entry = list.as_array()?.iter().find(|lead| lead.to_string().contains(&id))?.clone();
        entry["deliveries"][0]["attempts"].as_u64().is_some_and(|tries| tries > 0).then_some(())
    })
    .await;
    assert!(hook.deliveries().is_empty(), "no connection was made");
    daemon.kill().await;

    let port = hook.url().rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    setup.set("LEADS__WEBHOOK_URL", &hook.url()).set("OUTGOING__ALLOW", &format!("127.0.0.1:{port}"));
    let daemon = setup.start().await;
    send(&daemon, &trip("Ben")).await;
    eventually("the webhook", DELIVERED, async || accepted(&hook).pop()).await;
    daemon.kill().await;
}
