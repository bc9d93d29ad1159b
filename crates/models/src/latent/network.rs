//! Autoencoders over rows of items: the network that Mult-DAE and Mult-VAE share.
//!
//! A row is divided by its norm (‖x‖₂ = √n); the encoder maps it to a code, in the variational form to
//! (μ, log σ²), and the decoder gives one logit per item. The loss is the multinomial likelihood of
//! the row (Liang et al., WWW 2018, equation 2), in the variational form plus
//! `β KL(N(μ, σ²) ‖ N(0, 1))`. The first layer reads only the nonzero inputs.
//!
//! An explanation is a path integral (Sundararajan et al., Axiomatic Attribution for Deep Networks,
//! ICML 2017) from the empty history to the user's: exact for linear networks; for others the error of
//! the numerical integration is the residual.

pub mod settings;

use limpid_core::attribution::mean_gradient;
use limpid_core::traits::Monitor;
use limpid_core::{
    Error, Histories, History, ItemIdx, Ledger, Mat, Part, Recommender, Result, Run, Tensors, Unit,
    hash,
};
use limpid_tensor::exponential::exp;
use limpid_tensor::matmul::{Factor, product};
use limpid_tensor::optim::adam::Adam;
use limpid_tensor::sparse::batch::Batch;
use limpid_tensor::sparse::multinomial::loss_and_gradient;
use limpid_tensor::{Learner, Parameter, Rng, train};
use rayon::prelude::*;

pub(crate) use self::settings::{Learning, Shape};
use crate::training_loop::TrainingLoop;

/// Steps of the path integral of an explanation.
const STEPS: usize = 24;

/// Rows scored together.
const BLOCK: usize = 32;

/// One layer: weights `(in, out)` and biases `(out)`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dense {
    inputs: usize,
    outputs: usize,
    w: Vec<f32>,
    b: Vec<f32>,
    tanh: bool,
}

impl Dense {
    /// `out = activation(x w + b)` `(U, out)`.
    fn forward(&self, x: &[f32], rows: usize) -> Vec<f32> {
        let mut y = self.biases(rows);
        let (x, w) = (
            Factor::new(x, rows, self.inputs),
            Factor::new(&self.w, self.inputs, self.outputs),
        );
        product(&mut y, x, w, true);
        self.activate(&mut y);
        y
    }

    /// The same, in blocks of one shape: the outputs of a row do not depend on the other rows of
    /// the batch, so a score and its ledger agree bit for bit.
    fn forward_alone(&self, x: &[f32], rows: usize) -> Vec<f32> {
        let mut out = vec![0f32; rows * self.outputs];
        out.par_chunks_mut((BLOCK * self.outputs).max(1))
            .zip(x.par_chunks((BLOCK * self.inputs).max(1)))
            .for_each(|(out, x)| {
                let mut padded = x.to_vec();
                padded.resize(BLOCK * self.inputs, 0.0);
                let y = self.forward(&padded, BLOCK);
                out.copy_from_slice(&y[..out.len()]);
            });
        out
    }

    fn first(&self, batch: &Batch) -> Vec<f32> {
        let mut y = self.biases(batch.len());
        batch.times(&self.w, self.outputs, &mut y);
        self.activate(&mut y);
        y
    }

    /// Turns a gradient with respect to the outputs `y` into one before the activation.
    fn through_activation(&self, y: &[f32], gradient: &mut [f32]) {
        if self.tanh {
            let pairs = gradient.iter_mut().zip(y);
            pairs.for_each(|(d, y)| *d *= 1.0 - y * y);
        }
    }

    /// Turns a gradient before the activation into one with respect to the inputs.
    fn to_inputs(&self, gradient: &[f32]) -> Vec<f32> {
        let row = |i: usize| &self.w[i * self.outputs..];
        (0..self.inputs)
            .map(|i| gradient.iter().zip(row(i)).map(|(d, w)| d * w).sum())
            .collect()
    }

