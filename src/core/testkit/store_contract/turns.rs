//! Rules of finishing.

use serde_json::json;

use super::Lab;
use super::make::{accept, answer, burst, chat, claim, diver, exchange, fresh, later, said, try_claim};
use crate::session::{DiverProfile, Role};
use crate::store::{Accepted, StoreError, Subject};

/// Reply, messages, session, profile and parts are written together.
pub async fn a_finished_turn_is_all_there(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "ada", "which card?", 0)).await;
    let claimed = claim(&*store, 0).await;
    let mut turn = answer(&*store, &claimed, "Open Water.", 5).await;
    turn.attempt = 2;
    turn.session.profile = DiverProfile { dives: Some(12), ..DiverProfile::default() };
    turn.session.state.insert("last_intent".into(), json!("cert"));
    turn.parts = vec![json!({ "text": "Open Water." })];
    store.finish(&claimed, &turn).await.unwrap();

    let stored = store.turn(turn.id).await.unwrap().expect("stored");
    assert_eq!((stored.id, stored.session, stored.attempt), (turn.id, turn.session.id, 2));
    assert_eq!((&stored.reply, stored.finished_at), (&turn.reply, later(5)));
    let session = store.session(&chat("c"), &diver("ada"), 9).await.unwrap().unwrap();
    let heard: Vec<_> = session.history.iter().map(|m| (m.role, m.content.as_str())).collect();
    assert_eq!(heard, [(Role::User, "which card?"), (Role::Assistant, "Open Water.")]);
    assert_eq!((session.profile.dives, session.updated_at), (Some(12), later(5)));
    assert_eq!(session.state["last_intent"], "cert");
    let due = store.due(later(5), 9).await.unwrap();
    assert_eq!((due.len(), &due[0].payload, &due[0].context), (1, &turn.parts[0], &turn.context));
    assert_eq!((&due[0].conversation, due[0].created_at, due[0].part), (&chat("c"), later(5), 0));
}

/// From its acceptance to its reply a turn is worth waiting for, unless it is erased meanwhile.
pub async fn a_turn_is_waited_for_until_it_has_a_reply_or_is_erased(lab: &mut dyn Lab) {
    let store = lab.store();
    let (first, second) = (said(&chat("c"), "ada", "which card?", 0), said(&chat("c"), "ada", "how deep?", 1));
    assert!(!store.is_waiting(first.turn).await.unwrap(), "unknown");
    accept(&*store, &first).await;
    accept(&*store, &second).await;
    assert!(store.is_waiting(first.turn).await.unwrap() && store.is_waiting(second.turn).await.unwrap());
    let claimed = claim(&*store, 1).await;
    assert!(store.is_waiting(first.turn).await.unwrap(), "it runs");
    let turn = answer(&*store, &claimed, "Open Water.", 5).await;
    store.finish(&claimed, &turn).await.unwrap();
    assert!(!store.is_waiting(first.turn).await.unwrap(), "answered");
    assert!(store.is_waiting(second.turn).await.unwrap());
    store.erase(&Subject::Diver(diver("ada")), false).await.unwrap();
    assert!(!store.is_waiting(second.turn).await.unwrap(), "erased");
}

/// A command is answered but not remembered as something said.
pub async fn a_command_leaves_no_message(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "ada", "/privacy", 0)).await;
    let claimed = claim(&*store, 0).await;
    let mut turn = answer(&*store, &claimed, "We keep little.", 0).await;
    turn.said.clear();
    turn.parts = vec![json!({ "text": "We keep little." })];
    store.finish(&claimed, &turn).await.unwrap();
    let session = store.session(&chat("c"), &diver("ada"), 9).await.unwrap().unwrap();
    assert_eq!(session.history, []);
    assert!(store.turn(turn.id).await.unwrap().is_some());
    assert_eq!(store.due(later(1), 9).await.unwrap().len(), 1);
}

/// Each event of a burst repeats as a duplicate of the one turn.
pub async fn a_burst_is_covered_by_one_turn(lab: &mut dyn Lab) {
    let store = lab.store();
    let events = [burst(&chat("c"), "hi", 0, 100), burst(&chat("c"), "there", 50, 100)];
    for event in &events {
        accept(&*store, event).await;
    }
    let claimed = claim(&*store, 150).await;
    assert_eq!(claimed.events.len(), 2);
    let turn = answer(&*store, &claimed, "hello", 150).await;
    store.finish(&claimed, &turn).await.unwrap();
    for event in &events {
        match store.accept(event, fresh(), None).await.unwrap() {
            Accepted::Duplicate { turn, .. } => assert_eq!(turn, events[0].turn),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(try_claim(&*store, 500).await, None);
}

/// A second finish of the same claim is refused and writes nothing.
pub async fn a_turn_is_finished_once(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "ada", "x", 0)).await;
    let claimed = claim(&*store, 0).await;
    let turn = answer(&*store, &claimed, "once", 0).await;
    store.finish(&claimed, &turn).await.unwrap();
    assert!(matches!(store.finish(&claimed, &turn).await, Err(StoreError::LeaseLost)));
    let session = store.session(&chat("c"), &diver("ada"), 9).await.unwrap().unwrap();
    assert_eq!(session.history.len(), 2);
}

/// The lane's next event comes right after.
pub async fn a_finished_lane_is_free(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "ada", "one", 0)).await;
    let claimed = claim(&*store, 0).await;
    accept(&*store, &said(&chat("c"), "ada", "two", 0)).await;
    assert_eq!(try_claim(&*store, 0).await, None);
    let turn = answer(&*store, &claimed, "ok", 0).await;
    store.finish(&claimed, &turn).await.unwrap();
    assert_eq!(claim(&*store, 0).await.text(), "two");
}

/// Ratings belong to turns; a later one replaces the earlier.
pub async fn a_rating_is_kept_and_replaced(lab: &mut dyn Lab) {
    let store = lab.store();
    let turn = exchange(&*store, &said(&chat("c"), "ada", "x", 0), "ok", &[]).await;
    assert!(store.rate(turn.id, false, Some("wrong"), later(1)).await.unwrap());
    assert!(store.rate(turn.id, true, None, later(2)).await.unwrap());
    let unknown = said(&chat("c"), "ada", "x", 0).turn;
    assert!(!store.rate(unknown, true, None, later(3)).await.unwrap());
    let held = store.export(&crate::store::Subject::Diver(diver("ada"))).await.unwrap().expect("held").to_string();
    assert!(!held.contains("wrong"), "{held}");
}

/// Many conversations at once: every turn is stored, none mixed up.
pub async fn concurrent_turns_all_finish(lab: &mut dyn Lab) {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..64 {
        let store = lab.store();
        tasks.spawn(async move {
            let event = said(&chat(&format!("c{n}")), &format!("u{n}"), &format!("question {n}"), 0);
            accept(&*store, &event).await;
            let claimed = claim(&*store, 0).await;
            let reply = format!("answer to {}", claimed.text());
            let turn = answer(&*store, &claimed, &reply, 0).await;
            store.finish(&claimed, &turn).await.unwrap();
        });
    }
    tasks.join_all().await;
    for n in 0..64 {
        let session = lab.store().session(&chat(&format!("c{n}")), &diver(&format!("u{n}")), 9).await.unwrap().unwrap();
        let heard: Vec<_> = session.history.iter().map(|m| m.content.clone()).collect();
        assert_eq!(heard, [format!("question {n}"), format!("answer to question {n}")]);
    }
}
