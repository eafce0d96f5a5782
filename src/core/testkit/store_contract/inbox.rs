//! Rules of accepting.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use super::make::{accept, answer, charged, chat, claim, diver, exchange, fresh, later, said, try_claim, turn};
use super::{Lab, MOST_WAITING, Stop};
use crate::clock::Timestamp;
use crate::guard::{EmergencyKind, StandingEmergency};
use crate::ids::{BotId, ChannelId, ConversationKey};
use crate::limit::{Charge, Quota, Verdict, gcra};
use crate::session::{DiverProfile, Session};
use crate::store::{Accepted, FinishedTurn, Outcome, StoreError};

const QUOTA: Quota = Quota { per_minute: 20, burst: 5 };

fn charge(key: &str) -> Charge {
    Charge { key: key.into(), quota: QUOTA }
}

/// `fresh_session` becomes the session's id.
pub async fn a_new_event_opens_the_session(lab: &mut dyn Lab) {
    let store = lab.store();
    let (event, id) = (said(&chat("c"), "ada", "hello", 0), fresh());
    let accepted = store.accept(&event, id, None).await.unwrap();
    assert_eq!(accepted, Accepted::New { session: id, allowance: None });
    let session = store.session(&chat("c"), &diver("ada"), 5).await.unwrap().expect("opened");
    assert_eq!((session.id, session.history.len()), (id, 0));
}

/// A second event joins the session that is there.
pub async fn the_conversations_session_is_kept(lab: &mut dyn Lab) {
    let store = lab.store();
    let first = accept(&*store, &said(&chat("c"), "ada", "hello", 0)).await;
    let second = accept(&*store, &said(&chat("c"), "ada", "again", 1)).await;
    assert_eq!(first, second);
}

/// The same event a second time, even with another turn id, changes nothing.
pub async fn a_repeated_event_changes_nothing(lab: &mut dyn Lab) {
    let store = lab.store();
    let mut event = said(&chat("c"), "ada", "hello", 0);
    event.fingerprint = Some("f1".into());
    let session = accept(&*store, &event).await;
    let mut again = said(&chat("c"), "ada", "other words", 9);
    again.event_id.clone_from(&event.event_id);
    for repeat in [&event, &again] {
        let answer = store.accept(repeat, fresh(), None).await.unwrap();
        assert_eq!(answer, Accepted::Duplicate { turn: event.turn, session, fingerprint: Some("f1".into()) });
    }
    assert_eq!(claim(&*store, 10).await.events, [event]);
    assert_eq!(try_claim(&*store, 10).await, None);
}

/// After the reply a repeat names the turn that covers it.
pub async fn a_repeat_of_a_finished_event_names_its_turn(lab: &mut dyn Lab) {
    let store = lab.store();
    let event = said(&chat("c"), "ada", "hello", 0);
    let turn = exchange(&*store, &event, "hi", &[]).await;
    let answer = store.accept(&event, fresh(), None).await.unwrap();
    assert_eq!(answer, Accepted::Duplicate { turn: turn.id, session: turn.session.id, fingerprint: None });
}

/// Ids are unique within bot, channel and account only.
pub async fn the_same_id_elsewhere_is_another_event(lab: &mut dyn Lab) {
    let store = lab.store();
    let event = said(&chat("c"), "ada", "hello", 0);
    accept(&*store, &event).await;
    let mut account = chat("c");
    account.account = "bot2".into();
    let mut channel = chat("c");
    channel.channel = crate::ids::ChannelId::new("discord");
    let mut bot = chat("c");
    bot.bot = crate::ids::BotId::new("other");
    for elsewhere in [account, channel, bot] {
        let mut other = said(&elsewhere, "ada", "hello", 0);
        other.event_id.clone_from(&event.event_id);
        accept(&*store, &other).await;
    }
    let mut same = said(&chat("another chat"), "ada", "hello", 0);
    same.event_id = event.event_id;
    assert!(matches!(store.accept(&same, fresh(), None).await.unwrap(), Accepted::Duplicate { .. }));
}

