//! Popularity bias in one view: how popular the recommended items are, beside the items that users chose
//! themselves and those that are held out.
//!
//! The lift is that of Abdollahpouri et al., "The unfairness of popularity bias in recommendation" (RMSE
//! workshop at RecSys 2019), there ΔGAP: group average popularity of the lists over that of the
//! histories, minus one.

use limpid_core::{Catalogue, ItemIdx, quantile::interpolated};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bootstrap::{below, stream};
use crate::breakdown::thirds;
use crate::metrics::spread_of_items::gini;
use crate::{Bootstrap, Interval, Universe};

/// Popularity bias of lists of length `k`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PopularityBias {
    /// Items of a list that count.
    pub k: usize,
    /// Of the lists.
    pub lists: PopularityOf,
    /// Of the users' histories that the model is shown.
    pub histories: PopularityOf,
    /// Of the held-out items.
    pub held_out: PopularityOf,
    /// Average popularity of the lists over that of the histories, minus 1: 0.5 means that recommended
    /// items are half again as popular as the users' own taste.
    pub lift: f64,
    /// The bootstrap interval of the lift over users.
    pub interval: Option<Interval>,
    /// Share of the users whose list is more popular than their history.
    pub users_above: f64,
}

/// How popular some items of every user are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PopularityOf {
    /// Share of the items of the universe that appear.
    pub coverage: f64,
    /// Gini index of how often items of the universe appear.
    pub gini: f64,
    /// Mean number of training users of the items of a user, averaged over users.
    pub average_popularity: f64,
    /// Share of tail items among the items of a user, averaged over users. The tail are the least popular
    /// items that together hold a third of the training events.
    pub tail_share: f64,
}

/// The items of one user.
pub(crate) struct ItemsOfUser {
    pub(crate) list: Vec<ItemIdx>,
    pub(crate) history: Vec<ItemIdx>,
    pub(crate) held_out: Vec<ItemIdx>,
}

impl PopularityBias {
    /// `None` without training counts, or where no user has both a list and a history.
    pub(crate) fn of(
        users: &[ItemsOfUser],
        catalogue: &Catalogue,
        universe: Universe,
        k: usize,
        how: &Bootstrap,
    ) -> Option<Self> {
        let thirds = thirds(catalogue)?;
        let members = universe.members(catalogue);
        let count = |item: ItemIdx| f64::from(catalogue.train_counts[item.at()]);
        let mean =
            |items: &[ItemIdx]| items.iter().map(|&i| count(i)).sum::<f64>() / items.len() as f64;
        let of = |own: fn(&ItemsOfUser) -> &[ItemIdx]| {
            let mut shown = vec![0u64; catalogue.len()];
            let (mut popularity, mut tail, mut n) = (0.0, 0.0, 0usize);
            for items in users.iter().map(own).filter(|items| !items.is_empty()) {
                for item in items {
                    shown[item.at()] += 1;
                }
                let in_tail = items.iter().filter(|i| thirds[i.at()] == 2).count();
                popularity += mean(items);
                tail += in_tail as f64 / items.len() as f64;
                n += 1;
            }
            let pairs = shown.into_iter().zip(&members);
            let within: Vec<u64> = pairs.filter(|(_, is)| **is).map(|(n, _)| n).collect();
            PopularityOf {
                coverage: within.iter().filter(|&&n| n > 0).count() as f64 / within.len() as f64,
                gini: gini(within),
                average_popularity: popularity / n as f64,
                tail_share: tail / n as f64,
            }
        };
        // Each user's own taste beside their list.
        let pairs: Vec<(f64, f64)> = users
            .iter()
            .filter(|user| !user.list.is_empty() && !user.history.is_empty())
            .map(|user| (mean(&user.list), mean(&user.history)))
            .collect();
        let lift = |pairs: &mut dyn Iterator<Item = (f64, f64)>| {
            let (lists, histories) = pairs.fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
            lists / histories - 1.0
        };
        let whole = lift(&mut pairs.iter().copied());
        if !whole.is_finite() {
            return None;
        }
        let mut lifts: Vec<f64> = (0..how.resamples as u64)
            .into_par_iter()
            .map(|resample| {
                let mut rng = stream(how.seed, resample);
                lift(&mut (0..pairs.len()).map(|_| pairs[below(&mut rng, pairs.len())]))
            })
            .collect();
        lifts.sort_by(f64::total_cmp);
        let tail = (1.0 - how.level) / 2.0;
        Some(Self {
            k,
            lists: of(|user| &user.list),
            histories: of(|user| &user.history),
            held_out: of(|user| &user.held_out),
            lift: whole,
            interval: (!lifts.is_empty()).then(|| Interval {
                low: interpolated(&lifts, tail),
                high: interpolated(&lifts, 1.0 - tail),
            }),
            users_above: pairs.iter().filter(|(list, own)| list > own).count() as f64
                / pairs.len() as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::catalogue;

    #[test]
    fn by_hand() {
        let mut c = catalogue(4);
        // Item 0 holds more than two thirds of the 15 events, so all others are the tail.
        c.train_counts = vec![10, 4, 1, 0];
        let items = |items: &[u32]| items.iter().map(|&i| ItemIdx(i)).collect();
        let users = [
            ItemsOfUser {
                list: items(&[0, 1]),
                history: items(&[1, 2]),
                held_out: items(&[2]),
            },
            ItemsOfUser {
                list: items(&[0, 2]),
                history: items(&[0]),
                held_out: vec![],
            },
        ];
        let how = Bootstrap::default();
        let bias = PopularityBias::of(&users, &c, Universe::Trained, 2, &how).unwrap();
        // Lists 7 and 5.5 on average, histories 2.5 and 10.
        assert_eq!(bias.lists.average_popularity, 6.25);
        assert_eq!(bias.histories.average_popularity, 6.25);
        assert_eq!(bias.held_out.average_popularity, 1.0);
        assert_eq!((bias.lift, bias.users_above), (0.0, 0.5));
        assert_eq!(bias.lists.coverage, 1.0);
        assert!((bias.held_out.coverage - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(bias.lists.tail_share, 0.5);
        let interval = bias.interval.unwrap();
        assert!(interval.low < 0.0 && interval.high > 0.0);
        assert!(PopularityBias::of(&users, &catalogue(4), Universe::Trained, 2, &how).is_none());
    }
}
