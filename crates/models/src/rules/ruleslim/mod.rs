//! RuleSLIM: a sparse ledger of item links and short rules, more accurate than EASE and short enough to
//! read.
//!
//! limpid's own model, based on SLIM (Ning and Karypis, ICDM 2011, <https://doi.org/10.1109/ICDM.2011.134>:
//! a sparse non-negative regression per target), EDLAE (Steck, NeurIPS 2020: L2 regularization in
//! proportion to popularity) and the idea of LIA (a score that is a sum of logical rules).
//!
//! `score(u, j) = base_j + Σ_f φ_f(u) v_fj`. A feature φ_f is an item of the history (a link) or a rule
//! over a group of at most four items that the same users have: "at least one of them", "at least two
//! of them". Items of a group are alike in who has them and in what they speak for, which a sparser fit of links
//! alone says first. For each target j, with φ^(j) the features of a user without item j:
//!
//! ```text
//! min over v ≥ 0:  ½ Σ_u ω_u (x_uj − Σ_f v_f φ_f^(j)(u))² + ½ Σ_f (reg + rho_f K_ff) v_f² + l1 Σ_f v_f
//! ω_u = n_u^−½ / mean        K = Σ_u ω_u φ φᵀ
//! ```
//!
//! Each of these problems is convex and solved exactly. Where a number of groups M is kept and `l1` leaves
//! far more, the penalty of that target is the first of `… 4 l1, 2 l1, l1` that leaves at least 2 M. Only
//! the literal j is left out of a rule: a candidate is never in the user's row, so the rule with and without
//! j has the same value whenever j is recommended. Afterwards a target keeps the M groups with the most
//! evidence `Σ v_f K_fj`, and their weights are refitted with half the L1 penalty, which undoes part of the
//! shrinkage.
//!
//! A score is defined for seen items too: it is the same sum over the user's features; an item
//! of a group contributes to it through the group's rules.
//!
//! With `signed`, weights may be negative: then there are lines against an item. With a `teacher`, the target
//! of a pair that a user does not have is not 0 but what the teacher expects (see
//! [`soft_targets`](crate::linear::soft_targets)); scores and ledgers remain those of the weights.
//!
//! A ledger shows one line per group, compiled without loss into one rule (see
//! [`Detail::Lines`]). AND and NOT occur only there: the fit itself is monotone,
//! because data sets of this size have too little support for mined interactions.

mod lines;

use std::sync::Arc;

use limpid_core::unit::find_event;
use limpid_core::{
    Activations, Artifact, Catalogue, Csr, Detail, Error, Event, EventsByItem, Fit, Histories,
    History, ItemIdx, Ledger, Mat, Part, Recommender, Result, Run, Space, Tensors, Training, Unit,
    UnitInfo, Units,
};
use ndarray::Axis;
use ndarray::parallel::prelude::*;

use crate::hyper::{self, choices, hyper};
use crate::linear::closed_form::user_weights;
use crate::linear::descent::{self, PerKind, Settings, Task};
use crate::linear::soft_targets::{Teacher, soft_targets};
use crate::registry::{Entry, Reads};
use crate::rules::features::{Feature, Features, group_support};
use crate::rules::group_names::Names;
use crate::rules::groups::{Grouping, Groups, Links, partition};

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "ruleslim",
    aliases: &[],
    about: "short rules and item-to-item weights, non-negative, one convex problem per target",
    paper: "limpid's own; after SLIM (Ning and Karypis, ICDM 2011) and EDLAE (Steck, NeurIPS 2020)",
    reads: Reads::VALUES,
    defaults: hyper::defaults::<Config>,
};

choices! {
    /// Trade-off between accuracy and length of explanations.
    pub enum Preset {
        /// All groups; the same regularization for rules and links; taught by `eigen`.
        Accurate = "accurate",
        /// The 40 best groups of a target; rules are regularized half as much as links.
        Balanced = "balanced",
        /// The 20 best groups of a target; rules are regularized half as much as links.
        Short = "short",
    }
}

