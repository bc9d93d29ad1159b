//! Hidden purchases for early stopping, where a run has no validation set.

use limpid_core::{Histories, OwnedHistory, Recommender, Result};
use limpid_tensor::Rng;
use rayon::prelude::*;

use crate::behavior::chains::{Behaviors, Chains};

/// The stream of random numbers that chooses them.
const HIDING: u64 = 1;

/// Users who are scored together.
const BLOCK: usize = 64;

/// Length of the lists that are measured.
const K: f64 = 10.0;

/// One purchase of some users.
pub(super) struct HeldOut {
    target: u8,
    /// Users and their hidden items.
    hidden: Vec<(usize, u32)>,
    /// The rows of these users without the hidden purchases.
    rows: Option<Histories>,
}

impl HeldOut {
    /// One purchase of a share of the users who have at least two.
    pub(super) fn of(
        histories: &Histories,
        behaviors: Behaviors,
        share: f32,
        seed: u64,
    ) -> Result<Self> {
        let mut held_out = Self {
            target: behaviors.target(),
            hidden: Vec::new(),
            rows: None,
        };
        if share == 0.0 {
            return Ok(held_out);
        }
        let chains = Chains::of(histories, behaviors);
        let mut rng = Rng::new(seed, HIDING);
        for u in 0..chains.len() {
            let bought = chains.bought(u);
            if bought.len() > 1 && rng.unit() < share {
                held_out.hidden.push((u, bought[rng.below(bought.len())]));
            }
        }
        let rows: Vec<OwnedHistory> = held_out
            .hidden
            .iter()
            .map(|&(u, item)| held_out.row(histories, u, item))
            .collect();
        let rows = rows.iter().map(OwnedHistory::view);
        held_out.rows = Some(Histories::from_histories(rows, histories.n_items())?);
        Ok(held_out)
    }

    fn row(&self, histories: &Histories, user: usize, item: u32) -> OwnedHistory {
        let mut row = histories.row(user).to_owned();
        row.remove_of(limpid_core::ItemIdx(item), self.target);
        row
    }

    /// Number of hidden purchases.
    pub(super) fn len(&self) -> usize {
        self.hidden.len()
    }

    /// The histories without the hidden purchases.
    pub(super) fn visible(&self, histories: &Histories) -> Histories {
        let mut rows: Vec<OwnedHistory> = histories.rows().map(|r| r.to_owned()).collect();
        for &(u, item) in &self.hidden {
            rows[u] = self.row(histories, u, item);
        }
        let rows = rows.iter().map(OwnedHistory::view);
        Histories::from_histories(rows, histories.n_items())
            .unwrap_or_else(|_| unreachable!("rows without some events are valid"))
    }

    /// The mean NDCG@10 of the hidden purchases among all items that are not bought, ties at their expected rank.
    pub(super) fn ndcg(&self, model: &dyn Recommender) -> f64 {
        let Some(rows) = &self.rows else {
            return 0.0;
        };
        let n = self.hidden.len();
        let mut total = 0.0;
        for start in (0..n).step_by(BLOCK) {
            let end = (start + BLOCK).min(n);
            let users = rows.slice(start, end);
            let scores = model.score(&users);
            let gains: Vec<f64> = (start..end)
                .into_par_iter()
                .map(|at| {
                    let row = users.row(at - start);
                    let mut masked = vec![false; users.n_items()];
                    for event in row.events().filter(|e| e.behavior == self.target) {
                        masked[event.item.at()] = true;
                    }
                    let scores = scores.row(at - start);
                    let own = scores[self.hidden[at].1 as usize];
                    let (mut above, mut tied) = (0usize, 0usize);
                    for (&score, _) in scores.iter().zip(&masked).filter(|(_, m)| !**m) {
                        above += usize::from(score > own);
                        tied += usize::from(score == own);
                    }
                    // The item itself is among the tied ones.
                    let gain = |rank: usize| match (rank as f64) < K {
                        true => 1.0 / (rank as f64 + 2.0).log2(),
                        false => 0.0,
                    };
                    let ranks = above..above + tied.max(1);
                    ranks.map(gain).sum::<f64>() / tied.max(1) as f64
                })
                .collect();
            total += gains.iter().sum::<f64>();
        }
        total / n.max(1) as f64
    }
}
