//! NeuMF: He et al., Neural Collaborative Filtering, WWW 2017, <https://arxiv.org/abs/1708.05031>.
//!
//! ```text
//! score = h · (p_u ⊙ q_i) + tower([p'_u ; q'_i])
//! ```
//!
//! with two tables each for users and items, and a tower of ReLU layers, each half as wide as the one before
//! (equations 9 to 12). Trained on the target behavior by cross-entropy with four negatives of each positive; a
//! negative has no behavior of its user. Departure: both halves are trained together from the start, without
//! pretraining; the tower has two layers by default, because three overfit the
//! few pairs of small data.
//!
//! The first layer of the tower is linear in each of its halves, so the vector of a user is `[h ⊙ p_u ; W p'_u]`, and
//! the tower continues from its sum with the same of an item.

use limpid_core::{Catalogue, Error, Result, Run, Tensors};
use limpid_tensor::Rng;
use limpid_tensor::tape::{Tape, Var};

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
    name: "neumf",
    aliases: &[],
    about: "matrix factorization and a multilayer perceptron, summed, on the target behavior",
    paper: "He et al., Neural Collaborative Filtering, WWW 2017",
    reads: Reads::BEHAVIORS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Layers of the tower, besides the output.
        layers: usize = 2, in whole(1, 6), tune [1, 2, 3];
        include tables: Tables = { embedding_size: 32 };
        include training: TrainingLoop = { epochs: 100, batch_size: 256, learning_rate: 3e-3 };
    }
}

learned_model!("model/neumf", Tower);

/// Negatives of each positive.
const NEGATIVES: usize = 4;

impl Config {
    /// The widths of the layers after the first, the output among them.
    fn widths(&self) -> Vec<usize> {
        let d = self.tables.embedding_size;
        let halves = (1..self.layers).map(|l| (d >> l).max(1));
        halves.chain([1]).collect()
    }
}

impl Recipe for Config {
    type Decoder = Tower;
    type Data = [usize; 2];
    const NEGATIVES: usize = NEGATIVES;
    const EVERY_PURCHASE: bool = true;

    fn prepare(
        &self,
        chains: &Chains,
        _: &Catalogue,
        _: Purpose,
        _: &Run<'_>,
    ) -> Result<[usize; 2]> {
        Ok([chains.len(), chains.n_items])
    }

    fn weights(&self, &[n_users, n_items]: &[usize; 2]) -> Vec<Weight> {
        let d = self.tables.embedding_size;
        let mut all = vec![
            Weight::matrix("tower.users", n_users, d),
            Weight::matrix("tower.items", n_items, d),
            Weight::vector("product", d, Init::Ones),
            Weight::matrix("first.users", d, d),
            Weight::matrix("first.items", d, d),
            Weight::vector("first.bias", d, Init::Zeros),
        ];
        let mut width = d;
        for (l, next) in self.widths().into_iter().enumerate() {
            all.push(Weight::matrix(format!("layer{l}"), width, next));
            all.push(Weight::vector(format!("layer{l}.bias"), next, Init::Zeros));
            width = next;
        }
        all
    }

    fn loss<'t>(
        &self,
        _: &[usize; 2],
        _: &'t Tape,
        w: &[Var<'t>],
        batch: &Batch,
        _: &mut Rng,
    ) -> Var<'t> {
        let sample = batch.target();
        let repeated = sample.users.iter().flat_map(|&u| [u; NEGATIVES]);
        let users: Vec<u32> = sample.users.iter().copied().chain(repeated).collect();
        let items = [&sample.positives[..], &sample.negatives].concat();
        let (positives, all) = (sample.positives.len(), items.len());
        let targets = (0..all).map(|k| f32::from(u8::from(k < positives)));
        let product = w[0].gather(users.clone()).mul_rows(w[4]);
        let product = product.dot_rows(w[1].gather(items.clone()));
        let of_users = w[2].gather(users).matmul(w[5]);
        let mut h = w[3].gather(items).linear(w[6], w[7]) + of_users;
        for layer in w[8..].chunks_exact(2) {
            h = h.relu().linear(layer[0], layer[1]);
        }
        let logits = product + h.reshape(&[all]);
        logits.binary_cross_entropy(targets.collect::<Vec<f32>>())
    }

    fn finish<'t>(&self, _: &[usize; 2], _: &'t Tape, w: &[Var<'t>]) -> (Vec<f32>, Tower) {
        let users = w[0].mul_rows(w[4]).concat(w[2].matmul(w[5]));
        let items = w[1].concat(w[3].linear(w[6], w[7]));
        let mut layers = Vec::new();
        for layer in w[8..].chunks_exact(2) {
            layers.push(Layer {
                weights: layer[0].value().to_vec(),
                bias: layer[1].value().to_vec(),
            });
        }
        let tower = Tower {
            items: items.value().to_vec(),
            d: self.tables.embedding_size,
            layers,
        };
        (users.value().to_vec(), tower)
    }
}

