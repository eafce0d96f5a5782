//! What a diver sees while a turn runs on a channel whose replies are sent: typing, and where messages
//! can be edited, a placeholder that grows with the text and becomes the reply.
//!
//! All of it is best effort and belongs to the turn's own task. The work never waits for it; once the work
//! is done nothing more is begun, and a call that is under way gets `LAST_CALL`, so that an edit of an
//! unfinished text can't arrive after the reply.
//!
//! The placeholder's receipt is durable. The outbox hands it out with the first part of the reply
//! ([`crate::store::DuePart::replaces`]), so that everything after the placeholder can be repeated: a crash
//! between any two steps leaves at most a second placeholder.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::agent::Phrase;
use crate::channel::{ChannelAdapter, Content, Delivery, DeliveryKey, Origin, OutboundPart, Receipt, SendError};
use crate::clock::Timestamp;
use crate::events::{Follower, TurnEvent, TurnLog};
use crate::ids::{ConversationKey, DiverKey, TurnId};
use crate::lanes::Hold;
use crate::opening::language;
use crate::session::Session;
use crate::store::{Claim, Store, StoreError};
use crate::turn::Turns;

/// A turn that is over sooner needs no placeholder.
const PLACEHOLDER_AFTER: Duration = Duration::from_millis(700);
/// How long a call that is under way may take to end once the turn is over.
const LAST_CALL: Duration = Duration::from_secs(2);
/// The longest a call for typing may take.
const TYPING_CALL: Duration = Duration::from_secs(3);

/// Messages that stand for a reply to come.
#[async_trait]
pub trait Placeholders: Send + Sync + 'static {
    /// Keeps the receipt of a turn's placeholder. The outbox hands it out with the first part that the turn
    /// sends to this conversation, until that part is sent.
    async fn place(
        &self,
        turn: TurnId,
        conversation: &ConversationKey,
        diver: &DiverKey,
        receipt: &Receipt,
    ) -> Result<(), StoreError>;

    /// The turn's placeholder, if one stands.
    async fn placeholder(&self, turn: TurnId) -> Result<Option<Receipt>, StoreError>;

    /// The placeholder stands for nothing any more: the reply is to be a message of its own.
    async fn forget_placeholder(&self, turn: TurnId) -> Result<(), StoreError>;
}

/// One turn's company.
pub(crate) struct Company {
    channel: Arc<dyn ChannelAdapter>,
    store: Arc<dyn Store>,
    turn: TurnId,
    conversation: ConversationKey,
    diver: DiverKey,
    context: serde_json::Value,
    /// The words of the placeholder.
    waiting: String,
    written_at: Timestamp,
    /// What is shown belongs to whoever holds the lane.
    hold: Arc<Hold>,
    /// A message is being sent or edited right now.
    busy: AtomicBool,
}

impl Turns {
    /// The company of a claim whose channel sends its replies; commands are done before anyone wonders.
    pub(crate) fn company(&self, claim: &Claim, session: &Session, hold: &Arc<Hold>) -> Option<Company> {
        let event = claim.events.last()?;
        let lang = language(event.sender.locale.as_deref(), session);
        let channel = self.ports.channels.get(&claim.conversation.channel)?;
        if channel.capabilities().delivery == Delivery::Fetched || matches!(event.content, Content::Command(_)) {
            return None;
        }
        Some(Company {
            channel: Arc::clone(channel),
            store: Arc::clone(&self.ports.store),
            turn: claim.turn()?,
            conversation: claim.conversation.clone(),
            diver: event.sender.key.clone(),
            context: event.context.clone(),
            waiting: self.ports.voice.say(Phrase::Working, lang),
            written_at: self.ports.clock.now(),
            hold: Arc::clone(hold),
            busy: AtomicBool::new(false),
        })
    }

    /// Whether a placeholder of this turn stands in its conversation.
    pub(crate) async fn left_placeholder(&self, turn: TurnId) -> bool {
        matches!(self.ports.store.placeholder(turn).await, Ok(Some(_)))
    }
}

/// Does the work with its company beside it.
pub(crate) async fn beside<T>(
    work: impl Future<Output = T>,
    company: Option<&Company>,
    follower: impl FnOnce() -> Follower,
) -> T {
    let Some(company) = company else { return work.await };
    let over = CancellationToken::new();
    let mut follower = follower();
    // A fault of the adapter must not become one of the turn.
    let mut beside = std::pin::pin!(std::panic::AssertUnwindSafe(company.keep(&over, &mut follower)).catch_unwind());
    let mut work = std::pin::pin!(work);
    let done = tokio::select! {
        biased;
        done = &mut work => done,
        ended = &mut beside => {
            if ended.is_err() {
                tracing::error!(turn = %company.turn, "showing progress panicked");
            }
            return work.await;
        }
    };
    over.cancel();
    if tokio::time::timeout(LAST_CALL, beside).await.is_err() && company.busy.load(Ordering::SeqCst) {
        company.give_up().await;
    }
    done
}

impl Company {
    async fn keep(&self, over: &CancellationToken, follower: &mut Follower) {
        tokio::join!(self.type_on(over), self.show(over, follower));
    }

