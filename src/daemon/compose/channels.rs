//! Channels and deliveries, as configured.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse as _;
use dovvybuddy_core::alert::AlertDesk;
use dovvybuddy_core::channel::{ChannelAdapter, Outlet};
use dovvybuddy_core::delivery::Deliveries;
use dovvybuddy_core::lead::{Lead, LeadNotices};
use dovvybuddy_core::news::Herald;
use dovvybuddy_core::store::{Notice, Store};
use dovvybuddy_core::supervise::Progress;
use dovvybuddy_core::{BotId, ChannelId, Clock, ConversationKey, SystemClock};
use dovvybuddy_discord::{DiscordAdapter, DiscordConfig};
use dovvybuddy_outgoing::MailOutlet;
use dovvybuddy_telegram::{Mode, Telegram, TelegramConfig};
use dovvybuddy_web::{ApiError, FieldError, RateLimited, WebAdapter};
use dovvybuddy_webhook::{Allowed, Answers, EventsOutlet, Hook, Hooks, LeadWebhookOutlet, Problem, event_notice};
use dovvybuddy_whatsapp::graph::Accounts;
use dovvybuddy_whatsapp::{Messenger, Product, Twilio, WhatsApp};

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
    let mut accounts = Accounts::default();
    if let Some(whatsapp) = whatsapp(config)? {
        let whatsapp = Arc::new(whatsapp);
        accounts = accounts.whatsapp(Arc::clone(&whatsapp));
        channels.all.insert(whatsapp.id(), whatsapp);
    }
    for product in [Product::Instagram, Product::Messenger] {
        if let Some(messenger) = messenger(config, product)? {
            let messenger = Arc::new(messenger);
            accounts = accounts.messenger(Arc::clone(&messenger));
            channels.all.insert(messenger.id(), messenger);
        }
    }
    if !accounts.is_empty() {
        channels.routes = channels.routes.merge(dovvybuddy_whatsapp::graph::router(accounts));
    }
    if let Some(twilio) = twilio(config)? {
        let twilio = Arc::new(twilio);
        channels.routes = channels.routes.merge(dovvybuddy_whatsapp::twilio::router(Arc::clone(&twilio)));
        channels.all.insert(twilio.id(), twilio);
    }
    let hooks = hooks(config)?;
    if !hooks.is_empty() {
        for hook in hooks.values() {
            channels.all.insert(hook.id(), Arc::clone(hook) as Arc<dyn ChannelAdapter>);
        }
        channels.routes = channels.routes.merge(dovvybuddy_webhook::router(hooks, answers(config)));
    }
    Ok(channels)
}

