//! Telegram as a channel.
//!
//! Updates come by long polls of our own or by webhook, through the same door; an update
//! is confirmed to the platform only when the intake has stored it. Replies go out from the outbox in
//! Telegram's HTML. Types and requests are teloxide's; its listeners, which confirm before anything is
//! stored, are not used.

#![allow(clippy::similar_names, reason = "short names of what they hold look alike")]
#![allow(clippy::indexing_slicing, reason = "only JSON values are indexed, which gives null where nothing is")]

mod api;
mod commands;
mod html;
mod inbound;
mod lenient;
mod outbound;
mod pace;
mod place;
mod poll;
mod take;
mod webhook;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::{
    BoxError, CHAT_PAUSE, Capabilities, ChannelAdapter, ChannelError, Delivery, DeliveryKey, OutboundPart, Outlet,
    Receipt, Rendering, SendError,
};
use dovvybuddy_core::intake::Intake;
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::{BotId, ChannelId, ConversationKey, TurnId};
use moka::sync::Cache;
use secrecy::SecretString;
use serde_json::Value;
use teloxide::payloads::{GetChat, GetMe, GetWebhookInfo, SendChatAction, SendChatActionSetters as _};
use teloxide::types::{ChatAction, ChatId, MessageId, ThreadId};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use outbound::{Payload, visible_text};
pub use webhook::{PATH, router};

use api::{Api, CallError};
use inbound::Identity;
use pace::Pace;
use place::{Chats, Place};

/// The channel's id.
pub const CHANNEL: &str = "telegram";
/// Where the Bot API is unless a server of one's own is used.
pub const API_URL: &str = "https://api.telegram.org";

/// The shortest time between two changes of a message.
const EDIT_SPACING: Duration = Duration::from_millis(1500);
/// How long "typing" stays visible.
const TYPING: Duration = Duration::from_secs(5);
/// Small calls beside the conversation: as many at once, and as long.
const MOST_BESIDE: usize = 64;
const BESIDE: Duration = Duration::from_secs(5);
/// How many recent things are remembered, and how long.
const REMEMBERED: u64 = 10_000;
const MEMORY: Duration = Duration::from_hours(1);
/// How often commands that could not be registered are tried again.
const REGISTER_AGAIN: Duration = Duration::from_mins(1);

/// How updates come.
#[derive(Debug, Clone)]
pub enum Mode {
    /// We ask for them.
    Polling,
    /// The platform brings them.
    Webhook {
        /// Proves that it is the platform: 1 to 256 of `A-Z a-z 0-9 _ -`.
        secret: SecretString,
        /// Where it brings them; `None` leaves what is registered as it is.
        url: Option<url::Url>,
    },
}

/// What a bot on Telegram needs.
#[derive(Debug, Clone)]
pub struct TelegramConfig {
    /// The bot as the core knows it.
    pub bot: BotId,
    /// The token from `BotFather`.
    pub token: SecretString,
    /// Where the Bot API is.
    pub api_url: String,
    /// How updates come.
    pub mode: Mode,
    /// How long a burst of messages may settle.
    pub settle: Duration,
}

/// One bot on Telegram.
pub struct Telegram {
    config: TelegramConfig,
    api: Arc<Api>,
    pace: Arc<Pace>,
    chats: Chats,
    /// Where updates go while the channel runs.
    seat: Mutex<Option<Arc<Seat>>>,
    /// What went out past the outbox, so that an event that comes again does not repeat it.
    urgent: Cache<DeliveryKey, Receipt>,
    /// The turns of updates that could not be stored and will come again.
    again: Cache<i64, TurnId>,
    /// The words of recent messages, as digests: an edit that changes none is no event.
    words: Cache<(i64, i32), u64>,
    /// Albums of which a piece was taken in.
    albums: Cache<(i64, String), ()>,
    /// Small calls beside the conversation.
    beside: TaskTracker,
    hands: Arc<Semaphore>,
}

