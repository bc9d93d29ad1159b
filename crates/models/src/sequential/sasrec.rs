//! SASRec: Kang and McAuley, Self-Attentive Sequential Recommendation, ICDM 2018,
//! <https://arxiv.org/abs/1808.09781>, in the form of ReChorus (post-norm, no output projection,
//! positions counted from the last event).
//!
//! ```text
//! x_j = items[i_j] + places[n − j]                                     the last n events of a history
//! s   = softmax(Q Kᵀ / √d + causal) V,   Q, K, V = x W + b             equations 2 and 3
//! x   = norm(s + x),   x = norm(relu(x W₁ + b₁) W₂ + b₂ + x)           equations 4 to 6
//! score(item) = x_n · items[item]                                      equation 7
//! ```
//!
//! The loss is computed at the end of every prefix of a training history, so the last block computes only
//! the last position. By default it is the cross-entropy over all items, which ranks far better here than the
//! published pairwise loss; `loss=bpr` is that of ReChorus (one sampled negative, BPR), with its learning
//! rate.
//!
//! An explanation is a path integral over the inputs x_j, from zeros to their values. With zeros at
//! all positions the network gives the same representation for every length, so the base is the same
//! for all users; it is the score of an empty history.

use std::sync::Arc;

use limpid_core::traits::{Monitor, require};
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
use crate::hyper::{self, choices, hyper};
use crate::latent::{score_of, vectors};
use crate::negatives::Negatives;
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "sasrec",
    aliases: &[],
    about: "self-attentive sequential recommendation, trained with softmax over all items",
    paper: "Kang and McAuley, Self-Attentive Sequential Recommendation, ICDM 2018",
    reads: Reads::ORDER,
    defaults: hyper::defaults::<Config>,
};

choices! {
    /// The loss of each next event.
    pub enum Loss {
        /// Cross-entropy of a softmax over all items.
        Softmax = "softmax",
        /// Bayesian personalized ranking against one sampled negative, as in ReChorus.
        Bpr = "bpr",
    }
}

hyper! {
    /// Hyper-parameters; the defaults are those of ReChorus, except the loss and its learning rate.
    pub struct Config {
        /// Training loss: softmax over all items, or bpr with one sampled negative (as published).
        loss: Loss = Loss::Softmax;
        /// Size of item embeddings and of all hidden layers.
        embedding_size: usize = 64, in whole(1, 2048), tune [32, 64, 128];
        /// Number of self-attention blocks.
        layers: usize = 1, in whole(1, 8);
        /// Number of attention heads; must divide embedding_size.
        heads: usize = 1, in whole(1, 2048);
        /// Maximum sequence length: the last events of a history that are read.
        max_length: usize = 20, in whole(1, 10_000);
        /// Dropout rate of layer outputs in training.
        dropout: f32 = 0.0, in between(0.0, 0.95);
        /// L2 regularization (weight decay in the gradient).
        reg: f32 = 1e-6, in at_least(0.0);
        include training: TrainingLoop = { epochs: 200, batch_size: 256, learning_rate: 1e-3 };
    }
    preset loss = "bpr" {
        learning_rate = 1e-4,
    }
}

/// The dimensions of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Form {
    n_items: usize,
    d: usize,
    layers: usize,
    heads: usize,
    length: usize,
}

impl Form {
    /// Names and shapes of all weights.
    fn arrays(&self) -> Vec<(String, Vec<usize>)> {
        let mut all = vec![
            ("items".to_owned(), vec![self.n_items, self.d]),
            ("places".to_owned(), vec![self.length, self.d]),
        ];
        for layer in 0..self.layers {
            all.extend(block::arrays(&format!("block{layer}"), self.d));
        }
        all
    }

