//! Scorecard: an additive ledger over chains of behaviors, in points that are the log odds of the next
//! purchase.
//!
//! limpid's own model. A user's items are of two kinds. An *open* pair has events before the target (viewed,
//! carted) and is not bought yet; every other item is *untouched*.
//!
//! ```text
//! open, pattern m:  score = b_m + w_m · (record of the item, links, likeness, habits of the user)
//! untouched:        score = α + γ log(1 + c Σ_b w_b s_b),     s_b = Σ of links from items with behavior b
//! ```
//!
//! *Links* are a sparse non-negative regression of purchases on all behaviors (`links.rs`) without links of an
//! item to itself, so that what the pair itself says is in the pattern alone. *Records* are the item's
//! conversion, for the pattern and overall, and its numbers of users. *Likeness* is the cosine of the users who
//! viewed. *Habits* are how often the user buys what they have viewed or carted, how often anything else, and
//! whether they buy items as popular, and as often bought after a view, as this one. Points are fitted
//! by conditional logit: one purchase per user is hidden, everything is counted and fitted again without it,
//! and it has to be told from the user's other open pairs, from the untouched items with the most links
//! (each of them) and from a sample of the rest. Therefore the softmax of the scores is a calibrated
//! probability.
//!
//! Untouched items are in the order of their links (`w_b = 1`) in every list. Where the data have no events
//! before the target on the items to be found (`evidence`), the hidden purchase is stripped of its events,
//! then every hidden item is untouched, and `w_b` is fitted too.
//!
//! The sum of a logarithm is divided among its links in proportion to them: the sum of the lines is exact, the
//! division is a convention.

mod examples;
mod facts;
mod links;
mod logit;
mod pairs;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use limpid_core::{
    Artifact, Csr, Event, Fit, History, ItemIdx, Ledger, Mat, Part, Progress, Result, Run, Scale,
    Tensors, Training,
};
use ndarray::Axis;
use ndarray::parallel::prelude::*;

use super::chains::{Behaviors, Chains};
use super::units::{ChainUnits, HABITS, scores_by_chains};
use crate::hyper::{self, choices, hyper};
use crate::registry::{Entry, Reads};
use examples::{Floor, Sampling, examples, hide};
use facts::{Facts, N_HABITS, Support};
use links::links;
use logit::{Blocks, fit};
use pairs::Pairs;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "scorecard",
    aliases: &[],
    about: "points for chains of behaviors, links and records; calibrated, with an exact ledger",
    paper: "limpid's own; after SLIM (Ning and Karypis, ICDM 2011) and McFadden's conditional logit (1974)",
    reads: Reads::BEHAVIORS,
    defaults: hyper::defaults::<Config>,
};

choices! {
    /// Whether the items to be found have events before the target.
    pub enum Evidence {
        /// The better of the two on the validation set; kept, if there is none.
        Auto = "auto",
        /// They may have: the usual split removes only the target event.
        Kept = "kept",
        /// They have none: everything is to be discovered.
        Stripped = "stripped",
    }
}

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Whether the items to be found have events before the target.
        evidence: Evidence = Evidence::Auto;
        /// L1 penalty of links, in units of the mean number of buyers per item / 8; larger is sparser.
        l1: f64 = 1.0, in above(0.0), tune [0.5, 1, 2];
        /// L1 penalty of links from the first behavior, relative to the others.
        first_behavior: f64 = 1.5, in above(0.0);
        /// Constant part of the L2 regularization of links.
        reg: f64 = 20.0, in above(0.0), tune [5, 20, 80];
        /// L2 of links in proportion to the number of users.
        rho: f64 = 1.0, in at_least(0.0);
        /// Weight of a user with n events in the fit of links: `n^−user_exponent`.
        user_exponent: f64 = 0.3, in between(0.0, 1.0);
        /// Pairs of the mean conversion that are added to an item's own.
        smoothing: f64 = 10.0, in above(0.0), tune [3, 10, 30];
        /// Most alike items that are kept of each item.
        neighbors: usize = 200, in whole_from(1);
        /// Untouched items with the most links that each user's purchase is compared with, and as many random
        /// ones.
        negatives: usize = 100, in whole_from(1);
        /// L2 regularization of the points.
        points_reg: f64 = 1e-4, in above(0.0);
    }
}

