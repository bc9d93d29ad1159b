//! The network: an autoencoder of texts, attention over the two explanations, and an MLP.

use std::sync::Arc;

use limpid_core::traits::Monitor;
use limpid_core::{History, ItemIdx, Result};
use limpid_tensor::tape::{Csr, Network, Tape, Var};
use limpid_tensor::{Parameter, Rng};

use super::explanations::{Provider, Reader};
use super::{Explanations, Loss};
use crate::negatives::Negatives;

/// Numbers of the context of a pair: the logarithms of the numbers of events of user and item. The biases are added to
/// the score, but no layer reads them: with the vector of an item, its bias without a rating tells that rating.
const CONTEXT: usize = 2;

/// The weights of the autoencoder among all, as a range of [`Form::arrays`].
pub(super) const AUTOENCODER: std::ops::Range<usize> = 4..8;

/// The weight of the squared error in the loss of the autoencoder.
const SQUARED: f64 = 0.1;

/// The weight of the loss of the autoencoder beside that of the prediction.
const BESIDE: f64 = 0.1;

/// The dimensions of the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Form {
    pub(super) n_items: usize,
    /// Of embeddings.
    pub(super) d: usize,
    /// Of vectors of texts.
    pub(super) width: usize,
    /// Of codes of texts.
    pub(super) code: usize,
    /// Of the first hidden layer; the second has half as many units, the third a quarter.
    pub(super) hidden: usize,
}

impl Form {
    /// Names and shapes of all weights.
    pub(super) fn arrays(&self) -> Vec<(&'static str, Vec<usize>)> {
        let (d, h) = (self.d, self.hidden);
        vec![
            ("taste", vec![self.n_items, d]),
            ("opinion", vec![self.n_items, d]),
            ("items", vec![self.n_items, d]),
            ("bias", vec![self.n_items, 1]),
            ("encode.w", vec![self.width, self.code]),
            ("encode.b", vec![self.code]),
            ("decode.w", vec![self.code, self.width]),
            ("decode.b", vec![self.width]),
            ("attend.w1", vec![2 * d, d]),
            ("attend.b1", vec![d]),
            ("attend.w2", vec![d, 2]),
            ("attend.b2", vec![2]),
            ("mlp.w1", vec![3 * d + CONTEXT + 2 * self.code, h]),
            ("mlp.b1", vec![h]),
            ("mlp.w2", vec![h, h / 2]),
            ("mlp.b2", vec![h / 2]),
            ("mlp.w3", vec![h / 2, h / 4]),
            ("mlp.b3", vec![h / 4]),
            ("mlp.w4", vec![h / 4, 1]),
            ("mlp.b4", vec![1]),
        ]
    }

    /// Weights before training: embeddings are small, the last layer is zero, others as Glorot and Bengio (2010).
    pub(super) fn initial(&self, rng: &mut Rng) -> Vec<Parameter> {
        const DEVIATION: f32 = 0.05;
        let weights = self.arrays().into_iter().map(|(name, shape)| {
            let n: usize = shape.iter().product();
            let deviation = match (name, shape.as_slice()) {
                ("taste" | "opinion" | "items", _) => DEVIATION,
                ("bias" | "mlp.w4", _) | (_, [_]) => 0.0,
                (_, shape) => (2.0 / shape.iter().sum::<usize>() as f32).sqrt(),
            };
            let value = (0..n).map(|_| deviation * rng.normal()).collect();
            Parameter::shaped(name, shape, value)
        });
        weights.collect()
    }
}

/// Shrunken deviations of ratings from their mean, of items and of users.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Biases {
    pub(super) mean: f32,
    pub(super) reg: f32,
    /// Sums of `rating − mean` `(I)`.
    pub(super) sums: Vec<f32>,
    /// Numbers of events `(I)`.
    pub(super) counts: Vec<f32>,
}

impl Biases {
    /// Those of no events.
    pub(super) fn new(mean: f32, reg: f32, n_items: usize) -> Self {
        Self {
            mean,
            reg,
            sums: vec![0.0; n_items],
            counts: vec![0.0; n_items],
        }
    }

    /// Those of all examples without each fold, and of all; counts only where the examples have no ratings.
    pub(super) fn by_fold(
        self,
        examples: &[Example],
        folds: usize,
        rates: bool,
    ) -> (Vec<Self>, Self) {
        let mut all = vec![self; folds + 1];
        for example in examples {
            let (item, own) = (example.item.at(), example.fold as usize);
            for (at, biases) in all.iter_mut().enumerate() {
                if at != own {
                    biases.counts[item] += 1.0;
                    if rates {
                        biases.sums[item] += example.value - biases.mean;
                    }
                }
            }
        }
        let whole = all.split_off(folds).remove(0);
        (all, whole)
    }

