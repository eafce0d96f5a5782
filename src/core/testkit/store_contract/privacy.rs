//! Rules of what divers may ask of their data.

use std::time::Duration;

use serde_json::json;

use super::Lab;
use super::leads::{lead, notice};
use super::make::{
    LEASE, accept, answer, charged, chat, claim, diver, exchange, fresh, later, parts, said, try_claim, web,
};
use crate::clock::Timestamp;
use crate::ids::BotId;
use crate::limit::{Charge, Quota};
use crate::session::DiverProfile;
use crate::store::{Accepted, PartResult, Retention, Spend, SpendCaps, Store, Subject};

const CANARY: &str = "CANARY-7f3a91";

fn session(id: crate::ids::SessionId) -> Subject {
    Subject::Session(BotId::default(), id)
}

/// Something of every kind, all of it marked.
async fn fill(store: &dyn Store, user: &str, canary: &str) {
    for n in 0..12 {
        let conversation = chat(&format!("{canary} of {user}"));
        let event = said(&conversation, user, &format!("{canary} question {n} {}", "x".repeat(900)), n);
        accept(store, &event).await;
        let claimed = claim(store, n).await;
        let mut turn = answer(store, &claimed, &format!("{canary} answer {n} {}", "y".repeat(700)), n).await;
        turn.session.profile = DiverProfile { region: Some(canary.into()), ..DiverProfile::default() };
        turn.session.state.insert("note".into(), json!(canary));
        turn.parts = parts(&[canary]);
        store.finish(&claimed, &turn).await.unwrap();
        store.rate(turn.id, false, Some(canary), later(n)).await.unwrap();
    }
    accept(store, &said(&chat(&format!("{canary} of {user}")), user, &format!("{canary} waits"), 90)).await;
}

/// Sessions, messages, profile, turns, leads, feedback, usage, what waits and what goes out.
pub async fn an_export_holds_everything(lab: &mut dyn Lab) {
    let store = lab.store();
    fill(&*store, "ada", CANARY).await;
    let id = store.session(&chat(&format!("{CANARY} of ada")), &diver("ada"), 1).await.unwrap().unwrap().id;
    let mut lead = lead("Ada Lead", 0);
    lead.session = Some(id);
    store.add_lead(&lead, &[]).await.unwrap();
    for subject in [Subject::Diver(diver("ada")), session(id)] {
        let held = store.export(&subject).await.unwrap().expect("held");
        let text = held.to_string();
        for mark in ["question 3", "answer 3", "waits", "Ada Lead", "cost_micros", "\"region\"", "2026-11-20T"] {
            let profile_of_session = mark == "\"region\"" && matches!(subject, Subject::Session(..));
            assert!(profile_of_session || text.contains(mark), "{subject:?} lacks {mark}: {text}");
        }
        let comments = text.matches("\"comment\"").count();
        assert_eq!(comments, 12, "{subject:?}");
    }
}

/// `None`, not an empty document.
pub async fn nothing_held_exports_nothing(lab: &mut dyn Lab) {
    let store = lab.store();
    assert_eq!(store.export(&Subject::Diver(diver("nobody"))).await.unwrap(), None);
    assert_eq!(store.export(&session(fresh())).await.unwrap(), None);
    assert_eq!(store.erase(&Subject::Diver(diver("nobody")), true).await.unwrap(), 0);
    assert_eq!(store.erase(&session(fresh()), true).await.unwrap(), 0);
}

/// On the anonymous web session, profile, limits and spending go together.
pub async fn an_erased_session_leaves_no_trace(lab: &mut dyn Lab) {
    let (store, id) = (lab.store(), fresh());
    let event = web(id, CANARY, 0);
    let charge = Charge { key: event.sender.key.encode(), quota: Quota { per_minute: 1, burst: 1 } };
    assert!(
        matches!(store.accept(&event, id, Some(&charge)).await.unwrap(), Accepted::New { session, .. } if session == id)
    );
    let claimed = claim(&*store, 0).await;
    let mut turn = answer(&*store, &claimed, "ok", 0).await;
    turn.session.profile = DiverProfile { dives: Some(1), ..DiverProfile::default() };
    store.finish(&claimed, &turn).await.unwrap();
    let spend = Spend { day: "2026-11-20".into(), diver: charge.key.clone(), tokens: 5, cost_micros: 5 };
    store.reserve(&spend, &SpendCaps::default()).await.unwrap().expect("no caps");

    assert!(store.erase(&session(id), false).await.unwrap() > 0);
    assert_eq!(store.session_by_id(&BotId::default(), id, 9).await.unwrap(), None);
    assert_eq!(store.export(&session(id)).await.unwrap(), None);
    assert_eq!(store.export(&Subject::Diver(event.sender.key.clone())).await.unwrap(), None);
    assert_eq!(store.turn(turn.id).await.unwrap(), None);
    assert_eq!(store.erase(&session(id), true).await.unwrap(), 0);
    assert_eq!(store.spent("2026-11-20").await.unwrap(), (5, 5), "the day's sum is nobody's");
    assert!(matches!(charged(&*store, &web(id, "again", 1), &charge).await, Accepted::New { .. }));
}

