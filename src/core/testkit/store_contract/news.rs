//! Rules of what the operator's systems are told.

use serde_json::json;

use super::make::{chat, exchange, later, said};
use super::{Lab, Stop};
use crate::clock::Timestamp;
use crate::ids::{BotId, ChannelId};
use crate::news::{About, News, Untold};
use crate::store::{Notice, Store, Subject};

async fn untold(store: &dyn Store) -> Untold {
    store.untold(Timestamp::from_millis(0), 9).await.unwrap()
}

fn notices(untold: &Untold) -> Vec<(About, Notice)> {
    let notice =
        || Notice { outlet: ChannelId::new("events"), subject: "c".into(), payload: json!({ "text": "news" }) };
    untold.news.iter().map(|news| (news.about(), notice())).collect()
}

async fn tell(store: &dyn Store, untold: &Untold) -> bool {
    store.announce(&BotId::default(), untold, &notices(untold), later(5)).await.unwrap()
}

/// What was stored before anybody listened is no news; what comes after is told once, across a crash.
pub async fn news_begins_at_the_first_look_and_is_told_once(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "ada", "x", 0), "ok", &[]).await;
    let first = untold(&*store).await;
    assert_eq!((first.from == first.to, first.news.len()), (true, 0));
    exchange(&*store, &said(&chat("c"), "ada", "y", 1), "fine", &[]).await;
    let news = untold(&*store).await;
    assert!(matches!(news.news.as_slice(), [News::Turn(report)] if report.reply.text == "fine"), "{news:?}");
    assert!(tell(&*store, &news).await);
    assert!(!tell(&*store, &news).await, "somebody told it already");
    drop(store);
    lab.reopen(Stop::Crash).await;
    let store = lab.store();
    let after = untold(&*store).await;
    assert_eq!((after.from, after.news.len()), (news.to, 0));
    let due = store.due(later(9), 9).await.unwrap();
    assert_eq!(due.iter().filter(|part| part.outlet.as_str() == "events").count(), 1);
}

/// What was erased is not told any more, and nothing that comes later is missed for it.
pub async fn erased_news_is_not_told_and_hides_nothing(lab: &mut dyn Lab) {
    let store = lab.store();
    untold(&*store).await;
    let message = said(&chat("c"), "ada", "x", 0);
    exchange(&*store, &message, "ok", &[]).await;
    let erased = untold(&*store).await;
    store.erase(&Subject::Diver(message.sender.key.clone()), true).await.unwrap();
    assert!(!tell(&*store, &erased).await);
    exchange(&*store, &said(&chat("d"), "ben", "y", 1), "fine", &[]).await;
    let news = untold(&*store).await;
    assert_eq!(news.news.len(), 1);
    assert!(tell(&*store, &news).await);
    // The newest goes, and its number may be given out again.
    store.erase(&Subject::Diver(said(&chat("d"), "ben", "z", 2).sender.key), true).await.unwrap();
    exchange(&*store, &said(&chat("e"), "eve", "z", 3), "well", &[]).await;
    assert_eq!(untold(&*store).await.news.len(), 1);
}
