//! Training of sparse autoencoders, on the tape, in the one training loop.

use std::sync::Arc;

use limpid_core::hyper::choices;
use limpid_core::traits::Monitor;
use limpid_core::{Histories, History, ItemIdx, Latent, Ledger, Mat, Recommender, Result, Run};
use limpid_tensor::matmul::{Factor, product};
use limpid_tensor::optim::adam::Adam;
use limpid_tensor::optim::clip;
use limpid_tensor::tape::{Code, Float, Layer, Tape, Var};
use limpid_tensor::{Learner, Parameter, Rng, Schedule, wide};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::objective::spread;
use super::{Activation, Encoder, Family, Objective, Scaling};
use crate::dictionary::{dot, normalize};

choices! {
    /// The initial weights.
    pub enum Initial {
        /// Random decoder rows of length 1, the encoder their transpose, the shift the mean of the users: no unit dies.
        Tied = "tied",
        /// The encoder uniform in ±1/√D, decoder rows its directions, the shift 0, as in RecSAE.
        Linear = "linear",
        /// Encoder and decoder uniform (He et al., ICCV 2015) and independent, the shift 0, as in From Knots to Knobs.
        Kaiming = "kaiming",
    }
}

/// The kinds of autoencoders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// ReLU and an L1 penalty.
    Basic,
    /// The k largest of each input.
    TopK,
    /// The k largest per input of a whole batch.
    BatchTopK,
    /// TopK whose prefixes reconstruct too.
    Matryoshka,
    /// A learned threshold per unit.
    JumpRelu,
}

/// Settings of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The kind.
    pub variant: Variant,
    /// Number of units K.
    pub units: usize,
    /// Active units of an input.
    pub k: usize,
    /// How representations were scaled.
    pub scaling: Scaling,
    /// The loss of reconstructions.
    pub objective: Objective,
    /// The initial weights.
    pub initial: Initial,
    /// Price of activations or (jump-relu) of active units.
    pub l1: f32,
    /// Weight of AuxK; 0 leaves it out.
    pub aux: f32,
    /// Single items per user in training.
    pub one_hot: f32,
    /// The largest number of epochs.
    pub epochs: usize,
    /// Users per step; items come on top.
    pub batch_size: usize,
    /// Learning rate of Adam.
    pub learning_rate: f32,
    /// β₂ of Adam.
    pub beta2: f32,
    /// Epochs without improvement before training stops.
    pub patience: usize,
}

/// A trained autoencoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The decoder rows `(K, D)`, of length 1.
    pub atoms: Mat,
    /// The encoder.
    pub encoder: Encoder,
    /// How it went.
    pub report: Report,
}

/// How the training of an autoencoder went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    /// Epochs that were run.
    pub epochs: usize,
    /// The epoch of the weights that were kept.
    pub best_epoch: usize,
    /// Share of the variance of held-out inputs that is not reconstructed; of every tenth input of the training where
    /// recommendations stop it, because then none is held out.
    pub unexplained: f64,
    /// Share of units that were dead at the end of training: without a value above 0 for an epoch and 10,000 inputs.
    pub dead: f64,
    /// Every epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<EpochReport>,
}

/// An epoch of a training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EpochReport {
    /// Mean loss of its samples.
    pub loss: f64,
    /// Share of the variance of held-out inputs that is not reconstructed after it; null where recommendations stop
    /// the training.
    pub unexplained: Option<f64>,
}

/// Samples without activity after which a unit is dead, at least.
const DEAD_AFTER: usize = 10_000;

/// Share of the users that early stopping is measured on: every tenth.
const HELD_OUT: usize = 10;

/// Held-out users that are encoded together.
const HELD_OUT_BLOCK: usize = 512;

/// Width of the kernel of JumpReLU's straight-through gradient.
const BANDWIDTH: f64 = 0.05;

/// Initial threshold of JumpReLU.
const JUMP: f32 = 0.01;

