//! Rules of conversations that a person has taken over.

use super::make::{accept, answer, chat, claim, diver, exchange, later, number, parts, said};
use super::{Lab, Stop};
use crate::ids::{AgentId, ConversationKey, TurnId};
use crate::lang::Lang;
use crate::reply::Reply;
use crate::session::Role;
use crate::store::{InterventionKind, Left, Outcome, Store, Subject, TakenUp, Unasked};
use crate::testkit::clock::numbered;

const HALF_HOUR: u64 = 30 * 60_000;

/// Words of a person at `ms`.
fn words(at: &ConversationKey, text: &str, ms: u64) -> Unasked {
    Unasked {
        turn: TurnId(numbered(number())),
        conversation: at.clone(),
        reply: Reply::fixed(text, AgentId::new("person"), Lang::default()),
        outcome: Outcome::Person,
        parts: parts(&[text]),
        by: "Ana".into(),
        at: later(ms),
    }
}

/// A message that is left to the person who has the conversation. Returns its turn.
async fn left_to_a_person(store: &dyn Store, at: &ConversationKey, user: &str, text: &str, ms: u64) -> TurnId {
    accept(store, &said(at, user, text, ms)).await;
    let claimed = claim(store, ms).await;
    let mut turn = answer(store, &claimed, "a person answers here", ms).await;
    turn.outcome = Outcome::WithPerson;
    store.finish(&claimed, &turn).await.unwrap();
    turn.id
}

async fn left(store: &dyn Store, ms: u64) -> Vec<Left> {
    let ended = store.ended_pauses(later(ms), 9).await.unwrap();
    ended.into_iter().flat_map(|pause| pause.left).collect()
}

async fn history(store: &dyn Store, at: &ConversationKey) -> Vec<(Role, String)> {
    let session = store.session(at, &diver("ada"), 20).await.unwrap().expect("a session");
    session.history.into_iter().map(|message| (message.role, message.content)).collect()
}

/// Only its own conversation is paused, and no longer than was said.
pub async fn a_pause_holds_until_its_end(lab: &mut dyn Lab) {
    let store = lab.store();
    assert_eq!(store.paused(&chat("c"), later(0)).await.unwrap(), None);
    assert!(store.pause(&chat("c"), later(HALF_HOUR), "Ana").await.unwrap(), "it is new");
    let pause = store.paused(&chat("c"), later(HALF_HOUR - 1)).await.unwrap().expect("a pause");
    assert_eq!((pause.until, pause.by.as_str()), (later(HALF_HOUR), "Ana"));
    assert_eq!(store.paused(&chat("c"), later(HALF_HOUR)).await.unwrap(), None, "over");
    assert_eq!(store.paused(&chat("d"), later(0)).await.unwrap(), None, "another conversation");
    assert_eq!(store.ended_pauses(later(HALF_HOUR - 1), 9).await.unwrap(), []);
    let ended = store.ended_pauses(later(HALF_HOUR), 9).await.unwrap();
    assert_eq!(ended.len(), 1);
    assert_eq!((&ended[0].conversation, ended[0].left.len()), (&chat("c"), 0));
    store.close_pause(&chat("c"), &[], later(HALF_HOUR)).await.unwrap();
    assert_eq!(store.ended_pauses(later(HALF_HOUR), 9).await.unwrap(), []);
}

/// The last word on its end counts, and what was done can be read.
pub async fn a_pause_can_be_changed_and_ended(lab: &mut dyn Lab) {
    let store = lab.store();
    store.pause(&chat("c"), later(HALF_HOUR), "Ana").await.unwrap();
    assert!(!store.pause(&chat("c"), later(2 * HALF_HOUR), "Ben").await.unwrap(), "it held already");
    let pause = store.paused(&chat("c"), later(HALF_HOUR)).await.unwrap().expect("still");
    assert_eq!((pause.until, pause.by.as_str()), (later(2 * HALF_HOUR), "Ben"));
    assert!(store.resume(&chat("c"), later(5), "Ben").await.unwrap());
    assert_eq!(store.paused(&chat("c"), later(5)).await.unwrap(), None);
    assert!(!store.resume(&chat("c"), later(6), "Ben").await.unwrap(), "nothing to end");
    assert_eq!(store.ended_pauses(later(6), 9).await.unwrap().len(), 1);
    let done = store.interventions(&chat("c"), 0, 9).await.unwrap();
    let kinds: Vec<_> = done.iter().map(|one| (one.kind, one.by.as_str())).collect();
    let (pause, resume) = (InterventionKind::Pause, InterventionKind::Resume);
    assert_eq!(kinds, [(pause, "Ana"), (pause, "Ben"), (resume, "Ben")]);
    assert_eq!(store.interventions(&chat("c"), done[0].number, 1).await.unwrap(), done[1..2]);
}

