//! Where events come in: guard, limit, one durable write, acknowledgement.
//!
//! This is the first half of the turn (SPEC section 5); [`crate::turn`] is the second.

mod alarm;
mod foresee;
mod memory;
mod past_outbox;
mod seat;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::memory::{Arrivals, SlowDownNotices};
pub use self::seat::{Seat, Seated};
use crate::action::MENU;
use crate::agent::{Agents, Phrase, Router, Voice};
use crate::alert::OperatorChat;
use crate::channel::{Action, ChannelAdapter, Delivery, Inbound, MessageStatus, Rendering};
use crate::clock::{Clock, Timestamp};
use crate::events::{Follower, Streams};
use crate::failpoint;
use crate::guard::{Assessment, EmergencyGuard, Heard};
use crate::handover::Handover;
use crate::hearing::{Hearing, WINDOW};
use crate::ids::{BotId, ChannelId, ConversationKey, SessionId, TurnId};
use crate::lanes::Running;
use crate::lang::Lang;
use crate::limit::{Allowance, Charge, Dial};
use crate::pressed::Pressed;
use crate::reply::Reply;
use crate::session::Session;
use crate::store::{Accepted, Store, StoreError};

/// How long the guard waits for what was said before.
const HEARING_BUDGET: Duration = Duration::from_millis(100);

/// The entrance. Cheap to clone; every adapter holds one.
#[derive(Clone)]
pub struct Intake(Arc<Inner>);

struct Inner {
    parts: Parts,
    /// Where divers were asked to slow down lately.
    notices: SlowDownNotices,
    /// When each channel last brought something.
    arrivals: Arrivals,
}

impl std::ops::Deref for Inner {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// What the entrance is made of.
pub struct Parts {
    /// The first look at every message.
    pub guard: Arc<dyn EmergencyGuard>,
    /// Where messages become durable.
    pub store: Arc<dyn Store>,
    /// Foresees who will answer.
    pub router: Arc<dyn Router>,
    /// The agents.
    pub agents: Arc<dyn Agents>,
    /// How many messages of a conversation the router sees.
    pub history: usize,
    /// The fixed sentences.
    pub voice: Arc<dyn Voice>,
    /// Time and ids.
    pub clock: Arc<dyn Clock>,
    /// The limit of one diver across all channels.
    pub diver_quota: Arc<Dial>,
    /// The running turns' events.
    pub streams: Arc<Streams>,
    /// What was said lately.
    pub hearing: Arc<Hearing>,
    /// The turns that run now, to be cut short by an emergency.
    pub running: Arc<Running>,
    /// The channels by id, for replies that can't wait.
    pub channels: HashMap<ChannelId, Arc<dyn ChannelAdapter>>,
    /// Where the operator is told of leads and emergencies, and acknowledges them.
    pub operator: Option<OperatorChat>,
    /// Gives conversations to people.
    pub handover: Arc<Handover>,
    /// Fired when the daemon stops taking in.
    pub closing: CancellationToken,
}

/// A conversation as far as it is known before an event is stored.
struct Known {
    heard: Heard,
    /// Whether its session expired; `None`: nobody looked.
    expired: Option<bool>,
}

/// What became of an event that was taken in.
pub enum Admitted {
    /// Stored; the turn will come. Events can be followed.
    Queued {
        /// The turn.
        turn: TurnId,
        /// Its session.
        session: SessionId,
        /// What is left of the diver's limit.
        allowance: Option<Allowance>,
        /// Its events.
        events: Follower,
    },
    /// It was taken in before; the turn of then is meant.
    Repeat {
        /// The turn.
        turn: TurnId,
        /// Its session.
        session: SessionId,
        /// Its events.
        events: Follower,
    },
    /// An emergency, answered already.
    Answered {
        /// The turn.
        turn: TurnId,
        /// Its session.
        session: SessionId,
        /// The reply; `degraded` tells if it could not be stored.
        reply: Arc<Reply>,
    },
    /// Done and stored, without a turn: a rating, an acknowledgement.
    Noted {
        /// A short sentence in the sender's language, for a platform that has a place for one beside the
        /// conversation; no message is sent.
        say: String,
        /// What stands under the message from now on, in the place of the button: others see who took it.
        note: Option<String>,
    },
}

/// Why an event was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The diver's limit; nothing was stored.
    #[error("the diver's limit is reached")]
    Limited {
        /// When to come back.
        retry_after: Duration,
    },
    /// The idempotency key was used for another request.
    #[error("the event id was used for another message")]
    Conflict,
    /// Too much is waiting, or the daemon is stopping.
    #[error("too much is waiting")]
    Overloaded,
    /// The store can't take it: the platform must come back.
    #[error(transparent)]
    Unavailable(StoreError),
}

/// An entrance that keeps nothing alive: for an adapter, which the entrance itself holds.
#[derive(Clone)]
pub struct WeakIntake(Weak<Inner>);

