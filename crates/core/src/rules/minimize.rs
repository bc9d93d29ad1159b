//! Minimization: the fewest literals of a rule that hold for exactly the same users.
//!
//! An OR holds for the union of what its literals hold for, so the fewest literals with the same
//! union are a minimum set cover. An AND fails for the union of what its literals fail for: the dual.
//! Both are solved by branch and bound. What is equal on the given users may differ on others; a rule
//! with fewer literals says no more about the given ones.

use crate::rules::{Operator, Rule};
use crate::{Error, Result};

/// A rule with as few literals as were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minimized {
    /// The rule; its literals are a subset of the original ones, in their order.
    pub rule: Rule,
    /// Whether fewer are impossible. False where the search was cut off.
    pub proven: bool,
}

/// Drops the literals of a rule that nobody needs: the result holds for the same users.
///
/// `truths[l]` `(users / 64 words)` says for whom literal `l` is true; bits beyond `n_users` are
/// ignored. The search visits at most `limit` nodes; the first one is the greedy cover, so the answer
/// is never longer than that. A rule of the kind "at least k" is returned as it is.
///
/// # Errors
/// [`Error::Shape`] unless there is a set for each literal, all long enough for `n_users`.
pub fn minimize(
    rule: &Rule,
    truths: &[Vec<u64>],
    n_users: usize,
    limit: usize,
) -> Result<Minimized> {
    if truths.len() != rule.literals.len() {
        return Err(Error::shape(
            "sets of users of literals",
            rule.literals.len(),
            truths.len(),
        ));
    }
    let n_words = n_users.div_ceil(64);
    if let Some(bad) = truths.iter().find(|t| t.len() < n_words) {
        return Err(Error::shape("words of a set of users", n_words, bad.len()));
    }
    let is_and = match rule.operator {
        Operator::And => true,
        Operator::Or => false,
        Operator::AtLeast(_) => {
            return Ok(Minimized {
                rule: rule.clone(),
                proven: false,
            });
        }
    };
    // What a literal decides: users for whom it makes an OR hold, or an AND fail.
    let sets: Vec<Vec<u64>> = truths
        .iter()
        .map(|truth| {
            (0..n_words)
                .map(|at| {
                    let all = u64::MAX >> (64 - (n_users - at * 64).min(64));
                    all & if is_and { !truth[at] } else { truth[at] }
                })
                .collect()
        })
        .collect();
    let mut left = vec![0u64; n_words];
    for set in &sets {
        left.iter_mut().zip(set).for_each(|(l, s)| *l |= s);
    }
    let mut search = Search {
        sets: &sets,
        best: greedy(&sets, &left),
        limit,
    };
    search.visit(&left, &mut Vec::new());
    let mut kept = search.best;
    kept.sort_unstable();
    Ok(Minimized {
        rule: Rule {
            operator: rule.operator,
            literals: kept.iter().map(|&l| rule.literals[l]).collect(),
        },
        proven: search.limit > 0,
    })
}

struct Search<'a> {
    sets: &'a [Vec<u64>],
    best: Vec<usize>,
    limit: usize,
}

impl Search<'_> {
    /// Covers what is left with the literals chosen so far and more.
    fn visit(&mut self, left: &[u64], chosen: &mut Vec<usize>) {
        if self.limit == 0 {
            return;
        }
        self.limit -= 1;
        let remaining = size(left);
        if remaining == 0 {
            if chosen.len() < self.best.len() {
                self.best = chosen.clone();
            }
            return;
        }
        let largest = self.sets.iter().map(|s| common(s, left)).max().unwrap_or(0);
        // No set covers more than `largest` users, which bounds how many are needed.
        let needed = remaining.div_ceil(largest.max(1)) as usize;
        if chosen.len() + needed >= self.best.len() {
            return;
        }
        // Some set must cover the user whom the fewest sets cover.
        let Some(user) = self.rarest(left) else {
            return;
        };
        let mut options: Vec<usize> = (0..self.sets.len())
            .filter(|&l| self.sets[l][user / 64] >> (user % 64) & 1 == 1)
            .collect();
        options.sort_by_key(|&l| (std::cmp::Reverse(common(&self.sets[l], left)), l));
        for l in options {
            let rest: Vec<u64> = left
                .iter()
                .zip(&self.sets[l])
                .map(|(a, b)| a & !b)
                .collect();
            chosen.push(l);
            self.visit(&rest, chosen);
            chosen.pop();
        }
    }

    fn rarest(&self, left: &[u64]) -> Option<usize> {
        let mut best: Option<(usize, usize)> = None;
        for (at, &word) in left.iter().enumerate() {
            let mut word = word;
            while word != 0 {
                let bit = word.trailing_zeros() as usize;
                word &= word - 1;
                let covers = self.sets.iter().filter(|s| s[at] >> bit & 1 == 1).count();
                if best.is_none_or(|(fewest, _)| covers < fewest) {
                    best = Some((covers, at * 64 + bit));
                    if covers <= 1 {
                        return best.map(|(_, user)| user);
                    }
                }
            }
        }
        best.map(|(_, user)| user)
    }
}

