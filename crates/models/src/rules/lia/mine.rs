//! Rule search: for each target, repeatedly find the rule that explains most of the residual of the rules
//! before it.
//!
//! With ρ the residual of a target and φ a rule, adding φ to a ridge regression lowers the squared
//! error by `gain = (Σ_u ω_u ρ_u φ_u)² / (Σ_u ω_u φ_u + reg)`. The best single items are extended, by a
//! beam search, to conjunctions (∧ m, ∧ ¬m) and disjunctions (∨ m). One pass over the users of a rule
//! gives the sums of the rule together with every item m, and from them the gains of all three:
//!
//! ```text
//! r ∧ m   c_rm                r ∧ ¬m   c_r − c_rm              r ∨ m   c_r + c_m − c_rm
//! ```
//!
//! The target itself is never a literal. Longer rules are penalized: a rule of L literals competes with its
//! gain divided by (1 + penalty)^(L−1). The search of a target ends when the best rule is no better than
//! the best of so many would be by chance.

use std::collections::HashMap;

use limpid_core::matrix::invert;
use limpid_core::rules::{Literal, Operator, Rule};
use limpid_core::{ItemIdx, Progress, Result};
use rayon::prelude::*;

/// Beam width: rules that are extended at each length.
const BEAM: usize = 3;

/// Upper bound of the significance required of a rule of one item: it is the best of as many
/// as there are items, while longer rules are the best of very many more.
const SINGLE: f64 = 3.0;

/// Passes of the regression over the rules found so far.
const PASSES: usize = 4;

/// Settings of the search.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) max_literals: usize,
    pub(super) per_target: usize,
    pub(super) min_support: usize,
    pub(super) penalty: f64,
    pub(super) significance: f64,
    pub(super) reg: f64,
    pub(super) nonnegative: bool,
}

/// The data, by user and by item.
pub(super) struct Incidence<'a> {
    pub(super) rows: &'a [Vec<u32>],
    pub(super) users: Vec<Vec<u32>>, // by item
    pub(super) weights: &'a [f64],   // (U): ω
    pub(super) total: f64,           // Σ ω
    sums: Vec<f64>,                  // (I): Σ ω over the users of an item
}

impl<'a> Incidence<'a> {
    pub(super) fn new(rows: &'a [Vec<u32>], n_items: usize, weights: &'a [f64]) -> Result<Self> {
        let users = invert(rows, n_items)?;
        let sum = |users: &Vec<u32>| users.iter().map(|&u| weights[u as usize]).sum();
        Ok(Self {
            rows,
            sums: users.iter().map(sum).collect(),
            users,
            weights,
            total: weights.iter().sum(),
        })
    }

    pub(super) fn n_items(&self) -> usize {
        self.users.len()
    }
}

/// The rules with the largest gains over all targets, at most `limit`, largest first. `None` if
/// interrupted.
pub(super) fn mine(
    data: &Incidence<'_>,
    settings: Settings,
    limit: usize,
    progress: &dyn Progress,
) -> Option<Vec<Rule>> {
    progress.start("rules of targets", data.n_items() as u64);
    let found: Vec<Option<Vec<(Rule, f64)>>> = (0..data.n_items())
        .into_par_iter()
        .map_init(
            || Search::new(data, settings),
            |search, target| {
                if progress.interrupted() {
                    return None;
                }
                let rules = search.target(target as u32);
                progress.step(1);
                Some(rules)
            },
        )
        .collect();
    let mut gains: HashMap<Rule, f64> = HashMap::new();
    for (rule, gain) in found
        .into_iter()
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .flatten()
    {
        *gains.entry(rule).or_default() += gain;
    }
    let mut all: Vec<(Rule, f64)> = gains.into_iter().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.truncate(limit);
    Some(all.into_iter().map(|(rule, _)| rule).collect())
}

/// A rule of the beam, with its sums for the current residual.
#[derive(Debug, Clone)]
struct Candidate {
    rule: Rule,
    c: f64,
    n: f64,
    merit: f64,
}

/// Buffers of one thread.
struct Search<'a> {
    data: &'a Incidence<'a>,
    settings: Settings,
    residual: Vec<f64>, // (U)
    variance: f64,      // of the residual, over all users
    c: Vec<f64>,        // (I): Σ ω ρ x_i
    with: Vec<Sums>,    // (I): sums of a rule together with each item
    touched: Vec<u32>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    c: f64,
    n: f64,
    users: u32,
}

