//! Sampled candidates: each user's held-out items are ranked among a sample of other items.
//!
//! Many papers report such metrics, so they can be reproduced; they are not the metrics of the full
//! ranking, and can order models differently (Krichene and Rendle, "On sampled metrics for item
//! recommendation", KDD 2020).

use limpid_core::{Catalogue, ItemIdx, Mask, hash};
use serde::{Deserialize, Serialize};

use crate::bootstrap::{below, stream};

/// How candidates are sampled: uniformly, without replacement, from the items with training events that
/// are neither masked nor held out for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SampledCandidates {
    /// Sampled items per user; all where a user has fewer.
    pub n: usize,
    /// Seed of the samples. A user's sample depends on it, on their external id and on the items alone,
    /// so it is the same for every model.
    pub seed: u64,
}

impl SampledCandidates {
    /// What reports say of metrics among these candidates.
    #[must_use]
    pub fn warning(&self) -> String {
        format!(
            "SAMPLED METRICS: held-out items are ranked among {} random items per user (seed {}), not among \
             all items; values are not comparable with full rankings and can order models differently",
            self.n, self.seed
        )
    }

    /// Masks all items but the held-out ones and the sample of a user. `order` is the indices of the
    /// items with training events, by external id.
    pub(crate) fn restrict(
        &self,
        mask: &mut Mask,
        user: &str,
        truth: &[ItemIdx],
        order: &[ItemIdx],
    ) {
        let mut held_out = Mask::none(mask.n_items());
        held_out.hide(truth.iter().copied());
        let is_free = |item: &&ItemIdx| !mask.hides(**item) && !held_out.hides(**item);
        let mut free: Vec<ItemIdx> = order.iter().filter(is_free).copied().collect();
        let mut rng = stream(hash::text(self.seed, user), 0);
        let n = self.n.min(free.len());
        for at in 0..n {
            let other = at + below(&mut rng, free.len() - at);
            free.swap(at, other);
        }
        mask.only(truth.iter().copied().chain(free[..n].iter().copied()));
    }
}

/// The items with training events by external id; all items of a catalogue without training counts.
pub(crate) fn by_id(catalogue: &Catalogue) -> Vec<ItemIdx> {
    let members = crate::Universe::Trained.members(catalogue);
    let mut items: Vec<ItemIdx> = (0..catalogue.len() as u32)
        .map(ItemIdx)
        .filter(|item| members[item.at()])
        .collect();
    items.sort_by_key(|&item| catalogue.id(item));
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::catalogue;

    fn left(mask: &Mask) -> Vec<u32> {
        (0..20).filter(|&i| !mask.hides(ItemIdx(i))).collect()
    }

    #[test]
    fn held_out_items_and_a_sample_remain() {
        let mut c = catalogue(20);
        c.train_counts = vec![1; 20];
        c.train_counts[19] = 0;
        let order = by_id(&c);
        let restricted = |n: usize, seed: u64, user: &str| {
            let mut mask = Mask::none(20);
            mask.hide([ItemIdx(0), ItemIdx(1)]);
            let sample = SampledCandidates { n, seed };
            sample.restrict(&mut mask, user, &[ItemIdx(5), ItemIdx(1)], &order);
            left(&mask)
        };
        let few = restricted(4, 1, "ann");
        // The held-out item 1 is masked and stays so.
        assert_eq!(few.len(), 5);
        assert!(few.contains(&5) && !few.contains(&0) && !few.contains(&1));
        assert_eq!(few, restricted(4, 1, "ann"));
        assert!((0..9).any(|seed| restricted(4, seed, "ann") != few));
        assert!((0..9).any(|user| restricted(4, 1, &user.to_string()) != few));
        // All that there are, but none without training events.
        assert_eq!(restricted(100, 1, "ann").len(), 17);
        assert!(!restricted(100, 1, "ann").contains(&19));
    }
}
