//! Search by words: an in-memory BM25 index over weighted fields.

mod build;
mod headings;
mod query;

use crate::message::Message;
use crate::text::{self, Analyzer};
use crate::vocabulary::Vocabulary;
use headings::Headings;
pub use query::LexicalQuery;

/// Shorter words are not told to be unknown.
const SHORTEST_UNKNOWN: usize = 4;
/// Shorter words that are two slips away from a known one are words of their own: invented names are short.
const LONG_NAME: usize = 9;

/// How BM25 counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bm25 {
    /// How soon a repeated word stops counting.
    pub k1: f32,
    /// How much longer passages are discounted, 0 to 1.
    pub b: f32,
    /// What a word in the title counts, against 1 in the text.
    pub title: f32,
    /// What a word in a heading counts.
    pub section: f32,
    /// What a keyword counts.
    pub keywords: f32,
    /// What a word that people type for a passage counts.
    pub asked: f32,
}

impl Default for Bm25 {
    fn default() -> Self {
        Self { k1: 1.2, b: 0.75, title: 2.0, section: 2.0, keywords: 1.0, asked: 1.0 }
    }
}

/// A passage's words by field.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fields<'a> {
    /// The document's title.
    pub title: &'a str,
    /// The heading.
    pub section: &'a str,
    /// The document's keywords.
    pub keywords: &'a str,
    /// The shelves it stands on: they count as keywords, but do not say what a passage is about.
    pub tags: &'a str,
    /// What people type for it.
    pub asked: &'a str,
    /// The words.
    pub text: &'a str,
}

/// The index. Passages are numbered in the order they were given.
#[derive(Debug, Default)]
pub struct LexicalIndex {
    vocabulary: Vocabulary,
    /// Where each term's postings begin; one more entry than terms.
    starts: Vec<u32>,
    postings: Vec<Posting>,
    idf: Vec<f32>,
    /// See [`LexicalIndex::named_share`].
    named_shares: Vec<f32>,
    /// The terms of each passage's title and heading.
    headers: Headings,
    /// The terms of its heading alone.
    headings: Headings,
    passages: usize,
}

/// A passage that has a term.
#[derive(Debug, Clone, Copy, Default)]
struct Posting {
    /// The passage's number; the highest bit marks a term of its title, heading or keywords.
    marked: u32,
    /// What the term adds to the passage's score.
    score: f32,
}

impl Posting {
    const NAMED: u32 = 1 << 31;

    fn new(passage: u32, named: bool, score: f32) -> Self {
        Self { marked: passage | if named { Self::NAMED } else { 0 }, score }
    }

    fn passage(self) -> u32 {
        self.marked & !Self::NAMED
    }

    fn is_named(self) -> bool {
        self.marked & Self::NAMED != 0
    }
}

impl LexicalIndex {
    /// Indexes the passages, on several cores when there are many.
    pub fn build<'a>(passages: impl Iterator<Item = Fields<'a>>, bm25: Bm25) -> Self {
        build::build(&passages.collect::<Vec<_>>(), bm25)
    }

    /// How many passages are indexed.
    pub fn len(&self) -> usize {
        self.passages
    }

    /// Whether nothing is indexed.
    pub fn is_empty(&self) -> bool {
        self.passages == 0
    }

    /// How rare a known term is: its share in scores.
    fn rarity(&self, term: u32) -> f32 {
        self.idf.get(term as usize).copied().unwrap_or(0.0)
    }

    /// Reads a message as a query.
    pub fn query(&self, text: &str) -> LexicalQuery {
        self.read(&Message::read(text))
    }

    pub(crate) fn read(&self, message: &Message) -> LexicalQuery {
        LexicalQuery::read(self, message)
    }

    /// Adds each passage's BM25 score into `scores`, which must have one place per passage.
    pub fn score_into(&self, query: &LexicalQuery, scores: &mut [f32]) {
        for (term, weight) in query.terms() {
            for posting in self.postings_of(term) {
                if let Some(slot) = scores.get_mut(posting.passage() as usize) {
                    *slot += posting.score * weight;
                }
            }
        }
    }

    /// How much of what is asked each of the passages has, 0 to 1. The passages must be sorted.
    pub fn coverage(&self, query: &LexicalQuery, passages: &[u32]) -> Vec<f32> {
        query.coverage(self, passages)
    }

    /// How alike the query and each passage's title with its heading are, 0 to 1.
    pub fn likeness(&self, query: &LexicalQuery, passages: &[u32]) -> Vec<f32> {
        let rarities = query.rarities(self);
        let likeness = |passage: &u32| {
            let [header, heading] =
                [&self.headers, &self.headings].map(|terms| terms.likeness(*passage, &rarities, &self.idf));
            f32::midpoint(header, heading)
        };
        passages.iter().map(likeness).collect()
    }

    /// The passages, sorted, that have each of the terms or what they are slips of; none where one is unknown.
    pub(crate) fn passages_with(&self, terms: &[String]) -> Vec<u32> {
        let mut having: Option<Vec<u32>> = None;
        for term in terms {
            let frequency = |term| self.postings_of(term).len();
            let known = self.vocabulary.find(term).or_else(|| self.vocabulary.nearest(term, frequency));
            let postings = known.map_or(&[][..], |term| self.postings_of(term));
            let has = |passage: u32| postings.binary_search_by_key(&passage, |posting| posting.passage()).is_ok();
            having = Some(match having {
                None => postings.iter().map(|posting| posting.passage()).collect(),
                Some(before) => before.into_iter().filter(|passage| has(*passage)).collect(),
            });
        }
        having.unwrap_or_default()
    }

    /// The words of a text, in lower case, that no passage has and that are no slips of ones that it has. Short words
    /// and words with digits are left out: nearly every one is near to another.
    pub(crate) fn unknown(&self, analyzer: &Analyzer, text: &str) -> Vec<String> {
        let mut words = text::list_of_words(text);
        words.retain(|word| {
            word.len() >= SHORTEST_UNKNOWN && word.chars().all(char::is_alphabetic) && !text::is_stop_word(word)
        });
        words.sort_unstable();
        words.dedup();
        let frequency = |term| self.postings_of(term).len();
        let slip_of = |word: &str, number: u32| {
            let term = self.vocabulary.term(number);
            word.len() >= LONG_NAME || strsim::osa_distance(word, term) <= 1 || text::same_letters(word, term)
        };
        let known = |word: &str| {
            let nearest = || self.vocabulary.nearest(word, frequency);
            self.vocabulary.find(word).is_some() || nearest().is_some_and(|number| slip_of(word, number))
        };
        words.retain(|word| analyzer.term(word).is_some_and(|stem| !known(&stem)) && !known(word));
        words
    }

    /// The share of a term's passages that have it in their title, heading or keywords.
    fn named_share(&self, term: u32) -> f32 {
        self.named_shares.get(term as usize).copied().unwrap_or(0.0)
    }

    fn postings_of(&self, term: u32) -> &[Posting] {
        let term = term as usize;
        let (Some(from), Some(to)) = (self.starts.get(term), self.starts.get(term + 1)) else { return &[] };
        self.postings.get(*from as usize..*to as usize).unwrap_or(&[])
    }
}

