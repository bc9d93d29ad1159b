//! The rule layer and the output layer in training: LIA as published.
//!
//! `y = r V + x S + b` with r the hard rules; the loss is the multinomial likelihood of the input row,
//! summed over items and averaged over users. In the paper's form there is no S; the released code
//! has it ("skip").
//!
//! Three departures are optional. Above 20,000 items a step scores a random sample of them: the
//! loss is then the likelihood of the targets within the sample, which has the same maximum
//! (McFadden, Modelling the Choice of Residential Location, 1978). In the short form a step reads
//! some items of each row and predicts the rest, popularity is a fixed bias, and every rule keeps only its
//! few largest literals.

use limpid_core::traits::Monitor;
use limpid_core::{Error, Histories, History, ItemIdx, Ledger, Mat, Recommender, Result, Run};
use limpid_tensor::matmul::{Factor, product};
use limpid_tensor::optim::adam::Adam;
use limpid_tensor::sparse::batch::Batch;
use limpid_tensor::sparse::logic::{Cost, Logic, THRESHOLD};
use limpid_tensor::sparse::multinomial::loss_and_gradient;
use limpid_tensor::{Learner, Parameter, Rng, train};

use super::extract;
use super::{Config, Gate};

/// Gates of fixed operators: far from 0, so that the soft layer has a single operator.
const FIXED: f32 = 40.0;

/// GSAM (Zhuang et al., Surrogate Gap Minimization Improves Sharpness-Aware Training, ICLR 2022) as
/// configured by the authors of LIA: radius ρ and weight α of the component along the first gradient.
const GSAM: (f32, f32) = (0.1, 0.5);

/// Settings of the layer.
pub(super) struct Settings {
    pub(super) n_rules: usize,
    pub(super) cost: Cost,
    pub(super) gate: Gate,
    pub(super) links: bool,
    pub(super) gsam: bool,
    /// L1 penalty of rule weights.
    pub(super) l1: f32,
    /// Number of items that a step scores, if not all.
    pub(super) outputs: Option<usize>,
    /// How short rules are learned; `None`: as published.
    pub(super) short: Option<Short>,
}

impl Settings {
    /// Checks that training fits into the memory budget; the error names `what` does not, and what to do
    /// `instead`.
    pub(super) fn afford(
        &self,
        n_items: usize,
        batch_size: usize,
        run: &Run<'_>,
        what: String,
        instead: &str,
    ) -> Result<()> {
        let needed = self.memory(n_items, batch_size);
        match needed > run.memory_budget {
            false => Ok(()),
            true => Err(Error::Memory {
                what,
                needed_mb: needed / 1_000_000,
                budget_mb: run.memory_budget / 1_000_000,
                hint: format!("increase the memory budget, set fewer rules, or use {instead}"),
            }),
        }
    }

    /// Peak memory of training in bytes, without the data.
    fn memory(&self, n_items: usize, batch_size: usize) -> u64 {
        let (i, r, u) = (n_items as u64, self.n_rules as u64, batch_size as u64);
        let square = if self.links { i * i } else { 0 };
        let some = self.outputs.unwrap_or(0) as u64;
        // Four arrays for each parameter, one copy of the best, one more with GSAM, the costs; what a
        // sample takes; then the batch.
        let copies = if self.gsam { 6 } else { 5 };
        4 * (copies * (2 * i * r + square) + i * r + 2 * some * r + u * (7 * r + i))
    }
}

/// Settings that keep rules short and make them predict items that are not in their input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Short {
    /// Share of a row that is target and not input.
    pub(super) holdout: f32,
    /// Maximum number of literals of a rule.
    pub(super) max_literals: usize,
    /// L1 penalty of effects.
    pub(super) effect_l1: f32,
    /// Whether effects are non-negative.
    pub(super) nonnegative: bool,
}

/// Initial weights `(I, R)`, effects `(I, R)` and bias `(I)`.
pub(super) struct Initial {
    pub(super) w: Vec<f32>,
    pub(super) v: Vec<f32>,
    pub(super) b: Vec<f32>,
}

/// The layer and its buffers.
pub(super) struct Layer<'a> {
    rows: &'a [Vec<u32>],
    n_items: usize,
    settings: Settings,
    logic: Logic,
    pub(super) w: Parameter,             // (I, R)
    pub(super) gates: Parameter,         // (R)
    pub(super) v: Parameter,             // (I, R)
    pub(super) links: Option<Parameter>, // (I, I)
    pub(super) b: Parameter,             // (I)
    memory: Memory,
}