/// Not a byte of it stays in the database's files, journal included.
pub async fn an_erased_diver_leaves_no_trace_in_the_files(lab: &mut dyn Lab) {
    let store = lab.store();
    for n in 0..6 {
        fill(&*store, &format!("other {n}"), "unmarked").await;
        fill(&*store, "ada", CANARY).await;
        // The same diver again: the waiting event of the round before is finished first.
        while let Some(claimed) = try_claim(&*store, 100).await {
            let turn = answer(&*store, &claimed, "ok", 100).await;
            store.finish(&claimed, &turn).await.unwrap();
        }
    }
    let found = |files: Vec<Vec<u8>>| {
        files.iter().map(|f| f.windows(CANARY.len()).filter(|w| *w == CANARY.as_bytes()).count()).sum::<usize>()
    };
    if !lab.files().is_empty() {
        assert!(found(lab.files()) > 0, "the files are looked at");
    }
    assert!(store.erase(&Subject::Diver(diver("ada")), true).await.unwrap() > 0);
    assert_eq!(found(lab.files()), 0);
    assert_eq!(store.export(&Subject::Diver(diver("ada"))).await.unwrap(), None);
}

/// In a group one diver's words go and the others' stay.
pub async fn erasing_one_spares_the_others(lab: &mut dyn Lab) {
    let store = lab.store();
    let bobs = exchange(&*store, &said(&chat("group"), "bob", "bob asks", 0), "for bob", &[]).await;
    let adas = exchange(&*store, &said(&chat("group"), "ada", "ada asks", 1), "for ada", &[]).await;
    exchange(&*store, &said(&chat("private"), "ada", "secret", 2), "ok", &[]).await;
    assert!(store.erase(&Subject::Diver(diver("ada")), false).await.unwrap() > 0);
    let group = store.session(&chat("group"), &diver("bob"), 9).await.unwrap().expect("bob's too");
    assert_eq!(group.history.iter().map(|m| m.content.as_str()).collect::<Vec<_>>(), ["bob asks", "for bob"]);
    assert!(store.turn(bobs.id).await.unwrap().is_some());
    assert_eq!(store.turn(adas.id).await.unwrap(), None);
    assert_eq!(store.session(&chat("private"), &diver("ada"), 9).await.unwrap(), None);
}

/// What waits goes too; what others said in the same lane stays.
pub async fn an_erased_event_is_not_claimed(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("group"), "ada", "ada waits", 0)).await;
    accept(&*store, &said(&chat("group"), "bob", "bob waits", 0)).await;
    store.erase(&Subject::Diver(diver("ada")), false).await.unwrap();
    assert_eq!(store.backlog(later(1)).await.unwrap().waiting, 1);
    assert_eq!(claim(&*store, 1).await.text(), "bob waits");
    drop(store);
    lab.reopen(super::Stop::Crash).await;
    assert_eq!(claim(&*lab.store(), 1).await.text(), "bob waits");
    assert_eq!(try_claim(&*lab.store(), 1).await, None);
}

/// A turn that was running when its diver was erased brings nothing back.
pub async fn a_turn_that_ends_after_the_erasure_writes_nothing(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "ada", "x", 0)).await;
    let claimed = claim(&*store, 0).await;
    let mut turn = answer(&*store, &claimed, "ok", 0).await;
    turn.parts = parts(&["quoting x"]);
    turn.session.profile = DiverProfile { dives: Some(1), ..DiverProfile::default() };
    store.erase(&Subject::Diver(diver("ada")), false).await.unwrap();
    store.finish(&claimed, &turn).await.unwrap();
    assert_eq!(store.export(&Subject::Diver(diver("ada"))).await.unwrap(), None);
    assert_eq!(store.session(&chat("c"), &diver("ada"), 1).await.unwrap(), None);
    assert_eq!(store.due(later(9), 9).await.unwrap(), []);
    assert_eq!(try_claim(&*store, 9).await, None);
}

/// "Everything was removed" still reaches the diver, and goes once it has.
pub async fn the_answer_to_a_command_survives_its_erasure(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "ada", "x", 0), "ok", &["an earlier answer"]).await;
    accept(&*store, &said(&chat("c"), "ada", "/forget", 1)).await;
    let claimed = claim(&*store, 1).await;
    let mut turn = answer(&*store, &claimed, "Everything was removed.", 1).await;
    turn.said.clear();
    turn.parts = parts(&["Everything was removed."]);
    store.finish(&claimed, &turn).await.unwrap();
    store.erase(&Subject::Diver(diver("ada")), false).await.unwrap();
    assert_eq!(store.export(&Subject::Diver(diver("ada"))).await.unwrap(), None);
    let due = store.due(later(2), 9).await.unwrap();
    assert_eq!((due.len(), due[0].payload["text"].as_str()), (1, Some("Everything was removed.")));
    let sent = PartResult::Sent { receipt: crate::channel::Receipt(None), at: later(3) };
    store.settle(due[0].id, &sent).await.unwrap();
    assert_eq!(store.due(later(4), 9).await.unwrap(), []);
}