/// Decay of the running threshold of BatchTopK.
const DECAY: f32 = 0.99;

/// Gradients are clipped to this norm.
const CLIP: f32 = 1.0;

/// The prefixes of Matryoshka, as divisors of the number of units.
const PREFIXES: [usize; 5] = [16, 8, 4, 2, 1];

/// An autoencoder as a computation on the tape: its loss, for any float.
#[derive(Debug, Clone, Copy)]
pub struct Sae {
    /// The kind.
    pub variant: Variant,
    /// Active units of an input.
    pub k: usize,
    /// The loss of reconstructions.
    pub objective: Objective,
    /// Price of activations or active units.
    pub l1: f64,
    /// Weight of AuxK.
    pub aux: f64,
    /// Variance of the inputs, which scales the reconstruction: Σ |x − mean|² / n.
    pub variance: f64,
}

/// The weights on a tape, in this order: W_enc `(K, D)`, b_enc `(K)`, W_dec `(K, D)`, b_dec `(D)`, thresholds
/// `(K)`.
pub type Leaves<'t, T> = [Var<'t, T>; 5];

/// What a step saw.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Whether each unit had a value above 0 `(K)`.
    pub active: Vec<bool>,
    /// The smallest value that BatchTopK kept.
    pub least: Option<f64>,
}