    /// Typing, as often as it lapses.
    async fn type_on(&self, over: &CancellationToken) {
        let Some(visible) = self.channel.capabilities().typing else { return };
        loop {
            let call = tokio::time::timeout(TYPING_CALL, self.channel.working(&self.conversation, &self.context));
            tokio::select! {
                _ = call => {}
                // Nothing comes of it that could be lost.
                () = over.cancelled() => return,
            }
            if rest(visible * 4 / 5, over).await {
                return;
            }
        }
    }

    /// The placeholder and its edits.
    async fn show(&self, over: &CancellationToken, follower: &mut Follower) {
        let Some(pace) = self.channel.capabilities().edits else { return };
        if self.channel.render_progress(&self.waiting).is_none() || rest(PLACEHOLDER_AFTER, over).await {
            return;
        }
        let Some(receipt) = self.placeholder(pace, over).await else { return };
        let (mut said, mut shown) = (String::new(), 0);
        let mut next = Instant::now() + pace;
        loop {
            if listen(follower, &mut said, next, over).await {
                return;
            }
            next = Instant::now() + pace;
            if said.len() == shown || said.trim().is_empty() {
                continue;
            }
            match self.send(&said, Some(receipt.clone())).await {
                Ok(_) => shown = said.len(),
                Err(SendError::RetryAfter(pause)) => next = Instant::now() + pause.max(pace),
                Err(SendError::Transport(_) | SendError::Uncertain(_)) => {}
                Err(SendError::Gone | SendError::Rejected(_) | SendError::Unauthorized) => return,
            }
        }
    }

    /// The placeholder of this turn: that of an earlier try, or a new one.
    async fn placeholder(&self, pace: Duration, over: &CancellationToken) -> Option<Receipt> {
        match self.store.placeholder(self.turn).await {
            Ok(None) => {}
            Ok(standing) => return standing,
            Err(error) => {
                tracing::warn!(error = %error, turn = %self.turn, "a placeholder can't be looked for");
                return None;
            }
        }
        loop {
            let pause = match self.send(&self.waiting, None).await {
                Ok(receipt) => return self.keep_receipt(receipt).await,
                Err(SendError::RetryAfter(pause)) => pause.max(pace),
                Err(SendError::Transport(_)) => pace,
                // If it did arrive, nobody knows its name; the reply will be a message of its own.
                Err(_) => return None,
            };
            if rest(pause, over).await {
                return None;
            }
        }
    }

    async fn keep_receipt(&self, receipt: Receipt) -> Option<Receipt> {
        receipt.0.as_ref()?;
        match self.store.place(self.turn, &self.conversation, &self.diver, &receipt).await {
            Ok(()) => Some(receipt),
            Err(error) => {
                tracing::warn!(error = %error, turn = %self.turn, "a placeholder's receipt can't be stored");
                None
            }
        }
    }

    async fn send(&self, text: &str, replaces: Option<Receipt>) -> Result<Receipt, SendError> {
        let unshown = || SendError::Rejected("the channel shows no progress".to_owned());
        let part = OutboundPart {
            conversation: self.conversation.clone(),
            payload: self.channel.render_progress(text).ok_or_else(unshown)?,
            context: self.context.clone(),
            written_at: self.written_at,
            replaces,
            progress: true,
        };
        let key = DeliveryKey { origin: Origin::Progress(self.turn), part: 0 };
        if !self.hold.is_sure() {
            return Err(SendError::Rejected("the lane may be another replica's by now".to_owned()));
        }
        self.busy.store(true, Ordering::SeqCst);
        let sent = self.channel.send(&part, &key).await;
        if let Err(error) = &sent {
            tracing::debug!(error = %error, turn = %self.turn, "progress could not be shown");
        }
        // Only the receipt's way into the store is still owed.
        self.busy.store(false, Ordering::SeqCst);
        sent
    }

    /// A call hangs and may yet arrive: the reply must not be what it overwrites.
    async fn give_up(&self) {
        tracing::warn!(turn = %self.turn, "a platform's call hangs; the reply is sent as a message of its own");
        let forget = self.store.forget_placeholder(self.turn);
        if !matches!(tokio::time::timeout(LAST_CALL, forget).await, Ok(Ok(()))) {
            tracing::error!(turn = %self.turn, "a placeholder could not be forgotten");
        }
    }
}

/// Collects what is said until `until`; `true` when the turn is over.
async fn listen(follower: &mut Follower, said: &mut String, until: Instant, over: &CancellationToken) -> bool {
    loop {
        let event = tokio::select! {
            biased;
            () = over.cancelled() => return true,
            event = follower.next(until) => event,
        };
        match event.map(|event| event.event) {
            None => return false,
            Some(TurnEvent::Token(text)) => said.push_str(&text),
            Some(event) if event.ends() => return true,
            Some(_) => {}
        }
    }
}

/// Waits; `true` when the turn is over.
async fn rest(pause: Duration, over: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(pause) => false,
        () = over.cancelled() => true,
    }
}

/// A log's follower, from its first event.
pub(crate) fn following(turns: &Turns, turn: TurnId, log: &Arc<TurnLog>) -> Follower {
    turns.streams.follow(turn, None).holding(Arc::clone(log))
}