    /// The bias and the number of events of an item.
    fn of_item(&self, item: ItemIdx) -> (f32, f32) {
        let sum = self.sums.get(item.at()).copied().unwrap_or(0.0);
        let n = self.counts.get(item.at()).copied().unwrap_or(0.0);
        (sum / (n + self.reg).max(1e-6), n)
    }
}

/// A user as the network reads them: those of their events that count.
pub(super) struct Side {
    items: Vec<u32>,
    /// What each rating leaves of mean and biases.
    rests: Vec<f32>,
    bias: f32,
}

impl Side {
    pub(super) fn new(
        user: History<'_>,
        counts: impl Fn(ItemIdx) -> bool,
        biases: &Biases,
        rates: bool,
    ) -> Self {
        let of = user.item_values().into_iter();
        let of = of.filter(|&(item, _)| counts(item) && item.at() < biases.counts.len());
        let (mut items, mut rests) = (Vec::new(), Vec::new());
        for (item, value) in of {
            items.push(item.0);
            rests.push(match rates {
                true => value - biases.mean - biases.of_item(item).0,
                false => 0.0,
            });
        }
        let bias = rests.iter().sum::<f32>() / (rests.len() as f32 + biases.reg).max(1e-6);
        rests.iter_mut().for_each(|r| *r -= bias);
        Self { items, rests, bias }
    }
}

/// Pairs of users and items as inputs of the network.
#[derive(Default)]
pub(super) struct Pairs {
    offsets: Vec<usize>,
    events: Vec<u32>,
    present: Vec<f32>,
    rests: Vec<f32>,
    user: Vec<u32>,
    item: Vec<u32>,
    context: Vec<f32>,
    skip: Vec<f32>,
    /// `(pairs, width)` for and against.
    texts: [Vec<f32>; 2],
    /// How much of each explanation is read.
    gates: [Vec<f32>; 2],
}

impl Pairs {
    /// Begins the pairs of a user.
    pub(super) fn user(&mut self, side: &Side) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        let scale = 1.0 / (side.items.len().max(1) as f32).sqrt();
        self.events.extend(&side.items);
        self.present.extend(side.items.iter().map(|_| scale));
        self.rests.extend(side.rests.iter().map(|r| scale * r));
        self.offsets.push(self.events.len());
    }

    /// Adds a pair of the last user.
    pub(super) fn pair(&mut self, side: &Side, item: ItemIdx, biases: &Biases, rates: bool) {
        let (bias, n) = biases.of_item(item);
        self.user.push(self.offsets.len() as u32 - 2);
        self.item.push(item.0);
        let log = |n: f32| (1.0 + n.max(0.0)).ln() / 4.0;
        let of_user = side.items.len() as f32;
        self.context.extend([log(of_user), log(n)]);
        self.skip.push(match rates {
            true => biases.mean + side.bias + bias,
            false => 0.0,
        });
    }

    /// Room for the texts of the last pair, zeros, with how much of each is read.
    pub(super) fn texts(&mut self, width: usize, gates: [f32; 2]) -> [&mut [f32]; 2] {
        for (all, gate) in self.gates.iter_mut().zip(gates) {
            all.push(gate);
        }
        self.texts.each_mut().map(|texts| {
            let at = texts.len();
            texts.resize(at + width, 0.0);
            &mut texts[at..]
        })
    }

    pub(super) fn len(&self) -> usize {
        self.item.len()
    }

    /// All numbers that the network reads of users and items.
    #[cfg(test)]
    pub(super) fn inputs(&self) -> Vec<f32> {
        [&self.present[..], &self.rests, &self.context, &self.skip].concat()
    }
}

/// What the network says of some pairs.
pub(super) struct Outputs<'t> {
    /// The scores `(pairs, 1)`.
    pub(super) score: Var<'t>,
    /// The attention to the two explanations `(pairs, 2)`.
    pub(super) attention: Var<'t>,
    /// The texts, for and then against, `(2 pairs, width)`, and their codes `(2 pairs, code)`.
    texts: Var<'t>,
    codes: Var<'t>,
}

