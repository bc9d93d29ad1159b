//! What a scorecard knows of pairs: records of items, item-to-item links from each behavior, and how alike
//! items are.

use limpid_core::{Csr, Error, Result, Tensors};
use rayon::prelude::*;

use super::Config;
use crate::behavior::chains::{Behaviors, Chains, Records};

/// A conversion is kept this far from 0 and 1, so that its log odds are finite.
const MARGIN: f64 = 1e-6;

/// Number of inputs that say how a user shops.
pub(super) const N_HABITS: usize = 5 + N_TRAITS;

/// Traits of items: buyers, users of the first behavior, and conversion.
const N_TRAITS: usize = 3;

/// Pairs of the mean rate that are added to a user's own.
const PAIRS: f64 = 5.0;

/// Purchases of mean traits that are added to a user's own.
const PURCHASES: f64 = 2.0;

/// The log odds of a share.
fn log_odds(share: f64) -> f64 {
    let share = share.clamp(MARGIN, 1.0 - MARGIN);
    (share / (1.0 - share)).ln()
}

/// Everything that is counted and fitted before the points.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    pub(super) behaviors: Behaviors,
    pub(super) n_items: usize,
    /// The share of the pairs with each pattern that were bought `(patterns − 1)`.
    rates: Vec<f32>,
    /// Log odds of the smoothed conversion `(patterns − 1, I)`.
    conversion: Vec<Vec<f32>>,
    /// The same for pairs of all patterns together `(I)`.
    pooled: Vec<f32>,
    /// `log(1 + users)` of each behavior `(behaviors, I)`.
    users: Vec<Vec<f32>>,
    /// The mean traits of all purchases.
    typical: [f64; N_TRAITS],
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

/// How a user shops.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Habits {
    /// The open pairs of each pattern.
    open: Vec<usize>, // (patterns)
    /// The bought pairs of each pattern; the first are those without any event before.
    bought: Vec<usize>, // (patterns)
    /// The mean traits of the items that they bought.
    taste: [f64; N_TRAITS],
}

impl Facts {
    /// Counts and fits; `alike` is computed once for all uses of the same chains.
    pub(super) fn new(chains: &Chains, config: &Config, alike: &Csr, links: Csr) -> Self {
        let behaviors = chains.behaviors;
        let records = Records::of(chains);
        let all = |conversion: Vec<f64>| -> Vec<f32> {
            conversion.into_iter().map(|c| log_odds(c) as f32).collect()
        };
        let rates: Vec<f64> = (1..behaviors.n_patterns())
            .map(|m| records.rate(m))
            .collect();
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
        let target = usize::from(behaviors.target());
        let facts = Self {
            behaviors,
            n_items: chains.n_items,
            typical: [0.0; N_TRAITS],
            conversion: (1..behaviors.n_patterns())
                .map(|m| all(records.conversion(m, rates[m - 1], config.smoothing)))
                .collect(),
            rates: rates.into_iter().map(|r| r as f32).collect(),
            pooled: all(records.conversion_of_all(config.smoothing)),
            users: records.users.iter().map(logs).collect(),
            by_target: links.transpose(),
            scale: scale(&links),
            links,
            alike: alike.clone(),
            rarity: rarity.collect(),
        };
        let buyers = records.users[target].iter().map(|&n| f64::from(n));
        let (mut n, mut typical) = (0.0, [0.0; N_TRAITS]);
        for (item, buyers) in buyers.enumerate() {
            n += buyers;
            let traits = facts.traits(item);
            typical
                .iter_mut()
                .zip(traits)
                .for_each(|(t, x)| *t += buyers * x);
        }
        typical.iter_mut().for_each(|t| *t /= f64::max(n, 1.0));
        Self { typical, ..facts }
    }

    /// `log(1 + buyers)`, `log(1 + users)` of the first behavior, and log odds of the conversion of an item,
    /// less those of a typical purchase.
    fn traits(&self, item: usize) -> [f64; N_TRAITS] {
        let first = self.behaviors.auxiliary().next();
        let first = first.map_or(0.0, |b| f64::from(self.users[usize::from(b)][item]));
        let [buyers, users, conversion] = self.typical;
        [
            self.buyers(item) - buyers,
            first - users,
            f64::from(self.pooled[item]) - conversion,
        ]
    }

