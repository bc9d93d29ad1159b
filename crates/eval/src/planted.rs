//! Recovery of planted rules: on synthetic data whose rules are known, how many a model has found.
//!
//! A learned rule matches a planted one if it supports one of its targets and is logically equal, or has
//! the same operator and a Jaccard index of literals (with their signs) of at least one half.
//!
//! The consequent of a rule also predicts its body: if all users with A and B have T, the rule "T, so A"
//! is also true of the data, though it was not planted. So precision is over the learned rules whose
//! strongest target is a planted one; their number is reported with it.

use std::collections::BTreeSet;

use limpid_core::ItemIdx;
use limpid_core::rules::Rule;
use serde::Serialize;

/// Two rules of the same operator match at this Jaccard index of their literals.
pub const SIMILAR: f64 = 0.5;

/// Rules over more items than this are not compared by enumeration.
const MOST_ITEMS: usize = 12;

/// A rule and the items that it supports.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The condition.
    pub rule: Rule,
    /// The items, strongest first.
    pub targets: Vec<ItemIdx>,
}

/// The learned rule that matches one planted rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Find {
    /// Index of the best match; `None` if the rule was missed.
    pub by: Option<usize>,
    /// Index of a learned rule for the target over similar items, whatever its operator and signs.
    pub same_items: Option<usize>,
}

/// The matches of all planted rules.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recovery {
    /// One entry per planted rule.
    pub finds: Vec<Find>,
    /// Share of the planted rules that were found.
    pub recall: f64,
    /// Number of learned rules whose strongest target is a planted one.
    pub n_about_targets: usize,
    /// Share of them that match a planted rule.
    pub precision: f64,
    /// Harmonic mean of both.
    pub f1: f64,
}

/// Compares learned with planted rules.
#[must_use]
pub fn recovery(planted: &[Claim], learned: &[Claim]) -> Recovery {
    let related = |p: &Claim, l: &Claim| p.targets.iter().any(|t| l.targets.contains(t));
    let best = |p: &Claim, like: &dyn Fn(&Rule, &Rule) -> f64| {
        let alike = learned.iter().enumerate().filter(|(_, l)| related(p, l));
        let scored = alike.map(|(at, l)| (at, like(&p.rule, &l.rule)));
        let good = scored.filter(|&(_, likeness)| likeness >= SIMILAR);
        good.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
            .map(|(at, _)| at)
    };
    let finds: Vec<Find> = planted
        .iter()
        .map(|p| Find {
            by: best(p, &likeness),
            same_items: best(p, &|a, b| jaccard(&items(a), &items(b))),
        })
        .collect();
    let about_targets: Vec<&Claim> = learned
        .iter()
        .filter(|l| {
            let most = l.targets.first();
            most.is_some_and(|t| planted.iter().any(|p| p.targets.contains(t)))
        })
        .collect();
    let right = about_targets
        .iter()
        .filter(|l| {
            let mut of_target = planted.iter().filter(|p| related(p, l));
            of_target.any(|p| likeness(&p.rule, &l.rule) >= SIMILAR)
        })
        .count();
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    let recall = share(
        finds.iter().filter(|f| f.by.is_some()).count(),
        planted.len(),
    );
    let precision = share(right, about_targets.len());
    Recovery {
        finds,
        n_about_targets: about_targets.len(),
        recall,
        precision,
        f1: match recall + precision {
            0.0 => 0.0,
            sum => 2.0 * recall * precision / sum,
        },
    }
}

/// 1 for rules that are logically equal, the Jaccard index of their literals for the same operator, else
/// 0.
fn likeness(a: &Rule, b: &Rule) -> f64 {
    if equal(a, b) {
        1.0
    } else if a.operator == b.operator {
        let signed = |r: &Rule| r.literals.iter().map(|l| (l.item, l.negated)).collect();
        jaccard::<(ItemIdx, bool)>(&signed(a), &signed(b))
    } else {
        0.0
    }
}

fn items(rule: &Rule) -> BTreeSet<ItemIdx> {
    rule.literals.iter().map(|l| l.item).collect()
}

fn jaccard<T: Ord>(a: &BTreeSet<T>, b: &BTreeSet<T>) -> f64 {
    let both = a.intersection(b).count();
    both as f64 / (a.len() + b.len() - both).max(1) as f64
}

/// Whether two rules are logically equal, by enumeration.
fn equal(a: &Rule, b: &Rule) -> bool {
    let all: Vec<ItemIdx> = items(a).union(&items(b)).copied().collect();
    all.len() <= MOST_ITEMS
        && (0..1usize << all.len()).all(|case| {
            let has = |item: ItemIdx| {
                all.binary_search(&item)
                    .is_ok_and(|bit| case >> bit & 1 == 1)
            };
            a.holds(has) == b.holds(has)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(rule: Rule, target: u32) -> Claim {
        Claim {
            rule,
            targets: vec![ItemIdx(target)],
        }
    }

    #[test]
    fn what_counts_as_found() {
        let i = |n: u32| ItemIdx(n);
        let and = Rule::all([i(0), i(1)]);
        // "At least two of two" says the same as "both".
        assert_eq!(likeness(&and, &Rule::at_least(2, [i(1), i(0)])), 1.0);
        assert_eq!(likeness(&and, &Rule::any([i(0), i(1)])), 0.0);
        assert_eq!(likeness(&and, &Rule::all([i(0), i(1), i(2), i(3)])), 0.5);
        assert_eq!(
            likeness(&and, &Rule::all([i(0)]).and_not([i(1)])),
            1.0 / 3.0
        );
        let planted = [claim(and.clone(), 9), claim(Rule::any([i(3), i(4)]), 8)];
        let learned = [
            claim(and.clone(), 7), // right body, a target that nobody planted
            claim(and, 9),
            claim(Rule::all([i(3), i(4)]), 8), // right items, wrong operator
        ];
        let r = recovery(&planted, &learned);
        assert_eq!(r.finds[0].by, Some(1));
        assert_eq!((r.finds[1].by, r.finds[1].same_items), (None, Some(2)));
        assert_eq!(r.recall, 0.5);
        assert_eq!((r.n_about_targets, r.precision, r.f1), (2, 0.5, 0.5));
        assert_eq!(recovery(&[], &[]).f1, 0.0);
    }
}