/// Where updates go: the intake, and who we are.
pub(crate) struct Seat {
    intake: Intake,
    me: Identity,
}

/// What the platform says of the bot, for `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The bot's name.
    pub username: String,
    /// Where updates are brought, if a webhook is registered.
    pub webhook: Option<String>,
    /// Updates that wait.
    pub pending: u64,
    /// What went wrong last when a webhook was called.
    pub last_error: Option<String>,
}

impl Telegram {
    /// A bot; nothing is asked of the platform yet.
    pub fn new(config: TelegramConfig) -> Result<Self, BoxError> {
        fn recent<K: std::hash::Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>() -> Cache<K, V> {
            Cache::builder().max_capacity(REMEMBERED).time_to_live(MEMORY).build()
        }
        let api = Arc::new(Api::new(&config.api_url, config.token.clone())?);
        Ok(Self {
            config,
            api,
            pace: Arc::default(),
            chats: Chats::default(),
            seat: Mutex::default(),
            urgent: recent(),
            again: recent(),
            words: recent(),
            albums: recent(),
            beside: TaskTracker::new(),
            hands: Arc::new(Semaphore::new(MOST_BESIDE)),
        })
    }

    /// Whether updates come by webhook, so that [`router`] must be served.
    pub fn by_webhook(&self) -> bool {
        matches!(self.config.mode, Mode::Webhook { .. })
    }

    /// Asks the platform how the bot stands. The error is a sentence for the operator.
    pub async fn standing(&self) -> Result<Standing, String> {
        let me = self.identify().await.map_err(|error| error.to_string())?;
        let info = self.api.call(&GetWebhookInfo::new()).await.map_err(|error| error.to_string())?;
        let text = |name: &str| info[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Standing {
            username: me.username,
            webhook: text("url"),
            pending: info["pending_update_count"].as_u64().unwrap_or(0),
            last_error: text("last_error_message"),
        })
    }

    /// The name of a conversation that the bot can see. The error is a sentence for the operator.
    pub async fn sees(&self, conversation: &str) -> Result<String, String> {
        let place = Place::read(conversation).ok_or("expected a chat's id, such as -1001234567890")?;
        let chat = self.api.call(&GetChat::new(ChatId(place.chat))).await.map_err(|error| error.to_string())?;
        let name = chat["title"].as_str().or_else(|| chat["first_name"].as_str());
        Ok(name.unwrap_or("a chat").to_owned())
    }

    /// Read leniently: a field that is missing from some Bot API server must not stop the channel.
    async fn identify(&self) -> Result<Identity, CallError> {
        let me = self.api.call(&GetMe::new()).await?;
        let id = me["id"].as_u64().ok_or_else(|| CallError::Refused("getMe gave no id".to_owned()))?;
        Ok(Identity { id, username: me["username"].as_str().unwrap_or_default().to_owned() })
    }

    fn seat(&self) -> Option<Arc<Seat>> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn sit(&self, seat: Option<Arc<Seat>>) {
        *self.seat.lock().unwrap_or_else(PoisonError::into_inner) = seat;
    }

    /// Shows typing without waiting for it; left out when too much of that is under way.
    fn show_typing(&self, place: Place) {
        let Ok(hand) = Arc::clone(&self.hands).try_acquire_owned() else { return };
        let (api, pace) = (Arc::clone(&self.api), Arc::clone(&self.pace));
        self.beside.spawn(async move {
            type_in(&api, &pace, place).await;
            drop(hand);
        });
    }

    /// Commands are registered beside everything else, until it worked.
    async fn keep_registering(&self, intake: &Intake) {
        while let Err(error) = self.register_commands(intake).await {
            tracing::warn!(error = %error, "the commands could not be registered with Telegram yet");
            tokio::time::sleep(REGISTER_AGAIN).await;
        }
        std::future::pending::<()>().await;
    }

