//! A turn as it happens: numbered events that a client can follow, lose, and take up again.
//!
//! While a turn runs its events stand in a [`TurnLog`]; once it is stored, the same events are derived
//! from the reply, so that a resumed stream repeats exactly what was sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use moka::sync::Cache;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ids::{AgentId, ConversationKey, SessionId, TurnId};
use crate::reply::{Citation, Reply, Safety};
use crate::session::StoredTurn;
use crate::store::Sessions;

/// What a follower of a turn sees.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnEvent {
    /// The turn is under way, and who answers. Starts an attempt.
    Route {
        /// Who answers.
        agent: AgentId,
        /// How sure the router was.
        confidence: f32,
        /// The session, for a client that sent none.
        session: SessionId,
    },
    /// The guard's view of the message.
    Safety(Safety),
    /// A piece of the reply.
    Token(String),
    /// A passage the reply cites.
    Citation(Citation),
    /// The whole reply; it is stored. Ends the turn.
    Final {
        /// The reply.
        reply: Arc<Reply>,
        /// The session it belongs to.
        session: SessionId,
    },
    /// The turn could not be stored; it will be tried again. Ends the stream.
    Failed,
}

impl TurnEvent {
    /// Whether nothing follows in this stream.
    pub const fn ends(&self) -> bool {
        matches!(self, Self::Final { .. } | Self::Failed)
    }
}

/// Where an event stands: `turnId/attempt/n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Which try of the turn, from 1.
    pub attempt: u32,
    /// The event's number within the try, from 1.
    pub n: u32,
}

/// An event and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberedEvent {
    /// The turn.
    pub turn: TurnId,
    /// Its place.
    pub at: Cursor,
    /// What happened.
    pub event: TurnEvent,
}

/// The events a stored turn consisted of.
pub fn events_of(turn: &StoredTurn) -> Vec<NumberedEvent> {
    let reply = &turn.reply;
    let mut events = vec![
        TurnEvent::Route { agent: reply.agent.clone(), confidence: reply.confidence, session: turn.session },
        TurnEvent::Safety(reply.safety),
    ];
    events.extend(reply.released_pieces().map(|piece| TurnEvent::Token(piece.to_owned())));
    events.extend(reply.citations.iter().cloned().map(TurnEvent::Citation));
    events.push(TurnEvent::Final { reply: Arc::new(reply.clone()), session: turn.session });
    let number = |(i, event)| NumberedEvent {
        turn: turn.id,
        at: Cursor { attempt: turn.attempt, n: u32::try_from(i + 1).unwrap_or(u32::MAX) },
        event,
    };
    events.into_iter().enumerate().map(number).collect()
}

/// The events of a turn that runs or waits to. It lives as long as somebody writes or follows it.
#[derive(Debug)]
pub struct TurnLog {
    turn: TurnId,
    conversation: ConversationKey,
    state: Mutex<LogState>,
    grown: Notify,
    /// Where it is listed while it lives.
    open: Weak<OpenLogs>,
}

#[derive(Debug, Default)]
struct LogState {
    /// 0 until the turn runs.
    attempt: u32,
    events: Vec<Arc<NumberedEvent>>,
    /// Who will probably answer, told while there are no events yet.
    foretold: Option<Arc<NumberedEvent>>,
    /// The message is answered together with an earlier one, in its turn.
    joined: Option<TurnId>,
}

type OpenLogs = Mutex<HashMap<TurnId, Weak<TurnLog>>>;

/// What comes next in a log.
enum Next {
    Event(Arc<NumberedEvent>),
    /// What its first event will probably be.
    Foretold(Arc<NumberedEvent>),
    /// This turn tells the rest.
    In(TurnId),
}

impl Drop for TurnLog {
    fn drop(&mut self) {
        let Some(open) = self.open.upgrade() else { return };
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        // Another log may have taken its place.
        if open.get(&self.turn).is_some_and(|log| log.strong_count() == 0) {
            open.remove(&self.turn);
        }
    }
}

impl TurnLog {
    /// Begins a try; what an earlier try said is forgotten.
    pub fn begin(&self, attempt: u32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let foretold = state.foretold.take().filter(|event| event.at.attempt == attempt);
        *state = LogState { attempt, foretold, ..LogState::default() };
    }

