//! Scorecard: an additive ledger over chains of behaviors, in points that are the log odds of the next
//! purchase.
//!
//! limpid's own model. A user's items are of two kinds. An *open* pair has events before the target (viewed,
//! carted) and is not bought yet; every other item is *untouched*.
//!
//! ```text
//! open, pattern m:  score = b_m + w_m · (record of the item, links, likeness, size of the list)
//! untouched:        score = α + Σ_b β_b log(1 + c s_b),     s_b = Σ of links from items with behavior b
//! ```
//!
//! *Links* are a sparse non-negative regression of purchases on all behaviors (`½ Σ_u ω_u (buy_ui − Σ_f v_f
//! x_uf)² + ½ Σ_f (reg + rho K_ff) v_f² + Σ_f l1_f v_f`, `v ≥ 0`) without links of an item to itself, so that
//! what the pair itself says is in the pattern alone. *Records* are the item's conversion, for the pattern and
//! overall, and its numbers of users. *Likeness* is the cosine of the users who viewed. Points are fitted by
//! conditional logit: one purchase per user is hidden, everything is counted and fitted again without it,
//! and it has to be told from the user's other open pairs, from the untouched items with the most links
//! (each of them) and from a sample of the rest. Therefore the softmax of the scores is a calibrated
//! probability.
//!
//! The order of untouched items, β, is fitted with the hidden purchase stripped of its events (then every
//! hidden item is untouched), and the usual fit only chooses how strongly it counts. So the items to discover
//! have the same ledger in every list. Where the data have no events before the target on the items to be
//! found, all points are fitted that way (`evidence`).
//!
//! The sum of a logarithm is divided among its links in proportion to them: the sum of the lines is exact, the
//! division is a convention.

mod examples;
mod facts;
mod logit;

#[cfg(test)]
mod tests;

use limpid_core::{
    Artifact, Csr, Error, Event, Fit, History, ItemIdx, Ledger, Mat, Part, Progress, Result, Run,
    Tensors, Training, Unit,
};
use ndarray::Axis;
use ndarray::parallel::prelude::*;

use super::chains::{Behaviors, Chains};
use super::units::{ChainUnits, LIST, scores_by_chains};
use crate::hyper::{self, choices, hyper};
use crate::registry::{Entry, Reads};
use examples::{Sampling, examples, hide};
use facts::{Facts, ListSize, Support, check};
use logit::{Blocks, fit};

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

/// How many more random items a hidden purchase without events is compared with.
const MORE_NEGATIVES: usize = 3;

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
        run.progress.start("alike items", 1);
        let alike = facts::alike(&chains, self.neighbors)?;
        run.progress.step(1);
        let hidden = hide(&chains, run.seed);
        let visible = chains.without(&hidden, false);
        // Purchases are hidden from the links too; the final ones are fitted on all.
        let links = facts::links(&visible, self, &mut run.within())?;
        let kept = Facts::new(&visible, self, &alike, links);
        run.progress.start("points", 2);
        let stripped = chains.without(&hidden, true);
        let discover =
            self.discover(&kept.counted(&stripped, self), &stripped, &hidden, run.seed)?;
        run.progress.step(1);
        let usual = match self.evidence {
            Evidence::Stripped => None,
            Evidence::Auto | Evidence::Kept => {
                Some(self.usual(&kept, &visible, &hidden, run.seed, &discover)?)
            }
        };
        run.progress.step(1);
        if run.progress.interrupted() {
            return Err(Error::Interrupted("no checkpoint was saved".to_owned()));
        }
        let links = facts::links(&chains, self, run)?;
        let facts = Facts::new(&chains, self, &alike, links);
        let facts = facts.scaled_as(&kept);
        let Some(usual) = usual else {
            return Ok(Model::new(facts, discover));
        };
        let usual = Model::new(facts, usual);
        match (self.evidence, run.monitor) {
            (Evidence::Auto, Some(monitor)) if behaviors.n_patterns() > 1 => {
                let other = Model::new(usual.facts.clone(), discover);
                Ok(choose(usual, other, monitor, run.progress))
            }
            _ => Ok(usual),
        }
    }
}

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
    /// The points for items without events.
    fn discover(
        &self,
        facts: &Facts,
        chains: &Chains,
        hidden: &[Option<u32>],
        seed: u64,
    ) -> Result<Points> {
        let sampling = Sampling {
            top: 0,
            uniform: MORE_NEGATIVES * self.negatives,
        };
        let narrow = |strengths: &[f64]| strengths.iter().map(|&v| v as f32).collect();
        let choices = examples(facts, chains, hidden, sampling, seed, &narrow);
        let mut weights = fit(
            &choices,
            &blocks(facts.behaviors, facts.behaviors.len()),
            self.points_reg,
        )?;
        let mut floor = weights.pop().unwrap_or_default();
        // More links never speak against an item.
        floor[1..].iter_mut().for_each(|w| *w = w.max(0.0));
        if floor[1..].iter().all(|&w| w == 0.0) {
            floor[1..].fill(1.0);
        }
        Ok(Points::new(weights, floor))
    }

    /// The points of the usual split; untouched items are ordered as by `discover`.
    fn usual(
        &self,
        facts: &Facts,
        chains: &Chains,
        hidden: &[Option<u32>],
        seed: u64,
        discover: &Points,
    ) -> Result<Points> {
        let sampling = Sampling {
            top: self.negatives,
            uniform: self.negatives,
        };
        let direction = &discover.floor[1..];
        let along = |strengths: &[f64]| {
            let pairs = strengths.iter().zip(direction);
            vec![pairs.map(|(s, &d)| s * f64::from(d)).sum::<f64>() as f32]
        };
        let choices = examples(facts, chains, hidden, sampling, seed, &along);
        let mut weights = fit(&choices, &blocks(facts.behaviors, 1), self.points_reg)?;
        let floor = weights.pop().unwrap_or_default();
        let strength = match floor.get(1) {
            Some(&s) if s > 0.0 => s,
            _ => 1.0,
        };
        let along = direction.iter().map(|&d| strength * f64::from(d));
        let floor = floor.first().copied().into_iter().chain(along).collect();
        Ok(Points::new(weights, floor))
    }
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
    /// `(1 + behaviors)`: α and β of untouched items.
    floor: Vec<f32>,
}

