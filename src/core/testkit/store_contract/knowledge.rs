//! Rules of the ingested content.

use serde_json::json;

use super::Lab;
use super::make::later;
use crate::clock::Timestamp;
use crate::store::{Document, DocumentState, Edition, NewPassage, Store, VERSIONS_KEPT};

fn passage(section: &str, text: &str) -> NewPassage {
    NewPassage { section: section.into(), text: text.into(), hash: format!("hash of {text}") }
}

fn document(path: &str, hash: &str, texts: &[&str]) -> Document {
    let front = json!({ "title": "Komodo", "tags": ["reef"], "n": 1.5 });
    Document {
        root: "content".into(),
        path: path.into(),
        hash: hash.into(),
        title: "Komodo".into(),
        doc_type: "destination".into(),
        front_matter: front.as_object().expect("an object").clone(),
        passages: texts.iter().map(|text| passage("Sites", text)).collect(),
        destination: Some(json!({ "destination_id": path, "country": "Indonesia" })),
        dive_site: Some(json!({ "site_id": path, "depth": [5, 18] })),
    }
}

fn edition(version: &str, put: &[Document], removed: &[&str]) -> Edition {
    let root = put.first().map_or_else(|| "content".to_owned(), |document| document.root.clone());
    let removed = removed.iter().map(ToString::to_string).collect();
    Edition { root, version: version.into(), put: put.to_vec(), removed }
}

async fn put(store: &dyn Store, documents: &[Document], at: Timestamp) {
    let version = format!("at {}", at.as_millis());
    store.publish(&edition(&version, documents, &[]), at).await.unwrap();
}

async fn texts(store: &dyn Store) -> Vec<String> {
    store.passages().await.unwrap().into_iter().map(|p| p.text).collect()
}

/// Everything that went in comes out.
pub async fn a_document_comes_back_whole(lab: &mut dyn Lab) {
    let store = lab.store();
    let komodo = document("a/komodo.md", "h1", &["reef", "currents \"strong\"\n潜水"]);
    put(&*store, std::slice::from_ref(&komodo), later(3)).await;
    let state =
        DocumentState { root: "content".into(), path: "a/komodo.md".into(), hash: "h1".into(), ingested_at: later(3) };
    assert_eq!(store.documents().await.unwrap(), [state]);
    let found = store.passages().await.unwrap();
    assert_eq!(found.len(), 2);
    for (n, (found, given)) in found.iter().zip(&komodo.passages).enumerate() {
        assert_eq!(
            (found.position, &found.text, &found.section, &found.hash),
            (n, &given.text, &given.section, &given.hash)
        );
        assert_eq!((&found.path, &found.title, &found.doc_type), (&komodo.path, &komodo.title, &komodo.doc_type));
        assert_eq!(*found.front_matter, komodo.front_matter);
    }
    assert_eq!(store.destinations().await.unwrap(), [komodo.destination.unwrap()]);
    assert_eq!(store.dive_sites().await.unwrap(), [komodo.dive_site.unwrap()]);
}

/// A new version of a document replaces all of the old one.
pub async fn a_replaced_document_leaves_nothing_behind(lab: &mut dyn Lab) {
    let store = lab.store();
    put(&*store, &[document("a.md", "h1", &["one", "two"]), document("b.md", "h1", &["kept"])], later(0)).await;
    let mut newer = document("a.md", "h2", &["three"]);
    (newer.destination, newer.dive_site) = (None, None);
    put(&*store, &[newer], later(1)).await;
    assert_eq!(texts(&*store).await, ["three", "kept"]);
    assert_eq!(store.destinations().await.unwrap().len(), 1);
    let states: Vec<_> = store.documents().await.unwrap().into_iter().map(|d| d.hash).collect();
    assert_eq!(states, ["h2", "h1"]);
}

/// A document keeps the name of its directory; of two directories' documents with one path the later stays.
pub async fn a_document_belongs_to_one_root(lab: &mut dyn Lab) {
    let store = lab.store();
    let of = |root: &str, path: &str, text: &str| Document { root: root.into(), ..document(path, "h", &[text]) };
    put(&*store, &[of("content", "a.md", "curated")], later(0)).await;
    put(&*store, &[of("demo", "b.md", "invented")], later(0)).await;
    let roots = async || store.documents().await.unwrap().into_iter().map(|d| d.root).collect::<Vec<_>>();
    assert_eq!(roots().await, ["content", "demo"]);
    put(&*store, &[of("content", "b.md", "curated too")], later(1)).await;
    assert_eq!(roots().await, ["content", "content"]);
    assert_eq!(texts(&*store).await, ["curated", "curated too"]);
}

