//! Links: a sparse non-negative regression of the target events of each item on the events of all behaviors on
//! other items.
//!
//! For each target i, over the features f of every behavior and item (x_uf is 1 if user u has the event):
//!
//! ```text
//! min over v ≥ 0:  ½ Σ_u ω_u (x_ui − Σ_f v_f x_uf)² + ½ Σ_f (reg + rho K_ff) v_f² + Σ_f l1_f v_f,   K_ff = Σ_u ω_u x_uf
//! ```
//!
//! The objective of [`descent`](crate::linear::descent) with three times the features, of which few are candidates:
//! K is not negative, so a feature whose evidence `Σ_u ω_u x_ui x_uf` does not exceed l1 stays 0 whatever the
//! others are. Coordinate descent on the residuals of the users then needs no matrix K.

use limpid_core::{Csr, Error, Result, Run};
use rayon::prelude::*;

use super::Config;
use crate::behavior::chains::Chains;

/// Passes over the candidates of a target at most; a dozen suffice.
const PASSES: usize = 48;

/// Every so many passes is over all candidates, the others over those with a weight.
const ALL_EVERY: usize = 4;

/// The descent ends when no weight moves by more than this in a pass over all candidates.
const TOLERANCE: f64 = 1e-4;

/// The links `(behaviors × I, I)` from every behavior to the target, without links of an item to itself.
///
/// # Errors
/// [`Error::Interrupted`] on request.
pub(super) fn links(chains: &Chains, config: &Config, run: &Run<'_>) -> Result<Csr> {
    let n_items = chains.n_items;
    run.progress.start("links", n_items as u64);
    let regression = Regression::new(chains, config)?;
    let by_target: Option<Vec<Vec<(u32, f32)>>> = (0..n_items as u32)
        .into_par_iter()
        .map_init(
            || Workspace::new(&regression),
            |workspace, target| {
                run.progress.step(1);
                (!run.progress.interrupted()).then(|| regression.solve(target, workspace))
            },
        )
        .collect();
    let Some(by_target) = by_target else {
        return Err(Error::Interrupted("no checkpoint was saved".to_owned()));
    };
    let n_features = chains.behaviors.len() * n_items;
    Ok(Csr::from_rows(by_target, n_features)?.transpose())
}

/// What all targets share.
struct Regression {
    n_items: usize,
    target: usize,
    by_user: Csr,       // (U, F)
    by_feature: Csr,    // (F, U)
    weights: Vec<f64>,  // (U): ω
    l1: Vec<f64>,       // (behaviors)
    diagonal: Vec<f64>, // (F): K_ff
    reg: f64,
    rho: f64,
}

/// Buffers of one thread, zeros between targets.
struct Workspace {
    residuals: Vec<f64>, // (U)
    evidence: Vec<f64>,  // (F)
    candidates: Vec<Candidate>,
}

#[derive(Clone, Copy)]
struct Candidate {
    feature: u32,
    /// How much the objective decreases if only this weight is not 0.
    gain: f64,
    weight: f64,
    /// Whether the weight ever was above 0.
    entered: bool,
}

impl Workspace {
    fn new(regression: &Regression) -> Self {
        Self {
            residuals: vec![0.0; regression.by_user.n_rows()],
            evidence: vec![0.0; regression.by_feature.n_rows()],
            candidates: Vec::new(),
        }
    }
}

impl Regression {
    fn new(chains: &Chains, config: &Config) -> Result<Self> {
        let behaviors = chains.behaviors;
        let by_user = chains.features()?;
        let by_feature = by_user.transpose();
        let weights = user_weights(&by_user, config.user_exponent);
        let diagonal =
            (0..by_feature.n_rows()).map(|f| users(&by_feature, f).map(|u| weights[u]).sum());
        let target = usize::from(behaviors.target());
        let first = target * chains.n_items;
        let buyers = (first..first + chains.n_items).map(|f| by_feature.row(f).0.len());
        let l1 = config.l1 * unit_of_l1(buyers);
        let first = behaviors.auxiliary().next();
        Ok(Self {
            n_items: chains.n_items,
            target,
            l1: (0..behaviors.len() as u8)
                .map(|b| match Some(b) == first {
                    true => l1 * config.first_behavior,
                    false => l1,
                })
                .collect(),
            diagonal: diagonal.collect(),
            weights,
            by_user,
            by_feature,
            reg: config.reg,
            rho: config.rho,
        })
    }