/// The activations z of a batch.
enum Activations<'t, T: Float> {
    Dense(Var<'t, T>), // (B, K)
    Sparse(Code<'t, T>),
}

impl<'t, T: Float> Activations<'t, T> {
    fn sum(&self) -> Var<'t, T> {
        match self {
            Self::Dense(z) => z.sum(),
            Self::Sparse(code) => code.sum(),
        }
    }

    /// Whether each unit has a value above 0.
    fn active(&self, units: usize) -> Vec<bool> {
        let z = match self {
            Self::Dense(z) => z.value(),
            Self::Sparse(code) => return code.active(),
        };
        let mut active = vec![false; units];
        for row in z.chunks_exact(units.max(1)) {
            let pairs = active.iter_mut().zip(row);
            pairs.for_each(|(active, &v)| *active |= v > T::ZERO);
        }
        active
    }

    /// What the first units reconstruct, of a sparse code; otherwise what all do.
    fn decoded(&self, w_dec: Var<'t, T>, prefix: usize) -> Var<'t, T> {
        match self {
            Self::Dense(z) => z.matmul(w_dec),
            Self::Sparse(code) if prefix == w_dec.shape().rows() => code.matmul(w_dec),
            Self::Sparse(code) => code.below(prefix).matmul(w_dec.rows(0..prefix)),
        }
    }
}

impl Sae {
    /// The loss of inputs `(B, D)`; `dead` `(K)` are the units that AuxK revives.
    pub fn loss<'t, T: Float>(
        &self,
        tape: &'t Tape<T>,
        [w_enc, b_enc, w_dec, b_dec, jump]: Leaves<'t, T>,
        x: Var<'t, T>,
        dead: &[bool],
    ) -> (Var<'t, T>, Seen) {
        let (rows, width, units) = (x.shape().rows(), x.shape().width(), w_dec.shape().rows());
        let n = rows.max(1) as f64;
        // (x − b_dec) W_encᵀ + b_enc, with b_dec in the bias, so that its gradient needs no product of its own.
        let shift = w_enc.matmul(b_dec.reshape(&[width, 1])).reshape(&[units]);
        let layer = x.layer(w_enc, b_enc - shift);
        let a = layer.outputs(); // (B, K)
        let values = a.value();
        let number = |v: T| v.to_f64();
        let mut seen = Seen::default();
        let mut price = None;
        let z = match self.variant {
            Variant::Basic => Activations::Dense(a.relu()),
            Variant::TopK | Variant::Matryoshka => Activations::Sparse(layer.top_k(self.k)),
            Variant::BatchTopK => {
                let mut all: Vec<f64> = values
                    .iter()
                    .map(|&v| number(v))
                    .filter(|v| *v > 0.0)
                    .collect();
                all.sort_by(|a, b| b.total_cmp(a));
                let least = all.get((self.k * rows).min(all.len()).saturating_sub(1));
                let least = least.copied().unwrap_or(f64::INFINITY);
                seen.least = least.is_finite().then_some(least);
                let mask: Vec<T> = values
                    .iter()
                    .map(|&v| T::of(f64::from(u8::from(number(v) >= least))))
                    .collect();
                Activations::Dense(a.relu() * tape.constant(mask, &[rows, units]))
            }
            Variant::JumpRelu => {
                let theta = jump.value();
                let near = |at: usize| {
                    let t = number(theta[at % units]);
                    let inside = (number(values[at]) - t).abs() < BANDWIDTH / 2.0;
                    if inside { 1.0 } else { 0.0 }
                };
                let over = |at: usize| {
                    let v = number(values[at]);
                    v > number(theta[at % units]) && v > 0.0
                };
                let constant = |of: &dyn Fn(usize) -> f64| {
                    let all: Vec<T> = (0..values.len()).map(|at| T::of(of(at))).collect();
                    tape.constant(all, &[rows, units])
                };
                // Terms of value 0 whose gradient with respect to the thresholds is the kernel's.
                let fixed = tape.constant(theta.to_vec(), &[units]);
                let zeros = tape.constant(vec![T::of(0.0); values.len()], &[rows, units]);
                let change = zeros.add_rows(jump - fixed);
                let slope = constant(&|at| -number(theta[at % units]) / BANDWIDTH * near(at));
                let count = constant(&|at| -near(at) / BANDWIDTH);
                let open = constant(&|at| f64::from(u8::from(over(at))));
                price = Some((change * count + open).sum().scale(self.l1 / n));
                Activations::Dense(a * open + change * slope)
            }
        };
        if price.is_none() && self.l1 > 0.0 {
            price = Some(z.sum().scale(self.l1 / n));
        }
        seen.active = z.active(units);
        let prefixes: Vec<usize> = match self.variant {
            Variant::Matryoshka => PREFIXES.iter().map(|p| (units / p).max(1)).collect(),
            _ => vec![units],
        };
        let decoded = |prefix: usize| z.decoded(w_dec, prefix).add_rows(b_dec);
        let share = 1.0 / prefixes.len() as f64;
        let apart = |decoded| {
            self.objective
                .of(tape, decoded, x, self.variance)
                .scale(share)
        };
        let whole = decoded(units);
        let mut loss = apart(whole);
        for &prefix in prefixes.iter().filter(|&&p| p != units) {
            loss = loss + apart(decoded(prefix));
        }
        if let Some(price) = price {
            loss = loss + price;
        }
        if let Some(aux) = self.aux_k(tape, &layer, w_dec, [x, whole], dead) {
            loss = loss + aux;
        }
        (loss, seen)
    }

    /// AuxK in OpenAI's form: dead units reconstruct what is left, `e = x − x̂`, detached, without the bias;
    /// relative to the variance of e.
    fn aux_k<'t, T: Float>(
        &self,
        tape: &'t Tape<T>,
        layer: &Layer<'t, T>,
        w_dec: Var<'t, T>,
        [x, whole]: [Var<'t, T>; 2],
        dead: &[bool],
    ) -> Option<Var<'t, T>> {
        let n_dead = dead.iter().filter(|d| **d).count();
        if self.aux == 0.0 || n_dead == 0 {
            return None;
        }
        let (rows, width) = (x.shape().rows(), x.shape().width());
        let (x, whole) = (x.value(), whole.value());
        let left = x.iter().zip(whole.iter()).map(|(&x, &w)| x - w);
        let left: Vec<T> = left.collect();
        let spread = spread(&left, width);
        if spread <= 0.0 {
            return None;
        }
        let most = (width / 2).max(1).min(n_dead);
        let revived = layer.top_k_of(most, dead).matmul(w_dec);
        let target = tape.constant(left, &[rows, width]);
        Some((revived - target).sum_of_squares().scale(self.aux / spread))
    }
}

