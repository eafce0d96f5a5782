//! Rules of what only one process may hold, and of what it leaves for the next.

use super::{Lab, Stop};

/// Again and again, and after another life.
pub async fn a_name_is_held_until_it_is_let_go(lab: &mut dyn Lab) {
    let store = lab.store();
    for _ in 0..3 {
        assert!(store.hold("a token").await.unwrap());
    }
    store.let_go("a token").await.unwrap();
    assert!(store.hold("a token").await.unwrap());
    assert!(store.hold("another").await.unwrap());
}

/// Nobody waits for a process that died.
pub async fn a_dead_process_holds_nothing(lab: &mut dyn Lab) {
    assert!(lab.store().hold("a token").await.unwrap());
    lab.reopen(Stop::Crash).await;
    assert!(lab.store().hold("a token").await.unwrap());
}

/// The newest word counts, each name has its own, and none dies with its writer.
pub async fn a_holders_word_outlives_it(lab: &mut dyn Lab) {
    let store = lab.store();
    assert_eq!(store.word("a token").await.unwrap(), None);
    for word in ["1", "2"] {
        store.leave_word("a token", word).await.unwrap();
    }
    store.leave_word("another", "3").await.unwrap();
    drop(store);
    lab.reopen(Stop::Crash).await;
    assert_eq!(lab.store().word("a token").await.unwrap().as_deref(), Some("2"));
}