    fn biases(&self, rows: usize) -> Vec<f32> {
        let mut y = Vec::with_capacity(rows * self.outputs);
        for _ in 0..rows {
            y.extend_from_slice(&self.b);
        }
        y
    }

    fn activate(&self, y: &mut [f32]) {
        if self.tanh {
            y.iter_mut().for_each(|v| *v = tanh(*v));
        }
    }
}

/// tanh by the vectorized exponential.
fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp(2.0 * x))
}

/// A fitted network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Network {
    layers: Vec<Dense>,
    /// The layer whose outputs are the code; the variational form uses the first half.
    code_at: usize,
    code: usize,
    /// Whether rows are divided by their norm.
    normalize: bool,
}

impl Network {
    fn widths(shape: &Shape, n_items: usize) -> Vec<(usize, usize, bool)> {
        let mut widths = Vec::new();
        let mut inputs = n_items;
        for &h in &shape.hidden {
            widths.push((inputs, h, shape.tanh));
            inputs = h;
        }
        let out = if shape.variational {
            2 * shape.code
        } else {
            shape.code
        };
        widths.push((inputs, out, shape.tanh && !shape.variational));
        inputs = shape.code;
        for &h in shape.hidden.iter().rev() {
            widths.push((inputs, h, shape.tanh));
            inputs = h;
        }
        widths.push((inputs, n_items, false));
        widths
    }

    /// The scale of a row of n items.
    fn share(&self, n: usize) -> f32 {
        match self.normalize {
            true => 1.0 / (n.max(1) as f32).sqrt(),
            false => 1.0,
        }
    }

    pub(crate) fn n_items(&self) -> usize {
        self.layers.last().map_or(0, |l| l.outputs)
    }

    /// Codes `(U, D)`.
    pub(crate) fn encode(&self, users: &Histories) -> Mat {
        let rows: Vec<Vec<u32>> = users.rows().map(|r| r.distinct_items()).collect();
        let batch = Batch::new(rows.iter().map(Vec::as_slice), self.n_items());
        let scales = rows.iter().map(|row| self.share(row.len())).collect();
        let batch = batch.scaled(scales);
        let Some((first, rest)) = self.layers[..=self.code_at].split_first() else {
            return Mat::zeros((users.len(), 0));
        };
        let mut x = first.first(&batch);
        for layer in rest {
            x = layer.forward_alone(&x, users.len());
        }
        let wide = self.layers[self.code_at].outputs;
        let z = matrix(users.len(), wide, x);
        z.slice_move(ndarray::s![.., ..self.code])
    }

    /// Scores `(U, I)` of codes `(U, D)`.
    pub(crate) fn decode(&self, z: &Mat) -> Mat {
        let mut x = z.iter().copied().collect::<Vec<f32>>();
        for layer in &self.layers[self.code_at + 1..] {
            x = layer.forward_alone(&x, z.nrows());
        }
        matrix(z.nrows(), self.n_items(), x)
    }

    pub(crate) fn score(&self, users: &Histories) -> Mat {
        self.decode(&self.encode(users))
    }

    /// The outputs of all layers for one row, given the sum of the first layer before its
    /// activation; codes are cut to their first half.
    fn path(&self, first: &[f32]) -> Vec<Vec<f32>> {
        let mut outputs: Vec<Vec<f32>> = Vec::with_capacity(self.layers.len());
        for (at, layer) in self.layers.iter().enumerate() {
            let mut y = match outputs.last() {
                None => {
                    let mut y = first.to_vec();
                    layer.activate(&mut y);
                    y
                }
                Some(x) => layer.forward(x, 1),
            };
            if at == self.code_at {
                y.truncate(self.code);
            }
            outputs.push(y);
        }
        outputs
    }

