//! The channels' sections.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use dovvybuddy_core::BotId;
use dovvybuddy_webhook::{Allowed, HookConfig, ReplyBy, TAKEN};
use dovvybuddy_whatsapp::{MessengerConfig, Product, TwilioConfig, WhatsAppConfig};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::ConfigError;
use super::validation::{http_url, site_key};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telegram {
    #[serde(default)]
    token: Option<SecretString>,
    #[serde(default)]
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    token_file: Option<PathBuf>,
    pub(crate) mode: TelegramMode,
    #[serde(default)]
    pub(crate) webhook_secret: Option<SecretString>,
    #[serde(default)]
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    webhook_secret_file: Option<PathBuf>,
    pub(crate) api_url: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TelegramMode {
    Polling,
    Webhook,
}

impl Telegram {
    /// The token, unless the channel is off. Its form is for the platform to judge.
    pub(crate) fn token(&self) -> Option<SecretString> {
        trimmed(self.token.as_ref())
    }

    /// Refuses what no platform would take.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        http_url("telegram.api_url", &self.api_url)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let well_formed = |secret: &str| (1..=256).contains(&secret.len()) && secret.chars().all(allowed);
        match self.webhook_secret.as_ref().map(ExposeSecret::expose_secret) {
            Some(secret) if !well_formed(secret) => {
                Err(ConfigError::invalid("telegram.webhook_secret", "expected 1 to 256 of A-Z a-z 0-9 _ -"))
            }
            None if self.mode == TelegramMode::Webhook && self.token().is_some() => {
                Err(ConfigError::invalid("telegram.webhook_secret", "is needed when telegram.mode is webhook"))
            }
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Discord {
    #[serde(default)]
    token: Option<SecretString>,
    #[serde(default)]
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    token_file: Option<PathBuf>,
    #[serde(default)]
    pub(crate) application_id: Option<String>,
    #[serde(default)]
    pub(crate) public_key: Option<String>,
    pub(crate) gateway: bool,
    pub(crate) message_content: bool,
    pub(crate) api_url: String,
}

impl Discord {
    /// The token, unless the channel is off. Its form is for the platform to judge.
    pub(crate) fn token(&self) -> Option<SecretString> {
        trimmed(self.token.as_ref())
    }

    /// Refuses what no platform would take.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        http_url("discord.api_url", &self.api_url)?;
        if let Some(key) = &self.public_key {
            let wrong = |error: dovvybuddy_discord::PublicKeyError| {
                ConfigError::invalid("discord.public_key", error.to_string())
            };
            dovvybuddy_discord::check_public_key(key).map_err(wrong)?;
        }
        let digits = |id: &String| !id.is_empty() && id.chars().all(|c| c.is_ascii_digit());
        if self.application_id.as_ref().is_some_and(|id| !digits(id)) {
            return Err(ConfigError::invalid("discord.application_id", "expected the digits of the application's id"));
        }
        if !self.gateway && self.public_key.is_none() && self.token().is_some() {
            return Err(ConfigError::invalid("discord.public_key", "is needed when discord.gateway is false"));
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhatsApp {
    #[serde(default)]
    phone_number_id: Option<String>,
    #[serde(default)]
    access_token: Option<SecretString>,
    #[serde(default)]
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    access_token_file: Option<PathBuf>,
    #[serde(default)]
    app_secret: Option<SecretString>,
    #[serde(default)]
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    app_secret_file: Option<PathBuf>,
    #[serde(default)]
    verify_token: Option<SecretString>,
    #[serde(default)]
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    verify_token_file: Option<PathBuf>,
    graph_url: String,
    #[serde(default)]
    template: Option<String>,
    template_language: String,
}

impl WhatsApp {
    /// Refuses what no platform would take.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        http_url("whatsapp.graph_url", &self.graph_url)?;
        if trimmed(self.access_token.as_ref()).is_none() {
            return Ok(());
        }
        let missing = [
            ("whatsapp.phone_number_id", self.phone_number_id.is_none()),
            ("whatsapp.app_secret", trimmed(self.app_secret.as_ref()).is_none()),
            ("whatsapp.verify_token", trimmed(self.verify_token.as_ref()).is_none()),
        ];
        if let Some((key, _)) = missing.iter().find(|(_, missing)| *missing) {
            return Err(ConfigError::invalid(key, "is needed when whatsapp.access_token is set"));
        }
        let digits = |id: &String| !id.is_empty() && id.chars().all(|c| c.is_ascii_digit());
        if !self.phone_number_id.as_ref().is_some_and(digits) {
            let expected = "expected the digits of the number's id, as the developer console shows it";
            return Err(ConfigError::invalid("whatsapp.phone_number_id", expected));
        }
        Ok(())
    }

    /// As the adapter takes it, unless the channel is off.
    pub(crate) fn adapter(&self, bot: &BotId, settle: Duration) -> Option<WhatsAppConfig> {
        let template = self.template.clone().map(|name| (name, self.template_language.clone()));
        Some(WhatsAppConfig {
            bot: bot.clone(),
            phone_number_id: self.phone_number_id.clone()?,
            access_token: trimmed(self.access_token.as_ref())?,
            app_secret: trimmed(self.app_secret.as_ref())?,
            verify_token: trimmed(self.verify_token.as_ref())?,
            graph_url: self.graph_url.clone(),
            template,
            settle,
        })
    }
}

/// An account on Instagram or Messenger.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Messenger {
    #[serde(default)]
    account_id: Option<String>,
    #[serde(default)]
    access_token: Option<SecretString>,
    #[serde(default)]
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    access_token_file: Option<PathBuf>,
    #[serde(default)]
    app_secret: Option<SecretString>,
    #[serde(default)]
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    app_secret_file: Option<PathBuf>,
    #[serde(default)]
    verify_token: Option<SecretString>,
    #[serde(default)]
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    verify_token_file: Option<PathBuf>,
    graph_url: String,
}

impl Messenger {
    /// Refuses what no platform would take. `section`: how it is called in the configuration.
    pub(super) fn validate(&self, section: &str, whatsapp: &WhatsApp) -> Result<(), ConfigError> {
        http_url(&format!("{section}.graph_url"), &self.graph_url)?;
        if trimmed(self.access_token.as_ref()).is_none() {
            return Ok(());
        }
        let digits = |id: &String| !id.is_empty() && id.chars().all(|c| c.is_ascii_digit());
        if !self.account_id.as_ref().is_some_and(digits) {
            let expected = format!("is needed when {section}.access_token is set: the digits of the account's id");
            return Err(ConfigError::invalid(&format!("{section}.account_id"), expected));
        }
        for (key, missing) in [
            ("app_secret", self.app_secret(whatsapp).is_none()),
            ("verify_token", self.verify_token(whatsapp).is_none()),
        ] {
            if missing {
                let expected = format!("is needed here or as whatsapp.{key} when {section}.access_token is set");
                return Err(ConfigError::invalid(&format!("{section}.{key}"), expected));
            }
        }
        Ok(())
    }

    /// One app of Meta's may serve them all.
    fn app_secret(&self, whatsapp: &WhatsApp) -> Option<SecretString> {
        trimmed(self.app_secret.as_ref()).or_else(|| trimmed(whatsapp.app_secret.as_ref()))
    }

    fn verify_token(&self, whatsapp: &WhatsApp) -> Option<SecretString> {
        trimmed(self.verify_token.as_ref()).or_else(|| trimmed(whatsapp.verify_token.as_ref()))
    }

    /// As the adapter takes it, unless the channel is off.
    pub(crate) fn adapter(
        &self,
        product: Product,
        whatsapp: &WhatsApp,
        bot: &BotId,
        settle: Duration,
    ) -> Option<MessengerConfig> {
        Some(MessengerConfig {
            product,
            bot: bot.clone(),
            account_id: self.account_id.clone()?,
            access_token: trimmed(self.access_token.as_ref())?,
            app_secret: self.app_secret(whatsapp)?,
            verify_token: self.verify_token(whatsapp)?,
            graph_url: self.graph_url.clone(),
            settle,
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Twilio {
    #[serde(default)]
    account_sid: Option<String>,
    #[serde(default)]
    auth_token: Option<SecretString>,
    #[serde(default)]
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    auth_token_file: Option<PathBuf>,
    #[serde(default)]
    from: Option<String>,
    api_url: String,
}

impl Twilio {
    /// Refuses what Twilio would not take.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        http_url("twilio.api_url", &self.api_url)?;
        let on = trimmed(self.auth_token.as_ref()).is_some();
        let plausible = |sid: &String| !sid.is_empty() && sid.chars().all(|c| c.is_ascii_alphanumeric());
        if on && !self.account_sid.as_ref().is_some_and(plausible) {
            let expected = "is needed when twilio.auth_token is set: the account's id, AC…";
            return Err(ConfigError::invalid("twilio.account_sid", expected));
        }
        let number = |from: &String| from.strip_prefix('+').is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()));
        if !self.from.as_ref().is_none_or(number) {
            return Err(ConfigError::invalid("twilio.from", "expected a number such as +15550100"));
        }
        Ok(())
    }

    /// As the adapter takes it, unless the channel is off. `public`: how the outside reaches us.
    pub(crate) fn adapter(&self, bot: &BotId, public: Option<url::Url>, settle: Duration) -> Option<TwilioConfig> {
        Some(TwilioConfig {
            bot: bot.clone(),
            account_sid: self.account_sid.clone()?,
            auth_token: trimmed(self.auth_token.as_ref())?,
            api_url: self.api_url.clone(),
            url: public,
            from: self.from.clone(),
            settle,
        })
    }
}

/// A secret without the blanks a file may bring; blank is none.
fn trimmed(secret: Option<&SecretString>) -> Option<SecretString> {
    let secret = secret?.expose_secret().trim();
    (!secret.is_empty()).then(|| SecretString::from(secret))
}

/// Channels of which there can be several, by name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Channels {
    pub(crate) webhook: BTreeMap<String, Webhook>,
}

/// A generic webhook.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Webhook {
    secret: Option<SecretString>,
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    secret_file: Option<PathBuf>,
    previous_secret: Option<SecretString>,
    #[allow(dead_code, reason = "read in `sources`; it stands here to be a known key")]
    previous_secret_file: Option<PathBuf>,
    callback_url: Option<String>,
    reply: Option<ReplyBy>,
    sync_timeout: Option<f64>,
    messages_per_minute: u32,
}

/// How long a caller is kept waiting unless configured, in seconds.
const SYNC_TIMEOUT: f64 = 15.0;

impl Channels {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        self.webhook.iter().try_for_each(|(name, webhook)| webhook.validate(name))
    }
}

impl Webhook {
    fn validate(&self, name: &str) -> Result<(), ConfigError> {
        let section = format!("channels.webhook.{name}");
        if !site_key(name) || TAKEN.contains(&name) {
            let taken = TAKEN.join(", ");
            let expected = format!("expected a name of 1 to 64 letters a-z, digits, `-` or `_`, other than {taken}");
            return Err(ConfigError::invalid(&section, expected));
        }
        if self.secret.is_none() {
            let expected = "is needed: whsec_ and the base64 of at least 16 random bytes (or secret_file)";
            return Err(ConfigError::invalid(&format!("{section}.secret"), expected));
        }
        if let Some(url) = &self.callback_url {
            http_url(&format!("{section}.callback_url"), url)?;
        }
        if !(0.1..=60.0).contains(&self.sync_timeout.unwrap_or(SYNC_TIMEOUT)) {
            return Err(ConfigError::invalid(&format!("{section}.sync_timeout"), "expected 0.1 to 60 seconds"));
        }
        Ok(())
    }

    /// As the adapter takes it; `None` without a secret, which validation refuses.
    pub(crate) fn hook(&self, bot: &BotId, name: &str, allowed: &Allowed) -> Option<HookConfig> {
        let by_default = if self.callback_url.is_some() { ReplyBy::Callback } else { ReplyBy::Sync };
        Some(HookConfig {
            bot: bot.clone(),
            name: name.to_owned(),
            secret: self.secret.clone()?,
            previous_secret: self.previous_secret.clone(),
            callback_url: self.callback_url.clone(),
            reply: self.reply.unwrap_or(by_default),
            sync_timeout: Duration::from_secs_f64(self.sync_timeout.unwrap_or(SYNC_TIMEOUT)),
            messages_per_minute: self.messages_per_minute,
            allowed: allowed.clone(),
        })
    }
}
