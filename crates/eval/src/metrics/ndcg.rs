//! Normalized discounted cumulative gain.
//!
//! Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002, with
//! binary gains and the discount 1/log₂(rank + 1) at every rank, as in `trec_eval`.

use std::sync::LazyLock;

use super::{HitProfile, Measure, Metric};

/// [`ndcg`] in the list of metrics.
pub const NDCG: Metric = Metric {
    name: "ndcg",
    aliases: &[],
    doc: "discounted gain of the hits, 1/log2(rank + 1) each, over the best possible",
    has_cutoff: true,
    measure: Measure::User(ndcg),
};

/// Discounts of the ranks 1, 2, …: logarithms are slow, and cutoffs are small.
static DISCOUNTS: LazyLock<Vec<f64>> = LazyLock::new(|| (1..=1024).map(discount_of).collect());

fn discount_of(rank: usize) -> f64 {
    1.0 / (rank as f64 + 1.0).log2()
}

/// The sum of the discounts of the ranks `from + 1 ..= to`.
fn discounts(from: usize, to: usize) -> f64 {
    let tabled = to.min(DISCOUNTS.len());
    let mut sum: f64 = DISCOUNTS[from.min(tabled)..tabled].iter().sum();
    for rank in (from.max(tabled) + 1)..=to {
        sum += discount_of(rank);
    }
    sum
}

/// `ndcg@k = Σ_{r ≤ k} hit(r) / log₂(r + 1)  ÷  Σ_{r ≤ min(k, |truth|)} 1 / log₂(r + 1)`, in
/// `[0, 1]`; 0 without truth.
///
/// Ties: the sum is linear in the hits, so each rank of a group counts `hits / size` in expectation;
/// exact.
#[must_use]
pub fn ndcg(hits: &HitProfile, k: usize) -> f64 {
    let ideal = discounts(0, k.min(hits.n_truth));
    if ideal <= 0.0 {
        return 0.0;
    }
    let gain: f64 = hits
        .groups
        .iter()
        .filter(|g| g.before < k)
        .map(|g| g.hits as f64 / g.size as f64 * discounts(g.before, k.min(g.before + g.size)))
        .sum();
    // Summing group by group may exceed the ideal by a rounding error.
    (gain / ideal).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::strict;

    /// Hits at ranks 1 and 3 of 4, three held-out items.
    #[test]
    fn by_hand() {
        let hits = strict(&[true, false, true, false], 3);
        let third = 1.0 / 3f64.log2();
        assert!((ndcg(&hits, 3) - (1.0 + 0.5) / (1.0 + third + 0.5)).abs() < 1e-12);
        assert_eq!(ndcg(&hits, 1), 1.0);
        assert!((ndcg(&hits, 2) - 1.0 / (1.0 + third)).abs() < 1e-12);
        assert_eq!(ndcg(&strict(&[false], 0), 5), 0.0);
        assert_eq!(ndcg(&hits, 0), 0.0);
    }

    #[test]
    fn beyond_the_table() {
        let direct: f64 = (1001..=1500).map(discount_of).sum();
        assert!((discounts(1000, 1500) - direct).abs() < 1e-12);
        assert!((discounts(1100, 1101) - discount_of(1101)).abs() < 1e-15);
        assert_eq!(discounts(7, 7), 0.0);
    }
}
