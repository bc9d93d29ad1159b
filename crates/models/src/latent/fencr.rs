//! FENCR: Zhang et al., Feature-Enhanced Neural Collaborative Reasoning for Explainable Recommendation, ACM TOIS 2024,
//! <https://doi.org/10.1145/3690381>.
//!
//! A user and an item are vectors x_f of features: their ids, and one per field of the item's attributes, which are
//! normalized (layer norm). S nodes of AND and S of OR each select some features, cross them, and are as true as they are near a
//! fixed vector TRUE; the score weighs them for the pair:
//!
//! ```text
//! z_f = m_f F(x_f)                                   m: the selection of the node, 0 or 1
//! node = G(((Σ z)² − Σ z² + Σ z) / n²)               over the n features, elementwise
//! score(u, i) = Σ over nodes of 10 cos(node, TRUE) · σ(MLP([x_u ; x_i]))
//! ```
//!
//! F, G (one pair for AND, one for OR) and the MLP have two layers with LeakyReLU between them. In training, selections
//! are drawn anew at every step (Gumbel, with the gradient of the soft selection); scores use those more likely than
//! not. The loss is BPR, and `logic` times what two-feature nodes break of the laws of logic: x ∧ T = x, x ∧ F = F, x ∧ x = x,
//! x ∧ ¬x = F and their duals for OR, each 1 − cos, with ¬x = −x and F = −T.
//!
//! The cosine of a short node is not smooth in its user, so there is no latent, and the ledger has Shapley values of the
//! events over a few fixed orders (`learned_users`).
//!
//! **Attributes.** A field is the mean of the learned vectors of an item's values, for all fields of the catalogue. The
//! data hold no attributes of users, so a user is their id alone: a learned vector, folded in for other
//! histories. Where no item has a value of a field, a fit is refused.
//!
//! Departures: F has no biases, so that a feature that is not selected contributes nothing, exactly; the laws are weighed by
//! `logic` instead of a learned weight, on one feature drawn at each step; 16 dimensions by default.

use std::sync::Arc;

use limpid_core::{Catalogue, Error, Result, Run, Tensors};
use limpid_tensor::Rng;
use limpid_tensor::tape::{Csr, Float, Tape, Var};

use super::fields::{Categories, categories};
use super::layer::Layer;
use super::learned_users::fit::{Batch, Init, Purpose, Recipe, Weight};
use super::learned_users::{Decoder, Tables, learned_model, put_vectors, vectors};
use super::score_of;
use crate::behavior::chains::Chains;
use crate::hyper::{self, hyper};
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "fencr",
    aliases: &[],
    about: "logical AND and OR over selected features of user and item, as vectors near or far from TRUE",
    paper: "Zhang et al., Feature-Enhanced Neural Collaborative Reasoning, TOIS 2024",
    reads: Reads::ATTRIBUTES,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Nodes of AND, and as many of OR.
        nodes: usize = 16, in whole(1, 64), tune [8, 16];
        /// Weight of the laws of logic; 0: off.
        logic: f32 = 1e-6, in at_least(0.0), tune [0, 1e-6, 1e-2];
        include tables: Tables = { embedding_size: 16, reg: 1e-2 };
        include training: TrainingLoop = { epochs: 100, batch_size: 128, learning_rate: 1e-3 };
    }
}

learned_model!("model/fencr", Reasoning);

/// The slope of LeakyReLU for negative numbers.
const SLOPE: f32 = 0.01;

/// What the cosine of a node and TRUE is multiplied by.
const SHARPNESS: f32 = 10.0;

/// Shortest length by which a node is divided.
const SHORTEST: f32 = 1e-12;

/// Weights of a kind of nodes.
const OF_KIND: usize = 7;

/// Where the weights begin: normalization, AND, OR, the weighing, then one table per field.
const NORM: usize = 2;
const KINDS: [usize; 2] = [4, 4 + OF_KIND];
const WEIGHING: usize = 4 + 2 * OF_KIND;
const FIELDS: usize = WEIGHING + 4;

/// What is known of the items.
pub(crate) struct Data {
    n_items: usize,
    fields: Vec<Categories>,
    truth: Vec<f32>, // (d)
}