/// The part of the base of untouched items that orders those without links: this times `log(1 + buyers)`.
const PRIOR: f64 = 1e-3;

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let behaviors = Behaviors::of(data)?;
        let chains = Chains::of(data.histories, behaviors);
        let evidence = match self.evidence {
            _ if behaviors.n_patterns() == 1 => Evidence::Kept,
            Evidence::Auto if run.stripped => {
                run.progress.warn(STRIPPED);
                Evidence::Stripped
            }
            Evidence::Auto if run.monitor.is_none() => Evidence::Kept,
            evidence => evidence,
        };
        run.progress.start("alike items", 1);
        let alike = facts::alike(&chains, self.neighbors)?;
        run.progress.step(1);
        let hidden = hide(&chains, run.seed);
        let kept = match evidence {
            Evidence::Stripped => None,
            _ => Some(self.points(&chains.without(&hidden, false), &alike, &hidden, run, false)?),
        };
        let stripped = match evidence {
            Evidence::Kept => None,
            _ => Some(self.points(&chains.without(&hidden, true), &alike, &hidden, run, true)?),
        };
        let facts = Facts::new(&chains, self, &alike, links(&chains, self, run)?);
        let of =
            |(points, scale): (Points, f32)| Model::new(facts.clone().with_scale(scale), points);
        match (kept.map(&of), stripped.map(&of), run.monitor) {
            (Some(kept), Some(stripped), Some(monitor)) => {
                Ok(choose(kept, stripped, monitor, run.progress))
            }
            (Some(model), ..) | (None, Some(model), _) => Ok(model),
            (None, None, _) => unreachable!("evidence is kept or stripped"),
        }
    }
}

/// Why points are fitted without events before the target.
const STRIPPED: &str = "the held-out items of this split have no events before the target: points are fitted \
                        without such events (evidence=stripped)";

/// The better model on the validation set, with a warning if it is not the usual one.
fn choose(
    usual: Model,
    stripped: Model,
    monitor: &limpid_core::Monitor<'_>,
    progress: &dyn Progress,
) -> Model {
    let (with, without) = (monitor(&usual), monitor(&stripped));
    if without <= with {
        return usual;
    }
    progress.warn(&format!(
        "purchases hidden from the training set have events before them, those of the validation set do not: \
         points fitted with such events reach {with:.4} there, points fitted without {without:.4}, so the \
         latter are used (evidence=stripped)"
    ));
    stripped
}

impl Config {
    /// The points that tell hidden purchases from other items of their users, by the facts of the visible
    /// chains; and the scale of these facts.
    fn points(
        &self,
        visible: &Chains,
        alike: &Csr,
        hidden: &[Option<u32>],
        run: &Run<'_>,
        stripped: bool,
    ) -> Result<(Points, f32)> {
        let behaviors = visible.behaviors;
        // Purchases are hidden from the links too; the final ones are fitted on all.
        let facts = Facts::new(visible, self, alike, links(visible, self, run)?);
        run.progress.start("points", 1);
        let fitted = |top: usize, floor: &Floor<'_>, inputs: usize| {
            let sampling = Sampling {
                top,
                uniform: self.negatives,
            };
            let choices = examples(&facts, visible, hidden, sampling, run.seed, floor);
            fit(choices, &blocks(behaviors, inputs), self.points_reg)
        };
        let mut by_behavior = vec![1.0; behaviors.len()];
        if stripped {
            // The links of each behavior, to be added up before the logarithm.
            let mut weights = fitted(0, &|sums| sums.to_vec(), behaviors.len())?;
            let floor = weights.pop().unwrap_or_default();
            let positive = floor.iter().skip(1).map(|w| w.max(0.0));
            let mean = positive.clone().sum::<f64>() / behaviors.len() as f64;
            if mean > 0.0 {
                by_behavior = positive.map(|w| w / mean).collect();
            }
        }
        let strength = |sums: &[f64]| vec![facts.strength(weighted(sums, &by_behavior))];
        let top = if stripped { 0 } else { self.negatives };
        let mut open = fitted(top, &strength, 1)?;
        let floor = open.pop().unwrap_or_default();
        run.progress.step(1);
        let part = |at: usize| floor.get(at).copied().unwrap_or_default();
        Ok((
            Points {
                open: open
                    .into_iter()
                    .map(|w| w.into_iter().map(|v| v as f32).collect())
                    .collect(),
                alpha: part(0) as f32,
                // More links never speak against an item.
                gamma: match part(1) {
                    gamma if gamma > 0.0 => gamma as f32,
                    _ => 1.0,
                },
                by_behavior: by_behavior.into_iter().map(|w| w as f32).collect(),
            },
            facts.scale,
        ))
    }
}

/// `Σ_b w_b s_b`.
fn weighted(sums: &[f64], by_behavior: &[f64]) -> f64 {
    sums.iter().zip(by_behavior).map(|(s, w)| s * w).sum()
}

