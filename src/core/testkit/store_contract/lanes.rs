//! Rules of claiming.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Lab;
use super::make::{LEASE, accept, answer, burst, chat, claim, later, said, try_claim};
use crate::store::{Claim, StoreError};

fn texts(claim: &Claim) -> Vec<&str> {
    claim.events.iter().map(|event| event.content.text()).collect()
}

/// An empty store has no work.
pub async fn nothing_waits_nothing_is_claimed(lab: &mut dyn Lab) {
    assert_eq!(try_claim(&*lab.store(), 0).await, None);
}

/// Without bursts one event makes one turn.
pub async fn events_of_a_lane_come_in_order_one_by_one(lab: &mut dyn Lab) {
    let store = lab.store();
    for text in ["one", "two", "three"] {
        accept(&*store, &said(&chat("c"), "ada", text, 0)).await;
    }
    for text in ["one", "two", "three"] {
        let claimed = claim(&*store, 0).await;
        assert_eq!((texts(&claimed), claimed.attempt, claimed.sequence.len()), (vec![text], 1, 1));
        let turn = answer(&*store, &claimed, "ok", 0).await;
        store.finish(&claimed, &turn).await.unwrap();
    }
    assert_eq!(try_claim(&*store, 0).await, None);
}

/// While a turn runs its conversation is nobody else's; others are.
pub async fn a_lane_is_not_handed_out_twice(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("a"), "ada", "a1", 0)).await;
    accept(&*store, &said(&chat("a"), "ada", "a2", 0)).await;
    accept(&*store, &said(&chat("b"), "bob", "b1", 0)).await;
    assert_eq!(texts(&claim(&*store, 1).await), ["a1"]);
    assert_eq!(texts(&claim(&*store, 1).await), ["b1"]);
    assert_eq!(try_claim(&*store, 1).await, None);
}

/// What settled by a clock that was ahead does not settle until it is that late again.
pub async fn a_clock_that_is_put_back_holds_up_no_message(lab: &mut dyn Lab) {
    const HOUR: u64 = 3_600_000;
    let store = lab.store();
    accept(&*store, &burst(&chat("c"), "early", HOUR, 1_500)).await;
    assert_eq!(try_claim(&*store, HOUR).await, None, "it settles");
    assert_eq!(texts(&claim(&*store, 1).await), ["early"]);
}

/// The lane whose first event was accepted first comes first.
pub async fn lanes_are_served_oldest_first(lab: &mut dyn Lab) {
    let store = lab.store();
    for name in ["d", "a", "c", "b"] {
        accept(&*store, &said(&chat(name), "ada", name, 0)).await;
    }
    accept(&*store, &said(&chat("d"), "ada", "d again", 0)).await;
    for name in ["d", "a", "c", "b"] {
        assert_eq!(texts(&claim(&*store, 1).await), [name]);
    }
}

/// Many workers: every event once, in the order of its conversation.
pub async fn concurrent_workers_share_the_lanes(lab: &mut dyn Lab) {
    let store = lab.store();
    for n in 0..8 {
        for lane in 0..10 {
            accept(&*store, &said(&chat(&format!("c{lane}")), "ada", &format!("{lane}:{n}"), 0)).await;
        }
    }
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = lab.store();
        workers.spawn(async move {
            let mut done = Vec::new();
            while let Some(claimed) = try_claim(&*store, 1).await {
                let turn = answer(&*store, &claimed, "ok", 1).await;
                store.finish(&claimed, &turn).await.unwrap();
                done.push((turn.said, claimed.sequence[0]));
            }
            done
        });
    }
    let mut done: Vec<(String, i64)> = workers.join_all().await.into_iter().flatten().collect();
    done.sort_by_key(|(_, sequence)| *sequence);
    let mut lanes: HashMap<String, Vec<String>> = HashMap::new();
    for (text, _) in done {
        let (lane, n) = text.split_once(':').expect("lane:n");
        lanes.entry(lane.into()).or_default().push(n.into());
    }
    // A worker stops when nothing is free at that moment; what is left comes now.
    while let Some(claimed) = try_claim(&*store, 1).await {
        let turn = answer(&*store, &claimed, "ok", 1).await;
        store.finish(&claimed, &turn).await.unwrap();
        let (lane, n) = turn.said.split_once(':').expect("lane:n");
        lanes.entry(lane.into()).or_default().push(n.into());
    }
    let whole: Vec<String> = (0..8).map(|n| n.to_string()).collect();
    assert_eq!(lanes.len(), 10);
    for (lane, order) in lanes {
        assert_eq!(order, whole, "lane {lane}");
    }
    assert_eq!(store.backlog(later(1)).await.unwrap().waiting, 0);
}