/// Two deliveries at the same moment make one turn.
pub async fn of_concurrent_repeats_one_is_new(lab: &mut dyn Lab) {
    let store = lab.store();
    let event = said(&chat("c"), "ada", "hello", 0);
    let answers = join_all((0..16).map(|_| store.accept(&event, fresh(), None))).await;
    let new = answers.iter().filter(|a| matches!(a, Ok(Accepted::New { .. }))).count();
    let repeats = answers.iter().filter(|a| matches!(a, Ok(Accepted::Duplicate { .. }))).count();
    assert_eq!((new, repeats), (1, 15));
    assert_eq!(store.backlog(later(0)).await.unwrap().waiting, 1);
}

/// What a limit refuses is not stored, not charged, and opens no session.
pub async fn a_refused_event_leaves_no_trace(lab: &mut dyn Lab) {
    let store = lab.store();
    let charge = charge("k");
    for left in (0..5).rev() {
        match charged(&*store, &said(&chat("c"), "ada", "x", 0), &charge).await {
            Accepted::New { allowance: Some(allowance), .. } => assert_eq!(allowance.remaining, left),
            other => panic!("{other:?}"),
        }
    }
    let refused = said(&chat("elsewhere"), "ada", "x", 0);
    let wait = Duration::from_secs(3);
    for _ in 0..3 {
        assert_eq!(charged(&*store, &refused, &charge).await, Accepted::Limited { retry_after: wait });
    }
    assert_eq!(store.session(&chat("elsewhere"), &diver("ada"), 1).await.unwrap(), None);
    assert_eq!(store.backlog(later(0)).await.unwrap().waiting, 5);
    let again = crate::channel::Inbound { received_at: later(3000), ..refused };
    assert!(matches!(charged(&*store, &again, &charge).await, Accepted::New { .. }));
}

/// A repeat costs nothing, even when the limit is used up.
pub async fn a_repeat_is_not_charged(lab: &mut dyn Lab) {
    let store = lab.store();
    let charge = charge("k");
    let event = said(&chat("c"), "ada", "x", 0);
    charged(&*store, &event, &charge).await;
    for _ in 0..10 {
        assert!(matches!(charged(&*store, &event, &charge).await, Accepted::Duplicate { .. }));
    }
    for _ in 0..4 {
        assert!(matches!(charged(&*store, &said(&chat("c"), "ada", "x", 0), &charge).await, Accepted::New { .. }));
    }
    assert!(matches!(charged(&*store, &said(&chat("c"), "ada", "x", 0), &charge).await, Accepted::Limited { .. }));
    assert!(matches!(charged(&*store, &event, &charge).await, Accepted::Duplicate { .. }));
}

/// The store decides exactly as [`gcra`], for quotas that do and don't divide a minute, and for a
/// clock that jumps back.
pub async fn limits_follow_gcra(lab: &mut dyn Lab) {
    let store = lab.store();
    let quotas = [(20, 5), (7, 3), (1, 1), (60_000, 9), (90_000, 2), (13, 0), (0, 5)];
    let gaps = [0, 0, 1, 2999, 3000, 8571, 8572, 200, -5000, 60_000, 0, 0, 0, 17, -1, 4285, 0, 1, 2, 100_000, 0];
    for (i, (per_minute, burst)) in quotas.into_iter().enumerate() {
        let quota = Quota { per_minute, burst };
        let charge = Charge { key: format!("key {i}"), quota };
        let (mut at, mut kept) = (later(1_000_000).as_millis(), None);
        for gap in gaps.into_iter().cycle().take(80) {
            at += gap;
            let now = Timestamp::from_millis(at);
            let event = crate::channel::Inbound {
                received_at: now,
                ready_at: now,
                ..said(&chat(&format!("c{i}")), "ada", "x", 0)
            };
            let answer = charged(&*store, &event, &charge).await;
            match gcra(quota, kept, now) {
                Verdict::Allowed { arrival, allowance } => {
                    kept = Some(arrival);
                    match answer {
                        Accepted::New { allowance: got, .. } => assert_eq!(got, Some(allowance), "{quota:?} at {at}"),
                        other => panic!("{quota:?} at {at}: {other:?}"),
                    }
                    let claimed = store.claim(now, now).await.unwrap().expect("the event");
                    let turn = answer_at(&*store, &claimed).await;
                    store.finish(&claimed, &turn).await.unwrap();
                }
                Verdict::Refused(retry_after) => {
                    assert_eq!(answer, Accepted::Limited { retry_after }, "{quota:?} at {at}");
                }
            }
        }
    }
}