/// The mean over the values of each of some items `(B, values)`.
fn means(field: &Categories, items: &[u32]) -> Arc<Csr> {
    let (mut offsets, mut columns, mut shares) = (vec![0], Vec::new(), Vec::new());
    for &item in items {
        let row = &field.of_items[item as usize];
        columns.extend_from_slice(row);
        shares.extend(row.iter().map(|_| 1.0 / row.len() as f32));
        offsets.push(columns.len());
    }
    Arc::new(Csr::new(offsets, columns, shares, field.n_values))
}

/// Two layers with LeakyReLU between them, without biases.
fn inner<'t>(x: Var<'t>, w: &[Var<'t>]) -> Var<'t> {
    x.matmul(w[0]).leaky_relu(SLOPE.into()).matmul(w[1])
}

/// The nodes of a kind, `(B · S, d)`, for features `(B, d)` each and selections `(n, S)`.
fn nodes<'t>(w: &[Var<'t>], features: &[Var<'t>], selected: Var<'t>) -> Var<'t> {
    let shape = features[0].shape();
    let (batch, d) = (shape.rows(), shape.width());
    let (n, s) = (features.len(), selected.shape().width());
    let mut z = inner(features[0], w);
    for &feature in &features[1..] {
        z = z.concat(inner(feature, w));
    }
    let z = z.reshape(&[batch, n, d]).transpose();
    let z = z.reshape(&[batch * d, n]);
    let sum = z.matmul(selected);
    let squares = (z * z).matmul(selected * selected);
    let crossed = (sum * sum - squares + sum).scale(1.0 / (n * n) as f64);
    let crossed = crossed.reshape(&[batch, d, s]).transpose();
    let hidden = crossed.reshape(&[batch * s, d]).linear(w[2], w[3]);
    hidden.leaky_relu(SLOPE.into()).linear(w[4], w[5])
}

/// The selection of a step `(n, S)`: 0 or 1 by Gumbel noise, with the gradient of the soft one.
fn drawn<'t>(logits: Var<'t>, tape: &'t Tape, rng: &mut Rng) -> Var<'t> {
    let shape = logits.shape();
    let noise = (0..shape.count()).map(|_| {
        // The difference of two Gumbel variables is logistic.
        let u = rng.uniform(1e-6, 1.0 - 1e-6);
        u.ln() - (1.0 - u).ln()
    });
    let noise = tape.constant(noise.collect::<Vec<f32>>(), &shape);
    let soft = (logits + noise).sigmoid();
    let change = soft
        .value()
        .iter()
        .map(|&p| f32::from(u8::from(p > 0.5)) - p)
        .collect::<Vec<f32>>();
    soft + tape.constant(change, &shape)
}

impl Config {
    /// The features of items, their ids first: `(B, d)` each.
    fn of_items<'t>(&self, data: &Data, w: &[Var<'t>], items: &[u32]) -> Vec<Var<'t>> {
        let mut features = vec![w[1].gather(items.to_vec())];
        for (field, &table) in data.fields.iter().zip(&w[FIELDS..]) {
            let field = table.sparse_matmul(&means(field, items));
            features.push(field.layer_norm(w[NORM], w[NORM + 1], 1e-5));
        }
        features
    }

    /// What a feature `(B, d)` breaks of the laws: Σ over them of 1 − cos, the mean over its rows.
    fn broken<'t>(&self, data: &Data, tape: &'t Tape, w: &[Var<'t>], x: Var<'t>) -> Var<'t> {
        let rows = x.shape().rows();
        let both = tape.constant(vec![1.0; 2], &[2, 1]);
        let truth = tape.constant(data.truth.clone(), &[1, data.truth.len()]);
        let (t, not) = (truth.gather(vec![0; rows]), x.scale(-1.0));
        let f = t.scale(-1.0);
        let mut sum = tape.constant(vec![0.0], &[]);
        // Those of OR have T and F exchanged.
        for (&kind, [t, f]) in KINDS.iter().zip([[t, f], [f, t]]) {
            for (y, expected) in [(t, x), (f, f), (x, x), (not, f)] {
                let result = nodes(&w[kind..], &[x, y], both).normalize_rows();
                // |a − b|² is 2 − 2 cos for vectors of length 1.
                sum = sum + (result - expected.normalize_rows()).sum_of_squares();
            }
        }
        sum.scale(0.5 / rows.max(1) as f64)
    }

    /// The scores of pairs, with the selections of this step.
    fn scored<'t>(
        &self,
        data: &Data,
        tape: &'t Tape,
        w: &[Var<'t>],
        selected: &[Var<'t>; 2],
        user: Var<'t>,
        items: &[Var<'t>],
    ) -> Var<'t> {
        let features = [&[user], items].concat();
        let truth = tape.constant(data.truth.clone(), &[data.truth.len(), 1]);
        let truths = [0, 1].map(|k| {
            let nodes = nodes(&w[KINDS[k]..], &features, selected[k]).normalize_rows();
            let truths = nodes.matmul(truth).scale(SHARPNESS.into());
            truths.reshape(&[user.shape().rows(), self.nodes])
        });
        let hidden = user.concat(items[0]).linear(w[WEIGHING], w[WEIGHING + 1]);
        let hidden = hidden.leaky_relu(SLOPE.into());
        let weights = hidden.linear(w[WEIGHING + 2], w[WEIGHING + 3]).sigmoid();
        truths[0].concat(truths[1]).dot_rows(weights)
    }
}

