//! How often a rule holds and how well it predicts an item.

use crate::rules::{Operator, Rule};
use crate::{Csr, Histories, ItemIdx};

/// Counts of a rule and an item over the users of the postings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Users for whom the rule holds.
    pub support: usize,
    /// Those of them who have the item.
    pub hits: usize,
    /// Users who have the item.
    pub with_item: usize,
    /// All users.
    pub users: usize,
}

impl Statistics {
    /// Relative support: share of all users; 0 without users.
    #[must_use]
    pub fn support_share(&self) -> f64 {
        ratio(self.support, self.users)
    }

    /// Confidence `P(item | rule)`; 0 if the rule never holds.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        ratio(self.hits, self.support)
    }

    /// Lift `P(item | rule) / P(item)`: 1 if rule and item are independent. 0 if no user has the item.
    #[must_use]
    pub fn lift(&self) -> f64 {
        let share = ratio(self.with_item, self.users);
        if share == 0.0 {
            0.0
        } else {
            self.confidence() / share
        }
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// The users of each item (item postings), so that rules can be counted without a pass over all users.
#[derive(Debug, Clone)]
pub struct ItemPostings {
    by_item: Csr, // (items, users)
}

impl ItemPostings {
    /// Counts the rows of histories; an item that appears twice in a row counts once.
    #[must_use]
    pub fn new(histories: &Histories) -> Self {
        Self {
            by_item: histories.to_csr().transpose(),
        }
    }

    /// The rows that have an item, ascending; empty for an item that is not in the catalogue.
    #[must_use]
    pub fn with_item(&self, item: ItemIdx) -> &[u32] {
        match item.at() < self.by_item.n_rows() {
            true => self.by_item.row(item.at()).0,
            false => &[],
        }
    }

    /// The rows for which a rule holds, ascending.
    #[must_use]
    pub fn holders(&self, rule: &Rule) -> Vec<u32> {
        // True literals per user, initialized with the negated ones.
        let absent = rule.literals.iter().filter(|l| l.negated).count() as i64;
        let mut truths = vec![absent; self.by_item.n_columns()];
        for literal in &rule.literals {
            let step = if literal.negated { -1 } else { 1 };
            for &u in self.with_item(literal.item) {
                truths[u as usize] += step;
            }
        }
        let needed = match rule.operator {
            Operator::And => rule.literals.len() as i64,
            Operator::Or => 1,
            Operator::AtLeast(k) => i64::from(k),
        };
        (0..self.by_item.n_columns() as u32)
            .filter(|&u| truths[u as usize] >= needed)
            .collect()
    }

    /// The statistics of a rule and a target item. A literal on the item itself is left out of the
    /// rule: it would predict itself, and a candidate is never in the history.
    #[must_use]
    pub fn statistics(&self, rule: &Rule, item: ItemIdx) -> Statistics {
        let without = rule.literals.iter().copied().filter(|l| l.item != item);
        let holders = self.holders(&Rule {
            operator: rule.operator,
            literals: without.collect(),
        });
        let with_item = self.with_item(item);
        let hits = holders
            .iter()
            .filter(|u| with_item.binary_search(u).is_ok())
            .count();
        Statistics {
            support: holders.len(),
            hits,
            with_item: with_item.len(),
            users: self.by_item.n_columns(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn i(n: u32) -> ItemIdx {
        ItemIdx(n)
    }

    #[test]
    fn statistics_by_hand() {
        // Three of five users have item 2, and two of the three users with 0 or 1.
        let rows = [vec![0, 2], vec![1, 2], vec![0, 1], vec![2], vec![]];
        let postings = ItemPostings::new(&Histories::from_rows(&rows, 4).unwrap());
        let rule = Rule::any([i(0), i(1)]);
        let s = postings.statistics(&rule, i(2));
        assert_eq!((s.support, s.hits, s.with_item, s.users), (3, 2, 3, 5));
        assert_eq!(s.support_share(), 0.6);
        assert!((s.confidence() - 2.0 / 3.0).abs() < 1e-12);
        assert!((s.lift() - 2.0 / 3.0 / 0.6).abs() < 1e-12);
        // On item 1 the rule is "item 0" only.
        let own = postings.statistics(&rule, i(1));
        assert_eq!((own.support, own.hits), (2, 1));
        assert_eq!(
            postings.holders(&Rule::at_least(2, [i(0), i(1), i(2)])),
            [0, 1, 2]
        );
        assert_eq!(postings.holders(&Rule::all([i(2)]).and_not([i(0)])), [1, 3]);
        assert!(postings.with_item(i(9)).is_empty());
        assert_eq!(postings.statistics(&rule, i(3)).lift(), 0.0);
        assert_eq!(postings.statistics(&Rule::any([]), i(2)).confidence(), 0.0);
        let nobody = ItemPostings::new(&Histories::from_rows(&[], 1).unwrap());
        assert_eq!(nobody.statistics(&rule, i(0)).support_share(), 0.0);
    }

    proptest! {
        #[test]
        fn holders_are_those_for_whom_the_rule_holds(
            rows in proptest::collection::vec(proptest::collection::btree_set(0u32..6, 0..6), 0..30),
            positive in proptest::collection::btree_set(0u32..6, 0..4),
            negative in proptest::collection::btree_set(0u32..6, 0..3),
            k in 0u32..4,
        ) {
            let rows: Vec<Vec<u32>> = rows.into_iter().map(|r| r.into_iter().collect()).collect();
            let postings = ItemPostings::new(&Histories::from_rows(&rows, 6).unwrap());
            for operator in [Operator::And, Operator::Or, Operator::AtLeast(k)] {
                let mut rule = Rule::all(positive.iter().map(|&p| i(p)));
                rule = rule.and_not(negative.iter().map(|&n| i(n)));
                rule.operator = operator;
                let expected: Vec<u32> = (0..rows.len() as u32)
                    .filter(|&u| rule.holds(|item| rows[u as usize].contains(&item.0)))
                    .collect();
                prop_assert_eq!(postings.holders(&rule), expected);
            }
        }
    }
}
