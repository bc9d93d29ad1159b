//! The positions of the hits in a ranking with ties: all that a metric per user needs.

use limpid_core::{ItemIdx, RankedWithTies, Truth};

/// A group of equal scores with at least one hit.
///
/// Every order of its items is equally likely, so that each of its ranks `before + 1 ..= before +
/// size` is a hit with probability `hits / size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HitGroup {
    /// Number of items ranked above it.
    pub before: usize,
    /// Number of its items.
    pub size: usize,
    /// Number of its items that are hits, at least 1.
    pub hits: usize,
}

impl HitGroup {
    /// Number of its ranks within the first `k`.
    #[must_use]
    pub fn ranks_within(&self, k: usize) -> usize {
        k.saturating_sub(self.before).min(self.size)
    }
}

/// The hits of one user's ranking. Metrics are functions of it, so each ranked item is looked up once for
/// all metrics and cutoffs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HitProfile {
    /// The groups with hits, best first.
    pub groups: Vec<HitGroup>,
    /// Number of held-out (relevant) items, ranked or not.
    pub n_truth: usize,
    /// Number of items in the ranking.
    pub n_ranked: usize,
    /// Number of candidates, ranked or not.
    pub n_candidates: usize,
}

impl HitProfile {
    /// The profile of a ranking.
    #[must_use]
    pub fn new(ranked: &RankedWithTies, truth: &Truth<'_>) -> Self {
        let mut profile = Self::default();
        profile.fill(ranked, truth.items.len(), |item| truth.contains(item));
        profile
    }

    /// The same, with the memory of an earlier profile and any test for a hit.
    pub(crate) fn fill(
        &mut self,
        ranked: &RankedWithTies,
        n_truth: usize,
        is_hit: impl Fn(ItemIdx) -> bool,
    ) {
        self.groups.clear();
        self.n_truth = n_truth;
        self.n_ranked = ranked.items.len();
        self.n_candidates = ranked.n_candidates;
        for range in ranked.groups() {
            let hits = ranked.items[range.clone()]
                .iter()
                .filter(|&&item| is_hit(item))
                .count();
            if hits > 0 {
                self.groups.push(HitGroup {
                    before: range.start,
                    size: range.len(),
                    hits,
                });
            }
        }
    }

    /// The expected number of hits within the first `k` ranks.
    #[must_use]
    pub fn expected_hits(&self, k: usize) -> f64 {
        self.groups
            .iter()
            .map(|g| g.hits as f64 * (g.ranks_within(k) as f64 / g.size as f64))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::Mask;

    #[test]
    fn groups_without_hits_are_left_out() {
        let ranked = RankedWithTies::new(&[3.0, 1.0, 3.0, 2.0, 1.0], &Mask::none(5), 5);
        let truth = [ItemIdx(1), ItemIdx(2), ItemIdx(4)];
        let profile = HitProfile::new(&ranked, &Truth { items: &truth });
        let group = |before, size, hits| HitGroup { before, size, hits };
        assert_eq!(profile.groups, [group(0, 2, 1), group(3, 2, 2)]);
        assert_eq!((profile.n_truth, profile.n_ranked), (3, 5));
        assert_eq!(profile.expected_hits(1), 0.5);
        assert_eq!(profile.expected_hits(4), 2.0);
    }
}
