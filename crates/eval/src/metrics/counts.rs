//! Metrics that count hits within the cutoff: recall in its two normalizations, precision, hit.

use super::{HitProfile, Measure, Metric};

/// [`recall`] in the list of metrics.
pub const RECALL: Metric = Metric {
    name: "recall",
    aliases: &[],
    doc: "hits within k over all held-out items",
    has_cutoff: true,
    measure: Measure::User(recall),
};

/// [`recall_capped`] in the list of metrics.
pub const RECALL_CAPPED: Metric = Metric {
    name: "recall-capped",
    aliases: &[],
    doc: "hits within k over min(k, held-out items): 1 is always reachable",
    has_cutoff: true,
    measure: Measure::User(recall_capped),
};

/// [`precision`] in the list of metrics.
pub const PRECISION: Metric = Metric {
    name: "precision",
    aliases: &["p"],
    doc: "hits within k over k",
    has_cutoff: true,
    measure: Measure::User(precision),
};

/// [`hit`] in the list of metrics.
pub const HIT: Metric = Metric {
    name: "hit",
    aliases: &["hr", "hit-rate", "hit-ratio", "success"],
    doc: "share of users with at least one hit within k",
    has_cutoff: true,
    measure: Measure::User(hit),
};

/// `recall@k = hits within k ÷ |truth|`, in `[0, 1]`; 0 without truth.
///
/// With more than `k` held-out items it cannot reach 1; see [`recall_capped`]. Ties: exact, since
/// linear in the hits.
#[must_use]
pub fn recall(hits: &HitProfile, k: usize) -> f64 {
    share(hits.expected_hits(k), hits.n_truth)
}

/// `recall-capped@k = hits within k ÷ min(k, |truth|)`, in `[0, 1]`; 0 without truth.
///
/// The form of Liang et al., "Variational Autoencoders for Collaborative Filtering" (WWW 2018),
/// equation (9): 1 is always reachable. Papers call either form "recall", so a comparison must say
/// which one it uses.
#[must_use]
pub fn recall_capped(hits: &HitProfile, k: usize) -> f64 {
    share(hits.expected_hits(k), k.min(hits.n_truth))
}

/// `precision@k = hits within k ÷ k`, in `[0, 1]`; missing entries of a short list are misses.
#[must_use]
pub fn precision(hits: &HitProfile, k: usize) -> f64 {
    share(hits.expected_hits(k), k)
}

/// `hit@k`: 1 with at least one hit within `k`, else 0; its mean is the hit rate.
///
/// Ties: a group of m items, h of them hits, with q ranks within the cutoff has none of its hits there
/// with probability `C(m − h, q) / C(m, q) = Π_{i < q} (m − h − i) / (m − i)`; exact.
#[must_use]
pub fn hit(hits: &HitProfile, k: usize) -> f64 {
    let Some(group) = hits.groups.first() else {
        return 0.0;
    };
    let mut none = 1.0;
    for i in 0..group.ranks_within(k) {
        let misses = group.size - group.hits;
        if i >= misses {
            return 1.0;
        }
        none *= (misses - i) as f64 / (group.size - i) as f64;
    }
    1.0 - none
}

fn share(part: f64, of: usize) -> f64 {
    if of == 0 {
        0.0
    } else {
        (part / of as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{HitGroup, testing::strict};

    /// Hits at ranks 2 and 3 of 4, five held-out items.
    #[test]
    fn by_hand() {
        let hits = strict(&[false, true, true, false], 5);
        assert_eq!(recall(&hits, 3), 0.4);
        assert_eq!(recall_capped(&hits, 3), 2.0 / 3.0);
        assert_eq!(recall_capped(&hits, 10), 0.4);
        assert_eq!(precision(&hits, 4), 0.5);
        assert_eq!(precision(&hits, 10), 0.2);
        assert_eq!((hit(&hits, 1), hit(&hits, 2)), (0.0, 1.0));
        assert_eq!(recall(&strict(&[], 0), 3), 0.0);
        assert_eq!(precision(&hits, 0), 0.0);
    }

    /// Two hits among four ties: the first two ranks miss both with probability 1/6.
    #[test]
    fn hits_among_ties() {
        let group = HitGroup {
            before: 0,
            size: 4,
            hits: 2,
        };
        let tied = HitProfile {
            groups: vec![group],
            n_truth: 2,
            n_ranked: 4,
            n_candidates: 4,
        };
        assert!((hit(&tied, 2) - 5.0 / 6.0).abs() < 1e-15);
        assert_eq!(hit(&tied, 3), 1.0);
        assert_eq!(recall(&tied, 2), 0.5);
    }
}
