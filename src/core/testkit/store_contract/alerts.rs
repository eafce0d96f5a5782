//! Rules of what the operator is told.

use std::time::Duration;

use serde_json::json;

use super::Lab;
use super::leads::lead;
use super::make::{accept, answer, chat, claim, diver, exchange, fresh, later, parts, said, turn};
use crate::alert::{About, Alert};
use crate::channel::Receipt;
use crate::guard::{EmergencyKind, StandingEmergency};
use crate::ids::AlertId;
use crate::session::Session;
use crate::store::{DuePart, Outcome, PartResult, Store, Subject};

const AGAIN: u64 = 60_000;

/// An emergency answered on its way in.
async fn cry(store: &dyn Store, user: &str, words: &str, ms: u64) {
    let event = said(&chat(user), user, words, ms);
    let mut session = Session::open(fresh(), event.conversation.clone(), later(ms));
    session.emergency = Some(StandingEmergency { kind: EmergencyKind::Cardiac, replies: 1, region: None });
    let mut answered = turn(event.turn, words, "get help", session, event.sender.key.clone(), ms);
    answered.outcome = Outcome::Emergency;
    "cardiac".clone_into(&mut answered.reply.intent);
    store.accept_answered(&event, fresh(), &answered).await.unwrap();
}

async fn due(store: &dyn Store, ms: u64) -> Vec<Alert> {
    store.raise_alerts(later(ms)).await.unwrap();
    store.due_alerts(later(ms), 9).await.unwrap()
}

async fn tell(store: &dyn Store, id: AlertId, ms: u64) -> bool {
    let again = later(ms + AGAIN);
    store.send_alert(id, &chat("desk"), &parts(&["hear this"]), later(ms), again).await.unwrap()
}

/// Sends what is due in the operator's chat.
async fn deliver(store: &dyn Store, ms: u64) -> Vec<DuePart> {
    let mut due = store.due(later(ms), 9).await.unwrap();
    due.retain(|part| part.conversation == chat("desk"));
    for part in &due {
        let sent = PartResult::Sent { receipt: Receipt(None), at: later(ms) };
        store.settle(part.id, &sent).await.unwrap();
    }
    due
}

/// What is stored raises an alert by being there, once.
pub async fn leads_and_emergencies_raise_alerts_once(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "bob", "what is nitrox", 0), "a gas", &[]).await;
    assert_eq!(due(&*store, 1).await, []);
    let wanted = lead("Ada", 2);
    store.add_lead(&wanted, &[]).await.unwrap();
    cry(&*store, "eve", "my chest hurts", 3).await;
    let alerts = due(&*store, 4).await;
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    assert!(alerts.iter().any(|alert| alert.about == About::Lead(wanted.clone())));
    let report = alerts.iter().find_map(|alert| match &alert.about {
        About::Emergency(report) => Some(report),
        About::Lead(_) => None,
    });
    let report = report.expect("the emergency");
    assert_eq!((report.said.as_str(), report.kind.as_str()), ("my chest hurts", "cardiac"));
    assert_eq!((&report.conversation, &report.diver), (&chat("eve"), &diver("eve")));
    assert_eq!(store.raise_alerts(later(5)).await.unwrap(), 0, "nothing new");
    assert_eq!(due(&*store, 5).await.len(), 2, "still untold");
}

/// An emergency that only its turn recognised counts as well.
pub async fn an_emergency_found_in_the_turn_raises_an_alert(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "eve", "he has not surfaced", 0)).await;
    let claimed = claim(&*store, 0).await;
    let mut turn = answer(&*store, &claimed, "get help", 0).await;
    turn.outcome = Outcome::Emergency;
    store.finish(&claimed, &turn).await.unwrap();
    assert_eq!(due(&*store, 1).await.len(), 1);
}

