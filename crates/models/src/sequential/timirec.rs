//! TiMiRec: Wang, Ma, Zhang, Chen, Liu and Ma, Target-Interest Distillation for Multi-Interest Recommendation,
//! CIKM 2022, <https://doi.org/10.1145/3511808.3557464>, in the form of ReChorus.
//!
//! ```text
//! h     = block(items[i_j] + places[n − j])                       self-attention over the last n events
//! I_k   = Σ_j a_jk h_j,   a_·k = softmax_j (W₂ tanh(W₁ h_j + b₁))_k         K interests
//! stage 1:  v = the I_k with the largest I_k · items[target]
//! stage 2:  p = W_p GRU(others[i_1], …, others[i_n]) + b_p,   v = Σ_k softmax(p)_k I_k
//!           loss += T² KL(softmax(t / T) ‖ softmax(p / T)),   t_k = cos(I_k, items[target]), without gradient
//! score(item) = v · items[item]
//! ```
//!
//! The first stage trains the interests alone and is validated by the largest score over the interests; the second
//! trains everything, with a table of items of its own for the predictor p. As in SASRec, the loss is by default the
//! cross-entropy over all items at every prefix; `loss=bpr` is the published one with its learning rate. The bias of W₂
//! is left out: it cancels in the softmax.
//!
//! An explanation is a path integral over the inputs of both networks, from zeros to their values. With zeros all
//! interests are the same vector for every length, so the base is the same for all users; it is the score of an
//! empty history.

use std::sync::Arc;

use limpid_core::traits::Monitor;
use limpid_core::{
    Artifact, Error, Fit, Histories, History, ItemIdx, Latent, Ledger, Mat, Recommender, Result,
    Run, Scale, Tensors, Training,
};
use limpid_tensor::optim::adam::Adam;
use limpid_tensor::tape::{Network, Spans, Tape, TapeLearner, Var};
use limpid_tensor::{Parameter, Rng, train};
use rayon::prelude::*;

use super::block::{self, Batch};
use super::path;
use crate::hyper::{self, hyper};
use crate::latent::{score_of, vectors};
use crate::negatives::Negatives;
use crate::registry::{Entry, Reads};
use crate::sequential::sasrec::Loss;
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "timirec",
    aliases: &[],
    about: "several interests of a user by self-attention, mixed by a predictor of the next one",
    paper: "Wang et al., Target-Interest Distillation for Multi-Interest Recommendation, CIKM 2022",
    reads: Reads::ORDER,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters; the defaults are those of ReChorus, except the loss, its learning rate and the epochs.
    pub struct Config {
        /// Training loss: softmax over all items, or bpr with one sampled negative (as published).
        loss: Loss = Loss::Softmax;
        /// Size of item embeddings and of all hidden layers.
        embedding_size: usize = 64, in whole(1, 2048), tune [32, 64, 128];
        /// Number of interests (K).
        interests: usize = 6, in whole(1, 64);
        /// Width of the attention from which interests are made.
        attention_size: usize = 8, in whole(1, 2048);
        /// Temperature of the distillation of target interests (T).
        temperature: f32 = 1.0, in above(0.0);
        /// Maximum sequence length: the last events of a history that are read.
        max_length: usize = 20, in whole(1, 10_000);
        /// L2 regularization (weight decay in the gradient).
        reg: f32 = 1e-6, in at_least(0.0);
        include training: TrainingLoop = { epochs: 60, batch_size: 256, learning_rate: 1e-3 };
    }
    preset loss = "bpr" {
        epochs = 200,
        learning_rate = 1e-4,
    }
}

/// Arrays of the first stage.
const EXTRACTOR: usize = 2 + block::ARRAYS.len() + 3;

/// The dimensions of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Form {
    n_items: usize,
    d: usize,
    interests: usize,
    attention: usize,
    length: usize,
}

