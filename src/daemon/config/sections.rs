//! The sections, as the program uses them. Meanings and defaults stand in `config/dovvybuddy.toml`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use dovvybuddy_core::Lang;
use dovvybuddy_core::alert::OperatorChat;
use dovvybuddy_core::limit::Quota;
use dovvybuddy_core::store::Retention;
use dovvybuddy_knowledge::embed::OpenAiEmbeddings;
use dovvybuddy_outgoing::MailConfig;
use dovvybuddy_store_postgres::is_postgres;
use dovvybuddy_web::SiteConfig;
use dovvybuddy_webhook::{Allowed, EventsConfig, KINDS, LeadWebhookConfig};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::ConfigError;
use super::channels::{Channels, Discord, Messenger, Telegram, Twilio, WhatsApp};

/// Everything that can be configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) content_dir: PathBuf,
    pub(crate) demo_content_dir: PathBuf,
    pub(crate) prompts_dir: PathBuf,
    pub(crate) bot: String,
    pub(crate) database: Database,
    pub(crate) http: Http,
    pub(crate) limits: Limits,
    pub(crate) lanes: Lanes,
    pub(crate) turn: Turn,
    pub(crate) router: Router,
    pub(crate) telegram: Telegram,
    pub(crate) discord: Discord,
    pub(crate) whatsapp: WhatsApp,
    pub(crate) instagram: Messenger,
    pub(crate) messenger: Messenger,
    pub(crate) twilio: Twilio,
    #[serde(default)]
    pub(crate) channels: Channels,
    pub(crate) operator: Operator,
    pub(crate) llm: Llm,
    pub(crate) embeddings: Embeddings,
    pub(crate) leads: Leads,
    pub(crate) events: Events,
    pub(crate) outgoing: Outgoing,
    pub(crate) retention: RetentionDays,
    pub(crate) metrics: Metrics,
    pub(crate) log: Log,
    pub(crate) telemetry: Telemetry,
    #[serde(default)]
    pub(crate) sites: BTreeMap<String, SiteConfig>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    pub(crate) url: Option<String>,
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    url_file: Option<PathBuf>,
    pub(crate) direct_url: Option<String>,
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    direct_url_file: Option<PathBuf>,
    pub(crate) connections: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) bind: SocketAddr,
    #[serde(default)]
    pub(crate) public_url: Option<String>,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) most_connections: usize,
    pub(crate) most_streams: usize,
    pub(crate) most_sockets: usize,
    pub(crate) body_within_seconds: u64,
    pub(crate) socket_idle_seconds: u64,
    #[serde(default)]
    pub(crate) address_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    diver_per_minute: u32,
    diver_burst: u32,
    pub(crate) ip_per_minute: u32,
    pub(crate) leads_per_minute: u32,
    pub(crate) sessions_per_minute: u32,
    pub(crate) feedback_per_minute: u32,
}

impl Limits {
    /// What one diver may ask, across all channels.
    pub(crate) fn diver(self) -> Quota {
        Quota { per_minute: self.diver_per_minute, burst: self.diver_burst }
    }

