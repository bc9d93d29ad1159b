//! Sparse linear models over links and rules, one convex problem per target item: the engine of
//! RuleSLIM and SLIM.
//!
//! For each target j, with φ^(j) the features of a user without item j:
//!
//! ```text
//! min over v:  ½ Σ_u ω_u (x_uj − Σ_f v_f φ_f^(j)(u))² + ½ Σ_f (reg + rho_f K_ff) v_f² + Σ_f l1_f |v_f|
//! ```
//!
//! Only the literal j is left out of a rule, not the rule: a candidate is never in the user's row, so
//! the rule with and without j has the same value whenever j is recommended. With a partition into
//! groups, only "at least one" and "at least two" of j's own group change (`own`).
//!
//! With `v ≥ 0` the screening is exact: K and v are not negative, so the evidence `c_f − Σ K_fg v_g` of a
//! feature only decreases as weights grow, and the weight of one with `c_f ≤ l1_f` is always zero.

mod gram;
mod local;
mod own;
mod progress;
mod rows;

use limpid_core::{Csr, Error, Result, Run, hash};
use rayon::prelude::*;

use crate::rules::features::{Feature, Features};
use gram::{Bits, Gram, Incidence, NO_PLACE, Wanted};
use local::{Descent, Enough, Problem};
use own::Own;
use progress::Done;
use rows::Rows;

/// One value for links and one for rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PerKind {
    pub(crate) link: f64,
    pub(crate) rule: f64,
}

impl PerKind {
    /// The same for both.
    pub(crate) fn both(value: f64) -> Self {
        Self {
            link: value,
            rule: value,
        }
    }

    fn of(self, feature: usize, n_items: usize) -> f64 {
        if feature < n_items {
            self.link
        } else {
            self.rule
        }
    }
}

/// The objective, and which weights are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    /// Constant part of the L2 regularization.
    pub(crate) reg: f64,
    /// L2 regularization in proportion to `K_ff`.
    pub(crate) rho: PerKind,
    /// L1 penalty, above 0 if weights must not be negative.
    pub(crate) l1: PerKind,
    /// Whether weights may be negative.
    pub(crate) signed: bool,
    /// Number of groups (an item without a group counts as one) that a target keeps: those with the
    /// most evidence `Σ v_f K_fj`. `None`: all.
    pub(crate) keep: Option<usize>,
    /// Factor of the L1 penalty when the kept weights are refitted; `None`: no refit.
    pub(crate) refit: Option<f64>,
    /// Weights are rounded to multiples of this; 0: no rounding.
    pub(crate) points: f64,
}

/// The inputs of a fit.
pub(crate) struct Task<'a> {
    /// The features.
    pub(crate) features: &'a Features,
    /// User rows `(U, I)`; the value of an item weighs it as a target (see [`fit`]).
    pub(crate) rows: &'a Csr,
    /// User weights ω `(U)`.
    pub(crate) weights: Vec<f64>,
    /// Targets `(I, U)` of items that a user does not have, between 0 and 1 (see
    /// [`soft_targets`](crate::linear::soft_targets)).
    pub(crate) soft: Option<Csr>,
    /// The objective.
    pub(crate) settings: Settings,
    /// Identifies settings and data in a checkpoint, so that no other fit resumes from it.
    pub(crate) fingerprint: String,
}