/// Nothing is answered before the newest event settled; then all of it is, together.
pub async fn a_burst_comes_together_once_it_settled(lab: &mut dyn Lab) {
    let store = lab.store();
    for (text, ms) in [("hi", 0), ("my buddy", 800), ("has a question", 1600)] {
        accept(&*store, &burst(&chat("c"), text, ms, 1500)).await;
    }
    assert_eq!(try_claim(&*store, 1700).await, None);
    assert_eq!(try_claim(&*store, 3099).await, None);
    let claimed = claim(&*store, 3100).await;
    assert_eq!(texts(&claimed), ["hi", "my buddy", "has a question"]);
    assert_eq!(claimed.text(), "hi\nmy buddy\nhas a question");
    assert!(claimed.sequence.is_sorted());
}

/// The oldest event waits at most four times its settle time.
pub async fn a_burst_that_never_pauses_is_answered_at_last(lab: &mut dyn Lab) {
    let store = lab.store();
    for ms in (0..=6000).step_by(500) {
        if ms < 6000 {
            assert_eq!(try_claim(&*store, ms).await, None, "at {ms}");
        }
        accept(&*store, &burst(&chat("c"), "and", ms, 1500)).await;
    }
    let claimed = claim(&*store, 6000).await;
    assert!(claimed.events.len() >= 10, "{}", claimed.events.len());
    assert_eq!(claimed.events[0].received_at, later(0));
}

/// A button ends the burst before it, and is a turn of its own.
pub async fn a_command_after_a_burst_does_not_wait_for_it(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &burst(&chat("c"), "hi", 0, 1500)).await;
    accept(&*store, &burst(&chat("c"), "there", 100, 1500)).await;
    accept(&*store, &said(&chat("c"), "ada", "/help", 200)).await;
    let first = claim(&*store, 200).await;
    assert_eq!(texts(&first), ["hi", "there"]);
    let turn = answer(&*store, &first, "ok", 200).await;
    store.finish(&first, &turn).await.unwrap();
    assert_eq!(texts(&claim(&*store, 200).await), ["/help"]);
}

/// Two people in a group are answered each for themselves: profile and language are whoever speaks'.
pub async fn a_burst_is_of_one_sender(lab: &mut dyn Lab) {
    let store = lab.store();
    let by = |user: &str, text: &str, ms| {
        let event = said(&chat("group"), user, text, ms);
        crate::channel::Inbound { ready_at: later(ms + 1000), ..event }
    };
    for (user, text, ms) in [("ada", "hi", 0), ("ada", "a question", 100), ("bob", "hello", 200), ("ada", "sorry", 300)]
    {
        accept(&*store, &by(user, text, ms)).await;
    }
    let mut heard = Vec::new();
    // Somebody else spoke: what came before is a whole, without waiting for more.
    for ms in [201, 301, 1301] {
        let claimed = claim(&*store, ms).await;
        assert!(claimed.events.iter().all(|event| event.sender.key == claimed.events[0].sender.key));
        heard.push(texts(&claimed).join(" "));
        let turn = answer(&*store, &claimed, "ok", ms).await;
        store.finish(&claimed, &turn).await.unwrap();
    }
    assert_eq!(heard, ["hi a question", "hello", "sorry"]);
}