    /// The gradient of an item's score with respect to the output of the layer before the last.
    fn last_gradient(&self, item: ItemIdx) -> Vec<f32> {
        let Some(last) = self.layers.last() else {
            return Vec::new();
        };
        let column = (0..last.inputs).map(|k| last.w.get(k * last.outputs + item.at()));
        column.map(|w| w.copied().unwrap_or(0.0)).collect()
    }

    /// The gradient of an item's score with respect to a code `(D)`, at `z`.
    pub(crate) fn decode_gradient(&self, z: &[f32], item: ItemIdx) -> Vec<f32> {
        let decoder = &self.layers[self.code_at + 1..];
        let mut outputs: Vec<Vec<f32>> = vec![z.to_vec()];
        for layer in decoder {
            let x = &outputs[outputs.len() - 1];
            outputs.push(layer.forward(x, 1));
        }
        let mut d = self.last_gradient(item);
        let inner = decoder.iter().zip(&outputs[1..]);
        for (layer, y) in inner.rev().skip(1) {
            layer.through_activation(y, &mut d);
            d = layer.to_inputs(&d);
        }
        d
    }

    /// Item vectors `(I, D)` of a decoder of one layer.
    pub(crate) fn item_vectors(&self) -> Option<Mat> {
        match &self.layers[self.code_at + 1..] {
            [one] => {
                let by_code = Mat::from_shape_vec((one.inputs, one.outputs), one.w.clone()).ok()?;
                Some(by_code.reversed_axes().as_standard_layout().into_owned())
            }
            _ => None,
        }
    }

    /// The ledger of one item: the contribution of every event along the path from the empty history.
    pub(crate) fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let items = user.distinct_items();
        let Some(first) = self.layers.first() else {
            return Ledger::default();
        };
        let scale = self.share(items.len());
        let width = first.outputs;
        let row = |i: u32| &first.w[i as usize * width..(i as usize + 1) * width];
        let mut sum = vec![0f32; width];
        for &i in &items {
            sum.iter_mut().zip(row(i)).for_each(|(s, w)| *s += w);
        }
        let full: Vec<f32> = first
            .b
            .iter()
            .zip(&sum)
            .map(|(b, s)| b + scale * s)
            .collect();
        let steps = if self.layers.iter().any(|l| l.tanh) {
            STEPS
        } else {
            1
        };
        // Events are additive before the first activation, so the path is taken there.
        let slope = mean_gradient(&first.b, &full, steps, |sum| {
            let outputs = self.path(sum);
            let mut d = self.last_gradient(item);
            for (k, layer) in self.layers.iter().enumerate().rev().skip(1) {
                layer.through_activation(&outputs[k], &mut d);
                if k > 0 {
                    d = layer.to_inputs(&d);
                }
            }
            d
        });
        let of_item = |y: &Vec<f32>| y.get(item.at()).copied().unwrap_or(0.0);
        let base = self.path(&first.b).last().map_or(0.0, of_item);
        let alone = self.score(&Histories::single(user, self.n_items()));
        let events = user.by_item();
        let parts = items.iter().map(|&i| {
            let effect: f64 = row(i)
                .iter()
                .zip(&slope)
                .map(|(&w, s)| f64::from(w) * s)
                .sum();
            let item = ItemIdx(i);
            Part::new(
                Unit::event(item),
                scale,
                effect as f32,
                events.of(item).collect(),
            )
        });
        let score = alone.get((0, item.at())).copied().unwrap_or(base);
        Ledger::of_parts(base, parts.collect()).scored(score)
    }

    pub(crate) fn save(&self, out: &mut Tensors) -> Result<()> {
        for (at, l) in self.layers.iter().enumerate() {
            out.put_f32(
                &format!("layer{at}.weights"),
                &[l.inputs, l.outputs],
                l.w.clone(),
            );
            out.put_f32(&format!("layer{at}.biases"), &[l.outputs], l.b.clone());
        }
        let tanh: Vec<bool> = self.layers.iter().map(|l| l.tanh).collect();
        out.put_meta("tanh", &tanh)?;
        out.put_meta("code_at", &self.code_at)?;
        out.put_meta("normalize", &self.normalize)?;
        out.put_meta("code", &self.code)
    }

    pub(crate) fn load(from: &Tensors) -> Result<Self> {
        let tanh: Vec<bool> = from.meta("tanh")?;
        let (code_at, code): (usize, usize) = (from.meta("code_at")?, from.meta("code")?);
        let mut layers: Vec<Dense> = Vec::new();
        for (at, tanh) in tanh.into_iter().enumerate() {
            let (shape, w) = from.f32(&format!("layer{at}.weights"))?;
            let (_, b) = from.f32(&format!("layer{at}.biases"))?;
            let (inputs, outputs) = match *shape {
                [inputs, outputs] if b.len() == outputs => (inputs, outputs),
                _ => {
                    return Err(Error::shape(
                        format!("layer {at}"),
                        "in × out",
                        format!("{shape:?}"),
                    ));
                }
            };
            let before = match at {
                0 => inputs,
                _ if at == code_at + 1 => code,
                _ => layers[at - 1].outputs,
            };
            if before != inputs {
                return Err(Error::shape(
                    format!("inputs of layer {at}"),
                    before,
                    inputs,
                ));
            }
            layers.push(Dense {
                inputs,
                outputs,
                w: w.to_vec(),
                b: b.to_vec(),
                tanh,
            });
        }
        let fits = layers.get(code_at).is_some_and(|l| l.outputs >= code)
            && layers.len() > code_at + 1
            && layers.first().map(|l| l.inputs) == layers.last().map(|l| l.outputs);
        if !fits {
            return Err(Error::shape("code_at", "a layer before the last", code_at));
        }
        Ok(Self {
            layers,
            code_at,
            code,
            // Versions without this setting normalized.
            normalize: from.meta("normalize").unwrap_or(true),
        })
    }
}