impl Points {
    fn new(open: Vec<Vec<f64>>, floor: Vec<f64>) -> Self {
        let narrow = |w: Vec<f64>| w.into_iter().map(|v| v as f32).collect();
        Self {
            open: open.into_iter().map(narrow).collect(),
            floor: narrow(floor),
        }
    }
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
    links: &'a [f32],
    strengths: &'a [f32],
    alike: &'a [f32],
    most: f64,
    list: &'a [f32],
}

impl Model {
    /// The softmax of its scores is a probability.
    const CALIBRATED: bool = true;

    fn new(facts: Facts, points: Points) -> Self {
        let alpha = points.floor.first().map_or(0.0, |&a| f64::from(a));
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
        let (links, rest) = rest.split_at(n);
        let (strengths, rest) = rest.split_at(n);
        let (alike, rest) = rest.split_at(n);
        let (most, list) = rest.split_at(1);
        OpenWeights {
            bias: f64::from(bias[0]),
            record,
            links,
            strengths,
            alike,
            most: f64::from(most[0]),
            list,
        }
    }

    /// The pattern of an open pair that is not muted.
    fn pattern(&self, set: u8, muted: u32) -> Option<usize> {
        let pattern = self.facts.behaviors.open(set)?;
        (muted >> pattern & 1 == 0).then_some(pattern)
    }

