//! What a scorecard knows of pairs: records of items, item-to-item links from each behavior, and how alike
//! items are.

use limpid_core::{Csr, Error, Result, Run, Tensors};
use rayon::prelude::*;

use super::Config;
use crate::behavior::chains::{Behaviors, Chains, Records};
use crate::linear::descent::{self, Block, PerKind, Settings, Task};
use crate::rules::features::Features;

/// A conversion is kept this far from 0 and 1, so that its log odds are finite.
const MARGIN: f64 = 1e-6;

/// Everything that is counted and fitted before the points.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    pub(super) behaviors: Behaviors,
    pub(super) n_items: usize,
    /// Log odds of the smoothed conversion `(patterns − 1, I)`.
    conversion: Vec<Vec<f32>>,
    /// The same for pairs of all patterns together `(I)`.
    pooled: Vec<f32>,
    /// `log(1 + users)` of each behavior `(behaviors, I)`.
    users: Vec<Vec<f32>>,
    /// `(behaviors × I, I)`: the weight of an event of a behavior on an item for each target.
    pub(super) links: Csr,
    /// `(I, behaviors × I)`: the same by target.
    pub(super) by_target: Csr,
    /// `(I, I)`: the most alike items of each, by the cosine of their users' first behavior.
    pub(super) alike: Csr,
    /// What sums of links are multiplied by before the logarithm: one over the mean link.
    pub(super) scale: f32,
    /// What likeness is multiplied by before the logarithm `(behaviors)`: how much rarer a behavior is than
    /// the most frequent one before the target.
    pub(super) rarity: Vec<f32>,
}

/// What the items of one user say about one item.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Support {
    /// The sum of links from each behavior.
    pub(super) links: Vec<f64>,
    /// The sum of likeness to the items of each behavior.
    pub(super) alike: Vec<f64>,
    /// The largest likeness to an item of the target behavior, with that item.
    pub(super) most: (f64, u32),
}

/// The number of open pairs of a user, and of those that were bought after all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct ListSize {
    pub(super) open: usize,
    pub(super) bought: usize,
}

impl ListSize {
    pub(super) fn of(behaviors: Behaviors, chain: &[(u32, u8)]) -> Self {
        let mut size = Self::default();
        for &(_, set) in chain {
            if behaviors.pattern(set) > 0 {
                match behaviors.bought(set) {
                    true => size.bought += 1,
                    false => size.open += 1,
                }
            }
        }
        size
    }
}

impl Facts {
    /// Counts and fits; `alike` is computed once for all uses of the same chains.
    pub(super) fn new(chains: &Chains, config: &Config, alike: &Csr, links: Csr) -> Self {
        let behaviors = chains.behaviors;
        let records = Records::of(chains);
        let log_odds = |conversion: Vec<f64>| -> Vec<f32> {
            let odds = conversion.into_iter().map(|c| {
                let c = c.clamp(MARGIN, 1.0 - MARGIN);
                (c / (1.0 - c)).ln() as f32
            });
            odds.collect()
        };
        let logs = |users: &Vec<u32>| users.iter().map(|&n| f64::from(n).ln_1p() as f32).collect();
        let events: Vec<u64> = records
            .users
            .iter()
            .map(|users| users.iter().map(|&n| u64::from(n)).sum())
            .collect();
        let most = behaviors.auxiliary().map(|b| events[usize::from(b)]).max();
        let rarity = events.iter().map(|&n| match most {
            Some(most) if n > 0 => (most as f64 / n as f64).max(1.0) as f32,
            _ => 1.0,
        });
        Self {
            behaviors,
            n_items: chains.n_items,
            conversion: (1..behaviors.n_patterns())
                .map(|m| log_odds(records.conversion(m, records.rate(m), config.smoothing)))
                .collect(),
            pooled: log_odds(records.conversion_of_all(config.smoothing)),
            users: records.users.iter().map(logs).collect(),
            by_target: links.transpose(),
            scale: scale(&links),
            links,
            alike: alike.clone(),
            rarity: rarity.collect(),
        }
    }

    /// The same facts with the counts of other chains.
    pub(super) fn counted(&self, chains: &Chains, config: &Config) -> Self {
        Self::new(chains, config, &self.alike, self.links.clone())
    }

    /// The same facts with the scale of others, for which points were fitted.
    pub(super) fn scaled_as(self, other: &Self) -> Self {
        Self {
            scale: other.scale,
            ..self
        }
    }

    /// Number of inputs of an open pair: two conversions, and four per behavior (users, two of links, one of
    /// likeness), the largest likeness and the two sizes of the list.
    pub(super) fn n_inputs(behaviors: Behaviors) -> usize {
        5 + 4 * behaviors.len()
    }

    /// The range of inputs that are the record of the item.
    pub(super) fn record_inputs(behaviors: Behaviors) -> std::ops::Range<usize> {
        0..2 + behaviors.len()
    }

    /// `log(1 + scale × links)`.
    pub(super) fn strength(&self, links: f64) -> f64 {
        (f64::from(self.scale) * links).ln_1p()
    }