/// A matrix of a layer's outputs.
fn matrix(rows: usize, columns: usize, values: Vec<f32>) -> Mat {
    Mat::from_shape_vec((rows, columns), values)
        .unwrap_or_else(|_| unreachable!("a layer has one row of outputs per row of inputs"))
}

/// A network in training.
pub(crate) struct Trainer {
    rows: Vec<Vec<u32>>,
    shape: Shape,
    learning: Learning,
    weights: Vec<(Parameter, Parameter)>,
    network: Network,
    steps: u64,
}

/// Names of parameters in checkpoints; no network has more layers.
const NAMES: [(&str, &str); 8] = [
    ("w0", "b0"),
    ("w1", "b1"),
    ("w2", "b2"),
    ("w3", "b3"),
    ("w4", "b4"),
    ("w5", "b5"),
    ("w6", "b6"),
    ("w7", "b7"),
];

impl Trainer {
    pub(crate) fn new(data: &Histories, shape: Shape, learning: Learning, seed: u64) -> Self {
        let mut rng = Rng::new(seed, 0);
        let widths = Network::widths(&shape, data.n_items());
        let layers: Vec<Dense> = widths
            .iter()
            .map(|&(inputs, outputs, tanh)| {
                let (w, b) = if learning.torch_init {
                    let bound = 1.0 / (inputs.max(1) as f32).sqrt();
                    (bound, bound)
                } else {
                    ((6.0 / (inputs + outputs).max(1) as f32).sqrt(), 0.001)
                };
                Dense {
                    inputs,
                    outputs,
                    w: rng.uniforms(inputs * outputs, -w, w),
                    b: rng.uniforms(outputs, -b, b),
                    tanh,
                }
            })
            .collect();
        let weights = layers
            .iter()
            .zip(NAMES)
            .map(|(l, (w, b))| {
                (
                    Parameter::new(w, l.w.clone()),
                    Parameter::new(b, l.b.clone()),
                )
            })
            .collect();
        Self {
            rows: data.rows().map(|row| row.distinct_items()).collect(),
            network: Network {
                code_at: shape.hidden.len(),
                code: shape.code,
                normalize: learning.normalize,
                layers,
            },
            shape,
            learning,
            weights,
            steps: 0,
        }
    }

