//! RuleSLIM: a sparse ledger of item links and short rules, more accurate than EASE and short enough to
//! read.
//!
//! Ours. It stands on SLIM (Ning and Karypis, ICDM 2011, <https://doi.org/10.1109/ICDM.2011.134>: a
//! sparse non-negative regression per target), on EDLAE (Steck, NeurIPS 2020: a ridge in proportion
//! to popularity) and on the promise of LIA (a recommender whose score is a sum of logical rules).
//!
//! `score(u, j) = base_j + Σ_f φ_f(u) v_fj`. A feature φ_f is an item of the history (a link) or a rule
//! over a group of at most four items that the same users have: "at least one of them", "at least two
//! of them". For each target j, with φ^(j) the features of a user without item j:
//!
//! ```text
//! min over v ≥ 0:  ½ Σ_u ω_u (x_uj − Σ_f v_f φ_f^(j)(u))² + ½ Σ_f (reg + rho_f K_ff) v_f² + l1 Σ_f v_f
//! ω_u = n_u^−½ / mean        K = Σ_u ω_u φ φᵀ
//! ```
//!
//! Each of these problems is convex and solved exactly. Of a rule only the literal j is left out: a
//! candidate is never in the user's row, so the rule and the rule without j have the same value whenever
//! it matters. Afterwards a target keeps the M groups with the most evidence `Σ v_f K_fj`, and their
//! weights are fitted again at half the price, which undoes part of the shrinkage.
//!
//! A score is defined for seen items too: it is the same sum over the user's features, to which an item
//! of a group contributes through the group's rules.
//!
//! Every score is shown in lines, one per group, compiled without loss into one rule each (see
//! [`Detail::Lines`]). AND and NOT enter there: the fit itself is monotone,
//! because interactions that are mined are not supported by data of this size.

mod lines;

use limpid_core::traits::require;
use limpid_core::unit::find_event;
use limpid_core::{
    Activations, Artifact, Catalogue, Csr, Detail, Error, Event, EventsByItem, Fit, Histories,
    History, ItemIdx, Ledger, Mat, Part, Recommender, Result, Run, Space, Tensors, Training, Unit,
    UnitInfo, Units,
};
use ndarray::Axis;
use ndarray::parallel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::linear::closed_form::user_weights;
use crate::linear::descent::{self, PerKind, Settings, Task};
use crate::registry::Parameter;
use crate::rules::features::{Feature, Features, group_support};
use crate::rules::group_names::Names;
use crate::rules::groups::{Grouping, Groups, partition};

/// How much is kept for the sake of accuracy, or left out for the sake of brevity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// All groups, rules as dear as links.
    Accurate,
    /// The 40 best groups of a target, rules at half the ridge.
    #[default]
    Balanced,
    /// The 20 best groups of a target, rules at half the ridge.
    Short,
}

/// Hyper-parameters. What is not given follows from the preset and from the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Sets `rho_rule`, `groups` and `refit` where they are not given.
    pub preset: Preset,
    /// Constant part of the ridge, λ.
    pub reg: f64,
    /// Ridge of a link in proportion to its weight in users: `p/(1−p)` for a dropout of p.
    pub rho: f64,
    /// The same for a rule. Smaller: more weight on rules, fewer lines. Default: 1 for `accurate`,
    /// ½ for the others.
    pub rho_rule: Option<f64>,
    /// L1 price of a weight, in thousandths of the number of users, or in twentieths of the mean number
    /// of users of an item where that is less: where items have few users, a price by all users would
    /// forbid every weight.
    pub l1: f64,
    /// Groups that a target keeps. Default: all, 40 or 20; 0 is all.
    pub groups: Option<usize>,
    /// What the price is multiplied by when kept weights are fitted again. Default: ½, and no second
    /// fit for `accurate`.
    pub refit: Option<f64>,
    /// A user with n items weighs `n^−user_exponent`.
    pub user_exponent: f64,
    /// Items in a group at most; 1 leaves only links.
    pub group_size: usize,
    /// Users that a group must have for its rules. Default: a hundredth of the number of users.
    pub min_users: Option<usize>,
    /// Rounds weights to multiples of this, so that a ledger can be added up by hand; 0: not.
    pub points: f64,
    /// Share of similarity that a group loses for metadata that have nothing in common.
    pub coherence: f64,
    /// Score of an item that all users have, before any evidence: orders what evidence leaves
    /// equal by popularity.
    pub prior: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            preset: Preset::Balanced,
            reg: 50.0,
            rho: 1.0,
            rho_rule: None,
            l1: 1.0,
            groups: None,
            refit: None,
            user_exponent: 0.5,
            group_size: 4,
            min_users: None,
            points: 0.0,
            coherence: 0.0,
            prior: 1e-3,
        }
    }
}

