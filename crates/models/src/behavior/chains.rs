//! Chains of behaviors: which behaviors each pair of a user and an item has, and what became of such pairs.
//!
//! The *pattern* of a pair is the set of its behaviors before the target: with view, cart and buy it is none,
//! view, cart, or view and cart. A pair with a pattern that is not bought yet is *open*. [`Records`] count
//! pairs and purchases by item and pattern; what is hidden from [`Chains`] is in no count.

use limpid_core::{Catalogue, Csr, Error, Histories, History, Result, Training};
use rayon::prelude::*;

/// The most behaviors that models of chains read: every set of those before the target is a pattern of its
/// own.
pub const MOST_BEHAVIORS: usize = 6;

/// The behaviors of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviors {
    n: usize,
    target: u8,
}

impl Behaviors {
    /// `n` behaviors, of which `target` is to be predicted.
    ///
    /// # Errors
    /// [`Error::Range`] for more than [`MOST_BEHAVIORS`], or a target that is not one of them.
    pub fn new(n: usize, target: u8) -> Result<Self> {
        if n == 0 || n > MOST_BEHAVIORS {
            return Err(Error::range(
                "the number of behaviors",
                format!("from 1 to {MOST_BEHAVIORS} for this model (keep some with --behaviors)"),
                n,
            ));
        }
        if usize::from(target) >= n {
            return Err(Error::range(
                "the target behavior",
                format!("below {n}"),
                target,
            ));
        }
        Ok(Self { n, target })
    }

    /// The behaviors of training data; those of the catalogue, at least one.
    ///
    /// # Errors
    /// As [`Behaviors::new`].
    pub fn of(data: &Training<'_>) -> Result<Self> {
        Self::new(
            data.catalogue.behaviors.len().max(1),
            data.catalogue.target_behavior,
        )
    }

    /// Number of behaviors.
    #[must_use]
    pub fn len(self) -> usize {
        self.n
    }

    /// Whether there are none; never, as they are checked.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.n == 0
    }

    /// The target behavior.
    #[must_use]
    pub fn target(self) -> u8 {
        self.target
    }

    /// The behaviors before the target, in order.
    pub fn auxiliary(self) -> impl Iterator<Item = u8> {
        (0..self.n as u8).filter(move |&b| b != self.target)
    }

    /// All behaviors in order, the target last.
    pub fn in_order(self) -> impl Iterator<Item = u8> {
        self.auxiliary().chain([self.target])
    }

    /// Number of patterns, the empty one included.
    #[must_use]
    pub fn n_patterns(self) -> usize {
        1 << (self.n - 1)
    }

    /// The pattern of a set of behaviors (bit b for behavior b): the set without the target, as a number.
    #[must_use]
    pub fn pattern(self, set: u8) -> usize {
        let below = (1u8 << self.target) - 1;
        usize::from(set & below) | usize::from(set >> 1) & !usize::from(below)
    }

    /// The behaviors of a pattern, in order.
    pub fn of_pattern(self, pattern: usize) -> impl Iterator<Item = u8> {
        let auxiliary = self.auxiliary().enumerate();
        auxiliary.filter_map(move |(k, b)| (pattern >> k & 1 == 1).then_some(b))
    }

    /// The name of a pattern: `view+cart`.
    #[must_use]
    pub fn pattern_name(self, pattern: usize, catalogue: &Catalogue) -> String {
        let names = self.of_pattern(pattern).map(|b| {
            let name = catalogue.behaviors.get(usize::from(b));
            name.map_or_else(|| b.to_string(), Clone::clone)
        });
        names.collect::<Vec<_>>().join("+")
    }

    /// Whether a set has the target.
    #[must_use]
    pub fn bought(self, set: u8) -> bool {
        set >> self.target & 1 == 1
    }

    /// The pattern of an open pair; `None` if it is bought or has no pattern.
    #[must_use]
    pub fn open(self, set: u8) -> Option<usize> {
        let pattern = self.pattern(set);
        (pattern > 0 && !self.bought(set)).then_some(pattern)
    }

    /// The items of a history with the set of behaviors on each, by ascending item. Events on items from
    /// `n_items` on and of other behaviors are ignored.
    #[must_use]
    pub fn chain(self, user: History<'_>, n_items: usize) -> Vec<(u32, u8)> {
        let events = user
            .events()
            .filter(|e| e.item.at() < n_items && usize::from(e.behavior) < self.n);
        let mut chain: Vec<(u32, u8)> = events.map(|e| (e.item.0, 1 << e.behavior)).collect();
        chain.sort_unstable();
        chain.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 |= next.1;
            }
            same
        });
        chain
    }
}

/// The items of a chain that have a behavior.
pub(crate) fn with_behavior(chain: &[(u32, u8)], behavior: u8) -> impl Iterator<Item = u32> {
    let has = chain.iter().filter(move |e| e.1 >> behavior & 1 == 1);
    has.map(|e| e.0)
}

