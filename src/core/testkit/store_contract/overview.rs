//! Rules of what an operator looks at.

use std::time::Duration;

use super::Lab;
use super::make::{accept, answer, chat, claim, diver, exchange, fresh, later, said, web};
use crate::channel::Inbound;
use crate::clock::Timestamp;
use crate::guard::{EmergencyKind, StandingEmergency};
use crate::ids::{AgentId, BotId, ChannelId};
use crate::store::{AuditEntry, ConversationFilter, ConversationSummary, FinishedTurn, Outcome, Place, Store, Usage};

const MINUTE: u64 = 60_000;

/// One message and a turn that `change` makes what a rule needs.
async fn turn(store: &dyn Store, event: &Inbound, change: impl FnOnce(&mut FinishedTurn)) -> FinishedTurn {
    accept(store, event).await;
    let ms = u64::try_from(event.ready_at.since(later(0)).as_millis()).expect("small");
    let claimed = claim(store, ms).await;
    let mut turn = answer(store, &claimed, "the answer", ms).await;
    change(&mut turn);
    store.finish(&claimed, &turn).await.expect("finished");
    turn
}

async fn listed(store: &dyn Store, filter: ConversationFilter) -> Vec<ConversationSummary> {
    store.conversations(&BotId::default(), &filter, None, later(MINUTE), 99).await.unwrap()
}

fn names(list: &[ConversationSummary]) -> Vec<&str> {
    list.iter().map(|one| one.conversation.conversation.as_str()).collect()
}

/// The one last used comes first, with what was said in it, and a list goes on where it stopped.
pub async fn conversations_come_newest_first_in_pages(lab: &mut dyn Lab) {
    let store = lab.store();
    for (i, name) in ["a", "b", "c"].into_iter().enumerate() {
        let event = said(&chat(name), "ada", &format!("in {name}"), i as u64);
        exchange(&*store, &event, "fine", &[]).await;
    }
    exchange(&*store, &said(&chat("a"), "ada", "once more in a", 9), "fine", &[]).await;
    let all = listed(&*store, ConversationFilter::default()).await;
    assert_eq!(names(&all), ["a", "c", "b"]);
    let first = &all[0];
    assert_eq!((first.last_words.as_str(), first.turns, first.waiting), ("once more in a", 2, 0));
    assert_eq!((first.updated_at, first.agent.as_deref()), (later(9), Some("certification")));
    assert_eq!((first.emergency, first.pause.clone(), first.not_covered), (false, None, 0));
    let bot = BotId::default();
    let none = ConversationFilter::default();
    let page = store.conversations(&bot, &none, None, later(MINUTE), 2).await.unwrap();
    let last = page.last().expect("two");
    let from = Place { updated_at: last.updated_at, number: last.number };
    let rest = store.conversations(&bot, &none, Some(from), later(MINUTE), 2).await.unwrap();
    assert_eq!((names(&page), names(&rest)), (vec!["a", "c"], vec!["b"]));
    assert_eq!(store.conversations(&BotId::new("other"), &none, None, later(MINUTE), 9).await.unwrap(), []);
}

/// Each filter leaves what it names.
pub async fn conversations_can_be_filtered(lab: &mut dyn Lab) {
    let store = lab.store();
    let session = fresh();
    turn(&*store, &web(session, "on the web", 0), |turn| turn.reply.agent = AgentId::new("trip")).await;
    turn(&*store, &said(&chat("danger"), "eve", "mayday", 1), |turn| {
        turn.outcome = Outcome::Emergency;
        turn.session.emergency = Some(StandingEmergency { kind: EmergencyKind::Cardiac, replies: 1, region: None });
    })
    .await;
    turn(&*store, &said(&chat("gap"), "ada", "do you rent scooters", 2), |turn| turn.outcome = Outcome::NotCovered)
        .await;
    store.pause(&chat("held"), later(2 * MINUTE), "Ana").await.unwrap();
    turn(&*store, &said(&chat("held"), "ada", "anyone?", 3), |turn| turn.outcome = Outcome::WithPerson).await;
    let only = ConversationFilter::default;
    let web_only = ConversationFilter { channel: Some(ChannelId::new("web")), ..only() };
    assert_eq!(names(&listed(&*store, web_only).await), [session.to_string()]);
    let trips = ConversationFilter { agent: Some("trip".into()), ..only() };
    assert_eq!(names(&listed(&*store, trips).await), [session.to_string()]);
    assert_eq!(names(&listed(&*store, ConversationFilter { emergency: true, ..only() }).await), ["danger"]);
    let held = listed(&*store, ConversationFilter { paused: true, ..only() }).await;
    assert_eq!(names(&held), ["held"]);
    assert_eq!(held[0].pause.as_ref().map(|pause| (pause.until, pause.by.as_str())), Some((later(2 * MINUTE), "Ana")));
    let open = listed(&*store, ConversationFilter { unanswered: true, ..only() }).await;
    assert_eq!(names(&open), ["held", "gap"]);
    assert_eq!(open[1].not_covered, 1);
}