async fn answer_at(store: &dyn crate::store::Store, claimed: &crate::store::Claim) -> FinishedTurn {
    answer(store, claimed, "ok", 0).await
}

/// Concurrency does not stretch a limit.
pub async fn of_concurrent_charges_no_more_than_the_burst_pass(lab: &mut dyn Lab) {
    let store = lab.store();
    let charge = charge("k");
    let events: Vec<_> = (0..40).map(|i| said(&chat(&format!("c{i}")), "ada", "x", 0)).collect();
    let answers = join_all(events.iter().map(|event| store.accept(event, fresh(), Some(&charge)))).await;
    assert_eq!(answers.iter().filter(|a| matches!(a, Ok(Accepted::New { .. }))).count(), 5);
    assert_eq!(answers.iter().filter(|a| matches!(a, Ok(Accepted::Limited { .. }))).count(), 35);
}

/// The queue is bounded, and has room again once something was answered.
pub async fn a_full_queue_refuses_before_writing(lab: &mut dyn Lab) {
    let store = lab.store();
    let events: Vec<_> = (0..MOST_WAITING + 50).map(|i| said(&chat(&format!("c{i}")), "ada", "x", 0)).collect();
    let answers = join_all(events.iter().map(|event| store.accept(event, fresh(), None))).await;
    assert_eq!(answers.iter().filter(|a| matches!(a, Ok(Accepted::New { .. }))).count(), MOST_WAITING);
    assert_eq!(answers.iter().filter(|a| matches!(a, Err(StoreError::Full))).count(), 50);
    let claimed = claim(&*store, 0).await;
    let turn = answer(&*store, &claimed, "ok", 0).await;
    store.finish(&claimed, &turn).await.unwrap();
    accept(&*store, &said(&chat("late"), "ada", "x", 0)).await;
}

fn alarm(kind: EmergencyKind) -> StandingEmergency {
    StandingEmergency { kind, replies: 1, region: None }
}

fn emergency(event: &crate::channel::Inbound, session: Session) -> FinishedTurn {
    let mut turn = turn(event.turn, event.content.text(), "Call 112.", session, event.sender.key.clone(), 0);
    turn.session.emergency = Some(alarm(EmergencyKind::Cardiac));
    turn
}

/// An emergency is stored with its reply, and nothing of it waits.
pub async fn an_answered_event_needs_no_lane(lab: &mut dyn Lab) {
    let store = lab.store();
    let (event, id) = (said(&chat("c"), "ada", "chest pain", 0), fresh());
    let turn = emergency(&event, Session::open(id, chat("c"), later(0)));
    let answer = store.accept_answered(&event, id, &turn).await.unwrap();
    assert_eq!(answer, Accepted::New { session: id, allowance: None });
    assert_eq!(try_claim(&*store, 10).await, None);
    let session = store.session(&chat("c"), &diver("ada"), 5).await.unwrap().unwrap();
    assert_eq!(session.emergency, Some(alarm(EmergencyKind::Cardiac)));
    assert_eq!(session.history.iter().map(|m| m.content.as_str()).collect::<Vec<_>>(), ["chest pain", "Call 112."]);
    assert_eq!(store.turn(event.turn).await.unwrap().expect("stored").reply, turn.reply);
}