    /// The last events of a history.
    fn window<'h>(&self, items: &'h [ItemIdx]) -> &'h [ItemIdx] {
        block::window(items, self.length)
    }

    /// Representations `(sequences, d)` of inputs `(events, d)` of sequences of the given lengths. `drop` is
    /// applied to the outputs of sublayers.
    fn represent<'t>(
        &self,
        w: &[Var<'t>],
        mut x: Var<'t>,
        lengths: &[usize],
        mut drop: impl FnMut(Var<'t>) -> Var<'t>,
    ) -> Var<'t> {
        for (layer, w) in w[2..].chunks_exact(block::ARRAYS.len()).enumerate() {
            let (of, spans) = match layer + 1 == self.layers {
                true => {
                    let spans = Spans::last(lengths);
                    (x.gather(spans.last_rows()), spans)
                }
                false => (x, Spans::causal(lengths)),
            };
            x = block::block(w, (x, of), spans, self.heads, &mut drop);
        }
        x
    }
}

/// A network in training: predicts each event of a training history from those before it.
struct NextItem<'a> {
    form: Form,
    loss: Loss,
    dropout: f32,
    rows: &'a Histories,
    negatives: Negatives,
    /// Row and position of each event that has a predecessor.
    events: Vec<(u32, u32)>,
}

impl Network for NextItem<'_> {
    fn begin(&mut self, _: usize, _: &mut Rng) -> usize {
        self.events.len()
    }

    fn loss<'t>(&self, _: &'t Tape, w: &[Var<'t>], examples: &[u32], rng: &mut Rng) -> Var<'t> {
        let events = examples.iter().map(|&e| self.events[e as usize]);
        let negative = |row| self.negatives.sample(row, rng);
        let batch = Batch::new(self.rows, events, self.form.length, self.loss, negative);
        let x = block::inputs(w[0], w[1], &batch.sequences);
        let drop = |x: Var<'t>| x.dropout(self.dropout, rng);
        let z = self.form.represent(w, x, &batch.lengths, drop);
        batch.loss(z, w[0], self.loss)
    }

    fn measure(&self, weights: &[Parameter], monitor: &Monitor<'_>) -> Result<Option<f64>> {
        let weights = weights.iter().map(|p| Arc::new(p.value.clone()));
        let model = Model {
            form: self.form,
            scale: self.loss.scale(),
            weights: weights.collect(),
        };
        Ok(Some(monitor(&model)))
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)?;
        require(
            self.embedding_size.is_multiple_of(self.heads),
            "heads",
            "a divisor of embedding_size",
            self.heads,
        )
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let rows = data.histories;
        let form = Form {
            n_items: rows.n_items(),
            d: self.embedding_size,
            layers: self.layers,
            heads: self.heads,
            length: self.max_length,
        };
        let mut rng = Rng::new(run.seed, 0);
        let weights = form.arrays().into_iter().map(|(name, shape)| {
            let n: usize = shape.iter().product();
            let value = block::start(&name, n, &mut rng);
            Parameter::shaped(name, shape, value)
        });
        let adam = Adam {
            decay: self.reg,
            ..Adam::new(self.training.learning_rate)
        };
        let network = NextItem {
            form,
            loss: self.loss,
            dropout: self.dropout,
            rows,
            negatives: Negatives::new(rows),
            events: block::next_events(rows),
        };
        let mut learner = TapeLearner::new(network, weights.collect(), adam);
        if self.loss == Loss::Bpr {
            // As published: few rows have gradients, but all rows are updated.
            learner = learner.updating_all_rows();
        }
        let fingerprint = format!("sasrec {self:?} on {:016x}", block::hash(rows));
        train(&mut learner, &self.training.schedule(), &fingerprint, run)?;
        let weights = learner.into_weights().into_iter();
        Ok(Model {
            form,
            scale: self.loss.scale(),
            weights: weights.map(|p| Arc::new(p.value)).collect(),
        })
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    form: Form,
    scale: Scale,
    /// In the order of [`Form::arrays`].
    weights: Vec<Arc<Vec<f32>>>,
}