impl Form {
    /// Names and shapes of all weights, those of the first stage first.
    fn arrays(&self) -> Vec<(String, Vec<usize>)> {
        let (n, d, k, a) = (self.n_items, self.d, self.interests, self.attention);
        let named = |name: &str, shape: &[usize]| (name.to_owned(), shape.to_vec());
        let mut all = vec![named("items", &[n, d]), named("places", &[self.length, d])];
        all.extend(block::arrays("block", d));
        all.extend([
            named("interests.w1", &[d, a]),
            named("interests.b1", &[a]),
            named("interests.w2", &[a, k]),
            named("predictor.items", &[n, d]),
            named("predictor.wx", &[d, 3 * d]),
            named("predictor.bx", &[3 * d]),
            named("predictor.wh", &[d, 3 * d]),
            named("predictor.bh", &[3 * d]),
            named("predictor.wp", &[d, k]),
            named("predictor.bp", &[k]),
        ]);
        all
    }

    fn start(&self, seed: u64) -> Vec<Parameter> {
        let mut rng = Rng::new(seed, 0);
        let arrays = self.arrays().into_iter().map(|(name, shape)| {
            let n: usize = shape.iter().product();
            let value = match &*name {
                // The default of PyTorch for recurrent units.
                "predictor.wx" | "predictor.bx" | "predictor.wh" | "predictor.bh" => {
                    let bound = 1.0 / (self.d as f32).sqrt();
                    rng.uniforms(n, -bound, bound)
                }
                _ => block::start(&name, n, &mut rng),
            };
            Parameter::shaped(name, shape, value)
        });
        arrays.collect()
    }

    fn window<'h>(&self, items: &'h [ItemIdx]) -> &'h [ItemIdx] {
        block::window(items, self.length)
    }

    /// Interests `(sequences · K, d)` of inputs `(events, d)`.
    fn interests<'t>(&self, w: &[Var<'t>], x: Var<'t>, lengths: &[usize]) -> Var<'t> {
        let of_block = &w[2..2 + block::ARRAYS.len()];
        let h = block::block(of_block, (x, x), Spans::full(lengths), 1, |x| x);
        let [w1, b1, w2] = [w[EXTRACTOR - 3], w[EXTRACTOR - 2], w[EXTRACTOR - 1]];
        h.pool(h.linear(w1, b1).tanh().matmul(w2), lengths)
    }

    /// Logits of the next interest `(sequences, K)` for inputs `(events, d)` of the predictor.
    fn predict<'t>(&self, tape: &'t Tape, w: &[Var<'t>], x: Var<'t>, lengths: &[usize]) -> Var<'t> {
        let &[_, wx, bx, wh, bh, wp, bp] = &w[EXTRACTOR..] else {
            unreachable!("the predictor has 7 arrays")
        };
        last_state(tape, x.linear(wx, bx), (wh, bh), lengths).linear(wp, bp)
    }

    /// `v = Σ softmax(p)_k I_k` `(sequences, d)`.
    fn mix<'t>(&self, interests: Var<'t>, p: Var<'t>, sequences: usize) -> Var<'t> {
        let (k, d) = (self.interests, self.d);
        p.softmax()
            .reshape(&[sequences, 1, k])
            .batched_matmul(interests.reshape(&[sequences, k, d]))
            .reshape(&[sequences, d])
    }
}

/// The last states `(sequences, w)` of a gated recurrent unit, for the linear maps of its inputs `(events, 3 w)`.
///
/// Sequences are sorted by descending length, so that those that go on are always the first rows.
fn last_state<'t>(
    tape: &'t Tape,
    of_inputs: Var<'t>,
    (wh, bh): (Var<'t>, Var<'t>),
    lengths: &[usize],
) -> Var<'t> {
    let width = of_inputs.shape().width() / 3;
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&s| std::cmp::Reverse(lengths[s]));
    let mut first = vec![0u32; lengths.len()];
    let mut next = 0;
    for (first, &n) in first.iter_mut().zip(lengths) {
        *first = next;
        next += n as u32;
    }
    let mut h = tape.constant(vec![0.0; lengths.len() * width], &[lengths.len(), width]);
    let mut rows = lengths.len();
    let mut ended: Option<Var<'t>> = None;
    let mut end = |h: Var<'t>| {
        ended = Some(ended.map_or(h, |ended| h.stack(ended)));
        ended
    };
    for step in 0..lengths.iter().copied().max().unwrap_or(0) {
        let going = order.partition_point(|&s| lengths[s] > step);
        if going < rows {
            end(h.rows(going..rows));
            h = h.rows(0..going);
            rows = going;
        }
        let at: Vec<u32> = order[..going]
            .iter()
            .map(|&s| first[s] + step as u32)
            .collect();
        h = h.gru(of_inputs.gather(at), h.linear(wh, bh));
    }
    let sorted = end(h).unwrap_or(h);
    let mut back = vec![0u32; order.len()];
    for (at, &s) in order.iter().enumerate() {
        back[s] = at as u32;
    }
    sorted.gather(back)
}

