//! Leads: stored first, with what may be told of the diver.

use dovvybuddy_core::BotId;
use dovvybuddy_core::store::Leads as _;
use serde_json::{Value, json};

use crate::server::Server;

fn training() -> Value {
    json!({"type": "training", "data": {"name": "Ana", "email": "ana@example.com", "certification_level": "OW",
        "interested_certification": "AOW", "preferred_location": "Komodo", "message": "In May?"}})
}

#[tokio::test]
async fn a_lead_is_stored_with_its_deliveries() {
    let server = Server::start().await;
    let answer = server.post("/api/leads", training()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.json["success"], true);
    let kept = server.store.leads(&BotId::default(), 10).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(answer.json["lead_id"], kept[0].lead.id.to_string());
    assert_eq!(kept[0].lead.data["interested_certification"], "AOW");
    assert_eq!(kept[0].deliveries.len(), 1);
    assert_eq!(kept[0].deliveries[0].outlet, "mail");
}

#[tokio::test]
async fn concerns_go_along_only_when_ticked() {
    let server = Server::start().await;
    let profile = json!({"cert_level": "OW", "concerns": ["asthma"], "medication": "x"});
    let session = server.post("/api/chat", json!({"message": "hi", "diverProfile": profile})).await.session();
    let mut lead = training();
    lead["session_id"] = json!(session);
    assert_eq!(server.post("/api/leads", lead.clone()).await.status, 201);
    lead["data"]["share_concerns"] = json!(true);
    assert_eq!(server.post("/api/leads", lead).await.status, 201);
    let kept = server.store.leads(&BotId::default(), 10).await.unwrap();
    let shared =
        |ticked: bool| &kept.iter().find(|l| l.lead.data.get("share_concerns").is_some() == ticked).unwrap().lead;
    assert_eq!(shared(false).profile.cert_level.as_deref(), Some("OW"));
    assert!(shared(false).profile.concerns.is_empty() && shared(false).profile.other.is_empty());
    assert_eq!(shared(true).profile.concerns, ["asthma"]);
    assert!(kept.iter().all(|l| l.lead.session.map(|s| s.to_string()).as_deref() == Some(&session)));
}

#[tokio::test]
async fn an_unknown_session_loses_no_lead() {
    let server = Server::start().await;
    for id in ["6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "nonsense"] {
        let mut lead = training();
        lead["session_id"] = json!(id);
        assert_eq!(server.post("/api/leads", lead).await.status, 201);
    }
    let kept = server.store.leads(&BotId::default(), 10).await.unwrap();
    assert!(kept.len() == 2 && kept.iter().all(|l| l.lead.session.is_none()));
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_stored() {
    let server = Server::start().await;
    let wrong =
        json!({"type": "trip", "data": {"name": "", "email": "ana@", "group_size": 0, "destination": "x".repeat(101)}});
    let answer = server.post("/api/leads", wrong).await;
    assert_eq!((answer.status, answer.code()), (422, "VALIDATION_ERROR"));
    assert_eq!(answer.fields(), ["data.name", "data.email", "data.destination", "data.group_size"]);
    assert_eq!(server.post("/api/leads", json!({"type": "boat", "data": null})).await.fields(), ["type", "data"]);
    assert!(server.store.leads(&BotId::default(), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn leads_have_a_limit_of_their_own_that_mistakes_do_not_charge() {
    let server = Server::with(|config| config.leads_per_minute = 1).await;
    for _ in 0..5 {
        assert_eq!(server.post("/api/leads", json!({"type": "trip", "data": {}})).await.status, 422);
    }
    assert_eq!(server.post("/api/leads", training()).await.status, 201);
    let refused = server.post("/api/leads", training()).await;
    assert_eq!((refused.status, refused.header("ratelimit-policy")), (429, Some("\"leads\";q=1;w=60")));
}