/// Fits all targets. Returns the weights `(features, targets)`.
///
/// Features are 0 or 1. Where rows have values, `x_uj` is the value divided by the mean of all, so
/// that strong interactions have more weight; a feature only says that the user has the item.
///
/// # Errors
/// [`Error::Range`] for a value that is not above 0, [`Error::Interrupted`] on request.
pub(crate) fn fit(mut task: Task<'_>, run: &mut Run<'_>) -> Result<Csr> {
    let targets = Targets::new(task.rows, task.soft.take())?;
    run.progress.start("Gram matrix", 1);
    let engine = Engine::new(task, &targets, run.memory_budget);
    run.progress.step(1);
    let n_items = engine.features.n_items();
    let mut done = Done::resume(n_items, &engine.fingerprint, run);
    run.progress.start("targets", n_items as u64);
    run.progress.step(done.len() as u64);
    while done.len() < n_items {
        let range = done.next_block(run.checkpoints.is_some());
        let block: Vec<Option<Vec<(u32, f32)>>> = range
            .into_par_iter()
            .map_init(
                || Workspace::new(&engine),
                |workspace, target| {
                    if run.progress.interrupted() {
                        return None;
                    }
                    let weights = engine.solve(target as u32, workspace);
                    run.progress.step(1);
                    Some(weights)
                },
            )
            .collect();
        let Some(block) = block.into_iter().collect::<Option<Vec<_>>>() else {
            done.save(run)?;
            return Err(Error::Interrupted(done.summary(n_items, run)));
        };
        done.extend(block);
        done.save_if_due(run)?;
    }
    let by_target = Csr::from_rows(done.into_rows(), engine.features.len())?;
    Ok(by_target.transpose())
}

/// A fingerprint of the training rows.
pub(crate) fn fingerprint(rows: &Csr) -> u64 {
    let values = rows.values().iter().map(|v| v.to_bits());
    let offsets = rows.offsets().iter().map(|&o| o as u32);
    hash::row(offsets.chain(rows.columns().iter().copied()).chain(values))
}

/// `x_uj` of the targets: 1, or values with a mean of 1.
struct Targets {
    users: Csr,        // (I, U)
    soft: Option<Csr>, // (I, U)
    weighted: bool,
    largest: f64,
}

impl Targets {
    fn new(rows: &Csr, soft: Option<Csr>) -> Result<Self> {
        let values = rows.values();
        if let Some(bad) = values.iter().find(|v| **v <= 0.0) {
            return Err(Error::range(
                "the value of an interaction",
                "above 0 for this model (filter by a minimum value, or drop the values)",
                bad,
            ));
        }
        let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
        let mean = sum / (values.len().max(1) as f64);
        let weighted = values.windows(2).any(|w| w[0] != w[1]);
        let users = rows.transpose();
        let largest = if weighted {
            let largest = values.iter().fold(0f32, |m, &v| m.max(v));
            f64::from(largest) / mean
        } else {
            1.0
        };
        let users = if weighted {
            let scaled = users.values().iter().map(|&v| (f64::from(v) / mean) as f32);
            Csr::new(
                users.offsets().to_vec(),
                users.columns().to_vec(),
                scaled.collect(),
                users.n_columns(),
            )?
        } else {
            users
        };
        Ok(Self {
            users,
            soft,
            weighted,
            largest,
        })
    }
}

/// Features that can have a nonzero weight, numbered by descending `K_ff`.
struct Ranking {
    features: Vec<u32>, // (P): rank → feature
    rank_of: Vec<u32>,  // (features): feature → rank, or UNRANKED
}

const UNRANKED: u32 = u32::MAX;

impl Ranking {
    fn new(diagonal: &[f64], may_enter: impl Fn(usize) -> bool) -> Self {
        let mut features: Vec<u32> = (0..diagonal.len())
            .filter(|&f| may_enter(f))
            .map(|f| f as u32)
            .collect();
        features.sort_by(|&a, &b| {
            diagonal[b as usize]
                .total_cmp(&diagonal[a as usize])
                .then(a.cmp(&b))
        });
        let mut rank_of = vec![UNRANKED; diagonal.len()];
        for (rank, &f) in features.iter().enumerate() {
            rank_of[f as usize] = rank as u32;
        }
        Self { features, rank_of }
    }
}

/// A target's path of penalties ends once this many times the kept number of groups have weights: the
/// others would be dropped. It bounds the time where weights are many; twice is as accurate as all.
const EXPLORED: usize = 2;

