//! Rules of delivery.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::make::{accept, answer, chat, claim, exchange, fresh, later, parts, said, turn};
use super::{Lab, Stop};
use crate::channel::{MessageStatus, Receipt};
use crate::session::Session;
use crate::store::{DuePart, PartResult, Store, Subject};

async fn due(store: &dyn Store, ms: u64) -> Vec<DuePart> {
    store.due(later(ms), 100).await.unwrap()
}

fn texts(due: &[DuePart]) -> Vec<&str> {
    due.iter().map(|part| part.payload["text"].as_str().expect("a text")).collect()
}

async fn sent(store: &dyn Store, part: &DuePart, ms: u64) {
    let result = PartResult::Sent { receipt: Receipt(Some("r1".into())), at: later(ms) };
    store.settle(part.id, &result).await.unwrap();
}

fn retry(ms: u64, uncertain: bool) -> PartResult {
    PartResult::Retry { at: later(ms), error: "try later".into(), uncertain }
}

/// The second part waits until the first has arrived.
pub async fn parts_come_one_by_one_in_order(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "ada", "x", 0), "ok", &["one", "two"]).await;
    exchange(&*store, &said(&chat("c"), "ada", "y", 1), "ok", &["three"]).await;
    let mut numbers = Vec::new();
    for text in ["one", "two", "three"] {
        let now = due(&*store, 5).await;
        assert_eq!(texts(&now), [text]);
        assert_eq!((now[0].attempts, now[0].uncertain), (0, false));
        numbers.push(now[0].part);
        assert_eq!(due(&*store, 5).await, [], "while {text} is being sent");
        sent(&*store, &now[0], 6).await;
    }
    assert_eq!(numbers, [0, 1, 0]);
    assert_eq!(due(&*store, 9).await, []);
}

/// What was written and put off while the clock was ahead does not wait until it is that late again.
pub async fn a_clock_that_is_put_back_holds_up_no_part(lab: &mut dyn Lab) {
    const HOUR: u64 = 3_600_000;
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "ada", "x", HOUR), "ok", &["one"]).await;
    let first = due(&*store, HOUR).await.remove(0);
    store.settle(first.id, &retry(HOUR + 1000, false)).await.unwrap();
    exchange(&*store, &said(&chat("d"), "ben", "x", 0), "ok", &["two"]).await;
    let second = due(&*store, 0).await.remove(0);
    store.settle(second.id, &retry(5_000, false)).await.unwrap();
    assert_eq!(due(&*store, 1).await, []);
    store.clock_was_put_back(later(1)).await.unwrap();
    assert_eq!(texts(&due(&*store, 1).await), ["one"], "an honest pause is kept");
}

/// One slow conversation holds up no other.
pub async fn outlets_and_conversations_do_not_wait_for_each_other(lab: &mut dyn Lab) {
    let store = lab.store();
    let mut discord = chat("c");
    discord.channel = crate::ids::ChannelId::new("discord");
    exchange(&*store, &said(&chat("c"), "ada", "x", 0), "ok", &["a1", "a2"]).await;
    exchange(&*store, &said(&discord, "ada", "x", 0), "ok", &["b1", "b2"]).await;
    exchange(&*store, &said(&chat("d"), "ada", "x", 0), "ok", &["d1"]).await;
    let now = due(&*store, 1).await;
    let mut names = texts(&now);
    names.sort_unstable();
    assert_eq!(names, ["a1", "b1", "d1"]);
    assert_eq!(now.iter().filter(|part| part.outlet.as_str() == "discord").count(), 1);
}

/// A failed part is due again at its time, and keeps its place.
pub async fn a_retry_waits_and_holds_back_the_next(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "ada", "x", 0), "ok", &["one", "two"]).await;
    let first = due(&*store, 1).await.remove(0);
    store.settle(first.id, &retry(100, false)).await.unwrap();
    assert_eq!(due(&*store, 99).await, []);
    let again = due(&*store, 100).await.remove(0);
    assert_eq!((again.id, again.attempts, again.uncertain), (first.id, 1, false));
    sent(&*store, &again, 101).await;
    assert_eq!(texts(&due(&*store, 102).await), ["two"]);
}

/// A part that is given up is listed and lets the next one pass.
pub async fn a_dead_part_lets_the_next_pass(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "ada", "x", 0), "ok", &["one", "two"]).await;
    let first = due(&*store, 1).await.remove(0);
    store.settle(first.id, &PartResult::Dead { error: "blocked".into() }).await.unwrap();
    assert_eq!(texts(&due(&*store, 2).await), ["two"]);
    let dead = store.dead_parts(9).await.unwrap();
    assert_eq!((dead.len(), dead[0].id, dead[0].attempts), (1, first.id, 1));
    let backlog = store.backlog(later(3)).await.unwrap();
    assert_eq!((backlog.outbox_dead, backlog.outbox_pending), (1, 1));
}

