//! `export`, `erase`, `backup`, `restore`, `migrate`: the data itself.

use std::path::Path;
use std::process::ExitCode;

use dovvybuddy_core::store::Subject;
use dovvybuddy_core::{ChannelId, DiverKey, SessionId};

use super::{CommandError, Outcome, bot, open_store, open_store_to_read};
use crate::cli;
use crate::config::Config;
use crate::output;

pub(crate) async fn export(config: &Config, who: &cli::Subject) -> Outcome {
    let store = open_store_to_read(config).await?;
    match store.export(&subject(config, who)?).await? {
        Some(held) => {
            output::json(&held);
            Ok(ExitCode::SUCCESS)
        }
        None => Err(nothing_held()),
    }
}

pub(crate) async fn erase(config: &Config, options: &cli::Erase, json: bool) -> Outcome {
    let store = open_store(config).await?;
    let rows = store.erase(&subject(config, &options.subject)?, options.leads).await?;
    // Cleans the files, however large they are.
    store.close().await?;
    if rows == 0 {
        return Err(nothing_held());
    }
    output::told(json, &serde_json::json!({ "erased_rows": rows }), &format!("Erased: {rows} rows."));
    Ok(ExitCode::SUCCESS)
}

fn nothing_held() -> CommandError {
    CommandError::Failed("nothing is held under that name".to_owned())
}

fn subject(config: &Config, who: &cli::Subject) -> Result<Subject, CommandError> {
    if let (Some(channel), Some(user)) = (&who.channel, &who.user) {
        return Ok(Subject::Diver(DiverKey {
            bot: bot(config),
            channel: ChannelId::new(channel.clone()),
            account: who.account.clone(),
            user: user.clone(),
        }));
    }
    let id = who.session.as_deref().and_then(SessionId::parse);
    let id = id.ok_or_else(|| CommandError::Failed("a session id is a lower-case UUID".to_owned()))?;
    Ok(Subject::Session(bot(config), id))
}

pub(crate) async fn backup(config: &Config, file: &Path, json: bool) -> Outcome {
    if file.exists() {
        return Err(CommandError::Failed(format!("{} exists already; a backup never overwrites", file.display())));
    }
    if config.on_postgres() {
        return Err(servers_own("pg_dump --format=custom --file=FILE DATABASE_URL"));
    }
    let Some(database) = config.database_file() else {
        return Err(CommandError::Failed("an in-memory database can't be copied by another process".to_owned()));
    };
    let bar = output::spinner("Copying the database");
    dovvybuddy_store_sqlite::backup(&database, file).await?;
    bar.finish_and_clear();
    let document = serde_json::json!({ "backup": file });
    output::told(json, &document, &format!("The copy is {}.", file.display()));
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn restore(config: &Config, file: &Path, json: bool) -> Outcome {
    if config.on_postgres() {
        return Err(servers_own("pg_restore --clean --if-exists --dbname=DATABASE_URL FILE"));
    }
    let Some(database) = config.database_file() else {
        return Err(CommandError::Failed("an in-memory database can't be restored".to_owned()));
    };
    let bar = output::spinner("Checking and restoring the database");
    dovvybuddy_store_sqlite::restore(file, &database).await?;
    bar.finish_and_clear();
    let document = serde_json::json!({ "restored": file, "database": database });
    output::told(json, &document, &format!("{} is in its place at {}.", file.display(), database.display()));
    Ok(ExitCode::SUCCESS)
}

/// Copies of a Postgres database are its server's tools' to make.
fn servers_own(command: &str) -> CommandError {
    let why = "backup and restore are for the embedded database; this one is kept by a Postgres server";
    CommandError::Failed(format!("{why}. Use `{command}`, see docs/scaling.md"))
}

pub(crate) async fn migrate(config: &Config, json: bool) -> Outcome {
    let store = open_store(config).await?;
    let schema = store.schema().await?;
    let document = serde_json::json!({ "schema_version": schema.version, "oldest_program": schema.oldest_program });
    let sentence = format!(
        "The schema is at version {}, for programs that know {} or later.",
        schema.version, schema.oldest_program
    );
    output::told(json, &document, &sentence);
    Ok(ExitCode::SUCCESS)
}