    fn join(&self, turn: TurnId) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).joined = Some(turn);
        self.grown.notify_waiters();
    }

    fn waits(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).attempt == 0
    }

    /// Appends an event and wakes the followers.
    pub fn push(&self, event: TurnEvent) {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let n = u32::try_from(state.events.len() + 1).unwrap_or(u32::MAX);
            let at = Cursor { attempt: state.attempt.max(1), n };
            state.events.push(Arc::new(NumberedEvent { turn: self.turn, at, event }));
        }
        self.grown.notify_waiters();
    }

    /// Says who answers, and gives how sure that is: what was foretold about the same agent stands.
    pub fn route(&self, agent: &AgentId, confidence: f32, session: SessionId) -> f32 {
        let foretold = self.state.lock().unwrap_or_else(PoisonError::into_inner).foretold.clone();
        let confidence = match foretold.as_ref().map(|foretold| &foretold.event) {
            Some(TurnEvent::Route { agent: told, confidence, .. }) if told == agent => *confidence,
            _ => confidence,
        };
        self.push(TurnEvent::Route { agent: agent.clone(), confidence, session });
        confidence
    }

    /// Tells who will probably answer, in the place where the turn will say it; too late once it did.
    fn foretell(&self, event: TurnEvent) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.events.is_empty() {
            let at = Cursor { attempt: state.attempt.max(1), n: 1 };
            state.foretold = Some(Arc::new(NumberedEvent { turn: self.turn, at, event }));
        }
    }

    /// The first event after `seen`, to a follower that was `told` what the first one would be.
    fn after(&self, seen: Option<Cursor>, told: Option<&NumberedEvent>) -> Option<Next> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = state.joined {
            return Some(Next::In(turn));
        }
        let Some(first) = state.events.first() else {
            return state.foretold.clone().filter(|_| seen.is_none()).map(Next::Foretold);
        };
        if told.is_some_and(|told| belies(told, first)) {
            return Some(Next::Event(Arc::clone(first)));
        }
        let skip = match seen {
            Some(seen) if seen.attempt == state.attempt.max(1) => seen.n as usize,
            _ => 0,
        };
        state.events.get(skip).cloned().map(Next::Event)
    }
}

/// Whether an event is not what was foretold in its place.
fn belies(told: &NumberedEvent, event: &NumberedEvent) -> bool {
    event.at == told.at && event.event != told.event
}

/// The running turns of this process, and the way to the finished ones.
pub struct Streams {
    open: Arc<OpenLogs>,
    /// Logs of turns that were foretold: what was said stands, also when whoever heard it has left.
    foretold: Cache<TurnId, Arc<TurnLog>>,
    store: Arc<dyn Sessions>,
}

/// How often a turn that runs elsewhere is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How long a turn that was accepted here may say nothing before it is looked for, where several processes answer.
const LOOK_ELSEWHERE: Duration = Duration::from_secs(1);

/// How many waiting turns are remembered to have been foretold, and for how long.
const MOST_FORETOLD: u64 = 20_000;
const FORETOLD: Duration = Duration::from_mins(5);

impl Streams {
    /// Streams over a store.
    pub fn new(store: Arc<dyn Sessions>) -> Self {
        let foretold = Cache::builder().max_capacity(MOST_FORETOLD).time_to_live(FORETOLD).build();
        Self { open: Arc::default(), foretold, store }
    }

    /// The log of a turn of a conversation, opened if need be.
    pub fn open(&self, turn: TurnId, conversation: &ConversationKey) -> Arc<TurnLog> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = open.get(&turn).and_then(Weak::upgrade) {
            return log;
        }
        let log = Arc::new(TurnLog {
            turn,
            conversation: conversation.clone(),
            state: Mutex::default(),
            grown: Notify::new(),
            open: Arc::downgrade(&self.open),
        });
        open.insert(turn, Arc::downgrade(&log));
        log
    }

    /// The turn is over or was given up: followers keep what they hold, newcomers go to the store.
    pub fn close(&self, turn: TurnId) {
        self.take(turn);
    }

    /// A later message of a burst is answered by this turn: its followers go on there.
    pub fn join(&self, later: TurnId, turn: TurnId) {
        if let Some(log) = self.take(later) {
            log.join(turn);
        }
    }

    /// The conversation was erased. What waited in it never runs, and its followers are told.
    pub fn forget(&self, conversation: &ConversationKey) {
        let open: Vec<_> = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.values().filter_map(Weak::upgrade).collect()
        };
        for log in open {
            if log.conversation == *conversation && log.waits() {
                log.push(TurnEvent::Failed);
                self.close(log.turn);
            }
        }
    }

    fn take(&self, turn: TurnId) -> Option<Arc<TurnLog>> {
        self.foretold.invalidate(&turn);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&turn)?.upgrade()
    }

    /// Follows a turn from after `seen`.
    pub fn follow(self: &Arc<Self>, turn: TurnId, seen: Option<Cursor>) -> Follower {
        Follower { streams: Arc::clone(self), turn, seen, log: None, stored: None, ahead: None, told: None }
    }

    fn running(&self, turn: TurnId) -> Option<Arc<TurnLog>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&turn)?.upgrade()
    }
}

