//! Average precision, in its two normalizations.

use super::{HitProfile, Measure, Metric};

/// [`map`] in the list of metrics.
pub const MAP: Metric = Metric {
    name: "map",
    aliases: &["ap", "average-precision"],
    doc: "mean average precision over all held-out items, as in trec_eval",
    has_cutoff: true,
    measure: Measure::User(map),
};

/// [`map_capped`] in the list of metrics.
pub const MAP_CAPPED: Metric = Metric {
    name: "map-capped",
    aliases: &[],
    doc: "mean average precision over min(k, held-out items), as in RecBole",
    has_cutoff: true,
    measure: Measure::User(map_capped),
};

/// `map@k = Σ_{r ≤ k} hit(r) × precision(r) ÷ |truth|`, in `[0, 1]`, as `map_cut`
/// of `trec_eval`; the mean over users is the mean average precision. 0 without truth.
///
/// Ties: at position j of a group of m items, h of them hits, with H hits ranked above, the expectation
/// of `hit × (hits up to here)` is `h/m × (H + 1) + (j − 1) × h (h − 1) / (m (m − 1))`, from the
/// probability that two given positions are both hits; exact.
#[must_use]
pub fn map(hits: &HitProfile, k: usize) -> f64 {
    normalized(hits, k, hits.n_truth)
}

/// `map-capped@k = Σ_{r ≤ k} hit(r) × precision(r) ÷ min(k, |truth|)`, in `[0, 1]`: 1 is always
/// reachable. Papers and libraries call either form "MAP".
#[must_use]
pub fn map_capped(hits: &HitProfile, k: usize) -> f64 {
    normalized(hits, k, k.min(hits.n_truth))
}

fn normalized(hits: &HitProfile, k: usize, by: usize) -> f64 {
    if by == 0 {
        return 0.0;
    }
    let mut sum = 0.0;
    let mut hits_before = 0.0;
    for group in &hits.groups {
        let (m, h) = (group.size as f64, group.hits as f64);
        let one = h / m;
        let two = if group.size > 1 {
            one * (h - 1.0) / (m - 1.0)
        } else {
            0.0
        };
        for at in 0..group.ranks_within(k) {
            let rank = (group.before + at + 1) as f64;
            sum += (one * (hits_before + 1.0) + at as f64 * two) / rank;
        }
        hits_before += h;
    }
    (sum / by as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{HitGroup, testing::strict};

    /// Hits at ranks 1 and 3, four held-out items: (1 + 2/3) over 4 or over min(3, 4).
    #[test]
    fn by_hand() {
        let hits = strict(&[true, false, true], 4);
        assert!((map(&hits, 3) - (1.0 + 2.0 / 3.0) / 4.0).abs() < 1e-15);
        assert!((map_capped(&hits, 3) - (1.0 + 2.0 / 3.0) / 3.0).abs() < 1e-15);
        assert_eq!(map_capped(&hits, 1), 1.0);
        assert_eq!(map(&strict(&[], 0), 3), 0.0);
    }

    /// Two hits among three ties: the orders give 1, (1 + 2/3)/2 and (1/2 + 2/3)/2.
    #[test]
    fn among_ties() {
        let group = HitGroup {
            before: 0,
            size: 3,
            hits: 2,
        };
        let tied = HitProfile {
            groups: vec![group],
            n_truth: 2,
            n_ranked: 3,
            n_candidates: 3,
        };
        let mean = (1.0 + 5.0 / 6.0 + 7.0 / 12.0) / 3.0;
        assert!((map(&tied, 3) - mean).abs() < 1e-15);
    }
}
