//! Rules of the ingested content.

use serde_json::json;

use super::Lab;
use super::make::later;
use crate::store::{Document, DocumentState, NewPassage, Store};

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

async fn texts(store: &dyn Store) -> Vec<String> {
    store.passages().await.unwrap().into_iter().map(|p| p.text).collect()
}

/// Everything that went in comes out.
pub async fn a_document_comes_back_whole(lab: &mut dyn Lab) {
    let store = lab.store();
    let komodo = document("a/komodo.md", "h1", &["reef", "currents \"strong\"\n潜水"]);
    store.put_documents(std::slice::from_ref(&komodo), later(3)).await.unwrap();
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
    store
        .put_documents(&[document("a.md", "h1", &["one", "two"]), document("b.md", "h1", &["kept"])], later(0))
        .await
        .unwrap();
    let mut newer = document("a.md", "h2", &["three"]);
    (newer.destination, newer.dive_site) = (None, None);
    store.put_documents(&[newer], later(1)).await.unwrap();
    assert_eq!(texts(&*store).await, ["three", "kept"]);
    assert_eq!(store.destinations().await.unwrap().len(), 1);
    let states: Vec<_> = store.documents().await.unwrap().into_iter().map(|d| d.hash).collect();
    assert_eq!(states, ["h2", "h1"]);
}

/// A document keeps the name of its directory; of two directories' documents with one path the later stays.
pub async fn a_document_belongs_to_one_root(lab: &mut dyn Lab) {
    let store = lab.store();
    let of = |root: &str, path: &str, text: &str| Document { root: root.into(), ..document(path, "h", &[text]) };
    let both = [of("content", "a.md", "curated"), of("demo", "b.md", "invented")];
    store.put_documents(&both, later(0)).await.unwrap();
    let roots = async || store.documents().await.unwrap().into_iter().map(|d| d.root).collect::<Vec<_>>();
    assert_eq!(roots().await, ["content", "demo"]);
    store.put_documents(&[of("content", "b.md", "curated too")], later(1)).await.unwrap();
    assert_eq!(roots().await, ["content", "content"]);
    assert_eq!(texts(&*store).await, ["curated", "curated too"]);
}

/// Passages, destination and site go with their document.
pub async fn a_removed_document_takes_everything_along(lab: &mut dyn Lab) {
    let store = lab.store();
    store.put_documents(&[document("a.md", "h", &["one"]), document("b.md", "h", &["two"])], later(0)).await.unwrap();
    store.remove_documents(&["a.md".into(), "unknown.md".into()]).await.unwrap();
    assert_eq!(texts(&*store).await, ["two"]);
    assert_eq!((store.destinations().await.unwrap().len(), store.dive_sites().await.unwrap().len()), (1, 1));
    assert_eq!(store.documents().await.unwrap().len(), 1);
}

/// Model and dimension must both fit.
pub async fn vectors_of_other_models_are_not_mixed(lab: &mut dyn Lab) {
    let store = lab.store();
    store.put_documents(&[document("a.md", "h", &["one", "two"])], later(0)).await.unwrap();
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
    store.put_documents(&[document("a.md", "h1", &["same", "gone"])], later(0)).await.unwrap();
    let ids: Vec<i64> = store.passages().await.unwrap().iter().map(|p| p.id).collect();
    store.put_vectors("m", &[(ids[0], vec![1.0]), (ids[1], vec![2.0])]).await.unwrap();
    store
        .put_documents(&[document("a.md", "h2", &["new", "same"]), document("b.md", "h", &["same"])], later(1))
        .await
        .unwrap();
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
    store.put_documents(&[document("a.md", "h", &["one"])], later(0)).await.unwrap();
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
    store.put_documents(&documents, later(0)).await.unwrap();
    let found = store.passages().await.unwrap();
    assert_eq!(found.len(), 1200);
    let places: Vec<_> = found.iter().map(|p| (p.path.clone(), p.position)).collect();
    assert!(places.is_sorted());
    assert_eq!(store.passages().await.unwrap(), found);
}