    pub(super) fn switch_off(&mut self) {
        self.diver_per_minute = 0;
        self.ip_per_minute = 0;
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lanes {
    pub(crate) settle_ms: u64,
    pub(crate) most_running: usize,
    pub(crate) most_waiting: usize,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Turn {
    pub(crate) budget_seconds: u64,
    pub(crate) least_seconds: u64,
    pub(crate) history: usize,
    pub(crate) passages: usize,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Router {
    pub(crate) margin: f32,
    pub(crate) budget_ms: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Operator {
    pub(crate) name: Option<String>,
    pub(crate) contact: Option<String>,
    pub(crate) booking_url: Option<String>,
    pub(crate) timezone: Option<String>,
    pub(crate) emergency_contacts: Vec<String>,
    /// Where leads and emergencies are told at once: `channel:conversation`.
    pub(crate) chat: Option<String>,
    /// The language of that chat, as a code such as `de`.
    pub(crate) language: Option<String>,
}

impl Operator {
    /// The operator's chat; its form was checked.
    pub(crate) fn chat(&self) -> Option<OperatorChat> {
        let lang = self.language.as_deref().and_then(Lang::from_locale).unwrap_or_default();
        Some(OperatorChat { lang, ..OperatorChat::parse(self.chat.as_deref()?)? })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Llm {
    pub(crate) models: Vec<dovvybuddy_llm::ModelConfig>,
    pub(crate) diver_tokens_per_day: u64,
    pub(crate) tokens_per_day: u64,
    pub(crate) cost_per_day: f64,
}

impl Llm {
    /// The cap on cost in millionths; 0 means none.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "validated to be finite and not negative"
    )]
    pub(crate) fn cost_cap_micros(&self) -> u64 {
        (self.cost_per_day * 1_000_000.0).round() as u64
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EmbeddingProvider {
    Local,
    Openai,
    None,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Embeddings {
    pub(crate) provider: EmbeddingProvider,
    #[serde(default)]
    pub(crate) base_url: Option<String>,
    #[serde(default)]
    pub(crate) model: Option<String>,
    #[serde(default)]
    pub(crate) api_key: Option<SecretString>,
    #[serde(default)]
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    api_key_file: Option<PathBuf>,
    #[serde(default)]
    pub(crate) dimension: Option<usize>,
    pub(crate) fetch: bool,
}

impl Embeddings {
    /// The OpenAI-compatible endpoint that is configured.
    pub(crate) fn endpoint(&self) -> OpenAiEmbeddings {
        OpenAiEmbeddings {
            base_url: self.base_url.clone().unwrap_or_else(|| "https://api.openai.com/v1".to_owned()),
            api_key: self.api_key.clone().or_else(|| std::env::var("OPENAI_API_KEY").ok().map(SecretString::from)),
            model: self.model.clone().unwrap_or_default(),
            dimension: self.dimension.unwrap_or(1536),
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Leads {
    pub(crate) mail_to: Option<String>,
    pub(crate) mail_from: Option<String>,
    pub(crate) smtp_url: Option<SecretString>,
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    smtp_url_file: Option<PathBuf>,
    pub(crate) webhook_url: Option<String>,
    pub(crate) webhook_secret: Option<SecretString>,
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    webhook_secret_file: Option<PathBuf>,
}

impl Leads {
    /// Whether leads go out by mail.
    pub(crate) fn by_mail(&self) -> bool {
        self.mail_to.is_some() && self.smtp_url.is_some()
    }

    /// Whether leads go out by webhook.
    pub(crate) fn by_webhook(&self) -> bool {
        self.webhook_url.is_some() && self.webhook_secret.is_some()
    }

    /// The mail delivery, if configured.
    pub(crate) fn mail(&self) -> Option<MailConfig> {
        let (mail_to, smtp_url) = (self.mail_to.clone()?, self.smtp_url.clone()?);
        Some(MailConfig { smtp_url, mail_to, mail_from: self.mail_from.clone() })
    }

    /// The webhook delivery, if configured.
    pub(crate) fn webhook(&self, allowed: Allowed) -> Option<LeadWebhookConfig> {
        let (url, secret) = (self.webhook_url.clone()?, self.webhook_secret.clone()?);
        Some(LeadWebhookConfig { url, secret, allowed })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Events {
    #[serde(default)]
    webhook_url: Option<String>,
    #[serde(default)]
    webhook_secret: Option<SecretString>,
    #[serde(default)]
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    webhook_secret_file: Option<PathBuf>,
    pub(crate) send: Vec<String>,
}

impl Events {
    /// Where events go, if anywhere.
    pub(crate) fn target(&self, allowed: Allowed) -> Option<EventsConfig> {
        let (url, secret) = (self.webhook_url.clone()?, self.webhook_secret.clone()?);
        Some(EventsConfig { url, secret, allowed })
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if let Some(url) = &self.webhook_url {
            http_url("events.webhook_url", url)?;
            if self.webhook_secret.is_none() {
                return Err(ConfigError::invalid("events.webhook_secret", "is needed to sign events"));
            }
        }
        if self.send.iter().any(|kind| !KINDS.contains(&kind.as_str())) {
            return Err(ConfigError::invalid("events.send", format!("expected some of {}", KINDS.join(", "))));
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outgoing {
    pub(crate) allow: Vec<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the unit belongs to the documented key")]
pub(crate) struct RetentionDays {
    sessions_days: u64,
    event_ids_days: u64,
    outbox_days: u64,
    leads_days: u64,
    usage_days: u64,
}

impl RetentionDays {
    /// As the store takes it.
    pub(crate) fn durations(self) -> Retention {
        let days = |n: u64| Duration::from_secs(n.saturating_mul(24 * 60 * 60));
        Retention {
            sessions: days(self.sessions_days),
            event_ids: days(self.event_ids_days),
            outbox: days(self.outbox_days),
            leads: days(self.leads_days),
            usage: days(self.usage_days),
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Metrics {
    pub(crate) token: Option<SecretString>,
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    token_file: Option<PathBuf>,
    pub(crate) bind: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Auto,
    Json,
    Pretty,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    pub(crate) otlp_endpoint: Option<String>,
    pub(crate) sentry_dsn: Option<SecretString>,
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    sentry_dsn_file: Option<PathBuf>,
}

impl Config {
    /// What types alone can't say.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        self.validate_database()?;
        self.validate_http()?;
        self.validate_leads()?;
        self.telegram.validate()?;
        self.discord.validate()?;
        self.channels.validate()?;
        self.whatsapp.validate()?;
        self.instagram.validate("instagram", &self.whatsapp)?;
        self.messenger.validate("messenger", &self.whatsapp)?;
        self.twilio.validate()?;
        self.events.validate()?;
        let positive = [
            ("http.most_connections", self.http.most_connections as u64),
            ("http.most_streams", self.http.most_streams as u64),
            ("http.most_sockets", self.http.most_sockets as u64),
            ("http.body_within_seconds", self.http.body_within_seconds),
            ("http.socket_idle_seconds", self.http.socket_idle_seconds),
            ("limits.diver_burst", u64::from(self.limits.diver_burst)),
            ("lanes.most_running", self.lanes.most_running as u64),
            ("lanes.most_waiting", self.lanes.most_waiting as u64),
            ("turn.budget_seconds", self.turn.budget_seconds),
            ("turn.least_seconds", self.turn.least_seconds),
            ("turn.passages", self.turn.passages as u64),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(ConfigError::invalid(key, "expected at least 1"));
        }
        if self.turn.budget_seconds.saturating_add(self.turn.least_seconds) > 19 {
            let expected = "expected at most 19 together with turn.least_seconds; clients wait 20 seconds";
            return Err(ConfigError::invalid("turn.budget_seconds", expected));
        }
        if !(0.0..=1.0).contains(&self.router.margin) {
            return Err(ConfigError::invalid("router.margin", "expected a number from 0 to 1"));
        }
        if !(100..=5000).contains(&self.router.budget_ms) {
            return Err(ConfigError::invalid("router.budget_ms", "expected 100 to 5000"));
        }
        if self.retention.event_ids_days < 8 {
            return Err(ConfigError::invalid("retention.event_ids_days", "expected at least 8"));
        }
        if self.llm.cost_per_day < 0.0 || !self.llm.cost_per_day.is_finite() {
            return Err(ConfigError::invalid("llm.cost_per_day", "expected an amount of 0 or more"));
        }
        if self.bot.is_empty() {
            return Err(ConfigError::invalid("bot", "expected a name"));
        }
        if let Some(zone) = &self.operator.timezone
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            return Err(ConfigError::invalid("operator.timezone", "expected an IANA name such as Asia/Makassar"));
        }
        if self.operator.chat.is_some() && self.operator.chat().is_none() {
            let expected = "expected a channel and a conversation such as telegram:-1001234567890";
            return Err(ConfigError::invalid("operator.chat", expected));
        }
        if self.operator.language.as_deref().is_some_and(|code| Lang::from_locale(code).is_none()) {
            let expected = "expected one of en es de fr pt it id ja th ar zh";
            return Err(ConfigError::invalid("operator.language", expected));
        }
        if self.embeddings.provider == EmbeddingProvider::Openai && self.embeddings.model.is_none() {
            return Err(ConfigError::invalid("embeddings.model", "is needed when embeddings.provider is openai"));
        }
        Ok(())
    }

    fn validate_database(&self) -> Result<(), ConfigError> {
        let served = |url: &str| url.starts_with("sqlite:") || is_postgres(url);
        if !self.database.url.as_deref().is_none_or(served) {
            let expected = "expected sqlite:PATH, sqlite::memory: or postgres://USER:PASSWORD@HOST/DATABASE (also as DATABASE_URL)";
            return Err(ConfigError::invalid("database.url", expected));
        }
        if !self.database.direct_url.as_deref().is_none_or(is_postgres) {
            return Err(ConfigError::invalid("database.direct_url", "expected postgres://USER:PASSWORD@HOST/DATABASE"));
        }
        if !(2..=1000).contains(&self.database.connections) {
            return Err(ConfigError::invalid("database.connections", "expected 2 to 1000"));
        }
        Ok(())
    }

    fn validate_http(&self) -> Result<(), ConfigError> {
        if let Some(public) = &self.http.public_url {
            http_url("http.public_url", public)?;
        }
        if let Some(booking) = &self.operator.booking_url {
            http_url("operator.booking_url", booking)?;
        }
        for origin in &self.http.cors_origins {
            http_url("http.cors_origins", origin)?;
        }
        for (key, site) in &self.sites {
            if !site_key(key) {
                let expected = "expected a site key of 1 to 64 letters a-z, digits, `-` or `_`";
                return Err(ConfigError::invalid(&format!("sites.{key}"), expected));
            }
            if site.origins.is_empty() {
                return Err(ConfigError::invalid(&format!("sites.{key}.origins"), "expected at least one origin"));
            }
            for origin in &site.origins {
                http_url(&format!("sites.{key}.origins"), origin)?;
            }
        }
        for proxy in &self.http.trusted_proxies {
            let address = proxy.parse::<std::net::IpAddr>().is_ok() || proxy.parse::<ipnet::IpNet>().is_ok();
            if !address {
                return Err(ConfigError::invalid(
                    "http.trusted_proxies",
                    "expected addresses or networks such as 10.0.0.0/8",
                ));
            }
        }
        Ok(())
    }

    fn validate_leads(&self) -> Result<(), ConfigError> {
        let leads = &self.leads;
        if leads.mail_to.is_some() != leads.smtp_url.is_some() {
            let missing = if leads.mail_to.is_some() { "leads.smtp_url" } else { "leads.mail_to" };
            return Err(ConfigError::invalid(missing, "is needed to send leads by mail"));
        }
        for (key, address) in [("leads.mail_to", &leads.mail_to), ("leads.mail_from", &leads.mail_from)] {
            if address.as_deref().is_some_and(|a| !a.contains('@')) {
                return Err(ConfigError::invalid(key, "expected a mail address"));
            }
        }
        if let Some(smtp) = &leads.smtp_url
            && !["smtp://", "smtps://"].iter().any(|scheme| smtp.expose_secret().starts_with(scheme))
        {
            return Err(ConfigError::invalid("leads.smtp_url", "expected smtp://… or smtps://…"));
        }
        if let Some(webhook) = &leads.webhook_url {
            http_url("leads.webhook_url", webhook)?;
            if leads.webhook_secret.is_none() {
                return Err(ConfigError::invalid("leads.webhook_secret", "is needed to sign leads sent by webhook"));
            }
        }
        Ok(())
    }
}

/// Small letters only: a key can be set by the environment, whose names have no case.
pub(super) fn site_key(key: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    (1..=64).contains(&key.len()) && key.chars().all(allowed)
}

pub(super) fn http_url(key: &str, text: &str) -> Result<(), ConfigError> {
    let wrong = || ConfigError::invalid(key, "expected an address that begins with http:// or https://");
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    if matches!(url.scheme(), "http" | "https") && url.host().is_some() { Ok(()) } else { Err(wrong()) }
}