    /// `log(1 + users)` of an item for the target behavior.
    pub(super) fn buyers(&self, item: usize) -> f64 {
        f64::from(self.users[usize::from(self.behaviors.target())][item])
    }

    /// The inputs of an open pair, in the order of [`n_inputs`](Self::n_inputs).
    pub(super) fn inputs(
        &self,
        item: usize,
        pattern: usize,
        support: &Support,
        size: ListSize,
        out: &mut Vec<f64>,
    ) {
        out.clear();
        out.push(f64::from(self.conversion[pattern - 1][item]));
        out.push(f64::from(self.pooled[item]));
        out.extend(self.users.iter().map(|users| f64::from(users[item])));
        out.extend(&support.links);
        out.extend(support.links.iter().map(|&s| self.strength(s)));
        let alike = support.alike.iter().zip(&self.rarity);
        out.extend(alike.map(|(&a, &r)| (f64::from(r) * a).ln_1p()));
        out.push(support.most.0);
        out.push((size.open as f64).ln_1p());
        out.push((size.bought as f64).ln_1p());
    }

    /// Adds up the links of a chain for every item: `out` `(behaviors, I)`.
    pub(super) fn add_links(&self, chain: &[(u32, u8)], out: &mut [Vec<f64>]) {
        for sums in out.iter_mut() {
            sums.fill(0.0);
        }
        for &(item, set) in chain {
            for (behavior, sums) in out
                .iter_mut()
                .enumerate()
                .filter(|(b, _)| set >> b & 1 == 1)
            {
                let (targets, weights) = self.links.row(behavior * self.n_items + item as usize);
                for (&target, &weight) in targets.iter().zip(weights) {
                    sums[target as usize] += f64::from(weight);
                }
            }
        }
    }

    /// What likeness says about an item; `set_of` is the user's set of behaviors on an item.
    pub(super) fn add_alike(&self, item: usize, set_of: impl Fn(u32) -> u8, out: &mut Support) {
        out.alike.clear();
        out.alike.resize(self.behaviors.len(), 0.0);
        out.most = (0.0, u32::MAX);
        let (neighbors, likeness) = self.alike.row(item);
        for (&other, &c) in neighbors.iter().zip(likeness) {
            let set = set_of(other);
            if set == 0 {
                continue;
            }
            for (behavior, sum) in out.alike.iter_mut().enumerate() {
                if set >> behavior & 1 == 1 {
                    *sum += f64::from(c);
                }
            }
            if self.behaviors.bought(set) && f64::from(c) > out.most.0 {
                out.most = (f64::from(c), other);
            }
        }
    }

    pub(super) fn save(&self, out: &mut Tensors) -> Result<()> {
        out.put_meta(
            "behaviors",
            &(self.behaviors.len(), self.behaviors.target()),
        )?;
        let n = self.n_items;
        out.put_f32(
            "conversion",
            &[self.conversion.len(), n],
            self.conversion.concat(),
        );
        out.put_f32("pooled", &[n], self.pooled.clone());
        out.put_f32("users", &[self.users.len(), n], self.users.concat());
        out.put_csr("links", &self.links);
        out.put_csr("alike", &self.alike);
        out.put_f32("scale", &[1], vec![self.scale]);
        out.put_f32("rarity", &[self.rarity.len()], self.rarity.clone());
        Ok(())
    }

    pub(super) fn load(from: &Tensors) -> Result<Self> {
        let (n, target) = from.meta("behaviors")?;
        let behaviors = Behaviors::new(n, target)?;
        let pooled = from.f32("pooled")?.1.to_vec();
        let n_items = pooled.len();
        let table = |name: &str, rows: usize| -> Result<Vec<Vec<f32>>> {
            let (shape, values) = from.f32(name)?;
            check(name, &[rows, n_items], shape)?;
            Ok((0..rows)
                .map(|r| values[r * n_items..(r + 1) * n_items].to_vec())
                .collect())
        };
        let links = from.csr("links", n_items)?;
        check("links", &[behaviors.len() * n_items], &[links.n_rows()])?;
        let alike = from.csr("alike", n_items)?;
        check("alike", &[n_items], &[alike.n_rows()])?;
        let (shape, scale) = from.f32("scale")?;
        check("scale", &[1], shape)?;
        let (shape, rarity) = from.f32("rarity")?;
        check("rarity", &[behaviors.len()], shape)?;
        Ok(Self {
            conversion: table("conversion", behaviors.n_patterns() - 1)?,
            users: table("users", behaviors.len())?,
            pooled,
            by_target: links.transpose(),
            links,
            alike,
            scale: scale[0],
            rarity: rarity.to_vec(),
            behaviors,
            n_items,
        })
    }
}

/// Refuses an array of another shape.
pub(super) fn check(name: &str, expected: &[usize], found: &[usize]) -> Result<()> {
    match expected == found {
        true => Ok(()),
        false => Err(Error::shape(
            name,
            format!("{expected:?}"),
            format!("{found:?}"),
        )),
    }
}

/// One over the mean link; 1 without links.
fn scale(links: &Csr) -> f32 {
    let sum: f64 = links.values().iter().map(|&v| f64::from(v)).sum();
    match sum > 0.0 {
        true => (links.nnz() as f64 / sum) as f32,
        false => 1.0,
    }
}

