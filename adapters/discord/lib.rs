//! Discord: direct chats, mentions, replies and threads over the gateway, slash commands and buttons over
//! the gateway or signed HTTP.
//!
//! The way in: `gateway` hears, `inbound` translates, `receiver` holds on to what came until it is
//! stored, `backfill` fetches what was missed, `interactions` answers commands and buttons in time.
//! The way out: `outbound` renders and sends under a nonce, `split` cuts, `limits` keeps the
//! platform's limits.
//!
//! Replies name nobody (`allowed_mentions`), show no link previews, and go as an interaction's answer
//! where one asked, else as a message.

mod api;
mod backfill;
mod commands;
mod desk;
mod events;
mod gateway;
mod inbound;
mod interactions;
mod limits;
mod markdown;
mod outbound;
mod receiver;
mod recent;
mod sessions;
mod split;
mod way;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dovvybuddy_core::channel::{
    CHAT_PAUSE, Capabilities, ChannelAdapter, ChannelError, Delivery, DeliveryKey, OutboundPart, Outlet, Receipt,
    Rendering, SendError,
};
use dovvybuddy_core::intake::{Intake, WeakIntake};
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::{BotId, ChannelId, Clock, ConversationKey};
use ed25519_dalek::VerifyingKey;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use api::Api;
pub use api::ApiError;
use desk::Desk;
use gateway::Gateway;
use interactions::Interactions;
pub use interactions::{PublicKeyError, router};
pub use limits::MOST_INVALID;
use receiver::Receiver;
use recent::Recent;
use sessions::Sessions;
use way::Way;

/// The channel's name.
pub const CHANNEL: &str = "discord";

/// Edits of one message stand this far apart; a channel takes five in five seconds, the last included.
const EDITS_APART: Duration = Duration::from_millis(1_500);
/// How long Discord shows "typing".
const TYPING_LASTS: Duration = Duration::from_secs(10);
/// How long what is under way may take when the channel stops.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The pause between two tries to register the commands.
const REGISTER_AGAIN: Duration = Duration::from_secs(30);

/// What a bot on Discord needs.
#[derive(Debug, Clone)]
pub struct DiscordConfig {
    /// The bot's token. Without it only commands and buttons over HTTP are served, which bring their own, and the
    /// commands must be registered by somebody else.
    pub token: Option<SecretString>,
    /// Where the API is: `https://discord.com`, or what stands in for it. `/api/v10` may follow.
    pub api_url: String,
    /// The application's id; without it Discord is asked.
    pub application_id: Option<String>,
    /// The application's public key, which switches interactions over HTTP on.
    pub public_key: Option<String>,
    /// Listen to the gateway. Without it only commands and buttons over HTTP are served.
    pub gateway: bool,
    /// Ask for the privileged Message Content intent.
    pub message_content: bool,
    /// How long a burst may settle.
    pub settle: Duration,
    /// The bot whose keys are used.
    pub bot: BotId,
    /// After so many refusals in ten minutes nothing is asked for the rest of them, long before Discord bans the
    /// address; see [`MOST_INVALID`].
    pub most_invalid: usize,
}

/// Why the channel can't be built.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The HTTP client.
    #[error("api_url can't be used: {0}")]
    Client(#[source] reqwest::Error),
    /// The public key.
    #[error("public_key: {0}")]
    PublicKey(#[from] PublicKeyError),
}

/// What Discord says of the bot, for `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The application's name.
    pub name: String,
    /// The Message Content intent is switched on in the developer portal.
    pub message_content: bool,
    /// Where Discord sends interactions, if over HTTP.
    pub endpoint: Option<String>,
}

/// Whether Discord would take this public key's form.
pub fn check_public_key(text: &str) -> Result<(), PublicKeyError> {
    interactions::public_key(text).map(drop)
}

/// Discord, for one bot.
pub struct DiscordAdapter {
    desk: Arc<Desk>,
    clock: Arc<dyn Clock>,
    sessions: Arc<Sessions>,
    key: Option<VerifyingKey>,
    gateway: bool,
    /// Set when the channel first runs; before that HTTP is told to come back. The intake holds its channels,
    /// so they must not hold it.
    intake: Mutex<Option<WeakIntake>>,
}

impl DiscordAdapter {
    /// Builds the channel; nothing is asked of Discord yet.
    pub fn new(config: DiscordConfig, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        // Two providers of cryptography are linked in; the gateway's library wants one to be chosen. An
        // error means that somebody chose before.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let gateway = config.gateway && config.token.is_some();
        let key = config.public_key.as_deref().map(interactions::public_key).transpose()?;
        let desk = Desk {
            api: Api::new(&config.api_url, config.token, config.most_invalid).map_err(ConfigError::Client)?,
            bot: config.bot,
            settle: config.settle,
            application: config.application_id,
            message_content: config.message_content,
            answered: Recent::default(),
            said: Recent::default(),
            me: OnceLock::new(),
            places: Mutex::default(),
            knows_places: AtomicBool::default(),
            typing: Mutex::default(),
        };
        Ok(Self { desk: Arc::new(desk), clock, sessions: Arc::default(), key, gateway, intake: Mutex::default() })
    }

    /// Whether interactions may come over HTTP.
    pub fn over_http(&self) -> bool {
        self.key.is_some()
    }

    /// What answers interactions, once the channel runs.
    fn interactions(&self) -> Option<Interactions> {
        let intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.upgrade()?;
        Some(Interactions { desk: Arc::clone(&self.desk), intake })
    }