    /// Forgets chats that have been calm, once a minute.
    async fn keep_tidy(&self) {
        loop {
            tokio::time::sleep(Duration::from_mins(1)).await;
            self.pace.tidy();
        }
    }

    async fn receive(&self, seat: &Seat, progress: &Progress, stop: &CancellationToken) -> Result<(), ChannelError> {
        match &self.config.mode {
            Mode::Polling => self.poll(seat, progress, stop).await,
            Mode::Webhook { secret, url } => self.be_called(seat, secret, url.as_ref(), progress, stop).await,
        }
    }
}

async fn type_in(api: &Api, pace: &Pace, place: Place) {
    if pace.heed(place.chat).is_err() {
        return;
    }
    let action = SendChatAction::new(ChatId(place.chat), ChatAction::Typing);
    let action = match place.topic {
        Some(topic) => action.message_thread_id(ThreadId(MessageId(topic))),
        None => action,
    };
    match api.call_within(&action, BESIDE).await {
        Err(CallError::Throttled(wait)) => pace.quiet(place.chat, wait),
        Err(error) => tracing::debug!(error = %error, "typing could not be shown"),
        Ok(_) => {}
    }
}

/// Gives the seat up however a run ends: the intake holds its channels, so they must not go on holding it.
struct Leaving<'a>(&'a Telegram);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.sit(None);
    }
}

/// What ends a run of the channel.
fn ended(error: CallError) -> ChannelError {
    match error {
        CallError::Unauthorized => ChannelError::Unauthorized,
        error => ChannelError::Failed(error.into()),
    }
}

#[async_trait]
impl Outlet for Telegram {
    fn id(&self) -> ChannelId {
        ChannelId::new(CHANNEL)
    }

    async fn send(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError> {
        self.deliver(part, key).await
    }

    fn longest_pause(&self) -> Duration {
        CHAT_PAUSE
    }
}

#[async_trait]
impl ChannelAdapter for Telegram {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            delivery: Delivery::Sent,
            longest_text: outbound::limit(outbound::LONGEST),
            edits: Some(EDIT_SPACING),
            typing: Some(TYPING),
            idempotent_sends: false,
            bursts: true,
        }
    }

    fn render(&self, rendering: &Rendering<'_>) -> Vec<Value> {
        outbound::render(rendering).iter().filter_map(|part| serde_json::to_value(part).ok()).collect()
    }

    fn render_progress(&self, text: &str) -> Option<Value> {
        serde_json::to_value(outbound::render_progress(text)).ok()
    }

    async fn run(&self, intake: Intake, progress: Arc<Progress>, stop: CancellationToken) -> Result<(), ChannelError> {
        let me = tokio::select! {
            me = self.identify() => me.map_err(ended)?,
            () = stop.cancelled() => return Ok(()),
        };
        tracing::info!(bot = me.username, webhook = self.by_webhook(), "Telegram is there");
        progress.tick(intake.clock().now());
        let seat = Arc::new(Seat { intake, me });
        self.sit(Some(Arc::clone(&seat)));
        let _leaves_with_this_run = Leaving(self);
        let end = tokio::select! {
            end = self.receive(&seat, &progress, &stop) => end,
            () = self.keep_registering(&seat.intake) => Ok(()),
            () = self.keep_tidy() => Ok(()),
        };
        end
    }

    fn receives_alone(&self) -> bool {
        !self.by_webhook()
    }

    async fn working(&self, conversation: &ConversationKey, _context: &Value) {
        if let Some(place) = Place::read(&conversation.conversation) {
            type_in(&self.api, &self.pace, self.chats.now_at(place)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_as_every_channel_must() {
        let telegram = Telegram::new(TelegramConfig {
            bot: BotId::default(),
            token: SecretString::from("4242:secret"),
            api_url: API_URL.to_owned(),
            mode: Mode::Polling,
            settle: Duration::ZERO,
        })
        .unwrap();
        dovvybuddy_core::testkit::channel_contract::renders(&telegram, visible_text);
    }
}