/// Passages, destination and site go with their document.
pub async fn a_removed_document_takes_everything_along(lab: &mut dyn Lab) {
    let store = lab.store();
    put(&*store, &[document("a.md", "h", &["one"]), document("b.md", "h", &["two"])], later(0)).await;
    store.publish(&edition("without a", &[], &["a.md", "unknown.md"]), later(1)).await.unwrap();
    assert_eq!(texts(&*store).await, ["two"]);
    assert_eq!((store.destinations().await.unwrap().len(), store.dive_sites().await.unwrap().len()), (1, 1));
    assert_eq!(store.documents().await.unwrap().len(), 1);
}

/// Model and dimension must both fit.
pub async fn vectors_of_other_models_are_not_mixed(lab: &mut dyn Lab) {
    let store = lab.store();
    put(&*store, &[document("a.md", "h", &["one", "two"])], later(0)).await;
    let ids: Vec<i64> = store.passages().await.unwrap().iter().map(|p| p.id).collect();
    let exact = vec![0.1_f32, -2.5e-20, f32::MAX];
    store.put_vectors("m1", &[(ids[0], exact.clone()), (ids[1], vec![1.0, 2.0, 3.0])]).await.unwrap();
    store.put_vectors("m2", &[(ids[0], vec![9.0, 9.0])]).await.unwrap();
    assert_eq!(store.vectors("m1", 3).await.unwrap(), [(ids[0], exact), (ids[1], vec![1.0, 2.0, 3.0])]);
    assert_eq!(store.vectors("m2", 2).await.unwrap(), [(ids[0], vec![9.0, 9.0])]);
    assert_eq!(store.vectors("m1", 2).await.unwrap(), []);
    assert_eq!(store.vectors("m3", 3).await.unwrap(), []);
}

/// Words that were embedded before keep their vector through re-ingestion, in any document.
pub async fn equal_words_are_embedded_once(lab: &mut dyn Lab) {
    let store = lab.store();
    put(&*store, &[document("a.md", "h1", &["same", "gone"])], later(0)).await;
    let ids: Vec<i64> = store.passages().await.unwrap().iter().map(|p| p.id).collect();
    store.put_vectors("m", &[(ids[0], vec![1.0]), (ids[1], vec![2.0])]).await.unwrap();
    put(&*store, &[document("a.md", "h2", &["new", "same"]), document("b.md", "h", &["same"])], later(1)).await;
    let vectors = store.vectors("m", 1).await.unwrap();
    assert_eq!(vectors.iter().map(|(_, v)| v[0]).collect::<Vec<_>>(), [1.0, 1.0]);
    let hashes = ["hash of same".to_owned(), "hash of gone".to_owned(), "hash of new".to_owned()];
    let mut cached = store.cached_vectors("m", &hashes).await.unwrap();
    cached.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(cached, [("hash of gone".into(), vec![2.0]), ("hash of same".into(), vec![1.0])]);
    assert_eq!(store.cached_vectors("other", &hashes).await.unwrap(), []);
}

/// A vector for a passage that went meanwhile is no error.
pub async fn unknown_passages_are_skipped(lab: &mut dyn Lab) {
    let store = lab.store();
    put(&*store, &[document("a.md", "h", &["one"])], later(0)).await;
    let id = store.passages().await.unwrap()[0].id;
    store.put_vectors("m", &[(id + 500, vec![7.0]), (id, vec![1.0])]).await.unwrap();
    assert_eq!(store.vectors("m", 1).await.unwrap(), [(id, vec![1.0])]);
}

