//! Training examples of the points: one hidden purchase per user, among the items that the user could have
//! bought instead.
//!
//! The statistics are those of the chains without the hidden purchases. With the evidence *kept*, a hidden
//! item keeps its events before the target, as a test item does in the usual split; *stripped*, it has none.

use limpid_tensor::rng::Rng;
use rayon::prelude::*;

use super::facts::Facts;
use super::logit::Choice;
use super::pairs::Pairs;
use crate::behavior::chains::Chains;

/// Users whose purchases are hidden at most; more change the points little.
const MOST_USERS: usize = 20_000;

/// Streams of random numbers of a seed.
const HIDING: u64 = 1;
const NEGATIVES: u64 = 1 << 32;

/// One random purchase of each user, of at most [`MOST_USERS`] users.
pub(super) fn hide(chains: &Chains, seed: u64) -> Vec<Option<u32>> {
    let mut rng = Rng::new(seed, HIDING);
    let mut hidden: Vec<Option<u32>> = (0..chains.len())
        .map(|u| {
            let bought = chains.bought(u);
            let at = rng.below(bought.len());
            bought.get(at).copied()
        })
        .collect();
    let with: Vec<usize> = (0..hidden.len()).filter(|&u| hidden[u].is_some()).collect();
    if with.len() > MOST_USERS {
        let chosen = rng.distinct(MOST_USERS, with.len());
        for (at, &u) in with.iter().enumerate() {
            if chosen.binary_search(&(at as u32)).is_err() {
                hidden[u] = None;
            }
        }
    }
    hidden
}

/// How items that the user has not touched are sampled as negatives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampling {
    /// The items with the most links, each with certainty.
    pub(super) top: usize,
    /// Of the others, uniformly.
    pub(super) uniform: usize,
}

/// The inputs of an untouched item, of its sums of links from each behavior.
pub(super) type Floor<'a> = dyn Fn(&[f64]) -> Vec<f64> + Sync + 'a;

/// The examples: rows of open pairs in the block of their pattern, untouched items in the last block, with the
/// inputs that `floor` makes of their sums of links.
pub(super) fn examples(
    facts: &Facts,
    chains: &Chains,
    hidden: &[Option<u32>],
    sampling: Sampling,
    seed: u64,
    floor: &Floor<'_>,
) -> Vec<Choice> {
    let n_items = facts.n_items;
    let untouched = facts.behaviors.n_patterns() - 1;
    let hidden: Vec<(usize, u32)> = hidden
        .iter()
        .enumerate()
        .filter_map(|(u, item)| Some((u, (*item)?)))
        .collect();
    hidden
        .into_par_iter()
        .map_init(
            || (Pairs::new(facts), vec![false; n_items]),
            |(pairs, taken), (user, hidden)| {
                let chain = chains.row(user);
                pairs.set(facts, chain);
                let mut choice = Choice::default();
                let mut is_open = false;
                let pattern_of = |set| facts.behaviors.open(set);
                pairs.visit(facts, chain, pattern_of, |item, pattern, inputs| {
                    if item == hidden {
                        choice.chosen = choice.block.len();
                        is_open = true;
                    }
                    choice.push(pattern - 1, 0.0, inputs);
                });
                if !is_open {
                    choice.chosen = choice.block.len();
                    choice.push(untouched, 0.0, &floor(pairs.links(hidden)));
                }
                let may_be = |item: u32| pairs.is_untouched(item) && item != hidden;
                let top = strongest(pairs, sampling.top, may_be);
                for &item in &top {
                    choice.push(untouched, 0.0, &floor(pairs.links(item)));
                    taken[item as usize] = true;
                }
                // Distinct untouched items at random, none of which is among the strongest.
                let known = chain.len() + usize::from(pairs.is_untouched(hidden));
                let rest = n_items - known - top.len();
                let n = sampling.uniform.min(rest);
                let offset = (rest as f32 / n.max(1) as f32).ln();
                let mut rng = Rng::new(seed, NEGATIVES + user as u64);
                let mut sampled: Vec<u32> = Vec::with_capacity(n);
                while sampled.len() < n {
                    let item = rng.below(n_items) as u32;
                    if may_be(item) && !std::mem::replace(&mut taken[item as usize], true) {
                        sampled.push(item);
                        choice.push(untouched, offset, &floor(pairs.links(item)));
                    }
                }
                for &item in top.iter().chain(&sampled) {
                    taken[item as usize] = false;
                }
                choice
            },
        )
        .collect()
}

/// At most `n` items with the largest sums of links; ties go to the lower item.
fn strongest(pairs: &Pairs, n: usize, may_be: impl Fn(u32) -> bool) -> Vec<u32> {
    let total = |item: u32| pairs.links(item).iter().sum::<f64>();
    let candidates = pairs.linked().iter().filter(|&&item| may_be(item));
    let mut candidates: Vec<(f64, u32)> = candidates.map(|&item| (total(item), item)).collect();
    if n > 0 && n < candidates.len() {
        candidates.select_nth_unstable_by(n, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    }
    candidates.truncate(n);
    candidates.sort_unstable_by_key(|c| c.1);
    candidates.into_iter().map(|c| c.1).collect()
}