    /// The network with the current weights.
    pub(crate) fn finish(mut self) -> Network {
        for (layer, (w, b)) in self.network.layers.iter_mut().zip(self.weights) {
            layer.w = w.value;
            layer.b = b.value;
        }
        self.network
    }

    /// The inputs of a step: dropout of items, with the remaining ones scaled up.
    fn inputs(&self, examples: &[u32], rng: &mut Rng) -> Batch {
        let keep = 1.0 - self.learning.dropout;
        let mut scales = Vec::with_capacity(examples.len());
        let rows: Vec<Vec<u32>> = examples
            .iter()
            .map(|&u| {
                let row = &self.rows[u as usize];
                scales.push(self.network.share(row.len()) / keep);
                match keep < 1.0 {
                    true => row.iter().copied().filter(|_| rng.unit() < keep).collect(),
                    false => row.clone(),
                }
            })
            .collect();
        Batch::new(rows.iter().map(Vec::as_slice), self.network.n_items()).scaled(scales)
    }
}

impl Learner for Trainer {
    fn parameters(&mut self) -> Vec<&mut Parameter> {
        self.weights.iter_mut().flat_map(|(w, b)| [w, b]).collect()
    }

    fn begin(&mut self, epoch: usize, _: &mut Rng) -> usize {
        // Recomputed from the parameters, so that resumed and uninterrupted training anneal alike.
        self.steps = self.weights.first().map_or(0, |(w, _)| w.state().1);
        if epoch > 1 {
            for (layer, (w, b)) in self.network.layers.iter_mut().zip(&self.weights) {
                layer.w.copy_from_slice(&w.value);
                layer.b.copy_from_slice(&b.value);
            }
        }
        self.rows.len()
    }

