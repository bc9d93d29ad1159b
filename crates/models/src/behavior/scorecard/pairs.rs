//! The inputs of all pairs of one user at a time.

use super::facts::{Facts, Support};

/// What is known of the pairs of a user; the memory is used again for the next one.
pub(super) struct Pairs {
    n: usize,
    sums: Vec<f64>, // (I, behaviors): zeros for all items but the linked ones
    linked: Vec<u32>,
    sets: Vec<u8>, // (I): zeros for all items but those of the chain
    touched: Vec<u32>,
    support: Support,
    inputs: Vec<f64>,
}

impl Pairs {
    /// Those of nobody.
    pub(super) fn new(facts: &Facts) -> Self {
        let n = facts.behaviors.len();
        Self {
            n,
            sums: vec![0.0; n * facts.n_items],
            linked: Vec::new(),
            sets: vec![0; facts.n_items],
            touched: Vec::new(),
            support: Support::default(),
            inputs: Vec::new(),
        }
    }

    /// Those of the user with a chain.
    pub(super) fn set(&mut self, facts: &Facts, chain: &[(u32, u8)]) {
        for item in self.linked.drain(..) {
            self.sums[item as usize * self.n..][..self.n].fill(0.0);
        }
        for item in self.touched.drain(..) {
            self.sets[item as usize] = 0;
        }
        for &(item, set) in chain {
            self.sets[item as usize] = set;
            self.touched.push(item);
            for behavior in (0..self.n).filter(|b| set >> b & 1 == 1) {
                let (targets, weights) = facts.links.row(behavior * facts.n_items + item as usize);
                for (&target, &weight) in targets.iter().zip(weights) {
                    let sums = &mut self.sums[target as usize * self.n..][..self.n];
                    if sums.iter().all(|&s| s == 0.0) {
                        self.linked.push(target);
                    }
                    sums[behavior] += f64::from(weight);
                }
            }
        }
    }

    /// The items that have any link, in the order of the first.
    pub(super) fn linked(&self) -> &[u32] {
        &self.linked
    }

    /// The sum of links to an item from each behavior.
    pub(super) fn links(&self, item: u32) -> &[f64] {
        &self.sums[item as usize * self.n..][..self.n]
    }

    /// Whether the user has no event on an item.
    pub(super) fn is_untouched(&self, item: u32) -> bool {
        self.sets[item as usize] == 0
    }

    /// Visits item, pattern and inputs of every pair that `pattern_of` gives a pattern.
    pub(super) fn visit(
        &mut self,
        facts: &Facts,
        chain: &[(u32, u8)],
        pattern_of: impl Fn(u8) -> Option<usize>,
        mut visit: impl FnMut(u32, usize, &[f64]),
    ) {
        let habits = facts.habits_of(chain);
        let Self {
            n,
            sums,
            sets,
            support,
            inputs,
            ..
        } = self;
        for &(item, set) in chain {
            let Some(pattern) = pattern_of(set) else {
                continue;
            };
            let at = item as usize;
            support.links.clear();
            support.links.extend(&sums[at * *n..][..*n]);
            facts.add_alike(at, |j| sets[j as usize], support);
            facts.inputs(at, pattern, support, &habits, inputs);
            visit(item, pattern, inputs);
        }
    }
}
