//! Ingestion: the content directories into the knowledge base, only what changed.
//!
//! Documents are known by their hashes. What changed in a directory is published in one write, as its next
//! version; an ingestion that was cut off before has changed nothing and is run again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dovvybuddy_core::clock::Clock;
use dovvybuddy_core::store::{ADOPTED, Document, DocumentState, Edition, KnowledgeBase};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::document;
use crate::error::KnowledgeError;
use crate::index;
use crate::progress::Progress;

/// A larger file is no document.
const LARGEST_FILE: u64 = 2 * 1024 * 1024;
/// Folders nested deeper are not entered.
const DEEPEST: usize = 16;
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

/// A content directory under the name that its documents bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Tells its documents from those of other directories; stays the same when the directory moves.
    pub name: String,
    /// Where it lies.
    pub dir: PathBuf,
    /// Whether other replicas publish from directories of their own: then a document without a file here may
    /// have one there, and stays until it is taken down.
    pub many: bool,
}

impl Root {
    /// A directory under a name, the only one of it.
    pub fn new(name: impl Into<String>, dir: PathBuf) -> Self {
        Self { name: name.into(), dir, many: false }
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

/// A file of a content directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContentFile {
    /// The name of its directory.
    pub(crate) root: String,
    /// Path inside its directory, with forward slashes.
    pub(crate) path: String,
    /// Where it lies.
    pub(crate) file: PathBuf,
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

/// The files of the directories.
pub(crate) struct Listing {
    /// Documents, sorted by path.
    pub(crate) found: Vec<ContentFile>,
    /// What was left out, with the reason.
    pub(crate) skipped: Vec<(String, String)>,
}

/// Finds every document under the directories. Symbolic links that lead outside are not followed.
pub(crate) fn list(roots: &[Root]) -> Result<Listing, KnowledgeError> {
    let mut found = BTreeMap::new();
    let mut skipped = Vec::new();
    for Root { name, dir, .. } in roots {
        let unreadable = |source| KnowledgeError::ContentDirectory { path: dir.clone(), source };
        let real_root = fs::canonicalize(dir).map_err(unreadable)?;
        let mut files = Vec::new();
        walk(&real_root, &real_root, 0, &mut files, &mut skipped).map_err(unreadable)?;
        for file in files {
            let Some(path) = relative(&real_root, &file) else { continue };
            if found.contains_key(&path) {
                let reason = format!("another directory than {} has a document of this path already", dir.display());
                skipped.push((path, reason));
            } else {
                found.insert(path.clone(), ContentFile { root: name.clone(), path, file });
            }
        }
    }
    Ok(Listing { found: found.into_values().collect(), skipped })
}

fn walk(
    root: &Path,
    folder: &Path,
    depth: usize,
    files: &mut Vec<PathBuf>,
    skipped: &mut Vec<(String, String)>,
) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let mut leave_out = |reason: &str| {
            skipped.push((relative(root, &path).unwrap_or_else(|| name.clone().into_owned()), reason.to_owned()));
        };
        if entry.file_type()?.is_symlink() && !fs::canonicalize(&path).is_ok_and(|real| real.starts_with(root)) {
            if is_document(&name) {
                leave_out("is a symbolic link that leads outside");
            }
            continue;
        }
        let metadata = fs::metadata(&path)?;
        if metadata.is_dir() {
            if depth < DEEPEST {
                walk(root, &path, depth + 1, files, skipped)?;
            } else {
                leave_out("is nested too deep");
            }
        } else if metadata.is_file() && is_document(&name) {
            if metadata.len() > LARGEST_FILE {
                leave_out("is larger than 2 MiB");
            } else {
                files.push(path);
            }
        }
    }
    Ok(())
}

fn is_document(name: &str) -> bool {
    let name = name.to_lowercase();
    Path::new(&name).extension().is_some_and(|extension| extension == "md") && name != "readme.md"
}