hyper! {
    /// Hyper-parameters; the defaults are those of `balanced`. In Rust, assigning `preset` does not change
    /// the others; presets are applied when settings are read.
    pub struct Config {
        /// Trade-off between accuracy and length of explanations; sets `rho_rule`, `groups`, `refit` and `teacher`.
        preset: Preset = Preset::Balanced;
        /// Constant part of the L2 regularization (λ); 80 is a little more accurate, with weaker single reasons.
        reg: f64 = 50.0, in above(0.0);
        /// L2 of links in proportion to popularity, `p/(1−p)` for a dropout rate p; lower: fewer reasons.
        rho: f64 = 1.0, in at_least(0.0), tune [0.3, 1];
        /// L2 of rules in proportion to their support; lower: fewer reasons.
        rho_rule: f64 = 0.5, in at_least(0.0), tune [0.25, 0.5, 1];
        /// L1 penalty in units of min(users / 1000, mean users per item / 20), or of 1 if that is larger;
        /// larger is sparser.
        l1: f64 = 0.3, in above(0.0), tune [0.1, 0.3, 1, 3];
        /// Maximum number of groups with nonzero weights per target item; 0: all.
        groups: usize = 40, tune [10, 20, 40, 0];
        /// Share of the L1 penalty when the kept weights are refitted; 1: no refit.
        refit: f64 = 0.5, in between(0.0, 1.0);
        /// Weight of a user with n items: `n^−user_exponent`; 0 weights all users equally.
        user_exponent: f64 = 0.5, in between(0.0, 1.0);
        /// Maximum number of items in a group; 1: links only, no rules.
        group_size: usize = 4, in whole(1, 6);
        /// Minimum support (number of users) of a group for it to have rules; auto: 1 % of the users.
        min_users: Option<usize> = None, in whole_from(1);
        /// Rounds weights to multiples of this value; 0: off. 0.005 hardly affects accuracy.
        points: f64 = 0.0, in at_least(0.0);
        /// Weight of common targets, beside common users, in the similarity by which items are grouped; 0: users alone.
        common_targets: f64 = 0.3, in between(0.0, 1.0);
        /// How much dissimilar metadata lowers the similarity of items when they are grouped; 0: not at all.
        coherence: f64 = 0.0, in between(0.0, 1.0);
        /// Whether weights may be negative: more accurate, with longer ledgers that have reasons against.
        signed: bool = false;
        /// A model whose expectations of unseen items are targets of the fit too.
        teacher: Teacher = Teacher::None;
        /// Weight of the teacher's expectations; events have weight 1.
        teacher_strength: f64 = 0.5, in between(0.0, 1.0);
        /// Popularity prior: base score of an item that all users have; breaks ties by popularity.
        prior: f64 = 1e-3, in between(0.0, 0.01);
    }
    preset preset = "accurate" { rho_rule = 1, groups = 0, refit = 1, teacher = "eigen" }
    preset preset = "short" { groups = 20 }
}

/// The L1 penalty of the links that items are grouped by, as a multiple of that of the fit: their direction alone
/// matters, and few are found fast.
const GROUPING_L1: f64 = 10.0;

impl Config {
    /// The settings of the solver; `unit` is the unit of `l1`.
    fn settings(&self, unit: f64) -> Settings {
        Settings {
            reg: self.reg,
            rho: PerKind {
                link: self.rho,
                rule: self.rho_rule,
            },
            l1: PerKind::both(self.l1 * unit),
            signed: self.signed,
            keep: (self.groups > 0).then_some(self.groups),
            refit: (self.refit < 1.0).then_some(self.refit),
            points: self.points,
        }
    }

    /// Groups the items of `rows` `(U, I)`.
    fn grouped(
        &self,
        rows: &Csr,
        unit: f64,
        catalogue: &Catalogue,
        run: &Run<'_>,
    ) -> Result<Groups> {
        let weights = self.links(rows, unit, run)?;
        run.progress.start("groups", 1);
        let links = weights.as_ref();
        let links = links.map(|weights| Links::new(weights, self.common_targets));
        let grouping = Grouping {
            size: self.group_size,
            coherence: self.coherence,
        };
        Ok(partition(rows, links, grouping, catalogue))
    }