/// It is remembered, sent, and found by its id.
pub async fn a_persons_words_are_a_turn_nobody_asked_for(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "ada", "hello", 0), "hi", &[]).await;
    let words = words(&chat("c"), "I am Ana. Tuesday works.", 5);
    assert!(store.say_unasked(&words).await.unwrap());
    let last = history(&*store, &chat("c")).await.pop().expect("messages");
    assert_eq!(last, (Role::Assistant, "I am Ana. Tuesday works.".to_owned()));
    let stored = store.turn(words.turn).await.unwrap().expect("the turn");
    assert_eq!((stored.reply, stored.finished_at), (words.reply.clone(), later(5)));
    let due = store.due(later(5), 9).await.unwrap();
    assert_eq!(due.iter().map(|part| part.payload.clone()).collect::<Vec<_>>(), words.parts);
    assert_eq!((&due[0].conversation, due[0].outlet.as_str()), (&chat("c"), "telegram"));
    let done = store.interventions(&chat("c"), 0, 9).await.unwrap();
    assert_eq!((done[0].kind, done[0].turn, done[0].by.as_str()), (InterventionKind::Reply, Some(words.turn), "Ana"));
}

/// Nobody is written to who never wrote; but the bot can be silent there.
pub async fn without_a_session_nothing_is_said(lab: &mut dyn Lab) {
    let store = lab.store();
    assert!(!store.say_unasked(&words(&chat("c"), "hello?", 0)).await.unwrap());
    assert_eq!(store.due(later(0), 9).await.unwrap(), []);
    assert_eq!(store.interventions(&chat("c"), 0, 9).await.unwrap(), []);
    assert!(store.pause(&chat("c"), later(9), "Ana").await.unwrap());
}

/// By diver, in the order it was said.
pub async fn what_nobody_answered_is_left(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "ada", "before", 0), "answered", &[]).await;
    store.pause(&chat("c"), later(HALF_HOUR), "Ana").await.unwrap();
    let one = left_to_a_person(&*store, &chat("c"), "ada", "first", 1).await;
    let two = left_to_a_person(&*store, &chat("c"), "bob", "from bob", 2).await;
    let three = left_to_a_person(&*store, &chat("c"), "ada", "second", 3).await;
    assert_eq!(left(&*store, 4).await, [], "the pause holds");
    let of =
        |user: &str, turns: &[TurnId], text: &str| Left { diver: diver(user), turns: turns.into(), text: text.into() };
    let expected = [of("ada", &[one, three], "first\nsecond"), of("bob", &[two], "from bob")];
    assert_eq!(left(&*store, HALF_HOUR).await, expected);
}

/// A person's words answer what was said before them.
pub async fn what_a_person_answered_is_not_left(lab: &mut dyn Lab) {
    let store = lab.store();
    store.pause(&chat("c"), later(HALF_HOUR), "Ana").await.unwrap();
    left_to_a_person(&*store, &chat("c"), "ada", "first", 1).await;
    let notice = Unasked { outcome: Outcome::Fixed, ..words(&chat("c"), "a person has taken over", 2) };
    store.say_unasked(&notice).await.unwrap();
    assert_eq!(left(&*store, HALF_HOUR).await.len(), 1, "a notice answers nothing");
    store.say_unasked(&words(&chat("c"), "Tuesday works.", 3)).await.unwrap();
    assert_eq!(left(&*store, HALF_HOUR).await, []);
    left_to_a_person(&*store, &chat("c"), "ada", "and Wednesday?", 4).await;
    store.pause(&chat("c"), later(2 * HALF_HOUR), "Ana").await.unwrap();
    assert_eq!(left(&*store, 2 * HALF_HOUR).await[0].text, "and Wednesday?", "a longer pause answers nothing");
}

