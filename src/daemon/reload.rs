//! Prompts, content and limits are taken over while the daemon runs: when their files change, and on SIGHUP.
//!
//! Files are looked at every two seconds instead of being subscribed to. A mounted configuration of Kubernetes
//! changes by a link that is turned to another directory, and network disks tell nobody of changes elsewhere: a
//! subscription misses both, and a look at some hundred files costs a millisecond. A change is taken over once two
//! looks in a row saw the same, so that nobody reads a tree that is still being copied.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dovvybuddy_core::limit::Dial;
use dovvybuddy_knowledge::{Knowledge, Mode, Silent};
use dovvybuddy_web::{Rates, WebState};
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use crate::compose::{self, Minds};
use crate::config::{self, Config, Loaded, show};

const LOOK: Duration = Duration::from_secs(2);
/// Folders nested deeper are not looked at; ingestion does not enter them either.
const DEEPEST: usize = 16;
/// What can change while the daemon runs.
const CHANGEABLE: &str = "limits.";

/// Takes over what changed.
pub(crate) struct Reloader {
    /// The file that the command line names.
    pub(crate) file: Option<PathBuf>,
    /// The configuration in use.
    pub(crate) config: Config,
    /// Its values as they were told last, by key.
    pub(crate) told: BTreeMap<String, String>,
    /// What speaks and decides.
    pub(crate) minds: Minds,
    /// What is searched.
    pub(crate) knowledge: Arc<Knowledge>,
    /// The limit of one diver.
    pub(crate) diver_quota: Arc<Dial>,
    /// The limits per address.
    pub(crate) web: WebState,
}

/// What the files looked like.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    config: u64,
    prompts: u64,
    content: u64,
}

/// What is to be read again.
#[derive(Debug, Clone, Copy)]
struct What {
    config: bool,
    minds: bool,
    content: bool,
}

impl Reloader {
    /// Looks and listens until `stop`.
    pub(crate) async fn run(mut self, mut hangup: Signal, stop: CancellationToken) {
        let mut taken_over = self.look().await;
        let mut before = taken_over.clone();
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let now = self.look().await;
            let settled = now == before;
            before.clone_from(&now);
            let what = if asked {
                tracing::info!("asked to read configuration, prompts and content again");
                What { config: true, minds: true, content: true }
            } else if settled && now != taken_over {
                let content = now.content != taken_over.content;
                // Emergency replies are part of the content.
                let minds = content || now.prompts != taken_over.prompts;
                What { config: now.config != taken_over.config, minds, content }
            } else {
                continue;
            };
            taken_over = now;
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.take_over(what) => {}
            }
        }
    }

    async fn look(&self) -> Seen {
        let files: Vec<PathBuf> = self.file.iter().cloned().chain([PathBuf::from("dovvybuddy.toml")]).collect();
        let (prompts, content) = (self.config.prompts_dir.clone(), self.config.content_dir.clone());
        let look = move || Seen { config: looks(&files), prompts: looks(&[prompts]), content: looks(&[content]) };
        tokio::task::spawn_blocking(look).await.unwrap_or(Seen { config: 0, prompts: 0, content: 0 })
    }

    async fn take_over(&mut self, what: What) {
        if what.config {
            match config::load(self.file.as_deref()) {
                Ok(loaded) => self.configure(&loaded),
                Err(error) => tracing::error!(error = %error, "the configuration can't be used; all stays as it was"),
            }
        }
        if what.minds {
            self.minds();
        }
        if what.content {
            ingest(&self.knowledge).await;
        }
    }

    /// Takes over the limits, and names what waits for a restart.
    fn configure(&mut self, loaded: &Loaded) {
        let now = values(loaded);
        let keys: std::collections::BTreeSet<&String> = now.keys().chain(self.told.keys()).collect();
        let changed: Vec<&str> =
            keys.into_iter().filter(|key| now.get(*key) != self.told.get(*key)).map(String::as_str).collect();
        let (taken, waits): (Vec<&str>, Vec<&str>) = changed.iter().partition(|key| key.starts_with(CHANGEABLE));
        if !taken.is_empty() {
            let limits = loaded.config.limits;
            self.diver_quota.set(limits.diver());
            self.web.set_rates(rates(&loaded.config));
            self.config.limits = limits;
            tracing::info!(keys = taken.join(", "), "changed limits are in force");
        }
        if !waits.is_empty() {
            tracing::warn!(keys = waits.join(", "), "changed settings need a restart");
        }
        self.told = now;
    }

    fn minds(&self) {
        let operator = compose::operator(&self.config);
        let (prompts, content) = (Some(self.config.prompts_dir.as_path()), Some(self.config.content_dir.as_path()));
        match self.minds.agents.reload() {
            Ok(()) => self.minds.router.relearn(&self.minds.agents.examples()),
            Err(error) => tracing::error!(error = %error, "the prompts can't be used; those before stay"),
        }
        if let Err(error) = self.minds.voice.reload(prompts, &operator) {
            tracing::error!(error = %error, "the phrases can't be used; those before stay");
        }
        if let Err(error) = self.minds.guard.reload(content, &operator) {
            tracing::error!(error = %error, "the emergency replies can't be used; those before stay");
        }
    }
}

