//! Building the index: the passages are read in parts at the same time, then put together.

use std::collections::HashMap;

use super::headings::Headings;
use super::{Bm25, Fields, LexicalIndex, Posting, inverse_frequency};
use crate::text::{self, Analyzer};
use crate::vocabulary::Vocabulary;

/// Fewer passages are read by one thread.
const WORTH_A_THREAD: usize = 500;
const MOST_THREADS: usize = 4;
/// Marks a count of a term that also stands in the title, a heading or the keywords.
const NAMED: u32 = 1 << 31;
/// Marks a term of the title among those of title and heading.
const TITLE: u32 = 1 << 31;

pub(super) fn build(passages: &[Fields<'_>], bm25: Bm25) -> LexicalIndex {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(MOST_THREADS).min(passages.len() / WORTH_A_THREAD).max(1);
    let share = passages.len().div_ceil(threads).max(1);
    let parts: Vec<Part> = std::thread::scope(|scope| {
        let (first, rest) = passages.split_at(share.min(passages.len()));
        let running: Vec<_> =
            rest.chunks(share).map(|chunk| (chunk, scope.spawn(move || Part::read(chunk, bm25)))).collect();
        let mut parts = vec![Part::read(first, bm25)];
        // A thread that died is made up for here.
        parts.extend(running.into_iter().map(|(chunk, part)| part.join().unwrap_or_else(|_| Part::read(chunk, bm25))));
        parts
    });
    together(&parts, bm25)
}

/// The counts of some passages, with terms numbered as they were met.
#[derive(Default)]
struct Part {
    terms: HashMap<Box<str>, u32>,
    /// Term and weighted count, passage after passage.
    counts: Vec<(u32, f32)>,
    /// Where each passage's counts end.
    ends: Vec<usize>,
    lengths: Vec<f32>,
    /// The terms of title and heading, passage after passage, and where each passage's end.
    headings: Vec<u32>,
    heading_ends: Vec<usize>,
    /// Per term: its place in `counts` for the passage being read.
    open: Vec<usize>,
}

impl Part {
    fn read(passages: &[Fields<'_>], bm25: Bm25) -> Self {
        let mut part = Self::default();
        let analyzer = Analyzer::default();
        // Every word met, and its term; stemming is done once per word.
        let mut words: HashMap<Box<str>, Option<u32>> = HashMap::new();
        for fields in passages {
            let start = part.counts.len();
            let mut length = 0.0;
            for (text, weight, named, header) in [
                (fields.title, bm25.title, NAMED, Some(TITLE)),
                (fields.section, bm25.section, NAMED, Some(0)),
                (fields.keywords, bm25.keywords, NAMED, None),
                (fields.tags, bm25.keywords, 0, None),
                (fields.asked, bm25.asked, 0, None),
                (fields.text, 1.0, 0, None),
            ] {
                if weight <= 0.0 {
                    continue;
                }
                text::words(text, |word| {
                    let Some(term) = part.term(&mut words, &analyzer, word) else { return };
                    length += weight;
                    part.count(start, term, named, weight);
                    part.headings.extend(header.map(|mark| term | mark));
                });
            }
            part.ends.push(part.counts.len());
            part.heading_ends.push(part.headings.len());
            part.lengths.push(length);
        }
        part
    }

    fn term(&mut self, words: &mut HashMap<Box<str>, Option<u32>>, analyzer: &Analyzer, word: &str) -> Option<u32> {
        if let Some(known) = words.get(word) {
            return *known;
        }
        let term = analyzer.term(word).map(|term| {
            let fresh = u32::try_from(self.terms.len()).unwrap_or(u32::MAX);
            *self.terms.entry(term.into_boxed_str()).or_insert(fresh)
        });
        self.open.resize(self.terms.len(), usize::MAX);
        words.insert(word.into(), term);
        term
    }

    /// Counts a term of the passage whose counts begin at `start`.
    fn count(&mut self, start: usize, term: u32, named: u32, weight: f32) {
        let Some(place) = self.open.get_mut(term as usize) else { return };
        if *place != usize::MAX
            && *place >= start
            && let Some((marked, count)) = self.counts.get_mut(*place)
        {
            *marked |= named;
            *count += weight;
        } else {
            *place = self.counts.len();
            self.counts.push((term | named, weight));
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts far below the precision of f32")]
fn together(parts: &[Part], bm25: Bm25) -> LexicalIndex {
    let mut sorted: Vec<&str> = parts.iter().flat_map(|part| part.terms.keys().map(AsRef::as_ref)).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let vocabulary = Vocabulary::of(&sorted);
    let numbers: Vec<Vec<u32>> = parts.iter().map(|part| part.numbers(&sorted)).collect();
    let number = |part: usize, term: u32| numbers.get(part).and_then(|numbers| numbers.get(term as usize)).copied();

    let mut having = vec![0_u32; sorted.len()];
    for (at, part) in parts.iter().enumerate() {
        for (term, _) in &part.counts {
            if let Some(having) = number(at, term & !NAMED).and_then(|term| having.get_mut(term as usize)) {
                *having += 1;
            }
        }
    }
    let passages: usize = parts.iter().map(|part| part.lengths.len()).sum();
    let idf: Vec<f32> = having.iter().map(|having| inverse_frequency(passages, *having as usize)).collect();
    let mut starts = Vec::with_capacity(having.len() + 1);
    let mut sum = 0_u32;
    starts.push(0);
    for having in &having {
        sum += having;
        starts.push(sum);
    }

    let length: f32 = parts.iter().flat_map(|part| &part.lengths).sum();
    let average = (length / passages.max(1) as f32).max(1.0);
    let Bm25 { k1, b, .. } = bm25;
    let mut next = starts.clone();
    let mut postings = vec![Posting::default(); sum as usize];
    let (mut headers, mut headings) = (Headings::default(), Headings::default());
    let mut passage = 0_u32;
    for (at, part) in parts.iter().enumerate() {
        let mut from = 0;
        let mut heading = 0;
        for ((end, heading_end), length) in part.ends.iter().zip(&part.heading_ends).zip(&part.lengths) {
            let norm = k1 * (1.0 - b + b * length / average);
            for (marked, count) in part.counts.get(from..*end).unwrap_or_default() {
                let Some(term) = number(at, marked & !NAMED) else { continue };
                let (Some(place), Some(rarity)) = (next.get_mut(term as usize), idf.get(term as usize)) else {
                    continue;
                };
                let score = rarity * count * (k1 + 1.0) / (count + norm);
                if let Some(posting) = postings.get_mut(*place as usize) {
                    *posting = Posting::new(passage, marked & NAMED != 0, score);
                }
                *place += 1;
            }
            let terms = part.headings.get(heading..*heading_end).unwrap_or_default();
            headers.push(terms.iter().filter_map(|term| number(at, *term & !TITLE)), &idf);
            let own = terms.iter().filter(|term| *term & TITLE == 0);
            headings.push(own.filter_map(|term| number(at, *term)), &idf);
            (from, heading) = (*end, *heading_end);
            passage += 1;
        }
    }
    let named_share = |bounds: &[u32]| {
        let [from, to] = bounds else { return 0.0 };
        let postings = postings.get(*from as usize..*to as usize).unwrap_or_default();
        let named = postings.iter().filter(|posting| posting.is_named()).count();
        named as f32 / postings.len().max(1) as f32
    };
    let named_shares = starts.windows(2).map(named_share).collect();
    LexicalIndex { vocabulary, starts, postings, idf, named_shares, headers, headings, passages }
}

impl Part {
    /// The numbers of this part's terms among all.
    fn numbers(&self, sorted: &[&str]) -> Vec<u32> {
        let mut numbers = vec![0; self.terms.len()];
        for (term, own) in &self.terms {
            let number = sorted.binary_search(&term.as_ref()).ok().and_then(|number| u32::try_from(number).ok());
            if let (Some(slot), Some(number)) = (numbers.get_mut(*own as usize), number) {
                *slot = number;
            }
        }
        numbers
    }
}
