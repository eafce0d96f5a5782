//! Searching a small corpus the way the daemon does, with and without vectors.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it did not expect")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use dovvybuddy_core::clock::{SystemClock, Timestamp};
use dovvybuddy_core::knowledge::{Found, Query, Retriever as _};
use dovvybuddy_core::store::{Document, Edition, KnowledgeBase, NewPassage};
use dovvybuddy_knowledge::embed::{EmbedError, Embedder, Urgency};
use dovvybuddy_knowledge::{
    Embeddings, IngestReport, Knowledge, KnowledgeConfig, MemoryKnowledgeBase, Mode, Root, Silent,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const OPEN_WATER: &str = "---\ndoc_type: certification_limits\ntitle: PADI Open Water Diver\nkeywords: [owd]\nlast_updated: 2026-05-01\nsources: [{title: Standards, publisher: PADI}]\n---\n# PADI Open Water Diver\n\n## How deep\nA PADI Open Water Diver may dive to 18 m (60 ft).\n\n## Minimum age\nStudents are at least 10 years old.\n";
const NO_FLY: &str = "---\ndoc_type: safety\ntitle: Flying after diving\n---\n# Flying after diving\n\n## How long to wait\nDivers wait at least 18 hours before flying after several dives.\n";
const COPY: &str = "---\ndoc_type: safety\ntitle: Flying home\n---\n# Flying home\n\n## How long to wait\nDivers wait at least 18 hours before flying after several dives.\n";
const SIABA: &str = "---\ndoc_type: dive_site\ntitle: Siaba Besar\nsite_id: siaba\ndestination: komodo\nmin_certification: open_water\ndepth_range_m: [3, 16]\nbest_months: [4, 5, 6]\nsite_type: [reef]\n---\n# Siaba Besar\n\n## What it is like\nSiaba Besar is a sheltered reef with turtles in Komodo.\n";
const CASTLE: &str = "---\ndoc_type: dive_site\ntitle: Castle Rock\nsite_id: castle\ndestination: komodo\nmin_certification: advanced\ndepth_range_m: [15, 40]\nbest_months: [4, 5, 6]\nsite_type: [pinnacle]\n---\n# Castle Rock\n\n## What it is like\nCastle Rock is a reef pinnacle with sharks in Komodo, for dives in strong current.\n";
const KOMODO: &str = "---\ndoc_type: destination\ntitle: Diving in Komodo\ndestination_id: komodo\ncountry: Indonesia\n---\n# Diving in Komodo\n\n## When to go\nThe Komodo season runs from April to November.\n";

/// Counts a few words; texts about the same of them are near.
struct ByTopic {
    fails: AtomicBool,
}

const TOPICS: [&str; 8] = ["deep", "18", "age", "fly", "wait", "reef", "komodo", "pizza"];

#[async_trait]
impl Embedder for ByTopic {
    fn model(&self) -> &'static str {
        "by-topic"
    }

    fn dimension(&self) -> usize {
        TOPICS.len()
    }

    async fn embed(&self, texts: &[String], _: Urgency) -> Result<Vec<Vec<f32>>, EmbedError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(EmbedError::Provider("down".into()));
        }
        let vector = |text: &String| {
            let text = text.to_lowercase();
            let counts: Vec<f32> = TOPICS.iter().map(|topic| if text.contains(topic) { 1.0 } else { 0.0 }).collect();
            let length = counts.iter().sum::<f32>().sqrt().max(1.0);
            counts.iter().map(|count| count / length).collect()
        };
        Ok(texts.iter().map(vector).collect())
    }
}

async fn open(folder: &TempDir, store: &Arc<MemoryKnowledgeBase>, embedder: &Arc<ByTopic>) -> Arc<Knowledge> {
    let roots = vec![Root::new("content", folder.path().to_owned())];
    let config = KnowledgeConfig::new(roots, folder.path().join("data"), Embeddings::None);
    let (base, model) = (Arc::clone(store), Arc::clone(embedder));
    Knowledge::open_with(config, base, Arc::new(SystemClock), model).await.unwrap()
}