/// A block per pattern, and one of untouched items with `floor` inputs.
fn blocks(behaviors: Behaviors, floor: usize) -> Blocks {
    let patterns = behaviors.n_patterns() - 1;
    let mut inputs = vec![Facts::n_inputs(behaviors); patterns];
    let mut kind = vec![0; patterns];
    inputs.push(floor);
    kind.push(usize::from(patterns > 0));
    Blocks { inputs, kind }
}

/// The fitted points.
#[derive(Debug, Clone, PartialEq)]
struct Points {
    /// `(patterns − 1, 1 + inputs)`: bias and weights of open pairs.
    open: Vec<Vec<f32>>,
    /// The score of an untouched item without links.
    alpha: f32,
    /// What the strength of links counts for untouched items.
    gamma: f32,
    /// `(behaviors)`: how much a link from each behavior counts for untouched items.
    by_behavior: Vec<f32>,
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    facts: Facts,
    points: Points,
    base: Vec<f32>, // (I): the score of an untouched item without links
    units: ChainUnits,
}

/// Weights over the parts of the inputs of an open pair.
struct OpenWeights<'a> {
    bias: f64,
    record: &'a [f32],
    strengths: &'a [f32],
    alike: &'a [f32],
    most: f64,
    habits: &'a [f32],
}

impl Model {
    /// The softmax of its scores is a probability.
    const SCALE: Scale = Scale::NextEvent;

    fn new(facts: Facts, points: Points) -> Self {
        let alpha = f64::from(points.alpha);
        let base = (0..facts.n_items).map(|i| (alpha + PRIOR * facts.buyers(i)) as f32);
        Self {
            base: base.collect(),
            units: ChainUnits::new(facts.behaviors, facts.n_items, true),
            facts,
            points,
        }
    }

    /// The links `(behaviors × I, I)`: row `b × I + j` is what an event of behavior b on item j adds to each
    /// target before the logarithm.
    #[must_use]
    pub fn links(&self) -> &Csr {
        &self.facts.links
    }