    /// Weights `(I, I)` of a fit of links alone, by which items are grouped; `None` where users alone group them.
    fn links(&self, rows: &Csr, unit: f64, run: &Run<'_>) -> Result<Option<Csr>> {
        if self.common_targets == 0.0 || self.group_size < 2 {
            return Ok(None);
        }
        let settings = Settings {
            l1: PerKind::both(GROUPING_L1 * self.l1 * unit),
            signed: false,
            keep: None,
            refit: None,
            points: 0.0,
            ..self.settings(unit)
        };
        let task = Task {
            features: &Features::links(rows.n_columns()),
            weights: user_weights(rows, self.user_exponent),
            soft: None,
            settings,
            fingerprint: String::new(),
            rows,
        };
        match descent::fit(task, &mut run.within()) {
            Err(Error::Interrupted(_)) => Err(Error::Interrupted("no target was saved".to_owned())),
            links => links.map(Some),
        }
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let rows = data.histories.to_csr(); // (U, I)
        let n_items = rows.n_columns();
        let n_users = (0..rows.n_rows())
            .filter(|&u| !rows.row(u).0.is_empty())
            .count();
        let unit = l1_unit(n_users, mean_support(&rows));
        let groups = self.grouped(&rows, unit, data.catalogue, run)?;
        let support = group_support(&rows, &groups);
        let min_users = self.min_users.unwrap_or(n_users.div_ceil(100)) as u32;
        let features = Features::new(groups, |g| {
            support.get(g as usize).is_some_and(|&n| n >= min_users)
        });
        run.progress.step(1);
        let soft = soft_targets(self.teacher, self.teacher_strength, data, run)?;
        // A checkpoint of a fit with other targets is another fit's.
        let targets = soft.as_ref().map_or(0, descent::fingerprint);
        let task = Task {
            features: &features,
            weights: user_weights(&rows, self.user_exponent),
            soft,
            settings: self.settings(unit),
            fingerprint: format!(
                "ruleslim {self:?} {:016x} {targets:016x}",
                descent::fingerprint(&rows)
            ),
            rows: &rows,
        };
        let weights = descent::fit(task, run)?;
        let by_target = weights.transpose();
        let mut base = vec![0f64; n_items];
        for &item in rows.columns() {
            base[item as usize] += self.prior / n_users as f64;
        }
        Ok(Model {
            features,
            weights,
            by_target,
            base: base.into_iter().map(|b| b as f32).collect(),
            names: Names::default(),
        })
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    features: Features,
    weights: Csr,   // (K, I): feature → (target, weight)
    by_target: Csr, // (I, K): the same, target → (feature, weight)
    base: Vec<f32>, // (I)
    names: Names,
}

impl Model {
    /// The groups of items.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        self.features.groups()
    }

    /// The weights `(K, I)`: row = unit index, column = target.
    #[must_use]
    pub fn weights(&self) -> &Csr {
        &self.weights
    }

    fn n_items(&self) -> usize {
        self.features.n_items()
    }

    fn base_of(&self, item: ItemIdx) -> f32 {
        self.base.get(item.at()).copied().unwrap_or(0.0)
    }

    /// The features of a user, ascending.
    fn active(&self, user: History<'_>) -> Vec<u32> {
        let n = self.n_items();
        let mut items: Vec<u32> = user.items.iter().map(|i| i.0).collect();
        items.retain(|&i| (i as usize) < n);
        items.sort_unstable();
        items.dedup();
        self.features.active(&items)
    }

    /// Scores `(rows, I)` of sparse rows, added up by ascending feature, in double precision.
    fn add_up<R>(&self, n_rows: usize, row: impl Fn(usize) -> R + Sync) -> Mat
    where
        R: Iterator<Item = (u32, f32)>,
    {
        let mut scores = Mat::zeros((n_rows, self.n_items())); // (U, I)
        scores
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .enumerate()
            .for_each_init(
                || vec![0f64; self.n_items()],
                |sums, (u, mut out)| {
                    for (sum, &base) in sums.iter_mut().zip(&self.base) {
                        *sum = f64::from(base);
                    }
                    for (feature, activation) in row(u) {
                        let activation = f64::from(activation);
                        let (targets, weights) = self.weights.row(feature as usize);
                        for (&target, &weight) in targets.iter().zip(weights) {
                            sums[target as usize] += activation * f64::from(weight);
                        }
                    }
                    for (o, &sum) in out.iter_mut().zip(sums.iter()) {
                        *o = sum as f32;
                    }
                },
            );
        scores
    }

    fn weight(&self, feature: u32, item: ItemIdx) -> f32 {
        match (feature as usize) < self.features.len() && item.at() < self.by_target.n_rows() {
            true => self.by_target.get(item.at(), feature),
            false => 0.0,
        }
    }