impl Recipe for Config {
    type Decoder = Reasoning;
    type Data = Data;
    const EVERY_PURCHASE: bool = true;

    fn prepare(
        &self,
        chains: &Chains,
        catalogue: &Catalogue,
        _: Purpose,
        run: &Run<'_>,
    ) -> Result<Data> {
        let mut rng = Rng::new(run.seed, 4);
        let truth: Vec<f32> = (0..self.tables.embedding_size)
            .map(|_| rng.normal())
            .collect();
        let length = score_of(&truth, &truth).sqrt().max(SHORTEST);
        Ok(Data {
            n_items: chains.n_items,
            fields: categories(catalogue, chains.n_items, usize::MAX, ENTRY.name)?,
            truth: truth.iter().map(|t| t / length).collect(),
        })
    }

    fn weights(&self, data: &Data) -> Vec<Weight> {
        let (d, n) = (self.tables.embedding_size, 2 + data.fields.len());
        let mut all = vec![
            Weight::vector("norm.gain", d, Init::Ones),
            Weight::vector("norm.bias", d, Init::Zeros),
        ];
        for kind in NAMES {
            all.extend([
                Weight::matrix(format!("{kind}.inner0"), d, d),
                Weight::matrix(format!("{kind}.inner1"), d, d),
                Weight::matrix(format!("{kind}.cross0"), d, d),
                Weight::vector(format!("{kind}.cross0.bias"), d, Init::Zeros),
                Weight::matrix(format!("{kind}.cross1"), d, d),
                Weight::vector(format!("{kind}.cross1.bias"), d, Init::Zeros),
                // More likely than not.
                Weight::matrix(format!("{kind}.selected"), n, self.nodes).beginning(Init::Ones),
            ]);
        }
        all.extend([
            Weight::matrix("weighing0", 2 * d, d),
            Weight::vector("weighing0.bias", d, Init::Zeros),
            Weight::matrix("weighing1", d, 2 * self.nodes),
            Weight::vector("weighing1.bias", 2 * self.nodes, Init::Zeros),
        ]);
        let fields = data.fields.iter().enumerate();
        let tables =
            fields.map(|(f, field)| Weight::matrix(format!("field{f}"), field.n_values, d));
        all.extend(tables);
        all
    }