impl Config {
    /// What `limpid models` prints.
    pub(crate) const PARAMETERS: &'static [Parameter] = &[
        Parameter {
            name: "preset",
            range: "accurate, balanced or short",
            tune: &[],
            doc: "accuracy against brevity; sets rho_rule, groups and refit",
        },
        Parameter {
            name: "reg",
            range: "above 0",
            tune: &[],
            doc: "constant part of the ridge, λ; 50 to 100 is flat",
        },
        Parameter {
            name: "rho",
            range: "0 or more",
            tune: &["0.3", "1"],
            doc: "ridge of links in proportion to popularity; less is shorter",
        },
        Parameter {
            name: "rho_rule",
            range: "0 or more, or null for the preset's",
            tune: &["0.25", "0.5", "1"],
            doc: "the same for rules; less gives fewer lines",
        },
        Parameter {
            name: "l1",
            range: "above 0",
            tune: &["1", "2", "4"],
            doc: "price of a weight, in min(users / 1000, users of a mean item / 20); more is sparser",
        },
        Parameter {
            name: "groups",
            range: "0 (all) or more, or null for the preset's",
            tune: &["10", "20", "40", "0"],
            doc: "groups that a target keeps",
        },
        Parameter {
            name: "refit",
            range: "0 to 1, or null for the preset's",
            tune: &[],
            doc: "share of the price when kept weights are fitted again",
        },
        Parameter {
            name: "user_exponent",
            range: "0 to 1",
            tune: &[],
            doc: "a user with n items weighs n^−this",
        },
        Parameter {
            name: "group_size",
            range: "1 to 6",
            tune: &[],
            doc: "items in a group at most; 1 leaves only links",
        },
        Parameter {
            name: "min_users",
            range: "1 or more, or null for users / 100",
            tune: &[],
            doc: "users that a group must have for its rules",
        },
        Parameter {
            name: "points",
            range: "0 or more",
            tune: &[],
            doc: "rounds weights to multiples of this; 0.005 is nearly free",
        },
        Parameter {
            name: "coherence",
            range: "0 to 1",
            tune: &[],
            doc: "how much groups must share their metadata",
        },
        Parameter {
            name: "prior",
            range: "0 to 0.01",
            tune: &[],
            doc: "score of an item that all users have, before any evidence",
        },
    ];

    fn check(&self) -> Result<()> {
        let at_least_0 = |name: &str, value: f64| {
            let ok = value >= 0.0 && value.is_finite();
            require(ok, name, "0 or more", value)
        };
        let above_0 = self.reg > 0.0 && self.reg.is_finite();
        require(above_0, "reg", "above 0", self.reg)?;
        at_least_0("rho", self.rho)?;
        at_least_0("rho_rule", self.rho_rule.unwrap_or(0.0))?;
        at_least_0("points", self.points)?;
        let l1 = self.l1 > 0.0 && self.l1.is_finite();
        require(l1, "l1", "above 0", self.l1)?;
        for (name, value, high) in [
            ("refit", self.refit.unwrap_or(0.0), 1.0),
            ("user_exponent", self.user_exponent, 1.0),
            ("coherence", self.coherence, 1.0),
            ("prior", self.prior, 0.01),
        ] {
            let rule = format!("between 0 and {high}");
            require((0.0..=high).contains(&value), name, &rule, value)?;
        }
        let size = (1..=6).contains(&self.group_size);
        require(size, "group_size", "between 1 and 6", self.group_size)?;
        let min_users = self.min_users.unwrap_or(1);
        require(min_users > 0, "min_users", "1 or more", min_users)
    }

    /// What is minimized; `price` is the unit of l1.
    fn settings(&self, price: f64) -> Settings {
        let accurate = self.preset == Preset::Accurate;
        let rho_rule = self.rho_rule.unwrap_or(if accurate { 1.0 } else { 0.5 });
        let keep = match (self.groups, self.preset) {
            (Some(0), _) | (None, Preset::Accurate) => None,
            (Some(m), _) => Some(m),
            (None, Preset::Balanced) => Some(40),
            (None, Preset::Short) => Some(20),
        };
        Settings {
            reg: self.reg,
            rho: PerKind {
                link: self.rho,
                rule: rho_rule,
            },
            l1: PerKind::both(self.l1 * price),
            signed: false,
            keep,
            refit: self.refit.or(if accurate { None } else { Some(0.5) }),
            points: self.points,
        }
    }
}

impl Fit for Config {
    type Model = Model;

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let rows = data.histories.to_csr(); // (U, I)
        let n_items = rows.n_columns();
        let n_users = (0..rows.n_rows())
            .filter(|&u| !rows.row(u).0.is_empty())
            .count();
        run.progress.start("groups", 1);
        let grouping = Grouping {
            size: self.group_size,
            coherence: self.coherence,
        };
        let groups = partition(&rows, grouping, data.catalogue);
        let support = group_support(&rows, &groups);
        let min_users = self.min_users.unwrap_or(n_users.div_ceil(100)) as u32;
        let features = Features::new(groups, |g| {
            support.get(g as usize).is_some_and(|&n| n >= min_users)
        });
        run.progress.step(1);
        let task = Task {
            features: &features,
            weights: user_weights(&rows, self.user_exponent),
            settings: self.settings((n_users as f64 / 1000.0).min(mean_support(&rows) / 20.0)),
            fingerprint: format!("ruleslim {self:?} {:016x}", descent::fingerprint(&rows)),
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
        // A target has few features with a weight, a user many that are present.
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

/// The mean number of users of the items that have any; 1 without such items.
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

/// The events that concern some items, item by item.
fn cited(events: &EventsByItem<'_>, items: &[ItemIdx]) -> Vec<Event> {
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
}

/// Targets are written in two bytes each where that is enough.
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
