//! The effects of given rules: one convex problem per target, the literal of the target left out.
//!
//! ```text
//! min over b, v:  ½ Σ_u ω_u (x_uj − b − Σ_r v_r φ_r^(j)(u))² + ½ reg Σ_r v_r² + l1 Σ_r |v_r|
//! ```
//!
//! φ^(j) is the rule for the user without item j: a candidate is never in the user's row, and a rule
//! that holds because of j would predict j from j. Solved by coordinate descent (Friedman, Hastie and
//! Tibshirani 2010) over the rules with the most evidence.

use limpid_core::matrix::invert;
use limpid_core::rules::Rule;
use limpid_core::{Progress, Result};
use rayon::prelude::*;

use super::extract::{Bits, rule_bits};
use super::mine::Incidence;

/// Maximum number of candidate rules per target.
const SCREEN: usize = 400;

/// Maximum number of passes over the rules of a target.
const PASSES: usize = 200;

/// Convergence tolerance, relative to the largest `|v| √K` seen.
const TOLERANCE: f64 = 1e-5;

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) reg: f64,
    pub(super) l1: f64,
    pub(super) nonnegative: bool,
}

/// What the targets share.
pub(super) struct Refit<'a> {
    data: &'a Incidence<'a>,
    rules: &'a [Rule],
    items: &'a [Bits],
    active: Vec<Vec<u32>>, // (U): rules that hold
    gram: Vec<f32>,        // (R, R)
    own: Vec<Vec<u32>>,    // (I): rules with the item as a literal
    settings: Settings,
}

/// The effects on one target.
pub(super) struct Column {
    pub(super) base: f64,
    pub(super) effects: Vec<(u32, f32)>,
}

impl<'a> Refit<'a> {
    pub(super) fn new(
        data: &'a Incidence<'a>,
        rules: &'a [Rule],
        items: &'a [Bits],
        patterns: &[Bits],
        settings: Settings,
    ) -> Result<Self> {
        let users: Vec<Vec<u32>> = patterns.iter().map(|bits| members(bits)).collect();
        let active = invert(&users, data.rows.len())?;
        let literals = rules.iter().map(|r| r.literals.iter().map(|l| l.item.0));
        let literals: Vec<Vec<u32>> = literals.map(Iterator::collect).collect();
        let own = invert(&literals, items.len())?;
        let r = rules.len();
        let mut gram = vec![0f32; r * r];
        gram.par_chunks_mut(r.max(1))
            .zip(&users)
            .for_each(|(out, users)| {
                let mut sums = vec![0f64; r];
                add_rows(users, &active, data.weights, &mut sums);
                out.iter_mut().zip(&sums).for_each(|(o, &s)| *o = s as f32);
            });
        Ok(Self {
            data,
            rules,
            items,
            active,
            gram,
            own,
            settings,
        })
    }

    /// The effects on all targets; `None` if interrupted.
    pub(super) fn fit(&self, progress: &dyn Progress) -> Option<Vec<Column>> {
        progress.start("effects of rules", self.items.len() as u64);
        (0..self.items.len())
            .into_par_iter()
            .map(|target| {
                if progress.interrupted() {
                    return None;
                }
                let column = self.target(target as u32);
                progress.step(1);
                Some(column)
            })
            .collect()
    }

    fn weight(&self, users: &[u32]) -> f64 {
        users.iter().map(|&u| self.data.weights[u as usize]).sum()
    }

    fn target(&self, target: u32) -> Column {
        let data = self.data;
        let r = self.rules.len();
        let having = &data.users[target as usize];
        let total = data.total.max(f64::MIN_POSITIVE);
        let of_target = self.weight(having);
        let mean = of_target / total;
        if having.is_empty() || r == 0 {
            return Column {
                base: mean,
                effects: Vec::new(),
            };
        }
        let mut c = vec![0f64; r];
        add_rows(having, &self.active, data.weights, &mut c);
        let mut n: Vec<f64> = (0..r).map(|k| f64::from(self.gram[k * r + k])).collect();
        // Without their literal on the target, rules hold for other users.
        let own: Vec<(u32, Vec<u32>)> = self.own[target as usize]
            .iter()
            .map(|&k| {
                let rule = &self.rules[k as usize];
                let bits = rule_bits(rule, self.items, data.rows.len(), Some(target));
                (k, members(&bits))
            })
            .collect();
        for (k, users) in &own {
            let both = users.iter().filter(|u| having.binary_search(u).is_ok());
            c[*k as usize] = both.map(|&u| data.weights[u as usize]).sum();
            n[*k as usize] = self.weight(users);
        }
        let chosen = self.screen(&c, &n, mean, total);
        let m = chosen.len();
        let mut gram = vec![0f64; m * m];
        let mut replaced: Vec<Option<Vec<f64>>> = vec![None; m];
        for (k, users) in &own {
            if let Ok(at) = chosen.binary_search(k) {
                let mut sums = vec![0f64; r];
                add_rows(users, &self.active, data.weights, &mut sums);
                for (other, theirs) in &own {
                    let both = users.iter().filter(|u| theirs.binary_search(u).is_ok());
                    sums[*other as usize] = both.map(|&u| data.weights[u as usize]).sum();
                }
                replaced[at] = Some(sums);
            }
        }
        for (a, &k) in chosen.iter().enumerate() {
            for (b, &l) in chosen.iter().enumerate() {
                let (k, l) = (k as usize, l as usize);
                let together = match (&replaced[a], &replaced[b]) {
                    (Some(row), _) => row[l],
                    (None, Some(row)) => row[k],
                    (None, None) => f64::from(self.gram[k * r + l]),
                };
                gram[a * m + b] = together - n[k] * n[l] / total;
            }
        }
        let centered: Vec<f64> = chosen
            .iter()
            .map(|&k| c[k as usize] - n[k as usize] * mean)
            .collect();
        let v = descend(&gram, &centered, self.settings);
        let effects: Vec<(u32, f32)> = chosen
            .iter()
            .zip(&v)
            .filter(|&(_, &v)| v as f32 != 0.0)
            .map(|(&k, &v)| (k, v as f32))
            .collect();
        let shift: f64 = chosen.iter().zip(&v).map(|(&k, v)| v * n[k as usize]).sum();
        Column {
            base: (of_target - shift) / total,
            effects,
        }
    }