/// A rule in the regression of a target.
struct Term {
    rule: Rule,
    users: Vec<u32>,
    n: f64,
    effect: f64,
}

impl<'a> Search<'a> {
    fn new(data: &'a Incidence<'a>, settings: Settings) -> Self {
        Self {
            data,
            settings,
            residual: vec![0.0; data.rows.len()],
            variance: 0.0,
            c: vec![0.0; data.n_items()],
            with: vec![Sums::default(); data.n_items()],
            touched: Vec::new(),
        }
    }

    fn target(&mut self, target: u32) -> Vec<(Rule, f64)> {
        let data = self.data;
        let users = &data.users[target as usize];
        if users.len() < self.settings.min_support || users.len() == data.rows.len() {
            return Vec::new();
        }
        let mean = data.sums[target as usize] / data.total;
        self.residual.fill(-mean);
        for &u in users {
            self.residual[u as usize] += 1.0;
        }
        let mut terms: Vec<Term> = Vec::new();
        let mut found = Vec::new();
        for _ in 0..self.settings.per_target {
            self.sums_of_items();
            self.variance = self.variance();
            let Some(best) = self.best_rule(target, &terms) else {
                break;
            };
            let users = self.users_of(&best.rule);
            let is_single = best.rule.literals.len() == 1;
            let least = self
                .settings
                .significance
                .min(if is_single { SINGLE } else { f64::MAX });
            if self.deviations(&best, &users) < least {
                break;
            }
            found.push((
                best.rule.clone(),
                best.c * best.c / (best.n + self.settings.reg),
            ));
            terms.push(Term {
                rule: best.rule,
                users,
                n: best.n,
                effect: 0.0,
            });
            self.regress(&mut terms);
        }
        found
    }

    /// The variance of the residual over all users.
    fn variance(&self) -> f64 {
        let n = self.residual.len().max(1) as f64;
        self.residual.iter().map(|r| r * r).sum::<f64>() / n
    }

    /// By how many standard deviations `c` of a rule exceeds 0, if the residual were distributed over its
    /// users as over all users.
    fn deviations(&self, candidate: &Candidate, users: &[u32]) -> f64 {
        let weights = users.iter().map(|&u| self.data.weights[u as usize]);
        let spread = self.variance * weights.map(|w| w * w).sum::<f64>();
        candidate.c.abs() / spread.sqrt().max(f64::MIN_POSITIVE)
    }

    /// `c_i` of the current residual.
    fn sums_of_items(&mut self) {
        self.c.fill(0.0);
        for ((row, &rho), &weight) in self
            .data
            .rows
            .iter()
            .zip(&self.residual)
            .zip(self.data.weights)
        {
            let value = rho * weight;
            for &i in row {
                self.c[i as usize] += value;
            }
        }
    }

    fn merit(&self, c: f64, n: f64, literals: usize) -> f64 {
        let c = if self.settings.nonnegative {
            c.max(0.0)
        } else {
            c
        };
        let penalty = (1.0 + self.settings.penalty).powi(literals as i32 - 1);
        c * c / (n + self.settings.reg) / penalty
    }

    fn best_rule(&mut self, target: u32, terms: &[Term]) -> Option<Candidate> {
        let known = |rule: &Rule| terms.iter().any(|t| t.rule == *rule);
        let support = self.settings.min_support;
        let mut beam: Vec<Candidate> = Vec::new();
        for item in 0..self.data.n_items() {
            if item as u32 == target || self.data.users[item].len() < support {
                continue;
            }
            let (c, n) = (self.c[item], self.data.sums[item]);
            let merit = self.merit(c, n, 1);
            push(&mut beam, merit, || Candidate {
                rule: Rule::all([ItemIdx(item as u32)]),
                c,
                n,
                merit,
            });
        }
        // A single item that is already in the regression has no gain left, so it cannot be best
        // for long; its extensions can.
        let mut best = beam.iter().find(|c| !known(&c.rule)).cloned();
        for _ in 1..self.settings.max_literals {
            let mut next: Vec<Candidate> = Vec::new();
            for candidate in &beam {
                self.extend(candidate, target, &known, &mut next);
            }
            if let Some(longest) = next.first()
                && best.as_ref().is_none_or(|b| longest.merit > b.merit)
            {
                best = Some(longest.clone());
            }
            beam = next;
        }
        // Smaller gains are rounding errors.
        best.filter(|b| b.merit > 1e-9)
    }