    fn step(&mut self, examples: &[u32], rate: f32, rng: &mut Rng) -> f64 {
        let (u, n_items) = (examples.len(), self.network.n_items());
        let batch = self.inputs(examples, rng);
        let targets = examples.iter().map(|&e| self.rows[e as usize].as_slice());
        let targets = Batch::new(targets, n_items);
        let (code, code_at) = (self.shape.code, self.network.code_at);
        let layers = &self.network.layers;
        // Outputs of all layers; the decoder reads the sampled code.
        let mut outputs: Vec<Vec<f32>> = vec![layers[0].first(&batch)];
        let mut sample: Vec<f32> = Vec::new();
        let mut noise: Vec<f32> = Vec::new();
        for (at, layer) in layers.iter().enumerate() {
            if at > 0 {
                let x = if at == code_at + 1 && self.shape.variational {
                    &sample
                } else {
                    &outputs[at - 1]
                };
                let y = layer.forward(x, u);
                outputs.push(y);
            }
            if at == code_at && self.shape.variational {
                for row in outputs[at].chunks_exact((2 * code).max(1)) {
                    for k in 0..code {
                        let e = self.learning.noise * rng.normal() * exp(0.5 * row[code + k]);
                        noise.push(e);
                        sample.push(row[k] + e);
                    }
                }
            }
        }
        let scale = 1.0 / u.max(1) as f32;
        // The likelihood is a sum over items or a mean, and so is the KL divergence over dimensions.
        let (per_item, per_dimension) = match self.learning.means {
            true => (1.0 / n_items.max(1) as f32, 1.0 / code.max(1) as f32),
            false => (1.0, 1.0),
        };
        let mut d = outputs.pop().unwrap_or_default();
        let losses = loss_and_gradient(&mut d, &targets, scale * per_item);
        let mut loss = f64::from(per_item) * losses.iter().sum::<f64>();
        let (cap, until) = self.learning.anneal;
        let beta = per_dimension * cap.min(self.steps as f32 / until);
        self.steps += 1;
        for at in (0..self.weights.len()).rev() {
            let layer = &self.network.layers[at];
            if at == code_at && self.shape.variational {
                let mut wide = vec![0f32; u * 2 * code];
                for row in 0..u {
                    for k in 0..code {
                        let (mu, log) = (
                            outputs[at][row * 2 * code + k],
                            outputs[at][row * 2 * code + code + k],
                        );
                        let dz = d[row * code + k];
                        let variance = exp(log);
                        wide[row * 2 * code + k] = dz + beta * scale * mu;
                        wide[row * 2 * code + code + k] =
                            0.5 * (dz * noise[row * code + k] + beta * scale * (variance - 1.0));
                        loss += 0.5 * f64::from(beta) * f64::from(variance - log + mu * mu - 1.0);
                    }
                }
                d = wide;
            } else if layer.tanh && at + 1 < self.weights.len() {
                d.iter_mut()
                    .zip(&outputs[at])
                    .for_each(|(d, y)| *d *= 1.0 - y * y);
            }
            let (w, b) = &mut self.weights[at];
            b.gradient.fill(0.0);
            for row in d.chunks_exact(layer.outputs.max(1)) {
                b.gradient.iter_mut().zip(row).for_each(|(g, d)| *g += d);
            }
            let errors = Factor::new(&d, u, layer.outputs);
            if at == 0 {
                batch.transpose_times(&d, layer.outputs, &mut w.gradient);
            } else {
                let x = if at == code_at + 1 && self.shape.variational {
                    &sample
                } else {
                    &outputs[at - 1]
                };
                product(
                    &mut w.gradient,
                    Factor::new(x, u, layer.inputs).t(),
                    errors,
                    false,
                );
                let mut before = vec![0f32; u * layer.inputs];
                let weights = Factor::new(&layer.w, layer.inputs, layer.outputs);
                product(&mut before, errors, weights.t(), false);
                d = before;
            }
        }
        let adam = Adam {
            decay: self.learning.decay,
            beta2: self.learning.beta2,
            ..Adam::new(rate)
        };
        for (layer, (w, b)) in self.network.layers.iter_mut().zip(&mut self.weights) {
            w.step(&adam);
            b.step(&adam);
            layer.w.copy_from_slice(&w.value);
            layer.b.copy_from_slice(&b.value);
        }
        loss
    }

    fn measure(&self, monitor: &Monitor<'_>) -> Result<Option<f64>> {
        Ok(Some(monitor(&InTraining(&self.network))))
    }
}

/// Fits a network; `settings` identifies the fit in checkpoints.
///
/// # Errors
/// As [`train`], and where the device cannot be opened.
pub(crate) fn fit(
    data: &Histories,
    (shape, learning): (Shape, Learning),
    training: &TrainingLoop,
    settings: &str,
    run: &mut Run<'_>,
) -> Result<Network> {
    let mut trainer = Trainer::new(data, shape, learning, run.seed);
    let data = hash::rows(trainer.rows.iter().map(|r| r.iter().copied()));
    let fingerprint = format!("{settings} on {data:016x}");
    train(&mut trainer, &training.schedule(), &fingerprint, run)?;
    Ok(trainer.finish())
}

struct InTraining<'a>(&'a Network);

impl Recommender for InTraining<'_> {
    fn score(&self, users: &Histories) -> Mat {
        self.0.score(users)
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        self.0.explain(user, item)
    }
}

