//! Features of a history: links (single items), and the rules "at least one" and "at least two" of a
//! group.

use limpid_core::rules::Rule;
use limpid_core::{Csr, ItemIdx, Space, Unit};

use crate::rules::groups::Groups;

/// No rule.
const NONE: u32 = u32::MAX;

/// The kind of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    /// The user has the item.
    Link(ItemIdx),
    /// They have at least one item of the group.
    Or(u32),
    /// They have at least two items of the group.
    Two(u32),
}

/// The features of a model: first the links by item, then the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Features {
    groups: Groups,
    rules: Vec<Feature>,
    or_of: Vec<u32>,  // (groups)
    two_of: Vec<u32>, // (groups)
}

impl Features {
    /// Links only.
    pub(crate) fn links(n_items: usize) -> Self {
        Self::new(Groups::none(n_items), |_| false)
    }

    /// Links, and rules for the groups for which `has_rules` is true: "at least one", and from three items
    /// on "at least two" (for two items it would mean "both", which has too little support).
    pub(crate) fn new(groups: Groups, has_rules: impl Fn(u32) -> bool) -> Self {
        let n_items = groups.n_items() as u32;
        let (mut rules, mut or_of, mut two_of) = (Vec::new(), Vec::new(), Vec::new());
        for (g, members) in groups.iter().enumerate() {
            let g = g as u32;
            let (mut or, mut two) = (NONE, NONE);
            if has_rules(g) {
                or = n_items + rules.len() as u32;
                rules.push(Feature::Or(g));
                if members.len() > 2 {
                    two = n_items + rules.len() as u32;
                    rules.push(Feature::Two(g));
                }
            }
            or_of.push(or);
            two_of.push(two);
        }
        Self {
            groups,
            rules,
            or_of,
            two_of,
        }
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    pub(crate) fn n_items(&self) -> usize {
        self.groups.n_items()
    }

    /// Number of features.
    pub(crate) fn len(&self) -> usize {
        self.n_items() + self.rules.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<Feature> {
        match index.checked_sub(self.n_items()) {
            None => Some(Feature::Link(ItemIdx(index as u32))),
            Some(rule) => self.rules.get(rule).copied(),
        }
    }

    /// The index of "at least one" of a group.
    pub(crate) fn or_of(&self, group: u32) -> Option<u32> {
        self.or_of
            .get(group as usize)
            .copied()
            .filter(|&f| f != NONE)
    }

    /// The index of "at least two" of a group.
    pub(crate) fn two_of(&self, group: u32) -> Option<u32> {
        self.two_of
            .get(group as usize)
            .copied()
            .filter(|&f| f != NONE)
    }

    /// The group of a feature; `None` for the link of an item without a group.
    pub(crate) fn group_of(&self, index: usize) -> Option<u32> {
        match self.get(index)? {
            Feature::Link(item) => self.groups.of(item),
            Feature::Or(g) | Feature::Two(g) => Some(g),
        }
    }

    /// The unit of a feature: the events on an item, or a rule, numbered from 0.
    pub(crate) fn unit(&self, index: usize) -> Unit {
        match index.checked_sub(self.n_items()) {
            None => Unit::event(ItemIdx(index as u32)),
            Some(rule) => Unit::new(Space::Rule, rule as u32),
        }
    }

    /// The features of a unit, ascending; a group has its links and rules.
    pub(crate) fn members(&self, unit: Unit) -> Vec<usize> {
        let index = unit.index as usize;
        match unit.space {
            Space::Event if index < self.n_items() => vec![index],
            Space::Rule if index < self.rules.len() => vec![self.n_items() + index],
            Space::Group if index < self.groups.len() => {
                let links = self.groups.members(unit.index).iter().map(|i| i.0);
                let rules = self
                    .or_of(unit.index)
                    .into_iter()
                    .chain(self.two_of(unit.index));
                links.chain(rules).map(|k| k as usize).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The id of a group or rule: `g17`, `g17.or`, `g17.two`.
    pub(crate) fn id(&self, unit: Unit) -> String {
        let rule = match unit.space {
            Space::Rule => self.rules.get(unit.index as usize),
            _ => None,
        };
        match rule {
            Some(Feature::Or(g)) => format!("g{g}.or"),
            Some(Feature::Two(g)) => format!("g{g}.two"),
            _ => format!("g{}", unit.index),
        }
    }

    /// The unit of an id, if there is such a group or rule.
    pub(crate) fn parse(&self, text: &str) -> Option<Unit> {
        let (group, rule) = match text.strip_prefix('g')?.split_once('.') {
            None => (text.strip_prefix('g')?, None),
            Some((group, rule)) => (group, Some(rule)),
        };
        let group: u32 = group
            .parse()
            .ok()
            .filter(|&g| (g as usize) < self.groups.len())?;
        let feature = match rule {
            None => return Some(Unit::new(Space::Group, group)),
            Some("or") => self.or_of(group)?,
            Some("two") => self.two_of(group)?,
            Some(_) => return None,
        };
        Some(self.unit(feature as usize))
    }

    /// The rule of a feature; `None` for a link.
    pub(crate) fn rule(&self, index: usize) -> Option<Rule> {
        match self.get(index)? {
            Feature::Link(_) => None,
            Feature::Or(g) => Some(Rule::any(self.groups.members(g).iter().copied())),
            Feature::Two(g) => Some(Rule::at_least(2, self.groups.members(g).iter().copied())),
        }
    }

    /// The features of a user who has `items` (ascending, unique), ascending.
    pub(crate) fn active(&self, items: &[u32]) -> Vec<u32> {
        let mut active: Vec<u32> = items.to_vec();
        let mut groups: Vec<u32> = items
            .iter()
            .filter_map(|&i| self.groups.of(ItemIdx(i)))
            .collect();
        groups.sort_unstable();
        for run in groups.chunk_by(|a, b| a == b) {
            active.extend(self.or_of(run[0]));
            if run.len() > 1 {
                active.extend(self.two_of(run[0]));
            }
        }
        // Rules are numbered by group, so the list is ascending.
        active
    }
}

/// The number of rows of `(U, I)` with at least one item of each group.
pub(crate) fn group_support(rows: &Csr, groups: &Groups) -> Vec<u32> {
    let mut counts = vec![0; groups.len()];
    let mut present: Vec<u32> = Vec::new();
    for u in 0..rows.n_rows() {
        present.clear();
        let items = rows.row(u).0.iter();
        present.extend(items.filter_map(|&i| groups.of(ItemIdx(i))));
        present.sort_unstable();
        present.dedup();
        for &g in &present {
            counts[g as usize] += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_hold_by_their_definition() {
        let i = |n| ItemIdx(n);
        let groups = Groups::new(vec![vec![i(0), i(1), i(2)], vec![i(4), i(5)]], 7).unwrap();
        let f = Features::new(groups.clone(), |_| true);
        assert_eq!(f.len(), 10);
        assert_eq!(f.active(&[0, 3, 4, 5]), [0, 3, 4, 5, 7, 9]);
        assert_eq!(f.active(&[1, 2]), [1, 2, 7, 8]);
        assert!(f.active(&[]).is_empty());
        assert_eq!(f.get(8), Some(Feature::Two(0)));
        assert_eq!(f.get(10), None);
        assert_eq!(f.id(f.unit(9)), "g1.or");
        for text in ["g0", "g1", "g0.or", "g0.two", "g1.or"] {
            assert_eq!(f.id(f.parse(text).unwrap()), text);
        }
        assert_eq!(f.members(f.parse("g0").unwrap()), [0, 1, 2, 7, 8]);
        for text in ["g2", "g1.two", "g", "g1.and", "r1"] {
            assert_eq!(f.parse(text), None, "{text}");
        }
        assert_eq!(
            (f.group_of(3), f.group_of(4), f.group_of(9)),
            (None, Some(1), Some(1))
        );
        assert_eq!(f.rule(8), Some(Rule::at_least(2, [i(0), i(1), i(2)])));
        assert_eq!(f.two_of(1), None);
        let few = Features::new(groups.clone(), |g| g == 1);
        assert_eq!(few.len(), 8);
        assert_eq!(few.active(&[0, 1, 4]), [0, 1, 4, 7]);
        assert_eq!(Features::links(3).active(&[0, 2]), [0, 2]);
        let rows = limpid_core::Histories::from_rows(&[vec![0, 1], vec![4, 2], vec![]], 7).unwrap();
        assert_eq!(group_support(&rows.to_csr(), &groups), [2, 1]);
    }
}
