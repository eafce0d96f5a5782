//! Where the configuration comes from, and in which order it wins.

use std::path::Path;

use figment::providers::{Format as _, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::DEFAULTS;
use super::error::ConfigError;

/// Keys whose value is never shown and may come from a file (`<key>_file`).
pub(crate) const SECRETS: [&str; 21] = [
    "discord.token",
    "embeddings.api_key",
    "events.webhook_secret",
    "instagram.access_token",
    "instagram.app_secret",
    "instagram.verify_token",
    "leads.smtp_url",
    "leads.webhook_secret",
    "messenger.access_token",
    "messenger.app_secret",
    "messenger.verify_token",
    "metrics.token",
    "telegram.token",
    "telegram.webhook_secret",
    "telemetry.sentry_dsn",
    "twilio.auth_token",
    "whatsapp.access_token",
    "whatsapp.app_secret",
    "whatsapp.verify_token",
    "database.url",
    "database.direct_url",
];

/// Those of them that belong to each generic webhook.
const HOOK_SECRETS: [&str; 2] = ["secret", "previous_secret"];

/// Whether a key's value is never shown.
pub(crate) fn is_secret(key: &str) -> bool {
    let hook = key.strip_prefix("channels.webhook.").and_then(|rest| rest.split_once('.'));
    SECRETS.contains(&key) || hook.is_some_and(|(_, name)| HOOK_SECRETS.contains(&name))
}

/// Every key that may hold a secret in this configuration.
fn secrets(figment: &Figment) -> Vec<String> {
    let hooks = figment.find_value("channels.webhook").ok().and_then(Value::into_dict).unwrap_or_default();
    let of_hooks = hooks.keys().flat_map(|name| HOOK_SECRETS.map(|secret| format!("channels.webhook.{name}.{secret}")));
    SECRETS.iter().map(ToString::to_string).chain(of_hooks.collect::<Vec<_>>()).collect()
}

/// Names people already use, and the keys they mean.
const FAMILIAR: [(&str, &str); 12] = [
    ("DISCORD_TOKEN", "discord.token"),
    ("DATABASE_URL", "database.url"),
    ("TELEGRAM_BOT_TOKEN", "telegram.token"),
    ("TWILIO_ACCOUNT_SID", "twilio.account_sid"),
    ("TWILIO_AUTH_TOKEN", "twilio.auth_token"),
    ("WHATSAPP_ACCESS_TOKEN", "whatsapp.access_token"),
    ("WHATSAPP_APP_SECRET", "whatsapp.app_secret"),
    ("WHATSAPP_PHONE_NUMBER_ID", "whatsapp.phone_number_id"),
    ("WHATSAPP_VERIFY_TOKEN", "whatsapp.verify_token"),
    ("SENTRY_DSN", "telemetry.sentry_dsn"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint"),
    // The Python service's name.
    ("LEAD_EMAIL_TO", "leads.mail_to"),
];

/// Merges the defaults, the files and the environment.
pub(crate) fn merge(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Figment, ConfigError> {
    let defaults = Toml::string(DEFAULTS);
    let mut figment = Figment::from(Named("default", defaults));
    let beside = Some(Path::new("dovvybuddy.toml")).filter(|path| path.is_file());
    for file in file.into_iter().chain(beside) {
        well_formed(file)?;
        figment = figment.merge(Toml::file_exact(file));
    }
    let defaults = Figment::from(Toml::string(DEFAULTS));
    // These two depend on what the other names set, so they come last.
    let mut environment: Vec<_> = environment.collect();
    environment.sort_by_key(|(name, _)| matches!(name.as_str(), "PORT" | "LEAD_EMAIL_TO"));
    for (name, value) in environment {
        if let Some((key, value)) = from_environment(&name, &value, &defaults, &figment)? {
            let value = typed(&key, &value, &defaults)?;
            figment = figment.merge(Named(&format!("environment variable {name}"), Serialized::default(&key, value)));
        }
    }
    secrets_from_files(figment)
}

/// Refuses a file that is no TOML. The parser's own report would quote the line, secrets included.
fn well_formed(file: &Path) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| ConfigError::File(format!("{} can't be read: {error}", file.display())))?;
    toml::from_str::<toml::Table>(&text).map(drop).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ConfigError::File(format!("{}:{line}: this is no TOML", file.display()))
    })
}

