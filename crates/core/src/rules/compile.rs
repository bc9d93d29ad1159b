//! Compilation: turns the value of a group of items, as a function of which of them a user has, into
//! one line that names every item on which the value rests.
//!
//! A model may distribute its evidence over single items, "any of" and "at least two of" the same few
//! items, but one line is easier to read. For a group of m items the value is a table of 2^m numbers, one
//! per subset. The line of a user *names* those of their items on which the value rests: without them it
//! is the value of the empty subset. Its rule is the shortest condition with these items under which the
//! table is constant and which the user's own subset fulfills; so it is true of all users who fulfill it,
//! and nothing is approximated. What one more item would change is read from the same table: an absent
//! item delimits the rule, but the value rests on it only as an [alternative](Alternative).

use crate::rules::{Literal, Operator, Rule};
use crate::{Alternative, Error, ItemIdx, Result};

/// Largest group that is compiled: 2¹² subsets. Readable groups have at most six items.
pub const MAX_ITEMS: usize = 12;

/// The line of one user about one group of items.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// A condition that the user fulfills; all users who fulfill it have the same value.
    pub rule: Rule,
    /// The items of the user on which the value rests, in the order of the group. Without them, and
    /// whatever is left of the user's other items, the value is that of the empty subset.
    pub named: Vec<ItemIdx>,
    /// The items that would change the value if the user had them too, largest change first.
    pub alternatives: Vec<Alternative>,
}

/// The line of a user with the items of `pattern`, whose value is `values[pattern]`.
///
/// `values` `(2^m)` is indexed by subset: bit `b` means that the user has `items[b]`. Values that
/// differ by no more than `tolerance` (absolute) count as equal; 0 compiles exactly.
///
/// An item of the user is named if adding it to some subset of their items changes the value. The rule
/// is, in this order: "any of" all items, if every non-empty subset has the value; "at least k of" them,
/// with the smallest k such that all subsets of at least k items have the value and the user has as many;
/// otherwise the conjunction of the named items with the fewest further literals, among these the one
/// with the fewest negated ones, among these the one that has the earliest items.
///
/// # Errors
/// [`Error::Range`] above [`MAX_ITEMS`] items or if `pattern` is not a subset; [`Error::Shape`]
/// unless there are 2^m values.
pub fn compile(items: &[ItemIdx], values: &[f64], pattern: usize, tolerance: f64) -> Result<Line> {
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
    let differ = |q: usize, r: usize| (values[q] - values[r]).abs() > tolerance;
    // Subsets of the user's own items show on which of them the value rests.
    let own = (0..values.len()).filter(|q| q & !pattern == 0);
    let rests = |b: usize| own.clone().any(|q| differ(q, q | 1 << b));
    let named = (0..m)
        .filter(|&b| pattern >> b & 1 == 1 && rests(b))
        .fold(0, |named, b| named | 1 << b);
    let mut alternatives: Vec<Alternative> = (0..m)
        .filter(|&b| pattern >> b & 1 == 0 && differ(pattern, pattern | 1 << b))
        .map(|b| Alternative {
            item: items[b],
            change: (values[pattern | 1 << b] - values[pattern]) as f32,
        })
        .collect();
    alternatives.sort_by(|a, b| b.change.abs().total_cmp(&a.change.abs()));
    Ok(Line {
        rule: rule(items, pattern, named, |q| !differ(q, pattern)),
        named: of_bits(items, named).collect(),
        alternatives,
    })
}

/// The rule of a line; `same` says whether a subset has the user's value.
fn rule(items: &[ItemIdx], pattern: usize, named: usize, same: impl Fn(usize) -> bool) -> Rule {
    let all = (1usize << items.len()) - 1;
    let size = |q: usize| q.count_ones();
    // A count tells no items apart, so all that the user has must be named.
    if items.len() >= 2 && pattern != 0 && named == pattern {
        // The subsets that differ in value bound k from below.
        let k = (0..=all)
            .filter(|&q| !same(q))
            .map(|q| size(q) + 1)
            .max()
            .unwrap_or(0)
            .max(1);
        if k == 1 {
            return Rule::any(items.iter().copied());
        }
        if k <= size(pattern) && (k as usize) < items.len() {
            return Rule::at_least(k, items.iter().copied());
        }
    }
    let constant = |mask: usize| (0..=all).all(|q| (q ^ pattern) & mask != 0 || same(q));
    // The conjunction of all literals holds only for the pattern, so a mask always exists.
    let mask = (0..=all)
        .filter(|&mask| mask & named == named && constant(mask))
        .min_by_key(|&mask| (size(mask), size(mask & !pattern), mask))
        .unwrap_or(all);
    let literals = |bits: usize, negated: bool| {
        of_bits(items, bits).map(move |item| Literal { item, negated })
    };
    Rule {
        operator: Operator::And,
        literals: literals(mask & pattern, false)
            .chain(literals(mask & !pattern, true))
            .collect(),
    }
}