/// All features are scanned if at least one in this many has evidence.
const SCANNED: usize = 32;

/// Bytes for stored rows of K: in proportion to the features of all users, because a row that few users
/// have is computed as fast as it is read; at least 512 MB, at most a quarter of the memory budget (the
/// rest is for the rows of a target, the model and other processes).
fn gram_budget(size: usize, memory_budget: u64) -> u64 {
    (256 * size as u64).max(512 << 20).min(memory_budget / 4)
}

/// Data shared by all targets.
struct Engine<'a> {
    features: &'a Features,
    targets: &'a Targets,
    settings: Settings,
    fingerprint: String,
    ranking: Ranking,
    incidence: Incidence,
    gram: Gram,
    diagonal: Vec<f64>, // (P)
    l2: Vec<f32>,       // (P)
    l1: Vec<f32>,       // (P)
    group: Vec<u32>,    // (P): groups first, then items without a group
}

/// Buffers of one thread.
struct Workspace {
    descent: Descent,
    buffer: Vec<f64>, // (P), zeros between uses
    own: Own,
    all: Vec<f32>,     // (P), zeros between uses
    touched: Vec<u32>, // features with evidence, ascending
    chosen: Vec<u32>,
    places: Vec<u32>, // (P): the places of the chosen features, NO_PLACE between uses
    bits: Bits,       // the chosen features, empty between uses
    c: Vec<f32>,
    diagonal: Vec<f32>,
    l2: Vec<f32>,
    l1: Vec<f32>,
}

impl Workspace {
    fn new(engine: &Engine<'_>) -> Self {
        let p = engine.incidence.n_features();
        Self {
            descent: Descent::default(),
            buffer: vec![0.0; p],
            own: Own::new(engine.incidence.n_users()),
            all: vec![0.0; p],
            touched: Vec::new(),
            chosen: Vec::new(),
            places: vec![NO_PLACE; p],
            bits: Bits::new(p),
            c: Vec::new(),
            diagonal: Vec::new(),
            l2: Vec::new(),
            l1: Vec::new(),
        }
    }
}

impl<'a> Engine<'a> {
    fn new(task: Task<'a>, targets: &'a Targets, memory_budget: u64) -> Self {
        let Task {
            features,
            rows,
            weights,
            settings,
            fingerprint,
            soft: _,
        } = task;
        let n_items = features.n_items();
        let mut active: Vec<Vec<u32>> = (0..rows.n_rows())
            .into_par_iter()
            .map(|u| features.active(rows.row(u).0))
            .collect();
        let mut diagonal = vec![0.0; features.len()];
        for (row, &weight) in active.iter().zip(&weights) {
            for &f in row {
                diagonal[f as usize] += weight;
            }
        }
        let ranking = Ranking::new(&diagonal, |f| {
            let l1 = match settings.signed {
                true => 0.0,
                // c_fj is at most K_ff times the largest target.
                false => settings.l1.of(f, n_items),
            };
            diagonal[f] * targets.largest > l1
        });
        active.par_iter_mut().for_each(|row| {
            row.iter_mut()
                .for_each(|f| *f = ranking.rank_of[*f as usize]);
            row.retain(|&f| f != UNRANKED);
            row.sort_unstable();
        });
        let incidence = Incidence::new(active, weights, ranking.features.len());
        let gram = Gram::new(&incidence, gram_budget(incidence.size(), memory_budget));
        let of_rank = |value: &dyn Fn(usize) -> f64| -> Vec<f32> {
            let features = ranking.features.iter();
            features.map(|&f| value(f as usize) as f32).collect()
        };
        let l2 = of_rank(&|f| settings.reg + settings.rho.of(f, n_items) * diagonal[f]);
        let l1 = of_rank(&|f| settings.l1.of(f, n_items));
        let group = ranking
            .features
            .iter()
            .map(|&f| match features.group_of(f as usize) {
                Some(g) => g,
                None => features.groups().len() as u32 + f,
            })
            .collect();
        Self {
            features,
            targets,
            settings,
            fingerprint,
            diagonal: incidence.diagonal(),
            ranking,
            incidence,
            gram,
            l2,
            l1,
            group,
        }
    }

