//! Rules of spending.

use futures::future::join_all;

use super::Lab;
use crate::store::{Spend, SpendCaps};

const NO_CAPS: SpendCaps = SpendCaps { diver_tokens: 0, all_tokens: 0, all_cost_micros: 0 };

fn spend(diver: &str, tokens: u64, cost_micros: u64) -> Spend {
    Spend { day: "2026-11-20".into(), diver: diver.into(), tokens, cost_micros }
}

/// A reservation counts from the moment it is made.
pub async fn what_is_reserved_counts(lab: &mut dyn Lab) {
    let store = lab.store();
    assert_eq!(store.spent("2026-11-20").await.unwrap(), (0, 0));
    let caps = SpendCaps { diver_tokens: 100, all_tokens: 150, all_cost_micros: 1000 };
    assert!(store.reserve(&spend("ada", 80, 10), &caps).await.unwrap().is_some());
    assert_eq!(store.spent("2026-11-20").await.unwrap(), (80, 10));
    assert_eq!(store.reserve(&spend("ada", 21, 1), &caps).await.unwrap(), None);
    assert!(store.reserve(&spend("ada", 20, 1), &caps).await.unwrap().is_some());
    assert_eq!(store.reserve(&spend("bob", 51, 1), &caps).await.unwrap(), None);
    assert_eq!(store.reserve(&spend("bob", 1, 990), &caps).await.unwrap(), None);
    assert!(store.reserve(&spend("bob", 50, 989), &caps).await.unwrap().is_some());
    assert_eq!(store.spent("2026-11-20").await.unwrap(), (150, 1000));
}

/// What was not used is free again; what was used beyond the reservation counts.
pub async fn settling_replaces_the_reservation(lab: &mut dyn Lab) {
    let store = lab.store();
    let caps = SpendCaps { diver_tokens: 100, ..NO_CAPS };
    let id = store.reserve(&spend("ada", 100, 50), &caps).await.unwrap().expect("room");
    store.settle_spend(id, 30, 20).await.unwrap();
    assert_eq!(store.spent("2026-11-20").await.unwrap(), (30, 20));
    let id = store.reserve(&spend("ada", 70, 1), &caps).await.unwrap().expect("room");
    store.settle_spend(id, 90, 1).await.unwrap();
    assert_eq!(store.spent("2026-11-20").await.unwrap(), (120, 21));
    assert_eq!(store.reserve(&spend("ada", 1, 1), &caps).await.unwrap(), None);
}

/// A second settlement of a reservation, or one that never was, has no effect.
pub async fn settling_twice_changes_nothing(lab: &mut dyn Lab) {
    let store = lab.store();
    let id = store.reserve(&spend("ada", 10, 10), &NO_CAPS).await.unwrap().expect("no caps");
    for _ in 0..3 {
        store.settle_spend(id, 4, 4).await.unwrap();
    }
    store.settle_spend(id + 1000, 9, 9).await.unwrap();
    assert_eq!(store.spent("2026-11-20").await.unwrap(), (4, 4));
}

/// Caps can't be overspent by asking at the same time.
pub async fn no_cap_is_passed_under_concurrency(lab: &mut dyn Lab) {
    let store = lab.store();
    let caps = SpendCaps { diver_tokens: 70, all_tokens: 200, all_cost_micros: 0 };
    let wishes: Vec<Spend> = (0..60).map(|n| spend(&format!("diver {}", n % 6), 10, 1)).collect();
    let answers = join_all(wishes.iter().map(|wish| store.reserve(wish, &caps))).await;
    let mut by_diver = std::collections::HashMap::new();
    for (wish, answer) in wishes.iter().zip(answers) {
        *by_diver.entry(wish.diver.clone()).or_insert(0) += u64::from(answer.unwrap().is_some()) * 10;
    }
    assert!(by_diver.values().all(|tokens| *tokens <= 70), "{by_diver:?}");
    assert_eq!(store.spent("2026-11-20").await.unwrap().0, 200);
}

/// 0 means no cap.
pub async fn a_cap_of_zero_is_none(lab: &mut dyn Lab) {
    let store = lab.store();
    assert!(store.reserve(&spend("ada", u64::from(u32::MAX), 1 << 40), &NO_CAPS).await.unwrap().is_some());
}

/// A new day begins at nothing, and one diver's spending is not another's.
pub async fn days_and_divers_are_counted_apart(lab: &mut dyn Lab) {
    let store = lab.store();
    let caps = SpendCaps { diver_tokens: 10, ..NO_CAPS };
    let tomorrow = Spend { day: "2026-11-21".into(), ..spend("ada", 10, 0) };
    for wish in [&spend("ada", 10, 0), &spend("bob", 10, 0), &tomorrow] {
        assert!(store.reserve(wish, &caps).await.unwrap().is_some());
        assert_eq!(store.reserve(wish, &caps).await.unwrap(), None);
    }
    assert_eq!(store.spent("2026-11-20").await.unwrap(), (20, 0));
    assert_eq!(store.spent("2026-11-21").await.unwrap(), (10, 0));
}