#[derive(Default)]
struct Memory {
    hard: Vec<f32>,       // (U, R)
    y: Vec<f32>,          // (U, I)
    for_hard: Vec<f32>,   // (U, R)
    first: Vec<Vec<f32>>, // gradients of the first pass of GSAM
    some: Sample,
}

/// The outputs of a step that scores some items only: their rows of the parameters side by side.
#[derive(Default)]
struct Sample {
    items: Vec<u32>, // ascending
    v: Vec<f32>,     // (items, R)
    b: Vec<f32>,     // (items)
    for_v: Vec<f32>,
    for_b: Vec<f32>,
}

/// A logit that is negligible after the softmax.
const NEVER: f32 = -1e30;

/// The inputs and targets of a step.
struct Examples {
    inputs: Batch,
    targets: Batch,
    /// By user, the outputs that cannot be targets because they are inputs; empty if whole rows are
    /// predicted.
    read: Vec<Vec<u32>>,
}

impl<'a> Layer<'a> {
    /// The initialization of the released code: weights in [0, ½) (with the logarithmic cost in ±0.05), so
    /// every rule is empty; gates 0; outputs as
    /// PyTorch's linear layers, uniform within 1/√n for n inputs.
    pub(super) fn new(rows: &'a [Vec<u32>], n_items: usize, settings: Settings, seed: u64) -> Self {
        let (r, i) = (settings.n_rules, n_items);
        let mut rng = Rng::new(seed, 0);
        let inputs = r + if settings.links { i } else { 0 };
        let bound = 1.0 / (inputs.max(1) as f32).sqrt();
        let (low, high) = match settings.cost {
            Cost::Nlaf { .. } => (0.0, 0.5),
            Cost::Log => (-0.05, 0.05),
        };
        let w = rng.uniforms(i * r, low, high);
        let mut v = vec![0f32; i * r];
        for k in 0..r {
            for item in 0..i {
                v[item * r + k] = rng.uniform(-bound, bound);
            }
        }
        let links = settings.links.then(|| rng.uniforms(i * i, -bound, bound));
        let b = rng.uniforms(i, -bound, bound);
        Self::from_initial(rows, n_items, settings, Initial { w, v, b }, links)
    }

    /// A layer with given initial values.
    pub(super) fn from_initial(
        rows: &'a [Vec<u32>],
        n_items: usize,
        settings: Settings,
        initial: Initial,
        links: Option<Vec<f32>>,
    ) -> Self {
        let r = settings.n_rules;
        let gates = match settings.gate {
            Gate::Learned => vec![0.0; r],
            Gate::Or => vec![-FIXED; r],
            Gate::Half => (0..r)
                .map(|k| if k < r / 2 { FIXED } else { -FIXED })
                .collect(),
        };
        Self {
            rows,
            n_items,
            logic: Logic::new(settings.cost, r),
            w: Parameter::new("rules", initial.w),
            gates: Parameter::new("gates", gates),
            v: Parameter::new("effects", initial.v),
            links: links.map(|links| Parameter::new("links", links)),
            b: Parameter::new("base", initial.b),
            settings,
            memory: Memory::default(),
        }
    }

    /// The layer after training.
    pub(super) fn learn(mut self, config: &Config, run: &mut Run<'_>) -> Result<Self> {
        let data = limpid_core::hash::rows(self.rows.iter().map(|r| r.iter().copied()));
        let fingerprint = format!("{config:?} on {data:016x}");
        train(&mut self, &config.schedule(), &fingerprint, run)?;
        Ok(self)
    }

