//! Ingestion: the content directories into the knowledge base, only what changed.
//!
//! Documents are known by their hashes. What changed in a directory is published in one write, as its next
//! version; an ingestion that was cut off before has changed nothing and is run again.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::Arc;

use dovvybuddy_core::clock::Clock;
use dovvybuddy_core::store::{ADOPTED, Document, DocumentState, Edition, KnowledgeBase};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::document;
use crate::error::KnowledgeError;
use crate::index;
use crate::listing::{ContentFile, Root, list};
use crate::progress::Progress;

/// Documents read at a time, between looks at whether to stop.
const BATCH: usize = 64;

/// What an ingestion did, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IngestReport {
    /// New documents.
    pub added: Vec<String>,
    /// Documents whose file or cutting changed.
    pub changed: Vec<String>,
    /// Documents whose file is gone.
    pub removed: Vec<String>,
    /// How many documents stayed as they were.
    pub unchanged: usize,
    /// Files left out, with the reason. An earlier version of such a file stays searchable.
    pub skipped: Vec<(String, String)>,
    /// What was inferred or understood with good will, by path.
    pub warnings: Vec<(String, String)>,
    /// Roots whose files are a version that was rolled back: they were left as they are.
    pub withdrawn: Vec<String>,
}

impl IngestReport {
    /// Whether the knowledge base is another one now.
    pub fn changed_anything(&self) -> bool {
        !(self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty())
    }

    /// Adds what was done for one root.
    fn take(&mut self, other: Self) {
        self.added.extend(other.added);
        self.changed.extend(other.changed);
        self.removed.extend(other.removed);
        self.unchanged += other.unchanged;
        self.skipped.extend(other.skipped);
        self.warnings.extend(other.warnings);
        self.withdrawn.extend(other.withdrawn);
    }
}

/// Whether a document is read from one of the roots, or belongs to no directory at all.
fn belongs(state: &DocumentState, roots: &[Root]) -> bool {
    state.root.is_empty() || roots.iter().any(|root| root.name == state.root)
}

/// Whether a document is searched where these roots are.
pub(crate) fn is_searched(state: &DocumentState, roots: &[Root]) -> bool {
    state.root == ADOPTED || belongs(state, roots)
}

/// Whether a document without a file here may have one with another replica.
fn may_lie_elsewhere(state: &DocumentState, roots: &[Root]) -> bool {
    roots.iter().any(|root| root.many && root.name == state.root)
}

/// What is known of the roots' documents, by path.
type Known = HashMap<String, DocumentState>;

async fn known(store: &dyn KnowledgeBase, roots: &[Root]) -> Result<Known, KnowledgeError> {
    let states = store.documents().await?.into_iter();
    Ok(states.filter(|state| belongs(state, roots)).map(|state| (state.path.clone(), state)).collect())
}

/// How thoroughly content is brought up to date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// What changed; files of a version that was rolled back stay out until they change.
    #[default]
    Changed,
    /// What changed, also when that brings back a version that was rolled back.
    Again,
    /// Every document anew, likewise.
    Full,
}