    fn loss<'t>(
        &self,
        data: &Data,
        tape: &'t Tape,
        w: &[Var<'t>],
        batch: &Batch,
        rng: &mut Rng,
    ) -> Var<'t> {
        let sample = batch.target();
        let user = w[0].gather(Arc::clone(&sample.users));
        let selected = KINDS.map(|kind| drawn(w[kind + OF_KIND - 1], tape, rng));
        let positives = self.of_items(data, w, &sample.positives);
        let negatives = self.of_items(data, w, &sample.negatives);
        let [above, below] = [&positives, &negatives]
            .map(|items| self.scored(data, tape, w, &selected, user, items));
        let loss = above.bpr(below);
        if self.logic == 0.0 {
            return loss;
        }
        let feature = match rng.below(1 + positives.len()) {
            0 => user,
            f => positives[f - 1],
        };
        let broken = self.broken(data, tape, w, feature);
        loss + broken.scale(self.logic.into())
    }

    fn finish<'t>(&self, data: &Data, _: &'t Tape, w: &[Var<'t>]) -> (Vec<f32>, Reasoning) {
        let numbers = |k: usize| w[k].value().to_vec();
        let d = self.tables.embedding_size;
        let all: Vec<u32> = (0..data.n_items as u32).collect();
        let mut items = self.of_items(data, w, &all).into_iter();
        let first = items
            .next()
            .unwrap_or_else(|| unreachable!("the id of an item is a feature"));
        let items = items.fold(first, Var::concat);
        let n = 2 + data.fields.len();
        let layer = |k: usize| Layer {
            weights: numbers(k),
            bias: numbers(k + 1),
        };
        let plain = |k: usize| Layer {
            weights: numbers(k),
            bias: vec![0.0; d],
        };
        let kinds = KINDS.map(|k| {
            let likely = numbers(k + OF_KIND - 1);
            let of_node = |s: usize| (0..n).map(move |f| (f, s));
            Kind {
                inner: [plain(k), plain(k + 1)],
                cross: [layer(k + 2), layer(k + 4)],
                selected: (0..self.nodes)
                    .flat_map(of_node)
                    .map(|(f, s)| likely[f * self.nodes + s] > 0.0)
                    .collect(),
            }
        });
        let reasoning = Reasoning::new(
            items.value().to_vec(),
            kinds,
            [layer(WEIGHING), layer(WEIGHING + 2)],
            data.truth.clone(),
        );
        (w[0].value().to_vec(), reasoning)
    }
}

/// The names of the two kinds of nodes.
const NAMES: [&str; 2] = ["and", "or"];

/// The nodes of a kind.
#[derive(Debug, Clone, PartialEq)]
struct Kind {
    inner: [Layer; 2],   // F: without biases
    cross: [Layer; 2],   // G
    selected: Vec<bool>, // (S, n): the features of each node
}

/// LeakyReLU.
fn leaky(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = x.max(SLOPE * *x));
}

/// Two layers with LeakyReLU between them.
fn through(layers: &[Layer; 2], x: &[f32]) -> Vec<f32> {
    let mut hidden = layers[0].apply(x);
    leaky(&mut hidden);
    layers[1].apply(&hidden)
}

/// Scores by nodes that reason over features. The vector of a user is x_u.
#[derive(Debug, Clone, PartialEq)]
pub struct Reasoning {
    items: Vec<f32>, // (I, n − 1, d): the features of items
    d: usize,
    n: usize,
    kinds: [Kind; 2],
    weighing: [Layer; 2],
    truth: Vec<f32>, // (d), of length 1
    // F of the features of items, by kind: what follows from the others.
    inner: [Vec<f32>; 2], // (I, n − 1, d)
}

/// A user, read once for all items.
struct Reading<'a> {
    user: &'a [f32],
    inner: [Vec<f32>; 2],
}

/// Buffers of the computation of nodes.
#[derive(Default)]
struct Buffers {
    sum: Vec<f32>,
    crossed: Vec<f32>,
    hidden: Vec<f32>,
    node: Vec<f32>,
}

impl Reasoning {
    fn new(items: Vec<f32>, kinds: [Kind; 2], weighing: [Layer; 2], truth: Vec<f32>) -> Self {
        let d = truth.len().max(1);
        let nodes = (weighing[1].bias.len() / 2).max(1);
        let n = kinds[0].selected.len() / nodes;
        let inner = [0, 1].map(|k| {
            let features = items.chunks_exact(d);
            features.flat_map(|x| through(&kinds[k].inner, x)).collect()
        });
        Self {
            items,
            d,
            n,
            kinds,
            weighing,
            truth,
            inner,
        }
    }

    /// Nodes of each kind.
    fn n_nodes(&self) -> usize {
        self.weighing[1].bias.len() / 2
    }