    /// The rows of a step, in the short form split at random into inputs and targets;
    /// and the items that are scored, if not all.
    fn examples(&mut self, users: &[u32], rng: &mut Rng) -> Examples {
        let rows = users.iter().map(|&u| self.rows[u as usize].as_slice());
        let holdout = self.settings.short.map(|s| s.holdout).filter(|&h| h > 0.0);
        let mut split: [Vec<Vec<u32>>; 2] = Default::default();
        if let Some(holdout) = holdout {
            for row in rows.clone() {
                let (targets, inputs): (Vec<u32>, Vec<u32>) =
                    row.iter().partition(|_| rng.unit() < holdout);
                split[0].push(inputs);
                split[1].push(targets);
            }
        }
        let inputs = match holdout {
            Some(_) => Batch::new(split[0].iter().map(Vec::as_slice), self.n_items),
            None => Batch::new(rows.clone(), self.n_items),
        };
        let targets: Vec<&[u32]> = match holdout {
            Some(_) => split[1].iter().map(Vec::as_slice).collect(),
            None => rows.collect(),
        };
        let Some(n) = self.settings.outputs else {
            let targets = Batch::new(targets, self.n_items);
            let [read, _] = split;
            return Examples {
                inputs,
                targets,
                read,
            };
        };
        let some = &mut self.memory.some;
        some.items = rng.distinct(n, self.n_items);
        let mut place = vec![u32::MAX; self.n_items];
        for (at, &item) in some.items.iter().enumerate() {
            place[item as usize] = at as u32;
        }
        let sampled = |row: &[u32]| -> Vec<u32> {
            let places = row.iter().map(|&i| place[i as usize]);
            places.filter(|&at| at != u32::MAX).collect()
        };
        let of_sample: Vec<Vec<u32>> = targets.into_iter().map(sampled).collect();
        Examples {
            inputs,
            targets: Batch::new(of_sample.iter().map(Vec::as_slice), n),
            read: split[0].iter().map(|row| sampled(row)).collect(),
        }
    }

    /// Computes the hard rules, the errors of the outputs and of the rules `(U, R)`, and the gradients of
    /// effects and bias; returns the sum of the losses of the batch.
    fn forward_and_errors(&mut self, examples: &Examples) -> f64 {
        let Examples {
            inputs,
            targets,
            read,
        } = examples;
        let (u, i, r) = (inputs.len(), targets.n_items(), self.settings.n_rules);
        let Memory {
            hard,
            y,
            for_hard,
            some,
            ..
        } = &mut self.memory;
        hard.resize(u * r, 0.0);
        for_hard.resize(u * r, 0.0);
        let (v, b, for_v, for_b) = if i == self.n_items {
            let (v, b) = (&mut self.v, &mut self.b);
            (&v.value, &b.value, &mut v.gradient, &mut b.gradient)
        } else {
            some.gather(&self.v.value, &self.b.value, r);
            (&some.v, &some.b, &mut some.for_v, &mut some.for_b)
        };
        y.clear();
        for _ in 0..u {
            y.extend_from_slice(b);
        }
        self.logic
            .forward(&self.w.value, &self.gates.value, inputs, hard);
        let (rules, effects) = (Factor::new(hard, u, r), Factor::new(v, i, r));
        product(y, rules, effects.t(), true);
        if let Some(links) = &self.links {
            inputs.times(&links.value, i, y);
        }
        // Inputs are never targets: otherwise a rule would learn ¬i for i.
        set_all(y, i, read, NEVER);
        let losses = loss_and_gradient(y, targets, 1.0 / u.max(1) as f32);
        set_all(y, i, read, 0.0);
        let errors = Factor::new(y, u, i);
        product(for_v, errors.t(), rules, false);
        product(for_hard, errors, effects, false);
        column_sums(y, i, for_b);
        losses.iter().sum()
    }

    /// The gradients of all parameters, and the sum of the losses of the batch.
    fn gradients(&mut self, examples: &Examples) -> f64 {
        let loss = self.forward_and_errors(examples);
        let i = self.n_items;
        if let Some(links) = &mut self.links {
            examples
                .inputs
                .transpose_times(&self.memory.y, i, &mut links.gradient);
        }
        self.logic.backward(
            &self.w.value,
            &self.gates.value,
            &examples.inputs,
            &self.memory.for_hard,
            &mut self.w.gradient,
            &mut self.gates.gradient,
        );
        loss
    }

    /// The second gradient of GSAM, after a step of ρ along the first one, minus a share of its component
    /// that is orthogonal to it.
    fn sharpen(&mut self, examples: &Examples) {
        let (radius, alpha) = GSAM;
        let mut first = std::mem::take(&mut self.memory.first);
        first.resize(5, Vec::new());
        let mut square = 0f64;
        for (kept, p) in first.iter_mut().zip(self.parameters()) {
            kept.clear();
            kept.extend_from_slice(&p.gradient);
            square += dot(kept, kept);
        }
        let step = (f64::from(radius) / (square.sqrt() + 1e-12)) as f32;
        for (kept, p) in first.iter().zip(self.parameters()) {
            p.value
                .iter_mut()
                .zip(kept)
                .for_each(|(w, g)| *w += step * g);
        }
        self.gradients(examples);
        for (kept, p) in first.iter().zip(self.parameters()) {
            let along = (dot(kept, &p.gradient) / dot(kept, kept).max(1e-12)) as f32;
            let arrays = p.gradient.iter_mut().zip(p.value.iter_mut()).zip(kept);
            for ((g, w), &g1) in arrays {
                *g = (1.0 - alpha) * *g + alpha * along * g1;
                *w -= step * g1;
            }
        }
        self.memory.first = first;
    }

