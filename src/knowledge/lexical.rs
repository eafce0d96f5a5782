//! Search by words: an in-memory BM25 index over weighted fields.

use std::collections::HashMap;

use crate::text::{self, Analyzer};

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
}

impl Default for Bm25 {
    fn default() -> Self {
        Self { k1: 1.2, b: 0.75, title: 2.0, section: 2.0, keywords: 1.0 }
    }
}

/// A passage's words by field.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fields<'a> {
    /// The document's title.
    pub title: &'a str,
    /// The heading.
    pub section: &'a str,
    /// The document's keywords and tags.
    pub keywords: &'a str,
    /// The words.
    pub text: &'a str,
}

/// The index. Passages are numbered in the order they were given.
#[derive(Debug, Default)]
pub struct LexicalIndex {
    terms: HashMap<Box<str>, u32>,
    /// Where each term's postings begin; one more entry than terms.
    starts: Vec<u32>,
    /// Passage and what the term adds to its score.
    postings: Vec<(u32, f32)>,
    idf: Vec<f32>,
    passages: usize,
}

/// The terms of a query as the index knows them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LexicalQuery {
    /// Known terms with how often they are asked.
    known: Vec<(u32, f32)>,
    /// The rarity of all terms together, the unknown included.
    pub mass: f32,
    /// How many distinct terms the query has.
    pub distinct: usize,
}