/// Trains on scaled representations of users `(N, D)` and of items `(I, D)`. With a base whose reconstructed
/// recommendations are to be good, the monitor of the run stops the training; otherwise the reconstruction of every
/// tenth user does, which is then not trained on.
///
/// # Errors
/// As [`limpid_tensor::train()`].
pub fn train(
    users: &[f32],
    items: &[f32],
    width: usize,
    settings: &Settings,
    reconstructed: Option<&dyn Latent>,
    run: &mut Run<'_>,
) -> Result<Trained> {
    let reconstructed = reconstructed.filter(|_| run.monitor.is_some());
    let mut learner = SaeLearner::new(users, items, width, settings, reconstructed, run.seed);
    let unused: &Monitor<'_> = &|_: &dyn Recommender| 0.0;
    let mut own = Run {
        monitor: match reconstructed {
            Some(_) => run.monitor,
            None => Some(unused),
        },
        ..run.within()
    };
    let schedule = Schedule {
        epochs: settings.epochs,
        batch_size: settings.batch_size,
        learning_rate: settings.learning_rate,
        patience: settings.patience,
        ..Schedule::default()
    };
    let outcome = limpid_tensor::train(&mut learner, &schedule, "sae", &mut own)?;
    let report = Report {
        epochs: outcome.epochs,
        best_epoch: outcome.best_epoch,
        unexplained: learner.unexplained(),
        curve: outcome
            .curve
            .iter()
            .map(|epoch| EpochReport {
                loss: epoch.loss,
                unexplained: epoch
                    .metric
                    .filter(|_| reconstructed.is_none())
                    .map(|metric| -metric),
            })
            .collect(),
        dead: learner.dead().iter().filter(|d| **d).count() as f64 / settings.units.max(1) as f64,
    };
    let (atoms, encoder) = learner.finish();
    Ok(Trained {
        atoms,
        encoder,
        report,
    })
}

/// An autoencoder in the training loop.
struct SaeLearner<'a> {
    rows: Vec<&'a [f32]>,
    held_out: Vec<&'a [f32]>,
    items: &'a [f32],
    width: usize,
    settings: Settings,
    reconstructed: Option<&'a dyn Latent>,
    sae: Sae,
    weights: Vec<Parameter>,
    /// The item of each example beyond the users.
    mixed: Vec<u32>,
    /// Samples since each unit was active.
    idle: Vec<usize>,
    /// The running threshold of BatchTopK.
    least: Option<f32>,
    tape: Tape,
}

impl<'a> SaeLearner<'a> {
    fn new(
        users: &'a [f32],
        items: &'a [f32],
        width: usize,
        settings: &Settings,
        reconstructed: Option<&'a dyn Latent>,
        seed: u64,
    ) -> Self {
        let (mut rows, mut held_out) = (Vec::new(), Vec::new());
        for (at, row) in users.chunks_exact(width.max(1)).enumerate() {
            let measured = at % HELD_OUT == HELD_OUT - 1;
            if measured {
                held_out.push(row);
            }
            if !measured || reconstructed.is_some() {
                rows.push(row);
            }
        }
        let mut mean = vec![0f64; width];
        for row in &rows {
            mean.iter_mut()
                .zip(*row)
                .for_each(|(m, &v)| *m += f64::from(v) / rows.len() as f64);
        }
        let variance = rows
            .iter()
            .map(|row| {
                row.iter()
                    .zip(&mean)
                    .map(|(&v, m)| (f64::from(v) - m).powi(2))
                    .sum::<f64>()
            })
            .sum::<f64>()
            / rows.len().max(1) as f64;
        let mean: Vec<f32> = mean.into_iter().map(|v| v as f32).collect();
        let weights = weights(
            settings.initial,
            settings.units,
            mean,
            &mut Rng::new(seed, 0),
        );
        Self {
            rows,
            held_out,
            items,
            width,
            settings: *settings,
            reconstructed,
            sae: Sae {
                variant: settings.variant,
                k: settings.k,
                objective: settings.objective,
                l1: f64::from(settings.l1),
                aux: f64::from(settings.aux),
                variance: variance.max(1e-9),
            },
            weights,
            mixed: Vec::new(),
            idle: vec![0; settings.units],
            least: None,
            tape: Tape::default(),
        }
    }