/// A part that was given up says why, and can be sent after all, behind what was written meanwhile.
pub async fn a_dead_part_is_revived_once_and_comes_last(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "ada", "x", 0), "ok", &["one", "two"]).await;
    let first = due(&*store, 1).await.remove(0);
    assert!(!store.revive(first.id, later(1)).await.unwrap(), "it is not given up");
    store.settle(first.id, &PartResult::Dead { error: "the receiver answered 500".into() }).await.unwrap();
    let letters = store.dead_letters(9).await.unwrap();
    assert_eq!((letters.len(), letters[0].error.as_str()), (1, "the receiver answered 500"));
    assert_eq!(letters[0].part.id, first.id);
    assert!(store.revive(first.id, later(2)).await.unwrap());
    assert!(!store.revive(first.id, later(2)).await.unwrap(), "once");
    assert!(store.dead_letters(9).await.unwrap().is_empty());
    let now = due(&*store, 3).await;
    assert_eq!(texts(&now), ["two"]);
    sent(&*store, &now[0], 4).await;
    let again = due(&*store, 5).await;
    assert_eq!((texts(&again), again[0].attempts, again[0].created_at), (vec!["one"], 0, later(2)));
    drop(store);
    lab.reopen(Stop::Crash).await;
    assert_eq!(texts(&due(&*lab.store(), 6).await), ["one"]);
}

/// A platform tells how far a message got, in any order and more than once.
pub async fn a_status_only_moves_forward_and_goes_with_its_diver(lab: &mut dyn Lab) {
    use MessageStatus::{Delivered, Failed, Read, Sent};
    let store = lab.store();
    let (here, message) = (chat("c"), said(&chat("c"), "ada", "x", 0));
    assert!(!store.note_status(&here, "m1", Sent, later(0)).await.unwrap(), "nobody is known there");
    exchange(&*store, &message, "ok", &["one"]).await;
    for (status, moves, known) in [
        (Sent, true, Sent),
        (Sent, false, Sent),
        (Failed, true, Failed),
        (Delivered, true, Delivered),
        (Failed, false, Delivered),
        (Read, true, Read),
        (Delivered, false, Read),
    ] {
        assert_eq!(store.note_status(&here, "m1", status, later(1)).await.unwrap(), moves, "{status:?}");
        assert_eq!(store.status(&here, "m1").await.unwrap(), Some(known));
    }
    assert_eq!(store.status(&here, "m2").await.unwrap(), None);
    store.erase(&Subject::Diver(message.sender.key.clone()), true).await.unwrap();
    assert_eq!(store.status(&here, "m1").await.unwrap(), None);
}

/// When it is not known whether a part arrived, it comes again and says so, until it has.
pub async fn an_uncertain_part_comes_again_marked(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "ada", "x", 0), "ok", &["one"]).await;
    let first = due(&*store, 1).await.remove(0);
    store.settle(first.id, &retry(2, true)).await.unwrap();
    assert_eq!(store.backlog(later(2)).await.unwrap().outbox_unknown, 1);
    let again = due(&*store, 2).await.remove(0);
    assert!(again.uncertain);
    store.settle(again.id, &retry(3, false)).await.unwrap();
    let third = due(&*store, 3).await.remove(0);
    assert_eq!((third.uncertain, third.attempts), (true, 2));
    sent(&*store, &third, 4).await;
    assert_eq!(store.backlog(later(5)).await.unwrap().outbox_unknown, 0);
}

/// At most one part per conversation is uncertain after a crash.
pub async fn a_crash_makes_a_started_part_uncertain(lab: &mut dyn Lab) {
    exchange(&*lab.store(), &said(&chat("c"), "ada", "x", 0), "ok", &["one", "two"]).await;
    let first = due(&*lab.store(), 1).await.remove(0);
    lab.reopen(Stop::Crash).await;
    let store = lab.store();
    let again = due(&*store, 2).await;
    assert_eq!(texts(&again), ["one"]);
    assert_eq!((again[0].id, again[0].uncertain, again[0].attempts), (first.id, true, 1));
    sent(&*store, &again[0], 3).await;
    let second = due(&*store, 4).await;
    assert_eq!((texts(&second), second[0].uncertain), (vec!["two"], false));
}

