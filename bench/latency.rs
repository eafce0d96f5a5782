//! How long things took.

use std::time::Duration;

use serde::Serialize;

/// Every single latency of a round; rounds are short enough to keep them all.
#[derive(Debug, Clone, Default)]
pub struct Latencies(Vec<u32>);

/// What is told of them, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Summary {
    /// The middle.
    pub p50: f64,
    /// Nine of ten are below.
    pub p90: f64,
    /// Ninety-nine of a hundred are below.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

impl Latencies {
    /// Adds one.
    pub fn add(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds those of another worker.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sorts them and reads the quantiles (nearest rank).
    pub fn summary(mut self) -> Summary {
        self.0.sort_unstable();
        let count = self.0.len();
        let at = |percent: usize| {
            let rank = (count * percent).div_ceil(100).max(1) - 1;
            self.0.get(rank).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
        };
        Summary { p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

/// The middle of a few figures; 0 when there are none.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match (figures.len() % 2, figures.get(middle.saturating_sub(1)), figures.get(middle)) {
        (0, Some(low), Some(high)) => f64::midpoint(*low, *high),
        (_, _, Some(only)) => *only,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let mut all = Latencies::default();
        for ms in (1..=200).rev() {
            all.add(Duration::from_millis(ms));
        }
        assert_eq!(all.summary(), Summary { p50: 100.0, p90: 180.0, p99: 198.0, max: 200.0 });
        assert_eq!(Latencies::default().summary(), Summary::default());
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let close = |a: f64, b: f64| (a - b).abs() < f64::EPSILON;
        assert!(close(median(vec![3.0, 1.0, 2.0]), 2.0));
        assert!(close(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5));
        assert!(close(median(vec![7.0]), 7.0));
        assert!(close(median(Vec::new()), 0.0));
    }
}