fn relative(root: &Path, file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root).ok()?;
    let parts: Vec<_> = inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::clock::SystemClock;

    use super::*;
    use crate::memory::MemoryKnowledgeBase;
    use crate::progress::Silent;

    async fn run(store: &MemoryKnowledgeBase, root: &Path) -> IngestReport {
        run_roots(store, &[content(root)]).await
    }

    async fn run_roots(store: &MemoryKnowledgeBase, roots: &[Root]) -> IngestReport {
        ingest(store, roots, Mode::Changed, &SystemClock, &Silent, &CancellationToken::new()).await.unwrap()
    }

    fn content(dir: &Path) -> Root {
        Root::new("content", dir.to_owned())
    }

    async fn held(store: &MemoryKnowledgeBase) -> Vec<(String, String)> {
        store.documents().await.unwrap().into_iter().map(|state| (state.root, state.path)).collect()
    }

    fn write(root: &Path, path: &str, text: &str) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[tokio::test]
    async fn only_what_changed_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = MemoryKnowledgeBase::new();
        write(folder.path(), "safety/no-fly.md", "# No-fly times\n\nWait 18 hours.\n");
        write(folder.path(), "safety/ears.md", "# Ears\n\nEqualise early.\n");
        write(folder.path(), "README.md", "# About this folder\n\nNot content.\n");
        let first = run(&store, folder.path()).await;
        assert_eq!(first.added, ["safety/ears.md", "safety/no-fly.md"]);

        write(folder.path(), "safety/ears.md", "# Ears\n\nEqualise early and often.\n");
        let second = run(&store, folder.path()).await;
        assert_eq!((second.changed.as_slice(), second.unchanged), (["safety/ears.md".to_owned()].as_slice(), 1));

        fs::remove_file(folder.path().join("safety/no-fly.md")).unwrap();
        let third = run(&store, folder.path()).await;
        assert_eq!(third.removed, ["safety/no-fly.md"]);
        assert_eq!(store.documents().await.unwrap().len(), 1);
        assert!(!run(&store, folder.path()).await.changed_anything());
    }

    #[tokio::test]
    async fn a_broken_file_is_named_and_its_earlier_version_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = MemoryKnowledgeBase::new();
        write(folder.path(), "a.md", "---\ntitle: A\n---\nWords.\n");
        run(&store, folder.path()).await;
        write(folder.path(), "a.md", "---\ntitle: [A\n---\nWords.\n");
        write(folder.path(), "b.md", "---\ntitle: B\n---\nWords.\n");
        let report = run(&store, folder.path()).await;
        assert_eq!(report.added, ["b.md"]);
        assert_eq!(report.skipped.len(), 1);
        assert_eq!(report.skipped[0].0, "a.md");
        assert_eq!(store.documents().await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_missing_directory_removes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = MemoryKnowledgeBase::new();
        write(folder.path(), "a.md", "# A\n\nWords.\n");
        run(&store, folder.path()).await;
        let gone = [content(&folder.path().join("nowhere"))];
        let result = ingest(&store, &gone, Mode::Changed, &SystemClock, &Silent, &CancellationToken::new()).await;
        assert!(matches!(result, Err(KnowledgeError::ContentDirectory { .. })));
        assert_eq!(store.documents().await.unwrap().len(), 1);
    }

    /// A command that reads the content alone, beside a daemon that serves the demo too, and back.
    #[tokio::test]
    async fn what_is_gone_is_gone_from_its_own_directory_only() {
        let (folder, demo) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = MemoryKnowledgeBase::new();
        write(folder.path(), "a.md", "# A\n\nWords.\n");
        write(demo.path(), "prices.md", "# Prices\n\nWords.\n");
        let both = [content(folder.path()), Root::new("demo", demo.path().to_owned())];
        run_roots(&store, &both).await;
        assert!(!run(&store, folder.path()).await.changed_anything());
        assert!(!run_roots(&store, &both).await.changed_anything());

        fs::remove_file(folder.path().join("a.md")).unwrap();
        assert_eq!(run(&store, folder.path()).await.removed, ["a.md"]);
        assert_eq!(held(&store).await, [("demo".into(), "prices.md".into())]);

        // The content brings a document of that path itself: the same words, but its own now.
        write(folder.path(), "prices.md", "# Prices\n\nWords.\n");
        run(&store, folder.path()).await;
        assert_eq!(held(&store).await, [("content".into(), "prices.md".into())]);
        assert_eq!(stale(&store, &[content(folder.path())]).await.unwrap(), Vec::<String>::new());
    }

    /// Two replicas that publish the operator's answers, each with a directory of its own.
    #[tokio::test]
    async fn what_another_replica_published_stays_until_it_is_taken_down() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = MemoryKnowledgeBase::new();
        let shared = |dir: &Path| Root { many: true, ..Root::new("operator", dir.to_owned()) };
        write(one.path(), "operator/scooters.md", "# Scooters\n\nWords.\n");
        run_roots(&store, &[shared(one.path())]).await;
        write(other.path(), "operator/hours.md", "# Hours\n\nWords.\n");
        let report = run_roots(&store, &[shared(other.path())]).await;
        assert_eq!((report.added.len(), report.removed.len()), (1, 0));
        take_down(&store, &shared(other.path()), "operator/scooters.md", &SystemClock).await.unwrap();
        assert_eq!(held(&store).await, [("operator".into(), "operator/hours.md".into())]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_that_leads_outside_is_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        write(outside.path(), "secret.md", "# Secret\n\nWords.\n");
        write(folder.path(), "a.md", "# A\n\nWords.\n");
        std::os::unix::fs::symlink(outside.path(), folder.path().join("linked")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.md"), folder.path().join("b.md")).unwrap();
        let store = MemoryKnowledgeBase::new();
        let report = run(&store, folder.path()).await;
        assert_eq!(report.added, ["a.md"]);
        assert_eq!(report.skipped[0].0, "b.md");
    }

    #[tokio::test]
    async fn a_stopped_ingestion_goes_on_when_run_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = MemoryKnowledgeBase::new();
        write(folder.path(), "a.md", "# A\n\nWords.\n");
        let stop = CancellationToken::new();
        stop.cancel();
        let stopped = ingest(&store, &[content(folder.path())], Mode::Changed, &SystemClock, &Silent, &stop).await;
        assert!(matches!(stopped, Err(KnowledgeError::Stopped)));
        assert_eq!(run(&store, folder.path()).await.added, ["a.md"]);
    }
}
