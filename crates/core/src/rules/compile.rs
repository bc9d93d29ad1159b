//! Compilation: turns the value of a group of items, as a function of which of them a user has, into
//! one rule that holds exactly if the group has that value.
//!
//! A model may distribute its evidence over single items, "any of" and "at least two of" the same few
//! items, but one line is easier to read. For a group of m items the value is a table of 2^m numbers, one
//! per subset; the line of a user is the shortest condition under which the table is constant and
//! which the user's own subset fulfills. So the line is true of all users who fulfill it, and
//! nothing is approximated.

use crate::rules::{Literal, Operator, Rule};
use crate::{Error, ItemIdx, Result};

/// Largest group that is compiled: 2¹² subsets. Readable groups have at most six items.
pub const MAX_ITEMS: usize = 12;

/// The rule that gives a user with the items of `pattern` the value `values[pattern]`.
///
/// `values` `(2^m)` is indexed by subset: bit `b` means that the user has `items[b]`. Values that
/// differ by no more than `tolerance` (absolute) count as equal; 0 compiles exactly.
///
/// In this order: "any of" all items, if every non-empty subset has the value; "at least k of"
/// them, with the smallest k such that all subsets of at least k items have the value; otherwise
/// the conjunction with the fewest literals, among these the one with the fewest negated ones,
/// among these the one that has the earliest items.
///
/// # Errors
/// [`Error::Range`] above [`MAX_ITEMS`] items or if `pattern` is not a subset; [`Error::Shape`]
/// unless there are 2^m values.
pub fn compile(items: &[ItemIdx], values: &[f64], pattern: usize, tolerance: f64) -> Result<Rule> {
    let m = items.len();
    if m > MAX_ITEMS {
        return Err(Error::range(
            "the number of items to compile",
            format!("at most {MAX_ITEMS}"),
            m,
        ));
    }
    if values.len() != 1 << m {
        return Err(Error::shape("values of subsets", 1usize << m, values.len()));
    }
    if pattern >= values.len() {
        return Err(Error::range(
            "the pattern of a user",
            format!("below {}", values.len()),
            pattern,
        ));
    }
    let same = |q: usize| (values[q] - values[pattern]).abs() <= tolerance;
    let size = |q: usize| q.count_ones();
    if m >= 2 && pattern != 0 {
        // The subsets that differ in value bound k from below.
        let k = (0..values.len())
            .filter(|&q| !same(q))
            .map(|q| size(q) + 1)
            .max()
            .unwrap_or(0)
            .max(1);
        if k == 1 {
            return Ok(Rule::any(items.iter().copied()));
        }
        if k <= size(pattern) && (k as usize) < m {
            return Ok(Rule::at_least(k, items.iter().copied()));
        }
    }
    let constant = |mask: usize| (0..values.len()).all(|q| (q ^ pattern) & mask != 0 || same(q));
    // The conjunction of all literals holds only for the pattern, so a mask always exists.
    let mask = (0..values.len())
        .filter(|&mask| constant(mask))
        .min_by_key(|&mask| (size(mask), size(mask & !pattern), mask))
        .unwrap_or(values.len() - 1);
    let literals = |negated: bool| {
        items
            .iter()
            .enumerate()
            .filter(move |(b, _)| mask >> b & 1 == 1 && (pattern >> b & 1 == 0) == negated)
            .map(move |(_, &item)| Literal { item, negated })
    };
    Ok(Rule {
        operator: Operator::And,
        literals: literals(false).chain(literals(true)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn items(n: u32) -> Vec<ItemIdx> {
        (0..n).map(ItemIdx).collect()
    }

    /// v_i for links, v_or for one or more, v_two for two or more.
    fn table(links: &[f64], or: f64, two: f64) -> Vec<f64> {
        (0..1usize << links.len())
            .map(|q| {
                let sum: f64 = (0..links.len())
                    .filter(|b| q >> b & 1 == 1)
                    .map(|b| links[b])
                    .sum();
                sum + if q != 0 { or } else { 0.0 } + if q.count_ones() > 1 { two } else { 0.0 }
            })
            .collect()
    }

    #[test]
    fn cases_by_hand() {
        let i = items(3);
        let all = |links: &[f64], or, two, pattern| {
            compile(&i, &table(links, or, two), pattern, 0.0).unwrap()
        };
        assert_eq!(all(&[0.0; 3], 1.0, 0.0, 0b010), Rule::any(i.clone()));
        assert_eq!(
            all(&[0.0; 3], 0.0, 1.0, 0b110),
            Rule::at_least(2, i.clone())
        );
        // One of them only, where two would give more: the others must be absent.
        assert_eq!(
            all(&[0.0; 3], 1.0, 1.0, 0b010),
            Rule::all([i[1]]).and_not([i[0], i[2]])
        );
        // Only the first item counts.
        assert_eq!(all(&[1.0, 0.0, 0.0], 0.0, 0.0, 0b011), Rule::all([i[0]]));
        assert_eq!(
            all(&[1.0, 0.5, 0.0], 0.0, 0.0, 0b111),
            Rule::all([i[0], i[1]])
        );
        assert_eq!(
            all(&[1.0, 0.5, 0.0], 0.0, 0.0, 0b101),
            Rule::all([i[0]]).and_not([i[1]])
        );
        assert_eq!(all(&[0.0; 3], 0.0, 0.0, 0b001), Rule::any(i.clone()));
        assert_eq!(
            compile(&i[..1], &[0.0, 2.0], 1, 0.0).unwrap(),
            Rule::all([i[0]])
        );
        assert_eq!(compile(&[], &[0.0], 0, 0.0).unwrap(), Rule::all([]));
        // No item of the group: a conjunction of absences.
        assert_eq!(
            compile(&i[..2], &[0.0, 1.0, 0.0, 1.0], 0, 0.0).unwrap(),
            Rule::all([]).and_not([i[0]])
        );
        // Within the tolerance, 0.1 and 0.11 are equal.
        let near = [0.0, 0.1, 0.11, 0.1];
        assert_eq!(
            compile(&i[..2], &near, 1, 0.02).unwrap(),
            Rule::any(i[..2].to_vec())
        );
        assert_eq!(compile(&i[..2], &near, 1, 0.0).unwrap(), Rule::all([i[0]]));
    }

    #[test]
    fn refuses_invalid_tables() {
        let i = items(13);
        assert!(compile(&i, &[0.0; 1 << 13], 0, 0.0).is_err());
        assert!(compile(&i[..2], &[0.0; 3], 0, 0.0).is_err());
        assert!(compile(&i[..2], &[0.0; 4], 4, 0.0).is_err());
    }

    proptest! {
        /// The law: the user's own subset fulfills the line, and all subsets that fulfill it have the value.
        #[test]
        fn lines_are_true(
            values in proptest::collection::vec(0u8..3, 16),
            pattern in 0usize..16,
        ) {
            let i = items(4);
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let rule = compile(&i, &values, pattern, 0.0).unwrap();
            let holds = |q: usize| rule.holds(|item| q >> item.0 & 1 == 1);
            prop_assert!(holds(pattern));
            for q in 0..16 {
                prop_assert!(!holds(q) || values[q] == values[pattern]);
            }
            prop_assert!(rule.literals.len() <= 4);
        }
    }
}