/// A worker that waits hears of new work at once, and of a burst when it has settled.
pub async fn a_waiter_is_woken_by_an_event(lab: &mut dyn Lab) {
    let store = lab.store();
    let waiting = Arc::clone(&store);
    let waiter = tokio::spawn(async move { waiting.wait_for_work(later(0), Duration::from_mins(1)).await });
    accept(&*store, &said(&chat("c"), "ada", "x", 0)).await;
    timeout(Duration::from_secs(20), waiter).await.expect("woken").unwrap();

    timeout(Duration::from_secs(20), store.wait_for_work(later(0), Duration::from_mins(1)))
        .await
        .expect("work is there");
    claim(&*store, 0).await;
    accept(&*store, &burst(&chat("b"), "x", 0, 50)).await;
    timeout(Duration::from_secs(20), store.wait_for_work(later(0), Duration::from_mins(1))).await.expect("settled");
}

/// And returns after `at_most` otherwise.
pub async fn a_waiter_gives_up_in_time(lab: &mut dyn Lab) {
    let (store, begun) = (lab.store(), Instant::now());
    timeout(Duration::from_secs(20), store.wait_for_work(later(0), Duration::from_millis(30))).await.expect("in time");
    assert!(begun.elapsed() >= Duration::from_millis(30));
}

/// When a lease ran out another worker gets the lane, and the first one's result is refused.
pub async fn a_stale_claim_can_not_finish(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "ada", "x", 0)).await;
    let stale = store.claim(later(0), later(1000)).await.unwrap().expect("the event");
    let turn = answer(&*store, &stale, "late", 0).await;
    assert_eq!(try_claim(&*store, 1000).await, None);
    let second = claim(&*store, 1001).await;
    assert_eq!((second.events.clone(), second.attempt), (stale.events.clone(), 2));
    assert!(second.fence > stale.fence);
    assert!(matches!(store.finish(&stale, &turn).await, Err(StoreError::LeaseLost)));
    assert!(matches!(store.renew(&stale, later(5000)).await, Err(StoreError::LeaseLost)));
    assert!(matches!(store.park(&stale).await, Err(StoreError::LeaseLost)));
    assert_eq!(store.turn(turn.id).await.unwrap(), None);
    let turn = answer(&*store, &second, "in time", 0).await;
    store.finish(&second, &turn).await.unwrap();
}

/// A renewed lease keeps others away.
pub async fn a_renewed_lease_holds(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "ada", "x", 0)).await;
    let claimed = store.claim(later(0), later(1000)).await.unwrap().expect("the event");
    store.renew(&claimed, later(9000)).await.unwrap();
    assert_eq!(try_claim(&*store, 5000).await, None);
    let turn = answer(&*store, &claimed, "ok", 5000).await;
    store.finish(&claimed, &turn).await.unwrap();
}

/// What is given back comes again, with what came meanwhile behind it, and no crash is counted.
pub async fn a_parked_claim_comes_again_uncounted(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "ada", "one", 0)).await;
    for attempt in 1..=5 {
        let claimed = claim(&*store, 1).await;
        assert_eq!((texts(&claimed), claimed.attempt, claimed.crashes), (vec!["one"], attempt, 0));
        store.park(&claimed).await.unwrap();
        assert!(matches!(store.park(&claimed).await, Err(StoreError::LeaseLost)));
    }
    accept(&*store, &said(&chat("c"), "ada", "two", 0)).await;
    assert_eq!(texts(&claim(&*store, 1).await), ["one"]);
}

/// Each lease of a lane has a greater fence.
pub async fn fences_grow(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "ada", "one", 0)).await;
    let mut last = i64::MIN;
    for _ in 0..4 {
        let claimed = store.claim(later(0), later(0).plus(LEASE)).await.unwrap().expect("the event");
        assert!(claimed.fence > last);
        last = claimed.fence;
        store.park(&claimed).await.unwrap();
    }
    drop(store);
    lab.reopen(super::Stop::Clean).await;
    assert!(claim(&*lab.store(), 1).await.fence > last);
}
