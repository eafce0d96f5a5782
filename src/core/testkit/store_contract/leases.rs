//! Rules of what only one process may hold.

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