    /// The weights of one target: `(feature, weight)` by ascending feature.
    fn solve(&self, target: u32, workspace: &mut Workspace) -> Vec<(u32, f32)> {
        let Workspace {
            descent,
            buffer,
            own,
            all,
            touched,
            chosen,
            places,
            bits,
            c,
            diagonal,
            l2,
            l1,
        } = workspace;
        let link = self.ranking.rank_of[target as usize];
        if link == UNRANKED {
            return Vec::new();
        }
        self.evidence(target, link, all, touched, buffer);
        own.prepare(self, target);
        for rule in own.rules() {
            all[rule.rank as usize] = rule.evidence;
        }
        chosen.clear();
        chosen.extend(touched.iter().copied().filter(|&f| {
            let l1 = self.l1[f as usize];
            f != link && (self.settings.signed || all[f as usize] > l1)
        }));
        for (place, &f) in chosen.iter().enumerate() {
            places[f as usize] = place as u32;
        }
        bits.insert(chosen);
        let at = |values: &[f32], out: &mut Vec<f32>| {
            out.clear();
            out.extend(chosen.iter().map(|&f| values[f as usize]));
        };
        at(all, c);
        let of_rules = own.rules().iter().map(|rule| rule.rank);
        for f in touched.iter().copied().chain(of_rules) {
            all[f as usize] = 0.0;
        }
        at(&self.l2, l2);
        at(&self.l1, l1);
        diagonal.clear();
        diagonal.extend(chosen.iter().map(|&f| self.diagonal[f as usize] as f32));
        own.locate(chosen, places);
        for rule in own.rules() {
            if let Some(s) = rule.place {
                diagonal[s] = rule.diagonal as f32;
                l2[s] = (self.settings.reg + self.settings.rho.rule * rule.diagonal) as f32;
            }
        }
        let problem = Problem {
            c,
            diagonal,
            l2,
            l1,
            signed: self.settings.signed,
        };
        let fetch = &mut |s: usize, rows: &mut Rows| {
            if !own.fetch(s, chosen, rows) {
                let wanted = Wanted {
                    columns: chosen,
                    places,
                    bits,
                };
                self.gram
                    .gather(&self.incidence, chosen[s], &wanted, rows, buffer);
                own.correct(chosen[s], rows);
            }
        };
        let group = |s: u32| self.group[chosen[s as usize] as usize];
        let most = self.settings.keep.map(|keep| EXPLORED * keep);
        let enough = most.map(|most| {
            move |features: &mut dyn Iterator<Item = u32>| {
                let mut groups: Vec<u32> = features.map(group).collect();
                groups.sort_unstable();
                groups.dedup();
                groups.len() >= most
            }
        });
        let enough = enough.as_ref().map(|e| e as &Enough<'_>);
        let mut weights = descent.solve(problem, fetch, enough);
        if self.settings.keep.is_some() || self.settings.refit.is_some() {
            let kept = self.kept_groups(&weights, chosen, problem);
            weights = descent.refit(problem, self.settings.refit.unwrap_or(1.0), |s| {
                kept.binary_search(&group(s)).is_ok()
            });
        }
        for &f in chosen.iter() {
            places[f as usize] = NO_PLACE;
        }
        bits.clear(chosen);
        let mut out: Vec<(u32, f32)> = weights
            .into_iter()
            .map(|(s, w)| {
                let feature = self.ranking.features[chosen[s as usize] as usize];
                (feature, self.rounded(w))
            })
            .filter(|&(_, w)| w != 0.0)
            .collect();
        out.sort_unstable_by_key(|&(f, _)| f);
        out
    }

    /// Writes `c_f = Σ_u ω_u φ_f(u) x_uj` to `out` `(P)`, which is all zeros before, and the features that may have
    /// a weight, ascending, to `touched`: those with evidence at least.
    fn evidence(
        &self,
        target: u32,
        link: u32,
        out: &mut [f32],
        touched: &mut Vec<u32>,
        buffer: &mut [f64],
    ) {
        let p = self.incidence.n_features();
        touched.clear();
        let mut add = |users: &Csr| {
            let (users, values) = users.row(target as usize);
            for (&u, &x) in users.iter().zip(values) {
                let weight = self.incidence.weight(u) * f64::from(x);
                self.incidence.add_features(u, weight, buffer, touched);
            }
        };
        let mut every = self.settings.signed;
        match &self.gram {
            // x_uj is the link itself.
            Gram::Whole(k) if !self.targets.weighted => {
                out.copy_from_slice(&k[link as usize * p..(link as usize + 1) * p]);
                every = true;
            }
            _ => add(&self.targets.users),
        }
        if let Some(soft) = &self.targets.soft {
            add(soft);
        }
        // Where many are touched, a pass over all is faster than sorting them.
        if every || SCANNED * touched.len() > p {
            touched.clear();
            touched.extend(0..p as u32);
        } else {
            touched.sort_unstable();
            // A soft target of 0 leaves a feature to be met again.
            touched.dedup();
        }
        for &f in touched.iter() {
            out[f as usize] += std::mem::take(&mut buffer[f as usize]) as f32;
        }
    }

    /// The groups with the most evidence, ascending; ties go to the lower number.
    fn kept_groups(
        &self,
        weights: &[(u32, f64)],
        chosen: &[u32],
        problem: Problem<'_>,
    ) -> Vec<u32> {
        let Problem {
            c, diagonal, l2, ..
        } = problem;
        let mut evidence: Vec<(u32, f64)> = weights
            .iter()
            .map(|&(s, w)| {
                let s = s as usize;
                let evidence = match self.settings.signed {
                    false => w * f64::from(c[s]),
                    // What the objective loses without this weight.
                    true => 0.5 * w * w * f64::from(diagonal[s] + l2[s]),
                };
                (self.group[chosen[s] as usize], evidence)
            })
            .collect();
        evidence.sort_by_key(|&(g, _)| g);
        let mut groups: Vec<(u32, f64)> = evidence
            .chunk_by(|a, b| a.0 == b.0)
            .map(|run| (run[0].0, run.iter().map(|(_, e)| e).sum()))
            .collect();
        if let Some(keep) = self.settings.keep {
            groups.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            groups.truncate(keep);
        }
        let mut kept: Vec<u32> = groups.into_iter().map(|(g, _)| g).collect();
        kept.sort_unstable();
        kept
    }

    fn rounded(&self, weight: f64) -> f32 {
        match self.settings.points {
            0.0 => weight as f32,
            step => ((weight / step).round() * step) as f32,
        }
    }

    /// Ranks of "at least one" and "at least two" of the target's own group, with the group's other
    /// items, if it has candidate rules.
    fn own_rules(&self, target: u32) -> (Vec<u32>, [Option<u32>; 2]) {
        let Some(Feature::Link(item)) = self.features.get(target as usize) else {
            return (Vec::new(), [None; 2]);
        };
        let Some(group) = self.features.groups().of(item) else {
            return (Vec::new(), [None; 2]);
        };
        let rank = |feature: Option<u32>| {
            feature
                .map(|f| self.ranking.rank_of[f as usize])
                .filter(|&r| r != UNRANKED)
        };
        let others = self.features.groups().members(group).iter();
        (
            others.map(|i| i.0).filter(|&i| i != target).collect(),
            [
                rank(self.features.or_of(group)),
                rank(self.features.two_of(group)),
            ],
        )
    }
}