    fn reading<'a>(&self, user: &'a [f32]) -> Reading<'a> {
        let inner = [0, 1].map(|k: usize| through(&self.kinds[k].inner, user));
        Reading { user, inner }
    }

    /// Computes the node `s` of a kind in the buffers; returns the cosine with TRUE.
    fn node(&self, [k, s]: [usize; 2], user: &Reading<'_>, item: u32, at: &mut Buffers) -> f32 {
        let (kind, width) = (&self.kinds[k], (self.n - 1) * self.d);
        let of_item = &self.inner[k][item as usize * width..][..width];
        let features = [&user.inner[k][..]]
            .into_iter()
            .chain(of_item.chunks_exact(self.d));
        for buffer in [&mut at.sum, &mut at.crossed] {
            buffer.clear();
            buffer.resize(self.d, 0.0);
        }
        let selected = &kind.selected[s * self.n..][..self.n];
        for (z, _) in features.zip(selected).filter(|(_, selected)| **selected) {
            for ((sum, square), z) in at.sum.iter_mut().zip(&mut at.crossed).zip(z) {
                *sum += z;
                *square += z * z;
            }
        }
        let scale = 1.0 / (self.n * self.n) as f32;
        for (crossed, sum) in at.crossed.iter_mut().zip(&at.sum) {
            *crossed = (sum * sum - *crossed + sum) * scale;
        }
        kind.cross[0].apply_to(&at.crossed, &mut at.hidden);
        leaky(&mut at.hidden);
        kind.cross[1].apply_to(&at.hidden, &mut at.node);
        let length = score_of(&at.node, &at.node).sqrt().max(SHORTEST);
        score_of(&at.node, &self.truth) / length
    }

    fn pair(&self, user: &Reading<'_>, item: u32) -> Vec<f32> {
        [user.user, self.key(item)].concat()
    }

    fn of(&self, user: &Reading<'_>, item: u32, at: &mut Buffers) -> f32 {
        let weights = through(&self.weighing, &self.pair(user, item));
        let s = self.n_nodes();
        let mut score = 0.0;
        for (place, weight) in weights.into_iter().enumerate() {
            let cosine = self.node([place / s, place % s], user, item, at);
            score += SHARPNESS * cosine * weight.sigmoid();
        }
        score
    }
}

impl Decoder for Reasoning {
    // Cosines of short nodes turn within a small step.
    const STEPS: usize = 0;

    fn n_items(&self) -> usize {
        self.items.len() / ((self.n - 1) * self.d).max(1)
    }

    fn width(&self) -> usize {
        self.d
    }

    fn lead(&self) -> usize {
        self.d
    }

    fn key(&self, item: u32) -> &[f32] {
        &self.items[item as usize * (self.n - 1) * self.d..][..self.d]
    }

    fn scores(&self, user: &[f32]) -> Vec<f32> {
        let (user, mut at) = (self.reading(user), Buffers::default());
        let items = 0..self.n_items() as u32;
        items.map(|i| self.of(&user, i, &mut at)).collect()
    }

    fn score(&self, user: &[f32], item: u32) -> f32 {
        self.of(&self.reading(user), item, &mut Buffers::default())
    }