impl Model {
    fn constants<'t>(&self, tape: &'t Tape) -> Vec<Var<'t>> {
        let arrays = self.form.arrays().into_iter().zip(&self.weights);
        arrays
            .map(|((_, shape), values)| tape.constant(values.clone(), &shape))
            .collect()
    }

    /// The representation of an empty history: that of any number of zero inputs.
    fn empty(&self) -> Vec<f32> {
        let tape = Tape::default();
        let x = tape.constant(vec![0.0; self.form.d], &[1, self.form.d]);
        let z = self.form.represent(&self.constants(&tape), x, &[1], |x| x);
        z.value().to_vec()
    }

    fn item(&self, item: ItemIdx) -> &[f32] {
        &self.weights[0][item.at() * self.form.d..][..self.form.d]
    }

    /// The score of an item for a representation.
    fn score_of(&self, z: &[f32], item: ItemIdx) -> f32 {
        score_of(z, self.item(item))
    }
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        self.decode(&self.encode(users))
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let d = self.form.d;
        let base = self.score_of(&self.empty(), item);
        let window = self.form.window(user.items);
        let score = self.score(&Histories::single(user, self.form.n_items))[(0, item.at())];
        if window.is_empty() {
            return Ledger::of_parts(base, Vec::new()).scored(score);
        }
        let mut tape = Tape::default();
        let inputs = {
            let w = self.constants(&tape);
            block::inputs(w[0], w[1], &[window]).value().to_vec()
        };
        let shape = [window.len(), d];
        let gradient = |at: &[f32]| {
            tape.reset();
            let w = self.constants(&tape);
            let x = tape.leaf(Arc::new(at.to_vec()), &shape);
            let z = self.form.represent(&w, x, &[window.len()], |x| x);
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
        let mut z = Mat::zeros((users.len(), self.form.d));
        let windows: Vec<&[ItemIdx]> = users.rows().map(|r| self.form.window(r.items)).collect();
        let (empty, some): (Vec<usize>, Vec<usize>) =
            (0..users.len()).partition(|&u| windows[u].is_empty());
        if !empty.is_empty() {
            let of_empty = ndarray::Array1::from(self.empty());
            empty.iter().for_each(|&u| z.row_mut(u).assign(&of_empty));
        }
        // One history at a time, so that a representation does not depend on the other histories of the
        // batch, bit for bit.
        let encoded: Vec<Vec<f32>> = some
            .par_iter()
            .map_init(Tape::default, |tape, &u| {
                tape.reset();
                let w = self.constants(tape);
                let x = block::inputs(w[0], w[1], &[windows[u]]);
                let lengths = [windows[u].len()];
                self.form.represent(&w, x, &lengths, |x| x).value().to_vec()
            })
            .collect();
        for (&u, row) in some.iter().zip(&encoded) {
            z.row_mut(u).iter_mut().zip(row).for_each(|(z, x)| *z = *x);
        }
        z
    }

    fn decode(&self, z: &Mat) -> Mat {
        vectors::decode(z, &self.weights[0], self.form.n_items)
    }

    fn decode_gradient(&self, _: &[f32], item: ItemIdx) -> Vec<f32> {
        self.item(item).to_vec()
    }

    fn item_vectors(&self) -> Option<Mat> {
        let (n_items, d) = (self.form.n_items, self.form.d);
        let vectors = self.weights[0].iter().copied().take(n_items * d);
        Mat::from_shape_vec((n_items, d), vectors.collect()).ok()
    }
}