/// And once.
pub async fn an_answered_event_repeats_as_a_duplicate(lab: &mut dyn Lab) {
    let store = lab.store();
    let (event, id) = (said(&chat("c"), "ada", "chest pain", 0), fresh());
    let turn = emergency(&event, Session::open(id, chat("c"), later(0)));
    store.accept_answered(&event, id, &turn).await.unwrap();
    let again = store.accept_answered(&event, fresh(), &turn).await.unwrap();
    assert_eq!(again, Accepted::Duplicate { turn: event.turn, session: id, fingerprint: None });
    let session = store.session(&chat("c"), &diver("ada"), 9).await.unwrap().unwrap();
    assert_eq!(session.history.len(), 2);
}

/// Of an alarm's session only the emergency is taken over.
pub async fn an_alarm_leaves_profile_and_state_alone(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "ada", "hello", 0)).await;
    let claimed = claim(&*store, 0).await;
    let mut turn = answer(&*store, &claimed, "hi", 0).await;
    turn.session.profile = DiverProfile { dives: Some(4), ..DiverProfile::default() };
    turn.session.state.insert("last_intent".into(), json!("greeting"));
    store.finish(&claimed, &turn).await.unwrap();
    let before = store.session(&chat("c"), &diver("ada"), 9).await.unwrap().unwrap();

    let event = said(&chat("c"), "ada", "chest pain", 1);
    let blank = Session::open(fresh(), chat("c"), later(1));
    store.accept_answered(&event, blank.id, &emergency(&event, blank)).await.unwrap();
    let after = store.session(&chat("c"), &diver("ada"), 9).await.unwrap().unwrap();
    assert_eq!((after.id, &after.profile, &after.state), (before.id, &before.profile, &before.state));
    assert_eq!((after.created_at, after.history.len()), (before.created_at, 4));
    assert!(after.emergency.is_some());
}

/// In a session that expired: what was said before is hidden, notes and profile are those of the alarm.
pub async fn an_alarm_may_begin_the_session_anew(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "ada", "hello", 0)).await;
    let claimed = claim(&*store, 0).await;
    let mut turn = answer(&*store, &claimed, "hi", 0).await;
    turn.session.profile = DiverProfile { dives: Some(4), ..DiverProfile::default() };
    turn.session.state.insert("last_intent".into(), json!("greeting"));
    store.finish(&claimed, &turn).await.unwrap();
    let before = store.session(&chat("c"), &diver("ada"), 9).await.unwrap().unwrap();

    let event = said(&chat("c"), "ada", "chest pain", 1);
    let mut alarm = emergency(&event, Session::open(fresh(), chat("c"), later(1)));
    alarm.restarts_session = true;
    alarm.session.profile = DiverProfile { language: Some(crate::lang::Lang::En), ..DiverProfile::default() };
    store.accept_answered(&event, alarm.session.id, &alarm).await.unwrap();
    let after = store.session(&chat("c"), &diver("ada"), 9).await.unwrap().unwrap();
    assert_eq!(after.id, before.id);
    assert_eq!(after.history.iter().map(|m| m.content.as_str()).collect::<Vec<_>>(), ["chest pain", "Call 112."]);
    assert_eq!((&after.profile, after.state.len()), (&alarm.session.profile, 0));
    assert!(after.emergency.is_some());
}

/// A turn that ran when the alarm came neither ends nor replaces it.
pub async fn a_running_turn_does_not_undo_an_alarm(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "ada", "not an emergency", 0)).await;
    let claimed = claim(&*store, 0).await;
    let mut running = answer(&*store, &claimed, "good", 0).await;
    running.stands_down = true;
    let event = said(&chat("c"), "ada", "chest pain", 1);
    let turn = emergency(&event, running.session.clone());
    store.accept_answered(&event, fresh(), &turn).await.unwrap();
    store.finish(&claimed, &running).await.unwrap();
    let session = store.session(&chat("c"), &diver("ada"), 9).await.unwrap().unwrap();
    assert_eq!(session.emergency, Some(alarm(EmergencyKind::Cardiac)));
}