/// Brings the knowledge base up to date with the directories; each root's changes become one version.
/// Documents of other roots stay: another process may serve them. Nothing is removed when a directory
/// can't be listed.
pub async fn ingest(
    store: &dyn KnowledgeBase,
    roots: &[Root],
    mode: Mode,
    clock: &dyn Clock,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<IngestReport, KnowledgeError> {
    let mut report = IngestReport::default();
    let listed = roots.to_vec();
    let files = tokio::task::spawn_blocking(move || list(&listed)).await??;
    report.skipped = files.skipped;
    let known = Arc::new(known(store, roots).await?);
    let mut gone = gone(&known, &files.found, &report);
    gone.retain(|state| !may_lie_elsewhere(state, roots));

    progress.begin("reading documents", u64::try_from(files.found.len()).unwrap_or(u64::MAX));
    let mut files = files.found;
    for (at, root) in roots.iter().enumerate() {
        let (ours, others) = files.into_iter().partition(|file| file.root == root.name);
        files = others;
        // What came from no directory goes with the first that is read.
        let owns = |name: &str| name == root.name || (at == 0 && name.is_empty());
        let removed = gone.iter().filter(|state| owns(&state.root)).map(|state| state.path.clone()).collect();
        let edition = Edition { root: root.name.clone(), removed, ..Edition::default() };
        let result = publish(store, edition, ours, &known, mode, clock, progress, stop, &mut report).await;
        if result.is_err() {
            progress.end();
            result?;
        }
    }
    progress.end();
    Ok(report)
}

/// Removes a document of a root, whose file is gone or about to go.
pub(crate) async fn take_down(
    store: &dyn KnowledgeBase,
    root: &Root,
    path: &str,
    clock: &dyn Clock,
) -> Result<(), KnowledgeError> {
    let known = known(store, std::slice::from_ref(root)).await?;
    let mut edition = Edition { root: root.name.clone(), removed: vec![path.to_owned()], ..Edition::default() };
    edition.version = version_after(&edition, &known);
    Ok(store.publish(&edition, clock.now()).await?)
}

/// The known documents whose file is gone.
fn gone(known: &Known, files: &[ContentFile], report: &IngestReport) -> Vec<DocumentState> {
    let there: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let unreadable: HashSet<&str> = report.skipped.iter().map(|(path, _)| path.as_str()).collect();
    let is_gone = |path: &str| !there.contains(path) && !unreadable.contains(path);
    let mut gone: Vec<DocumentState> = known.values().filter(|state| is_gone(&state.path)).cloned().collect();
    gone.sort_by(|a, b| a.path.cmp(&b.path));
    gone
}

/// Reads what changed of one root and publishes it as its next version.
#[allow(clippy::too_many_arguments, reason = "the parts of one loop, used once")]
async fn publish(
    store: &dyn KnowledgeBase,
    mut edition: Edition,
    files: Vec<ContentFile>,
    known: &Arc<Known>,
    mode: Mode,
    clock: &dyn Clock,
    progress: &dyn Progress,
    stop: &CancellationToken,
    report: &mut IngestReport,
) -> Result<(), KnowledgeError> {
    let versions = store.versions(&edition.root).await?;
    // Without a version nothing is kept that a rollback could return to.
    let full = mode == Mode::Full || !versions.iter().any(|version| version.live);
    let mut changes = IngestReport { removed: edition.removed.clone(), ..IngestReport::default() };
    let mut rest = files;
    while !rest.is_empty() {
        if stop.is_cancelled() {
            return Err(KnowledgeError::Stopped);
        }
        let later = rest.split_off(rest.len().min(BATCH));
        let batch = std::mem::replace(&mut rest, later);
        let done = batch.len();
        let hashes = Arc::clone(known);
        let read = tokio::task::spawn_blocking(move || {
            batch.iter().map(|file| (file.path.clone(), read_file(file, &hashes, full))).collect::<Vec<_>>()
        });
        edition.put.extend(sort_out(read.await?, known, &mut changes));
        progress.advance(u64::try_from(done).unwrap_or(0));
    }
    edition.version = version_after(&edition, known);
    let withdrawn = versions.iter().take_while(|version| !version.live).any(|v| v.version == edition.version);
    if withdrawn && mode == Mode::Changed {
        report.withdrawn.push(edition.root);
        return Ok(());
    }
    if changes.changed_anything() {
        store.publish(&edition, clock.now()).await?;
    }
    report.take(changes);
    Ok(())
}

/// The name of the version that the root is in after the edition.
fn version_after(edition: &Edition, known: &Known) -> String {
    let put = edition.put.iter().map(|document| (document.path.as_str(), document.hash.as_str()));
    let replaced: HashSet<&str> = edition
        .put
        .iter()
        .map(|document| document.path.as_str())
        .chain(edition.removed.iter().map(String::as_str))
        .collect();
    let stays = known.values().filter(|state| state.root == edition.root && !replaced.contains(state.path.as_str()));
    index::digest(put.chain(stays.map(|state| (state.path.as_str(), state.hash.as_str()))).collect())
}

/// Files that differ from what was ingested, sorted. Empty when a directory can't be read.
pub(crate) async fn stale(store: &dyn KnowledgeBase, roots: &[Root]) -> Result<Vec<String>, KnowledgeError> {
    let mut known = known(store, roots).await?;
    let roots = roots.to_vec();
    let compare = move || {
        let Ok(listing) = list(&roots) else { return Vec::new() };
        let mut stale = Vec::new();
        for file in listing.found {
            let bytes = fs::read(&file.file).ok();
            let known = known.remove(&file.path);
            if !known.zip(bytes).is_some_and(|(known, bytes)| is_same(&known, &file, &bytes)) {
                stale.push(file.path);
            }
        }
        stale.extend(known.into_values().filter(|state| !may_lie_elsewhere(state, &roots)).map(|state| state.path));
        stale.sort();
        stale
    };
    Ok(tokio::task::spawn_blocking(compare).await?)
}

enum ReadFile {
    Unchanged,
    Read(Box<Document>, Vec<String>),
    Skipped(String),
}

fn is_same(state: &DocumentState, file: &ContentFile, bytes: &[u8]) -> bool {
    state.root == file.root && state.hash == document::document_hash(bytes)
}

fn read_file(file: &ContentFile, known: &Known, full: bool) -> ReadFile {
    let bytes = match fs::read(&file.file) {
        Ok(bytes) => bytes,
        Err(error) => return ReadFile::Skipped(format!("can't be read: {error}")),
    };
    if !full && known.get(&file.path).is_some_and(|state| is_same(state, file, &bytes)) {
        return ReadFile::Unchanged;
    }
    let Ok(text) = String::from_utf8(bytes) else { return ReadFile::Skipped("is not UTF-8 text".to_owned()) };
    match document::read(&file.path, &text) {
        Ok((document, warnings)) => {
            ReadFile::Read(Box::new(Document { root: file.root.clone(), ..document }), warnings)
        }
        Err(error) => ReadFile::Skipped(error.to_string()),
    }
}

fn sort_out(read: Vec<(String, ReadFile)>, known: &Known, report: &mut IngestReport) -> Vec<Document> {
    let mut documents = Vec::new();
    for (path, outcome) in read {
        match outcome {
            ReadFile::Unchanged => report.unchanged += 1,
            ReadFile::Skipped(reason) => {
                tracing::warn!(path, reason, "a document was left out");
                report.skipped.push((path, reason));
            }
            ReadFile::Read(document, warnings) => {
                report.warnings.extend(warnings.into_iter().map(|warning| (path.clone(), warning)));
                if known.contains_key(&path) {
                    report.changed.push(path);
                } else {
                    report.added.push(path);
                }
                documents.push(*document);
            }
        }
    }
    documents
}

#[cfg(test)]
mod tests;
