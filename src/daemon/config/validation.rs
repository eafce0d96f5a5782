//! What a configuration must hold that types alone can't say.

use dovvybuddy_core::Lang;
use dovvybuddy_store_postgres::is_postgres;
use secrecy::ExposeSecret;

use super::ConfigError;
use super::sections::{Config, EmbeddingProvider};

impl Config {
    /// Checks every section; the error names the key and what it expects.
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