impl WeakIntake {
    /// The entrance, unless the daemon that made it is gone.
    pub fn upgrade(&self) -> Option<Intake> {
        self.0.upgrade().map(Intake)
    }
}

impl Intake {
    /// The same entrance without keeping it alive.
    pub fn downgrade(&self) -> WeakIntake {
        WeakIntake(Arc::downgrade(&self.0))
    }

    /// An entrance made of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner { parts, notices: SlowDownNotices::default(), arrivals: Arrivals::default() }))
    }

    /// Takes an event in. When this returns `Ok` the event is durable (or, for an emergency on a
    /// channel that waits for its reply, answered), and the platform may be told so.
    pub async fn accept(&self, event: Inbound) -> Result<Admitted, Refusal> {
        let parts = &*self.0;
        parts.arrivals.note(&event.conversation.channel, event.received_at);
        if !event.content.text().is_empty() {
            let known = parts.heard(&event).await;
            if let Assessment::Emergency(alarm) = parts.guard.assess(event.content.text(), &known.heard) {
                let restarts = match known.expired {
                    Some(expired) => expired,
                    None => parts.expired(&event).await,
                };
                return parts.raise_alarm(event, alarm, restarts).await;
            }
        }
        if parts.closing.is_cancelled() {
            return Err(Refusal::Overloaded);
        }
        match self.press(event).await? {
            Pressed::Done(noted) => Ok(noted),
            Pressed::Event(event) => parts.enqueue(*event).await,
        }
    }

    /// The channels, and when each last brought something.
    pub fn channels(&self) -> Vec<(ChannelId, Option<Timestamp>)> {
        self.0.channels.keys().map(|id| (id.clone(), self.0.arrivals.last(id))).collect()
    }

    /// Whether this process has heard this conversation before; saves asking the store.
    pub fn knows(&self, conversation: &ConversationKey) -> bool {
        self.0.hearing.recall(conversation).is_some()
    }

    /// Forgets what was heard in a conversation that was erased, and lets go of whoever follows a
    /// message that waited in it.
    pub fn forget(&self, conversation: &ConversationKey) {
        self.0.streams.forget(conversation);
        self.0.hearing.forget(conversation);
    }

    /// The platform gave a conversation another name: it goes on under that. `false`: something in it is
    /// still to be answered, so the news must come again.
    pub async fn moved(&self, from: &ConversationKey, to: &ConversationKey) -> Result<bool, Refusal> {
        let moved = self.0.store.move_session(from, to).await.map_err(Refusal::Unavailable)?;
        if moved {
            self.0.hearing.forget(from);
            self.0.hearing.forget(to);
        }
        Ok(moved)
    }

    /// Whether words would raise an alarm, whatever was said before. For an adapter that has to tell the
    /// diver's own words from those they point at.
    pub fn alarming_by_itself(&self, text: &str) -> bool {
        matches!(self.0.guard.assess(text, &Heard::default()), Assessment::Emergency(_))
    }

    /// Follows a turn from after `seen`.
    pub fn follow(&self, turn: TurnId, seen: Option<crate::events::Cursor>) -> Follower {
        self.0.streams.follow(turn, seen)
    }

    /// A person wrote to the diver by the platform's own means, such as the operator's telephone: the words are
    /// kept, and the bot falls silent there for a while. See [`Handover::overheard`].
    pub async fn overheard(&self, conversation: &ConversationKey, text: &str, by: &str) -> Result<(), StoreError> {
        self.0.handover.overheard(conversation, text, by).await
    }

    /// Whether words that a platform brings back were said by us. See [`Handover::is_ours`].
    pub async fn is_ours(&self, conversation: &ConversationKey, text: &str) -> Result<bool, StoreError> {
        self.0.handover.is_ours(conversation, text).await
    }

    /// A fixed sentence in the language of a platform's `locale`, for what an adapter says by itself.
    pub fn say(&self, phrase: Phrase, locale: Option<&str>) -> String {
        self.0.voice.say(phrase, locale.and_then(Lang::from_locale).unwrap_or_default())
    }

    /// The commands by name, with descriptions, for a platform that lists them.
    pub fn menu(&self, lang: Lang) -> Vec<(&'static str, String)> {
        MENU.into_iter().map(|(name, phrase)| (name, self.0.voice.say(phrase, lang))).collect()
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }

    /// See [`crate::store::Inbox::newest_events`].
    pub async fn newest_events(
        &self,
        bot: &BotId,
        channel: &ChannelId,
    ) -> Result<Vec<(ConversationKey, String)>, StoreError> {
        self.0.store.newest_events(bot, channel).await
    }

    /// See [`crate::store::Leases::word`].
    pub async fn word(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.0.store.word(name).await
    }

    /// See [`crate::store::Leases::leave_word`].
    pub async fn leave_word(&self, name: &str, word: &str) -> Result<(), StoreError> {
        self.0.store.leave_word(name, word).await
    }

    /// Whether the guard hears an emergency in an event: an adapter with a limit of its own lets that pass.
    pub async fn alarming(&self, event: &Inbound) -> bool {
        let text = event.content.text();
        if text.is_empty() {
            return false;
        }
        let known = self.0.heard(event).await;
        matches!(self.0.guard.assess(text, &known.heard), Assessment::Emergency(_))
    }

    /// Keeps how far a message got, as its platform tells; `false` if more was known of it already.
    pub async fn note_status(
        &self,
        conversation: &ConversationKey,
        receipt: &str,
        status: MessageStatus,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let moved = self.0.store.note_status(conversation, receipt, status, at).await?;
        if moved {
            let channel = conversation.channel.to_string();
            metrics::counter!("dovvybuddy_message_statuses_total", "channel" => channel, "status" => status.as_str())
                .increment(1);
        }
        Ok(moved)
    }

    /// Time and ids, for adapters.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }
}

