//! Which models there are: `[[llm.models]]` of the configuration, and the key names people already use.

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use crate::chain::{Limits, Member};
use crate::openai::OpenAiModel;

/// One OpenAI-compatible model.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// A short name of your own, for logs and metrics.
    pub name: String,
    /// The address up to and with the version, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// The provider's name of the model.
    pub model: String,
    /// The environment variable that holds the key; none for a server that wants no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// The key itself, as read from a file. Goes before `api_key_env`.
    #[serde(default, skip_serializing)]
    pub api_key: Option<SecretString>,
    /// Seconds until the first words must be there.
    #[serde(default = "first_token", deserialize_with = "read_seconds", serialize_with = "write_seconds")]
    pub first_token_timeout: Duration,
    /// Seconds until the whole answer must be there.
    #[serde(default = "total", deserialize_with = "read_seconds", serialize_with = "write_seconds")]
    pub total_timeout: Duration,
    /// Calls at the same time; more wait a moment, then the next model answers.
    #[serde(default = "concurrency")]
    pub max_concurrency: usize,
    /// Price of a million prompt tokens, in the currency of the caps.
    #[serde(default)]
    pub price_in: f64,
    /// Price of a million answer tokens.
    #[serde(default)]
    pub price_out: f64,
}

const fn first_token() -> Duration {
    Duration::from_secs(8)
}

const fn total() -> Duration {
    Duration::from_secs(30)
}

const fn concurrency() -> usize {
    32
}

fn read_seconds<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(input)?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|d| !d.is_zero())
        .ok_or_else(|| serde::de::Error::custom("expected a number of seconds above 0"))
}

fn write_seconds<S: Serializer>(duration: &Duration, output: S) -> Result<S::Ok, S::Error> {
    output.serialize_f64(duration.as_secs_f64())
}

/// What is wrong with a model's configuration. Never shows a key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The address is no address.
    #[error("llm model \"{name}\": base_url must be an http or https address such as https://api.openai.com/v1")]
    BaseUrl {
        /// The model's name.
        name: String,
    },
    /// A name is missing.
    #[error("llm model \"{name}\": {key} must not be empty")]
    Empty {
        /// The model's name.
        name: String,
        /// The key that is empty.
        key: &'static str,
    },
    /// The variable that should hold the key is not set.
    #[error("llm model \"{name}\": the environment variable {variable} is not set")]
    KeyMissing {
        /// The model's name.
        name: String,
        /// The variable.
        variable: String,
    },
    /// The key has characters that no header can carry.
    #[error("llm model \"{name}\": the key holds characters that can't be sent, such as a line break")]
    KeyUnusable {
        /// The model's name.
        name: String,
    },
    /// A price is negative or no number.
    #[error("llm model \"{name}\": prices must be 0 or more")]
    Price {
        /// The model's name.
        name: String,
    },
    /// No call could ever be made.
    #[error("llm model \"{name}\": max_concurrency must be at least 1")]
    Concurrency {
        /// The model's name.
        name: String,
    },
    /// The client library refused to start.
    #[error("the HTTP client can't be set up")]
    Client,
}

impl ModelConfig {
    /// Refuses what no model could be made of.
    pub fn check(&self) -> Result<(), ConfigError> {
        let name = || self.name.clone();
        for (key, value) in [("name", &self.name), ("model", &self.model)] {
            if value.trim().is_empty() {
                return Err(ConfigError::Empty { name: name(), key });
            }
        }
        if self.max_concurrency == 0 {
            return Err(ConfigError::Concurrency { name: name() });
        }
        if [self.price_in, self.price_out].iter().any(|price| !price.is_finite() || *price < 0.0) {
            return Err(ConfigError::Price { name: name() });
        }
        self.address().map(drop)
    }

    /// Checks the values and makes the model, with `variable` looking up the environment.
    pub fn build(
        &self,
        client: &reqwest::Client,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Member, ConfigError> {
        self.check()?;
        let name = || self.name.clone();
        let key = match (&self.api_key, &self.api_key_env) {
            (Some(key), _) => Some(key.clone()),
            (None, Some(wanted)) => Some(SecretString::from(
                variable(wanted).ok_or_else(|| ConfigError::KeyMissing { name: name(), variable: wanted.clone() })?,
            )),
            (None, None) => None,
        };
        let model = OpenAiModel::new(self, key.as_ref(), client.clone())?;
        Ok(Member::new(
            self.name.clone(),
            std::sync::Arc::new(model),
            Limits { max_concurrency: self.max_concurrency, price_in: self.price_in, price_out: self.price_out },
        ))
    }

    pub(crate) fn address(&self) -> Result<Url, ConfigError> {
        let wrong = || ConfigError::BaseUrl { name: self.name.clone() };
        let base = self.base_url.trim_end_matches('/');
        let url = Url::parse(&format!("{base}/chat/completions")).map_err(|_| wrong())?;
        (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url).ok_or_else(wrong)
    }
}

/// Providers known by the names of their variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// OpenAI, or anything at `OPENAI_BASE_URL`.
    OpenAi,
    /// Groq.
    Groq,
    /// Google's Gemini, at its OpenAI-compatible address.
    Gemini,
    /// OpenRouter.
    OpenRouter,
    /// A local Ollama.
    Ollama,
}