    fn l1(&self, feature: u32) -> f64 {
        self.l1[feature as usize / self.n_items]
    }

    /// What the weight of a feature is divided by.
    fn curvature(&self, feature: u32) -> f64 {
        self.diagonal[feature as usize] * (1.0 + self.rho) + self.reg
    }

    /// The features of a target that can have a weight, those with the largest gain first.
    fn candidates(&self, target: u32, evidence: &mut [f64], out: &mut Vec<Candidate>) {
        out.clear();
        let of_target = self.target * self.n_items + target as usize;
        let mut met: Vec<u32> = Vec::new();
        for user in users(&self.by_feature, of_target) {
            for &feature in self.by_user.row(user).0 {
                let sum = &mut evidence[feature as usize];
                if *sum == 0.0 {
                    met.push(feature);
                }
                *sum += self.weights[user];
            }
        }
        for feature in met {
            let over = std::mem::take(&mut evidence[feature as usize]) - self.l1(feature);
            if over > 0.0 && feature as usize % self.n_items != target as usize {
                out.push(Candidate {
                    feature,
                    gain: over * over / self.curvature(feature),
                    weight: 0.0,
                    entered: false,
                });
            }
        }
        out.sort_unstable_by(|a, b| b.gain.total_cmp(&a.gain).then(a.feature.cmp(&b.feature)));
    }

    fn solve(&self, target: u32, workspace: &mut Workspace) -> Vec<(u32, f32)> {
        let Workspace {
            residuals,
            evidence,
            candidates,
        } = workspace;
        self.candidates(target, evidence, candidates);
        let of_target = self.target * self.n_items + target as usize;
        users(&self.by_feature, of_target).for_each(|u| residuals[u] = 1.0);
        for pass in 0..PASSES {
            let all = pass % ALL_EVERY == 0;
            let mut moved = 0f64;
            for candidate in candidates.iter_mut().filter(|c| all || c.weight > 0.0) {
                moved = moved.max(self.step(candidate, residuals));
            }
            if all && pass > 0 && moved < TOLERANCE {
                break;
            }
        }
        // Set, not added back: what rounding leaves would depend on the targets that a thread has solved.
        let mut reset = |feature: usize| {
            users(&self.by_feature, feature).for_each(|u| residuals[u] = 0.0);
        };
        reset(of_target);
        for candidate in candidates.iter().filter(|c| c.entered) {
            reset(candidate.feature as usize);
        }
        let kept = candidates.iter().filter(|c| c.weight > 0.0);
        kept.map(|c| (c.feature, c.weight as f32)).collect()
    }

    /// Sets one weight to its best value; returns by how much it moved.
    fn step(&self, candidate: &mut Candidate, residuals: &mut [f64]) -> f64 {
        let feature = candidate.feature as usize;
        let of_users: f64 = users(&self.by_feature, feature)
            .map(|u| self.weights[u] * residuals[u])
            .sum();
        let z = of_users + self.diagonal[feature] * candidate.weight - self.l1(candidate.feature);
        let best = z.max(0.0) / self.curvature(candidate.feature);
        let change = best - candidate.weight;
        if change != 0.0 {
            users(&self.by_feature, feature).for_each(|u| residuals[u] -= change);
            candidate.weight = best;
            candidate.entered = true;
        }
        change.abs()
    }
}

/// The users with a feature.
fn users(by_feature: &Csr, feature: usize) -> impl Iterator<Item = usize> {
    by_feature.row(feature).0.iter().map(|&u| u as usize)
}

/// Mean users per item that has any, divided by 8: what the L1 penalty is counted in.
fn unit_of_l1(buyers: impl Iterator<Item = usize>) -> f64 {
    let (n, sum) = buyers
        .filter(|&n| n > 0)
        .fold((0usize, 0usize), |(n, sum), buyers| (n + 1, sum + buyers));
    sum.max(1) as f64 / n.max(1) as f64 / 8.0
}