    fn input(&self, example: u32) -> &[f32] {
        let at = example as usize;
        match self.rows.get(at) {
            Some(row) => row,
            None => {
                let item = self.mixed[at - self.rows.len()] as usize;
                &self.items[item * self.width..(item + 1) * self.width]
            }
        }
    }

    /// The encoder with the weights of now.
    fn encoder(&self) -> Encoder {
        let least = self.least.unwrap_or(0.0);
        Encoder {
            weights: self.weights[0].value.clone(),
            bias: self.weights[1].value.clone(),
            shift: self.weights[3].value.clone(),
            activation: match self.settings.variant {
                Variant::Basic => Activation::Relu,
                Variant::TopK | Variant::Matryoshka => Activation::TopK(self.settings.k),
                Variant::BatchTopK => Activation::Above {
                    users: least,
                    items: least,
                },
                Variant::JumpRelu => Activation::Jump(self.weights[4].value.clone()),
            },
            scaling: self.settings.scaling,
        }
    }

    /// Units that AuxK revives.
    fn dead(&self) -> Vec<bool> {
        let after = DEAD_AFTER.max(self.rows.len() + self.mixed.len());
        self.idle.iter().map(|&n| n > after).collect()
    }

    /// Share of the variance of held-out users that is left.
    fn unexplained(&self) -> f64 {
        let encoder = self.encoder();
        let decoder = &self.weights[2].value;
        let (units, width) = (self.settings.units, self.width);
        let mut left = 0.0;
        for block in self.held_out.chunks(HELD_OUT_BLOCK) {
            let centered = |x: &&[f32]| -> Vec<f32> {
                let pairs = x.iter().zip(&encoder.shift);
                pairs.map(|(x, b)| x - b).collect()
            };
            let mut rest: Vec<f32> = block.iter().flat_map(centered).collect();
            let mut a = encoder.bias.repeat(block.len());
            let x = Factor::new(&rest, block.len(), width);
            let w = Factor::new(&encoder.weights, units, width);
            product(&mut a, x, w.t(), true);
            let rows = rest.chunks_exact_mut(width.max(1));
            for (rest, a) in rows.zip(a.chunks_exact(units.max(1))) {
                for (k, z) in encoder.code(a, Family::Users) {
                    let atom = &decoder[k as usize * width..][..width];
                    rest.iter_mut().zip(atom).for_each(|(r, w)| *r -= z * w);
                }
                left += dot(rest, rest);
            }
        }
        left / (self.held_out.len().max(1) as f64 * self.sae.variance)
    }

    fn finish(self) -> (Mat, Encoder) {
        let mut encoder = self.encoder();
        if let Activation::Above { items, .. } = &mut encoder.activation {
            // The threshold of users lets many more units of single items pass.
            *items = self.threshold_of_items(&encoder.weights, &encoder.bias, &encoder.shift);
        }
        let units = self.settings.units;
        let decoder = self.weights[2].value.clone();
        let atoms = Mat::from_shape_vec((units, self.width), decoder)
            .unwrap_or_else(|_| unreachable!("a decoder has a row for every unit"));
        (atoms, encoder)
    }