    fn save(&self, out: &mut Tensors) -> Result<()> {
        put_vectors(out, "items", &self.items, (self.n - 1) * self.d, self.d);
        out.put_f32("true", &[self.d], self.truth.clone());
        for (name, kind) in NAMES.iter().zip(&self.kinds) {
            for (l, layer) in kind.inner.iter().enumerate() {
                layer.save(out, &format!("{name}.inner{l}"));
            }
            for (l, layer) in kind.cross.iter().enumerate() {
                layer.save(out, &format!("{name}.cross{l}"));
            }
            let selected: Vec<u32> = kind.selected.iter().map(|&s| s.into()).collect();
            out.put_u32(
                &format!("{name}.selected"),
                &[self.n_nodes(), self.n],
                selected,
            );
        }
        for (l, layer) in self.weighing.iter().enumerate() {
            layer.save(out, &format!("weighing{l}"));
        }
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (items, width, d) = vectors(from, "items")?;
        let pair = |name: &str, inputs: usize| -> Result<[Layer; 2]> {
            let first = Layer::load(from, &format!("{name}0"), inputs)?;
            let second = Layer::load(from, &format!("{name}1"), first.bias.len())?;
            Ok([first, second])
        };
        let weighing = pair("weighing", 2 * d)?;
        let (nodes, n) = (weighing[1].bias.len() / 2, 1 + width / d);
        let mut kinds = Vec::new();
        for name in NAMES {
            let (_, selected) = from.u32(&format!("{name}.selected"))?;
            if selected.len() != nodes * n {
                return Err(Error::shape(
                    format!("{name}.selected"),
                    nodes * n,
                    selected.len(),
                ));
            }
            let kind = Kind {
                inner: pair(&format!("{name}.inner"), d)?,
                cross: pair(&format!("{name}.cross"), d)?,
                selected: selected.iter().map(|&s| s != 0).collect(),
            };
            for (what, layers) in [("inner", &kind.inner), ("cross", &kind.cross)] {
                let found = layers[1].bias.len();
                if found != d {
                    return Err(Error::shape(format!("{name}.{what}1"), d, found));
                }
            }
            kinds.push(kind);
        }
        let [and, or] = kinds
            .try_into()
            .unwrap_or_else(|_| unreachable!("two kinds were read"));
        if width % d != 0 || weighing[1].bias.len() != 2 * nodes || nodes == 0 {
            let found = format!("items of width {width}, {} weights", weighing[1].bias.len());
            return Err(Error::shape(
                "the nodes of FENCR",
                "features of one width, and two kinds",
                found,
            ));
        }
        let truth = from.shaped("true", &[d])?.to_vec();
        Ok(Self::new(items, [and, or], weighing, truth))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::tests::{colors, learns_colors, refusal};
    use super::*;
    use crate::behavior::chains::Behaviors;
    use limpid_core::Training;
    use limpid_tensor::Parameter;

    /// One dimension, n = 2, F(x) = 2 x for x > 0, G(x) = 3 x + 1. Of user 1 and item 2: z = (2, 4), crossed
    /// ((6)² − 20 + 6) / 4 = 5.5, so the node is 17.5, along TRUE: a truth of 10. Of the user alone (4 − 4 + 2) / 4.
    /// OR ends with a sign: 3 · ½ + 1, against TRUE. The MLP gives 1 + 2 = 3 to AND, and −3 to OR.
    #[test]
    fn one_score_by_hand() {
        let layer = |w: f32, b: f32| Layer {
            weights: vec![w],
            bias: vec![b],
        };
        let kind = |sign: f32, selected: [bool; 2]| Kind {
            inner: [layer(2.0, 0.0), layer(1.0, 0.0)],
            cross: [layer(3.0, 1.0), layer(sign, 0.0)],
            selected: selected.to_vec(),
        };
        let weighing = [
            Layer {
                weights: vec![1.0, 1.0],
                bias: vec![0.0],
            },
            Layer {
                weights: vec![1.0, -1.0],
                bias: vec![0.0, 0.0],
            },
        ];
        let kinds = [kind(1.0, [true, true]), kind(-1.0, [true, false])];
        let reasoning = Reasoning::new(vec![2.0], kinds, weighing, vec![1.0]);
        let mut at = Buffers::default();
        let user = reasoning.reading(&[1.0]);
        assert_eq!(
            (reasoning.node([0, 0], &user, 0, &mut at), &at.node[..]),
            (1.0, &[17.5][..])
        );
        assert_eq!(
            (reasoning.node([1, 0], &user, 0, &mut at), &at.node[..]),
            (-1.0, &[-2.5][..])
        );
        let expected = 10.0 * 3f32.sigmoid() - 10.0 * (-3f32).sigmoid();
        assert!((reasoning.score(&[1.0], 0) - expected).abs() < 1e-5);
    }

    /// The same two nodes on the tape.
    #[test]
    fn nodes_on_the_tape_by_hand() {
        let tape = Tape::default();
        let one = |w: f32| tape.constant(vec![w], &[1, 1]);
        let bias = |b: f32| tape.constant(vec![b], &[1]);
        let w = [one(2.0), one(1.0), one(3.0), bias(1.0), one(1.0), bias(0.0)];
        let selected = tape.constant(vec![1.0, 1.0, 1.0, 0.0], &[2, 2]);
        let found = nodes(&w, &[one(1.0), one(2.0)], selected);
        assert_eq!(found.value()[..], [17.5, 2.5]);
    }

    /// A small model on [`colors`] with weights that are not trained, and what prepares it.
    fn untrained() -> (Config, Data, Vec<Parameter>) {
        let (histories, catalogue) = colors();
        let data = Training {
            histories: &histories,
            catalogue: &catalogue,
        };
        let config = Config {
            nodes: 3,
            tables: Tables {
                embedding_size: 4,
                ..Tables::default()
            },
            ..Config::default()
        };
        let chains = Chains::of(&histories, Behaviors::of(&data).unwrap());
        let data = config
            .prepare(&chains, &catalogue, Purpose::Losses, &Run::seeded(1))
            .unwrap();
        let tables = [
            Weight::matrix("users", 60, 4),
            Weight::matrix("items", 60, 4),
        ];
        let mut rng = Rng::new(5, 0);
        let all = tables.into_iter().chain(config.weights(&data));
        let mut all: Vec<Parameter> = all.map(|w| w.parameter(&mut rng)).collect();
        // Selections of both kinds, and biases that are not 0.
        for p in &mut all {
            let noise = rng.uniforms(p.value.len(), -1.0, 1.0);
            let size = if p.name.ends_with("selected") {
                2.0
            } else {
                0.3
            };
            p.value
                .iter_mut()
                .zip(noise)
                .for_each(|(v, x)| *v += size * x);
        }
        (config, data, all)
    }

    /// The decoder scores as the tape does, for which gradients are checked.
    #[test]
    fn the_decoder_is_the_network() {
        let (config, data, weights) = untrained();
        let tape = Tape::default();
        let w: Vec<Var<'_>> = weights
            .iter()
            .map(|p| tape.constant(p.value.clone(), &p.shape))
            .collect();
        let (users, reasoning) = config.finish(&data, &tape, &w);
        let selected = KINDS.map(|k| {
            let logits = w[k + OF_KIND - 1];
            let hard = logits
                .value()
                .iter()
                .map(|&l| f32::from(u8::from(l > 0.0)))
                .collect::<Vec<f32>>();
            tape.constant(hard, &logits.shape())
        });
        let (user, items): (usize, Vec<u32>) = (7, (0..60).collect());
        let of_user = w[0].gather(vec![user as u32; 60]);
        let features = config.of_items(&data, &w, &items);
        let expected = config
            .scored(&data, &tape, &w, &selected, of_user, &features)
            .value();
        let z = &users[user * 4..][..4];
        let scores = reasoning.scores(z);
        for (found, expected) in scores.iter().zip(&expected[..]) {
            assert!((found - expected).abs() < 1e-3, "{found} {expected}");
        }
        for item in [0, 11, 29] {
            assert_eq!(reasoning.score(z, item), scores[item as usize]);
        }
        let mut saved = Tensors::new();
        reasoning.save(&mut saved).unwrap();
        assert_eq!(Reasoning::load(&saved).unwrap(), reasoning);
        saved.put_u32("or.selected", &[1, 4], vec![1; 4]);
        let refused = Reasoning::load(&saved).unwrap_err().to_string();
        assert!(refused.contains("or.selected"), "{refused}");
    }

    #[test]
    fn broken_laws_have_a_gradient() {
        let (config, data, weights) = untrained();
        let tape = Tape::default();
        let w: Vec<Var<'_>> = weights
            .iter()
            .map(|p| tape.leaf(Arc::new(p.value.clone()), &p.shape))
            .collect();
        let x = w[1].gather(vec![3, 4]);
        let broken = config.broken(&data, &tape, &w, x);
        // Eight laws, each from 0 to 2.
        assert!((0.0..16.0).contains(&broken.scalar()));
        let mut gradients = broken.backward();
        let of_inner = gradients.take(w[KINDS[0]]).dense(16);
        assert!(of_inner.iter().any(|g| *g != 0.0));
    }

    #[test]
    fn attributes_decide() {
        learns_colors(&Config::default());
        let refused = refusal(&Config::default());
        assert!(
            refused.contains("at least 1 for fencr") && refused.contains("--metadata"),
            "{refused}"
        );
    }
}