/// A network in training: predicts each event of a training history from those before it.
struct NextItem<'a> {
    config: &'a Config,
    form: Form,
    /// 1 or 2.
    stage: usize,
    rows: &'a Histories,
    negatives: &'a Negatives,
    /// Row and position of each event that has a predecessor.
    events: Vec<(u32, u32)>,
}

impl Network for NextItem<'_> {
    fn begin(&mut self, _: usize, _: &mut Rng) -> usize {
        self.events.len()
    }

    fn loss<'t>(&self, tape: &'t Tape, w: &[Var<'t>], examples: &[u32], rng: &mut Rng) -> Var<'t> {
        let (d, k) = (self.form.d, self.form.interests);
        let (loss, events) = (self.config.loss, examples.iter());
        let events = events.map(|&e| self.events[e as usize]);
        let negative = |row| self.negatives.sample(row, rng);
        let batch = Batch::new(self.rows, events, self.form.length, loss, negative);
        let (sequences, lengths) = (&batch.sequences, &batch.lengths);
        let x = block::inputs(w[0], w[1], sequences);
        let interests = self.form.interests(w, x, lengths);
        let (values, items) = (interests.value(), w[0].value());
        let of_target = |s: usize| {
            let target = &items[batch.targets[s] as usize * d..][..d];
            let of_sequence = values[s * k * d..][..k * d].chunks_exact(d);
            (target, of_sequence)
        };
        let (v, extra) = if self.stage == 1 {
            let best = |s: usize| {
                let (target, interests) = of_target(s);
                let scores = interests.map(|i| score_of(i, target)).enumerate();
                let best = scores.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
                (s * k + best.map_or(0, |b| b.0)) as u32
            };
            let chosen: Vec<u32> = (0..sequences.len()).map(best).collect();
            (interests.gather(chosen), None)
        } else {
            let t = f64::from(self.config.temperature);
            let cosines = (0..sequences.len()).flat_map(|s| {
                let (target, interests) = of_target(s);
                let size = score_of(target, target).sqrt();
                let of = move |i: &[f32]| {
                    let product = size * score_of(i, i).sqrt();
                    score_of(i, target) / product.max(1e-8) / t as f32
                };
                interests.map(of).collect::<Vec<_>>()
            });
            let shape = [sequences.len(), k];
            let t_soft = tape.constant(cosines.collect::<Vec<_>>(), &shape).softmax();
            let others = w[EXTRACTOR].gather(block::items(sequences));
            let p = self.form.predict(tape, w, others, lengths);
            // KL(t ‖ p) = Σ t (ln t − ln p), mean over the batch.
            let log_p = p.scale(1.0 / t).log_softmax();
            let divergence = (t_soft * (t_soft.log() - log_p)).sum();
            let scale = t * t / sequences.len().max(1) as f64;
            let v = self.form.mix(interests, p, sequences.len());
            (v, Some(divergence.scale(scale)))
        };
        let loss = batch.loss(v, w[0], loss);
        extra.map_or(loss, |extra| loss + extra)
    }

    fn measure(&self, weights: &[Parameter], monitor: &Monitor<'_>) -> Result<Option<f64>> {
        let model = Model {
            form: self.form,
            scale: self.config.loss.scale(),
            weights: weights.iter().map(|p| Arc::new(p.value.clone())).collect(),
        };
        Ok(Some(match self.stage {
            1 => monitor(&Largest(model)),
            _ => monitor(&model),
        }))
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let rows = data.histories;
        let form = Form {
            n_items: rows.n_items(),
            d: self.embedding_size,
            interests: self.interests,
            attention: self.attention_size,
            length: self.max_length,
        };
        let negatives = Negatives::new(rows);
        let (hash, schedule) = (block::hash(rows), self.training.schedule());
        let adam = Adam {
            decay: self.reg,
            ..Adam::new(self.training.learning_rate)
        };
        let mut weights = form.start(run.seed);
        for stage in [1, 2] {
            let mut others = match stage {
                1 => weights.split_off(EXTRACTOR),
                _ => Vec::new(),
            };
            let network = NextItem {
                config: self,
                form,
                stage,
                rows,
                negatives: &negatives,
                events: block::next_events(rows),
            };
            let mut learner = TapeLearner::new(network, weights, adam);
            if self.loss == Loss::Bpr {
                // As published: few rows have gradients, but all rows are updated.
                learner = learner.updating_all_rows();
            }
            let fingerprint = format!("timirec {stage} {self:?} on {hash:016x}");
            // The first stage is short, and is repeated by a fit that is resumed.
            match stage {
                1 => train(&mut learner, &schedule, &fingerprint, &mut run.within())?,
                _ => train(&mut learner, &schedule, &fingerprint, run)?,
            };
            // The second stage starts with moments of its own.
            let trained = learner.into_weights().into_iter();
            weights = trained
                .map(|p| Parameter::shaped(p.name, p.shape, p.value))
                .collect();
            weights.append(&mut others);
        }
        Ok(Model {
            form,
            scale: self.loss.scale(),
            weights: weights.into_iter().map(|p| Arc::new(p.value)).collect(),
        })
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    form: Form,
    scale: Scale,
    /// In the order of [`Form::arrays`]; in the first stage only those of the extractor.
    weights: Vec<Arc<Vec<f32>>>,
}

impl Model {
    fn constants<'t>(&self, tape: &'t Tape) -> Vec<Var<'t>> {
        let arrays = self.form.arrays().into_iter().zip(&self.weights);
        arrays
            .map(|((_, shape), values)| tape.constant(values.clone(), &shape))
            .collect()
    }

    /// The representation `(1, d)` of inputs `(events, 2 d)` of one sequence: those of the interests, then those of
    /// the predictor.
    fn represent<'t>(&self, tape: &'t Tape, w: &[Var<'t>], x: Var<'t>) -> Var<'t> {
        let (d, lengths) = (self.form.d, [x.shape().rows()]);
        let interests = self.form.interests(w, x.columns(0..d), &lengths);
        let p = self.form.predict(tape, w, x.columns(d..2 * d), &lengths);
        self.form.mix(interests, p, 1)
    }

    /// Inputs `(events, 2 d)` of a sequence.
    fn inputs<'t>(&self, w: &[Var<'t>], window: &[ItemIdx]) -> Var<'t> {
        let others = w[EXTRACTOR].gather(block::items(&[window]));
        block::inputs(w[0], w[1], &[window]).concat(others)
    }

    /// The representation of an empty history: that of any number of zero inputs.
    fn empty(&self, tape: &Tape) -> Vec<f32> {
        let d = self.form.d;
        let x = tape.constant(vec![0.0; 2 * d], &[1, 2 * d]);
        self.represent(tape, &self.constants(tape), x)
            .value()
            .to_vec()
    }

    /// One history at a time, so that a representation does not depend on the other histories of the
    /// batch, bit for bit.
    fn encode_each(
        &self,
        users: &Histories,
        width: usize,
        of: impl Fn(&Tape, &[ItemIdx]) -> Vec<f32> + Sync,
    ) -> Mat {
        let encoded: Vec<Vec<f32>> = (0..users.len())
            .into_par_iter()
            .map_init(Tape::default, |tape, u| {
                tape.reset();
                of(tape, self.form.window(users.row(u).items))
            })
            .collect();
        let shape = (users.len(), width);
        Mat::from_shape_vec(shape, encoded.concat())
            .unwrap_or_else(|_| unreachable!("every history has a vector of {width} numbers"))
    }

    fn item(&self, item: ItemIdx) -> &[f32] {
        &self.weights[0][item.at() * self.form.d..][..self.form.d]
    }
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        self.decode(&self.encode(users))
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let d = self.form.d;
        let mut tape = Tape::default();
        let base = score_of(&self.empty(&tape), self.item(item));
        let window = self.form.window(user.items);
        let score = self.score(&Histories::single(user, self.form.n_items))[(0, item.at())];
        if window.is_empty() {
            return Ledger::of_parts(base, Vec::new()).scored(score);
        }
        let inputs = {
            let w = self.constants(&tape);
            self.inputs(&w, window).value().to_vec()
        };
        let shape = [window.len(), 2 * d];
        let gradient = |at: &[f32]| {
            tape.reset();
            let w = self.constants(&tape);
            let x = tape.leaf(Arc::new(at.to_vec()), &shape);
            let z = self.represent(&tape, &w, x);
            let target = tape.constant(self.item(item).to_vec(), &[1, d]);
            let mut gradients = z.dot_rows(target).sum().backward();
            gradients.take(x).dense(at.len())
        };
        path::ledger(user, window.len(), &inputs, (base, score), gradient)
    }

    fn scale(&self) -> Scale {
        self.scale
    }

    fn latent(&self) -> Option<&dyn Latent> {
        Some(self)
    }
}