    /// How the user with a chain shops.
    pub(super) fn habits_of(&self, chain: &[(u32, u8)]) -> Habits {
        let zeros = vec![0; self.behaviors.n_patterns()];
        let mut habits = Habits {
            open: zeros.clone(),
            bought: zeros,
            taste: [0.0; N_TRAITS],
        };
        let mut purchases = PURCHASES;
        for &(item, set) in chain {
            let pattern = self.behaviors.pattern(set);
            if !self.behaviors.bought(set) {
                habits.open[pattern] += 1;
                continue;
            }
            habits.bought[pattern] += 1;
            purchases += 1.0;
            let traits = self.traits(item as usize);
            habits
                .taste
                .iter_mut()
                .zip(traits)
                .for_each(|(t, x)| *t += x);
        }
        habits.taste.iter_mut().for_each(|t| *t /= purchases);
        habits
    }

    /// The same facts with the scale for which points were fitted.
    pub(super) fn with_scale(self, scale: f32) -> Self {
        Self { scale, ..self }
    }

    /// Number of inputs of an open pair: two conversions, three per behavior (users, links, likeness), the
    /// largest likeness and the habits of the user.
    pub(super) fn n_inputs(behaviors: Behaviors) -> usize {
        3 + N_HABITS + 3 * behaviors.len()
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
        habits: &Habits,
        out: &mut Vec<f64>,
    ) {
        out.clear();
        out.push(f64::from(self.conversion[pattern - 1][item]));
        out.push(f64::from(self.pooled[item]));
        out.extend(self.users.iter().map(|users| f64::from(users[item])));
        out.extend(support.links.iter().map(|&s| self.strength(s)));
        let alike = support.alike.iter().zip(&self.rarity);
        out.extend(alike.map(|(&a, &r)| (f64::from(r) * a).ln_1p()));
        out.push(support.most.0);
        out.extend(self.habits(item, pattern, habits));
    }

    /// How a user shops, for a pair with a pattern: the log odds that such a pair of theirs is bought,
    /// `log(1 + n)` of their open pairs with the pattern, of all open pairs, of bought ones that were open
    /// before, and of bought ones that never were; and their taste in traits, times those of the item.
    fn habits(&self, item: usize, pattern: usize, habits: &Habits) -> [f64; N_HABITS] {
        let (open, bought) = (habits.open[pattern], habits.bought[pattern]);
        let rate = f64::from(self.rates[pattern - 1]);
        let share = (bought as f64 + PAIRS * rate) / ((open + bought) as f64 + PAIRS);
        let log = |n: usize| (n as f64).ln_1p();
        let (traits, taste) = (self.traits(item), habits.taste);
        [
            log_odds(share),
            log(open),
            log(habits.open[1..].iter().sum()),
            log(habits.bought[1..].iter().sum()),
            log(habits.bought[0]),
            traits[0] * taste[0],
            traits[1] * taste[1],
            traits[2] * taste[2],
        ]
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
        out.put_f32("rates", &[self.rates.len()], self.rates.clone());
        out.put_meta("typical", &self.typical)?;
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
            let values = from.shaped(name, &[rows, n_items])?;
            Ok((0..rows)
                .map(|r| values[r * n_items..(r + 1) * n_items].to_vec())
                .collect())
        };
        let links = from.csr("links", n_items)?;
        check("links", &[behaviors.len() * n_items], &[links.n_rows()])?;
        let alike = from.csr("alike", n_items)?;
        check("alike", &[n_items], &[alike.n_rows()])?;
        let rates = from.shaped("rates", &[behaviors.n_patterns() - 1])?;
        let scale = from.shaped("scale", &[1])?;
        let rarity = from.shaped("rarity", &[behaviors.len()])?;
        Ok(Self {
            conversion: table("conversion", behaviors.n_patterns() - 1)?,
            users: table("users", behaviors.len())?,
            pooled,
            by_target: links.transpose(),
            links,
            alike,
            scale: scale[0],
            rates: rates.to_vec(),
            typical: from.meta("typical")?,
            rarity: rarity.to_vec(),
            behaviors,
            n_items,
        })
    }
}

/// Refuses an array of another shape.
fn check(name: &str, expected: &[usize], found: &[usize]) -> Result<()> {
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