    /// Updates weights and links. Their gradients are the largest; unless needed twice, they
    /// are used as they are computed and not stored.
    fn step_of_rules(&mut self, examples: &Examples, adam: &Adam) -> f64 {
        let of_rules = Adam {
            l1: self.settings.l1,
            bounds: (-1.0, 1.0),
            ..*adam
        };
        let (i, r) = (self.n_items, self.settings.n_rules);
        let inputs = &examples.inputs;
        if self.settings.gsam {
            let loss = self.gradients(examples);
            self.sharpen(examples);
            self.w.step(&of_rules);
            if let Some(links) = &mut self.links {
                links.step(adam);
            }
            return loss;
        }
        let loss = self.forward_and_errors(examples);
        self.logic.backward_of_gates(
            &self.gates.value,
            inputs,
            &self.memory.for_hard,
            &mut self.gates.gradient,
        );
        let logic = &self.logic;
        self.w.step_by_rows(&of_rules, r, |item, start, w, out| {
            logic.backward_of_row(inputs, item, start, w, out);
        });
        let errors = &self.memory.y;
        if let Some(links) = &mut self.links {
            links.step_by_rows(adam, i, |item, start, _, out| {
                inputs.transpose_times_row(errors, i, item, start, out);
            });
        }
        loss
    }

    /// Updates effects and bias of the items that were scored.
    fn step_of_outputs(&mut self, adam: &Adam) {
        let r = self.settings.n_rules;
        let of_effects = match self.settings.short {
            None => *adam,
            Some(short) => Adam {
                l1: short.effect_l1,
                bounds: (if short.nonnegative { 0.0 } else { f32::MIN }, f32::MAX),
                ..*adam
            },
        };
        // The bias is fixed at popularity, so that rules explain deviations from it.
        let learns_base = self.settings.short.is_none();
        let some = &self.memory.some;
        if some.items.is_empty() {
            self.v.step(&of_effects);
            if learns_base {
                self.b.step(adam);
            }
        } else {
            self.v
                .step_at_rows(&of_effects, r, &some.items, &some.for_v);
            if learns_base {
                self.b.step_at_rows(adam, 1, &some.items, &some.for_b);
            }
        }
    }

    /// Removes from every rule all literals but the few largest: their weights become ½, which is
    /// just below a literal.
    fn keep_largest(&mut self, max_literals: usize) {
        let r = self.settings.n_rules.max(1);
        let mut literals: Vec<Vec<(f32, u32)>> = vec![Vec::new(); r];
        for (item, row) in self.w.value.chunks_exact(r).enumerate() {
            for (list, &w) in literals.iter_mut().zip(row) {
                if w.abs() > THRESHOLD {
                    list.push((w.abs(), item as u32));
                }
            }
        }
        for (rule, mut list) in literals.into_iter().enumerate() {
            list.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            for (_, item) in list.into_iter().skip(max_literals) {
                let w = &mut self.w.value[item as usize * r + rule];
                *w = THRESHOLD.copysign(*w);
            }
        }
    }
}

impl Sample {
    /// Copies the rows of the items from the parameters.
    fn gather(&mut self, v: &[f32], b: &[f32], n_rules: usize) {
        let n = self.items.len();
        self.v.resize(n * n_rules, 0.0);
        self.for_v.resize(n * n_rules, 0.0);
        self.for_b.resize(n, 0.0);
        self.b.clear();
        self.b.extend(self.items.iter().map(|&i| b[i as usize]));
        let rows = self.v.chunks_exact_mut(n_rules.max(1));
        for (to, &item) in rows.zip(&self.items) {
            to.copy_from_slice(&v[item as usize * n_rules..][..n_rules]);
        }
    }
}

/// Sets the given entries of every row.
fn set_all(y: &mut [f32], width: usize, places: &[Vec<u32>], value: f32) {
    for (row, places) in y.chunks_exact_mut(width.max(1)).zip(places) {
        for &at in places {
            row[at as usize] = value;
        }
    }
}