struct World {
    folder: TempDir,
    store: Arc<MemoryKnowledgeBase>,
    knowledge: Arc<Knowledge>,
    embedder: Arc<ByTopic>,
    stop: CancellationToken,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(MemoryKnowledgeBase::new());
        let embedder = Arc::new(ByTopic { fails: AtomicBool::new(false) });
        let knowledge = open(&folder, &store, &embedder).await;
        let world = Self { folder, store, knowledge, embedder, stop: CancellationToken::new() };
        world.write("certifications/padi/open-water.md", OPEN_WATER);
        world.write("safety/flying.md", NO_FLY);
        world.write("safety/flying-home.md", COPY);
        world.write("destinations/komodo/overview.md", KOMODO);
        world.write("destinations/komodo/siaba-besar.md", SIABA);
        world.write("destinations/komodo/castle-rock.md", CASTLE);
        world.ingest().await;
        world
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.folder.path().join(path);
        fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).unwrap();
        fs::write(file, text).unwrap();
    }

    async fn ingest(&self) {
        let report = self.knowledge.ingest(Mode::Changed, &Silent, &self.stop).await.unwrap();
        assert!(report.skipped.is_empty() && report.warnings.is_empty(), "{report:?}");
    }

    async fn ingest_with_warnings(&self, mode: Mode) -> IngestReport {
        self.knowledge.ingest(mode, &Silent, &self.stop).await.unwrap()
    }

    async fn embed(&self) -> usize {
        self.knowledge.embed_missing(&Silent, &self.stop).await.unwrap()
    }

    async fn ask(&self, text: &str) -> Found {
        self.knowledge.search(&Query { text: text.into(), ..Query::default() }).await
    }
}

fn sources(found: &Found) -> Vec<&str> {
    found.passages.iter().map(|passage| passage.source.as_str()).collect()
}

#[tokio::test]
async fn search_works_by_words_at_once_and_by_meaning_once_vectors_are_there() {
    let world = World::new().await;
    let question = "how deep can a padi open water diver go";
    let early = world.ask(question).await;
    assert!(early.lexical_only);
    assert_eq!(sources(&early)[0], "certifications/padi/open-water.md");
    assert_eq!(world.embed().await, 7);
    let later = world.ask(question).await;
    assert!(!later.lexical_only);
    let best = &later.passages[0];
    assert_eq!(
        (best.section.as_str(), best.publisher.as_str(), best.updated.as_str()),
        ("How deep", "PADI", "2026-05-01")
    );
    assert!(best.text.contains("18 m") && !best.text.contains('#'));
    assert!((0.0..=1.0).contains(&best.score));
}

#[tokio::test]
async fn what_the_content_does_not_cover_finds_nothing() {
    let world = World::new().await;
    assert!(world.ask("where is the best pizza in town").await.passages.is_empty());
    world.embed().await;
    assert!(world.ask("where is the best pizza in town").await.passages.is_empty());
    assert!(world.ask("   ").await.passages.is_empty());
}

#[tokio::test]
async fn a_section_is_found_by_what_people_type_for_it() {
    let world = World::new().await;
    let typed = "that blurry stripe, suddenly freezing";
    assert!(world.ask(typed).await.passages.is_empty());
    let layers = "---\ndoc_type: theory\ntitle: Thermocline\n---\n# Thermocline\n\n## What it is\n<!-- asked: the blurry stripe where it is suddenly freezing | komodo pizza -->\nA thermocline parts warm from colder water.\n";
    world.write("theory/layers.md", layers);
    world.ingest().await;
    let found = world.ask(typed).await;
    assert_eq!(sources(&found), ["theory/layers.md"]);
    assert_eq!(found.passages[0].text, "A thermocline parts warm from colder water.");
    assert!(found.unknown.iter().all(|word| word != "stripe"), "{:?}", found.unknown);

    assert_eq!(world.embed().await, 9, "one vector more for the wordings");
    assert_eq!(sources(&world.ask("pizza in komodo").await)[0], "theory/layers.md");
    world.write("theory/layers.md", &layers.replace(" | komodo pizza", ""));
    world.ingest().await;
    assert_eq!(world.embed().await, 2, "other wordings are embedded anew");
    assert!(world.ask("pizza").await.passages.is_empty());
}