/// The items of a subset.
fn of_bits(items: &[ItemIdx], bits: usize) -> impl Iterator<Item = ItemIdx> {
    let all = items.iter().enumerate();
    all.filter(move |(b, _)| bits >> b & 1 == 1)
        .map(|(_, &item)| item)
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
            compile(&i, &table(links, or, two), pattern, 0.0)
                .unwrap()
                .rule
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
        // A group without any value rests on nothing.
        assert_eq!(all(&[0.0; 3], 0.0, 0.0, 0b001), Rule::all([]));
        let few = |items: &[ItemIdx], values: &[f64], pattern, tolerance| {
            compile(items, values, pattern, tolerance).unwrap().rule
        };
        assert_eq!(few(&i[..1], &[0.0, 2.0], 1, 0.0), Rule::all([i[0]]));
        assert_eq!(few(&[], &[0.0], 0, 0.0), Rule::all([]));
        // No item of the group: a conjunction of absences.
        assert_eq!(
            few(&i[..2], &[0.0, 1.0, 0.0, 1.0], 0, 0.0),
            Rule::all([]).and_not([i[0]])
        );
        // Within the tolerance, 0.1 and 0.11 are equal.
        let near = [0.0, 0.1, 0.11, 0.1];
        assert_eq!(few(&i[..2], &near, 1, 0.02), Rule::any(i[..2].to_vec()));
        assert_eq!(few(&i[..2], &near, 1, 0.0), Rule::all([i[0]]));
    }

    /// Either item has the value alone, so the shortest condition needs only one of them; but both are
    /// named, because the value does not go away with one.
    #[test]
    fn names_all_items_on_which_the_value_rests() {
        let i = items(3);
        let line = |links: &[f64], or, two, pattern| {
            compile(&i, &table(links, or, two), pattern, 0.0).unwrap()
        };
        let both = line(&[0.5, 0.0, 0.25], 1.0, 0.0, 0b011);
        assert_eq!(both.named, [i[0], i[1]]);
        assert_eq!(both.rule, Rule::all([i[0], i[1]]).and_not([i[2]]));
        let change = |item, change| Alternative { item, change };
        assert_eq!(both.alternatives, [change(i[2], 0.25)]);
        // The second item has no weight, with or without the first.
        let one = line(&[0.5, 0.0, -0.25], 0.0, 0.0, 0b011);
        assert_eq!(
            (one.named, one.alternatives),
            (vec![i[0]], vec![change(i[2], -0.25)])
        );
        // What one more item would change, largest first.
        let more = line(&[0.125, 0.5, 0.0], 0.0, 0.25, 0b100).alternatives;
        assert_eq!(more, [change(i[1], 0.75), change(i[0], 0.375)]);
    }

    #[test]
    fn refuses_invalid_tables() {
        let i = items(13);
        assert!(compile(&i, &[0.0; 1 << 13], 0, 0.0).is_err());
        assert!(compile(&i[..2], &[0.0; 3], 0, 0.0).is_err());
        assert!(compile(&i[..2], &[0.0; 4], 4, 0.0).is_err());
    }

    proptest! {
        /// The laws: the user's own subset fulfills the line, all subsets that fulfill it have the value;
        /// whatever else is removed, without the named items the value is that of the empty subset.
        #[test]
        fn lines_are_true_and_name_all_that_counts(
            values in proptest::collection::vec(0u8..3, 16),
            pattern in 0usize..16,
        ) {
            let i = items(4);
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let line = compile(&i, &values, pattern, 0.0).unwrap();
            let holds = |q: usize| line.rule.holds(|item| q >> item.0 & 1 == 1);
            prop_assert!(holds(pattern));
            let named: usize = line.named.iter().map(|item| 1 << item.0).sum();
            prop_assert_eq!(named & !pattern, 0);
            for q in 0..16 {
                prop_assert!(!holds(q) || values[q] == values[pattern]);
                if q & !(pattern & !named) == 0 {
                    prop_assert_eq!(values[q], values[0]);
                }
            }
            prop_assert!(line.rule.literals.len() <= 4);
            for b in (0..4).filter(|b| pattern >> b & 1 == 0) {
                let change = line.alternatives.iter().find(|a| a.item == i[b]).map_or(0.0, |a| a.change);
                prop_assert_eq!(f64::from(change), values[pattern | 1 << b] - values[pattern]);
            }
        }
    }
}
