//! Training examples of the points: one hidden purchase per user, among the items that the user could have
//! bought instead.
//!
//! The statistics are those of the chains without the hidden purchases. With the evidence *kept*, a hidden
//! item keeps its events before the target, as a test item does in the usual split; *stripped*, it has none.

use limpid_tensor::rng::Rng;
use rayon::prelude::*;

use super::facts::{Facts, ListSize, Support};
use super::logit::Choice;
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

/// Memory of a thread.
struct Scratch {
    sums: Vec<Vec<f64>>, // (behaviors, I)
    sets: Vec<u8>,       // (I)
    total: Vec<f64>,     // (I)
    free: Vec<u32>,
    inputs: Vec<f64>,
}

/// The examples: rows of open pairs in the block of their pattern, untouched items in the last block, with the
/// inputs that `floor` makes of the strengths of links.
pub(super) fn examples(
    facts: &Facts,
    chains: &Chains,
    hidden: &[Option<u32>],
    sampling: Sampling,
    seed: u64,
    floor: &(dyn Fn(&[f64]) -> Vec<f32> + Sync),
) -> Vec<Choice> {
    let behaviors = facts.behaviors;
    let n_items = facts.n_items;
    let untouched = behaviors.n_patterns() - 1;
    let users: Vec<(usize, u32)> = hidden
        .iter()
        .enumerate()
        .filter_map(|(u, item)| Some((u, (*item)?)))
        .collect();
    users
        .into_par_iter()
        .map_init(
            || Scratch {
                sums: vec![vec![0.0; n_items]; behaviors.len()],
                sets: vec![0; n_items],
                total: vec![0.0; n_items],
                free: Vec::new(),
                inputs: Vec::new(),
            },
            |scratch, (user, hidden)| {
                let chain = chains.row(user);
                let Scratch {
                    sums,
                    sets,
                    total,
                    free,
                    inputs,
                } = scratch;
                facts.add_links(chain, sums);
                total.fill(0.0);
                for of in sums.iter() {
                    total.iter_mut().zip(of).for_each(|(t, s)| *t += s);
                }
                chain
                    .iter()
                    .for_each(|&(item, set)| sets[item as usize] = set);
                let size = ListSize::of(behaviors, chain);
                let mut choice = Choice::default();
                let mut support = Support::default();
                let mut is_open = false;
                for &(item, set) in chain {
                    let Some(pattern) = behaviors.open(set) else {
                        continue;
                    };
                    let i = item as usize;
                    support.links.clear();
                    support.links.extend(sums.iter().map(|of| of[i]));
                    facts.add_alike(i, |j| sets[j as usize], &mut support);
                    facts.inputs(i, pattern, &support, size, inputs);
                    if item == hidden {
                        choice.chosen = choice.block.len();
                        is_open = true;
                    }
                    choice.push(pattern - 1, 0.0, inputs.iter().map(|&v| v as f32));
                }
                let push = |choice: &mut Choice, item: u32, offset: f32| {
                    let strengths = sums.iter().map(|of| facts.strength(of[item as usize]));
                    let strengths: Vec<f64> = strengths.collect();
                    choice.push(untouched, offset, floor(&strengths));
                };
                if !is_open {
                    choice.chosen = choice.block.len();
                    push(&mut choice, hidden, 0.0);
                }
                free.clear();
                free.extend((0..n_items as u32).filter(|&i| sets[i as usize] == 0 && i != hidden));
                let top = sampling.top.min(free.len());
                if top > 0 && top < free.len() {
                    free.select_nth_unstable_by(top, |&a, &b| {
                        total[b as usize]
                            .total_cmp(&total[a as usize])
                            .then(a.cmp(&b))
                    });
                }
                for &item in &free[..top] {
                    push(&mut choice, item, 0.0);
                }
                let rest = &mut free[top..];
                let drawn = sampling.uniform.min(rest.len());
                let offset = (rest.len() as f32 / drawn.max(1) as f32).ln();
                let mut rng = Rng::new(seed, NEGATIVES + user as u64);
                for at in 0..drawn {
                    rest.swap(at, at + rng.below(rest.len() - at));
                    push(&mut choice, rest[at], offset);
                }
                chain.iter().for_each(|&(item, _)| sets[item as usize] = 0);
                choice
            },
        )
        .collect()
}