/// A burst whose pieces show an emergency only together raises it when its turn ends.
pub async fn an_alarm_found_only_in_the_turn_stands(lab: &mut dyn Lab) {
    let store = lab.store();
    accept(&*store, &said(&chat("c"), "ada", "after the dive my legs went numb", 0)).await;
    let claimed = claim(&*store, 0).await;
    let mut found = answer(&*store, &claimed, "Call 112.", 0).await;
    found.outcome = Outcome::Emergency;
    found.session.emergency = Some(alarm(EmergencyKind::DecompressionIllness));
    store.finish(&claimed, &found).await.unwrap();
    let session = store.session(&chat("c"), &diver("ada"), 9).await.unwrap().unwrap();
    assert_eq!(session.emergency, Some(alarm(EmergencyKind::DecompressionIllness)));
}

/// A turn that begins after the alarm may end it; one that doesn't say so leaves it standing.
pub async fn standing_down_ends_an_alarm(lab: &mut dyn Lab) {
    let store = lab.store();
    let (event, id) = (said(&chat("c"), "ada", "chest pain", 0), fresh());
    let turn = emergency(&event, Session::open(id, chat("c"), later(0)));
    store.accept_answered(&event, id, &turn).await.unwrap();
    for (text, stands_down) in [("thanks", false), ("false alarm", true)] {
        accept(&*store, &said(&chat("c"), "ada", text, 1)).await;
        let claimed = claim(&*store, 2).await;
        let mut turn = answer(&*store, &claimed, "ok", 2).await;
        assert!(turn.session.emergency.is_some(), "{text}");
        turn.stands_down = stands_down;
        turn.session.emergency = None;
        store.finish(&claimed, &turn).await.unwrap();
    }
    let session = store.session(&chat("c"), &diver("ada"), 9).await.unwrap().unwrap();
    assert_eq!(session.emergency, None);
}

/// What waits, since when, and what still has to go out.
pub async fn the_backlog_counts_what_waits(lab: &mut dyn Lab) {
    let store = lab.store();
    exchange(&*store, &said(&chat("a"), "ada", "x", 0), "reply", &["one", "two"]).await;
    for ms in [500, 200, 900] {
        accept(&*store, &said(&chat(&format!("c{ms}")), "ada", "x", ms)).await;
    }
    let backlog = store.backlog(later(1500)).await.unwrap();
    assert_eq!((backlog.waiting, backlog.outbox_pending, backlog.outbox_dead), (3, 2, 0));
    assert!(backlog.oldest >= Duration::from_secs(1), "{:?}", backlog.oldest);
}

/// Of each conversation of the channel the newest event is named, covered or not, after a crash too; other
/// bots and channels stay out, also one whose name begins alike.
pub async fn the_newest_event_of_each_conversation_is_known(lab: &mut dyn Lab) {
    let store = lab.store();
    let on = |channel: &str, bot: &str, conversation: &str| ConversationKey {
        bot: BotId::new(bot),
        channel: ChannelId::new(channel),
        ..chat(conversation)
    };
    let covered = said(&on("telegram", "default", "e"), "ada", "hello", 0);
    exchange(&*store, &covered, "hi", &[]).await;
    let mut newest = vec![(covered.conversation, covered.event_id)];
    for (at, ms) in [("c", 1), ("d", 2), ("c", 3)] {
        let event = said(&on("telegram", "default", at), "ada", "hello", ms);
        accept(&*store, &event).await;
        newest.push((event.conversation, event.event_id));
    }
    for elsewhere in [on("telegram2", "default", "c"), on("discord", "default", "c"), on("telegram", "second", "c")] {
        accept(&*store, &said(&elsewhere, "ada", "hello", 4)).await;
    }
    // The first event in "c" is not its newest.
    newest.remove(1);
    newest.sort();
    drop(store);
    lab.reopen(Stop::Crash).await;
    let mut found = lab.store().newest_events(&BotId::default(), &ChannelId::new("telegram")).await.unwrap();
    found.sort();
    assert_eq!(found, newest);
}