/// The chains of many users.
#[derive(Debug, Clone, PartialEq)]
pub struct Chains {
    /// The behaviors.
    pub behaviors: Behaviors,
    /// Number of items.
    pub n_items: usize,
    rows: Vec<Vec<(u32, u8)>>,
}

impl Chains {
    /// The chains of histories.
    #[must_use]
    pub fn of(histories: &Histories, behaviors: Behaviors) -> Self {
        let n_items = histories.n_items();
        let rows = (0..histories.len())
            .into_par_iter()
            .map(|u| behaviors.chain(histories.row(u), n_items))
            .collect();
        Self {
            behaviors,
            n_items,
            rows,
        }
    }

    /// Number of users.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no users.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The chain of one user: items with their sets of behaviors, by ascending item.
    #[must_use]
    pub fn row(&self, user: usize) -> &[(u32, u8)] {
        &self.rows[user]
    }

    /// The target items of one user, ascending.
    #[must_use]
    pub fn bought(&self, user: usize) -> Vec<u32> {
        with_behavior(&self.rows[user], self.behaviors.target()).collect()
    }

    /// The same chains without the target event on one item of each user or, if `whole`, without any event on
    /// it.
    #[must_use]
    pub fn without(&self, hidden: &[Option<u32>], whole: bool) -> Self {
        let target = 1u8 << self.behaviors.target();
        let rows = self.rows.iter().zip(hidden).map(|(row, hidden)| {
            let left = |&(item, set): &(u32, u8)| match Some(item) == *hidden {
                true if whole => None,
                true => Some((item, set & !target)),
                false => Some((item, set)),
            };
            row.iter()
                .filter_map(left)
                .filter(|&(_, set)| set != 0)
                .collect()
        });
        Self {
            rows: rows.collect(),
            ..*self
        }
    }

    /// The chains of one behavior alone, as the target.
    #[must_use]
    pub fn of_one(&self, behavior: u8) -> Self {
        let rows = self.rows.iter().map(|row| {
            let items = with_behavior(row, behavior);
            items.map(|item| (item, 1)).collect()
        });
        Self {
            behaviors: Behaviors { n: 1, target: 0 },
            n_items: self.n_items,
            rows: rows.collect(),
        }
    }

    /// The matrix of ones of all behaviors `(U, behaviors × I)`: column `b × I + i` is behavior b on item i.
    ///
    /// # Errors
    /// None for chains, whose rows have every item once.
    pub fn features(&self) -> Result<Csr> {
        let n = self.behaviors.len();
        let rows = self.rows.iter().map(|row| {
            let events = row.iter().flat_map(|&(item, set)| {
                let of_item = (0..n).filter(move |b| set >> b & 1 == 1);
                of_item.map(move |b| ((b * self.n_items) as u32 + item, 1.0))
            });
            events.collect()
        });
        Csr::from_rows(rows, n * self.n_items)
    }

    /// The user × item matrix of one behavior, of ones.
    ///
    /// # Errors
    /// None for chains, whose rows ascend.
    pub fn matrix(&self, behavior: u8) -> Result<Csr> {
        let rows = self.rows.iter().map(|row| {
            let items = with_behavior(row, behavior);
            items.map(|item| (item, 1.0)).collect()
        });
        Csr::from_rows(rows, self.n_items)
    }
}

/// How often pairs with each pattern were bought.
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    /// Number of users with each behavior on each item `(behaviors, items)`.
    pub users: Vec<Vec<u32>>,
    /// Number of pairs `(patterns, items)`; zeros for the empty pattern.
    pub pairs: Vec<Vec<u32>>,
    /// Number of them that were bought `(patterns, items)`.
    pub bought: Vec<Vec<u32>>,
}

impl Records {
    /// Counts chains.
    #[must_use]
    pub fn of(chains: &Chains) -> Self {
        let behaviors = chains.behaviors;
        let zeros = |n: usize| vec![vec![0u32; chains.n_items]; n];
        let mut records = Self {
            users: zeros(behaviors.len()),
            pairs: zeros(behaviors.n_patterns()),
            bought: zeros(behaviors.n_patterns()),
        };
        for &(item, set) in chains.rows.iter().flatten() {
            let item = item as usize;
            for (behavior, users) in records.users.iter_mut().enumerate() {
                users[item] += u32::from(set >> behavior & 1);
            }
            let pattern = behaviors.pattern(set);
            if pattern > 0 {
                records.pairs[pattern][item] += 1;
                records.bought[pattern][item] += u32::from(behaviors.bought(set));
            }
        }
        records
    }

    /// The share of the pairs with a pattern that were bought; 0 without pairs.
    #[must_use]
    pub fn rate(&self, pattern: usize) -> f64 {
        share(sum(&self.bought[pattern]), sum(&self.pairs[pattern]))
    }

    /// The share of all pairs with any pattern that were bought.
    #[must_use]
    pub fn rate_of_all(&self) -> f64 {
        let total = |counts: &[Vec<u32>]| counts.iter().map(|of| sum(of)).sum();
        share(total(&self.bought), total(&self.pairs))
    }

