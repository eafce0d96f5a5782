//! Channels and deliveries, as configured.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use dovvybuddy_core::alert::AlertDesk;
use dovvybuddy_core::channel::{ChannelAdapter, Outlet};
use dovvybuddy_core::delivery::Deliveries;
use dovvybuddy_core::lead::{Lead, LeadNotices};
use dovvybuddy_core::store::{Notice, Store};
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::{BotId, ChannelId, Clock, ConversationKey, SystemClock};
use dovvybuddy_discord::{DiscordAdapter, DiscordConfig};
use dovvybuddy_outgoing::{Allowed, LeadWebhookOutlet, MailOutlet};
use dovvybuddy_telegram::{Mode, Telegram, TelegramConfig};
use dovvybuddy_web::WebAdapter;

use super::{ComposeError, House};
use crate::config::{Config, TelegramMode};
use crate::lifecycle::Lifecycle;

/// The channels a daemon serves.
pub(crate) struct Channels {
    /// All of them.
    pub(crate) all: HashMap<ChannelId, Arc<dyn ChannelAdapter>>,
    /// What platforms call: merged with the other routes.
    pub(crate) routes: Router,
}

/// The web, and the channels whose credentials are there.
pub(crate) fn channels(config: &Config) -> Result<Channels, ComposeError> {
    let web: Arc<dyn ChannelAdapter> = Arc::new(WebAdapter);
    let mut channels = Channels { all: HashMap::from([(web.id(), web)]), routes: Router::new() };
    if let Some(telegram) = telegram(config)? {
        let telegram = Arc::new(telegram);
        if telegram.by_webhook() {
            channels.routes = channels.routes.merge(dovvybuddy_telegram::router(Arc::clone(&telegram)));
        }
        channels.all.insert(telegram.id(), telegram);
    }
    if let Some(discord) = discord(config)? {
        let discord = Arc::new(discord);
        if discord.over_http() {
            channels.routes = channels.routes.merge(dovvybuddy_discord::router(Arc::clone(&discord)));
        }
        channels.all.insert(discord.id(), discord);
    }
    Ok(channels)
}

/// The bot on Telegram, if its token is there.
pub(crate) fn telegram(config: &Config) -> Result<Option<Telegram>, ComposeError> {
    let Some(token) = config.telegram.token() else { return Ok(None) };
    let public = config.http.public_url.as_deref().and_then(|url| url::Url::parse(url).ok());
    let mode = match (config.telegram.mode, config.telegram.webhook_secret.clone()) {
        (TelegramMode::Webhook, Some(secret)) => {
            let url = public.map(|mut url| {
                let path = format!("{}{}", url.path().trim_end_matches('/'), dovvybuddy_telegram::PATH);
                url.set_path(&path);
                url
            });
            Mode::Webhook { secret, url }
        }
        _ => Mode::Polling,
    };
    let telegram = TelegramConfig {
        bot: BotId::new(config.bot.clone()),
        token,
        api_url: config.telegram.api_url.clone(),
        mode,
        settle: Duration::from_millis(config.lanes.settle_ms),
    };
    Telegram::new(telegram).map(Some).map_err(ComposeError::Telegram)
}

/// The bot on Discord, if its token is there.
pub(crate) fn discord(config: &Config) -> Result<Option<DiscordAdapter>, ComposeError> {
    let Some(token) = config.discord.token() else { return Ok(None) };
    let discord = DiscordConfig {
        token,
        api_url: config.discord.api_url.clone(),
        application_id: config.discord.application_id.clone(),
        public_key: config.discord.public_key.clone(),
        gateway: config.discord.gateway,
        message_content: config.discord.message_content,
        settle: Duration::from_millis(config.lanes.settle_ms),
        bot: BotId::new(config.bot.clone()),
    };
    Ok(Some(DiscordAdapter::new(discord, Arc::new(SystemClock))?))
}

/// The outlets of the configured lead deliveries.
pub(crate) fn outlets(config: &Config) -> Result<HashMap<ChannelId, Arc<dyn Outlet>>, ComposeError> {
    let mut outlets: HashMap<ChannelId, Arc<dyn Outlet>> = HashMap::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    if let Some(mail) = config.leads.mail() {
        let mail: Arc<dyn Outlet> = Arc::new(MailOutlet::new(&mail, Arc::clone(&clock))?);
        outlets.insert(mail.id(), mail);
    }
    if let Some(webhook) = config.leads.webhook(Allowed::parse(&config.outgoing.allow)?) {
        let webhook: Arc<dyn Outlet> = Arc::new(LeadWebhookOutlet::new(&webhook, clock)?);
        outlets.insert(webhook.id(), webhook);
    }
    Ok(outlets)
}

/// The deliveries of a lead: one per configured outlet.
pub(crate) fn lead_notices(config: &Config, lead: &Lead) -> Vec<Notice> {
    dovvybuddy_outgoing::lead_notices(lead, config.leads.by_mail(), config.leads.by_webhook())
}

pub(super) fn notices(config: &Config) -> LeadNotices {
    let (by_mail, by_webhook) = (config.leads.by_mail(), config.leads.by_webhook());
    Arc::new(move |lead| dovvybuddy_outgoing::lead_notices(lead, by_mail, by_webhook))
}

/// Tells the operator's chat, if one is configured on a channel that is on.
pub(crate) fn alert_desk(
    config: &Config,
    house: &House,
    channels: &HashMap<ChannelId, Arc<dyn ChannelAdapter>>,
) -> Option<Arc<AlertDesk>> {
    let chat = config.operator.chat()?;
    let Some(channel) = channels.get(&chat.channel) else {
        tracing::error!(channel = %chat.channel, "operator.chat names a channel that is off; nobody is told of emergencies");
        return None;
    };
    Some(Arc::new(AlertDesk {
        store: house.store.clone(),
        channel: Arc::clone(channel),
        chat: ConversationKey {
            bot: BotId::new(config.bot.clone()),
            channel: chat.channel,
            account: String::new(),
            conversation: chat.conversation,
        },
        voice: house.minds.voice.clone(),
        lang: chat.lang,
        clock: Arc::clone(&house.clock),
        progress: Progress::new("alerts", house.clock.now()),
    }))
}

/// The outbox worker.
pub(crate) fn deliveries(
    house: &House,
    lifecycle: &Lifecycle,
    channels: HashMap<ChannelId, Arc<dyn ChannelAdapter>>,
    mut outlets: HashMap<ChannelId, Arc<dyn Outlet>>,
) -> Arc<Deliveries> {
    for (id, channel) in channels {
        outlets.insert(id, channel);
    }
    let store: Arc<dyn Store> = house.store.clone();
    Arc::new(Deliveries {
        store,
        outlets,
        clock: Arc::clone(&house.clock),
        progress: Progress::new("outbox", house.clock.now()),
        stopping: lifecycle.stopping.clone(),
    })
}