/// Sums over rows, in a fixed order.
fn column_sums(y: &[f32], width: usize, out: &mut [f32]) {
    out.fill(0.0);
    for row in y.chunks_exact(width.max(1)) {
        for (o, &v) in out.iter_mut().zip(row) {
            *o += v;
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| f64::from(a) * f64::from(b))
        .sum()
}

impl Learner for Layer<'_> {
    fn parameters(&mut self) -> Vec<&mut Parameter> {
        let mut all = vec![&mut self.w, &mut self.gates, &mut self.v, &mut self.b];
        all.extend(&mut self.links);
        all
    }

    fn begin(&mut self, _: usize, _: &mut Rng) -> usize {
        self.rows.len()
    }

    fn step(&mut self, examples: &[u32], rate: f32, rng: &mut Rng) -> f64 {
        let examples = self.examples(examples, rng);
        let adam = Adam::new(rate);
        let loss = self.step_of_rules(&examples, &adam);
        if matches!(self.settings.gate, Gate::Learned) {
            self.gates.step(&adam);
        }
        self.step_of_outputs(&adam);
        if let Some(short) = self.settings.short {
            self.keep_largest(short.max_literals);
        }
        loss
    }

    fn measure(&self, monitor: &Monitor<'_>) -> Result<Option<f64>> {
        let rules = extract::rules(&self.w.value, &self.gates.value, self.settings.n_rules);
        Ok(Some(monitor(&InTraining {
            layer: self,
            rules: extract::Postings::new(&rules, self.n_items),
        })))
    }
}

/// The layer in training, scored without building a model.
struct InTraining<'a, 'b> {
    layer: &'a Layer<'b>,
    rules: extract::Postings,
}

impl Recommender for InTraining<'_, '_> {
    fn score(&self, users: &Histories) -> Mat {
        let layer = self.layer;
        let (i, r) = (layer.n_items, layer.settings.n_rules);
        let mut y = Vec::with_capacity(users.len() * i);
        for _ in 0..users.len() {
            y.extend_from_slice(&layer.b.value);
        }
        let rows = extract::rows_of(users);
        let mut hard = vec![0f32; users.len() * r];
        for (row, hard) in rows.iter().zip(hard.chunks_exact_mut(r.max(1))) {
            for rule in self.rules.active(row) {
                hard[rule as usize] = 1.0;
            }
        }
        let (hard, effects) = (
            Factor::new(&hard, users.len(), r),
            Factor::new(&layer.v.value, i, r),
        );
        product(&mut y, hard, effects.t(), true);
        if let Some(links) = &layer.links {
            let batch = Batch::new(rows.iter().map(Vec::as_slice), i);
            batch.times(&links.value, i, &mut y);
        }
        Mat::from_shape_vec((users.len(), i), y)
            .unwrap_or_else(|_| unreachable!("one row of I scores per user"))
    }

