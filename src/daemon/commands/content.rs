//! `content`: check, ingest, status.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;

use dovvybuddy_core::SystemClock;
use dovvybuddy_knowledge::{IngestReport, Knowledge, Mode, Progress};
use indicatif::ProgressBar;
use tokio_util::sync::CancellationToken;

use super::{CommandError, Outcome, open_store, open_store_to_read};
use crate::cli::Content;
use crate::compose;
use crate::config::Config;
use crate::output;

pub(crate) async fn run(config: &Config, what: Content, json: bool) -> Outcome {
    match what {
        Content::Check { dir } => check(dir.as_deref().unwrap_or(&config.content_dir), json),
        Content::Ingest { dir, full } => ingest(config, dir, full, json).await,
        Content::Status => status(config, json).await,
        Content::Rollback => roll_back(config, json).await,
    }
}

fn check(dir: &Path, json: bool) -> Outcome {
    if !dir.is_dir() {
        return Err(CommandError::Failed(format!("{} is no directory", dir.display())));
    }
    let report = dovvybuddy_knowledge::check::check(&[dir.to_owned()], &SystemClock)?;
    if json {
        output::json(&report);
    } else {
        for finding in &report.findings {
            output::line(finding.to_string());
        }
        let warnings = report.findings.len() - report.errors();
        output::note(format!("{} documents, {} errors, {warnings} warnings", report.documents, report.errors()));
    }
    Ok(if report.errors() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn ingest(config: &Config, dir: Option<PathBuf>, full: bool, json: bool) -> Outcome {
    let config = match dir {
        Some(dir) if !dir.is_dir() => return Err(CommandError::Failed(format!("{} is no directory", dir.display()))),
        Some(dir) => &Config { content_dir: dir, ..config.clone() },
        None => config,
    };
    let store = open_store(config).await?;
    let knowledge = compose::knowledge(config, store, false).await?;
    let mode = if full { Mode::Full } else { Mode::Again };
    let report = bring_up_to_date(&knowledge, mode).await?;
    if json {
        output::json(&report);
    } else {
        for (path, warning) in &report.warnings {
            output::note(format!("warning: {path}: {warning}"));
        }
        output::line(format!(
            "{} added, {} changed, {} removed, {} unchanged, {} left out",
            report.added.len(),
            report.changed.len(),
            report.removed.len(),
            report.unchanged,
            report.skipped.len()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(config: &Config, json: bool) -> Outcome {
    let store = open_store_to_read(config).await?;
    let status = compose::knowledge(config, store, false).await?.status().await?;
    if json {
        output::json(&status);
        return Ok(ExitCode::SUCCESS);
    }
    let model = status.model.as_deref().unwrap_or("none; the search goes by words");
    let rows = [
        ("content version", status.version.clone()),
        ("documents", status.documents.to_string()),
        ("passages", status.passages.to_string()),
        ("embedding model", model.to_owned()),
        ("embedded", format!("{} of {}", status.embedded, status.passages)),
        ("stale", status.stale.len().to_string()),
    ];
    output::table(&rows.map(|(name, value)| vec![name.to_owned(), value]));
    for path in &status.stale {
        output::line(format!("  {path}"));
    }
    for version in &status.versions {
        let state = match (version.live, version.withdrawn_at) {
            (true, _) => "live".to_owned(),
            (false, Some(at)) => format!("withdrawn {}", at.to_rfc3339()),
            (false, None) => String::new(),
        };
        let (name, documents, at) = (&version.version, version.documents, version.published_at.to_rfc3339());
        output::line(format!("  version {name}  {at}  {documents} documents  {state}"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn roll_back(config: &Config, json: bool) -> Outcome {
    let store = open_store(config).await?;
    let knowledge = compose::knowledge(config, store, false).await?;
    let Some(live) = knowledge.roll_back().await? else {
        return Err(CommandError::Failed("there is no earlier version of the content to return to".to_owned()));
    };
    if json {
        output::json(&live);
    } else {
        let (name, documents, at) = (&live.version, live.documents, live.published_at.to_rfc3339());
        output::line(format!("version {name}, published {at}, {documents} documents, is live again"));
        output::note("the files stay as they are: mend them, or `dovvybuddy content ingest` publishes them again");
    }
    Ok(ExitCode::SUCCESS)
}

/// Ingests what changed and makes the missing vectors, showing progress.
pub(crate) async fn bring_up_to_date(knowledge: &Knowledge, mode: Mode) -> Result<IngestReport, CommandError> {
    let bars = Bars::default();
    let stop = CancellationToken::new();
    let report = knowledge.ingest(mode, &bars, &stop).await?;
    for (path, reason) in &report.skipped {
        output::note(format!("left out: {path}: {reason}"));
    }
    if !report.withdrawn.is_empty() {
        output::note("the files are a version that was rolled back; `dovvybuddy content ingest` publishes it again");
    }
    if let Err(error) = knowledge.embed_missing(&bars, &stop).await {
        output::note(format!("without embeddings, by words alone: {error}"));
    } else {
        knowledge.wait_until_ready().await?;
    }
    Ok(report)
}

/// Progress as bars on a terminal, as plain lines elsewhere, and nothing at all for what is quick.
#[derive(Default)]
pub(crate) struct Bars(Mutex<Option<ProgressBar>>);

/// Fewer steps than this are done before anyone could read about them.
const WORTH_SHOWING: u64 = 16;

impl Progress for Bars {
    fn begin(&self, what: &str, total: u64) {
        if total >= WORTH_SHOWING {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(output::bar(what, total));
        }
    }

    fn advance(&self, by: u64) {
        if let Some(bar) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.inc(by);
        }
    }

    fn end(&self) {
        if let Some(bar) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }
}
