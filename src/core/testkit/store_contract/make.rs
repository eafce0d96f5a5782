//! Events, turns and answers for the rules.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::channel::{Content, Inbound, Sender};
use crate::clock::Timestamp;
use crate::ids::{AgentId, BotId, ChannelId, ConversationKey, DiverKey, SessionId, TurnId};
use crate::lang::Lang;
use crate::limit::Charge;
use crate::reply::Reply;
use crate::session::Session;
use crate::store::{Accepted, Claim, FinishedTurn, Outcome, Store, Usage};
use crate::testkit::clock::{START, numbered};

/// The moment the rules begin at.
pub(super) const NOW: Timestamp = START;
/// A lease nobody outlives by accident.
pub(super) const LEASE: Duration = Duration::from_mins(1);

static NEXT: AtomicU64 = AtomicU64::new(1_000_000);

pub(super) fn number() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(super) fn fresh() -> SessionId {
    SessionId(numbered(number()))
}

pub(super) fn later(ms: u64) -> Timestamp {
    NOW.plus(Duration::from_millis(ms))
}

/// A conversation on a channel where replies are sent.
pub(super) fn chat(name: &str) -> ConversationKey {
    ConversationKey {
        bot: BotId::default(),
        channel: ChannelId::new("telegram"),
        account: "bot1".into(),
        conversation: name.into(),
    }
}

pub(super) fn diver(name: &str) -> DiverKey {
    DiverKey { bot: BotId::default(), channel: ChannelId::new("telegram"), account: "bot1".into(), user: name.into() }
}

/// What `user` says at `ms` after the start, answered at once.
pub(super) fn said(at: &ConversationKey, user: &str, text: &str, ms: u64) -> Inbound {
    let number = number();
    Inbound {
        turn: TurnId(numbered(number)),
        conversation: at.clone(),
        sender: Sender {
            key: DiverKey {
                bot: at.bot.clone(),
                channel: at.channel.clone(),
                account: at.account.clone(),
                user: user.into(),
            },
            name: Some("Ada".into()),
            locale: Some("pt-BR".into()),
            contact: None,
        },
        event_id: format!("e{number}"),
        fingerprint: None,
        content: Content::Text(text.into()),
        opens_conversation: false,
        received_at: later(ms),
        ready_at: later(ms),
        profile: None,
        state: None,
        context: json!({ "topic": 7 }),
    }
}

/// The same as part of a burst that settles in `settle` milliseconds.
pub(super) fn burst(at: &ConversationKey, text: &str, ms: u64, settle: u64) -> Inbound {
    Inbound { ready_at: later(ms + settle), ..said(at, "ada", text, ms) }
}

/// An anonymous session on the web: conversation and diver are the session.
pub(super) fn web(id: SessionId, text: &str, ms: u64) -> Inbound {
    let at = ConversationKey {
        bot: BotId::default(),
        channel: ChannelId::new("web"),
        account: String::new(),
        conversation: id.to_string(),
    };
    said(&at, &id.to_string(), text, ms)
}

/// Accepts an event that must be new.
pub(super) async fn accept(store: &dyn Store, event: &Inbound) -> SessionId {
    match store.accept(event, fresh(), None).await.expect("accepted") {
        Accepted::New { session, .. } => session,
        other => panic!("a new event is accepted, not {other:?}"),
    }
}

pub(super) async fn charged(store: &dyn Store, event: &Inbound, charge: &Charge) -> Accepted {
    store.accept(event, fresh(), Some(charge)).await.expect("an answer")
}

/// Claims a lane that must be there.
pub(super) async fn claim(store: &dyn Store, ms: u64) -> Claim {
    try_claim(store, ms).await.expect("something to claim")
}

pub(super) async fn try_claim(store: &dyn Store, ms: u64) -> Option<Claim> {
    store.claim(later(ms), later(ms).plus(LEASE)).await.expect("a claim or none")
}

/// The turn that answers a claim in the session the store knows.
pub(super) async fn answer(store: &dyn Store, claim: &Claim, text: &str, ms: u64) -> FinishedTurn {
    let sender = claim.events[0].sender.key.clone();
    let session = store.session(&claim.conversation, &sender, 10).await.expect("read").expect("a session");
    turn(claim.turn().expect("an event"), &claim.text(), text, session, sender, ms)
}

pub(super) fn turn(id: TurnId, said: &str, text: &str, session: Session, diver: DiverKey, ms: u64) -> FinishedTurn {
    FinishedTurn {
        id,
        attempt: 1,
        diver,
        said: said.into(),
        reply: Reply::fixed(text, AgentId::new("certification"), Lang::default()),
        outcome: Outcome::Answered,
        session,
        stands_down: false,
        restarts_session: false,
        usage: Usage { tokens: 12, cost_micros: 34, total_ms: 56, ..Usage::default() },
        parts: Vec::new(),
        context: json!({ "topic": 7 }),
        at: later(ms),
    }
}

/// Payloads named by their texts.
pub(super) fn parts(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| json!({ "text": text })).collect()
}

/// One message and its answer, with parts for the outbox.
pub(super) async fn exchange(store: &dyn Store, event: &Inbound, reply: &str, out: &[&str]) -> FinishedTurn {
    accept(store, event).await;
    let claimed = store.claim(event.ready_at, event.ready_at.plus(LEASE)).await.expect("claimed").expect("the event");
    let ms = u64::try_from(event.ready_at.since(NOW).as_millis()).expect("small");
    let mut turn = answer(store, &claimed, reply, ms).await;
    turn.parts = parts(out);
    store.finish(&claimed, &turn).await.expect("finished");
    turn
}