impl Form {
    /// The code of texts: `tanh(t W + b)`.
    fn encode<'t>(w: &[Var<'t>], texts: Var<'t>) -> Var<'t> {
        texts.linear(w[0], w[1]).tanh()
    }

    /// The loss of texts that were decoded from their codes: `1 − cos(t, t') + 0.1 MSE(t, t')`, with texts of length one.
    fn decoding_loss<'t>(w: &[Var<'t>], texts: Var<'t>, codes: Var<'t>) -> Var<'t> {
        let decoded = codes.linear(w[2], w[3]);
        let cosine = decoded.normalize_rows().dot_rows(texts).mean();
        (decoded - texts).mean_of_squares().scale(SQUARED) - cosine
    }

    /// The scores of pairs; `drop` is applied to the hidden layers.
    pub(super) fn score<'t>(
        &self,
        tape: &'t Tape,
        w: &[Var<'t>],
        pairs: Pairs,
        rates: bool,
        mut drop: impl FnMut(Var<'t>) -> Var<'t>,
    ) -> Outputs<'t> {
        let n = pairs.len();
        let [taste, opinion, items, bias] = [w[0], w[1], w[2], w[3]];
        let n_events = pairs.events.len();
        let columns: Vec<u32> = (0..n_events as u32).collect();
        let events = Arc::new(pairs.events);
        let sum = |table: Var<'t>, values: Vec<f32>| {
            let of = Csr::new(pairs.offsets.clone(), columns.clone(), values, n_events);
            table.gather(events.clone()).sparse_matmul(&Arc::new(of))
        };
        // The user: Σ over their events of taste + what the rating leaves × opinion, over √n.
        let mut user = sum(taste, pairs.present);
        if rates {
            user = user + sum(opinion, pairs.rests);
        }
        let user = user.gather(pairs.user); // (pairs, d)
        let item_of = Arc::new(pairs.item);
        let item = items.gather(item_of.clone()); // (pairs, d)
        let [pro, con] = pairs.texts;
        let texts = tape.constant([pro, con].concat(), &[2 * n, self.width]);
        let codes = Self::encode(&w[AUTOENCODER], texts); // (2 pairs, code)
        let both = user.concat(item);
        let attention = both
            .linear(w[8], w[9])
            .tanh()
            .linear(w[10], w[11])
            .softmax();
        let [for_it, against] = pairs.gates;
        let weighted = |sign: usize, gates: Vec<f32>| {
            let attention = attention.columns(sign..sign + 1).reshape(&[n]);
            let gates = tape.constant(gates, &[n]);
            codes
                .rows(sign * n..(sign + 1) * n)
                .scale_rows(attention * gates)
        };
        let context = tape.constant(pairs.context, &[n, CONTEXT]);
        let x = both
            .concat(user * item)
            .concat(context)
            .concat(weighted(0, for_it))
            .concat(weighted(1, against));
        let mut x = drop(x.linear(w[12], w[13]).relu());
        x = drop(x.linear(w[14], w[15]).relu());
        x = x.linear(w[16], w[17]).relu();
        let mut score = x.linear(w[18], w[19]) + user.dot_rows(item).reshape(&[n, 1]);
        score = match rates {
            true => score + tape.constant(pairs.skip, &[n, 1]),
            false => score + bias.gather(item_of),
        };
        Outputs {
            score,
            attention,
            texts,
            codes,
        }
    }
}

/// The autoencoder alone, in pretraining.
pub(super) struct Pretraining {
    pub(super) width: usize,
    /// `(texts, width)`.
    pub(super) texts: Vec<f32>,
}

impl Network for Pretraining {
    fn begin(&mut self, _: usize, _: &mut Rng) -> usize {
        self.texts.len() / self.width.max(1)
    }

    fn loss<'t>(&self, tape: &'t Tape, w: &[Var<'t>], examples: &[u32], _: &mut Rng) -> Var<'t> {
        let rows = examples.iter().flat_map(|&at| {
            let at = at as usize * self.width;
            &self.texts[at..at + self.width]
        });
        let rows: Vec<f32> = rows.copied().collect();
        let texts = tape.constant(rows, &[examples.len(), self.width]);
        Form::decoding_loss(w, texts, Form::encode(w, texts))
    }
}

/// A pair of training.
pub(super) struct Example {
    pub(super) row: u32,
    pub(super) item: ItemIdx,
    pub(super) value: f32,
    /// The fold of the provider and of the biases that have not seen it.
    pub(super) fold: u32,
}

/// The whole network in training.
pub(super) struct Joint<'a, M, F> {
    pub(super) form: Form,
    pub(super) loss: Loss,
    pub(super) rates: bool,
    pub(super) dropout: f32,
    pub(super) explanations: Explanations,
    pub(super) rows: &'a limpid_core::Histories,
    pub(super) examples: Vec<Example>,
    pub(super) negatives: Negatives,
    pub(super) providers: &'a [Provider],
    pub(super) bank: &'a Bank,
    /// Biases without each fold of the events.
    pub(super) biases: &'a [Biases],
    /// The fold of an event, by row.
    pub(super) fold: F,
    /// The weights of the autoencoder, where they stay as they are.
    pub(super) frozen: Option<Vec<Parameter>>,
    /// Measures weights.
    pub(super) measure: M,
}

