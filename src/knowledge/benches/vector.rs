//! The exact vector scan: time per query, and recall against a scan in full precision.

#![allow(clippy::cast_precision_loss, clippy::indexing_slicing, reason = "a benchmark over data of its own")]

use divan::{Bencher, black_box};
use dovvybuddy_knowledge::vector::VectorIndex;

const DIMENSION: usize = 384;
const CLUSTERS: usize = 200;
const COUNT: usize = 10;

fn main() {
    for size in [10_000, 100_000] {
        println!("recall@{COUNT} over {size} clustered vectors: {:.4}", recall(size));
    }
    divan::main();
}

#[divan::bench(args = [10_000, 100_000])]
fn nearest_10(bencher: Bencher, size: usize) {
    let vectors = clustered(size);
    let index = index(&vectors);
    let queries = queries(&vectors, 64);
    let mut at = 0;
    bencher.bench_local(|| {
        at = (at + 1) % queries.len();
        black_box(index.nearest(&queries[at], COUNT, |_| true))
    });
}

/// A small generator of its own: the same vectors on every machine.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32 * 2.0 - 1.0
    }

    /// Nearly normal: the sum of four uniform ones.
    fn normal(&mut self) -> f32 {
        (0..4).map(|_| self.next()).sum::<f32>() / 1.155
    }
}

fn clustered(size: usize) -> Vec<Vec<f32>> {
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let centres: Vec<Vec<f32>> = (0..CLUSTERS).map(|_| (0..DIMENSION).map(|_| numbers.normal()).collect()).collect();
    let near = |centre: &Vec<f32>, numbers: &mut Numbers| {
        normalised(centre.iter().map(|x| x + 0.7 * numbers.normal()).collect())
    };
    (0..size).map(|at| near(&centres[at % CLUSTERS], &mut numbers)).collect()
}

fn queries(vectors: &[Vec<f32>], count: usize) -> Vec<Vec<f32>> {
    let mut numbers = Numbers(42);
    let step = vectors.len() / count;
    (0..count).map(|at| normalised(vectors[at * step].iter().map(|x| x + 0.02 * numbers.normal()).collect())).collect()
}

fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    for x in &mut vector {
        *x /= length;
    }
    vector
}

fn index(vectors: &[Vec<f32>]) -> VectorIndex {
    let mut index = VectorIndex::new(DIMENSION, vectors.len());
    for vector in vectors {
        index.push(vector);
    }
    index
}

fn recall(size: usize) -> f64 {
    let vectors = clustered(size);
    let index = index(&vectors);
    let queries = queries(&vectors, 100);
    let mut shared = 0;
    for query in &queries {
        let mut exact: Vec<(u32, f32)> = (0_u32..)
            .zip(&vectors)
            .map(|(number, vector)| (number, vector.iter().zip(query).map(|(x, y)| x * y).sum()))
            .collect();
        exact.sort_by(|left, right| right.1.total_cmp(&left.1));
        let found = index.nearest(query, COUNT, |_| true);
        shared += exact.iter().take(COUNT).filter(|(number, _)| found.iter().any(|(other, _)| other == number)).count();
    }
    shared as f64 / (queries.len() * COUNT) as f64
}