/// A large corpus comes back complete and in a stable order.
pub async fn many_passages_come_in_order(lab: &mut dyn Lab) {
    let store = lab.store();
    let words: Vec<String> = (0..40).map(|n| format!("passage {n:02}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let documents: Vec<Document> = (0..30).map(|n| document(&format!("d{n:02}.md"), "h", &words)).collect();
    put(&*store, &documents, later(0)).await;
    let found = store.passages().await.unwrap();
    assert_eq!(found.len(), 1200);
    let places: Vec<_> = found.iter().map(|p| (p.path.clone(), p.position)).collect();
    assert!(places.is_sorted());
    assert_eq!(store.passages().await.unwrap(), found);
}

/// Every version is known with what it has; the newest that was not withdrawn is live.
pub async fn versions_are_told_newest_first(lab: &mut dyn Lab) {
    let store = lab.store();
    assert_eq!(store.versions("content").await.unwrap(), []);
    let (a, b) = (document("a.md", "h1", &["one"]), document("b.md", "h1", &["two"]));
    store.publish(&edition("v1", std::slice::from_ref(&a), &[]), later(1)).await.unwrap();
    store.publish(&edition("v2", &[b], &[]), later(2)).await.unwrap();
    // The same again, as a full reading brings it.
    store.publish(&edition("v2", &[a], &[]), later(3)).await.unwrap();
    let of_demo = Document { root: "demo".into(), ..document("c.md", "h", &["three"]) };
    store.publish(&edition("w1", &[of_demo], &[]), later(4)).await.unwrap();
    let told = store.versions("content").await.unwrap();
    let told: Vec<_> = told.iter().map(|v| (v.version.as_str(), v.published_at, v.documents, v.live)).collect();
    assert_eq!(told, [("v2", later(2), 2, true), ("v1", later(1), 1, false)]);
    assert_eq!(store.versions("demo").await.unwrap().len(), 1);
}

/// A rollback restores the version before as a whole, with vectors, and leaves other roots alone.
pub async fn a_rollback_restores_the_version_before(lab: &mut dyn Lab) {
    let store = lab.store();
    let of_demo = Document { root: "demo".into(), ..document("c.md", "h", &["demo"]) };
    store.publish(&edition("w1", &[of_demo], &[]), later(0)).await.unwrap();
    let (a, b) = (document("a.md", "h1", &["one", "two"]), document("b.md", "h1", &["kept"]));
    store.publish(&edition("v1", &[a.clone(), b.clone()], &[]), later(1)).await.unwrap();
    let ids: Vec<i64> = store.passages().await.unwrap().iter().map(|p| p.id).collect();
    store.put_vectors("m", &[(ids[0], vec![1.0]), (ids[1], vec![2.0])]).await.unwrap();
    let newer = [document("a.md", "h2", &["wrong"]), document("n.md", "h", &["new"])];
    store.publish(&edition("v2", &newer, &["b.md"]), later(2)).await.unwrap();
    assert_eq!(texts(&*store).await, ["wrong", "demo", "new"]);

    let live = store.roll_back("content", later(3)).await.unwrap().unwrap();
    assert_eq!((live.version.as_str(), live.live, live.documents), ("v1", true, 2));
    assert_eq!(texts(&*store).await, ["one", "two", "kept", "demo"]);
    assert_eq!(store.destinations().await.unwrap().len(), 3);
    let found = store.passages().await.unwrap();
    assert_eq!(*found[0].front_matter, a.front_matter);
    assert_eq!(store.vectors("m", 1).await.unwrap(), [(found[0].id, vec![1.0]), (found[1].id, vec![2.0])]);
    let told = store.versions("content").await.unwrap();
    let told: Vec<_> = told.iter().map(|v| (v.version.as_str(), v.live, v.withdrawn_at)).collect();
    assert_eq!(told, [("v2", false, Some(later(3))), ("v1", true, None)]);
}

/// A rollback goes past what was withdrawn, and stops where nothing was before.
pub async fn a_withdrawn_version_is_not_returned_to(lab: &mut dyn Lab) {
    let store = lab.store();
    assert_eq!(store.roll_back("content", later(0)).await.unwrap(), None);
    for (n, name) in ["v1", "v2"].iter().enumerate() {
        put_named(&*store, name, n).await;
    }
    store.roll_back("content", later(10)).await.unwrap();
    assert_eq!(store.roll_back("content", later(11)).await.unwrap(), None, "nothing is before the first");
    assert_eq!(texts(&*store).await, ["words of v1"]);
    put_named(&*store, "v3", 20).await;
    let live = store.roll_back("content", later(30)).await.unwrap().unwrap();
    assert_eq!((live.version.as_str(), texts(&*store).await), ("v1", vec!["words of v1".to_owned()]));
    // Insisting on it makes it a version again.
    put_named(&*store, "v3", 40).await;
    assert_eq!(texts(&*store).await, ["words of v3"]);
    assert!(store.versions("content").await.unwrap()[0].live);
}

/// Old versions go, the live one and the one before it stay, however often versions are withdrawn.
pub async fn only_the_newest_versions_are_kept(lab: &mut dyn Lab) {
    let store = lab.store();
    for n in 0..VERSIONS_KEPT + 3 {
        put_named(&*store, &format!("v{n}"), n).await;
    }
    assert_eq!(store.versions("content").await.unwrap().len(), VERSIONS_KEPT);
    for n in 0..VERSIONS_KEPT + 3 {
        put_named(&*store, &format!("bad {n}"), 100 + n).await;
        assert!(store.roll_back("content", later(200)).await.unwrap().is_some());
    }
    let kept = store.versions("content").await.unwrap();
    assert!(kept.len() <= 2 * VERSIONS_KEPT);
    assert_eq!(kept.iter().filter(|version| version.live).count(), 1);
    let before = store.roll_back("content", later(300)).await.unwrap().unwrap();
    assert_eq!(texts(&*store).await, [format!("words of {}", before.version)]);
}

async fn put_named(store: &dyn Store, version: &str, at: usize) {
    let words = format!("words of {version}");
    let whole = document("a.md", &format!("hash of {version}"), &[&words]);
    store.publish(&edition(version, &[whole], &[]), later(u64::try_from(at).unwrap())).await.unwrap();
}