/// Scores by a product and a tower.
#[derive(Debug, Clone, PartialEq)]
pub struct Tower {
    items: Vec<f32>, // (I, 2 d): q_i, then its half of the first layer with the bias
    d: usize,
    layers: Vec<Layer>, // after the first; the last one has one output
}

impl Tower {
    fn vector(&self, item: u32) -> &[f32] {
        &self.items[item as usize * 2 * self.d..][..2 * self.d]
    }

    /// The sums of the first layer, before its ReLU.
    fn first(&self, user: &[f32], item: &[f32]) -> Vec<f32> {
        let halves = user[self.d..].iter().zip(&item[self.d..]);
        halves.map(|(a, b)| a + b).collect()
    }

    fn of(&self, user: &[f32], item: &[f32]) -> f32 {
        let mut h = self.first(user, item);
        for layer in &self.layers {
            h.iter_mut().for_each(|h| *h = h.max(0.0));
            h = layer.apply(&h);
        }
        let product = score_of(&user[..self.d], &item[..self.d]);
        product + h.first().copied().unwrap_or_default()
    }
}

impl Decoder for Tower {
    const STEPS: usize = 16;

    fn n_items(&self) -> usize {
        self.items.len() / (2 * self.d).max(1)
    }

    fn width(&self) -> usize {
        2 * self.d
    }

    fn lead(&self) -> usize {
        self.d
    }

    fn key(&self, item: u32) -> &[f32] {
        self.vector(item)
    }

    fn scores(&self, user: &[f32]) -> Vec<f32> {
        let items = self.items.chunks_exact((2 * self.d).max(1));
        items.map(|item| self.of(user, item)).collect()
    }

    fn score(&self, user: &[f32], item: u32) -> f32 {
        self.of(user, self.vector(item))
    }

    fn gradient(&self, user: &[f32], item: u32) -> Vec<f32> {
        let item = self.vector(item);
        let mut sums = vec![self.first(user, item)];
        for (l, layer) in self.layers.iter().enumerate() {
            let h: Vec<f32> = sums[l].iter().map(|h| h.max(0.0)).collect();
            sums.push(layer.apply(&h));
        }
        let mut slope = vec![1.0];
        for (layer, sums) in self.layers.iter().zip(&sums).rev() {
            let back = layer.back(&slope).into_iter().zip(sums);
            slope = back.map(|(g, &h)| if h > 0.0 { g } else { 0.0 }).collect();
        }
        [&item[..self.d], &slope].concat()
    }

    fn save(&self, out: &mut Tensors) -> Result<()> {
        put_vectors(out, "items", &self.items, 2 * self.d, self.d);
        out.put_meta("layers", &self.layers.len())?;
        for (l, layer) in self.layers.iter().enumerate() {
            layer.save(out, &format!("layer{l}"));
        }
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (items, width, lead) = vectors(from, "items")?;
        let n: usize = from.meta("layers")?;
        // More layers than arrays cannot be there.
        let known = n <= from.arrays().count() && width == 2 * lead;
        let mut layers = Vec::new();
        let mut before = width / 2;
        for l in 0..if known { n } else { 0 } {
            let layer = Layer::load(from, &format!("layer{l}"), before)?;
            before = layer.bias.len();
            layers.push(layer);
        }
        if layers.is_empty() || before != 1 {
            let found = format!("{n} layers, {before} outputs, items of width {width}");
            return Err(Error::shape(
                "the tower of NeuMF",
                "layers to one output",
                found,
            ));
        }
        Ok(Self {
            items,
            d: lead,
            layers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// d = 1, p q = 2 · 3, then 4 · relu(1 + 2) + 5.
    #[test]
    fn one_score_by_hand() {
        let tower = Tower {
            items: vec![3.0, 2.0],
            d: 1,
            layers: vec![Layer {
                weights: vec![4.0],
                bias: vec![5.0],
            }],
        };
        assert_eq!(tower.scores(&[2.0, 1.0]), [23.0]);
        assert_eq!(tower.gradient(&[2.0, 1.0], 0), [3.0, 4.0]);
        assert_eq!(tower.gradient(&[2.0, -3.0], 0), [3.0, 0.0]);
    }

    /// A layer without outputs, whose next one has no inputs, fits in its shapes alone.
    #[test]
    fn layers_without_outputs_are_refused() {
        let mut saved = Tensors::new();
        saved.put_f32("items", &[1, 1], vec![3.0]);
        saved.put_f32("items.rest", &[1, 1], vec![2.0]);
        saved.put_meta("layers", &2).unwrap();
        saved.put_f32("layer0", &[1, 0], Vec::new());
        saved.put_f32("layer0.bias", &[0], Vec::new());
        saved.put_f32("layer1", &[0, 1], Vec::new());
        saved.put_f32("layer1.bias", &[1], vec![5.0]);
        let refused = Tower::load(&saved).unwrap_err().to_string();
        assert!(refused.contains("layer0.bias"), "{refused}");
    }
}