    /// Asks Discord whether the token is good, and what it allows.
    pub async fn standing(&self) -> Result<Standing, ApiError> {
        let application: Application = self.desk.api.get("/applications/@me", Duration::ZERO).await?;
        Ok(Standing {
            message_content: application.sees_content(),
            name: application.name,
            endpoint: application.interactions_endpoint_url,
        })
    }

    /// The name of a channel that the bot can see. The error is a sentence for the operator.
    pub async fn sees(&self, channel: &str) -> Result<String, String> {
        if channel.is_empty() || !channel.chars().all(|c| c.is_ascii_digit()) {
            return Err("expected the digits of a channel's id".to_owned());
        }
        let found: Value =
            self.desk.api.get(&format!("/channels/{channel}"), Duration::ZERO).await.map_err(|e| e.to_string())?;
        Ok(found.get("name").and_then(Value::as_str).unwrap_or("a direct chat").to_owned())
    }

    /// Registers the commands, as often as it takes.
    async fn register(desk: Arc<Desk>, intake: Intake) {
        while let Err(error) = commands::register(&desk, &intake).await {
            tracing::warn!(error = %error, "the commands can't be registered yet");
            tokio::time::sleep(REGISTER_AGAIN).await;
        }
    }
}

/// An application as Discord describes it.
#[derive(Debug, Deserialize)]
struct Application {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    flags: u64,
    #[serde(default)]
    interactions_endpoint_url: Option<String>,
}

impl Application {
    /// Message Content is switched on, with or without the review that large bots need.
    const fn sees_content(&self) -> bool {
        const REVIEWED: u64 = 1 << 18;
        const LIMITED: u64 = 1 << 19;
        self.flags & (REVIEWED | LIMITED) != 0
    }
}

#[async_trait]
impl Outlet for DiscordAdapter {
    fn id(&self) -> ChannelId {
        ChannelId::new(CHANNEL)
    }

    async fn send(&self, part: &OutboundPart, key: &DeliveryKey) -> Result<Receipt, SendError> {
        self.desk.sender(&*self.clock).send(part, key).await
    }

    fn longest_pause(&self) -> Duration {
        CHAT_PAUSE
    }
}

#[async_trait]
impl ChannelAdapter for DiscordAdapter {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            delivery: Delivery::Sent,
            longest_text: split::LONGEST,
            edits: Some(EDITS_APART),
            typing: Some(TYPING_LASTS),
            idempotent_sends: true,
            bursts: true,
        }
    }

    fn render(&self, rendering: &Rendering<'_>) -> Vec<Value> {
        outbound::render(rendering)
    }

    fn render_progress(&self, text: &str) -> Option<Value> {
        Some(outbound::render_progress(text))
    }

    fn receives_alone(&self) -> bool {
        self.gateway
    }

    async fn run(&self, intake: Intake, progress: Arc<Progress>, stop: CancellationToken) -> Result<(), ChannelError> {
        *self.intake.lock().unwrap_or_else(PoisonError::into_inner) = Some(intake.downgrade());
        // Alone and first: with a refused token only one request is let through to try it.
        let recommended = if self.gateway { Some(gateway::look_up(&self.desk.api).await?) } else { None };
        // Ends what was begun here also when this future is dropped.
        let own_stop = stop.child_token();
        let _ends_with_this_run = own_stop.clone().drop_guard();
        let receiver = Arc::new(Receiver::new(Arc::clone(&self.desk), intake.clone(), own_stop.clone()));
        let interactions = Arc::new(Interactions { desk: Arc::clone(&self.desk), intake: intake.clone() });
        let tasks = receiver.tasks.clone();
        let until_stopped = |task: futures::future::BoxFuture<'static, ()>| {
            let stop = own_stop.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = task => {}
                    () = stop.cancelled() => {}
                }
            });
        };
        if self.desk.api.token().is_some() {
            until_stopped(Box::pin(Self::register(Arc::clone(&self.desk), intake.clone())));
        } else {
            tracing::warn!(
                "discord.public_key is set and discord.token is not: commands and buttons over HTTP are answered, \
                 messages are not heard, and no commands are registered"
            );
        }
        until_stopped(Box::pin(Arc::clone(&receiver).keep_caught_up()));

        let sessions = Arc::clone(&self.sessions);
        let gateway = Arc::new(Gateway { receiver, interactions, sessions, seen: Mutex::new(HashMap::new()) });
        let listens = recommended.is_some();
        let ended = if let Some(recommended) = recommended {
            Arc::clone(&gateway).run(recommended, progress, stop).await
        } else {
            only_over_http(&progress, &*self.clock, &stop).await;
            Ok(())
        };
        own_stop.cancel();
        tasks.close();
        if tokio::time::timeout(LAST_WORDS, tasks.wait()).await.is_err() {
            tracing::warn!("some work of the channel did not end");
        }
        if listens {
            gateway.leave_word().await;
        }
        ended
    }

    async fn working(&self, conversation: &ConversationKey, context: &Value) {
        self.desk.show_typing(&Way::read(context, conversation)).await;
    }
}

/// Discord comes to us: there is nothing to stand still.
async fn only_over_http(progress: &Progress, clock: &dyn Clock, stop: &CancellationToken) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            _ = tick.tick() => progress.tick(clock.now()),
            () = stop.cancelled() => return,
        }
    }
}
