use std::path::Path;

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