    /// All rules with one literal more than `base`.
    fn extend(
        &mut self,
        base: &Candidate,
        target: u32,
        known: &dyn Fn(&Rule) -> bool,
        next: &mut Vec<Candidate>,
    ) {
        let users = self.users_of(&base.rule);
        for &u in &users {
            let u = u as usize;
            let weight = self.data.weights[u];
            let value = self.residual[u] * weight;
            for &i in &self.data.rows[u] {
                let sums = &mut self.with[i as usize];
                if sums.users == 0 {
                    self.touched.push(i);
                }
                sums.c += value;
                sums.n += weight;
                sums.users += 1;
            }
        }
        let within = spread_within(self, base, &users);
        let literals = base.rule.literals.len() + 1;
        let support = self.settings.min_support;
        let least = self.settings.significance;
        // A rule with a negative effect is extended the other way.
        let side = match self.settings.nonnegative {
            true => 1.0,
            false => base.c.signum(),
        };
        let is_single = base.rule.literals.len() == 1;
        let is_and = base.rule.operator == Operator::And;
        let has = |i: u32| i == target || base.rule.literals.iter().any(|l| l.item.0 == i);
        let mut offer = |this: &Self, operator, item: u32, negated, c: f64, n: f64| {
            let merit = this.merit(c, n, literals);
            let beats = next.len() < BEAM || next.last().is_some_and(|l| merit > l.merit);
            // A longer rule must have a larger gain than the rule that it extends.
            if !beats || merit <= base.merit {
                return;
            }
            let rule = extended(&base.rule, operator, item, negated);
            if known(&rule) || next.iter().any(|c| c.rule == rule) {
                return;
            }
            push(next, merit, || Candidate { rule, c, n, merit });
        };
        if is_and {
            for &i in self.touched.iter().filter(|&&i| !has(i)) {
                let sums = self.with[i as usize];
                let rest = users.len() - sums.users as usize;
                let (less_c, less_n) = (base.c - sums.c, base.n - sums.n);
                // The users that the literal keeps must differ significantly from those that it drops.
                let apart = side * contrast((sums.c, sums.n), (less_c, less_n), within);
                if sums.users as usize >= support && rest > 0 && apart >= least {
                    offer(self, Operator::And, i, false, sums.c, sums.n);
                }
                if rest >= support && sums.users as usize >= support && -apart >= least {
                    offer(self, Operator::And, i, true, less_c, less_n);
                }
            }
        }
        let positive = base.rule.literals.iter().all(|l| !l.negated);
        if (is_single || !is_and) && positive {
            for i in (0..self.data.n_items() as u32).filter(|&i| !has(i)) {
                let sums = self.with[i as usize];
                let own = self.data.users[i as usize].len();
                if own >= support && own > sums.users as usize {
                    let c = base.c + self.c[i as usize] - sums.c;
                    let n = base.n + self.data.sums[i as usize] - sums.n;
                    let (more_c, more_n) = (c - base.c, n - base.n);
                    // The users that the literal adds must differ significantly from all users.
                    if side * more_c < least * (self.variance * more_n).sqrt() {
                        continue;
                    }
                    offer(self, Operator::Or, i, false, c, n);
                }
            }
        }
        for i in self.touched.drain(..) {
            self.with[i as usize] = Sums::default();
        }
    }

    fn users_of(&self, rule: &Rule) -> Vec<u32> {
        let list = |item: ItemIdx| &self.data.users[item.at()];
        let mut users = Vec::new();
        match rule.operator {
            Operator::And => {
                let Some(first) = rule.literals.iter().find(|l| !l.negated) else {
                    return users;
                };
                users.extend_from_slice(list(first.item));
                for l in rule.literals.iter().filter(|l| *l != first) {
                    let other = list(l.item);
                    users.retain(|u| other.binary_search(u).is_ok() != l.negated);
                }
            }
            _ => {
                for l in &rule.literals {
                    users.extend_from_slice(list(l.item));
                }
                users.sort_unstable();
                users.dedup();
            }
        }
        users
    }

    /// Ridge regression over the terms by coordinate descent; updates the residual.
    fn regress(&mut self, terms: &mut [Term]) {
        let weights = self.data.weights;
        for _ in 0..PASSES {
            for term in terms.iter_mut().rev() {
                let z: f64 = term
                    .users
                    .iter()
                    .map(|&u| weights[u as usize] * self.residual[u as usize])
                    .sum();
                let effect = (z + term.n * term.effect) / (term.n + self.settings.reg);
                let effect = if self.settings.nonnegative {
                    effect.max(0.0)
                } else {
                    effect
                };
                let change = effect - term.effect;
                term.effect = effect;
                for &u in &term.users {
                    self.residual[u as usize] -= change;
                }
            }
        }
    }
}

