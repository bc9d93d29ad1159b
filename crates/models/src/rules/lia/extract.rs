//! From weights to rules: the literals of a rule, the users for whom it holds, and the rules worth
//! keeping.

use limpid_core::rules::{Literal, Operator, Rule};
use limpid_core::{Histories, ItemIdx};
use limpid_tensor::sparse::logic::THRESHOLD;
use rayon::prelude::*;

/// The distinct items of every row, ascending.
pub(super) fn rows_of(histories: &Histories) -> Vec<Vec<u32>> {
    histories.rows().map(|row| row.distinct_items()).collect()
}

/// The rules of weights `(I, R)` and gates `(R)`.
pub(super) fn rules(w: &[f32], gates: &[f32], n_rules: usize) -> Vec<Rule> {
    let mut literals: Vec<Vec<Literal>> = vec![Vec::new(); n_rules];
    for (item, row) in w.chunks_exact(n_rules.max(1)).enumerate() {
        for (literals, &w) in literals.iter_mut().zip(row) {
            if w.abs() > THRESHOLD {
                literals.push(Literal {
                    item: ItemIdx(item as u32),
                    negated: w < 0.0,
                });
            }
        }
    }
    literals
        .into_iter()
        .zip(gates)
        .map(|(mut literals, &gate)| {
            literals.sort_by_key(|l| (l.negated, l.item));
            let operator = if gate > 0.0 {
                Operator::And
            } else {
                Operator::Or
            };
            Rule { operator, literals }
        })
        .collect()
}

/// The literals of all rules by item, to find the rules that hold for a row in time proportional
/// to its items.
///
/// A literal on an item of the row counts +1, a negated one −1. An AND holds if the count
/// is the number of its literals that are not negated; an OR if the count exceeds minus the number
/// of its negated ones.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Postings {
    starts: Vec<usize>,     // (I + 1)
    rules: Vec<(u32, i16)>, // by item
    needs: Vec<i32>,        // (R): the least count with which it holds
    without: Vec<u32>,      // rules that hold for the empty row
}

impl Postings {
    pub(super) fn new(rules: &[Rule], n_items: usize) -> Self {
        let mut by_item: Vec<Vec<(u32, i16)>> = vec![Vec::new(); n_items];
        let mut needs = Vec::with_capacity(rules.len());
        for (k, rule) in rules.iter().enumerate() {
            let negated = rule.literals.iter().filter(|l| l.negated).count() as i32;
            let all = rule.literals.len() as i32;
            needs.push(match rule.operator {
                Operator::And => all - negated,
                Operator::Or => 1 - negated,
                Operator::AtLeast(n) => n as i32 - negated,
            });
            for l in &rule.literals {
                if let Some(list) = by_item.get_mut(l.item.at()) {
                    list.push((k as u32, if l.negated { -1 } else { 1 }));
                }
            }
        }
        let mut starts = vec![0];
        let mut flat = Vec::new();
        for list in by_item {
            flat.extend(list);
            starts.push(flat.len());
        }
        let without = (0..rules.len() as u32)
            .filter(|&k| needs[k as usize] <= 0)
            .collect();
        Self {
            starts,
            rules: flat,
            needs,
            without,
        }
    }

    /// The counts `(R)` of a row of distinct items.
    pub(super) fn counts(&self, items: &[u32]) -> Vec<i32> {
        let mut counts = vec![0i32; self.needs.len()];
        for (rule, sign) in items.iter().flat_map(|&item| self.of(item)) {
            counts[rule as usize] += i32::from(sign);
        }
        counts
    }

    /// The rules that another item makes hold (true) or fail (false), for a row with these counts.
    pub(super) fn turned(&self, counts: &[i32], item: u32) -> impl Iterator<Item = (u32, bool)> {
        self.of(item).filter_map(|(rule, sign)| {
            let (count, need) = (counts[rule as usize], self.needs[rule as usize]);
            let after = count + i32::from(sign) >= need;
            (after != (count >= need)).then_some((rule, after))
        })
    }

    /// The rules with a literal on an item, and its sign in each.
    pub(super) fn of(&self, item: u32) -> impl Iterator<Item = (u32, i16)> {
        let at = item as usize;
        self.rules[self.starts[at]..self.starts[at + 1]]
            .iter()
            .copied()
    }

    /// The rules that hold for a row of distinct items, ascending.
    pub(super) fn active(&self, items: &[u32]) -> Vec<u32> {
        let mut counts = vec![0i32; self.needs.len()];
        let mut touched: Vec<u32> = self.without.clone();
        for &item in items {
            for (rule, sign) in self.of(item) {
                let rule_at = rule as usize;
                counts[rule_at] += i32::from(sign);
                if sign > 0 && counts[rule_at] == self.needs[rule_at] {
                    touched.push(rule);
                }
            }
        }
        touched.retain(|&k| counts[k as usize] >= self.needs[k as usize]);
        touched.sort_unstable();
        touched.dedup();
        touched
    }
}