/// A stored receipt is final.
pub async fn a_sent_part_stays_sent_after_a_crash(lab: &mut dyn Lab) {
    exchange(&*lab.store(), &said(&chat("c"), "ada", "x", 0), "ok", &["one"]).await;
    let part = due(&*lab.store(), 1).await.remove(0);
    sent(&*lab.store(), &part, 2).await;
    lab.reopen(Stop::Crash).await;
    assert_eq!(due(&*lab.store(), 1000).await, []);
    lab.store().settle(part.id, &retry(3, true)).await.unwrap();
    assert_eq!(due(&*lab.store(), 1000).await, [], "a late failure does not undo a receipt");
}

/// Every JSON value comes back equal, and on every try.
pub async fn payloads_come_as_they_were_rendered(lab: &mut dyn Lab) {
    let store = lab.store();
    let payloads =
        vec![json!("plain"), json!({ "a": [1, 2.5, null, true], "ü": "\"\\\n\u{0}" }), json!(null), json!([])];
    accept(&*store, &said(&chat("c"), "ada", "x", 0)).await;
    let claimed = claim(&*store, 0).await;
    let mut turn = answer(&*store, &claimed, "ok", 0).await;
    turn.parts.clone_from(&payloads);
    store.finish(&claimed, &turn).await.unwrap();
    for (n, payload) in payloads.iter().enumerate() {
        for _ in 0..2 {
            let part = due(&*store, 1).await.remove(0);
            assert_eq!((&part.payload, usize::from(part.part)), (payload, n));
            store.settle(part.id, &retry(1, false)).await.unwrap();
        }
        let part = due(&*store, 1).await.remove(0);
        sent(&*store, &part, 1).await;
    }
}

/// However many ask, a part is handed out once.
pub async fn concurrent_senders_take_each_part_once(lab: &mut dyn Lab) {
    for n in 0..40 {
        exchange(&*lab.store(), &said(&chat(&format!("c{n}")), "ada", "x", 0), "ok", &["p"]).await;
    }
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = lab.store();
        senders.spawn(async move {
            let mut taken = Vec::new();
            for _ in 0..10 {
                let now = store.due(later(1), 3).await.unwrap();
                assert!(now.len() <= 3);
                taken.extend(now.into_iter().map(|part| part.id));
            }
            taken
        });
    }
    let mut taken: Vec<i64> = senders.join_all().await.into_iter().flatten().collect();
    let handed_out = taken.len();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!((taken.len(), handed_out), (40, 40));
}

/// An emergency waits neither for what is queued nor for what is being sent.
pub async fn an_alarms_parts_go_first(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "ada", "x", 0), "ok", &["one", "two"]).await;
    let one = due(&*store, 1).await.remove(0);
    let event = said(&chat("c"), "ada", "chest pain", 2);
    let session = Session::open(fresh(), chat("c"), later(2));
    let mut alarm = turn(event.turn, "chest pain", "Call 112.", session, event.sender.key.clone(), 2);
    alarm.parts = parts(&["alarm 1", "alarm 2"]);
    store.accept_answered(&event, fresh(), &alarm).await.unwrap();
    for text in ["alarm 1", "alarm 2"] {
        let now = due(&*store, 3).await;
        assert_eq!(texts(&now), [text]);
        sent(&*store, &one, 3).await;
        assert_eq!(due(&*store, 3).await, []);
        sent(&*store, &now[0], 3).await;
    }
    assert_eq!(texts(&due(&*store, 4).await), ["two"]);
}

/// Whoever waits for parts hears of them.
pub async fn a_waiter_for_parts_is_woken(lab: &mut dyn Lab) {
    let store = lab.store();
    let waiting = Arc::clone(&store);
    let waiter = tokio::spawn(async move { waiting.wait_for_parts(later(0), Duration::from_mins(1)).await });
    exchange(&*store, &said(&chat("c"), "ada", "x", 0), "ok", &["one"]).await;
    timeout(Duration::from_secs(20), waiter).await.expect("woken").unwrap();
    timeout(Duration::from_secs(20), store.wait_for_parts(later(0), Duration::from_mins(1))).await.expect("due");
    let part = due(&*store, 1).await.remove(0);
    store.settle(part.id, &retry(60, false)).await.unwrap();
    timeout(Duration::from_secs(20), store.wait_for_parts(later(1), Duration::from_mins(1))).await.expect("due soon");
}

/// Parts are written with their turn and stay until they are sent.
pub async fn parts_outlive_a_crash(lab: &mut dyn Lab) {
    exchange(&*lab.store(), &said(&chat("c"), "ada", "x", 0), "ok", &["one", "two"]).await;
    lab.reopen(Stop::Crash).await;
    let now = due(&*lab.store(), 1).await;
    assert_eq!((texts(&now), now[0].uncertain, now[0].attempts), (vec!["one"], false, 0));
}