/// Texts of random pairs, which the control `shuffled` gives to all pairs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bank {
    /// `(texts, 2, width)`.
    pub(super) texts: Vec<f32>,
}

impl Bank {
    /// The texts that a pair gets, of the same one every time.
    pub(super) fn give(&self, key: u64, out: [&mut [f32]; 2]) {
        let width = out[0].len();
        let n = self.texts.len() / (2 * width).max(1);
        if n > 0 {
            let at = (limpid_core::hash::mix(key) % n as u64) as usize * 2 * width;
            let [pro, con] = out;
            pro.copy_from_slice(&self.texts[at..at + width]);
            con.copy_from_slice(&self.texts[at + width..at + 2 * width]);
        }
    }
}

impl<M, F> Joint<'_, M, F> {
    fn texts_of(
        &self,
        pairs: &mut Pairs,
        reader: &Reader,
        row: History<'_>,
        item: ItemIdx,
        fold: u32,
    ) {
        let room = pairs.texts(self.form.width, self.explanations.gates());
        match self.explanations {
            Explanations::None => {}
            Explanations::Shuffled => self.bank.give(key(row, item), room),
            _ => self.providers[fold as usize].vectors(reader, item, room),
        }
    }
}

/// What a pair is known by.
pub(super) fn key(row: History<'_>, item: ItemIdx) -> u64 {
    row.hash() ^ u64::from(item.0).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl<M, F> Network for Joint<'_, M, F>
where
    M: Fn(&[Parameter], &Monitor<'_>) -> Result<Option<f64>>,
    F: Fn(u32, ItemIdx) -> u32,
{
    fn begin(&mut self, _: usize, _: &mut Rng) -> usize {
        self.examples.len()
    }

    fn loss<'t>(&self, tape: &'t Tape, w: &[Var<'t>], examples: &[u32], rng: &mut Rng) -> Var<'t> {
        let mut pairs = Pairs::default();
        let mut values = Vec::with_capacity(examples.len());
        let mut negatives = Vec::new();
        for &at in examples {
            let example = &self.examples[at as usize];
            let row = self.rows.row(example.row as usize);
            let biases = &self.biases[example.fold as usize];
            let counts = |item| (self.fold)(example.row, item) != example.fold;
            let side = Side::new(row, counts, biases, self.rates);
            let reader = Reader::new(row, Some(example.item));
            pairs.user(&side);
            pairs.pair(&side, example.item, biases, self.rates);
            self.texts_of(&mut pairs, &reader, row, example.item, example.fold);
            values.push(example.value);
            if !self.rates {
                let item = ItemIdx(self.negatives.sample(example.row as usize, rng));
                negatives.push((side, reader, row, item, example.fold));
            }
        }
        let n = examples.len();
        for (at, (side, reader, row, item, fold)) in negatives.into_iter().enumerate() {
            pairs.pair(&side, item, &self.biases[fold as usize], self.rates);
            if let Some(user) = pairs.user.last_mut() {
                *user = at as u32;
            }
            self.texts_of(&mut pairs, &reader, row, item, fold);
        }
        let mut weights = w.to_vec();
        if let Some(frozen) = &self.frozen {
            for (weight, kept) in weights[AUTOENCODER].iter_mut().zip(frozen) {
                *weight = tape.constant(kept.value.clone(), &kept.shape);
            }
        }
        let out = self.form.score(tape, &weights, pairs, self.rates, |x| {
            x.dropout(self.dropout, rng)
        });
        let loss = match (self.rates, self.loss) {
            (true, _) => (out.score - tape.constant(values, &[n, 1])).mean_of_squares(),
            (false, Loss::Bpr) => out.score.rows(0..n).bpr(out.score.rows(n..2 * n)),
            (false, Loss::Bce) => {
                let is_event = |at| if at < n { 1.0 } else { 0.0 };
                out.score
                    .binary_cross_entropy((0..2 * n).map(is_event).collect::<Vec<f32>>())
            }
        };
        let reads = self.explanations != Explanations::None && self.frozen.is_none();
        match reads {
            true => {
                let w = &weights[AUTOENCODER];
                loss + Form::decoding_loss(w, out.texts, out.codes).scale(BESIDE)
            }
            false => loss,
        }
    }

    fn measure(&self, weights: &[Parameter], monitor: &Monitor<'_>) -> Result<Option<f64>> {
        (self.measure)(weights, monitor)
    }
}