impl Artifact for Model {
    const KIND: &'static str = "model/sasrec";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        for ((name, shape), values) in self.form.arrays().iter().zip(&self.weights) {
            out.put_f32(name, shape, values.to_vec());
        }
        out.put_meta("scale", &self.scale)?;
        out.put_meta("layers", &self.form.layers)?;
        out.put_meta("heads", &self.form.heads)
    }

    fn load(from: &Tensors) -> Result<Self> {
        let ([n_items, d], [length, _]) = (from.matrix("items")?.0, from.matrix("places")?.0);
        let form = Form {
            n_items,
            d,
            layers: from.meta("layers")?,
            heads: from.meta("heads")?,
            length,
        };
        let whole = form.heads > 0 && d.is_multiple_of(form.heads) && length > 0;
        // More layers than arrays cannot be there; their names need not be made to know it.
        let layers = 1..=from.arrays().count();
        if !whole || !layers.contains(&form.layers) {
            let found = format!("{} heads, {} layers", form.heads, form.layers);
            return Err(Error::shape(
                "the dimensions of a SASRec model",
                "a number of heads that divides its width, and at least one layer with its arrays",
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
    use limpid_core::Catalogue;

    /// The next item is the last one plus one, modulo 12: by order alone, not by popularity.
    fn circle() -> Histories {
        let row = |start: u32| (0..6 + start % 3).map(|k| (start + k) % 12).collect();
        let rows: Vec<Vec<u32>> = (0..96).map(row).collect();
        Histories::from_rows(&rows, 12).unwrap()
    }

    fn fitted(layers: usize) -> (Histories, Model) {
        fitted_by(Loss::Softmax, layers)
    }

    fn fitted_by(loss: Loss, layers: usize) -> (Histories, Model) {
        let data = circle();
        let catalogue = Catalogue::default();
        let training = Training {
            histories: &data,
            catalogue: &catalogue,
        };
        let mut config = Config {
            loss,
            embedding_size: 16,
            layers,
            heads: 2,
            max_length: 4,
            ..Config::default()
        };
        config.training.epochs = 60;
        config.training.batch_size = 32;
        config.training.learning_rate = 5e-3;
        let model = config.fit(&training, &mut Run::seeded(3)).unwrap();
        (data, model)
    }

    fn scores_after(model: &Model, last: u32) -> Vec<f32> {
        let row = vec![(last + 10) % 12, (last + 11) % 12, last];
        let users = Histories::from_rows(&[row], 12).unwrap();
        model.score(&users).into_raw_vec_and_offset().0
    }

    #[test]
    fn learns_the_order_of_events() {
        for layers in [1, 2] {
            let (_, model) = fitted(layers);
            for last in 0..12u32 {
                let scores = scores_after(&model, last);
                let best = (0..12).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
                let next = (last as usize + 1) % 12;
                assert_eq!(best, Some(next), "after {last}, {layers} layers");
            }
        }
    }

    /// The pairwise loss ranks the next item above items that are not in the history; it does not order
    /// the items of the history.
    #[test]
    fn negatives_rank_below_the_next_item() {
        let (_, model) = fitted_by(Loss::Bpr, 1);
        for last in 0..12u32 {
            let scores = scores_after(&model, last);
            let score = |ahead: u32| scores[(last + ahead) as usize % 12];
            assert!(
                (6..=9).all(|far| score(1) > score(far)),
                "after {last}: {scores:?}"
            );
        }
    }

    /// Contributions sum to nearly the whole score difference to the empty history.
    #[test]
    fn path_integrals_explain_scores() {
        let (data, model) = fitted(1);
        for u in 0..6 {
            let row = data.row(u);
            for item in [0, 5] {
                let ledger = model.explain(row, ItemIdx(item));
                let sum: f32 = ledger.parts.iter().map(|p| p.value).sum();
                assert!((ledger.base + sum + ledger.residual - ledger.score).abs() < 1e-4);
                let size: f32 = ledger.parts.iter().map(|p| p.value.abs()).sum();
                assert!(ledger.residual.abs() < 0.1 * size.max(0.1), "{ledger:?}");
                assert_eq!(ledger.parts.len(), 4);
            }
        }
    }

    #[test]
    fn only_the_last_events_are_read() {
        let (_, model) = fitted(2);
        let rows = [vec![7, 3, 1, 2, 3, 4], vec![9, 9, 1, 2, 3, 4], vec![]];
        let users = Histories::from_rows(&rows, 12).unwrap();
        let scores = model.score(&users);
        assert_eq!(scores.row(0), scores.row(1));
        assert!(scores.row(2).iter().all(|s| s.is_finite()));
    }
}