/// Told, told again, seen: silence.
pub async fn an_alert_is_told_until_it_is_seen(lab: &mut dyn Lab) {
    let store = lab.store();
    cry(&*store, "eve", "help", 0).await;
    let id = due(&*store, 1).await[0].id;
    assert!(tell(&*store, id, 1).await);
    assert_eq!(due(&*store, 2).await, [], "not before its time");
    let told = deliver(&*store, 2).await;
    assert_eq!((told.len(), &told[0].payload), (1, &json!({ "text": "hear this" })));
    let again = due(&*store, AGAIN + 1).await;
    assert_eq!((again[0].id, again[0].told), (id, 1));
    let ada = Some("Ada".to_owned());
    assert_eq!(store.acknowledge(id, "Ada", later(AGAIN + 2)).await.unwrap(), ada);
    assert_eq!(store.acknowledge(id, "Eve", later(AGAIN + 3)).await.unwrap(), ada, "whoever was first");
    assert!(!tell(&*store, id, AGAIN + 4).await);
    assert_eq!(due(&*store, 9 * AGAIN).await, []);
    assert_eq!(store.acknowledge(AlertId(id.0 + 77), "Ada", later(0)).await.unwrap(), None);
}

/// A telling that has not arrived yet is not doubled.
pub async fn what_is_on_its_way_is_not_told_again(lab: &mut dyn Lab) {
    let store = lab.store();
    cry(&*store, "eve", "help", 0).await;
    let id = due(&*store, 1).await[0].id;
    assert!(tell(&*store, id, 1).await);
    assert!(!tell(&*store, id, AGAIN + 1).await);
    assert_eq!(deliver(&*store, AGAIN + 2).await.len(), 1);
    assert_eq!(due(&*store, 2 * AGAIN + 1).await.len(), 1, "its next time");
    assert!(tell(&*store, id, 2 * AGAIN + 1).await);
}

/// A diver who goes on writing in an emergency is one alert, until it was seen.
pub async fn one_conversation_is_one_alert_until_it_is_seen(lab: &mut dyn Lab) {
    let store = lab.store();
    for (n, words) in ["help", "he is not breathing", "hurry"].into_iter().enumerate() {
        cry(&*store, "eve", words, n as u64).await;
    }
    let first = due(&*store, 5).await;
    assert_eq!(first.len(), 1);
    cry(&*store, "eve", "please", 6).await;
    cry(&*store, "mallory", "me too", 7).await;
    assert_eq!(due(&*store, 8).await.len(), 2, "another conversation's");
    store.acknowledge(first[0].id, "Ada", later(9)).await.unwrap();
    cry(&*store, "eve", "it got worse", 10).await;
    assert_eq!(due(&*store, 11).await.len(), 2);
}

/// Whoever sets up a chat is not told the past.
pub async fn the_first_look_goes_back_an_hour(lab: &mut dyn Lab) {
    let store = lab.store();
    store.add_lead(&lead("old", 0), &[]).await.unwrap();
    let hours = u64::try_from(Duration::from_hours(2).as_millis()).expect("small");
    store.add_lead(&lead("new", hours), &[]).await.unwrap();
    let alerts = due(&*store, hours + 1).await;
    assert!(matches!(alerts.as_slice(), [Alert { about: About::Lead(lead), .. }] if lead.data["name"] == "new"));
}

/// With the diver goes what would still be told of them.
pub async fn an_erased_emergency_is_told_no_more(lab: &mut dyn Lab) {
    let store = lab.store();
    cry(&*store, "eve", "help", 0).await;
    cry(&*store, "bob", "help", 0).await;
    let alerts = due(&*store, 1).await;
    assert!(tell(&*store, alerts[0].id, 1).await);
    store.erase(&Subject::Diver(diver("eve")), false).await.unwrap();
    assert_eq!(deliver(&*store, 2).await, []);
    let left = due(&*store, AGAIN + 1).await;
    assert!(matches!(left.as_slice(), [Alert { about: About::Emergency(report), .. }] if report.diver == diver("bob")));
}

/// Alerts are durable.
pub async fn alerts_outlive_a_crash(lab: &mut dyn Lab) {
    cry(&*lab.store(), "eve", "help", 0).await;
    lab.reopen(super::Stop::Crash).await;
    assert_eq!(due(&*lab.store(), 1).await.len(), 1);
    lab.reopen(super::Stop::Crash).await;
    assert_eq!(due(&*lab.store(), 2).await.len(), 1);
}
