//! F1: the harmonic mean of precision and recall.

use super::{HitProfile, Measure, Metric};

/// [`f1`] in the list of metrics.
pub const F1: Metric = Metric {
    name: "f1",
    aliases: &["f-measure", "f1-score"],
    doc: "harmonic mean of precision and recall: twice the hits within k over k + held-out items",
    has_cutoff: true,
    measure: Measure::User(f1),
};

/// `f1@k = 2 × precision × recall ÷ (precision + recall) = 2 × hits within k ÷ (k + |truth|)`, in
/// `[0, 1]`; 0 without truth.
///
/// van Rijsbergen, "Information Retrieval" (2nd edition, 1979), chapter 7; the name is that of ranx.
/// It is computed per user, then averaged. Ties: exact, since linear in the hits.
#[must_use]
pub fn f1(hits: &HitProfile, k: usize) -> f64 {
    match k + hits.n_truth {
        0 => 0.0,
        of => 2.0 * hits.expected_hits(k) / of as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::counts::{precision, recall};
    use crate::metrics::testing::strict;

    /// Two hits within rank 3, five held-out items: precision 2/3 and recall 2/5.
    #[test]
    fn by_hand() {
        let hits = strict(&[false, true, true, false], 5);
        assert_eq!(f1(&hits, 3), 0.5);
        let (p, r) = (precision(&hits, 3), recall(&hits, 3));
        assert!((f1(&hits, 3) - 2.0 * p * r / (p + r)).abs() < 1e-15);
        assert_eq!(f1(&hits, 1), 0.0);
        assert_eq!(f1(&strict(&[], 0), 0), 0.0);
    }
}