/// One reader of a turn's events.
pub struct Follower {
    streams: Arc<Streams>,
    turn: TurnId,
    seen: Option<Cursor>,
    log: Option<Arc<TurnLog>>,
    stored: Option<std::vec::IntoIter<NumberedEvent>>,
    /// Finds out who will probably answer.
    ahead: Option<BoxFuture<'static, TurnEvent>>,
    /// What this reader was told before the turn could say it.
    told: Option<Arc<NumberedEvent>>,
}

impl Follower {
    /// Follows this log even after it was closed.
    #[must_use]
    pub fn holding(mut self, log: Arc<TurnLog>) -> Self {
        self.log = Some(log);
        self
    }

    /// Says who will answer as soon as `ahead` knows, unless the turn has said it by then. Where the turn says
    /// otherwise later, its own word follows in the same place.
    #[must_use]
    pub fn foretelling(mut self, ahead: impl Future<Output = TurnEvent> + Send + 'static) -> Self {
        self.ahead = Some(ahead.boxed());
        self
    }

    /// The next event; `None` when none came until `deadline`. After an event that
    /// [ends](TurnEvent::ends) the stream there is nothing to wait for.
    pub async fn next(&mut self, deadline: Instant) -> Option<NumberedEvent> {
        tokio::time::timeout_at(deadline, self.advance()).await.ok()
    }

    /// The reply, skipping what comes before it; `None` at the deadline or when the turn failed.
    pub async fn reply(&mut self, deadline: Instant) -> Option<(Arc<Reply>, SessionId)> {
        loop {
            match self.next(deadline).await?.event {
                TurnEvent::Final { reply, session } => return Some((reply, session)),
                TurnEvent::Failed => return None,
                _ => {}
            }
        }
    }

    async fn advance(&mut self) -> NumberedEvent {
        loop {
            if let Some(event) = self.stored.as_mut().and_then(Iterator::next) {
                self.seen = Some(event.at);
                return event;
            }
            if self.log.is_none() {
                self.log = self.streams.running(self.turn);
            }
            let Some(log) = self.log.clone() else {
                Box::pin(self.look_in_store()).await;
                continue;
            };
            // A turn that stands still here may run elsewhere.
            let patience = if self.streams.store.shared() { LOOK_ELSEWHERE } else { Duration::MAX };
            let live = live(&log, self.seen, self.told.as_deref());
            let next = match &mut self.ahead {
                None => tokio::time::timeout(patience, live).await,
                Some(ahead) => tokio::select! {
                    biased;
                    next = live => Ok(next),
                    foretold = ahead => {
                        self.ahead = None;
                        log.foretell(foretold);
                        self.streams.foretold.insert(self.turn, log);
                        continue;
                    }
                },
            };
            match next {
                Ok(Next::Event(event)) => {
                    (self.seen, self.told, self.ahead) = (Some(event.at), None, None);
                    return NumberedEvent::clone(&event);
                }
                Ok(Next::Foretold(event)) => {
                    self.seen = Some(event.at);
                    let event = self.told.insert(event);
                    return NumberedEvent::clone(event);
                }
                Ok(Next::In(turn)) => (self.turn, self.seen, self.log) = (turn, None, None),
                Err(_) => Box::pin(self.find_in_store()).await,
            }
        }
    }

    /// The looks in the store are boxed: they are rare, and every open stream would keep room for what they find.
    async fn look_in_store(&mut self) {
        self.find_in_store().await;
        if self.stored.is_none() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn find_in_store(&mut self) {
        let found = self.streams.store.turn(self.turn).await;
        if let Ok(Some(turn)) = found {
            let (seen, told) = (self.seen, self.told.take());
            let fresh = move |e: &NumberedEvent| {
                seen.is_none_or(|seen| e.at > seen || e.at.attempt != seen.attempt)
                    || told.as_ref().is_some_and(|told| belies(told, e))
            };
            let events: Vec<_> = events_of(&turn).into_iter().filter(fresh).collect();
            self.stored = Some(events.into_iter());
            // Everything was seen already: nothing more will ever come.
            if self.stored.as_ref().is_some_and(|left| left.len() == 0) {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// What comes next in a log, as soon as it does.
async fn live(log: &TurnLog, seen: Option<Cursor>, told: Option<&NumberedEvent>) -> Next {
    loop {
        let grown = log.grown.notified();
        tokio::pin!(grown);
        // Registered before looking, so that an event in between wakes us.
        grown.as_mut().enable();
        if let Some(next) = log.after(seen, told) {
            return next;
        }
        grown.await;
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
