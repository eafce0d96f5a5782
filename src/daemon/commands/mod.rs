//! The commands, one file each.

mod content;
mod conversation;
mod data;
mod doctor;
mod eval;
mod keys;
mod leads;
mod model;
mod serve;
mod settings;
mod transfer;
mod webhooks;

use std::process::ExitCode;
use std::sync::Arc;

use dovvybuddy_core::BotId;
use dovvybuddy_core::store::{Store, StoreError};

use crate::cli::{Cli, Command, Config as ConfigCommand, Serve};
use crate::compose::ComposeError;
use crate::config::{Config, ConfigError, Loaded};
use crate::output;
use crate::telemetry::TelemetryError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The configuration can't be used.
    #[error("the configuration can't be used: {0}")]
    Config(#[from] ConfigError),
    /// Logs, traces or metrics can't be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// A part can't be built.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The knowledge refused.
    #[error(transparent)]
    Knowledge(#[from] dovvybuddy_knowledge::KnowledgeError),
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// What was asked for makes no sense, in a sentence for people.
    #[error("{0}")]
    WrongUse(String),
    /// Anything else, in a sentence for people.
    #[error("{0}")]
    Failed(String),
}

impl CommandError {
    /// A file that can't be read or written.
    pub(crate) fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }

    /// A stable word for programs, as the API's errors have one.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Compose(ComposeError::Store(_)) | Self::Store(_) => "STORE_UNAVAILABLE",
            Self::Config(_) | Self::Compose(_) => "CONFIGURATION_ERROR",
            Self::WrongUse(_) => "VALIDATION_ERROR",
            Self::Telemetry(_) | Self::Knowledge(_) | Self::File { .. } | Self::Failed(_) => "FAILED",
        }
    }

    /// What the process says by ending.
    pub(crate) fn exit(&self) -> ExitCode {
        if matches!(self, Self::WrongUse(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
    }
}

type Outcome = Result<ExitCode, CommandError>;

/// Runs what the command line asks for.
pub(crate) async fn run(cli: Cli) -> ExitCode {
    let json = cli.json;
    dispatch(cli).await.unwrap_or_else(|error| {
        if json {
            output::json(&failure(&error));
        }
        output::failed(&error);
        error.exit()
    })
}

/// A failure as a document, in the form of the API's errors.
fn failure(error: &CommandError) -> serde_json::Value {
    serde_json::json!({ "error": output::with_causes(error), "code": error.code() })
}

async fn dispatch(cli: Cli) -> Outcome {
    let json = cli.json;
    let command = cli.command.unwrap_or_else(|| Command::Serve(Serve::default()));
    if let Command::Openapi = command {
        output::json(&dovvybuddy_web::openapi());
        return Ok(ExitCode::SUCCESS);
    }
    let loaded = crate::config::load(cli.config.as_deref())?;
    let config = &loaded.config;
    let quiet = !matches!(command, Command::Serve(_));
    let _telemetry = crate::telemetry::start(config, quiet)?;
    match command {
        Command::Serve(options) => serve::run(&loaded, cli.config.as_deref(), options).await,
        Command::Ask(options) => conversation::ask(config, &options, json).await,
        Command::Chat(options) => conversation::chat(config, &options, json).await,
        Command::Content(what) => content::run(config, what, json).await,
        Command::Eval(what) => eval::run(config, what, json).await,
        Command::Doctor => doctor::run(config, json).await,
        Command::Config(what) => configuration(&loaded, &what, json),
        Command::Keys(what) => keys::run(config, what, json).await,
        Command::Export(subject) => data::export(config, &subject).await,
        Command::Erase(options) => data::erase(config, &options, json).await,
        Command::Leads(what) => leads::run(config, what, json).await,
        Command::Webhooks(what) => webhooks::run(config, what, json).await,
        Command::Backup { file } => data::backup(config, &file, json).await,
        Command::Restore { file } => data::restore(config, &file, json).await,
        Command::Migrate(options) => match options.from {
            Some(from) => transfer::run(config, &from, options.to.as_deref(), json).await,
            None => data::migrate(config, json).await,
        },
        Command::Model(what) => model::run(config, what, json).await,
        Command::Openapi => Ok(ExitCode::SUCCESS),
    }
}

fn configuration(loaded: &Loaded, what: &ConfigCommand, json: bool) -> Outcome {
    if let ConfigCommand::Show = what {
        settings::show(loaded, json);
        return Ok(ExitCode::SUCCESS);
    }
    // Loading it was half of the check; the other half is what only its user can judge.
    crate::compose::outlets(&loaded.config)?;
    crate::compose::hooks(&loaded.config)?;
    crate::compose::models(&loaded.config)?;
    output::told(json, &serde_json::json!({ "valid": true }), "The configuration can be used.");
    Ok(ExitCode::SUCCESS)
}

/// The store for a command that only reads: the schema stays as it is, and one that does not fit is told.
/// Where there is no database file yet an empty one is made: then nothing is held, which is an answer and no error.
async fn open_store_to_read(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    let fresh = !config.on_postgres() && config.database_file().is_none_or(|file| !file.exists());
    crate::compose::store(config, false, fresh).await
}

/// The store for a command that writes beside the daemon.
async fn open_store(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    crate::compose::store(config, false, true).await
}

fn bot(config: &Config) -> BotId {
    BotId::new(config.bot.clone())
}