    /// The parts of a ledger with the group of each, by ascending unit.
    fn ledger_parts(
        &self,
        features: &[(u32, f32)],
        events: &EventsByItem<'_>,
        item: ItemIdx,
    ) -> Vec<(Option<u32>, Part)> {
        // A target has few nonzero weights, a user has many active features.
        let (weighted, effects) = match item.at() < self.by_target.n_rows() {
            true => self.by_target.row(item.at()),
            false => (&[][..], &[][..]),
        };
        weighted
            .iter()
            .zip(effects)
            .filter_map(|(&index, &effect)| {
                let place = features.binary_search_by_key(&index, |&(f, _)| f).ok()?;
                let activation = features[place].1;
                if activation * effect == 0.0 {
                    return None;
                }
                let index = index as usize;
                let cites = match self.features.get(index)? {
                    Feature::Link(from) => events.of(from).collect(),
                    Feature::Or(g) | Feature::Two(g) => cited(events, self.groups().members(g)),
                };
                let part = Part::new(self.features.unit(index), activation, effect, cites);
                let part = part.with_rule(self.features.rule(index));
                Some((self.features.group_of(index), part))
            })
            .collect()
    }
}

/// The unit of `l1`, from the number of users and the mean number of users per item. Evidence grows with
/// the users, but where items have few, a penalty in proportion to all users would set every weight to 0; and
/// one below that of small data would admit what a single user has.
fn l1_unit(n_users: usize, mean_support: f64) -> f64 {
    (n_users as f64 / 1000.0).min(mean_support / 20.0).max(1.0)
}

/// The mean number of users over the items that have any; 1 without such items.
fn mean_support(rows: &Csr) -> f64 {
    let mut seen = vec![false; rows.n_columns()];
    for &item in rows.columns() {
        seen[item as usize] = true;
    }
    let n_items = seen.into_iter().filter(|&s| s).count();
    match n_items {
        0 => 1.0,
        n => rows.columns().len() as f64 / n as f64,
    }
}

/// The events on some items, item by item.
fn cited(events: &EventsByItem<'_>, items: &[ItemIdx]) -> Arc<[Event]> {
    items.iter().flat_map(|&i| events.of(i)).collect()
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        self.add_up(users.len(), |u| {
            self.active(users.row(u)).into_iter().map(|f| (f, 1.0))
        })
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let features: Vec<(u32, f32)> = self.active(user).into_iter().map(|f| (f, 1.0)).collect();
        self.ledger(user, &features, item, Detail::Raw)
    }

    fn units(&self) -> Option<&dyn Units> {
        Some(self)
    }
}

impl Units for Model {
    fn len(&self) -> usize {
        self.features.len()
    }

    fn unit(&self, index: usize) -> Unit {
        self.features.unit(index)
    }

    fn members(&self, unit: Unit) -> Vec<usize> {
        self.features.members(unit)
    }

    fn info(&self, unit: Unit, catalogue: &Catalogue) -> UnitInfo {
        if let Some(item) = unit.item() {
            return UnitInfo::event(item, catalogue);
        }
        let index = self.members(unit).first().copied();
        let rule = index.filter(|_| unit.space == Space::Rule);
        let group = index.and_then(|k| self.features.group_of(k));
        UnitInfo {
            id: self.features.id(unit),
            label: group.and_then(|g| self.names.of(catalogue, self.groups(), g)),
            space: unit.space,
            rule: rule.and_then(|k| self.features.rule(k)),
            confidence: None,
        }
    }

    fn resolve(&self, text: &str, catalogue: &Catalogue) -> Result<Unit> {
        if let Some(found) = find_event(text, catalogue) {
            return found;
        }
        let by_name = || {
            let group = self.names.find(catalogue, self.groups(), text)?;
            Some(Unit::new(Space::Group, group))
        };
        let unit = self.features.parse(text).or_else(by_name);
        unit.ok_or_else(|| Error::NoSuchUnit {
            unit: text.to_owned(),
            hint: format!(
                "its units are link:ITEM_ID or link:TITLE, and g0 to g{} with gN.or and, from three \
                 items on, gN.two; 'limpid rules' lists them",
                self.groups().len().saturating_sub(1)
            ),
        })
    }

    fn activate(&self, users: &Histories) -> Activations {
        let rows = users
            .rows()
            .map(|row| self.active(row).into_iter().map(|f| (f, 1.0)).collect());
        Csr::from_rows(rows, self.features.len())
            .unwrap_or_else(|_| unreachable!("active features are features of the model"))
    }

    fn score_activations(&self, _: &Histories, activations: &Activations) -> Mat {
        self.add_up(activations.n_rows(), |u| {
            let (features, values) = activations.row(u);
            features.iter().copied().zip(values.iter().copied())
        })
    }

    fn ledger(
        &self,
        user: History<'_>,
        activations: &[(u32, f32)],
        item: ItemIdx,
        detail: Detail,
    ) -> Ledger {
        if detail == Detail::Lines {
            return lines::lines(self, activations, user, item);
        }
        let parts = self.ledger_parts(activations, &user.by_item(), item);
        let parts = parts.into_iter().map(|(_, part)| part).collect();
        Ledger::of_parts(self.base_of(item), parts)
    }

