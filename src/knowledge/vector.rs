//! Search by meaning: an exact scan over all vectors.
//!
//! The scan compares vectors in eight bits per number, which is four times less memory to walk through;
//! the best candidates are then compared in full precision. Up to some hundred thousand passages this
//! is faster than a graph index and misses nothing.

use pulp::Arch;

/// Candidates that are compared in full precision.
const RESCORED: usize = 40;
/// Numbers per step of the inner loop.
const LANES: usize = 64;

/// Vectors of length 1, numbered in the order they were given.
#[derive(Debug, Default)]
pub struct VectorIndex {
    dimension: usize,
    /// `dimension` rounded up to whole steps; the padding is zero.
    width: usize,
    bytes: Vec<i8>,
    /// What a number of each vector's bytes stands for.
    scales: Vec<f32>,
    full: Vec<f32>,
}

impl VectorIndex {
    /// An empty index for vectors of `dimension` numbers, with room for `capacity` of them.
    pub fn new(dimension: usize, capacity: usize) -> Self {
        let width = dimension.next_multiple_of(LANES);
        Self {
            dimension,
            width,
            bytes: Vec::with_capacity(capacity * width),
            scales: Vec::with_capacity(capacity),
            full: Vec::with_capacity(capacity * dimension),
        }
    }

    /// Adds a vector; one of another dimension is added as zeros, which nothing is near to.
    pub fn push(&mut self, vector: &[f32]) {
        if vector.len() == self.dimension {
            self.full.extend_from_slice(vector);
        } else {
            self.full.resize(self.full.len() + self.dimension, 0.0);
        }
        let from = self.full.len() - self.dimension;
        let (bytes, scale) = quantise(self.full.get(from..).unwrap_or_default());
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(self.width.max(1)), 0);
        self.scales.push(scale);
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.scales.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.scales.is_empty()
    }

    /// The vector of a number.
    pub fn vector(&self, number: usize) -> Option<&[f32]> {
        let from = number.checked_mul(self.dimension)?;
        self.full.get(from..from + self.dimension)
    }

    /// The cosine of a vector with the query, in full precision.
    pub fn cosine(&self, number: usize, query: &[f32]) -> f32 {
        self.vector(number).map_or(0.0, |vector| dot(vector, query))
    }

    /// The `count` nearest of the vectors that `allowed` lets through, nearest first, with their cosine.
    pub fn nearest(&self, query: &[f32], count: usize, allowed: impl Fn(u32) -> bool) -> Vec<(u32, f32)> {
        if query.len() != self.dimension || count == 0 {
            return Vec::new();
        }
        let (query_bytes, _) = quantise(query);
        let mut wide: Vec<i16> = query_bytes.map(i16::from).collect();
        wide.resize(self.width, 0);
        let mut rough = vec![0.0_f32; self.len()];
        scan(&self.bytes, &self.scales, &wide, &mut rough);

        let mut candidates = largest(&rough, count.max(RESCORED), allowed);
        for (number, score) in &mut candidates {
            *score = self.cosine(*number as usize, query);
        }
        keep_largest(&mut candidates, count);
        candidates.sort_unstable_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        candidates
    }
}

/// The `count` largest of the allowed scores, in no order. Most scores only meet the rising floor.
fn largest(scores: &[f32], count: usize, allowed: impl Fn(u32) -> bool) -> Vec<(u32, f32)> {
    let mut kept: Vec<(u32, f32)> = Vec::with_capacity(count * 2);
    let mut floor = f32::NEG_INFINITY;
    for (number, score) in (0_u32..).zip(scores) {
        if *score > floor && allowed(number) {
            kept.push((number, *score));
            if kept.len() == count * 2 {
                keep_largest(&mut kept, count);
                floor = kept.iter().fold(f32::INFINITY, |least, (_, score)| least.min(*score));
            }
        }
    }
    keep_largest(&mut kept, count);
    kept
}

