//! A chat platform in memory: it brings what divers say until it is acknowledged, shows what it is sent,
//! edits included, and fails as it is told to.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::channel::{
    Capabilities, ChannelAdapter, ChannelError, Content, Delivery, DeliveryKey, Inbound, OutboundPart, Outlet, Receipt,
    Rendering, SendError, Sender, TextLimit, TextUnit,
};
use crate::ids::{BotId, ChannelId, ConversationKey, DiverKey, TurnId};
use crate::intake::{Intake, Refusal};
use crate::supervise::Progress;
use crate::testkit::channel_contract::{Fault, Platform};

/// The longest text of one message, in UTF-16 units.
const LONGEST: usize = 4096;

/// The name of the channel.
pub const CHANNEL: &str = "fake-chat";

/// The platform, and the adapter that talks to it.
#[derive(Default)]
pub struct FakeChat {
    /// How fast a message may be edited, if it may.
    edits: Option<Duration>,
    state: Mutex<State>,
    delivered: Notify,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    sent: Vec<(String, String)>,
    /// The buttons under the last part of each reply, by label.
    buttons: Vec<Vec<String>>,
    typed: usize,
    failures: VecDeque<SendError>,
    faults: VecDeque<Fault>,
    gone: HashSet<String>,
    hangs: bool,
    updates: Vec<Update>,
}

struct Update {
    chat: String,
    text: String,
    acknowledged: bool,
}

impl FakeChat {
    /// A platform whose messages can be edited.
    pub fn editing(pace: Duration) -> Self {
        Self { edits: Some(pace), ..Self::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next sends fail with these, one each.
    pub fn fail_next(&self, failures: impl IntoIterator<Item = SendError>) {
        self.state().failures.extend(failures);
    }

    /// From now on no send comes back.
    pub fn hang(&self) {
        self.state().hangs = true;
    }

    /// What stands there, as (conversation, text), in order.
    pub fn sent(&self) -> Vec<(String, String)> {
        self.state().sent.clone()
    }

    /// The labels of the buttons under each reply that was rendered.
    pub fn buttons(&self) -> Vec<Vec<String>> {
        self.state().buttons.clone()
    }

    /// How often "typing" was shown.
    pub fn typed(&self) -> usize {
        self.state().typed
    }

    /// Waits until so many parts arrived.
    pub async fn wait_for(&self, parts: usize) -> Vec<(String, String)> {
        loop {
            let delivered = self.delivered.notified();
            tokio::pin!(delivered);
            delivered.as_mut().enable();
            let sent = self.sent();
            if sent.len() >= parts {
                return sent;
            }
            delivered.await;
        }
    }

    /// Writes a message, or changes the one it replaces.
    fn write(&self, part: &OutboundPart) -> Receipt {
        let text = part.payload.as_str().unwrap_or_default().to_owned();
        let mut state = self.state();
        let replaced = part.replaces.as_ref().and_then(|receipt| receipt.0.as_ref()?.parse::<usize>().ok());
        let standing = replaced.and_then(|number| state.sent.get_mut(number.checked_sub(1)?).map(|m| (number, m)));
        let number = if let Some((number, message)) = standing {
            message.1 = text;
            number
        } else {
            state.sent.push((part.conversation.conversation.clone(), text));
            state.sent.len()
        };
        drop(state);
        self.delivered.notify_waiters();
        Receipt(Some(number.to_string()))
    }

    fn inbound(number: usize, update: &Update, clock: &dyn crate::Clock) -> Inbound {
        let now = clock.now();
        let (bot, channel) = (BotId::default(), ChannelId::new(CHANNEL));
        Inbound {
            turn: TurnId(clock.uuid()),
            conversation: ConversationKey {
                bot: bot.clone(),
                channel: channel.clone(),
                account: String::new(),
                conversation: update.chat.clone(),
            },
            sender: Sender {
                key: DiverKey { bot, channel, account: String::new(), user: update.chat.clone() },
                name: None,
                locale: None,
                contact: None,
            },
            event_id: number.to_string(),
            fingerprint: None,
            content: Content::Text(update.text.clone()),
            opens_conversation: false,
            received_at: now,
            ready_at: now,
            profile: None,
            state: None,
            context: serde_json::Value::Null,
        }
    }

    fn next_update(&self, clock: &dyn crate::Clock) -> Option<(usize, Inbound)> {
        let state = self.state();
        let (number, update) = state.updates.iter().enumerate().find(|(_, update)| !update.acknowledged)?;
        Some((number, Self::inbound(number, update, clock)))
    }
}

/// Pieces of at most [`LONGEST`] units, cut between words where there are any.
fn cut(paragraph: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in paragraph.split_inclusive(' ') {
        let characters: Vec<char> = word.chars().collect();
        // A character is at most two UTF-16 units.
        for part in characters.chunks(LONGEST / 2) {
            let part: String = part.iter().collect();
            let unit = TextUnit::Utf16;
            match pieces.last_mut() {
                Some(last) if unit.measure(last) + unit.measure(&part) <= LONGEST => last.push_str(&part),
                _ => pieces.push(part),
            }
        }
    }
    pieces
}

#[async_trait]
impl Outlet for FakeChat {
    fn id(&self) -> ChannelId {
        ChannelId::new(CHANNEL)
    }

    async fn send(&self, part: &OutboundPart, _key: &DeliveryKey) -> Result<Receipt, SendError> {
        let hangs = self.state().hangs;
        if hangs {
            std::future::pending::<()>().await;
        }
        let (failure, gone) = {
            let mut state = self.state();
            (state.failures.pop_front(), state.gone.contains(&part.conversation.conversation))
        };
        if let Some(failure) = failure {
            return Err(failure);
        }
        if gone {
            return Err(SendError::Gone);
        }
        let fault = self.state().faults.pop_front();
        match fault {
            None => Ok(self.write(part)),
            Some(Fault::Throttled(pause)) => Err(SendError::RetryAfter(pause)),
            Some(Fault::Unavailable) => Err(SendError::Transport("down".into())),
            Some(Fault::Refused) => Err(SendError::Rejected("no".into())),
            Some(Fault::AnswerLost) => {
                self.write(part);
                Err(SendError::Uncertain("lost".into()))
            }
            Some(Fault::Slow(pause)) => {
                tokio::time::sleep(pause).await;
                Ok(self.write(part))
            }
        }
    }
}

#[async_trait]
impl ChannelAdapter for FakeChat {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            delivery: Delivery::Sent,
            longest_text: TextLimit { most: LONGEST, unit: TextUnit::Utf16 },
            edits: self.edits,
            typing: Some(Duration::from_secs(5)),
            idempotent_sends: false,
            bursts: true,
        }
    }

