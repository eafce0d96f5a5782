//! Ranking: words and meaning weighed together.

use std::sync::Arc;

use crate::index::{Content, Vectors};
use crate::message::Message;
use crate::vector::keep_largest;

/// How the two searches are weighed and when neither is believed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fusion {
    /// The share of meaning in the order, 0 to 1; the rest goes by words.
    pub meaning: f32,
    /// What a title and heading that say what is asked add to the order.
    pub heading: f32,
    /// What a title that stands word for word in the question adds.
    pub named: f32,
    /// What a title adds that stands there but for a word.
    pub nearly_named: f32,
    /// Candidates each search brings.
    pub depth: usize,
    /// The least confidence of the best passage; below it the search abstains.
    pub least: f32,
    /// The same while words alone are searched; shared words say less than shared meaning.
    pub least_by_words: f32,
    /// By how much another type's passage must be ahead in the order for the types asked for to be left.
    pub elsewhere: f32,
    /// A passage less confident than this share of the best one is left out.
    pub relative: f32,
}

impl Default for Fusion {
    fn default() -> Self {
        Self {
            meaning: 0.6,
            heading: 0.4,
            named: 0.2,
            nearly_named: 0.15,
            depth: 200,
            least: 0.47,
            least_by_words: 0.47,
            elsewhere: 0.1,
            relative: 0.5,
        }
    }
}

/// A passage that may answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Its number.
    pub(crate) passage: u32,
    /// Orders the candidates; comparable within one query only.
    pub(crate) fused: f32,
    /// How likely it speaks of what is asked, 0 to 1; comparable across queries.
    pub(crate) confidence: f32,
}

/// The candidates for a query, best first, and the largest cosine that the last of its meanings has with any of them: that
/// is the message's own where it opens a conversation, while the query has words that the router added, which are like
/// something by themselves.
pub(crate) fn rank(
    content: &Content,
    vectors: Option<(&Vectors, &[Arc<[f32]>])>,
    text: &str,
    allowed: &[bool],
    wanted: &[u32],
    fusion: &Fusion,
) -> (Vec<Candidate>, f32) {
    let message = Message::read(text);
    let query = content.lexical.read(&message);
    let allows = |number: u32| allowed.get(number as usize).copied().unwrap_or(false);
    let mut scores = vec![0.0; content.passages.len()];
    content.lexical.score_into(&query, &mut scores);

    let mut numbers = best_by_words(&scores, allowed, fusion.depth);
    let mut nearest =
        vectors.map_or_else(Vec::new, |(vectors, meanings)| vectors.nearest(meanings, fusion.depth, allows));
    nearest.sort_unstable_by_key(|(number, _)| *number);
    numbers.extend(nearest.iter().map(|(number, _)| *number));
    numbers.extend(wanted.iter().copied().filter(|number| allows(*number)));
    numbers.sort_unstable();
    numbers.dedup();

    let coverage = content.lexical.coverage(&query, &numbers);
    let words: Vec<f32> = numbers.iter().map(|number| scores.get(*number as usize).copied().unwrap_or(0.0)).collect();
    let headings = content.lexical.likeness(&query, &numbers);
    let meaning = vectors.map(|vectors| likeness(vectors, &nearest, &numbers, &coverage));
    let mut candidates = fuse(&numbers, &words, &coverage, meaning.as_deref(), fusion);
    let named = content.names.named(&message);
    let nearly = if named.is_empty() { content.names.nearly_named(&message) } else { Vec::new() };
    for (candidate, likeness) in candidates.iter_mut().zip(headings) {
        candidate.fused += fusion.heading * likeness;
        let document = content.passages.get(candidate.passage as usize).map(|passage| passage.document.number);
        if document.is_some_and(|document| named.binary_search(&document).is_ok()) {
            candidate.fused += fusion.named;
        } else if document.is_some_and(|document| nearly.binary_search(&document).is_ok()) {
            candidate.fused += fusion.nearly_named;
        }
    }
    candidates
        .sort_unstable_by(|left, right| right.fused.total_cmp(&left.fused).then(left.passage.cmp(&right.passage)));
    let likeness = vectors.map_or(0.0, |(vectors, meanings)| {
        let of_message = meanings.last().map_or(&[][..], std::slice::from_ref);
        nearest.iter().map(|(number, _)| vectors.cosine(*number as usize, of_message)).fold(0.0, f32::max)
    });
    (candidates, likeness)
}

fn best_by_words(scores: &[f32], allowed: &[bool], depth: usize) -> Vec<u32> {
    let numbered = (0_u32..).zip(scores.iter().copied()).zip(allowed);
    let mut found: Vec<(u32, f32)> =
        numbered.filter(|((_, score), allowed)| *score > 0.0 && **allowed).map(|(scored, _)| scored).collect();
    keep_largest(&mut found, depth);
    found.into_iter().map(|(number, _)| number).collect()
}

/// The candidates' cosines, which are known of the `nearest`, sorted by number; a passage that has no vector yet is judged
/// by its words.
fn likeness(
    (vectors, meanings): (&Vectors, &[Arc<[f32]>]),
    nearest: &[(u32, f32)],
    numbers: &[u32],
    coverage: &[f32],
) -> Vec<f32> {
    let compared = |number: u32| {
        let at = nearest.binary_search_by_key(&number, |(near, _)| *near).ok()?;
        nearest.get(at).map(|(_, cosine)| *cosine)
    };
    let cosine = |(number, covered): (&u32, &f32)| {
        let at = *number as usize;
        if !vectors.known.get(at).copied().unwrap_or(false) {
            return covered * 0.6;
        }
        compared(*number).unwrap_or_else(|| vectors.cosine(at, meanings))
    };
    numbers.iter().zip(coverage).map(cosine).collect()
}

fn fuse(numbers: &[u32], words: &[f32], coverage: &[f32], meaning: Option<&[f32]>, fusion: &Fusion) -> Vec<Candidate> {
    let words_scale = Scale::of(words);
    let candidates = numbers.iter().zip(words).zip(coverage).enumerate();
    let meaning_scale = meaning.map(Scale::of);
    candidates
        .map(|(at, ((passage, score), covered))| {
            let by_words = words_scale.place(*score);
            let cosine = meaning.and_then(|meaning| meaning.get(at).copied());
            let fused = match (cosine, meaning_scale) {
                (Some(cosine), Some(scale)) => fusion.meaning * scale.place(cosine) + (1.0 - fusion.meaning) * by_words,
                _ => by_words,
            };
            let confidence = confidence(*covered, cosine);
            Candidate { passage: *passage, fused, confidence }
        })
        .collect()
}

/// How likely a passage speaks of what is asked. The figures were set on the shipped corpus: between
/// questions it covers and questions about other things.
fn confidence(coverage: f32, cosine: Option<f32>) -> f32 {
    match cosine {
        Some(cosine) => {
            let meaning = ((cosine - 0.15) / 0.55).clamp(0.0, 1.0);
            (0.7 * meaning + 0.3 * coverage).clamp(0.0, 1.0)
        }
        None => coverage.clamp(0.0, 1.0),
    }
}

/// Maps a query's scores to 0..1, from the lowest candidate to the highest.
#[derive(Debug, Clone, Copy)]
struct Scale {
    low: f32,
    span: f32,
}

impl Scale {
    fn of(scores: &[f32]) -> Self {
        let low = scores.iter().copied().fold(f32::INFINITY, f32::min);
        let high = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        Self { low, span: high - low }
    }

    fn place(self, score: f32) -> f32 {
        if self.span > f32::EPSILON { (score - self.low) / self.span } else { 1.0 }
    }
}