/// Keeps the `count` entries with the largest scores, in no order.
pub(crate) fn keep_largest(entries: &mut Vec<(u32, f32)>, count: usize) {
    if entries.len() > count && count > 0 {
        entries.select_nth_unstable_by(count - 1, |left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        entries.truncate(count);
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the numbers are scaled to -127..127")]
fn quantise(vector: &[f32]) -> (impl Iterator<Item = i8>, f32) {
    let largest = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs())).max(f32::MIN_POSITIVE);
    let factor = 127.0 / largest;
    (vector.iter().map(move |x| (x * factor).round() as i8), largest / 127.0)
}

/// The scaled products of every vector's bytes with the query.
#[allow(clippy::cast_precision_loss, reason = "sums of a few hundred products of bytes fit")]
fn scan(bytes: &[i8], scales: &[f32], query: &[i16], scores: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let (query, _) = query.as_chunks::<LANES>();
            for ((vector, scale), score) in bytes.chunks_exact(query.len() * LANES).zip(scales).zip(scores) {
                let mut sum = 0_i32;
                for (step, part) in vector.as_chunks::<LANES>().0.iter().zip(query) {
                    for (x, q) in step.iter().zip(part) {
                        sum += i32::from(i16::from(*x)) * i32::from(*q);
                    }
                }
                *score = sum as f32 * scale;
            }
        },
    );
}

/// The product of two vectors of the same length.
pub(crate) fn dot(left: &[f32], right: &[f32]) -> f32 {
    const STEP: usize = 16;
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut lanes = [0.0_f32; STEP];
            let (left_steps, left_rest) = left.as_chunks::<STEP>();
            let (right_steps, right_rest) = right.as_chunks::<STEP>();
            for (a, b) in left_steps.iter().zip(right_steps) {
                for ((lane, x), y) in lanes.iter_mut().zip(a).zip(b) {
                    *lane += x * y;
                }
            }
            lanes.iter().sum::<f32>() + left_rest.iter().zip(right_rest).map(|(x, y)| x * y).sum::<f32>()
        },
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::embed::normalise;

    fn index(vectors: &[Vec<f32>]) -> VectorIndex {
        let mut index = VectorIndex::new(vectors[0].len(), vectors.len());
        for vector in vectors {
            index.push(vector);
        }
        index
    }

    #[test]
    fn the_nearest_come_first_and_forbidden_ones_never() {
        let index = index(&[vec![1.0, 0.0, 0.0], vec![0.8, 0.6, 0.0], vec![0.0, 0.0, 1.0]]);
        let query = [0.9, 0.435_889_9, 0.0];
        let found = index.nearest(&query, 2, |_| true);
        assert_eq!(found.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(index.nearest(&query, 2, |number| number != 1)[0].0, 0);
        assert!(index.nearest(&[1.0], 2, |_| true).is_empty(), "a query of another model finds nothing");
    }

    #[test]
    fn a_vector_of_another_dimension_is_near_to_nothing() {
        let mut index = index(&[vec![1.0, 0.0]]);
        index.push(&[1.0, 0.0, 0.0]);
        assert_eq!((index.len(), index.cosine(1, &[1.0, 0.0])), (2, 0.0));
    }

    #[test]
    fn the_largest_are_kept_however_many_there_are() {
        let scores: Vec<f32> = (0..1_000_u16).map(|x| f32::from((x * 7) % 1_000)).collect();
        let mut kept: Vec<f32> = largest(&scores, 10, |_| true).into_iter().map(|(_, score)| score).collect();
        kept.sort_by(f32::total_cmp);
        assert_eq!(kept, (990..1_000_u16).map(f32::from).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn scores_are_exact_cosines(raw in prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, 70), 1..60)) {
            let vectors: Vec<Vec<f32>> = raw.into_iter().map(|mut v| { v[0] += 2.0; normalise(&mut v); v }).collect();
            let query = &vectors[0];
            let found = index(&vectors).nearest(query, 10, |_| true);
            prop_assert_eq!(found.len(), vectors.len().min(10));
            for (number, score) in &found {
                let exact: f32 = vectors[*number as usize].iter().zip(query).map(|(x, y)| x * y).sum();
                prop_assert!((exact - score).abs() < 1e-5);
            }
            prop_assert!((found[0].1 - 1.0).abs() < 1e-5);
        }
    }
}