impl Preset {
    /// All of them, in the order they are tried when several keys are set.
    pub const ALL: [Self; 5] = [Self::OpenAi, Self::Groq, Self::Gemini, Self::OpenRouter, Self::Ollama];

    /// Name, address, default model.
    const fn facts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::OpenAi => ("openai", "https://api.openai.com/v1", "gpt-4.1-mini"),
            Self::Groq => ("groq", "https://api.groq.com/openai/v1", "llama-3.3-70b-versatile"),
            Self::Gemini => ("gemini", "https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-flash"),
            Self::OpenRouter => ("openrouter", "https://openrouter.ai/api/v1", "openai/gpt-4.1-mini"),
            Self::Ollama => ("ollama", "http://127.0.0.1:11434/v1", "llama3.1"),
        }
    }

    /// The model this environment configures; `None` when its variables are not set.
    pub fn from_environment(self, variable: impl Fn(&str) -> Option<String>) -> Option<ModelConfig> {
        let (name, address, model) = self.facts();
        let prefix = name.to_uppercase();
        let set = |key: String| variable(&key).filter(|value| !value.trim().is_empty());
        let key = format!("{prefix}_API_KEY");
        let base_url = match self {
            Self::Ollama => ollama_address(&set("OLLAMA_HOST".to_owned())?),
            Self::OpenAi => set("OPENAI_BASE_URL".to_owned()).unwrap_or_else(|| address.to_owned()),
            _ => address.to_owned(),
        };
        let api_key_env = if self == Self::Ollama { None } else { Some(set(key.clone()).map(|_| key)?) };
        Some(ModelConfig {
            name: name.to_owned(),
            base_url,
            model: set(format!("{prefix}_MODEL")).unwrap_or_else(|| model.to_owned()),
            api_key_env,
            api_key: None,
            first_token_timeout: first_token(),
            total_timeout: total(),
            max_concurrency: concurrency(),
            price_in: 0.0,
            price_out: 0.0,
        })
    }
}

impl Preset {
    /// The variable that a field of this model has its value from; without one it has its default.
    pub fn variable_of(self, field: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
        let prefix = self.facts().0.to_uppercase();
        let name = match (field, self) {
            ("base_url", Self::Ollama) => "OLLAMA_HOST".to_owned(),
            ("base_url", Self::OpenAi) => "OPENAI_BASE_URL".to_owned(),
            ("model", _) => format!("{prefix}_MODEL"),
            ("api_key", _) => format!("{prefix}_API_KEY"),
            _ => return None,
        };
        variable(&name).filter(|value| !value.trim().is_empty()).map(|_| name)
    }
}

/// The models of the known variables, in order of preference.
pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Vec<ModelConfig> {
    Preset::ALL.into_iter().filter_map(|preset| preset.from_environment(&variable)).collect()
}

/// `OLLAMA_HOST` is a host, a host with port, or an address; it may also be what the server listens on.
fn ollama_address(host: &str) -> String {
    let host = host.trim().trim_end_matches('/').trim_end_matches("/v1");
    let (scheme, rest) = host.split_once("://").unwrap_or(("http", host));
    let rest = rest.replace("0.0.0.0", "127.0.0.1");
    let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| port.chars().all(|c| c.is_ascii_digit()));
    let port = if has_port || scheme == "https" { "" } else { ":11434" };
    format!("{scheme}://{rest}{port}/v1")
}

/// The HTTP client all models share: no redirects, so that a key never travels to another host.
pub fn http_client() -> Result<reqwest::Client, ConfigError> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .pool_idle_timeout(Duration::from_mins(1))
        .user_agent(concat!("dovvybuddy/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| ConfigError::Client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_variables_make_models_in_order() {
        let vars = |key: &str| match key {
            "GROQ_API_KEY" | "OPENAI_API_KEY" => Some("k".to_owned()),
            "GROQ_MODEL" => Some("m".to_owned()),
            "OLLAMA_HOST" => Some("0.0.0.0".to_owned()),
            "GEMINI_API_KEY" => Some(String::new()),
            _ => None,
        };
        let models = from_environment(vars);
        let names: Vec<&str> = models.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["openai", "groq", "ollama"]);
        assert_eq!(models[1].model, "m");
        assert_eq!(models[2].base_url, "http://127.0.0.1:11434/v1");
        assert!(from_environment(|_| None).is_empty());
    }

    #[test]
    fn a_model_is_read_from_toml_and_its_mistakes_are_named() {
        let text = "name='a'\nbase_url='http://127.0.0.1:1/v1'\nmodel='m'\nfirst_token_timeout=0.5\nprice_in=0.4";
        let config: ModelConfig = toml::from_str(text).unwrap();
        assert_eq!(config.first_token_timeout, Duration::from_millis(500));
        let client = http_client().unwrap();
        assert!(config.build(&client, |_| None).is_ok());
        let broken = ModelConfig { base_url: "ftp://x".into(), ..config.clone() };
        assert_eq!(broken.build(&client, |_| None).err(), Some(ConfigError::BaseUrl { name: "a".into() }));
        let keyless = ModelConfig { api_key_env: Some("NO_KEY".into()), ..config };
        assert!(keyless.build(&client, |_| None).unwrap_err().to_string().contains("NO_KEY"));
        assert!(toml::from_str::<ModelConfig>("name='a'\nbase_url='x'\nmodel='m'\ntotal_timeout=-1").is_err());
    }
}