    /// The threshold at which single items have k active units on average.
    fn threshold_of_items(&self, weights: &[f32], bias: &[f32], shift: &[f32]) -> f32 {
        let all = Encoder {
            weights: weights.to_vec(),
            bias: bias.to_vec(),
            shift: shift.to_vec(),
            activation: Activation::Relu,
            scaling: self.settings.scaling,
        };
        let rows: Vec<&[f32]> = self.items.chunks_exact(self.width.max(1)).collect();
        let mut values: Vec<f32> = rows
            .iter()
            .flat_map(|x| all.encode(x, Family::Items))
            .map(|(_, v)| v)
            .collect();
        values.sort_by(|a, b| b.total_cmp(a));
        values
            .get(self.settings.k * rows.len())
            .copied()
            .unwrap_or(0.0)
    }
}

impl Learner for SaeLearner<'_> {
    fn parameters(&mut self) -> Vec<&mut Parameter> {
        self.weights.iter_mut().collect()
    }

    fn begin(&mut self, _: usize, rng: &mut Rng) -> usize {
        let n_items = self.items.len() / self.width.max(1);
        let more = (self.settings.one_hot * self.rows.len() as f32).round() as usize;
        let more = if n_items == 0 { 0 } else { more };
        self.mixed = (0..more).map(|_| rng.below(n_items) as u32).collect();
        self.rows.len() + more
    }

    fn step(&mut self, examples: &[u32], rate: f32, _: &mut Rng) -> f64 {
        if examples.len() < 2 && self.settings.objective.needs_several() {
            return 0.0;
        }
        let mut x = Vec::with_capacity(examples.len() * self.width);
        for &example in examples {
            x.extend_from_slice(self.input(example));
        }
        let values: Vec<Arc<Vec<f32>>> = self
            .weights
            .iter_mut()
            .map(|p| Arc::new(std::mem::take(&mut p.value)))
            .collect();
        let dead = self.dead();
        let leaf = |at: usize| self.tape.leaf(values[at].clone(), &self.weights[at].shape);
        let leaves = [leaf(0), leaf(1), leaf(2), leaf(3), leaf(4)];
        let input = self.tape.constant(x, &[examples.len(), self.width]);
        let (loss, seen) = self.sae.loss(&self.tape, leaves, input, &dead);
        let value = f64::from(loss.scalar());
        let mut back = loss.backward();
        let mut gradients: Vec<Vec<f32>> = leaves
            .iter()
            .zip(&values)
            .map(|(&leaf, v)| back.take(leaf).dense(v.len()))
            .collect();
        drop(back);
        self.tape.reset();
        for (parameter, value) in self.weights.iter_mut().zip(values) {
            parameter.value = Arc::unwrap_or_clone(value);
        }
        for (idle, active) in self.idle.iter_mut().zip(&seen.active) {
            *idle = if *active { 0 } else { *idle + examples.len() };
        }
        if let Some(least) = seen.least {
            let least = least as f32;
            self.least = Some(match self.least {
                Some(before) => DECAY * before + (1.0 - DECAY) * least,
                None => least,
            });
        }
        // The part of the gradient along a row would change its length alone.
        let width = self.width.max(1);
        let decoder = &self.weights[2].value;
        wide(
            #[inline(always)]
            || {
                let rows = decoder.chunks_exact(width);
                for (g, w) in gradients[2].chunks_exact_mut(width).zip(rows) {
                    let along = dot(g, w) as f32;
                    for (g, w) in g.iter_mut().zip(w) {
                        *g -= along * w;
                    }
                }
            },
        );
        clip::to_norm(gradients.iter_mut().map(Vec::as_mut_slice), CLIP);
        let adam = Adam {
            beta2: self.settings.beta2,
            ..Adam::new(rate)
        };
        for (parameter, gradient) in self.weights.iter_mut().zip(gradients) {
            parameter.step_along(&adam, &gradient);
            self.tape.recycle(gradient);
        }
        let decoder = &mut self.weights[2].value;
        wide(
            #[inline(always)]
            || {
                for row in decoder.chunks_exact_mut(width) {
                    normalize(row);
                }
            },
        );
        value * examples.len() as f64
    }

    fn measure(&self, monitor: &Monitor<'_>) -> Result<Option<f64>> {
        if let Some(base) = self.reconstructed {
            let lists = Reconstructed {
                base,
                encoder: self.encoder(),
                decoder: &self.weights[2].value,
            };
            return Ok(Some(monitor(&lists)));
        }
        Ok((!self.held_out.is_empty()).then(|| -self.unexplained()))
    }
}

