//! The configuration: typed sections over the documented default file.
//!
//! The defaults are `config/dovvybuddy.toml`, compiled in. Over them go a file named on the command
//! line, `./dovvybuddy.toml`, and the environment; see [`sources`].

mod channels;
pub(crate) mod error;
mod sections;
pub(crate) mod show;
pub(crate) mod sources;
mod validation;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub(crate) use channels::TelegramMode;
pub(crate) use error::ConfigError;
pub(crate) use sections::{Config, EmbeddingProvider, LogFormat};

/// The documented defaults.
pub(crate) const DEFAULTS: &str = include_str!("../../config/dovvybuddy.toml");

/// A loaded configuration, and where its values came from.
pub(crate) struct Loaded {
    /// The typed sections, validated.
    pub(crate) config: Config,
    /// The merged sources, for `config show`.
    pub(crate) figment: figment::Figment,
}

/// Loads, checks and validates.
pub(crate) fn load(file: Option<&Path>) -> Result<Loaded, ConfigError> {
    // A variable that is no text can't be one of ours.
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let figment = sources::merge(file, std::env::vars_os().filter_map(text))?;
    let config: Config = figment.extract().map_err(|e| ConfigError::from_figment(&e))?;
    config.validate()?;
    Ok(Loaded { config, figment })
}

impl Config {
    /// The database's address.
    pub(crate) fn database_address(&self) -> String {
        let default = || format!("sqlite:{}", self.data_dir.join("dovvybuddy.db").display());
        self.database.url.clone().unwrap_or_else(default)
    }

    /// The same configuration for a measurement, which asks as fast as it can.
    pub(crate) fn without_limits(mut self) -> Self {
        self.limits.switch_off();
        self
    }

    /// Whether conversations are kept by a Postgres server.
    pub(crate) fn on_postgres(&self) -> bool {
        self.database.url.as_deref().is_some_and(dovvybuddy_store_postgres::is_postgres)
    }

    /// The database's file, or `None` for one that keeps nothing or has no file of ours.
    pub(crate) fn database_file(&self) -> Option<PathBuf> {
        match self.database.url.as_deref() {
            _ if self.on_postgres() => None,
            None => Some(self.data_dir.join("dovvybuddy.db")),
            Some(url) if url.contains(":memory:") => None,
            Some(url) => {
                let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
                Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
            }
        }
    }
}