/// The set that covers most of what is left, again and again.
fn greedy(sets: &[Vec<u64>], all: &[u64]) -> Vec<usize> {
    let mut left = all.to_vec();
    let mut chosen = Vec::new();
    while size(&left) > 0 {
        let best = (0..sets.len()).max_by_key(|&l| (common(&sets[l], &left), std::cmp::Reverse(l)));
        let Some(best) = best else { break };
        left.iter_mut().zip(&sets[best]).for_each(|(l, s)| *l &= !s);
        chosen.push(best);
    }
    chosen
}

fn size(set: &[u64]) -> u32 {
    set.iter().map(|w| w.count_ones()).sum()
}

fn common(a: &[u64], b: &[u64]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ItemIdx;
    use proptest::prelude::*;

    fn items(n: u32) -> Vec<ItemIdx> {
        (0..n).map(ItemIdx).collect()
    }

    /// Users 0–5; greedy takes {1,2,3,4} first and then needs two more, the best two are {0,1,2} and
    /// {3,4,5}.
    #[test]
    fn better_than_greedy() {
        let sets = [vec![0b011110], vec![0b000111], vec![0b111000]];
        let any = Rule::any(items(3));
        let found = minimize(&any, &sets, 6, 1000).unwrap();
        assert_eq!(found.rule, Rule::any([ItemIdx(1), ItemIdx(2)]));
        assert!(found.proven);
        let cut = minimize(&any, &sets, 6, 0).unwrap();
        assert_eq!((cut.rule.literals.len(), cut.proven), (3, false));
        assert!(minimize(&any, &sets[..2], 6, 10).is_err());
        assert!(minimize(&any, &sets, 65, 10).is_err());
    }

    #[test]
    fn empty_rules_and_nobody() {
        let never = minimize(&Rule::any([]), &[], 5, 10).unwrap();
        assert_eq!(never.rule, Rule::any([]));
        // An AND that all users fulfill needs no literal.
        let always = minimize(&Rule::all(items(1)), &[vec![0b11]], 2, 10).unwrap();
        assert_eq!(always.rule, Rule::all([]));
        let k = Rule::at_least(2, items(3));
        assert_eq!(minimize(&k, &vec![vec![0]; 3], 3, 10).unwrap().rule, k);
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
            let found = minimize(&rule, &sets, 16, 100_000).unwrap();
            prop_assert!(found.proven);
            let pattern = |rule: &Rule| -> u64 {
                (0..16).filter(|u| rule.holds(|i| truths[i.at()] >> u & 1 == 1)).map(|u| 1 << u).sum()
            };
            prop_assert_eq!(pattern(&found.rule), pattern(&rule));
            for subset in 0usize..1 << truths.len() {
                let shorter = Rule {
                    operator: rule.operator,
                    literals: rule.literals.iter().enumerate()
                        .filter(|(at, _)| subset >> at & 1 == 1).map(|(_, l)| *l).collect(),
                };
                if pattern(&shorter) == pattern(&rule) {
                    prop_assert!(shorter.literals.len() >= found.rule.literals.len());
                }
            }
        }
    }
}
