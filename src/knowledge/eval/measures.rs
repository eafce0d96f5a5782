//! The measures of a ranking, as `trec_eval` defines them.

use std::collections::HashMap;

/// A ranking and what people judged of its documents.
pub(super) struct Judged {
    /// Document ids, best first.
    pub(super) ranked: Vec<String>,
    /// Grades by document id; 0 or less is not relevant.
    pub(super) grades: HashMap<String, f64>,
}

impl Judged {
    fn gain(&self, id: &str) -> f64 {
        self.grades.get(id).copied().unwrap_or(0.0).max(0.0)
    }

    /// Discounted gain of the first `depth`, against the best that was possible. Gain is linear.
    pub(super) fn ndcg(&self, depth: usize) -> f64 {
        let mut ideal: Vec<f64> = self.grades.values().copied().filter(|grade| *grade > 0.0).collect();
        ideal.sort_by(|left, right| right.total_cmp(left));
        let best = discounted(ideal.into_iter().take(depth));
        let found = discounted(self.ranked.iter().take(depth).map(|id| self.gain(id)));
        if best > 0.0 { found / best } else { 0.0 }
    }

    /// The share of the relevant documents among the first `depth`.
    #[allow(clippy::cast_precision_loss, reason = "counts of documents")]
    pub(super) fn recall(&self, depth: usize) -> f64 {
        let relevant = self.grades.values().filter(|grade| **grade > 0.0).count();
        let found = self.ranked.iter().take(depth).filter(|id| self.gain(id) > 0.0).count();
        if relevant == 0 { 0.0 } else { found as f64 / relevant as f64 }
    }

    /// 1 over the rank of the first relevant document among the first `depth`, else 0.
    #[allow(clippy::cast_precision_loss, reason = "counts of documents")]
    pub(super) fn reciprocal_rank(&self, depth: usize) -> f64 {
        let first = self.ranked.iter().take(depth).position(|id| self.gain(id) > 0.0);
        first.map_or(0.0, |at| 1.0 / (at as f64 + 1.0))
    }
}

#[allow(clippy::cast_precision_loss, reason = "ranks")]
fn discounted(gains: impl Iterator<Item = f64>) -> f64 {
    gains.enumerate().map(|(at, gain)| gain / (at as f64 + 2.0).log2()).sum()
}

/// The mean over the queries; 0 without any.
#[allow(clippy::cast_precision_loss, reason = "counts of queries")]
pub(super) fn mean(judged: &[Judged], measure: impl Fn(&Judged) -> f64) -> f64 {
    if judged.is_empty() { 0.0 } else { judged.iter().map(measure).sum::<f64>() / judged.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(ranked: &[&str], grades: &[(&str, f64)]) -> Judged {
        Judged {
            ranked: ranked.iter().map(|id| (*id).to_owned()).collect(),
            grades: grades.iter().map(|(id, grade)| ((*id).to_owned(), *grade)).collect(),
        }
    }

    #[test]
    fn gain_is_linear_and_discounted_by_the_logarithm() {
        let query = judged(&["x", "a", "b"], &[("a", 2.0), ("b", 1.0), ("c", 0.0)]);
        let expected = (2.0 / 3.0_f64.log2() + 1.0 / 4.0_f64.log2()) / (2.0 + 1.0 / 3.0_f64.log2());
        assert!((query.ndcg(10) - expected).abs() < 1e-12);
        assert!((query.reciprocal_rank(10) - 0.5).abs() < 1e-12);
        assert!((query.recall(2) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_perfect_ranking_has_1_and_an_empty_one_0() {
        assert!((judged(&["a"], &[("a", 1.0)]).ndcg(10) - 1.0).abs() < 1e-12);
        assert!(judged(&[], &[("a", 1.0)]).ndcg(10).abs() < 1e-12);
    }
}