/// The initial weights, in the order of [`Leaves`].
fn weights(initial: Initial, units: usize, mean: Vec<f32>, rng: &mut Rng) -> Vec<Parameter> {
    let width = mean.len();
    let mut by_unit = |of: &mut dyn FnMut(&mut Rng) -> f32| -> Vec<f32> {
        (0..units * width).map(|_| of(rng)).collect()
    };
    // He's bound for a ReLU is √(6 / inputs).
    let bound = |inputs: usize| (6.0 / inputs.max(1) as f32).sqrt();
    let side = 1.0 / (width.max(1) as f32).sqrt();
    let unit = |mut rows: Vec<f32>| {
        rows.chunks_exact_mut(width.max(1)).for_each(|row| {
            normalize(row);
        });
        rows
    };
    let (encoder, decoder) = match initial {
        Initial::Tied => {
            let rows = unit(by_unit(&mut |rng| rng.normal()));
            (rows.clone(), rows)
        }
        Initial::Linear => {
            let rows = by_unit(&mut |rng| rng.uniform(-side, side));
            (rows.clone(), unit(rows))
        }
        Initial::Kaiming => {
            let (of_encoder, of_decoder) = (bound(width), bound(units));
            let rows = by_unit(&mut |rng| rng.uniform(-of_encoder, of_encoder));
            let decoder = by_unit(&mut |rng| rng.uniform(-of_decoder, of_decoder));
            (rows, unit(decoder))
        }
    };
    let shift = match initial {
        Initial::Tied => mean,
        Initial::Linear | Initial::Kaiming => vec![0.0; width],
    };
    vec![
        Parameter::shaped("encoder", [units, width], encoder),
        Parameter::new("encoder.bias", vec![0.0; units]),
        Parameter::shaped("decoder", [units, width], decoder),
        Parameter::new("decoder.bias", shift),
        Parameter::new("thresholds", vec![JUMP; units]),
    ]
}

/// A base whose representations are replaced by their reconstructions: what RecSAE stops its training by.
struct Reconstructed<'a> {
    base: &'a dyn Latent,
    encoder: Encoder,
    decoder: &'a [f32], // (K, D)
}

impl Recommender for Reconstructed<'_> {
    fn score(&self, users: &Histories) -> Mat {
        let mut states = self.base.encode(users);
        let width = states.ncols();
        let rows: Vec<Vec<f32>> = (0..states.nrows())
            .into_par_iter()
            .map(|u| {
                let scaled = self.encoder.scaling.of(&states.row(u).to_vec());
                let mut x = self.encoder.shift.clone();
                for (k, z) in self.encoder.encode(&scaled.input, Family::Users) {
                    let atom = &self.decoder[k as usize * width..][..width];
                    x.iter_mut().zip(atom).for_each(|(x, w)| *x += z * w);
                }
                x.iter_mut()
                    .for_each(|v| *v = *v * scaled.scale + scaled.offset);
                x
            })
            .collect();
        for (mut state, row) in states.rows_mut().into_iter().zip(rows) {
            state.iter_mut().zip(row).for_each(|(s, v)| *s = v);
        }
        self.base.decode(&states)
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let n_items = self
            .base
            .decode(&Mat::zeros((1, self.encoder.shift.len())))
            .ncols();
        let scores = self.score(&Histories::single(user, n_items));
        let score = scores.get((0, item.at())).copied().unwrap_or(0.0);
        Ledger::of_parts(0.0, Vec::new()).scored(score)
    }
}
