//! Rules of sessions.

use super::Lab;
use super::make::{accept, answer, chat, claim, diver, exchange, fresh, later, said};
use crate::channel::MessageStatus;
use crate::ids::BotId;
use crate::session::{DiverProfile, Session};
use crate::store::Subject;

/// `None`, not an empty session.
pub async fn an_unknown_conversation_has_no_session(lab: &mut dyn Lab) {
    let store = lab.store();
    assert_eq!(store.session(&chat("c"), &diver("ada"), 5).await.unwrap(), None);
    assert_eq!(store.session_by_id(&BotId::default(), fresh(), 5).await.unwrap(), None);
}

/// A session may be opened before anything is said; the first event joins it.
pub async fn an_opened_session_is_found(lab: &mut dyn Lab) {
    let store = lab.store();
    let opened = Session::open(fresh(), chat("c"), later(0));
    store.open_session(&opened).await.unwrap();
    assert_eq!(store.session(&chat("c"), &diver("ada"), 5).await.unwrap(), Some(opened.clone()));
    assert_eq!(accept(&*store, &said(&chat("c"), "ada", "x", 1)).await, opened.id);
}

/// Another bot's sessions are not ours.
pub async fn a_session_is_found_by_id_within_its_bot(lab: &mut dyn Lab) {
    let store = lab.store();
    let turn = exchange(&*store, &said(&chat("c"), "ada", "x", 0), "ok", &[]).await;
    let id = turn.session.id;
    let found = store.session_by_id(&BotId::default(), id, 5).await.unwrap().expect("found");
    assert_eq!((found.id, found.conversation, found.history.len()), (id, chat("c"), 2));
    assert_eq!(store.session_by_id(&BotId::new("other"), id, 5).await.unwrap(), None);
}

/// The window counts messages from the end.
pub async fn history_is_the_newest_messages_oldest_first(lab: &mut dyn Lab) {
    let store = lab.store();
    for n in 0..5 {
        exchange(&*store, &said(&chat("c"), "ada", &format!("q{n}"), n), &format!("a{n}"), &[]).await;
    }
    for (window, expected) in [(0, vec![]), (3, vec!["a3", "q4", "a4"]), (4, vec!["q3", "a3", "q4", "a4"])] {
        let session = store.session(&chat("c"), &diver("ada"), window).await.unwrap().unwrap();
        assert_eq!(session.history.iter().map(|m| m.content.as_str()).collect::<Vec<_>>(), expected);
    }
}

/// After a restart the session has its id and no earlier messages.
pub async fn a_restart_hides_what_was_said(lab: &mut dyn Lab) {
    let store = lab.store();
    let before = exchange(&*store, &said(&chat("c"), "ada", "old", 0), "old answer", &[]).await;
    accept(&*store, &said(&chat("c"), "ada", "new", 1)).await;
    let claimed = claim(&*store, 1).await;
    let mut turn = answer(&*store, &claimed, "new answer", 1).await;
    turn.restarts_session = true;
    turn.session.state.clear();
    store.finish(&claimed, &turn).await.unwrap();
    let session = store.session(&chat("c"), &diver("ada"), 9).await.unwrap().unwrap();
    assert_eq!(session.id, before.session.id);
    assert_eq!(session.history.iter().map(|m| m.content.as_str()).collect::<Vec<_>>(), ["new", "new answer"]);
    assert!(store.turn(before.id).await.unwrap().is_some());
}

/// A profile follows its diver from conversation to conversation, and stays out of a group's.
pub async fn the_profile_belongs_to_the_diver(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("group"), "ada", "x", 0)).await;
    let claimed = claim(&*store, 0).await;
    let mut turn = answer(&*store, &claimed, "ok", 0).await;
    turn.session.profile = DiverProfile { dives: Some(7), ..DiverProfile::default() };
    store.finish(&claimed, &turn).await.unwrap();
    exchange(&*store, &said(&chat("private"), "ada", "y", 1), "ok", &[]).await;

    for conversation in ["group", "private"] {
        let ada = store.session(&chat(conversation), &diver("ada"), 1).await.unwrap().unwrap();
        assert_eq!(ada.profile.dives, Some(7), "{conversation}");
    }
    let bob = store.session(&chat("group"), &diver("bob"), 1).await.unwrap().unwrap();
    assert_eq!(bob.profile, DiverProfile::default());
    let last = store.session_by_id(&BotId::default(), turn.session.id, 1).await.unwrap().unwrap();
    assert_eq!(last.profile.dives, Some(7));
}

/// The platform gave a group another id: history, notes, people, a pause and what became of messages go along; what
/// waits holds it up; a session that stands there already stays.
pub async fn a_conversation_goes_on_under_another_name(lab: &mut dyn Lab) {
    let store = lab.store();
    let before = exchange(&*store, &said(&chat("old"), "ada", "how deep?", 0), "18 m", &[]).await;
    accept(&*store, &said(&chat("old"), "ada", "and then?", 1)).await;
    assert!(!store.move_session(&chat("old"), &chat("new")).await.unwrap(), "a message waits");
    let claimed = claim(&*store, 1).await;
    let turn = answer(&*store, &claimed, "30 m", 1).await;
    store.finish(&claimed, &turn).await.unwrap();
    store.pause(&chat("old"), later(600_000), "Ana").await.unwrap();
    store.note_status(&chat("old"), "m1", MessageStatus::Read, later(1)).await.unwrap();
    for _ in 0..2 {
        assert!(store.move_session(&chat("old"), &chat("new")).await.unwrap());
        assert_eq!(store.paused(&chat("old"), later(2)).await.unwrap(), None);
        assert_eq!(store.paused(&chat("new"), later(2)).await.unwrap().map(|pause| pause.by), Some("Ana".into()));
        let ended = store.ended_pauses(later(600_000), 9).await.unwrap();
        assert_eq!(ended.iter().map(|pause| &pause.conversation).collect::<Vec<_>>(), [&chat("new")]);
        assert_eq!(store.interventions(&chat("new"), 0, 9).await.unwrap().len(), 1);
        assert_eq!(store.status(&chat("old"), "m1").await.unwrap(), None);
        assert_eq!(store.status(&chat("new"), "m1").await.unwrap(), Some(MessageStatus::Read));
        assert_eq!(store.session(&chat("old"), &diver("ada"), 9).await.unwrap(), None);
        let session = store.session(&chat("new"), &diver("ada"), 9).await.unwrap().unwrap();
        assert_eq!((session.id, session.history.len()), (before.session.id, 4));
    }
    let next = exchange(&*store, &said(&chat("new"), "ada", "why?", 2), "pressure", &[]).await;
    assert_eq!(next.session.id, before.session.id);
    let held = store.export(&Subject::Diver(diver("ada"))).await.unwrap().expect("held").to_string();
    assert!(held.contains("how deep?"), "{held}");
    let other = exchange(&*store, &said(&chat("third"), "ada", "hello", 3), "hi", &[]).await;
    assert!(store.move_session(&chat("new"), &chat("third")).await.unwrap());
    let stays = store.session(&chat("third"), &diver("ada"), 9).await.unwrap().unwrap();
    assert_eq!((stays.id, stays.history.len()), (other.session.id, 2));
}