    /// The conversion of an item for pairs with a pattern, shrunk towards that of the pattern:
    /// `(bought + s · rate) / (pairs + s)`.
    #[must_use]
    pub fn conversion(&self, pattern: usize, rate: f64, smoothing: f64) -> Vec<f64> {
        let counts = self.bought[pattern].iter().zip(&self.pairs[pattern]);
        counts
            .map(|(&b, &n)| shrunk(b, n, rate, smoothing))
            .collect()
    }

    /// The conversion of an item for pairs of all patterns, shrunk towards that of all items.
    #[must_use]
    pub fn conversion_of_all(&self, smoothing: f64) -> Vec<f64> {
        let rate = self.rate_of_all();
        let n_items = self.users.first().map_or(0, Vec::len);
        let total = |counts: &[Vec<u32>], item: usize| counts.iter().map(|of| of[item]).sum();
        (0..n_items)
            .map(|i| {
                shrunk(
                    total(&self.bought, i),
                    total(&self.pairs, i),
                    rate,
                    smoothing,
                )
            })
            .collect()
    }
}

fn sum(counts: &[u32]) -> u64 {
    counts.iter().map(|&n| u64::from(n)).sum()
}

fn share(part: u64, of: u64) -> f64 {
    part as f64 / of.max(1) as f64
}

fn shrunk(bought: u32, pairs: u32, rate: f64, smoothing: f64) -> f64 {
    (f64::from(bought) + smoothing * rate) / (f64::from(pairs) + smoothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Event, ItemIdx, OwnedHistory};

    #[test]
    fn patterns_are_sets_before_the_target() {
        let three = Behaviors::new(3, 2).unwrap();
        assert_eq!(three.n_patterns(), 4);
        assert_eq!([0b001, 0b010, 0b111].map(|s| three.pattern(s)), [1, 2, 3]);
        assert_eq!(
            (three.open(0b011), three.open(0b111), three.open(0b100)),
            (Some(3), None, None)
        );
        // The target may be in the middle.
        let middle = Behaviors::new(3, 1).unwrap();
        assert_eq!(
            [0b001, 0b010, 0b100, 0b101].map(|s| middle.pattern(s)),
            [1, 0, 2, 3]
        );
        assert_eq!(middle.of_pattern(2).collect::<Vec<_>>(), [2]);
        assert_eq!(Behaviors::new(1, 0).unwrap().n_patterns(), 1);
        assert!(Behaviors::new(7, 0).is_err() && Behaviors::new(2, 2).is_err());
        let last = Behaviors::new(6, 5).unwrap();
        assert_eq!(last.pattern(0b11_1111), 31);
    }

    /// Two users: u viewed a, viewed and bought b, carted c; v viewed and bought a, bought c.
    #[test]
    fn records_by_hand() {
        let event = |item: u32, behavior: u8| Event {
            behavior,
            ..Event::of(ItemIdx(item))
        };
        let u = vec![
            event(0, 0),
            event(1, 0),
            event(1, 2),
            event(2, 1),
            event(0, 0),
        ];
        let v = vec![event(0, 0), event(0, 2), event(2, 2)];
        let rows = [u, v].map(|events| OwnedHistory::of_events(None, events));
        let rows = Histories::from_histories(rows.iter().map(OwnedHistory::view), 3).unwrap();
        let chains = Chains::of(&rows, Behaviors::new(3, 2).unwrap());
        assert_eq!(chains.row(0), [(0, 1), (1, 0b101), (2, 0b10)]);
        assert_eq!(chains.bought(1), [0, 2]);
        let records = Records::of(&chains);
        assert_eq!(records.users, [[2, 1, 0], [0, 0, 1], [1, 1, 1]]);
        assert_eq!(
            (records.pairs[1].as_slice(), records.bought[1].as_slice()),
            (&[2, 1, 0][..], &[1, 1, 0][..])
        );
        assert_eq!(
            (records.rate(1), records.rate(2), records.rate_of_all()),
            (2.0 / 3.0, 0.0, 0.5)
        );
        assert_eq!(records.conversion(1, 0.5, 2.0), [0.5, 2.0 / 3.0, 0.5]);
        // Hiding v's purchase of a leaves its view; hiding it whole leaves nothing.
        let hidden = [None, Some(0)];
        assert_eq!(chains.without(&hidden, false).row(1), [(0, 1), (2, 0b100)]);
        assert_eq!(chains.without(&hidden, true).row(1), [(2, 0b100)]);
        assert_eq!(
            Records::of(&chains.without(&hidden, false)).bought[1],
            [0, 1, 0]
        );
        assert_eq!(chains.matrix(0).unwrap().nnz(), 3);
        // Behavior-major: views of a and b, the cart of c, the purchase of b.
        assert_eq!(chains.features().unwrap().row(0).0, [0, 1, 5, 7]);
    }
}