/// A turn's log that was opened before its event was stored: closed again unless the event was taken in,
/// also when the adapter stops waiting for the store.
struct Opened<'a> {
    streams: &'a Streams,
    turn: TurnId,
    kept: bool,
}

impl Opened<'_> {
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.streams.close(self.turn);
        }
    }
}

impl Inner {
    /// The conversation as the guard may know it, in bounded time.
    async fn heard(&self, event: &Inbound) -> Known {
        let (heard, expired) = match self.hearing.recall(&event.conversation) {
            Some(heard) => (Some(heard), None),
            None if event.opens_conversation => (None, Some(false)),
            None => match self.stored(event, WINDOW).await {
                Some(session) if session.expired(event.received_at) => (None, Some(true)),
                Some(session) => (Some(self.hearing.learn(&session)), Some(false)),
                None => (None, Some(false)),
            },
        };
        let mut heard = heard.map(|heard| Heard::clone(&heard)).unwrap_or_default();
        heard.locale.clone_from(&event.sender.locale);
        Known { heard, expired }
    }

    /// Whether the event's session expired. A store that can't tell in a moment holds up no emergency.
    async fn expired(&self, event: &Inbound) -> bool {
        self.stored(event, 0).await.is_some_and(|session| session.expired(event.received_at))
    }

    async fn stored(&self, event: &Inbound, window: usize) -> Option<Session> {
        let look = self.store.session(&event.conversation, &event.sender.key, window);
        tokio::time::timeout(HEARING_BUDGET, look).await.ok()?.ok()?
    }

    async fn enqueue(&self, event: Inbound) -> Result<Admitted, Refusal> {
        let charge = Charge { key: event.sender.key.encode(), quota: self.diver_quota.get() };
        let log = self.streams.open(event.turn, &event.conversation);
        let opened = Opened { streams: &self.streams, turn: event.turn, kept: false };
        let accepted = self.store.accept(&event, self.session_for(&event), Some(&charge)).await;
        failpoint::reached("accepted");
        match accepted {
            Ok(Accepted::New { session, allowance }) => {
                self.hearing.add(&event.conversation, event.content.text());
                opened.keep();
                if event.opens_conversation {
                    self.hearing.open(&event.conversation);
                }
                let events = self.streams.follow(event.turn, None).holding(log);
                Ok(Admitted::Queued { turn: event.turn, session, allowance, events })
            }
            Ok(Accepted::Duplicate { fingerprint, .. }) if fingerprint != event.fingerprint => Err(Refusal::Conflict),
            Ok(Accepted::Duplicate { turn, session, .. }) => {
                Ok(Admitted::Repeat { turn, session, events: self.streams.follow(turn, None) })
            }
            Ok(Accepted::Limited { retry_after }) => {
                self.ask_to_slow_down(&event).await;
                Err(Refusal::Limited { retry_after })
            }
            Err(StoreError::Full) => Err(Refusal::Overloaded),
            Err(error) => Err(Refusal::Unavailable(error)),
        }
    }

    fn render(&self, event: &Inbound, reply: &Reply, actions: &[Action]) -> Vec<serde_json::Value> {
        let rendering = Rendering { turn: event.turn, reply, actions };
        self.channels.get(&event.conversation.channel).map(|c| c.render(&rendering)).unwrap_or_default()
    }

    fn delivery(&self, channel: &ChannelId) -> Delivery {
        self.channels.get(channel).map_or(Delivery::Fetched, |c| c.capabilities().delivery)
    }

    /// The id a conversation's session gets if it has none: on the web the conversation is the session.
    fn session_for(&self, event: &Inbound) -> SessionId {
        SessionId::parse(&event.conversation.conversation).unwrap_or_else(|| SessionId(self.clock.uuid()))
    }
}