/// The variance of the residual over the users of a rule.
fn spread_within(search: &Search<'_>, base: &Candidate, users: &[u32]) -> f64 {
    let weights = search.data.weights;
    let squares = users
        .iter()
        .map(|&u| weights[u as usize] * search.residual[u as usize].powi(2));
    let mean = base.c / base.n;
    (squares.sum::<f64>() / base.n - mean * mean).max(0.0)
}

/// By how many standard deviations the mean of one subset (sum, weight) exceeds that of the other.
fn contrast(this: (f64, f64), other: (f64, f64), variance: f64) -> f64 {
    let difference = this.0 / this.1 - other.0 / other.1;
    let spread = variance * (1.0 / this.1 + 1.0 / other.1);
    difference / spread.sqrt().max(1e-12)
}

/// Keeps the best few, best first; ties go to the earlier one.
fn push(list: &mut Vec<Candidate>, merit: f64, candidate: impl FnOnce() -> Candidate) {
    let at = list.partition_point(|c| c.merit >= merit);
    if at < BEAM {
        list.insert(at, candidate());
        list.truncate(BEAM);
    }
}

fn extended(rule: &Rule, operator: Operator, item: u32, negated: bool) -> Rule {
    let mut literals = rule.literals.clone();
    literals.push(Literal {
        item: ItemIdx(item),
        negated,
    });
    literals.sort_by_key(|l| (l.negated, l.item));
    Rule { operator, literals }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::NoProgress;
    use limpid_tensor::Rng;

    /// Items 0–5 are random; item 6 follows from `0 ∧ ¬1`, item 7 from `2 ∨ 3`, item 8 from
    /// `4 ∧ 5`. Exactly these rules are found.
    #[test]
    fn planted_rules_are_found() {
        let mut rng = Rng::new(2, 0);
        let mut rows = Vec::new();
        for _ in 0..400 {
            let mut row: Vec<u32> = (0..6).filter(|_| rng.unit() < 0.4).collect();
            let has = |i: u32| row.contains(&i);
            let (a, b, c) = (has(0) && !has(1), has(2) || has(3), has(4) && has(5));
            row.extend(
                [(a, 6), (b, 7), (c, 8)]
                    .iter()
                    .filter(|(t, _)| *t)
                    .map(|(_, i)| *i),
            );
            rows.push(row);
        }
        let weights = vec![1.0; rows.len()];
        let data = Incidence::new(&rows, 9, &weights).unwrap();
        let settings = Settings {
            max_literals: 3,
            per_target: 1,
            min_support: 5,
            penalty: 0.1,
            significance: 3.0,
            reg: 1.0,
            nonnegative: true,
        };
        let mut search = Search::new(&data, settings);
        let first = |search: &mut Search<'_>, target| search.target(target)[0].0.clone();
        let i = ItemIdx;
        assert_eq!(first(&mut search, 6), Rule::all([i(0)]).and_not([i(1)]));
        assert_eq!(first(&mut search, 7), Rule::any([i(2), i(3)]));
        assert_eq!(first(&mut search, 8), Rule::all([i(4), i(5)]));
        let all = mine(&data, settings, 100, &NoProgress).unwrap();
        assert!(all.contains(&Rule::all([i(4), i(5)])));
        assert_eq!(mine(&data, settings, 2, &NoProgress).unwrap(), all[..2]);
    }

    /// If effects may be negative, rules that oppose a target pass the same test: no user with
    /// items 0 and 1 has item 2.
    #[test]
    fn rules_that_oppose_a_target_are_found() {
        let mut rng = Rng::new(3, 0);
        let rows: Vec<Vec<u32>> = (0..400)
            .map(|_| {
                let mut row: Vec<u32> = (0..2).filter(|_| rng.unit() < 0.5).collect();
                if row.len() < 2 {
                    row.push(2);
                }
                row
            })
            .collect();
        let weights = vec![1.0; rows.len()];
        let data = Incidence::new(&rows, 3, &weights).unwrap();
        let settings = Settings {
            max_literals: 2,
            per_target: 1,
            min_support: 5,
            penalty: 0.05,
            significance: 5.0,
            reg: 1.0,
            nonnegative: false,
        };
        let found = Search::new(&data, settings).target(2);
        assert_eq!(found[0].0, Rule::all([ItemIdx(0), ItemIdx(1)]));
    }
}