    fn effect(&self, index: usize, item: ItemIdx) -> Option<f32> {
        Some(self.weight(index as u32, item))
    }

    fn touched(&self, item: ItemIdx) -> Option<Vec<usize>> {
        let group = self.groups().of(item);
        let rules = group.into_iter().flat_map(|g| {
            let rules = self.features.or_of(g).into_iter();
            rules.chain(self.features.two_of(g))
        });
        let link = (item.at() < self.n_items()).then_some(item.0);
        Some(link.into_iter().chain(rules).map(|k| k as usize).collect())
    }
}

/// Targets are stored in two bytes each if that is enough.
const SHORT_TARGETS: usize = 1 << 16;

impl Artifact for Model {
    const KIND: &'static str = "model/ruleslim";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        let groups = self.groups();
        let ends: Vec<u32> = groups
            .iter()
            .scan(0, |end, g| {
                *end += g.len() as u32;
                Some(*end)
            })
            .collect();
        let members: Vec<u32> = groups.iter().flatten().map(|i| i.0).collect();
        let has_rules: Vec<u8> = (0..groups.len() as u32)
            .map(|g| u8::from(self.features.or_of(g).is_some()))
            .collect();
        out.put_u32("groups.ends", &[ends.len()], ends);
        out.put_u32("groups.items", &[members.len()], members);
        out.put_u8("groups.rules", &[has_rules.len()], has_rules);
        out.put_f32("base", &[self.base.len()], self.base.clone());
        let offsets: Vec<i64> = self.weights.offsets().iter().map(|&o| o as i64).collect();
        out.put_i64("weights.offsets", &[offsets.len()], offsets);
        let targets = self.weights.columns();
        let (width, bytes): (usize, Vec<u8>) = if self.n_items() <= SHORT_TARGETS {
            (
                2,
                targets
                    .iter()
                    .flat_map(|&t| (t as u16).to_le_bytes())
                    .collect(),
            )
        } else {
            (4, targets.iter().flat_map(|&t| t.to_le_bytes()).collect())
        };
        out.put_u8("weights.targets", &[targets.len(), width], bytes);
        let values = self.weights.values().to_vec();
        out.put_f32("weights.values", &[values.len()], values);
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        let base = from.f32("base")?.1.to_vec();
        let n_items = base.len();
        let broken = |name: &str, why: &str| Error::Tensor {
            name: name.to_owned(),
            why: why.to_owned(),
        };
        let (_, ends) = from.u32("groups.ends")?;
        let (_, items) = from.u32("groups.items")?;
        let (_, has_rules) = from.u8("groups.rules")?;
        let mut start = 0;
        let mut members = Vec::with_capacity(ends.len());
        for &end in ends.iter() {
            let group = items
                .get(start..end as usize)
                .ok_or_else(|| broken("groups.ends", "does not ascend within groups.items"))?;
            members.push(group.iter().map(|&i| ItemIdx(i)).collect());
            start = end as usize;
        }
        let groups = Groups::new(members, n_items)
            .ok_or_else(|| broken("groups.items", "is no partition into groups of two or more"))?;
        let features = Features::new(groups, |g| {
            has_rules.get(g as usize).is_some_and(|&r| r != 0)
        });
        let (shape, bytes) = from.u8("weights.targets")?;
        let targets: Vec<u32> = match shape {
            [_, 2] => bytes
                .chunks_exact(2)
                .map(|b| u32::from(u16::from_le_bytes([b[0], b[1]])))
                .collect(),
            [_, 4] => bytes
                .chunks_exact(4)
                .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            _ => {
                return Err(broken(
                    "weights.targets",
                    "expected two or four bytes per target",
                ));
            }
        };
        let offsets = from
            .i64("weights.offsets")?
            .1
            .iter()
            .map(|&o| usize::try_from(o))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|_| broken("weights.offsets", "holds a negative number"))?;
        let values = from.f32("weights.values")?.1.to_vec();
        let weights = Csr::new(offsets, targets, values, n_items)?;
        if weights.n_rows() != features.len() {
            return Err(Error::shape(
                "rows of weights",
                features.len(),
                weights.n_rows(),
            ));
        }
        Ok(Self {
            features,
            by_target: weights.transpose(),
            weights,
            base,
            names: Names::default(),
        })
    }
}

#[cfg(test)]
mod tests;
