//! What every request handler may reach.

use std::sync::Arc;

use dovvybuddy_core::guard::EmergencyGuard;
use dovvybuddy_core::handover::Handover;
use dovvybuddy_core::hearing::Hearing;
use dovvybuddy_core::intake::Intake;
use dovvybuddy_core::knowledge::Retriever;
use dovvybuddy_core::lead::Lead;
use dovvybuddy_core::shelf::Shelf;
use dovvybuddy_core::store::{Notice, Store};
use dovvybuddy_core::{BotId, ChannelId, Clock, ConversationKey, DiverKey, SessionId};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::auth::Desk;
use crate::client_ip::TrustedProxies;
use crate::config::{ConfigError, WebConfig};
use crate::limits::{IpLimits, Rates};
use crate::sites::Sites;

/// Makes the deliveries of a lead; empty when none is configured.
pub type LeadNotices = Arc<dyn Fn(&Lead) -> Vec<Notice> + Send + Sync>;

/// What the web channel is made of.
pub struct WebParts {
    /// Where messages go.
    pub intake: Intake,
    /// Sessions, turns, leads, ratings.
    pub store: Arc<dyn Store>,
    /// Decides whether a message that a limit refuses is an emergency.
    pub guard: Arc<dyn EmergencyGuard>,
    /// What was said lately, for the guard; the one the intake has.
    pub hearing: Arc<Hearing>,
    /// Time and ids.
    pub clock: Arc<dyn Clock>,
    /// The bot that is spoken to.
    pub bot: BotId,
    /// Shows the passages that replies cite.
    pub retriever: Arc<dyn Retriever>,
    /// Makes the deliveries of a lead.
    pub lead_notices: LeadNotices,
    /// Gives conversations to people and takes them back.
    pub handover: Arc<Handover>,
    /// Where operators publish; without it nothing can be published.
    pub shelf: Option<Arc<dyn Shelf>>,
    /// The settings.
    pub config: WebConfig,
    /// Fired when the daemon stops: open streams get [`WebConfig::drain`] to see their turn's end.
    pub closing: CancellationToken,
}

/// The web channel's shared state. Cheap to clone.
#[derive(Clone)]
pub struct WebState(pub(crate) App);

/// The same, as the handlers see it.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) intake: Intake,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) guard: Arc<dyn EmergencyGuard>,
    pub(crate) hearing: Arc<Hearing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bot: BotId,
    pub(crate) retriever: Arc<dyn Retriever>,
    pub(crate) lead_notices: LeadNotices,
    pub(crate) handover: Arc<Handover>,
    pub(crate) shelf: Option<Arc<dyn Shelf>>,
    pub(crate) desk: Desk,
    pub(crate) config: WebConfig,
    pub(crate) closing: CancellationToken,
    pub(crate) limits: IpLimits,
    pub(crate) proxies: TrustedProxies,
    pub(crate) sites: Sites,
    /// The origins that may read answers and open `WebSocket`s.
    pub(crate) origins: Vec<String>,
    /// The origin people reach the daemon under.
    pub(crate) public_origin: Option<String>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) sockets: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
}

impl WebState {
    /// Checks the settings and puts the parts together.
    pub fn new(parts: WebParts) -> Result<Self, ConfigError> {
        let config = parts.config;
        let public_origin = config.public_origin()?;
        let mut origins = config.origins()?;
        origins.extend(public_origin.clone());
        Ok(Self(App(Arc::new(Inner {
            intake: parts.intake,
            store: parts.store,
            guard: parts.guard,
            hearing: parts.hearing,
            clock: parts.clock,
            bot: parts.bot,
            retriever: parts.retriever,
            lead_notices: parts.lead_notices,
            handover: parts.handover,
            shelf: parts.shelf,
            desk: Desk::new(),
            sites: Sites::new(&config)?,
            closing: parts.closing,
            limits: IpLimits::new(&config),
            proxies: TrustedProxies::new(config.proxies()?),
            origins,
            public_origin,
            streams: Arc::new(Semaphore::new(config.most_streams)),
            sockets: Arc::new(Semaphore::new(config.most_sockets)),
            tasks: TaskTracker::new(),
            config,
        }))))
    }

    /// Takes over other rates.
    pub fn set_rates(&self, rates: Rates) {
        self.0.limits.set(rates);
    }

    /// Waits until the tasks of the web channel have ended; call it after `closing` was fired and the
    /// server has stopped, with a deadline of your own.
    pub async fn drained(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    /// The conversation of a session on the web.
    pub(crate) fn conversation(&self, session: SessionId) -> ConversationKey {
        ConversationKey {
            bot: self.bot.clone(),
            channel: channel(),
            account: String::new(),
            conversation: session.to_string(),
        }
    }

    /// The anonymous diver of a session on the web.
    pub(crate) fn diver(&self, session: SessionId) -> DiverKey {
        DiverKey { bot: self.bot.clone(), channel: channel(), account: String::new(), user: session.to_string() }
    }
}

/// The web channel's id.
pub(crate) fn channel() -> ChannelId {
    ChannelId::new("web")
}
