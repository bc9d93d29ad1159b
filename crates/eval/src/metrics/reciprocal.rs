//! The reciprocal rank of the first hit.

use super::{HitProfile, Measure, Metric};

/// [`mrr`] in the list of metrics.
pub const MRR: Metric = Metric {
    name: "mrr",
    aliases: &["recip-rank", "reciprocal-rank"],
    doc: "1 over the rank of the first hit, 0 if it is below k",
    has_cutoff: true,
    measure: Measure::User(mrr),
};

/// `mrr@k = 1 / rank of the first hit`, 0 if it is below `k`; in `[0, 1]`. The mean over users
/// is the mean reciprocal rank.
///
/// Ties: only the first group with hits matters, since every order of it has one. In a group
/// of m items, h of them hits, the first hit is at position j with probability
/// `P(j) = h / (m − j + 1) × Π_{i < j − 1} (m − h − i) / (m − i)`, so the expectation is
/// `Σ_j P(j) / (before + j)` over the positions within `k`; exact.
#[must_use]
pub fn mrr(hits: &HitProfile, k: usize) -> f64 {
    let Some(group) = hits.groups.first() else {
        return 0.0;
    };
    let misses = group.size - group.hits;
    let mut none_yet = 1.0;
    let mut expected = 0.0;
    for at in 0..group.ranks_within(k).min(misses + 1) {
        let left = (group.size - at) as f64;
        expected += none_yet * (group.hits as f64 / left) / (group.before + at + 1) as f64;
        none_yet *= (misses - at) as f64 / left;
    }
    expected.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{HitGroup, testing::strict};

    #[test]
    fn by_hand() {
        let hits = strict(&[false, false, true, true], 2);
        assert_eq!(mrr(&hits, 4), 1.0 / 3.0);
        assert_eq!(mrr(&hits, 2), 0.0);
        assert_eq!(mrr(&strict(&[], 1), 2), 0.0);
    }

    /// One hit among two equal items at ranks 2 and 3: (1/2 + 1/3) / 2.
    #[test]
    fn among_ties() {
        let group = HitGroup {
            before: 1,
            size: 2,
            hits: 1,
        };
        let tied = HitProfile {
            groups: vec![group],
            n_truth: 1,
            n_ranked: 3,
            n_candidates: 3,
        };
        assert!((mrr(&tied, 3) - 5.0 / 12.0).abs() < 1e-15);
        assert!((mrr(&tied, 2) - 0.25).abs() < 1e-15);
    }
}