/// The key and value an environment variable sets, if it is one of ours.
fn from_environment(
    name: &str,
    value: &str,
    defaults: &Figment,
    so_far: &Figment,
) -> Result<Option<(String, String)>, ConfigError> {
    // The Python service mailed by another way than SMTP; without a server its setting must not stop the start.
    let by_mail = ["leads.smtp_url", "leads.smtp_url_file"].iter().any(|key| so_far.find_value(key).is_ok());
    if name == "LEAD_EMAIL_TO" && !by_mail {
        return Ok(None);
    }
    if let Some((_, key)) = FAMILIAR.iter().find(|(familiar, _)| *familiar == name) {
        return Ok((!value.is_empty()).then(|| ((*key).to_owned(), value.to_owned())));
    }
    if name == "CORS_ORIGINS" {
        // The Python service reads a JSON list as well.
        let list: Result<Vec<String>, _> = serde_json::from_str(value);
        return Ok(Some((
            "http.cors_origins".to_owned(),
            list.map_or_else(|_| value.to_owned(), |list| list.join(",")),
        )));
    }
    if name == "PORT" {
        let port: u16 = value.parse().map_err(|_| ConfigError::invalid("PORT", "expected a port number"))?;
        let bind: String = so_far.extract_inner("http.bind").unwrap_or_default();
        let host = bind.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host);
        return Ok(Some(("http.bind".to_owned(), format!("{host}:{port}"))));
    }
    let Some(key) = name.strip_prefix("DOVVYBUDDY_") else { return Ok(None) };
    // Kubernetes injects `<SERVICE>_PORT=tcp://…` for every service, one named dovvybuddy included.
    let injected =
        name == "DOVVYBUDDY_PORT" || name.starts_with("DOVVYBUDDY_PORT_") || name.starts_with("DOVVYBUDDY_SERVICE_");
    // Read by tests and scripts, not by the configuration.
    let for_tests =
        ["DOVVYBUDDY_FAILPOINT", "DOVVYBUDDY_TEST_MODEL", "DOVVYBUDDY_MODEL_CACHE", "DOVVYBUDDY_POSTGRES_CACHE"]
            .contains(&name);
    if injected || for_tests {
        return Ok(None);
    }
    let key = key.to_lowercase().replace("__", ".");
    let section = key.split('.').next().unwrap_or_default();
    if !key.contains('.') && defaults.find_value(section).is_ok_and(|v| v.as_dict().is_some()) {
        return Err(ConfigError::invalid(name, "names a section; write DOVVYBUDDY_<SECTION>__<KEY>"));
    }
    Ok(Some((key, value.to_owned())))
}

/// Gives an environment variable's text the type its key has by default.
fn typed(key: &str, text: &str, defaults: &Figment) -> Result<Value, ConfigError> {
    let wrong = |expected: &str| ConfigError::invalid(key, format!("expected {expected}"));
    // Sites and webhooks have no defaults to tell the type by.
    let named = key.starts_with("sites.") || key.starts_with("channels.webhook.");
    let like = match (named, key.rsplit('.').next()) {
        (true, Some("sync_timeout")) => "router.margin",
        (true, Some("origins")) => "http.cors_origins",
        (true, Some("messages_per_minute" | "leads_per_minute")) => "limits.ip_per_minute",
        _ => key,
    };
    match defaults.find_value(like) {
        Ok(Value::Array(..)) => Ok(text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(Value::from)
            .collect::<Vec<_>>()
            .into()),
        Ok(Value::Bool(..)) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true.into()),
            "false" | "0" | "no" | "off" | "" => Ok(false.into()),
            _ => Err(wrong("true or false")),
        },
        Ok(Value::Num(_, figment::value::Num::F64(_) | figment::value::Num::F32(_))) => {
            text.trim().parse::<f64>().map(Value::from).map_err(|_| wrong("a number"))
        }
        Ok(Value::Num(..)) => text.trim().parse::<u64>().map(Value::from).map_err(|_| wrong("a whole number")),
        _ if key == "embeddings.dimension" => {
            text.trim().parse::<u64>().map(Value::from).map_err(|_| wrong("a whole number"))
        }
        _ => Ok(Value::from(text)),
    }
}

/// Replaces every `<secret>_file` by the secret it holds.
fn secrets_from_files(mut figment: Figment) -> Result<Figment, ConfigError> {
    for key in secrets(&figment) {
        let key = key.as_str();
        let from = format!("{key}_file");
        let Ok(path) = figment.extract_inner::<String>(&from) else { continue };
        // The environment is the last word, over a file that a configuration names, too.
        if figment.find_metadata(key).is_some_and(|source| source.name.starts_with("environment")) {
            continue;
        }
        let secret = std::fs::read_to_string(&path)
            .map_err(|error| ConfigError::invalid(&from, format!("expected a readable file ({})", error.kind())))?;
        figment = figment.merge(Named(&format!("file {path}"), Serialized::default(key, secret.trim_end())));
    }
    Ok(figment)
}

/// A provider under a name that `config show` can print.
struct Named<'a, P>(&'a str, P);

impl<P: Provider> Provider for Named<'_, P> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0.to_owned())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        self.1.data()
    }
}