/// Implements the traits of a model whose field `network` is a [`Network`].
macro_rules! scores_by_network {
    ($model:ty, $kind:literal) => {
        impl limpid_core::Recommender for $model {
            fn score(&self, users: &limpid_core::Histories) -> limpid_core::Mat {
                self.network.score(users)
            }

            fn explain(
                &self,
                user: limpid_core::History<'_>,
                item: limpid_core::ItemIdx,
            ) -> limpid_core::Ledger {
                self.network.explain(user, item)
            }

            fn scale(&self) -> limpid_core::Scale {
                limpid_core::Scale::Logits
            }

            fn latent(&self) -> Option<&dyn limpid_core::Latent> {
                Some(self)
            }
        }

        impl limpid_core::Latent for $model {
            fn encode(&self, users: &limpid_core::Histories) -> limpid_core::Mat {
                self.network.encode(users)
            }

            fn decode(&self, z: &limpid_core::Mat) -> limpid_core::Mat {
                self.network.decode(z)
            }

            fn decode_gradient(&self, z: &[f32], item: limpid_core::ItemIdx) -> Vec<f32> {
                self.network.decode_gradient(z, item)
            }

            fn item_vectors(&self) -> Option<limpid_core::Mat> {
                self.network.item_vectors()
            }
        }

        impl limpid_core::Artifact for $model {
            const KIND: &'static str = $kind;

            fn save(&self, out: &mut limpid_core::Tensors) -> limpid_core::Result<()> {
                self.network.save(out)
            }

            fn load(from: &limpid_core::Tensors) -> limpid_core::Result<Self> {
                Ok(Self {
                    network: crate::latent::network::Network::load(from)?,
                })
            }
        }
    };
}

pub(crate) use scores_by_network;

#[cfg(test)]
mod tests {
    use super::*;

    fn trainer(shape: Shape) -> Trainer {
        let data = Histories::from_rows(&[vec![0, 1], vec![2, 3, 4], vec![1, 4]], 5).unwrap();
        let learning = Learning {
            dropout: 0.0,
            decay: 0.0,
            anneal: (0.2, 1.0),
            noise: 0.0,
            torch_init: true,
            normalize: true,
            means: false,
            beta2: 0.999,
        };
        Trainer::new(&data, shape, learning, 3)
    }

    /// The gradient of every kind of network against central differences of its loss.
    #[test]
    fn gradients_equal_central_differences() {
        for (hidden, tanh, variational) in [
            (vec![], false, false),
            (vec![4], true, false),
            (vec![4], true, true),
        ] {
            let shape = Shape {
                hidden,
                code: 3,
                tanh,
                variational,
            };
            let examples = [0u32, 1, 2];
            let loss_at = |layer: usize, at: usize, h: f32| {
                let mut t = trainer(shape.clone());
                t.steps = 1;
                t.network.layers[layer].w[at] += h;
                t.weights[layer].0.value[at] += h;
                let loss = t.step(&examples, 0.0, &mut Rng::new(1, 1));
                (loss / 3.0, t.weights[layer].0.gradient[at])
            };
            for layer in 0..trainer(shape.clone()).weights.len() {
                for at in [0, 1, 5] {
                    let h = 2e-2;
                    let slope =
                        (loss_at(layer, at, h).0 - loss_at(layer, at, -h).0) / (2.0 * f64::from(h));
                    let gradient = f64::from(loss_at(layer, at, 0.0).1);
                    assert!(
                        (slope - gradient).abs() < 2e-3 * (1.0 + slope.abs()),
                        "{layer} {at}: {slope} {gradient}"
                    );
                }
            }
        }
    }

    #[test]
    fn explanations_are_exact_for_linear_networks_and_close_for_others() {
        for tanh in [false, true] {
            let t = trainer(Shape {
                hidden: vec![4],
                code: 3,
                tanh,
                variational: true,
            });
            let network = t.finish();
            let users = Histories::from_rows(&[vec![0, 3, 4]], 5).unwrap();
            let scores = network.score(&users);
            for item in 0..5 {
                let ledger = network.explain(users.row(0), ItemIdx(item));
                assert!((ledger.score - scores[[0, item as usize]]).abs() < 1e-5);
                assert!(ledger.adds_up(1e-5));
                let allowed = if tanh { 1e-3 } else { 1e-6 };
                assert!(ledger.residual.abs() < allowed, "{ledger:?}");
            }
        }
    }
}
