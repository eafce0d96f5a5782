//! Rules of crashes and what they count.

use super::make::{accept, answer, chat, claim, exchange, said, try_claim};
use super::{Lab, Stop};
use crate::store::{MOST_CRASHES, StoreError};

/// Nothing accepted is lost, and the order stays.
pub async fn waiting_events_survive_a_crash_in_order(lab: &mut dyn Lab) {
    let events: Vec<_> = ["one", "two", "three"].iter().map(|t| said(&chat("c"), "ada", t, 0)).collect();
    for event in &events {
        accept(&*lab.store(), event).await;
    }
    lab.reopen(Stop::Crash).await;
    let store = lab.store();
    for event in &events {
        let claimed = claim(&*store, 1).await;
        assert_eq!(claimed.events, std::slice::from_ref(event));
        let turn = answer(&*store, &claimed, "ok", 1).await;
        store.finish(&claimed, &turn).await.unwrap();
    }
}

/// What has its reply is not answered again.
pub async fn covered_events_do_not_come_again(lab: &mut dyn Lab) {
    exchange(&*lab.store(), &said(&chat("c"), "ada", "one", 0), "ok", &[]).await;
    for stop in [Stop::Crash, Stop::Clean, Stop::Crash] {
        lab.reopen(stop).await;
        assert_eq!(try_claim(&*lab.store(), 1).await, None, "{stop:?}");
    }
}

/// An event that may have been running counts as tried; those behind it don't.
pub async fn a_crash_counts_as_a_try(lab: &mut dyn Lab) {
    for text in ["one", "two"] {
        accept(&*lab.store(), &said(&chat("c"), "ada", text, 0)).await;
    }
    claim(&*lab.store(), 1).await;
    lab.reopen(Stop::Crash).await;
    let store = lab.store();
    let again = claim(&*store, 1).await;
    assert_eq!((again.text().as_str(), again.attempt), ("one", 2));
    let turn = answer(&*store, &again, "ok", 1).await;
    store.finish(&again, &turn).await.unwrap();
    let next = claim(&*store, 1).await;
    assert_eq!((next.text().as_str(), next.attempt), ("two", 1));
}

/// A message that brings the process down is recognised at its fourth claim.
pub async fn three_crashes_show_in_the_fourth_claim(lab: &mut dyn Lab) {
    accept(&*lab.store(), &said(&chat("c"), "ada", "poison", 0)).await;
    for crashes in 0..MOST_CRASHES {
        let claimed = claim(&*lab.store(), 1).await;
        assert_eq!((claimed.attempt, claimed.crashes), (crashes + 1, crashes));
        lab.reopen(Stop::Crash).await;
    }
    assert_eq!(claim(&*lab.store(), 1).await.crashes, MOST_CRASHES);
}

/// What was given back is another attempt when it is taken up, and no crash, however often.
pub async fn a_soft_stop_is_no_crash(lab: &mut dyn Lab) {
    accept(&*lab.store(), &said(&chat("c"), "ada", "one", 0)).await;
    for attempt in 1..=MOST_CRASHES + 1 {
        let claimed = claim(&*lab.store(), 1).await;
        assert_eq!((claimed.attempt, claimed.crashes), (attempt, 0));
        lab.store().park(&claimed).await.unwrap();
        lab.reopen(Stop::Clean).await;
    }
    let claimed = claim(&*lab.store(), 1).await;
    assert_eq!((claimed.attempt, claimed.crashes), (MOST_CRASHES + 2, 0));
}

/// Whoever was still running when the store was closed was not brought down, and said something already.
pub async fn what_runs_at_a_clean_stop_is_another_attempt_and_no_crash(lab: &mut dyn Lab) {
    accept(&*lab.store(), &said(&chat("c"), "ada", "one", 0)).await;
    accept(&*lab.store(), &said(&chat("idle"), "ada", "two", 0)).await;
    claim(&*lab.store(), 1).await;
    lab.reopen(Stop::Clean).await;
    let again = claim(&*lab.store(), 1).await;
    assert_eq!((again.text().as_str(), again.attempt, again.crashes), ("one", 2, 0));
    let idle = claim(&*lab.store(), 1).await;
    assert_eq!((idle.text().as_str(), idle.attempt, idle.crashes), ("two", 1, 0));
}

/// A soft stop does not count against a recovered message either, and a crash after it does.
pub async fn parking_a_suspect_counts_nothing(lab: &mut dyn Lab) {
    accept(&*lab.store(), &said(&chat("c"), "ada", "one", 0)).await;
    claim(&*lab.store(), 1).await;
    lab.reopen(Stop::Crash).await;
    for attempt in [2, 3] {
        let claimed = claim(&*lab.store(), 1).await;
        assert_eq!((claimed.attempt, claimed.crashes), (attempt, 1));
        lab.store().park(&claimed).await.unwrap();
        lab.reopen(Stop::Clean).await;
    }
    assert_eq!(claim(&*lab.store(), 1).await.crashes, 1);
    lab.reopen(Stop::Crash).await;
    assert_eq!(claim(&*lab.store(), 1).await.crashes, 2);
}

/// After a crash every conversation goes on at once. Of several messages that were running in two
/// crashes only one runs at a time, so that a third has one cause; messages that came later do not wait.
pub async fn suspects_run_one_at_a_time(lab: &mut dyn Lab) {
    for lane in ["a", "b", "c"] {
        accept(&*lab.store(), &said(&chat(lane), "ada", lane, 0)).await;
        claim(&*lab.store(), 1).await;
    }
    lab.reopen(Stop::Crash).await;
    for lane in ["a", "b", "c"] {
        let again = claim(&*lab.store(), 1).await;
        assert_eq!((again.text().as_str(), again.attempt), (lane, 2));
    }
    lab.reopen(Stop::Crash).await;
    let store = lab.store();
    accept(&*store, &said(&chat("new"), "ada", "new", 0)).await;
    let first = claim(&*store, 1).await;
    assert_eq!((first.text().as_str(), first.attempt), ("a", 3));
    let new = claim(&*store, 1).await;
    assert_eq!((new.text().as_str(), new.attempt), ("new", 1));
    assert_eq!(try_claim(&*store, 1).await, None);
    let turn = answer(&*store, &first, "ok", 1).await;
    store.finish(&first, &turn).await.unwrap();
    assert_eq!(claim(&*store, 1).await.text(), "b");
    assert_eq!(try_claim(&*store, 1).await, None);
}

/// A fence from before a crash fits nothing afterwards.
pub async fn a_claim_from_before_a_crash_can_not_finish(lab: &mut dyn Lab) {
    accept(&*lab.store(), &said(&chat("c"), "ada", "one", 0)).await;
    let stale = claim(&*lab.store(), 1).await;
    let turn = answer(&*lab.store(), &stale, "late", 1).await;
    lab.reopen(Stop::Crash).await;
    let store = lab.store();
    assert!(matches!(store.finish(&stale, &turn).await, Err(StoreError::LeaseLost)));
    claim(&*store, 1).await;
    assert!(matches!(store.finish(&stale, &turn).await, Err(StoreError::LeaseLost)));
}