/// The sparse links `(behaviors × I, I)` from every behavior to the target, without links of an item to
/// itself.
pub(super) fn links(chains: &Chains, config: &Config, run: &mut Run<'_>) -> Result<Csr> {
    let behaviors = chains.behaviors;
    let target = chains.matrix(behaviors.target())?;
    let auxiliary: Vec<Csr> = behaviors
        .auxiliary()
        .map(|b| chains.matrix(b))
        .collect::<Result<_>>()?;
    let n_items = chains.n_items;
    let l1 = config.l1 * unit_of_l1(&target);
    let features = Features::links(n_items);
    let first = |at: usize| if at == 0 { config.first_behavior } else { 1.0 };
    let fingerprint = descent::fingerprint(&target);
    let task = Task {
        features: &features,
        blocks: auxiliary
            .iter()
            .enumerate()
            .map(|(at, rows)| Block {
                rows,
                l1: l1 * first(at),
            })
            .collect(),
        weights: user_weights(chains, config.user_exponent),
        soft: None,
        settings: Settings {
            reg: config.reg,
            rho: PerKind::both(config.rho),
            l1: PerKind::both(l1),
            signed: false,
            keep: None,
            refit: None,
            points: 0.0,
        },
        fingerprint: format!("scorecard {config:?} {fingerprint:016x}"),
        rows: &target,
    };
    let fitted = descent::fit(task, run)?;
    // The target's links come first there, and behaviors are in their own order here.
    let place = |behavior: u8| match behavior == behaviors.target() {
        true => 0,
        false => {
            1 + behaviors
                .auxiliary()
                .position(|b| b == behavior)
                .unwrap_or(0)
        }
    };
    let rows = (0..behaviors.len() as u8).flat_map(|behavior| {
        let from = place(behavior) * n_items;
        (from..from + n_items).map(|row| {
            let (targets, weights) = fitted.row(row);
            targets
                .iter()
                .copied()
                .zip(weights.iter().copied())
                .collect()
        })
    });
    Csr::from_rows(rows, n_items)
}

/// Mean users per item that has any, divided by 8: what the L1 penalty is counted in.
fn unit_of_l1(rows: &Csr) -> f64 {
    let mut seen = vec![false; rows.n_columns()];
    rows.columns()
        .iter()
        .for_each(|&item| seen[item as usize] = true);
    let n_items = seen.into_iter().filter(|&s| s).count();
    rows.nnz().max(1) as f64 / n_items.max(1) as f64 / 8.0
}

/// `n^−exponent` for a user with n events of any behavior, with a mean of 1.
fn user_weights(chains: &Chains, exponent: f64) -> Vec<f64> {
    let events = |u: usize| -> u32 { chains.row(u).iter().map(|(_, set)| set.count_ones()).sum() };
    let weight = |n: u32| {
        if n == 0 {
            0.0
        } else {
            f64::from(n).powf(-exponent)
        }
    };
    let weights: Vec<f64> = (0..chains.len()).map(|u| weight(events(u))).collect();
    let present = weights.iter().filter(|w| **w > 0.0).count();
    let sum: f64 = weights.iter().sum();
    match sum > 0.0 {
        true => weights.iter().map(|w| w * present as f64 / sum).collect(),
        false => weights,
    }
}

/// The most alike items of each, by the cosine of the columns of the first behavior before the target;
/// none where there is no such behavior.
pub(super) fn alike(chains: &Chains, most: usize) -> Result<Csr> {
    let n_items = chains.n_items;
    let Some(first) = chains.behaviors.auxiliary().next() else {
        return Csr::from_rows(vec![Vec::new(); n_items], n_items);
    };
    let by_user = chains.matrix(first)?;
    let by_item = by_user.transpose();
    let count = |item: usize| by_item.row(item).0.len() as f64;
    let rows: Vec<Vec<(u32, f32)>> = (0..n_items)
        .into_par_iter()
        .map_init(
            || (vec![0u32; n_items], Vec::new()),
            |(together, met), item| {
                for &user in by_item.row(item).0 {
                    for &other in by_user.row(user as usize).0 {
                        if together[other as usize] == 0 {
                            met.push(other);
                        }
                        together[other as usize] += 1;
                    }
                }
                let mut row: Vec<(u32, f32)> = Vec::with_capacity(met.len());
                for other in met.drain(..) {
                    let both = f64::from(std::mem::take(&mut together[other as usize]));
                    if other as usize != item {
                        let cosine = both / (count(item) * count(other as usize)).sqrt();
                        row.push((other, cosine as f32));
                    }
                }
                if row.len() > most {
                    // Ties go to the lower hash, so that the order of items has no influence.
                    row.select_nth_unstable_by_key(most, |&(other, c)| {
                        (
                            std::cmp::Reverse(c.to_bits()),
                            limpid_core::hash::mix(u64::from(other)),
                        )
                    });
                    row.truncate(most);
                }
                row.sort_unstable_by_key(|e| e.0);
                row
            },
        )
        .collect();
    Csr::from_rows(rows, n_items)
}
