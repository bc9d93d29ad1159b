//! Minimization: the fewest literals of a rule that hold for exactly the same users.
//!
//! An OR holds for the union of the users of its literals, so the fewest literals with the same union
//! are a minimum set cover. An AND fails for the union of the users for whom a literal fails: the dual.
//! Rules are short, so every subset of the literals is tried. Rules that are equal on the given users may
//! differ on others.

use std::cmp::Reverse;

use crate::rules::{Operator, Rule};
use crate::{Error, Result};

/// The most literals of a rule to minimize: 2⁶ subsets.
pub const MAX_LITERALS: usize = 6;

/// Users with the same deciding literals: those that make an OR hold, or an AND fail.
struct Alike {
    /// The deciding literals: bit `l` for literal `l`.
    literals: usize,
    n_users: u32,
    first_user: usize,
}

/// Drops redundant literals of a rule: the result holds for the same users and has as few
/// literals as possible, a subset of the original ones in their order.
///
/// `truths[l]` `(users / 64 words)` is the set of users for whom literal `l` is true; bits beyond
/// `n_users` are ignored. "At least k" rules are returned unchanged.
///
/// Of several shortest rules: the one found greedily, by repeatedly choosing the literal that
/// decides most of the remaining users. If that is longer than necessary: the same choice among the literals that
/// decide the user with the fewest deciding literals and are part of a shortest rule. Ties go to the
/// first literal or user.
///
/// # Errors
/// [`Error::Range`] above [`MAX_LITERALS`] literals; [`Error::Shape`] unless there is a set for each
/// literal, all long enough for `n_users`.
pub fn minimize(rule: &Rule, truths: &[Vec<u64>], n_users: usize) -> Result<Rule> {
    let m = rule.literals.len();
    if truths.len() != m {
        return Err(Error::shape("sets of users of literals", m, truths.len()));
    }
    let n_words = n_users.div_ceil(64);
    if let Some(bad) = truths.iter().find(|t| t.len() < n_words) {
        return Err(Error::shape("words of a set of users", n_words, bad.len()));
    }
    let is_and = match rule.operator {
        Operator::And => true,
        Operator::Or => false,
        Operator::AtLeast(_) => return Ok(rule.clone()),
    };
    if m > MAX_LITERALS {
        return Err(Error::range(
            "the number of literals to minimize",
            format!("at most {MAX_LITERALS}"),
            m,
        ));
    }
    let groups: Vec<Alike> = (1..1usize << m)
        .filter_map(|literals| alike(literals, is_and, truths, n_users))
        .collect();
    let covers = |chosen: usize| groups.iter().all(|g| g.literals & chosen != 0);
    let mut shortest: Vec<usize> = (0..1usize << m).filter(|&s| covers(s)).collect();
    let fewest = shortest.iter().map(|s| s.count_ones()).min();
    shortest.retain(|s| Some(s.count_ones()) == fewest);

    let gain = |chosen: usize, l: usize| -> u32 {
        let left = groups.iter().filter(|g| g.literals & chosen == 0);
        left.filter(|g| g.literals >> l & 1 == 1)
            .map(|g| g.n_users)
            .sum()
    };
    // Adds literals until the users are covered, each the best of those that `may` be next.
    let build = |may: &dyn Fn(usize, usize) -> bool| {
        let mut chosen = 0;
        while !covers(chosen) {
            let next = (0..m).filter(|&l| may(chosen, l));
            match next.max_by_key(|&l| (gain(chosen, l), Reverse(l))) {
                Some(next) => chosen |= 1 << next,
                None => break,
            }
        }
        chosen
    };
    let greedy = build(&|_, _| true);
    let kept = if shortest.contains(&greedy) {
        greedy
    } else {
        build(&|chosen, l| {
            let left = groups.iter().filter(|g| g.literals & chosen == 0);
            let rarest = left.min_by_key(|g| (g.literals.count_ones(), g.first_user));
            let with = chosen | 1 << l;
            rarest.is_some_and(|g| g.literals >> l & 1 == 1)
                && shortest.iter().any(|s| s & with == with)
        })
    };
    Ok(Rule {
        operator: rule.operator,
        literals: (0..m)
            .filter(|l| kept >> l & 1 == 1)
            .map(|l| rule.literals[l])
            .collect(),
    })
}

