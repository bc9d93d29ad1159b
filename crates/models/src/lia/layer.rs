//! The rule layer and the output layer while they learn: LIA as published.
//!
//! `y = r V + x S + b` with r the hard rules; the loss is the multinomial likelihood of the row itself,
//! summed over items and averaged over users. In the paper's form there is no S; the released code
//! has it ("skip").

use limpid_core::{Histories, Mat, Recommender, Result};
use limpid_tensor::kernels::adam::Adam;
use limpid_tensor::kernels::batch::Batch;
use limpid_tensor::kernels::logic::{Cost, Logic};
use limpid_tensor::kernels::multinomial::loss_and_gradient;
use limpid_tensor::matmul::{Factor, product};
use limpid_tensor::{Draw, Learner, Parameter};

use super::Gate;
use super::extract;

/// Gates of fixed operators: far from 0, so that the soft layer has one operator only.
const FIXED: f32 = 40.0;

/// GSAM (Zhuang et al., Surrogate Gap Minimization Improves Sharpness-Aware Training, ICLR 2022) as
/// the authors of LIA set it: radius ρ and weight α of the part along the first gradient.
const GSAM: (f32, f32) = (0.1, 0.5);

/// What the layer is made of.
pub(super) struct Settings {
    pub(super) n_rules: usize,
    pub(super) cost: Cost,
    pub(super) gate: Gate,
    pub(super) links: bool,
    pub(super) gsam: bool,
    pub(super) l1: f32,
}

/// The layer and its memory.
pub(super) struct Layer<'a> {
    rows: &'a [Vec<u32>],
    n_items: usize,
    settings: Settings,
    logic: Logic,
    pub(super) w: Parameter,             // (I, R)
    pub(super) gates: Parameter,         // (R)
    pub(super) v: Parameter,             // (R, I)
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
}

impl<'a> Layer<'a> {
    /// As the released code begins: weights in [0, ½) (with the logarithmic cost in ±0.05), so
    /// every rule is empty; gates 0; outputs as
    /// PyTorch's linear layers, uniform within 1/√n of their n inputs.
    pub(super) fn new(rows: &'a [Vec<u32>], n_items: usize, settings: Settings, seed: u64) -> Self {
        let (r, i) = (settings.n_rules, n_items);
        let mut draw = Draw::new(seed, 0);
        let inputs = r + if settings.links { i } else { 0 };
        let bound = 1.0 / (inputs.max(1) as f32).sqrt();
        let (low, high) = match settings.cost {
            Cost::Nlaf { .. } => (0.0, 0.5),
            Cost::Log => (-0.05, 0.05),
        };
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
            w: Parameter::new("rules", draw.uniforms(i * r, low, high)),
            gates: Parameter::new("gates", gates),
            v: Parameter::new("effects", draw.uniforms(r * i, -bound, bound)),
            links: settings
                .links
                .then(|| Parameter::new("links", draw.uniforms(i * i, -bound, bound))),
            b: Parameter::new("base", draw.uniforms(i, -bound, bound)),
            settings,
            memory: Memory::default(),
        }
    }

    /// Bytes that a training takes at most, above the data.
    pub(super) fn memory(n_items: usize, n_rules: usize, links: bool, batch: usize) -> u64 {
        let (i, r, u) = (n_items as u64, n_rules as u64, batch as u64);
        let square = if links { i * i } else { 0 };
        // Four arrays for each parameter, one copy of the best, the costs; then the batch.
        4 * (5 * (2 * i * r + square) + i * r + u * (7 * r + i))
    }

    /// The gradients at the present weights, and the sum of the losses of the batch.
    fn gradients(&mut self, batch: &Batch) -> f64 {
        let (u, i, r) = (batch.len(), self.n_items, self.settings.n_rules);
        let Memory {
            hard, y, for_hard, ..
        } = &mut self.memory;
        hard.resize(u * r, 0.0);
        for_hard.resize(u * r, 0.0);
        y.clear();
        for _ in 0..u {
            y.extend_from_slice(&self.b.value);
        }
        self.logic
            .forward(&self.w.value, &self.gates.value, batch, hard);
        let (rules, effects) = (Factor::new(hard, u, r), Factor::new(&self.v.value, r, i));
        product(y, rules, effects, true);
        if let Some(links) = &self.links {
            batch.times(&links.value, i, y);
        }
        let losses = loss_and_gradient(y, batch, 1.0 / u.max(1) as f32);
        let errors = Factor::new(y, u, i);
        product(&mut self.v.gradient, rules.t(), errors, false);
        product(for_hard, errors, effects.t(), false);
        column_sums(y, i, &mut self.b.gradient);
        if let Some(links) = &mut self.links {
            batch.transpose_times(y, i, &mut links.gradient);
        }
        self.logic.backward(
            &self.w.value,
            &self.gates.value,
            batch,
            for_hard,
            &mut self.w.gradient,
            &mut self.gates.gradient,
        );
        losses.iter().sum()
    }

    /// The second gradient of GSAM, at a step of ρ along the first one, less a share of its part
    /// that is orthogonal to it.
    fn sharpen(&mut self, batch: &Batch) {
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
        self.gradients(batch);
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

    fn begin(&mut self, _: usize, _: &mut Draw) -> usize {
        self.rows.len()
    }

    fn step(&mut self, examples: &[u32], rate: f32, _: &mut Draw) -> f64 {
        let rows = examples.iter().map(|&u| self.rows[u as usize].as_slice());
        let batch = Batch::new(rows, self.n_items);
        let loss = self.gradients(&batch);
        if self.settings.gsam {
            self.sharpen(&batch);
        }
        let adam = Adam::new(rate);
        self.w.step(&Adam {
            l1: self.settings.l1,
            bounds: (-1.0, 1.0),
            ..adam
        });
        if matches!(self.settings.gate, Gate::Learned) {
            self.gates.step(&adam);
        }
        self.v.step(&adam);
        self.b.step(&adam);
        if let Some(links) = &mut self.links {
            links.step(&adam);
        }
        loss
    }

    fn model(&self) -> Result<Box<dyn Recommender + '_>> {
        Ok(Box::new(UnderWay(self)))
    }
}

/// The layer as it stands, scored without building a model.
struct UnderWay<'a, 'b>(&'a Layer<'b>);

impl Recommender for UnderWay<'_, '_> {
    fn score(&self, users: &Histories) -> Mat {
        let layer = self.0;
        let (i, r) = (layer.n_items, layer.settings.n_rules);
        let rules = extract::rules(&layer.w.value, &layer.gates.value, r);
        let index = extract::Postings::new(&rules, i);
        let mut y = Vec::with_capacity(users.len() * i);
        for _ in 0..users.len() {
            y.extend_from_slice(&layer.b.value);
        }
        let rows = extract::rows_of(users);
        let mut hard = vec![0f32; users.len() * r];
        for (row, hard) in rows.iter().zip(hard.chunks_exact_mut(r.max(1))) {
            for rule in index.active(row) {
                hard[rule as usize] = 1.0;
            }
        }
        let (hard, effects) = (
            Factor::new(&hard, users.len(), r),
            Factor::new(&layer.v.value, r, i),
        );
        product(&mut y, hard, effects, true);
        if let Some(links) = &layer.links {
            let batch = Batch::new(rows.iter().map(Vec::as_slice), i);
            batch.times(&links.value, i, &mut y);
        }
        Mat::from_shape_vec((users.len(), i), y).unwrap_or_default()
    }
}