impl LexicalIndex {
    /// Indexes the passages.
    pub fn build<'a>(passages: impl Iterator<Item = Fields<'a>>, bm25: Bm25) -> Self {
        Builder::new(bm25).build(passages)
    }

    /// How many passages are indexed.
    pub fn len(&self) -> usize {
        self.passages
    }

    /// Whether nothing is indexed.
    pub fn is_empty(&self) -> bool {
        self.passages == 0
    }

    /// How rare a term is: the term's share in scores, the largest for a term no passage has.
    fn rarity(&self, term: Option<u32>) -> f32 {
        let unknown = inverse_frequency(self.passages, 0);
        term.and_then(|term| self.idf.get(term as usize).copied()).unwrap_or(unknown)
    }

    /// Reads a query.
    pub fn query(&self, analyzer: &Analyzer, text: &str) -> LexicalQuery {
        let mut counts: Vec<(Option<u32>, String, f32)> = Vec::new();
        for term in analyzer.terms(text) {
            if let Some(seen) = counts.iter_mut().find(|(_, known, _)| *known == term) {
                seen.2 += 1.0;
            } else {
                counts.push((self.terms.get(term.as_str()).copied(), term, 1.0));
            }
        }
        LexicalQuery {
            mass: counts.iter().map(|(term, _, _)| self.rarity(*term)).sum(),
            distinct: counts.len(),
            known: counts.into_iter().filter_map(|(term, _, count)| Some((term?, count))).collect(),
        }
    }

    /// Adds each passage's BM25 score into `scores`, which must have one place per passage.
    pub fn score_into(&self, query: &LexicalQuery, scores: &mut [f32]) {
        for (term, count) in &query.known {
            for (passage, score) in self.postings_of(*term) {
                if let Some(slot) = scores.get_mut(*passage as usize) {
                    *slot += score * count;
                }
            }
        }
    }

    /// The rarity of the query's terms that each of the passages has, as a share of the query's mass.
    pub fn coverage(&self, query: &LexicalQuery, passages: &[u32]) -> Vec<f32> {
        let mut covered = vec![0.0; passages.len()];
        for (term, _) in &query.known {
            let postings = self.postings_of(*term);
            for (passage, share) in passages.iter().zip(&mut covered) {
                if postings.binary_search_by_key(passage, |(passage, _)| *passage).is_ok() {
                    *share += self.rarity(Some(*term)) / query.mass.max(f32::EPSILON);
                }
            }
        }
        covered
    }

    fn postings_of(&self, term: u32) -> &[(u32, f32)] {
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

struct Builder {
    bm25: Bm25,
    analyzer: Analyzer,
    /// Every word met, and its term; stemming is done once per word.
    words: HashMap<Box<str>, Option<u32>>,
    terms: HashMap<Box<str>, u32>,
    /// Per term: passage and weighted count.
    counts: Vec<Vec<(u32, f32)>>,
    lengths: Vec<f32>,
}

impl Builder {
    fn new(bm25: Bm25) -> Self {
        Self {
            bm25,
            analyzer: Analyzer::default(),
            words: HashMap::new(),
            terms: HashMap::new(),
            counts: Vec::new(),
            lengths: Vec::new(),
        }
    }

    fn build<'a>(mut self, passages: impl Iterator<Item = Fields<'a>>) -> LexicalIndex {
        for fields in passages {
            let passage = u32::try_from(self.lengths.len()).unwrap_or(u32::MAX);
            let bm25 = self.bm25;
            let mut length = 0.0;
            let weighted = [
                (fields.title, bm25.title),
                (fields.section, bm25.section),
                (fields.keywords, bm25.keywords),
                (fields.text, 1.0),
            ];
            for (words, weight) in weighted {
                length += self.count(passage, words, weight);
            }
            self.lengths.push(length);
        }
        self.finish()
    }

    /// Counts a field's words; what they add to the passage's length.
    fn count(&mut self, passage: u32, words: &str, weight: f32) -> f32 {
        let mut length = 0.0;
        if weight <= 0.0 {
            return length;
        }
        text::words(words, |word| {
            let term = if let Some(known) = self.words.get(word) {
                *known
            } else {
                let term = self.analyzer.term(word).map(|term| {
                    let fresh = u32::try_from(self.terms.len()).unwrap_or(u32::MAX);
                    *self.terms.entry(term.into_boxed_str()).or_insert(fresh)
                });
                self.words.insert(word.into(), term);
                term
            };
            let Some(term) = term else { return };
            length += weight;
            if self.counts.len() <= term as usize {
                self.counts.resize_with(term as usize + 1, Vec::new);
            }
            if let Some(counts) = self.counts.get_mut(term as usize) {
                match counts.last_mut() {
                    Some((last, count)) if *last == passage => *count += weight,
                    _ => counts.push((passage, weight)),
                }
            }
        });
        length
    }

    #[allow(clippy::cast_precision_loss, reason = "counts far below the precision of f32")]
    fn finish(self) -> LexicalIndex {
        let passages = self.lengths.len();
        let average = (self.lengths.iter().sum::<f32>() / passages.max(1) as f32).max(1.0);
        let Bm25 { k1, b, .. } = self.bm25;
        let norms: Vec<f32> = self.lengths.iter().map(|length| k1 * (1.0 - b + b * length / average)).collect();
        let mut starts = Vec::with_capacity(self.counts.len() + 1);
        let mut postings = Vec::with_capacity(self.counts.iter().map(Vec::len).sum());
        let mut idf = Vec::with_capacity(self.counts.len());
        for counts in &self.counts {
            let rarity = inverse_frequency(passages, counts.len());
            idf.push(rarity);
            starts.push(u32::try_from(postings.len()).unwrap_or(u32::MAX));
            postings.extend(counts.iter().map(|(passage, count)| {
                let norm = norms.get(*passage as usize).copied().unwrap_or(k1);
                (*passage, rarity * count * (k1 + 1.0) / (count + norm))
            }));
        }
        starts.push(u32::try_from(postings.len()).unwrap_or(u32::MAX));
        LexicalIndex { terms: self.terms, starts, postings, idf, passages }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[&str]) -> LexicalIndex {
        LexicalIndex::build(texts.iter().map(|text| Fields { text, ..Fields::default() }), Bm25::default())
    }

    fn scores(index: &LexicalIndex, query: &str) -> Vec<f32> {
        let query = index.query(&Analyzer::default(), query);
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
        let query = index.query(&Analyzer::default(), "open water depth zebra");
        let covered = index.coverage(&query, &[0, 1]);
        assert!(covered[0] > covered[1]);
        assert!(covered[0] < 1.0, "an unknown word is not covered");
    }

    #[test]
    fn an_empty_index_and_an_empty_query_find_nothing() {
        assert!(scores(&index(&[]), "shark").is_empty());
        assert_eq!(scores(&index(&["shark"]), "the of"), [0.0]);
    }
}
