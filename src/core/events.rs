//! A turn as it happens: numbered events that a client can follow, lose, and take up again.
//!
//! While a turn runs its events stand in a [`TurnLog`]; once it is stored, the same events are derived
//! from the reply, so that a resumed stream repeats exactly what was sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ids::{AgentId, SessionId, TurnId};
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

/// The events of a running turn.
#[derive(Debug)]
pub struct TurnLog {
    turn: TurnId,
    state: Mutex<LogState>,
    grown: Notify,
}

#[derive(Debug, Default)]
struct LogState {
    attempt: u32,
    events: Vec<Arc<NumberedEvent>>,
}

impl TurnLog {
    fn new(turn: TurnId) -> Self {
        Self { turn, state: Mutex::default(), grown: Notify::new() }
    }

    /// Begins a try; what an earlier try said is forgotten.
    pub fn begin(&self, attempt: u32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = LogState { attempt, events: Vec::new() };
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

    /// The first event after `seen`.
    fn after(&self, seen: Option<Cursor>) -> Option<Arc<NumberedEvent>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = match seen {
            Some(seen) if seen.attempt == state.attempt.max(1) => seen.n as usize,
            _ => 0,
        };
        state.events.get(skip).cloned()
    }
}

/// The running turns of this process, and the way to the finished ones.
pub struct Streams {
    running: Mutex<HashMap<TurnId, Arc<TurnLog>>>,
    store: Arc<dyn Sessions>,
}

/// How often a turn that runs elsewhere is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

impl Streams {
    /// Streams over a store.
    pub fn new(store: Arc<dyn Sessions>) -> Self {
        Self { running: Mutex::default(), store }
    }

    /// The log of a turn, opened if need be.
    pub fn open(&self, turn: TurnId) -> Arc<TurnLog> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(running.entry(turn).or_insert_with(|| Arc::new(TurnLog::new(turn))))
    }

    /// The turn is over or was given up: followers keep what they hold, newcomers go to the store.
    pub fn close(&self, turn: TurnId) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&turn);
    }

    /// Follows a turn from after `seen`.
    pub fn follow(self: &Arc<Self>, turn: TurnId, seen: Option<Cursor>) -> Follower {
        Follower { streams: Arc::clone(self), turn, seen, log: None, stored: None }
    }

    fn running(&self, turn: TurnId) -> Option<Arc<TurnLog>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&turn).cloned()
    }
}

/// One reader of a turn's events.
pub struct Follower {
    streams: Arc<Streams>,
    turn: TurnId,
    seen: Option<Cursor>,
    log: Option<Arc<TurnLog>>,
    stored: Option<std::vec::IntoIter<NumberedEvent>>,
}

impl Follower {
    /// Follows this log even after it was closed.
    #[must_use]
    pub fn holding(mut self, log: Arc<TurnLog>) -> Self {
        self.log = Some(log);
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
            match self.log.clone() {
                Some(log) => {
                    let event = self.live(&log).await;
                    self.seen = Some(event.at);
                    return NumberedEvent::clone(&event);
                }
                None => self.look_in_store().await,
            }
        }
    }

    async fn live(&self, log: &TurnLog) -> Arc<NumberedEvent> {
        loop {
            let grown = log.grown.notified();
            tokio::pin!(grown);
            // Registered before looking, so that an event in between wakes us.
            grown.as_mut().enable();
            if let Some(event) = log.after(self.seen) {
                return event;
            }
            grown.await;
        }
    }

    async fn look_in_store(&mut self) {
        let found = self.streams.store.turn(self.turn).await;
        if let Ok(Some(turn)) = found {
            let seen = self.seen;
            let fresh = move |e: &NumberedEvent| seen.is_none_or(|seen| e.at > seen || e.at.attempt != seen.attempt);
            let events: Vec<_> = events_of(&turn).into_iter().filter(fresh).collect();
            self.stored = Some(events.into_iter());
            // Everything was seen already: nothing more will ever come.
            if self.stored.as_ref().is_some_and(|left| left.len() == 0) {
                std::future::pending::<()>().await;
            }
        } else {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
