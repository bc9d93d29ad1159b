//! Slates: the items that a user has touched and those they have not, apart; and the probability of an item.
//!
//! Where the data have several behaviors, a merged list is mostly items that the user has viewed or carted
//! already. "continue" ranks these, "discover" all others, both by the scores of the merged list.

use limpid_core::{History, ItemIdx, Mask, Scale, Scored, top_k};

use super::Advisor;
use crate::answers::Probability;

/// The slate of items with earlier events.
pub(super) const CONTINUE: &str = "continue";

/// The slate of items without any.
pub(super) const DISCOVER: &str = "discover";

/// The items that may be recommended, by whether the history has events on them.
pub(super) struct Kinds {
    touched: Vec<ItemIdx>,
    masks: [Mask; 2],
    kinds: [&'static str; 2],
}

impl Kinds {
    /// The mask that leaves the items of one kind.
    pub(super) fn slates(&self) -> impl Iterator<Item = (&'static str, &Mask)> {
        self.kinds.iter().copied().zip(&self.masks)
    }
}

impl Advisor {
    /// The two kinds of items of a history; `None` where the data have one behavior.
    pub(super) fn kinds(&self, history: History<'_>, mask: &Mask) -> Option<Kinds> {
        if self.catalogue.behaviors.len() < 2 {
            return None;
        }
        let mut touched: Vec<ItemIdx> = history.items.to_vec();
        touched.retain(|&i| !mask.hides(i));
        touched.sort_unstable();
        touched.dedup();
        let mut discover = mask.clone();
        discover.hide(touched.iter().copied());
        let mut rest = Mask::none(self.catalogue.len());
        rest.only(touched.iter().copied());
        Some(Kinds {
            touched,
            masks: [rest, discover],
            kinds: [CONTINUE, DISCOVER],
        })
    }

    /// The best items of each kind.
    pub(super) fn slates(
        &self,
        kinds: &Kinds,
        scores: &[f32],
        n: usize,
    ) -> Vec<(&'static str, Vec<Scored>)> {
        let list = |(name, mask)| (name, top_k(scores, mask, &self.tie_breaks, n));
        kinds.slates().map(list).collect()
    }

    /// The probabilities of the items that are not masked; `None` for models whose scores are no log odds.
    pub(super) fn chances<'a>(
        &self,
        kinds: &'a Kinds,
        scores: &'a [f32],
        mask: &'a Mask,
    ) -> Option<Chances<'a>> {
        use limpid_core::Recommender as _;
        if self.model.scale() != Scale::NextEvent {
            return None;
        }
        let open = |i: &usize| !mask.hides(ItemIdx(*i as u32));
        let all = || (0..scores.len()).filter(open);
        let largest = all().map(|i| scores[i]).fold(f32::NEG_INFINITY, f32::max);
        let weight = |i: usize| weight(scores[i], largest);
        Some(Chances {
            kinds,
            scores,
            mask,
            largest,
            total: all().map(weight).sum(),
            touched: kinds.touched.iter().map(|i| weight(i.at())).sum(),
        })
    }
}

/// The softmax of the scores of one history, for the lines of its list.
pub(super) struct Chances<'a> {
    kinds: &'a Kinds,
    scores: &'a [f32], // (I)
    mask: &'a Mask,
    largest: f32,
    total: f64,
    touched: f64,
}

/// A term of the softmax.
fn weight(score: f32, largest: f32) -> f64 {
    (f64::from(score) - f64::from(largest)).exp()
}

impl Chances<'_> {
    /// The probability that an item is the next one, and the mean of the items of its kind; `None` for a masked
    /// item.
    pub(super) fn of(&self, item: ItemIdx) -> Option<Probability> {
        if self.mask.hides(item) {
            return None;
        }
        let n_touched = self.kinds.touched.len();
        let (kind, sum, items) = match self.kinds.touched.binary_search(&item) {
            Ok(_) => (CONTINUE, self.touched, n_touched),
            Err(_) => (
                DISCOVER,
                self.total - self.touched,
                self.mask.n_candidates() - n_touched,
            ),
        };
        Some(Probability {
            value: weight(self.scores[item.at()], self.largest) / self.total,
            kind,
            items,
            mean_of_kind: sum / self.total / items.max(1) as f64,
        })
    }
}