    /// The rules with the most evidence, ascending.
    fn screen(&self, c: &[f64], n: &[f64], mean: f64, total: f64) -> Vec<u32> {
        let gain = |k: usize| {
            let variance = n[k] - n[k] * n[k] / total;
            let evidence = c[k] - n[k] * mean;
            let evidence = if self.settings.nonnegative {
                evidence
            } else {
                evidence.abs()
            };
            let over = (evidence - self.settings.l1).max(0.0);
            over * over / (variance + self.settings.reg)
        };
        let mut all: Vec<(u32, f64)> = (0..c.len())
            .filter(|&k| n[k] > 0.0)
            .map(|k| (k as u32, gain(k)))
            .filter(|&(_, g)| g > 0.0)
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(SCREEN);
        let mut chosen: Vec<u32> = all.into_iter().map(|(k, _)| k).collect();
        chosen.sort_unstable();
        chosen
    }
}

/// Adds the weight of each user to the sums of all rules that hold for them.
fn add_rows(users: &[u32], active: &[Vec<u32>], weights: &[f64], sums: &mut [f64]) {
    for &u in users {
        let weight = weights[u as usize];
        for &k in &active[u as usize] {
            sums[k as usize] += weight;
        }
    }
}

fn members(bits: &[u64]) -> Vec<u32> {
    let mut users = Vec::new();
    for (at, &word) in bits.iter().enumerate() {
        let mut word = word;
        while word != 0 {
            users.push((at * 64) as u32 + word.trailing_zeros());
            word &= word - 1;
        }
    }
    users
}

/// Minimizes `½ vᵀKv − cᵀv + ½ reg v² + l1 |v|` for K `(m, m)` and c `(m)`.
fn descend(k: &[f64], c: &[f64], settings: Settings) -> Vec<f64> {
    let m = c.len();
    let mut v = vec![0f64; m];
    let mut g = c.to_vec(); // c − K v
    let mut scale = 1e-12f64;
    let mut active_only = false;
    for _ in 0..PASSES {
        let mut moved = 0f64;
        for s in 0..m {
            if active_only && v[s] == 0.0 {
                continue;
            }
            let diagonal = k[s * m + s];
            let z = g[s] + diagonal * v[s];
            let over = (z.abs() - settings.l1).max(0.0).copysign(z);
            let over = if settings.nonnegative {
                over.max(0.0)
            } else {
                over
            };
            let best = over / (diagonal + settings.reg);
            let change = best - v[s];
            if change != 0.0 {
                let root = diagonal.max(0.0).sqrt();
                moved = moved.max(change.abs() * root);
                scale = scale.max(best.abs() * root);
                for (g, k) in g.iter_mut().zip(&k[s * m..(s + 1) * m]) {
                    *g -= change * k;
                }
                v[s] = best;
            }
        }
        if moved < TOLERANCE * scale {
            // Passes over the nonzero effects are fast; a final one over all effects confirms convergence.
            if !active_only {
                break;
            }
            active_only = false;
        } else {
            active_only = true;
        }
    }
    v
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Settings = Settings {
        reg: 1.0,
        l1: 1.0,
        nonnegative: false,
    };

    /// One rule: v = (c − l1) / (K + reg).
    #[test]
    fn one_rule_by_hand() {
        assert_eq!(descend(&[3.0], &[2.0], PLAIN), [0.25]);
        assert_eq!(descend(&[3.0], &[-2.0], PLAIN), [-0.25]);
        assert_eq!(descend(&[3.0], &[0.5], PLAIN), [0.0]);
        let positive = Settings {
            nonnegative: true,
            ..PLAIN
        };
        assert_eq!(descend(&[3.0], &[-2.0], positive), [0.0]);
        assert!(descend(&[], &[], PLAIN).is_empty());
    }

    #[test]
    fn meets_the_optimality_conditions() {
        let m = 12;
        let mut rng = limpid_tensor::Rng::new(9, 0);
        let x: Vec<f64> = (0..40 * m)
            .map(|_| f64::from(u8::from(rng.unit() < 0.4)))
            .collect();
        let dot = |a: usize, b: usize| (0..40).map(|u| x[u * m + a] * x[u * m + b]).sum::<f64>();
        let k: Vec<f64> = (0..m * m).map(|at| dot(at / m, at % m)).collect();
        let c: Vec<f64> = (0..m).map(|_| f64::from(rng.uniform(-8.0, 8.0))).collect();
        let v = descend(&k, &c, PLAIN);
        for s in 0..m {
            let kv: f64 = (0..m).map(|t| k[s * m + t] * v[t]).sum();
            let g = c[s] - kv - v[s];
            match v[s] {
                0.0 => assert!(g.abs() < 1.0 + 1e-2, "{g}"),
                v => assert!((g - v.signum()).abs() < 1e-2, "{g} {v}"),
            }
        }
    }
}
