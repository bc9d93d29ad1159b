//! Purchases that are hidden from training and measure it, where a run has no validation set.
//!
//! One purchase of some users who have several. Their rows are those that are trained on, without it and with
//! their users, so that a model scores them as it has learned them.

use limpid_core::{Event, Histories, History, OwnedHistory, Recommender};
use limpid_tensor::Rng;
use rayon::prelude::*;

use super::chains::Chains;

/// The stream of random numbers that chooses them.
const HIDING: u64 = 1;

/// The fewest whose mean says enough to stop early.
const FEWEST: usize = 100;

/// Users who are scored together.
const BLOCK: usize = 64;

/// Length of the lists that are measured, as in early stopping on a validation set.
const CUT: usize = 20;

/// One purchase of some users.
pub(crate) struct HeldOut {
    target: u8,
    /// Users and their hidden items.
    hidden: Vec<(usize, u32)>,
    /// The rows of these users without the hidden purchases.
    rows: Histories,
}

impl HeldOut {
    /// One purchase of as many users as `number` says, given how many have at least two; `None` for fewer than
    /// [`FEWEST`]. `chains` are those of `histories`.
    pub(crate) fn draw(
        chains: &Chains,
        histories: &Histories,
        number: impl FnOnce(usize) -> usize,
        seed: u64,
    ) -> Option<Self> {
        let mut rng = Rng::new(seed, HIDING);
        let several = |&u: &usize| chains.bought(u).len() > 1;
        let mut users: Vec<usize> = (0..chains.len()).filter(several).collect();
        rng.shuffle(&mut users);
        users.truncate(number(users.len()));
        if users.len() < FEWEST {
            return None;
        }
        let one = |u: usize| {
            let bought = chains.bought(u);
            (u, bought[rng.below(bought.len())])
        };
        let hidden: Vec<(usize, u32)> = users.into_iter().map(one).collect();
        let target = chains.behaviors.target();
        let rows = hidden
            .iter()
            .map(|&(u, item)| without(histories.row(u), item, target));
        Some(Self {
            rows: joined(&rows.collect::<Vec<_>>(), histories.n_items()),
            target,
            hidden,
        })
    }

    /// The histories without the hidden purchases.
    pub(crate) fn visible(&self, histories: &Histories) -> Histories {
        let mut rows: Vec<OwnedHistory> = histories.rows().map(|r| r.to_owned()).collect();
        for (&(u, _), row) in self.hidden.iter().zip(self.rows.rows()) {
            rows[u] = row.to_owned();
        }
        joined(&rows, histories.n_items())
    }

    /// The mean NDCG of the hidden purchases among all items that are not bought; over all orders of ties.
    pub(crate) fn ndcg(&self, model: &dyn Recommender) -> f64 {
        let mut total = 0.0;
        for (block, hidden) in self.hidden.chunks(BLOCK).enumerate() {
            let first = block * BLOCK;
            let users = self.rows.slice(first, first + hidden.len());
            let scores = model.score(&users);
            let gains: Vec<f64> = (0..hidden.len())
                .into_par_iter()
                .map(|at| {
                    let mut masked = vec![false; users.n_items()];
                    let bought = users.row(at).events();
                    bought
                        .filter(|e| e.behavior == self.target)
                        .for_each(|e| masked[e.item.at()] = true);
                    let scores = scores.row(at);
                    let own = scores[hidden[at].1 as usize];
                    let (mut above, mut tied) = (0, 0);
                    for (&score, _) in scores.iter().zip(&masked).filter(|(_, m)| !**m) {
                        above += usize::from(score > own);
                        tied += usize::from(score == own);
                    }
                    // The item itself is among the tied ones; without them its score is no number.
                    let gain = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
                    let gains = (above..(above + tied).min(CUT)).map(gain);
                    gains.sum::<f64>() / tied.max(1) as f64
                })
                .collect();
            total += gains.iter().sum::<f64>();
        }
        total / self.hidden.len() as f64
    }
}

/// A row of the same user without its target events on an item.
fn without(row: History<'_>, item: u32, target: u8) -> OwnedHistory {
    let kept = |e: &Event| e.item.0 != item || e.behavior != target;
    OwnedHistory::of_events(row.user, row.events().filter(kept).collect())
}

fn joined(rows: &[OwnedHistory], n_items: usize) -> Histories {
    Histories::from_histories(rows.iter().map(OwnedHistory::view), n_items)
        .unwrap_or_else(|_| unreachable!("rows without some events are valid"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::chains::Behaviors;
    use limpid_core::{ItemIdx, Ledger, Mat, UserIdx};

    /// Scores every item by a function of its index.
    struct By(fn(usize) -> f32);

    impl Recommender for By {
        fn score(&self, users: &Histories) -> Mat {
            Mat::from_shape_fn((users.len(), users.n_items()), |(_, i)| self.0(i))
        }

        fn explain(&self, _: History<'_>, item: ItemIdx) -> Ledger {
            Ledger::default().scored(self.0(item.at()))
        }
    }

    /// Users who bought items 0 to 2 and viewed item 3, of five items.
    fn buyers(n: u32) -> Histories {
        let event = |item: u32, behavior: u8| Event {
            behavior,
            ..Event::of(ItemIdx(item))
        };
        let events = vec![event(0, 1), event(1, 1), event(2, 1), event(3, 0)];
        let row = |u| OwnedHistory::of_events(Some(UserIdx(u)), events.clone());
        let rows: Vec<OwnedHistory> = (0..n).map(row).collect();
        Histories::from_histories(rows.iter().map(OwnedHistory::view), 5).unwrap()
    }

    #[test]
    fn hidden_purchases_rank_among_what_is_not_bought() {
        let rows = buyers(400);
        let chains = Chains::of(&rows, Behaviors::new(2, 1).unwrap());
        let held_out = HeldOut::draw(&chains, &rows, |n| n / 4, 1).unwrap();
        assert_eq!(held_out.hidden.len(), 100);
        let visible = held_out.visible(&rows);
        let left = Chains::of(&visible, chains.behaviors);
        let n: usize = (0..400).map(|u| left.bought(u).len()).sum();
        assert_eq!(n, 1100);
        // The other purchases are masked: the hidden one is first, last of three, tied with two, or not ranked.
        let [second, third] = [1.0 / 3f64.log2(), 1.0 / 4f64.log2()];
        for (model, expected) in [
            (By(|i| -(i as f32)), 1.0),
            (By(|i| i as f32), third),
            (By(|_| 0.0), (1.0 + second + third) / 3.0),
            (By(|_| f32::NAN), 0.0),
        ] {
            let found = held_out.ndcg(&model);
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
        let few = buyers(399);
        let chains = Chains::of(&few, Behaviors::new(2, 1).unwrap());
        assert!(HeldOut::draw(&chains, &few, |n| n / 4, 1).is_none());
    }

    /// What is measured is what is trained on: the same rows, of the same users.
    #[test]
    fn hidden_purchases_keep_their_users() {
        let rows = buyers(200);
        let chains = Chains::of(&rows, Behaviors::new(2, 1).unwrap());
        let held_out = HeldOut::draw(&chains, &rows, |n| n, 1).unwrap();
        let visible = held_out.visible(&rows);
        for (row, &(u, item)) in held_out.rows.rows().zip(&held_out.hidden) {
            let trained = visible.row(u);
            assert_eq!(
                (row.user, trained.user),
                (Some(UserIdx(u as u32)), row.user)
            );
            assert_eq!(row.items, trained.items);
            assert!(row.items.len() == 3 && !row.items.contains(&ItemIdx(item)));
        }
    }
}