    /// A layer in training is only evaluated; its score is not explained.
    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let alone = Histories::single(user, self.layer.n_items);
        let score = self.score(&alone).get((0, item.at())).copied();
        Ledger::default().scored(score.unwrap_or(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEMS: usize = 9;
    const RULES: usize = 4;

    fn rows() -> Vec<Vec<u32>> {
        let mut rng = Rng::new(11, 0);
        (0..12)
            .map(|_| (0..ITEMS as u32).filter(|_| rng.unit() < 0.5).collect())
            .collect()
    }

    fn settings(outputs: Option<usize>, short: Option<Short>) -> Settings {
        Settings {
            n_rules: RULES,
            cost: Cost::Log,
            gate: Gate::Half,
            links: false,
            gsam: false,
            l1: 0.0,
            outputs,
            short,
        }
    }

    const SHORT: Short = Short {
        holdout: 0.5,
        max_literals: 2,
        effect_l1: 0.0,
        nonnegative: true,
    };

    fn layer(rows: &[Vec<u32>], settings: Settings) -> Layer<'_> {
        let mut layer = Layer::new(rows, ITEMS, settings, 3);
        // Weights for which rules hold for some rows only.
        layer.w.value = Rng::new(4, 0).uniforms(ITEMS * RULES, -0.7, 0.7);
        layer
    }

    /// With all items or a sample, whole rows or subsets: the gradients of effects and bias are those
    /// of the loss.
    #[test]
    fn gradients_of_outputs_equal_central_differences() {
        let rows = rows();
        for outputs in [None, Some(5)] {
            for short in [None, Some(SHORT)] {
                let mut layer = layer(&rows, settings(outputs, short));
                let users: Vec<u32> = (0..12).collect();
                let examples = layer.examples(&users, &mut Rng::new(5, 0));
                layer.forward_and_errors(&examples);
                let scored = match outputs {
                    Some(_) => layer.memory.some.items.clone(),
                    None => (0..ITEMS as u32).collect(),
                };
                let (for_v, for_b) = match outputs {
                    Some(_) => (
                        layer.memory.some.for_v.clone(),
                        layer.memory.some.for_b.clone(),
                    ),
                    None => (layer.v.gradient.clone(), layer.b.gradient.clone()),
                };
                assert_eq!(scored.len(), outputs.unwrap_or(ITEMS));
                let h = 1e-2;
                for (at, &item) in scored.iter().enumerate() {
                    for k in 0..=RULES {
                        let mut loss = |by: f32| {
                            let i = item as usize;
                            let place = match k {
                                RULES => &mut layer.b.value[i],
                                k => &mut layer.v.value[i * RULES + k],
                            };
                            let before = *place;
                            *place += by;
                            let loss = layer.forward_and_errors(&examples) / 12.0;
                            match k {
                                RULES => layer.b.value[i] = before,
                                k => layer.v.value[i * RULES + k] = before,
                            }
                            loss
                        };
                        let slope = (loss(h) - loss(-h)) / (2.0 * f64::from(h));
                        let found = match k {
                            RULES => for_b[at],
                            k => for_v[at * RULES + k],
                        };
                        assert!((f64::from(found) - slope).abs() < 1e-3, "{found} {slope}");
                    }
                }
            }
        }
    }

    /// Inputs and targets of a step are subsets of the row; with sampled items, the
    /// targets are the sampled items of the row.
    #[test]
    fn inputs_and_targets_are_subsets_of_rows() {
        let rows = rows();
        let users: Vec<u32> = (0..12).collect();
        let mut layer = layer(&rows, settings(Some(5), Some(SHORT)));
        let examples = layer.examples(&users, &mut Rng::new(6, 0));
        let items = &layer.memory.some.items;
        let mut predicted = 0;
        for (u, row) in rows.iter().enumerate() {
            let inputs = examples.inputs.row(u);
            let targets: Vec<u32> = examples
                .targets
                .row(u)
                .iter()
                .map(|&t| items[t as usize])
                .collect();
            assert!(
                inputs
                    .iter()
                    .all(|i| row.contains(i) && !targets.contains(i))
            );
            assert!(targets.iter().all(|i| row.contains(i)));
            // Inputs cannot be targets.
            let read: Vec<u32> = examples.read[u]
                .iter()
                .map(|&t| items[t as usize])
                .collect();
            let expected = inputs.iter().copied().filter(|i| items.contains(i));
            assert_eq!(read, expected.collect::<Vec<_>>());
            predicted += targets.len();
        }
        assert!(predicted > 0);
        let mut whole = self::layer(&rows, settings(None, None));
        let examples = whole.examples(&users, &mut Rng::new(6, 0));
        assert_eq!(examples.inputs, examples.targets);
        assert!(examples.read.is_empty());
    }

    /// Effects of items that were not scored do not change; short rules keep their largest literals,
    /// effects remain non-negative and the bias fixed.
    #[test]
    fn a_step_changes_only_scored_items() {
        let rows = rows();
        let users: Vec<u32> = (0..12).collect();
        let mut layer = layer(&rows, settings(Some(5), None));
        let before = layer.v.value.clone();
        layer.step(&users, 0.1, &mut Rng::new(7, 0));
        for i in 0..ITEMS {
            let scored = layer.memory.some.items.contains(&(i as u32));
            let range = i * RULES..(i + 1) * RULES;
            assert_eq!(before[range.clone()] != layer.v.value[range], scored);
        }
        let mut layer = self::layer(&rows, settings(None, Some(SHORT)));
        let base = layer.b.value.clone();
        layer.step(&users, 0.1, &mut Rng::new(7, 0));
        assert_eq!(layer.b.value, base);
        assert!(layer.v.value.iter().all(|&v| v >= 0.0));
        for rule in extract::rules(&layer.w.value, &layer.gates.value, RULES) {
            assert!(rule.literals.len() <= 2, "{rule:?}");
        }
    }
}