/// The users with exactly these deciding literals, if there are any.
fn alike(literals: usize, is_and: bool, truths: &[Vec<u64>], n_users: usize) -> Option<Alike> {
    let (mut n, mut first) = (0, None);
    for at in 0..n_users.div_ceil(64) {
        let all = u64::MAX >> (64 - (n_users - at * 64).min(64));
        let users = truths.iter().enumerate().fold(all, |users, (l, truth)| {
            let decides = (literals >> l & 1 == 1) != is_and;
            users & if decides { truth[at] } else { !truth[at] }
        });
        n += users.count_ones();
        if first.is_none() && users != 0 {
            first = Some(at * 64 + users.trailing_zeros() as usize);
        }
    }
    first.map(|first_user| Alike {
        literals,
        n_users: n,
        first_user,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ItemIdx;
    use proptest::prelude::*;

    fn items(n: u32) -> Vec<ItemIdx> {
        (0..n).map(ItemIdx).collect()
    }

    /// Users 0–5; greedy selects {1,2,3,4} first and then needs two more, the optimum is {0,1,2} and
    /// {3,4,5}.
    #[test]
    fn better_than_greedy() {
        let sets = [vec![0b011110], vec![0b000111], vec![0b111000]];
        let any = Rule::any(items(3));
        let found = minimize(&any, &sets, 6).unwrap();
        assert_eq!(found, Rule::any([ItemIdx(1), ItemIdx(2)]));
        assert!(minimize(&any, &sets[..2], 6).is_err());
        assert!(minimize(&any, &sets, 65).is_err());
        assert!(minimize(&Rule::any(items(7)), &vec![vec![0]; 7], 6).is_err());
    }

    /// Literal 1 or 2 suffices beside 0: the one with more users is kept, of equals the first.
    #[test]
    fn ties() {
        let any = Rule::any(items(3));
        let found = minimize(&any, &[vec![0b0111], vec![0b1000], vec![0b1001]], 4).unwrap();
        assert_eq!(found, Rule::any([ItemIdx(0), ItemIdx(1)]));
        let found = minimize(&any, &[vec![0b0011], vec![0b1000], vec![0b1100]], 4).unwrap();
        assert_eq!(found, Rule::any([ItemIdx(0), ItemIdx(2)]));
    }

    #[test]
    fn empty_rules_and_rules_without_users() {
        let never = minimize(&Rule::any([]), &[], 5).unwrap();
        assert_eq!(never, Rule::any([]));
        // An AND that all users fulfill needs no literal.
        let always = minimize(&Rule::all(items(1)), &[vec![0b11]], 2).unwrap();
        assert_eq!(always, Rule::all([]));
        let k = Rule::at_least(2, items(3));
        assert_eq!(minimize(&k, &vec![vec![0]; 3], 3).unwrap(), k);
    }

    proptest! {
        #[test]
        fn holds_for_the_same_users_and_none_is_shorter(
            truths in proptest::collection::vec(any::<u16>(), 0..7),
            and: bool,
        ) {
            let list = items(truths.len() as u32);
            let rule = if and { Rule::all(list) } else { Rule::any(list) };
            let sets: Vec<Vec<u64>> = truths.iter().map(|&t| vec![u64::from(t)]).collect();
            let found = minimize(&rule, &sets, 16).unwrap();
            let pattern = |rule: &Rule| -> u64 {
                (0..16).filter(|u| rule.holds(|i| truths[i.at()] >> u & 1 == 1)).map(|u| 1 << u).sum()
            };
            prop_assert_eq!(pattern(&found), pattern(&rule));
            for subset in 0usize..1 << truths.len() {
                let shorter = Rule {
                    operator: rule.operator,
                    literals: rule.literals.iter().enumerate()
                        .filter(|(at, _)| subset >> at & 1 == 1).map(|(_, l)| *l).collect(),
                };
                if pattern(&shorter) == pattern(&rule) {
                    prop_assert!(shorter.literals.len() >= found.literals.len());
                }
            }
        }
    }
}