    fn open_weights(&self, pattern: usize) -> OpenWeights<'_> {
        let weights = &self.points.open[pattern - 1];
        let n = self.facts.behaviors.len();
        let (bias, rest) = weights.split_at(1);
        let (record, rest) = rest.split_at(Facts::record_inputs(self.facts.behaviors).len());
        let (strengths, rest) = rest.split_at(n);
        let (alike, rest) = rest.split_at(n);
        let (most, habits) = rest.split_at(1);
        OpenWeights {
            bias: f64::from(bias[0]),
            record,
            strengths,
            alike,
            most: f64::from(most[0]),
            habits,
        }
    }

    /// What the links to an untouched item add, by their weighted sum.
    fn linked(&self, sum: f64) -> f64 {
        f64::from(self.points.gamma) * self.facts.strength(sum)
    }

    fn by_behavior(&self) -> Vec<f64> {
        self.points
            .by_behavior
            .iter()
            .map(|&w| f64::from(w))
            .collect()
    }

    /// The pattern of an open pair that is not muted.
    fn pattern(&self, set: u8, muted: u32) -> Option<usize> {
        let pattern = self.facts.behaviors.open(set)?;
        (muted >> pattern & 1 == 0).then_some(pattern)
    }

    fn score_rows(&self, rows: &[(History<'_>, u32)]) -> Mat {
        let facts = &self.facts;
        let by_behavior = self.by_behavior();
        let mut scores = Mat::zeros((rows.len(), facts.n_items)); // (U, I)
        let out = scores.axis_iter_mut(Axis(0)).into_par_iter();
        out.zip(rows).for_each_init(
            || Pairs::new(facts),
            |pairs, (mut out, &(user, muted))| {
                for (o, &base) in out.iter_mut().zip(&self.base) {
                    *o = base;
                }
                let chain = facts.behaviors.chain(user, facts.n_items);
                pairs.set(facts, &chain);
                for &item in pairs.linked() {
                    let sum = weighted(pairs.links(item), &by_behavior);
                    let i = item as usize;
                    out[i] = (f64::from(self.base[i]) + self.linked(sum)) as f32;
                }
                let muted_inputs = if muted >> HABITS & 1 == 1 {
                    N_HABITS
                } else {
                    0
                };
                let pattern_of = |set| self.pattern(set, muted);
                pairs.visit(facts, &chain, pattern_of, |item, pattern, inputs| {
                    let (bias, weights) = self.points.open[pattern - 1].split_at(1);
                    let counted = &inputs[..inputs.len() - muted_inputs];
                    out[item as usize] = (f64::from(bias[0]) + dot(weights, counted)) as f32;
                });
            },
        );
        scores
    }

    fn ledger_of(&self, user: History<'_>, muted: u32, item: ItemIdx) -> Ledger {
        let facts = &self.facts;
        let Some(&base) = self.base.get(item.at()) else {
            return Ledger::default();
        };
        let chain = facts.behaviors.chain(user, facts.n_items);
        let set_of = |j: u32| {
            let at = chain.binary_search_by_key(&j, |e| e.0);
            at.map_or(0, |at| chain[at].1)
        };
        let mut support = Support {
            links: vec![0.0; facts.behaviors.len()],
            ..Support::default()
        };
        // The links of the user's events, by ascending behavior and item.
        let mut links: Vec<(u8, u32, f64)> = Vec::new();
        let (features, weights) = facts.by_target.row(item.at());
        for (&feature, &weight) in features.iter().zip(weights) {
            let behavior = feature as usize / facts.n_items;
            let from = feature - (behavior * facts.n_items) as u32;
            if set_of(from) >> behavior & 1 == 1 {
                support.links[behavior] += f64::from(weight);
                links.push((behavior as u8, from, f64::from(weight)));
            }
        }
        // Values of events: behavior, item and value.
        let mut lines = Vec::new();
        let pattern = self.pattern(set_of(item.0), muted);
        let Some(pattern) = pattern else {
            let by_behavior = self.by_behavior();
            let sum = weighted(&support.links, &by_behavior);
            for (behavior, from, weight) in links {
                let share = by_behavior[usize::from(behavior)] * weight / sum;
                if share > 0.0 {
                    lines.push((behavior, from, self.linked(sum) * share));
                }
            }
            return Ledger::of_parts(base, self.units.parts(user, lines));
        };
        facts.add_alike(item.at(), set_of, &mut support);
        let habits = facts.habits_of(&chain);
        let mut inputs = Vec::new();
        facts.inputs(item.at(), pattern, &support, &habits, &mut inputs);
        let w = self.open_weights(pattern);
        for &(behavior, from, weight) in &links {
            let b = usize::from(behavior);
            let sum = support.links[b];
            let value = f64::from(w.strengths[b]) * facts.strength(sum);
            lines.push((behavior, from, value * weight / sum));
        }
        let (neighbors, likeness) = facts.alike.row(item.at());
        for (&other, &c) in neighbors.iter().zip(likeness) {
            let set = set_of(other);
            for (b, &sum) in support
                .alike
                .iter()
                .enumerate()
                .filter(|(b, _)| set >> b & 1 == 1)
            {
                let value = f64::from(w.alike[b]) * (f64::from(facts.rarity[b]) * sum).ln_1p();
                lines.push((b as u8, other, value * f64::from(c) / sum));
            }
        }
        if support.most.0 > 0.0 {
            let target = facts.behaviors.target();
            lines.push((target, support.most.1, w.most * support.most.0));
        }
        let record = w.bias + dot(w.record, &inputs) - f64::from(base);
        let own: Arc<[Event]> = user.events_of(item).collect();
        let of_pattern = |pattern: usize, value: f64| {
            Part::new(ChainUnits::pattern(pattern), 1.0, value as f32, own.clone())
        };
        let mut parts = vec![of_pattern(pattern, record)];
        if muted >> HABITS & 1 == 0 {
            let of_user = &inputs[inputs.len() - N_HABITS..];
            parts.push(of_pattern(HABITS, dot(w.habits, of_user)));
        }
        parts.extend(self.units.parts(user, lines));
        Ledger::of_parts(base, parts)
    }
}

fn dot(weights: &[f32], inputs: &[f64]) -> f64 {
    let pairs = weights.iter().zip(inputs);
    pairs.map(|(&w, x)| f64::from(w) * x).sum()
}

scores_by_chains!(Model);

impl Artifact for Model {
    const KIND: &'static str = "model/scorecard";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        self.facts.save(out)?;
        let open = &self.points.open;
        let shape = [open.len(), 1 + Facts::n_inputs(self.facts.behaviors)];
        out.put_f32("points.open", &shape, open.concat());
        let mut floor = vec![self.points.alpha, self.points.gamma];
        floor.extend(&self.points.by_behavior);
        out.put_f32("points.floor", &[floor.len()], floor);
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        let facts = Facts::load(from)?;
        let behaviors = facts.behaviors;
        let width = 1 + Facts::n_inputs(behaviors);
        let open = from.shaped("points.open", &[behaviors.n_patterns() - 1, width])?;
        let floor = from.shaped("points.floor", &[2 + behaviors.len()])?;
        let points = Points {
            open: open.chunks(width).map(<[f32]>::to_vec).collect(),
            alpha: floor[0],
            gamma: floor[1],
            by_behavior: floor[2..].to_vec(),
        };
        Ok(Self::new(facts, points))
    }
}