/// How the outside reaches a path of ours, if that is configured.
fn public(config: &Config, path: &str) -> Option<url::Url> {
    let mut url = url::Url::parse(config.http.public_url.as_deref()?).ok()?;
    let path = format!("{}{path}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Some(url)
}

/// The number on WhatsApp, if its token is there.
pub(crate) fn whatsapp(config: &Config) -> Result<Option<WhatsApp>, ComposeError> {
    let settle = Duration::from_millis(config.lanes.settle_ms);
    let adapter = config.whatsapp.adapter(&BotId::new(config.bot.clone()), settle);
    adapter.map(WhatsApp::new).transpose().map_err(ComposeError::WhatsApp)
}

/// The account on Instagram or Messenger, if its token is there.
pub(crate) fn messenger(config: &Config, product: Product) -> Result<Option<Messenger>, ComposeError> {
    let settle = Duration::from_millis(config.lanes.settle_ms);
    let section = match product {
        Product::Instagram => &config.instagram,
        Product::Messenger => &config.messenger,
    };
    let adapter = section.adapter(product, &config.whatsapp, &BotId::new(config.bot.clone()), settle);
    let wrong = |error| ComposeError::Messenger(product.channel(), error);
    adapter.map(Messenger::new).transpose().map_err(wrong)
}

/// The account at Twilio, if its token is there.
pub(crate) fn twilio(config: &Config) -> Result<Option<Twilio>, ComposeError> {
    let settle = Duration::from_millis(config.lanes.settle_ms);
    let url = public(config, dovvybuddy_whatsapp::twilio::PATH);
    let adapter = config.twilio.adapter(&BotId::new(config.bot.clone()), url, settle);
    adapter.map(Twilio::new).transpose().map_err(ComposeError::Twilio)
}

/// The generic webhooks.
pub(crate) fn hooks(config: &Config) -> Result<Hooks, ComposeError> {
    let (bot, allowed) = (BotId::new(config.bot.clone()), Allowed::parse(&config.outgoing.allow)?);
    let configured = config.channels.webhook.iter();
    let configured = configured.filter_map(|(name, webhook)| webhook.hook(&bot, name, &allowed));
    let hook = |hook: dovvybuddy_webhook::HookConfig| {
        Ok((hook.name.clone(), Arc::new(Hook::new(hook, Arc::new(SystemClock))?)))
    };
    configured.map(hook).collect()
}

/// Calls of webhooks are answered in the words of the HTTP API.
fn answers(config: &Config) -> Answers {
    let diver = config.limits.diver().per_minute;
    let problem = move |problem| {
        match problem {
            Problem::Unknown => ApiError::NotFound,
            Problem::Method => ApiError::MethodNotAllowed,
            Problem::Unsigned => ApiError::Unsigned,
            Problem::Malformed => ApiError::Malformed,
            Problem::TooLarge => ApiError::TooLarge,
            Problem::TooSlow => ApiError::TooSlow,
            Problem::NotJson => ApiError::UnsupportedMediaType,
            Problem::Invalid(fields) => {
                ApiError::Invalid(fields.into_iter().map(|(field, message)| FieldError { field, message }).collect())
            }
            Problem::Limited { per_minute, retry_after } => ApiError::RateLimited(RateLimited {
                policy: if per_minute.is_some() { "webhook" } else { "diver" },
                per_minute: per_minute.unwrap_or(diver),
                retry_after,
            }),
            Problem::Busy => ApiError::Overloaded,
            Problem::Store(error) => ApiError::store(&SystemClock, &error),
        }
        .into_response()
    };
    Answers { reply: dovvybuddy_web::chat_response, problem: Arc::new(problem) }
}

/// The bot on Telegram, if its token is there.
pub(crate) fn telegram(config: &Config) -> Result<Option<Telegram>, ComposeError> {
    let Some(token) = config.telegram.token() else { return Ok(None) };
    let mode = match (config.telegram.mode, config.telegram.webhook_secret.clone()) {
        (TelegramMode::Webhook, Some(secret)) => {
            Mode::Webhook { secret, url: public(config, dovvybuddy_telegram::PATH) }
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

/// The bot on Discord, if its token is there, or the key for commands over HTTP.
pub(crate) fn discord(config: &Config) -> Result<Option<DiscordAdapter>, ComposeError> {
    let token = config.discord.token();
    if token.is_none() && config.discord.public_key.is_none() {
        return Ok(None);
    }
    let discord = DiscordConfig {
        token,
        api_url: config.discord.api_url.clone(),
        application_id: config.discord.application_id.clone(),
        public_key: config.discord.public_key.clone(),
        gateway: config.discord.gateway,
        message_content: config.discord.message_content,
        settle: Duration::from_millis(config.lanes.settle_ms),
        bot: BotId::new(config.bot.clone()),
        most_invalid: dovvybuddy_discord::MOST_INVALID,
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
        let webhook: Arc<dyn Outlet> = Arc::new(LeadWebhookOutlet::new(&webhook, Arc::clone(&clock))?);
        outlets.insert(webhook.id(), webhook);
    }
    if let Some(events) = config.events.target(Allowed::parse(&config.outgoing.allow)?) {
        for outlet in EventsOutlet::both(&events, clock)? {
            outlets.insert(outlet.id(), Arc::new(outlet));
        }
    }
    Ok(outlets)
}

/// Tells the operator's systems, if they are configured.
pub(crate) fn herald(config: &Config, house: &House) -> Option<Arc<Herald>> {
    config.events.target(Allowed::default())?;
    let kinds = config.events.send.clone();
    Some(Arc::new(Herald {
        store: house.store.clone(),
        write: Arc::new(move |news| event_notice(news, &kinds)),
        bot: BotId::new(config.bot.clone()),
        clock: Arc::clone(&house.clock),
        progress: Progress::new("events", house.clock.now()),
    }))
}

/// The deliveries of a lead: one per configured outlet.
pub(crate) fn lead_notices(config: &Config, lead: &Lead) -> Vec<Notice> {
    written(lead, config.leads.by_mail(), config.leads.by_webhook())
}

pub(super) fn notices(config: &Config) -> LeadNotices {
    let (by_mail, by_webhook) = (config.leads.by_mail(), config.leads.by_webhook());
    Arc::new(move |lead| written(lead, by_mail, by_webhook))
}

fn written(lead: &Lead, by_mail: bool, by_webhook: bool) -> Vec<Notice> {
    let mail = by_mail.then(|| dovvybuddy_outgoing::lead_notice(lead));
    let webhook = by_webhook.then(|| dovvybuddy_webhook::lead_notice(lead));
    mail.into_iter().chain(webhook).collect()
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