/// With its words, its reply, its rating and what it used; what waits is told, too.
pub async fn a_conversations_turns_tell_everything(lab: &mut dyn Lab) {
    let store = lab.store();
    let used =
        Usage { tokens: 7, cost_micros: 8, waited_ms: 1, route_ms: 2, search_ms: 3, first_piece_ms: 4, total_ms: 5 };
    let first = turn(&*store, &said(&chat("c"), "ada", "how deep?", 0), |turn| turn.usage = used.clone()).await;
    let second = turn(&*store, &said(&chat("c"), "ada", "and then?", 5), |_| {}).await;
    turn(&*store, &said(&chat("d"), "ada", "elsewhere", 6), |_| {}).await;
    store.rate(first.id, false, Some("too short"), later(7)).await.unwrap();
    accept(&*store, &said(&chat("c"), "ada", "still there?", 8)).await;
    let turns = store.turns_of(&chat("c"), None, 9).await.unwrap();
    assert_eq!(turns.iter().map(|turn| turn.id).collect::<Vec<_>>(), [second.id, first.id]);
    let told = &turns[1];
    assert_eq!((told.said.as_deref(), told.outcome.as_str(), told.attempt), (Some("how deep?"), "answered", 1));
    assert_eq!((&told.reply, &told.usage), (&first.reply, &Some(used)));
    assert_eq!(told.rating, Some((false, Some("too short".into()))));
    assert_eq!(turns[0].rating, None);
    let earlier = store.turns_of(&chat("c"), Some(turns[0].number), 9).await.unwrap();
    assert_eq!(earlier.iter().map(|turn| turn.id).collect::<Vec<_>>(), [first.id]);
    assert_eq!(store.waiting_in(&chat("c")).await.unwrap(), [("still there?".to_owned(), later(8))]);
    assert_eq!(store.waiting_in(&chat("d")).await.unwrap(), []);
}

/// Newest first, with what they are about.
pub async fn ratings_tell_what_was_rated(lab: &mut dyn Lab) {
    let store = lab.store();
    let one = exchange(&*store, &said(&chat("c"), "ada", "how deep?", 0), "18 m", &[]).await;
    let two = exchange(&*store, &said(&chat("d"), "bob", "how cold?", 1), "cold", &[]).await;
    store.rate(one.id, true, None, later(5)).await.unwrap();
    store.rate(two.id, false, Some("wrong"), later(6)).await.unwrap();
    let ratings = store.ratings(&BotId::default(), 9).await.unwrap();
    let told: Vec<_> = ratings.iter().map(|one| (one.said.as_deref(), one.up, one.comment.as_deref())).collect();
    assert_eq!(told, [(Some("how cold?"), false, Some("wrong")), (Some("how deep?"), true, None)]);
    assert_eq!((ratings[1].reply.as_str(), ratings[1].channel.as_str()), ("18 m", "telegram"));
    assert_eq!(store.ratings(&BotId::default(), 1).await.unwrap().len(), 1);
    assert_eq!(store.ratings(&BotId::new("other"), 9).await.unwrap(), []);
}

/// Only those the content did not cover, and only since then.
pub async fn open_questions_are_those_not_covered(lab: &mut dyn Lab) {
    let store = lab.store();
    let missed = |turn: &mut FinishedTurn| turn.outcome = Outcome::NotCovered;
    turn(&*store, &said(&chat("c"), "ada", "an old one", 0), missed).await;
    turn(&*store, &said(&chat("c"), "ada", "do you rent scooters", 10), missed).await;
    turn(&*store, &said(&chat("c"), "ada", "how deep?", 20), |_| {}).await;
    let open = store.open_questions(&BotId::default(), later(10), 9).await.unwrap();
    assert_eq!(
        open.iter().map(|one| (one.text.as_str(), one.at)).collect::<Vec<_>>(),
        [("do you rent scooters", later(10))]
    );
    assert_eq!(store.open_questions(&BotId::default(), later(0), 9).await.unwrap().len(), 2);
    store.erase(&crate::store::Subject::Diver(diver("ada")), false).await.unwrap();
    assert_eq!(store.open_questions(&BotId::default(), later(0), 9).await.unwrap(), []);
}

