//! The nearest of 10,000 vectors, one int8 scan through whatever the processor offers.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use dovvybuddy_bench::corpus::Numbers;
use pulp::{Arch, Simd, WithSimd};

/// As many dimensions as all-MiniLM-L6-v2 has.
const DIMENSIONS: usize = 384;
const VECTORS: usize = 10_000;
/// Embedded queries, as if from the cache.
const QUERIES: usize = 512;
const WANTED: usize = 5;

/// The vectors, one after another.
pub(crate) struct Vectors {
    passages: Vec<[i8; DIMENSIONS]>,
    queries: Vec<[i8; DIMENSIONS]>,
    arch: Arch,
}

impl Vectors {
    /// The same on every machine.
    pub(crate) fn generate() -> Self {
        let mut numbers = Numbers::new(384);
        let passages = (0..VECTORS).map(|_| vector(&mut numbers)).collect();
        let queries = (0..QUERIES).map(|_| vector(&mut numbers)).collect();
        Self { passages, queries, arch: Arch::new() }
    }

    /// The five nearest to a message's vector, best first.
    pub(crate) fn nearest(&self, message: &str) -> Vec<usize> {
        let mut hasher = DefaultHasher::new();
        message.hash(&mut hasher);
        let choice = usize::try_from(hasher.finish() % (QUERIES as u64)).unwrap_or(0);
        let Some(query) = self.queries.get(choice) else { return Vec::new() };
        self.arch.dispatch(Scan { passages: &self.passages, query })
    }

    /// How long one scan takes, on average of a hundred.
    pub(crate) fn time_of_a_scan(&self) -> Duration {
        let began = Instant::now();
        for question in 0..100 {
            std::hint::black_box(self.nearest(&question.to_string()));
        }
        began.elapsed() / 100
    }
}

fn vector(numbers: &mut Numbers) -> [i8; DIMENSIONS] {
    let mut vector = [0; DIMENSIONS];
    for value in &mut vector {
        #[expect(clippy::cast_possible_truncation, reason = "rounded and within ±127")]
        let scaled = (numbers.centred() * 127.0).round() as i8;
        *value = scaled;
    }
    vector
}

struct Scan<'a> {
    passages: &'a [[i8; DIMENSIONS]],
    query: &'a [i8; DIMENSIONS],
}

impl WithSimd for Scan<'_> {
    type Output = Vec<usize>;

    #[allow(
        clippy::inline_always,
        reason = "only code inlined into the dispatched one is compiled for the processor at hand"
    )]
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> Self::Output {
        let mut best: Vec<(i32, usize)> = Vec::with_capacity(WANTED + 1);
        let mut least = i32::MIN;
        for (i, passage) in self.passages.iter().enumerate() {
            let likeness = dot(passage, self.query);
            if likeness > least || best.len() < WANTED {
                let at = best.partition_point(|(other, _)| *other >= likeness);
                best.insert(at, (likeness, i));
                best.truncate(WANTED);
                least = best.last().map_or(i32::MIN, |(least, _)| *least);
            }
        }
        best.into_iter().map(|(_, i)| i).collect()
    }
}

/// The likeness of two vectors; the compiler vectorises it.
#[allow(
    clippy::inline_always,
    reason = "only code inlined into the dispatched one is compiled for the processor at hand"
)]
#[inline(always)]
fn dot(one: &[i8; DIMENSIONS], other: &[i8; DIMENSIONS]) -> i32 {
    one.iter().zip(other).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scan_finds_what_sorting_finds() {
        let vectors = Vectors::generate();
        let query = vectors.passages[4321];
        let found = vectors.arch.dispatch(Scan { passages: &vectors.passages, query: &query });
        let mut sorted: Vec<usize> = (0..VECTORS).collect();
        sorted.sort_by_key(|i| std::cmp::Reverse(dot(&vectors.passages[*i], &query)));
        assert_eq!(found, sorted[..WANTED]);
        assert_eq!(found[0], 4321);
    }
}
