//! The area under the ROC curve, over all candidates.

use super::{HitProfile, Measure, Metric};

/// [`auc`] in the list of metrics.
pub const AUC: Metric = Metric {
    name: "auc",
    aliases: &["roc-auc"],
    doc: "probability that a held-out item ranks above another candidate; full ranking, no cutoff",
    has_cutoff: false,
    measure: Measure::User(|hits, _| auc(hits)),
};

/// `auc`: the probability that a held-out item ranks above another candidate, ties counting one half
/// (the Mann–Whitney statistic); in `[0, 1]`, 0.5 is chance.
///
/// It needs the full ranking. If a list is shorter than the candidates, the missing candidates are one
/// group of ties at its end, which contains the held-out items that are not listed. Masked items do not
/// count. 0.5 if no held-out item, or no other, is a candidate.
#[must_use]
pub fn auc(hits: &HitProfile) -> f64 {
    let listed: usize = hits.groups.iter().map(|g| g.hits).sum();
    let unlisted = hits.n_candidates.saturating_sub(hits.n_ranked);
    let unlisted_hits = unlisted.min(hits.n_truth.saturating_sub(listed));
    let positives = listed + unlisted_hits;
    let negatives = (hits.n_ranked + unlisted).saturating_sub(positives);
    if positives == 0 || negatives == 0 {
        return 0.5;
    }
    let mut won = 0.0;
    let mut hits_above = 0;
    let groups = hits.groups.iter().map(|g| (g.before, g.size, g.hits));
    for (before, size, group_hits) in groups.chain([(hits.n_ranked, unlisted, unlisted_hits)]) {
        let misses_here = size.saturating_sub(group_hits);
        let misses_down_to_here = (before + size).saturating_sub(hits_above + group_hits);
        let misses_below = negatives.saturating_sub(misses_down_to_here);
        won += group_hits as f64 * (misses_below as f64 + 0.5 * misses_here as f64);
        hits_above += group_hits;
    }
    won / (positives as f64 * negatives as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{HitGroup, testing::strict};

    /// Of the 2 × 2 pairs the hits at ranks 1 and 3 win three.
    #[test]
    fn by_hand() {
        assert_eq!(auc(&strict(&[true, false, true, false], 2)), 0.75);
        assert_eq!(auc(&strict(&[false, false, true], 1)), 0.0);
        assert_eq!(auc(&strict(&[true, true], 2)), 0.5);
    }

    #[test]
    fn ties_count_one_half() {
        let group = HitGroup {
            before: 1,
            size: 3,
            hits: 1,
        };
        let mut tied = HitProfile {
            groups: vec![group],
            n_truth: 1,
            n_ranked: 4,
            n_candidates: 4,
        };
        // Tied with two misses, below the third.
        assert!((auc(&tied) - 1.0 / 3.0).abs() < 1e-15);
        // One more held-out item among two candidates that are not listed.
        tied.n_truth = 2;
        tied.n_candidates = 6;
        let first = 1.0 + 0.5 * 2.0;
        assert!((auc(&tied) - (first + 0.5) / 8.0).abs() < 1e-15);
    }
}