/// By step, channel and agent.
pub async fn figures_add_up_by_step_channel_and_agent(lab: &mut dyn Lab) {
    let store = lab.store();
    let began = later(0).as_millis() / 60_000 * 60_000;
    for (name, ms) in [("c", 0), ("d", 1), ("c", 2 * MINUTE)] {
        exchange(&*store, &said(&chat(name), "ada", "how deep?", ms), "18 m", &[]).await;
    }
    turn(&*store, &web(fresh(), "where to?", 2), |turn| turn.reply.agent = AgentId::new("trip")).await;
    let bot = BotId::default();
    let figures = store.figures(&bot, later(0), Duration::from_mins(1)).await.unwrap();
    let told: Vec<_> = figures
        .iter()
        .map(|f| {
            (
                (f.at.as_millis() - began) / 60_000,
                f.channel.as_str(),
                f.agent.as_str(),
                f.turns,
                f.tokens,
                f.cost_micros,
            )
        })
        .collect();
    let expected = [
        (0, "telegram", "certification", 2, 24, 68),
        (0, "web", "trip", 1, 12, 34),
        (2, "telegram", "certification", 1, 12, 34),
    ];
    assert_eq!(told, expected);
    assert_eq!(store.figures(&bot, later(3 * MINUTE), Duration::from_mins(1)).await.unwrap(), []);
    assert_eq!(store.figures(&BotId::new("other"), later(0), Duration::from_mins(1)).await.unwrap(), []);
}

/// Percentiles are of what was answered.
pub async fn latencies_are_of_what_was_answered(lab: &mut dyn Lab) {
    let store = lab.store();
    for ms in 1..=20 {
        let measured = |turn: &mut FinishedTurn| {
            turn.usage = Usage { first_piece_ms: ms, total_ms: ms * 10, ..Usage::default() };
        };
        turn(&*store, &said(&chat("c"), "ada", "how deep?", ms), measured).await;
    }
    let quick = |turn: &mut FinishedTurn| {
        turn.outcome = Outcome::Fixed;
        turn.usage = Usage::default();
    };
    turn(&*store, &said(&chat("c"), "ada", "hello", 30), quick).await;
    let figures = store.latencies(&BotId::default(), Timestamp::from_millis(0), Duration::from_hours(1)).await.unwrap();
    let told: Vec<_> = figures.iter().map(|f| (f.turns, f.first_p50, f.first_p95, f.total_p50, f.total_p95)).collect();
    assert_eq!(told, [(20, 10, 19, 100, 190)]);
}

/// Whoever looks again only when it differs misses nothing.
pub async fn the_mark_differs_after_every_change(lab: &mut dyn Lab) {
    let store = lab.store();
    let mut marks = vec![store.mark().await.unwrap()];
    let event = said(&chat("c"), "ada", "how deep?", 0);
    accept(&*store, &event).await;
    marks.push(store.mark().await.unwrap());
    let claimed = claim(&*store, 0).await;
    let turn = answer(&*store, &claimed, "18 m", 0).await;
    store.finish(&claimed, &turn).await.unwrap();
    marks.push(store.mark().await.unwrap());
    store.rate(turn.id, true, None, later(1)).await.unwrap();
    marks.push(store.mark().await.unwrap());
    store.rate(turn.id, false, None, later(2)).await.unwrap();
    marks.push(store.mark().await.unwrap());
    store.pause(&chat("c"), later(MINUTE), "Ana").await.unwrap();
    marks.push(store.mark().await.unwrap());
    store.add_lead(&super::leads::lead("Ada", 2), &[]).await.unwrap();
    marks.push(store.mark().await.unwrap());
    assert_eq!(store.mark().await.unwrap(), marks[6], "nothing happened");
    let all = marks.len();
    marks.sort();
    marks.dedup();
    assert_eq!(marks.len(), all, "{marks:?}");
}

/// Newest first, and a list goes on where it stopped.
pub async fn the_audit_keeps_who_looked_at_what(lab: &mut dyn Lab) {
    let store = lab.store();
    let entry = |action: &str, ms| AuditEntry {
        key: "k1".into(),
        name: "Ana".into(),
        action: action.into(),
        subject: "session".into(),
        at: later(ms),
    };
    for (i, action) in ["read", "reply", "export"].into_iter().enumerate() {
        store.note(&entry(action, i as u64)).await.unwrap();
    }
    let newest = store.audit(None, 2).await.unwrap();
    assert_eq!(newest.iter().map(|one| one.entry.clone()).collect::<Vec<_>>(), [entry("export", 2), entry("reply", 1)]);
    let rest = store.audit(Some(newest[1].number), 9).await.unwrap();
    assert_eq!(rest.iter().map(|one| one.entry.clone()).collect::<Vec<_>>(), [entry("read", 0)]);
}