#[tokio::test]
async fn likeness_is_of_what_was_asked_and_not_of_what_was_added_to_it() {
    let world = World::new().await;
    world.embed().await;
    let likeness = async |text: &str, opening: Option<&str>, further: &[&str]| {
        let further = further.iter().map(|question| (*question).to_owned()).collect();
        let query = Query { text: text.into(), opening: opening.map(str::to_owned), further, ..Query::default() };
        world.knowledge.search(&query).await.likeness
    };
    let asked = likeness("how deep with pizza and reef", None, &[]).await;
    let added = likeness("how deep 18", Some("how deep with pizza and reef"), &[]).await;
    assert!(asked > 0.0 && asked < 0.9, "{asked}");
    assert!((asked - added).abs() < 1e-6, "{asked} {added}");
    assert!(likeness("how deep 18", None, &[]).await > 0.99);
    let parts = likeness("how deep with pizza and reef", None, &["how deep 18"]).await;
    assert!((asked - parts).abs() < 1e-6, "{asked} {parts}");
}

#[tokio::test]
async fn what_stands_nowhere_in_the_content_is_told() {
    let world = World::new().await;
    assert!(world.ask("how deep is Castle Rock in Komodo").await.unknown.is_empty());
    assert_eq!(world.ask("how deep is the reef at Krakenloch").await.unknown, ["krakenloch"]);
    assert_eq!(world.ask("how deep is Rock Siaba for Komodo Divers").await.unknown, ["rock siaba", "komodo divers"]);
}

#[tokio::test]
async fn a_message_is_spelt_as_the_content_spells_it() {
    let world = World::new().await;
    let respelled = |text: &str| world.knowledge.respelled(text);
    assert_eq!(respelled("PADI openwater, how deep?").as_deref(), Some("PADI open water, how deep?"));
    assert_eq!(respelled("is there curent at Castle Rock").as_deref(), Some("is there current at Castle Rock"));
    assert_eq!(respelled("when is the Komoddo season").as_deref(), Some("when is the Komodo season"));
    assert_eq!(respelled("how old are the studnts").as_deref(), Some("how old are the students"));
    assert_eq!(respelled("how deep may a PADI Open Water Diver dive?"), None);
}

#[tokio::test]
async fn document_types_filter_by_prefix() {
    let world = World::new().await;
    world.embed().await;
    let ask = |doc_type: &str| Query {
        text: "how deep is 18 m".into(),
        doc_types: vec![doc_type.into()],
        ..Query::default()
    };
    let found = world.knowledge.search(&ask("certification")).await;
    assert_eq!(sources(&found), ["certifications/padi/open-water.md"]);
}

#[tokio::test]
async fn where_the_wanted_types_hold_nothing_the_others_are_searched() {
    let world = World::new().await;
    let ask = |text: &str| Query { text: text.into(), doc_types: vec!["equipment".into()], ..Query::default() };
    let found = world.knowledge.search(&ask("how deep can a padi open water diver go")).await;
    assert_eq!(sources(&found)[0], "certifications/padi/open-water.md");
    assert!(world.knowledge.search(&ask("where is the best pizza in town")).await.passages.is_empty());
}

#[tokio::test]
async fn where_others_answer_clearly_better_the_wanted_types_are_left() {
    let world = World::new().await;
    let ask = |text: &str| Query {
        text: text.into(),
        doc_types: vec!["safety".into()],
        also_elsewhere: true,
        ..Query::default()
    };
    let deep = "minimum age of padi open water diver students before flying";
    let open = world.knowledge.search(&ask(deep)).await;
    assert_eq!(sources(&open)[0], "certifications/padi/open-water.md");
    let flying = world.knowledge.search(&ask("how long to wait before flying after several dives")).await;
    assert!(sources(&flying).iter().all(|source| source.starts_with("safety")), "{flying:?}");
}