/// Robertson's weight as Lucene writes it, which is never negative.
#[allow(clippy::cast_precision_loss, reason = "counts far below the precision of f32")]
fn inverse_frequency(passages: usize, having: usize) -> f32 {
    (1.0 + (passages as f32 - having as f32 + 0.5) / (having as f32 + 0.5)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[&str]) -> LexicalIndex {
        LexicalIndex::build(texts.iter().map(|text| Fields { text, ..Fields::default() }), Bm25::default())
    }

    fn scores(index: &LexicalIndex, query: &str) -> Vec<f32> {
        let query = index.query(query);
        let mut scores = vec![0.0; index.len()];
        index.score_into(&query, &mut scores);
        scores
    }

    #[test]
    fn scores_agree_with_the_formula() {
        let index = index(&["sharks sleep", "sharks eat fish and more fish", "turtles sleep"]);
        let found = scores(&index, "fish");
        let idf = (1.0_f32 + (3.0 - 1.0 + 0.5) / 1.5).ln();
        let (length, average) = (4.0_f32, 8.0 / 3.0);
        let expected = idf * 2.0 * 2.2 / (2.0 + 1.2 * (0.25 + 0.75 * length / average));
        assert!((found[1] - expected).abs() < 1e-5, "{found:?} {expected}");
        assert_eq!((found[0], found[2]), (0.0, 0.0));
    }

    #[test]
    fn a_title_counts_more_than_the_text() {
        let fields = [
            Fields { title: "Komodo", text: "A place with dragons.", ..Fields::default() },
            Fields { title: "Bali", text: "A place near Komodo.", ..Fields::default() },
        ];
        let index = LexicalIndex::build(fields.into_iter(), Bm25::default());
        let found = scores(&index, "komodo");
        assert!(found[0] > found[1]);
    }

    #[test]
    fn coverage_is_the_share_of_rare_words_found() {
        let index = index(&["open water depth limit", "open water pizza"]);
        let query = index.query("open water depth zebra");
        let covered = index.coverage(&query, &[0, 1]);
        assert!(covered[0] > covered[1]);
        assert!(covered[0] < 1.0, "an unknown word is not covered");
    }

    #[test]
    fn what_stands_nowhere_is_told() {
        let index = index(&["The visibility at Hurghada is good for divers who look for clownfish."]);
        let unknown = |text| index.unknown(&Analyzer::default(), text);
        assert!(unknown("how good is the visibility in Hurgada for clownfih").is_empty());
        assert_eq!(unknown("Is the visibility good at Krakenloch in Zurbano?"), ["krakenloch", "zurbano"]);
    }

    #[test]
    fn an_empty_index_and_an_empty_query_find_nothing() {
        assert!(scores(&index(&[]), "shark").is_empty());
        assert_eq!(scores(&index(&["shark"]), "the of"), [0.0]);
    }
}
