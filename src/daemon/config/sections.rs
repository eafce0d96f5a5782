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
use dovvybuddy_web::SiteConfig;
use dovvybuddy_webhook::{Allowed, EventsConfig, KINDS, LeadWebhookConfig};
use secrecy::SecretString;
use serde::Deserialize;

use super::ConfigError;
use super::channels::{Channels, Discord, Messenger, Telegram, Twilio, WhatsApp};
use super::validation::http_url;

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
    pub(super) diver_burst: u32,
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

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
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
    pub(super) event_ids_days: u64,
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
