//! Rules of messages that stand for a reply to come.

use super::Lab;
use super::make::{accept, answer, chat, claim, diver, later, parts, said};
use crate::channel::Receipt;
use crate::store::{Claim, PartResult, Store};

fn receipt(name: &str) -> Receipt {
    Receipt(Some(name.to_owned()))
}

async fn running(store: &dyn Store) -> Claim {
    accept(store, &said(&chat("c"), "ada", "x", 0)).await;
    claim(store, 0).await
}

async fn place(store: &dyn Store, claim: &Claim, name: &str) {
    let turn = claim.turn().expect("a turn");
    store.place(turn, &claim.conversation, &diver("ada"), &receipt(name)).await.unwrap();
}

async fn finish(store: &dyn Store, claim: &Claim, texts: &[&str]) {
    let mut turn = answer(store, claim, "ok", 0).await;
    turn.parts = parts(texts);
    store.finish(claim, &turn).await.unwrap();
}

/// The first part replaces the placeholder, on every try, until it is sent; the others replace nothing.
pub async fn the_first_part_replaces_the_placeholder(lab: &mut dyn Lab) {
    let store = lab.store();
    let claimed = running(&*store).await;
    place(&*store, &claimed, "m1").await;
    finish(&*store, &claimed, &["one", "two"]).await;
    let first = store.due(later(1), 9).await.unwrap().remove(0);
    assert_eq!(first.replaces, Some(receipt("m1")));
    let retry = PartResult::Retry { at: later(2), error: "busy".into(), uncertain: true };
    store.settle(first.id, &retry).await.unwrap();
    let again = store.due(later(3), 9).await.unwrap().remove(0);
    assert_eq!((again.id, again.replaces), (first.id, Some(receipt("m1"))));
    store.settle(first.id, &PartResult::Sent { receipt: receipt("m1"), at: later(4) }).await.unwrap();
    let second = store.due(later(5), 9).await.unwrap().remove(0);
    assert_eq!((second.part, second.replaces), (1, None));
    assert_eq!(store.placeholder(claimed.turn().unwrap()).await.unwrap(), None, "it is the reply now");
}

/// A crash while the turn runs leaves the placeholder to the next try.
pub async fn a_placeholder_outlives_a_crash(lab: &mut dyn Lab) {
    let claimed = running(&*lab.store()).await;
    place(&*lab.store(), &claimed, "m1").await;
    lab.reopen(super::Stop::Crash).await;
    let store = lab.store();
    let again = claim(&*store, 1).await;
    assert_eq!(store.placeholder(again.turn().unwrap()).await.unwrap(), Some(receipt("m1")));
    finish(&*store, &again, &["one"]).await;
    assert_eq!(store.due(later(2), 9).await.unwrap()[0].replaces, Some(receipt("m1")));
}

/// A forgotten one is replaced by nothing.
pub async fn a_forgotten_placeholder_is_left_alone(lab: &mut dyn Lab) {
    let store = lab.store();
    let claimed = running(&*store).await;
    place(&*store, &claimed, "m1").await;
    store.forget_placeholder(claimed.turn().unwrap()).await.unwrap();
    finish(&*store, &claimed, &["one"]).await;
    assert_eq!(store.due(later(1), 9).await.unwrap()[0].replaces, None);
}