/// `n^−exponent` for a user with n events of any behavior, with a mean of 1.
fn user_weights(by_user: &Csr, exponent: f64) -> Vec<f64> {
    let weight = |n: usize| match n {
        0 => 0.0,
        n => (n as f64).powf(-exponent),
    };
    let of_user = (0..by_user.n_rows()).map(|u| weight(by_user.row(u).0.len()));
    let weights: Vec<f64> = of_user.collect();
    let present = weights.iter().filter(|w| **w > 0.0).count();
    let sum: f64 = weights.iter().sum();
    match sum > 0.0 {
        true => weights.iter().map(|w| w * present as f64 / sum).collect(),
        false => weights,
    }
}

#[cfg(test)]
mod tests {
    use limpid_core::{Event, Histories, ItemIdx, OwnedHistory};

    use super::*;
    use crate::behavior::chains::Behaviors;

    fn chains(rows: &[&[(u32, u8)]], n_items: usize) -> Chains {
        let row = |events: &&[(u32, u8)]| {
            let event = |&(item, behavior): &(u32, u8)| Event {
                behavior,
                ..Event::of(ItemIdx(item))
            };
            OwnedHistory::of_events(None, events.iter().map(event).collect())
        };
        let rows: Vec<OwnedHistory> = rows.iter().map(row).collect();
        let rows = Histories::from_histories(rows.iter().map(OwnedHistory::view), n_items);
        Chains::of(&rows.unwrap(), Behaviors::new(2, 1).unwrap())
    }

    /// Four users viewed item 0, three of them bought item 1: with equal weights c = 3, K = 4, and l1 is
    /// 1.5 × 3 ÷ 8. An item has no link from its own view.
    #[test]
    fn one_link_by_hand() {
        let rows: [&[(u32, u8)]; 4] = [
            &[(0, 0), (1, 1), (1, 0)],
            &[(0, 0), (1, 1)],
            &[(0, 0), (1, 1)],
            &[(0, 0)],
        ];
        let config = Config {
            user_exponent: 0.0,
            ..Config::default()
        };
        let links = links(&chains(&rows, 2), &config, &Run::seeded(0)).unwrap();
        let expected = (3.0 - 1.5 * 3.0 / 8.0) / (4.0 * 2.0 + 20.0);
        assert_eq!((links.n_rows(), links.nnz()), (4, 1));
        assert!((f64::from(links.get(0, 1)) - expected).abs() < 1e-6);
    }

    /// The subgradient of the objective is 0 for every weight above 0 and not negative for the others.
    #[test]
    fn the_weights_are_optimal() {
        let has = |u: u32, item: u32, b: u8| {
            let key = u64::from(u) << 32 | u64::from(item) << 8 | u64::from(b);
            let odds = if item % 4 == u % 4 { 60 } else { 8 };
            limpid_core::hash::mix(key) % 100 < odds
        };
        let rows: Vec<Vec<(u32, u8)>> = (0..120)
            .map(|u| {
                let events = (0..24).flat_map(|i| [(i, 0), (i, 1)]);
                events.filter(|&(i, b)| has(u, i, b)).collect()
            })
            .collect();
        let rows: Vec<&[(u32, u8)]> = rows.iter().map(Vec::as_slice).collect();
        let chains = chains(&rows, 24);
        let config = Config::default();
        let regression = Regression::new(&chains, &config).unwrap();
        let links = links(&chains, &config, &Run::seeded(0)).unwrap();
        assert!(links.nnz() > 50, "{}", links.nnz());
        for target in 0..24u32 {
            let of_target = regression.target * 24 + target as usize;
            for feature in (0..48u32).filter(|f| f % 24 != target) {
                let weight = f64::from(links.get(feature as usize, target));
                let mut slope = -regression.l1(feature)
                    - weight * (config.reg + config.rho * regression.diagonal[feature as usize]);
                for u in users(&regression.by_feature, feature as usize) {
                    let (features, _) = regression.by_user.row(u);
                    let predicted: f64 = features
                        .iter()
                        .map(|&f| f64::from(links.get(f as usize, target)))
                        .sum();
                    let has = regression.by_user.get(u, of_target as u32);
                    slope += regression.weights[u] * (f64::from(has) - predicted);
                }
                let allowed = 2e-3 * regression.curvature(feature);
                assert!(slope <= allowed, "{feature} → {target}: {slope}");
                assert!(
                    weight == 0.0 || slope >= -allowed,
                    "{feature} → {target}: {slope}"
                );
            }
        }
    }
}