/// The words stand once in the history: where they are answered.
pub async fn what_is_taken_up_leaves_its_first_turn(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "ada", "before", 0), "answered", &[]).await;
    store.pause(&chat("c"), later(10), "Ana").await.unwrap();
    let said_in = left_to_a_person(&*store, &chat("c"), "ada", "how deep?", 1).await;
    let again = said(&chat("c"), "ada", "how deep?", 20);
    accept(&*store, &again).await;
    let taken_up = TakenUp { turn: again.turn, instead_of: vec![said_in] };
    store.close_pause(&chat("c"), &[taken_up], later(20)).await.unwrap();
    assert_eq!(store.ended_pauses(later(20), 9).await.unwrap(), []);
    let claimed = claim(&*store, 20).await;
    let turn = answer(&*store, &claimed, "18 m", 21).await;
    store.finish(&claimed, &turn).await.unwrap();
    let said: Vec<String> = history(&*store, &chat("c")).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(said, ["before", "answered", "how deep?", "18 m"]);
    let done = store.interventions(&chat("c"), 0, 9).await.unwrap();
    let last = done.last().expect("what was done");
    assert_eq!((last.kind, last.turn), (InterventionKind::TakenUp, Some(again.turn)));
}

/// A person who comes back in the last moment keeps the conversation.
pub async fn a_pause_begun_anew_is_not_closed(lab: &mut dyn Lab) {
    let store = lab.store();
    store.pause(&chat("c"), later(10), "Ana").await.unwrap();
    store.pause(&chat("c"), later(HALF_HOUR), "Ana").await.unwrap();
    store.close_pause(&chat("c"), &[], later(20)).await.unwrap();
    assert!(store.paused(&chat("c"), later(20)).await.unwrap().is_some());
    assert_eq!(store.ended_pauses(later(HALF_HOUR), 9).await.unwrap().len(), 1);
}

/// Whoever begins anew has put the earlier questions aside.
pub async fn of_a_conversation_begun_anew_nothing_is_left(lab: &mut dyn Lab) {
    let store = lab.store();
    store.pause(&chat("c"), later(10), "Ana").await.unwrap();
    left_to_a_person(&*store, &chat("c"), "ada", "how deep?", 1).await;
    accept(&*store, &said(&chat("c"), "ada", "/new", 2)).await;
    let claimed = claim(&*store, 2).await;
    let mut turn = answer(&*store, &claimed, "a fresh start", 2).await;
    (turn.said, turn.restarts_session) = (String::new(), true);
    store.finish(&claimed, &turn).await.unwrap();
    assert_eq!(left(&*store, 10).await, []);
}

/// Who was silent before the crash is silent after it.
pub async fn pauses_outlive_a_crash(lab: &mut dyn Lab) {
    let store = lab.store();
    store.pause(&chat("c"), later(HALF_HOUR), "Ana").await.unwrap();
    left_to_a_person(&*store, &chat("c"), "ada", "how deep?", 1).await;
    drop(store);
    lab.reopen(Stop::Crash).await;
    let store = lab.store();
    assert_eq!(store.paused(&chat("c"), later(2)).await.unwrap().expect("a pause").by, "Ana");
    assert_eq!(left(&*store, HALF_HOUR).await.len(), 1);
}

/// Nothing is remembered of it, not even that somebody took over.
pub async fn an_erased_conversation_is_not_paused(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("c"), "ada", "hello", 0), "hi", &[]).await;
    store.pause(&chat("c"), later(HALF_HOUR), "Ana").await.unwrap();
    store.say_unasked(&words(&chat("c"), "hello from Ana", 1)).await.unwrap();
    assert!(store.erase(&Subject::Diver(diver("ada")), false).await.unwrap() > 0);
    assert_eq!(store.paused(&chat("c"), later(2)).await.unwrap(), None);
    assert_eq!(store.ended_pauses(later(HALF_HOUR), 9).await.unwrap(), []);
    assert_eq!(store.interventions(&chat("c"), 0, 9).await.unwrap(), []);
}