impl Latent for Model {
    fn encode(&self, users: &Histories) -> Mat {
        self.encode_each(users, self.form.d, |tape, window| match window {
            [] => self.empty(tape),
            window => {
                let w = self.constants(tape);
                let x = self.inputs(&w, window);
                self.represent(tape, &w, x).value().to_vec()
            }
        })
    }

    fn decode(&self, z: &Mat) -> Mat {
        vectors::decode(z, &self.weights[0], self.form.n_items)
    }

    fn decode_gradient(&self, _: &[f32], item: ItemIdx) -> Vec<f32> {
        self.item(item).to_vec()
    }

    fn item_vectors(&self) -> Option<Mat> {
        Mat::from_shape_vec((self.form.n_items, self.form.d), self.weights[0].to_vec()).ok()
    }
}

/// A model after its first stage, for validation: the largest score over the interests.
struct Largest(Model);

impl Recommender for Largest {
    fn score(&self, users: &Histories) -> Mat {
        let Form {
            d,
            interests: k,
            n_items,
            ..
        } = self.0.form;
        let all = self.0.encode_each(users, k * d, |tape, window| {
            let w = self.0.constants(tape);
            let x = match window {
                [] => tape.constant(vec![0.0; d], &[1, d]),
                window => block::inputs(w[0], w[1], &[window]),
            };
            let interests = self.0.form.interests(&w, x, &[window.len().max(1)]);
            interests.value().to_vec()
        });
        let (n, interests) = (all.nrows() * k, all.into_raw_vec_and_offset().0);
        let each = Mat::from_shape_vec((n, d), interests)
            .unwrap_or_else(|_| unreachable!("{k} interests of {d} numbers"));
        let scores = self.0.decode(&each);
        Mat::from_shape_fn((users.len(), n_items), |(u, i)| {
            let of_user = (u * k..(u + 1) * k).map(|row| scores[[row, i]]);
            of_user.fold(f32::NEG_INFINITY, f32::max)
        })
    }