/// A set of users, one bit each.
pub(super) type Bits = Vec<u64>;

pub(super) fn count(bits: &[u64]) -> u32 {
    bits.iter().map(|w| w.count_ones()).sum()
}

/// The rows that have each item.
pub(super) fn item_bits(rows: &[Vec<u32>], n_items: usize) -> Vec<Bits> {
    let words = rows.len().div_ceil(64);
    let mut bits = vec![vec![0u64; words]; n_items];
    for (u, row) in rows.iter().enumerate() {
        for &i in row {
            bits[i as usize][u / 64] |= 1 << (u % 64);
        }
    }
    bits
}

/// The rows for which a literal is true; bits beyond the last row are 0.
pub(super) fn literal_bits(literal: &Literal, items: &[Bits], n_rows: usize) -> Bits {
    let bits = &items[literal.item.at()];
    if literal.negated {
        complement(bits, n_rows)
    } else {
        bits.clone()
    }
}

pub(super) fn complement(bits: &[u64], n_rows: usize) -> Bits {
    bits.iter()
        .enumerate()
        .map(|(at, &word)| {
            let here = (n_rows - at * 64).min(64);
            let all = if here == 64 {
                u64::MAX
            } else {
                (1 << here) - 1
            };
            !word & all
        })
        .collect()
}

/// The rows for which a rule (AND or OR) holds, where `left_out` counts as absent from all of them.
pub(super) fn rule_bits(rule: &Rule, items: &[Bits], n_rows: usize, left_out: Option<u32>) -> Bits {
    let nobody = vec![0u64; n_rows.div_ceil(64)];
    let is_and = rule.operator == Operator::And;
    let mut out = if is_and {
        complement(&nobody, n_rows)
    } else {
        nobody.clone()
    };
    for literal in &rule.literals {
        let bits = match Some(literal.item.0) == left_out {
            false => literal_bits(literal, items, n_rows),
            true if literal.negated => complement(&nobody, n_rows),
            true => nobody.clone(),
        };
        for (o, b) in out.iter_mut().zip(&bits) {
            *o = if is_and { *o & b } else { *o | b };
        }
    }
    out
}

/// The sets of users of many rules.
pub(super) fn patterns(rules: &[Rule], items: &[Bits], n_rows: usize) -> Vec<Bits> {
    rules
        .par_iter()
        .map(|rule| rule_bits(rule, items, n_rows, None))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn any_rule(n_items: u32) -> impl Strategy<Value = Rule> {
        (
            any::<bool>(),
            proptest::collection::btree_map(0..n_items, any::<bool>(), 0..5),
        )
            .prop_map(|(and, literals)| Rule {
                operator: if and { Operator::And } else { Operator::Or },
                literals: literals
                    .into_iter()
                    .map(|(i, negated)| Literal {
                        item: ItemIdx(i),
                        negated,
                    })
                    .collect(),
            })
    }

    #[test]
    fn weights_become_rules() {
        // Two rules over three items; the gate of the second selects AND.
        let w = [0.6, 0.9, 0.5, -0.6, -0.7, 0.2];
        let rules = rules(&w, &[0.0, 0.1], 2);
        assert_eq!(
            rules[0],
            Rule {
                operator: Operator::Or,
                literals: vec![
                    Literal {
                        item: ItemIdx(0),
                        negated: false
                    },
                    Literal {
                        item: ItemIdx(2),
                        negated: true
                    },
                ],
            }
        );
        assert_eq!(rules[1], Rule::all([ItemIdx(0)]).and_not([ItemIdx(1)]));
    }

    proptest! {
        /// Counting literals, bit sets and the definition agree on every row.
        #[test]
        fn three_ways_to_hold(
            list in proptest::collection::vec(any_rule(6), 0..6),
            rows in proptest::collection::vec(proptest::collection::btree_set(0u32..6, 0..6), 1..70),
            left_out in 0u32..6,
        ) {
            let rows: Vec<Vec<u32>> = rows.into_iter().map(|r| r.into_iter().collect()).collect();
            let postings = Postings::new(&list, 6);
            let items = item_bits(&rows, 6);
            let bits = patterns(&list, &items, rows.len());
            for (u, row) in rows.iter().enumerate() {
                let active = postings.active(row);
                for (k, rule) in list.iter().enumerate() {
                    let holds = rule.holds(|i| row.contains(&i.0));
                    prop_assert_eq!(active.contains(&(k as u32)), holds);
                    prop_assert_eq!(bits[k][u / 64] >> (u % 64) & 1 == 1, holds);
                    let without = rule_bits(rule, &items, rows.len(), Some(left_out));
                    let holds = rule.holds(|i| row.contains(&i.0) && i.0 != left_out);
                    prop_assert_eq!(without[u / 64] >> (u % 64) & 1 == 1, holds);
                }
            }
            prop_assert!(bits.iter().all(|b| count(b) as usize <= rows.len()));
        }
    }
}