    fn score_rows(&self, rows: &[(History<'_>, u32)]) -> Mat {
        let n = self.facts.n_items;
        let mut scores = Mat::zeros((rows.len(), n)); // (U, I)
        let out = scores.axis_iter_mut(Axis(0)).into_par_iter();
        out.zip(rows).for_each_init(
            || {
                (
                    vec![vec![0f64; n]; self.facts.behaviors.len()],
                    vec![0u8; n],
                )
            },
            |(sums, sets), (mut out, &(user, muted))| {
                let chain = self.facts.behaviors.chain(user, n);
                self.facts.add_links(&chain, sums);
                for (i, (o, &base)) in out.iter_mut().zip(&self.base).enumerate() {
                    let mut score = f64::from(base);
                    for (of, &beta) in sums.iter().zip(&self.points.floor[1..]) {
                        if of[i] != 0.0 {
                            score += f64::from(beta) * self.facts.strength(of[i]);
                        }
                    }
                    *o = score as f32;
                }
                chain
                    .iter()
                    .for_each(|&(item, set)| sets[item as usize] = set);
                let size = ListSize::of(self.facts.behaviors, &chain);
                let (mut support, mut inputs) = (Support::default(), Vec::new());
                for &(item, set) in &chain {
                    let Some(pattern) = self.pattern(set, muted) else {
                        continue;
                    };
                    let i = item as usize;
                    support.links.clear();
                    support.links.extend(sums.iter().map(|of| of[i]));
                    self.facts.add_alike(i, |j| sets[j as usize], &mut support);
                    self.facts.inputs(i, pattern, &support, size, &mut inputs);
                    let list = if muted >> LIST & 1 == 1 { 2 } else { 0 };
                    let weights = &self.points.open[pattern - 1];
                    let counted = inputs.len() - list;
                    let mut score = f64::from(weights[0]);
                    for (&w, x) in weights[1..].iter().zip(&inputs[..counted]) {
                        score += f64::from(w) * x;
                    }
                    out[i] = score as f32;
                }
                chain.iter().for_each(|&(item, _)| sets[item as usize] = 0);
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
        let mut lines = Lines::default();
        let pattern = self.pattern(set_of(item.0), muted);
        let Some(pattern) = pattern else {
            for (behavior, from, weight) in links {
                let b = usize::from(behavior);
                let sum = support.links[b];
                let value = f64::from(self.points.floor[1 + b]) * facts.strength(sum);
                lines.add(behavior, from, value * weight / sum);
            }
            return self.with_lines(user, base, lines, Vec::new());
        };
        facts.add_alike(item.at(), set_of, &mut support);
        let size = ListSize::of(facts.behaviors, &chain);
        let mut inputs = Vec::new();
        facts.inputs(item.at(), pattern, &support, size, &mut inputs);
        let w = self.open_weights(pattern);
        for &(behavior, from, weight) in &links {
            let b = usize::from(behavior);
            let sum = support.links[b];
            let value =
                f64::from(w.links[b]) * sum + f64::from(w.strengths[b]) * facts.strength(sum);
            lines.add(behavior, from, value * weight / sum);
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
                lines.add(b as u8, other, value * f64::from(c) / sum);
            }
        }
        if support.most.0 > 0.0 {
            let target = facts.behaviors.target();
            lines.add(target, support.most.1, w.most * support.most.0);
        }
        let dot = |weights: &[f32], inputs: &[f64]| -> f64 {
            let pairs = weights.iter().zip(inputs);
            pairs.map(|(&w, x)| f64::from(w) * x).sum()
        };
        let record = w.bias + dot(w.record, &inputs) - f64::from(base);
        let own: Vec<Event> = user.events_of(item).collect();
        let of_pattern = |pattern: usize, value: f64| {
            Part::new(ChainUnits::pattern(pattern), 1.0, value as f32, own.clone())
        };
        let mut parts = vec![of_pattern(pattern, record)];
        if muted >> LIST & 1 == 0 {
            parts.push(of_pattern(LIST, dot(w.list, &inputs[inputs.len() - 2..])));
        }
        self.with_lines(user, base, lines, parts)
    }

    /// The ledger of these lines, each with the events that it cites, and further parts.
    fn with_lines(
        &self,
        user: History<'_>,
        base: f32,
        lines: Lines,
        mut parts: Vec<Part>,
    ) -> Ledger {
        let events = user.by_item();
        parts.extend(lines.joined().into_iter().map(|(behavior, from, value)| {
            let unit: Unit = self.units.event(from, behavior);
            let of = events.of(ItemIdx(from)).filter(|e| e.behavior == behavior);
            Part::new(unit, 1.0, value as f32, of.collect())
        }));
        Ledger::of_parts(base, parts)
    }
}

/// Values of events: behavior, item and value.
#[derive(Default)]
struct Lines(Vec<(u8, u32, f64)>);

impl Lines {
    fn add(&mut self, behavior: u8, item: u32, value: f64) {
        self.0.push((behavior, item, value));
    }

    /// One line per event.
    fn joined(mut self) -> Vec<(u8, u32, f64)> {
        self.0.sort_by_key(|l| (l.0, l.1));
        self.0.dedup_by(|next, kept| {
            let same = (next.0, next.1) == (kept.0, kept.1);
            if same {
                kept.2 += next.2;
            }
            same
        });
        self.0
    }
}

scores_by_chains!(Model);

impl Artifact for Model {
    const KIND: &'static str = "model/scorecard";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        self.facts.save(out)?;
        let open = &self.points.open;
        let shape = [open.len(), 1 + Facts::n_inputs(self.facts.behaviors)];
        out.put_f32("points.open", &shape, open.concat());
        let floor = &self.points.floor;
        out.put_f32("points.floor", &[floor.len()], floor.clone());
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        let facts = Facts::load(from)?;
        let behaviors = facts.behaviors;
        let width = 1 + Facts::n_inputs(behaviors);
        let (shape, open) = from.f32("points.open")?;
        check("points.open", &[behaviors.n_patterns() - 1, width], shape)?;
        let (shape, floor) = from.f32("points.floor")?;
        check("points.floor", &[1 + behaviors.len()], shape)?;
        let points = Points {
            open: open.chunks(width).map(<[f32]>::to_vec).collect(),
            floor: floor.to_vec(),
        };
        Ok(Self::new(facts, points))
    }
}
