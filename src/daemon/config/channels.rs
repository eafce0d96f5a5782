//! The channels' sections.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::ConfigError;
use super::sections::http_url;

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
        let token = self.token.as_ref()?.expose_secret().trim();
        (!token.is_empty()).then(|| SecretString::from(token))
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
        let token = self.token.as_ref()?.expose_secret().trim();
        (!token.is_empty()).then(|| SecretString::from(token))
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