/// Every value by its key; a secret by its digest, so that a change shows and nothing else.
pub(crate) fn values(loaded: &Loaded) -> BTreeMap<String, String> {
    let digest = |key: &str| {
        let mut hasher = DefaultHasher::new();
        let value = loaded.figment.find_value(key).ok();
        value.and_then(|value| serde_json::to_string(&value).ok()).hash(&mut hasher);
        hasher.finish().to_string()
    };
    show::effective(&loaded.figment).into_iter().map(|shown| (shown.key.clone(), digest(&shown.key))).collect()
}

/// The limits as the web channel takes them.
fn rates(config: &Config) -> Rates {
    Rates {
        diver: config.limits.diver().per_minute,
        ip: config.limits.ip_per_minute,
        leads: config.limits.leads_per_minute,
        sessions: config.limits.sessions_per_minute,
        feedback: config.limits.feedback_per_minute,
    }
}

/// Brings the knowledge up to date. A corpus that can't be read leaves yesterday's in place.
pub(crate) async fn ingest(knowledge: &Knowledge) {
    match knowledge.ingest(Mode::Changed, &Silent, &CancellationToken::new()).await {
        Ok(report) => {
            for (path, reason) in &report.skipped {
                tracing::warn!(path, reason, "a document was left out");
            }
            if !report.withdrawn.is_empty() {
                tracing::warn!("the content's files are a version that was rolled back; the one before stays live");
            }
            tracing::info!(
                added = report.added.len(),
                changed = report.changed.len(),
                removed = report.removed.len(),
                unchanged = report.unchanged,
                skipped = report.skipped.len(),
                "content ingested"
            );
        }
        Err(error) => {
            tracing::error!(error = %error, "the content can't be ingested; answers rest on what was there before");
        }
    }
}

/// A digest over names, sizes and times of the files under these paths.
fn looks(paths: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        walk(path, 0, &mut hasher);
    }
    hasher.finish()
}

fn walk(path: &Path, depth: usize, hasher: &mut DefaultHasher) {
    // Through links, since a link may be all that changes.
    let Ok(about) = std::fs::metadata(path) else { return };
    path.hash(hasher);
    about.modified().ok().hash(hasher);
    if about.is_file() {
        about.len().hash(hasher);
    } else if depth < DEEPEST
        // A folder's link further down may lead in a circle.
        && (depth == 0 || !path.is_symlink())
        && let Ok(entries) = std::fs::read_dir(path)
    {
        let mut inside: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        inside.sort();
        for path in inside {
            walk(&path, depth + 1, hasher);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_anywhere_below_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("a/b");
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::write(inside.join("c.md"), "words").unwrap();
        let dir = [folder.path().to_owned()];
        let before = looks(&dir);
        assert_eq!(looks(&dir), before);
        std::fs::write(inside.join("c.md"), "other words").unwrap();
        let changed = looks(&dir);
        assert_ne!(changed, before);
        std::fs::remove_file(inside.join("c.md")).unwrap();
        assert_ne!(looks(&dir), changed);
    }

    /// As Kubernetes changes a mounted configuration.
    #[test]
    fn a_link_that_is_turned_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["one", "two"] {
            std::fs::create_dir(folder.path().join(version)).unwrap();
            std::fs::write(folder.path().join(version).join("x.toml"), format!("# {version} is the version\n"))
                .unwrap();
        }
        let (link, file) = (folder.path().join("data"), folder.path().join("data/x.toml"));
        std::os::unix::fs::symlink(folder.path().join("one"), &link).unwrap();
        let before = looks(std::slice::from_ref(&file));
        std::fs::remove_file(&link).unwrap();
        std::fs::write(folder.path().join("two/x.toml"), "# longer than it was before\n").unwrap();
        std::os::unix::fs::symlink(folder.path().join("two"), &link).unwrap();
        assert_ne!(looks(&[file]), before);
    }
}