#[tokio::test]
async fn an_unknown_place_is_not_answered_by_its_kin() {
    let world = World::new().await;
    let ask = |names: &[&str]| Query {
        text: "how is the season in komodo".into(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Query::default()
    };
    assert!(!world.knowledge.search(&ask(&[])).await.passages.is_empty());
    assert!(!world.knowledge.search(&ask(&["komodo"])).await.passages.is_empty());
    assert!(world.knowledge.search(&ask(&["komodo", "pelican point"])).await.passages.is_empty());
    // A slip in a name that is known is forgiven.
    assert!(!world.knowledge.search(&ask(&["kommodo"])).await.passages.is_empty());
    let reefs = Query { text: "reef in komodo".into(), names: vec!["turtle".into()], ..Query::default() };
    assert_eq!(sources(&world.knowledge.search(&reefs).await), ["destinations/komodo/siaba-besar.md"]);
}

#[tokio::test]
async fn a_place_that_nobody_knows_has_no_sites_of_another() {
    let world = World::new().await;
    assert!(!world.ask("best dive sites in Komodo").await.passages.is_empty());
    assert!(world.ask("best dive sites in Ghana").await.passages.is_empty());
}

#[tokio::test]
async fn a_place_whose_sites_are_asked_for_leads_with_them() {
    let world = World::new().await;
    world.write(
        "destinations/komodo/overview.md",
        &format!("{KOMODO}\n## Sites\nCastle Rock and Siaba Besar differ.\n"),
    );
    world.ingest().await;
    for question in ["best dive sites in komodo", "which reefs are there in komodo"] {
        let found = world.ask(question).await;
        let leads: Vec<&str> = found.passages.iter().take(3).map(|passage| passage.section.as_str()).collect();
        assert!(!leads.contains(&"When to go"), "{question}: {leads:?}");
        assert!(leads.contains(&"Sites"), "{question}: {leads:?}");
    }
}

#[tokio::test]
async fn the_same_words_are_given_once() {
    let world = World::new().await;
    world.embed().await;
    let found = world.ask("how long to wait before flying after diving").await;
    let flying = sources(&found).into_iter().filter(|source| source.contains("flying")).count();
    assert_eq!(flying, 1, "{found:?}");
}

#[tokio::test]
async fn conditions_put_the_fitting_site_first() {
    let world = World::new().await;
    for embedded in [false, true] {
        if embedded {
            world.embed().await;
        }
        let found = world.ask("reef dives above 18 m in Komodo in May").await;
        let found = sources(&found);
        let place = |name: &str| found.iter().position(|source| source.contains(name)).unwrap_or(usize::MAX);
        assert!(place("siaba") < place("castle"), "{found:?}");
    }
}

#[tokio::test]
async fn an_embedder_that_fails_leaves_the_search_by_words() {
    let world = World::new().await;
    world.embed().await;
    world.embedder.fails.store(true, Ordering::SeqCst);
    let found = world.ask("minimum age of open water students").await;
    assert!(found.lexical_only);
    assert_eq!(found.passages[0].section, "Minimum age");
}

#[tokio::test]
async fn a_change_by_another_process_is_noticed_and_equal_words_are_not_embedded_again() {
    let world = World::new().await;
    world.embed().await;
    let before = world.knowledge.version();
    assert!(!world.knowledge.reload().await.unwrap(), "nothing changed");
    let gone = Edition {
        root: "content".into(),
        version: "another process".into(),
        removed: vec!["safety/flying.md".to_owned()],
        ..Edition::default()
    };
    world.store.publish(&gone, Timestamp::from_millis(0)).await.unwrap();
    assert!(world.knowledge.reload().await.unwrap());
    assert_ne!(world.knowledge.version(), before);
    let status = world.knowledge.status().await.unwrap();
    assert_eq!((status.documents, status.embedded, status.passages), (5, 6, 6));
    assert_eq!(status.stale, ["safety/flying.md"]);
    world.ingest().await;
    assert_eq!(world.embed().await, 0, "the words were embedded before");
    assert_eq!(world.knowledge.version(), before);
}

/// Two replicas start at once: what the other published between this one's first look and its own ingestion leaves
/// it nothing to publish, but all the more to search.
#[tokio::test]
async fn what_another_process_published_during_the_start_is_searched() {
    let world = World::new().await;
    world.write(
        "safety/silt.md",
        "---\ndoc_type: safety\ntitle: Silt\n---\n# Silt\n\n## Fins\nFrog kicks stir up less silt.\n",
    );
    let other = open(&world.folder, &world.store, &world.embedder).await;
    world.ingest().await;
    let report = other.ingest(Mode::Changed, &Silent, &world.stop).await.unwrap();
    assert!(!report.changed_anything());
    let found = other.search(&Query { text: "which kick stirs up less silt".into(), ..Query::default() }).await;
    assert_eq!(sources(&found), ["safety/silt.md"]);
}

#[tokio::test]
async fn keep_embedded_embeds_what_comes_and_ends_when_told() {
    let world = World::new().await;
    let (knowledge, stop) = (Arc::clone(&world.knowledge), world.stop.clone());
    let task = tokio::spawn(async move { knowledge.keep_embedded(&Silent, &stop).await });
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    while world.knowledge.status().await.unwrap().embedded < 7 {
        assert!(tokio::time::Instant::now() < deadline, "nothing was embedded");
        tokio::task::yield_now().await;
    }
    world.stop.cancel();
    tokio::time::timeout(std::time::Duration::from_secs(5), task).await.unwrap().unwrap();
}

/// Beside a daemon that serves the demo, and after one that did, a process without it answers from the
/// content alone.
#[tokio::test]
async fn documents_of_other_roots_are_not_searched() {
    let world = World::new().await;
    let demo = Document {
        root: "demo".into(),
        path: "prices.md".into(),
        title: "Prices of the demo shop".into(),
        doc_type: "faq".into(),
        passages: vec![NewPassage {
            section: "Prices".into(),
            text: "A fun dive costs 45 euros.".into(),
            hash: "p".into(),
        }],
        ..Document::default()
    };
    let prices = Edition { root: "demo".into(), version: "v".into(), put: vec![demo], ..Edition::default() };
    world.store.publish(&prices, Timestamp::from_millis(0)).await.unwrap();
    assert!(!world.knowledge.reload().await.unwrap());
    assert!(world.ask("How much does a fun dive cost, what are the prices?").await.passages.is_empty());
    world.ingest().await;
    assert_eq!(world.store.documents().await.unwrap().len(), 7);
}

/// A version that turned out wrong is taken back, and does not return by itself at the next start.
#[tokio::test]
async fn a_rollback_brings_the_version_before_and_holds_until_the_files_change() {
    let world = World::new().await;
    world.embed().await;
    let (first, found) = (world.knowledge.version(), world.ask("minimum age of open water students").await);
    world.write("safety/flying.md", "# Flying after diving\n\nFly at once, never mind the bubbles.\n");
    world.write("safety/new.md", "# New\n\nWords nobody has checked.\n");
    world.ingest_with_warnings(Mode::Changed).await;
    let second = world.knowledge.version();
    assert_ne!(first, second);

    let live = world.knowledge.roll_back().await.unwrap().unwrap();
    assert_eq!((world.knowledge.version(), live.version), (first.clone(), first.clone()));
    assert_eq!(world.ask("minimum age of open water students").await, found);
    assert!(world.ask("bubbles fly at once never mind").await.passages.iter().all(|p| !p.text.contains("never mind")));

    // The next start finds the same files.
    let report = world.ingest_with_warnings(Mode::Changed).await;
    assert_eq!((report.withdrawn, world.knowledge.version()), (vec!["content".to_owned()], first.clone()));
    // Somebody mends them, or insists.
    world.write("safety/new.md", "# New\n\nWords that were checked.\n");
    world.ingest_with_warnings(Mode::Changed).await;
    let third = world.knowledge.version();
    assert!(third != first && third != second);
    let states: Vec<bool> =
        world.knowledge.versions().await.unwrap().iter().map(|v| v.withdrawn_at.is_some()).collect();
    assert_eq!(states, [false, true, false]);
    world.knowledge.roll_back().await.unwrap();
    assert_eq!(world.knowledge.version(), first, "a withdrawn version is not returned to");
    world.ingest_with_warnings(Mode::Again).await;
    assert_eq!(world.knowledge.version(), third);
    assert_eq!(world.embed().await, 2, "the two files that differ; what was embedded before is not embedded again");
}

#[tokio::test]
async fn without_an_earlier_version_there_is_nothing_to_return_to() {
    let world = World::new().await;
    let before = world.knowledge.version();
    assert_eq!(world.knowledge.roll_back().await.unwrap(), None);
    assert_eq!(world.knowledge.version(), before);
}