    /// All of the score is residual: a model of the first stage is only validated.
    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let scores = self.score(&Histories::single(user, self.0.form.n_items));
        Ledger::default().scored(scores[[0, item.at()]])
    }
}

impl Artifact for Model {
    const KIND: &'static str = "model/timirec";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        for ((name, shape), values) in self.form.arrays().iter().zip(&self.weights) {
            out.put_f32(name, shape, values.to_vec());
        }
        out.put_meta("scale", &self.scale)
    }

    fn load(from: &Tensors) -> Result<Self> {
        let ([n_items, d], [length, _]) = (from.matrix("items")?.0, from.matrix("places")?.0);
        let [attention, interests] = from.matrix("interests.w2")?.0;
        let form = Form {
            n_items,
            d,
            interests,
            attention,
            length,
        };
        if [d, interests, length].contains(&0) {
            let found = format!("{d}, {interests}, {length}");
            return Err(Error::shape(
                "width, interests and length",
                "above 0",
                found,
            ));
        }
        Ok(Self {
            form,
            scale: from.meta("scale")?,
            weights: block::load(from, form.arrays())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        Form {
            n_items: 9,
            d: 6,
            interests: 3,
            attention: 4,
            length: 4,
        }
    }

    /// Weights large enough that all nonlinearities count.
    fn model() -> Model {
        let mut rng = Rng::new(6, 0);
        let value = |(name, shape): (String, Vec<usize>)| {
            let n = shape.iter().product();
            Arc::new(match name.contains("gain") {
                true => vec![1.0; n],
                false => rng.uniforms(n, -0.5, 0.5),
            })
        };
        Model {
            form: form(),
            scale: Scale::Order,
            weights: form().arrays().into_iter().map(value).collect(),
        }
    }

    /// The states of sequences of different lengths, in one batch, against one after another by the equations.
    #[test]
    fn last_states_equal_their_definition() {
        let (w, lengths) = (2, [2usize, 0, 3, 1]);
        let mut rng = Rng::new(2, 0);
        let [x, wh, bh] = [6 * 3 * w, w * 3 * w, 3 * w].map(|n| rng.uniforms(n, -1.0, 1.0));
        let tape = Tape::default();
        let of_inputs = tape.constant(x.clone(), &[6, 3 * w]);
        let maps = (
            tape.constant(wh.clone(), &[w, 3 * w]),
            tape.constant(bh.clone(), &[3 * w]),
        );
        let found = last_state(&tape, of_inputs, maps, &lengths).value();
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        let mut row = 0;
        for (s, &n) in lengths.iter().enumerate() {
            let mut h = vec![0f32; w];
            for _ in 0..n {
                let of = |c: usize| bh[c] + (0..w).map(|k| h[k] * wh[k * 3 * w + c]).sum::<f32>();
                let x = &x[row * 3 * w..][..3 * w];
                h = (0..w)
                    .map(|k| {
                        let r = sigmoid(x[k] + of(k));
                        let z = sigmoid(x[w + k] + of(w + k));
                        let n = (x[2 * w + k] + r * of(2 * w + k)).tanh();
                        (1.0 - z) * n + z * h[k]
                    })
                    .collect();
                row += 1;
            }
            for (a, b) in found[s * w..][..w].iter().zip(&h) {
                assert!((a - b).abs() < 1e-5, "sequence {s}: {a} {b}");
            }
        }
    }

    /// Contributions sum to nearly the whole score difference to the empty history.
    #[test]
    fn path_integrals_explain_scores() {
        let (model, data) = (model(), [vec![1u32, 5, 2, 5, 7, 1], vec![3], vec![]]);
        let users = Histories::from_rows(&data, 9).unwrap();
        for (u, row) in users.rows().enumerate() {
            for item in [0, 8] {
                let ledger = model.explain(row, ItemIdx(item));
                let size: f32 = ledger.parts.iter().map(|p| p.value.abs()).sum();
                assert!(ledger.residual.abs() < 0.05 * size.max(0.1), "{ledger:?}");
                assert!(ledger.adds_up(1e-5));
                assert_eq!(ledger.parts.len(), [4, 1, 0][u], "{ledger:?}");
            }
        }
    }

    #[test]
    fn both_losses_learn_the_order_of_events() {
        let row = |start: u32| (0..6 + start % 3).map(|k| (start + k) % 12).collect();
        let rows: Vec<Vec<u32>> = (0..96).map(row).collect();
        let data = Histories::from_rows(&rows, 12).unwrap();
        let catalogue = limpid_core::Catalogue::default();
        for loss in [Loss::Softmax, Loss::Bpr] {
            let mut config = Config {
                loss,
                embedding_size: 16,
                max_length: 4,
                ..Config::default()
            };
            config.training.epochs = 30;
            config.training.batch_size = 32;
            config.training.learning_rate = 5e-3;
            let training = Training {
                histories: &data,
                catalogue: &catalogue,
            };
            let model = config.fit(&training, &mut Run::seeded(3)).unwrap();
            for last in 0..12u32 {
                let row = vec![(last + 10) % 12, (last + 11) % 12, last];
                let scores = model.score(&Histories::from_rows(&[row], 12).unwrap());
                let score = |ahead: u32| scores[[0, (last + ahead) as usize % 12]];
                // The pairwise loss does not order the items of a history.
                let far = if loss == Loss::Bpr { 6..=9 } else { 2..=11 };
                for ahead in far {
                    assert!(score(1) > score(ahead), "{loss:?}: after {last}: {scores}");
                }
            }
        }
    }
}