/// A lead was handed over on the diver's wish; it stays unless its removal is asked for, and forgets which
/// conversation it came from.
pub async fn leads_go_only_if_asked(lab: &mut dyn Lab) {
    let store = lab.store();
    let asked = async || {
        let id = fresh();
        accept(&*store, &web(id, "x", 0)).await;
        let mut lead = lead("Ada", 0);
        lead.session = Some(id);
        store.add_lead(&lead, &[notice("mail", &lead)]).await.unwrap();
        id
    };
    let id = asked().await;
    store.erase(&session(id), false).await.unwrap();
    let kept = store.leads(&BotId::default(), 9).await.unwrap();
    assert_eq!(kept.iter().map(|record| record.lead.session).collect::<Vec<_>>(), [None]);
    assert_eq!(store.export(&session(id)).await.unwrap(), None, "nothing of the session remains");
    assert_eq!(store.erase(&session(id), true).await.unwrap(), 0);

    let id = asked().await;
    assert!(store.erase(&session(id), true).await.unwrap() > 0);
    let left = store.leads(&BotId::default(), 9).await.unwrap();
    assert_eq!(left, kept);
    let parts = store.due(later(1), 9).await.unwrap();
    assert_eq!(parts.len(), 1, "that of the lead that stays");
}

/// What hangs on a lead goes with it.
pub async fn an_erased_lead_is_not_delivered(lab: &mut dyn Lab) {
    let (store, id) = (lab.store(), fresh());
    accept(&*store, &web(id, "x", 0)).await;
    let mut lead = lead("Ada", 0);
    lead.session = Some(id);
    store.add_lead(&lead, &[notice("mail", &lead)]).await.unwrap();
    assert!(store.erase(&session(id), true).await.unwrap() > 0);
    assert_eq!(store.leads(&BotId::default(), 9).await.unwrap(), []);
    assert_eq!(store.due(later(1), 9).await.unwrap(), []);
}

const DAY: Duration = Duration::from_hours(24);

fn keep(days: u32) -> Retention {
    Retention { sessions: DAY * days, event_ids: DAY * days, outbox: DAY * days, leads: DAY * days, usage: DAY * days }
}

fn after(days: u32) -> Timestamp {
    later(0).plus(DAY * days)
}

/// Everything past its time goes, everything else stays, and what still waits always does.
pub async fn old_things_expire_and_new_ones_stay(lab: &mut dyn Lab) {
    let store = lab.store();
    let old = exchange(&*store, &said(&chat("old"), "ada", "old", 0), "ok", &["part"]).await;
    let part = store.due(later(1), 9).await.unwrap().remove(0);
    let sent = PartResult::Sent { receipt: crate::channel::Receipt(None), at: later(2) };
    store.settle(part.id, &sent).await.unwrap();
    store.rate(old.id, true, None, later(3)).await.unwrap();
    store.add_lead(&lead("old", 0), &[]).await.unwrap();
    accept(&*store, &said(&chat("waiting"), "bob", "still waits", 0)).await;
    let recent = u64::try_from((DAY * 25).as_millis()).expect("small");
    let event = said(&chat("new"), "eve", "new", recent);
    accept(&*store, &event).await;
    let claimed = claim(&*store, recent).await;
    assert_eq!(claimed.text(), "still waits");
    let claimed_new = store.claim(after(25), after(25).plus(LEASE)).await.unwrap().expect("the new one");
    let new = answer(&*store, &claimed_new, "ok", recent).await;
    store.finish(&claimed_new, &new).await.unwrap();

    assert_eq!(store.expire(after(29), &keep(30)).await.unwrap(), 0);
    assert!(store.expire(after(31), &keep(30)).await.unwrap() > 0);
    assert_eq!(store.turn(old.id).await.unwrap(), None);
    assert_eq!(store.session(&chat("old"), &diver("ada"), 1).await.unwrap(), None);
    assert_eq!(store.export(&Subject::Diver(diver("ada"))).await.unwrap(), None);
    assert_eq!(store.leads(&BotId::default(), 9).await.unwrap(), []);
    assert!(store.turn(new.id).await.unwrap().is_some());
    let turn = answer(&*store, &claimed, "at last", recent).await;
    store.finish(&claimed, &turn).await.unwrap();
    assert_eq!(store.expire(after(31), &keep(30)).await.unwrap(), 1, "now that event's id");
    assert_eq!(store.expire(after(31), &keep(30)).await.unwrap(), 0, "a second pass finds nothing");
}

/// Repeats are recognised for 8 days whatever the configuration says.
pub async fn event_ids_outlive_short_retention(lab: &mut dyn Lab) {
    let store = lab.store();
    let event = said(&chat("c"), "ada", "x", 0);
    exchange(&*store, &event, "ok", &[]).await;
    store.expire(after(7), &keep(1)).await.unwrap();
    assert!(matches!(store.accept(&event, fresh(), None).await.unwrap(), Accepted::Duplicate { .. }));
    store.expire(after(9), &keep(1)).await.unwrap();
    assert!(matches!(store.accept(&event, fresh(), None).await.unwrap(), Accepted::New { .. }));
}