    /// One part for each paragraph, cut where it is too long.
    fn render(&self, rendering: &Rendering<'_>) -> Vec<serde_json::Value> {
        self.state().buttons.push(rendering.actions.iter().map(|action| action.label.clone()).collect());
        let paragraphs = rendering.reply.text.split("\n\n").filter(|paragraph| !paragraph.is_empty());
        paragraphs.flat_map(cut).map(Into::into).collect()
    }

    fn render_progress(&self, text: &str) -> Option<serde_json::Value> {
        Some(text.chars().take(LONGEST / 2).collect::<String>().into())
    }

    async fn run(&self, intake: Intake, progress: Arc<Progress>, stop: CancellationToken) -> Result<(), ChannelError> {
        while !stop.is_cancelled() {
            progress.tick(intake.clock().now());
            let Some((number, event)) = self.next_update(&**intake.clock()) else {
                tokio::select! {
                    () = self.arrived.notified() => {}
                    () = tokio::time::sleep(Duration::from_secs(5)) => {}
                    () = stop.cancelled() => {}
                }
                continue;
            };
            match intake.accept(event).await {
                Ok(_) | Err(Refusal::Limited { .. } | Refusal::Conflict) => {
                    if let Some(update) = self.state().updates.get_mut(number) {
                        update.acknowledged = true;
                    }
                }
                Err(Refusal::Overloaded | Refusal::Unavailable(_)) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        Ok(())
    }

    async fn working(&self, _conversation: &ConversationKey, _context: &serde_json::Value) {
        self.state().typed += 1;
    }
}

/// The platform as the contract suite drives it.
pub struct FakePlatform(pub Arc<FakeChat>);

#[async_trait]
impl Platform for FakePlatform {
    fn adapter(&self) -> Arc<dyn ChannelAdapter> {
        self.0.clone()
    }

    async fn say(&self, chat: &str, text: &str) -> String {
        let mut state = self.0.state();
        state.updates.push(Update { chat: chat.to_owned(), text: text.to_owned(), acknowledged: false });
        let number = state.updates.len() - 1;
        drop(state);
        self.0.arrived.notify_one();
        number.to_string()
    }

    async fn bring_again(&self, event: &str) {
        self.0.state().updates[event.parse::<usize>().expect("an event")].acknowledged = false;
        self.0.arrived.notify_one();
    }

    async fn acknowledged(&self, event: &str) -> bool {
        self.0.state().updates[event.parse::<usize>().expect("an event")].acknowledged
    }

    async fn shown(&self, chat: &str) -> Vec<String> {
        self.0.sent().into_iter().filter(|(at, _)| at == chat).map(|(_, text)| text).collect()
    }

    async fn fail_next(&self, faults: &[Fault]) {
        self.0.state().faults.extend(faults);
    }

    async fn lose(&self, chat: &str) {
        self.0.state().gone.insert(chat.to_owned());
    }
}
