//! MBSSL: Xu et al., Multi-behavior Self-supervised Learning for Recommendation, SIGIR 2023,
//! <https://arxiv.org/abs/2305.18238>.
//!
//! ```text
//! z_b = LeakyReLU((Â_b x_b ⊙ r_b) W)      x_b ← Σ_c softmax_c(tanh(z_c S_b) s_b) z_c      r_b ← r_b V
//! ```
//!
//! by layers, from the tables and from r_b = 1; x_b and r_b are then the means over layers, and a score of
//! behavior b is Σ u_b ⊙ r_b ⊙ i_b. The loss has no negatives: for users of a batch it is
//!
//! ```text
//! Σ_b ( c Σ of ŷ² over all items + Σ of ((1 − c) ŷ² − 2 ŷ) over the items with b )
//! ```
//!
//! plus contrasts of two views of the target's graph, each without half of the nodes, and of the target with every
//! other behavior. Departures: the gradients of the losses are not balanced by parameter, the contrasts have a
//! fixed weight and are among `contrast` nodes of a batch; similar nodes remain negatives in them; behaviors have
//! equal weights; one layer by default, not four, and a larger learning rate (1e-2): deeper, the squared loss starts
//! so slowly that training stops early.

use limpid_tensor::Rng;
use limpid_tensor::tape::{Tape, Var};

use super::behavior_graphs::{Contrast, GraphModel, Graphs, Nodes, attended, mean_of};
use crate::hyper::{self, hyper};
use crate::latent::learned_users::fit::{Batch, Init, Weight};
use crate::latent::learned_users::{Tables, learned_model};
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "mbssl",
    aliases: &[],
    about: "attention between the graph convolutions of behaviors, trained without negatives and by contrasts",
    paper: "Xu et al., Multi-behavior Self-supervised Learning for Recommendation, SIGIR 2023",
    reads: Reads::BEHAVIORS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Graph layers.
        layers: usize = 1, in whole(1, 6), tune [1, 2, 4];
        /// Weight of an item without an event in the squared loss (c).
        negative_weight: f32 = 0.01, in above(0.0), tune [0.01, 0.1];
        /// Weight of the contrasts.
        contrast_weight: f32 = 0.1, in at_least(0.0), tune [0, 0.1, 0.5];
        /// Temperature of the contrasts.
        temperature: f32 = 0.2, in above(0.0), tune [0.2, 0.5];
        /// Nodes of a batch that are contrasted with each other.
        contrast: usize = 256, in whole_from(2);
        /// Dropout rate of messages in training.
        dropout: f32 = 0.3, in between(0.0, 0.95);
        include tables: Tables = { reg: 1e-2 };
        include training: TrainingLoop = { epochs: 200, batch_size: 512, learning_rate: 1e-2 };
    }
}

learned_model!("model/mbssl");

/// Hidden units of the attention.
const HIDDEN: usize = 16;

/// Slope of the leaky ReLU for negative numbers.
const SLOPE: f64 = 0.2;

/// The share of nodes that a view of a contrast leaves out.
const LEFT_OUT: f32 = 0.5;

/// The vectors of the target's neighbors and its own, in a view without some of the nodes.
fn view<'t>(graphs: &Graphs, tape: &'t Tape, x: Var<'t>, rng: &mut Rng) -> Nodes<'t> {
    let n = x.shape().rows();
    let kept = (0..n).map(|_| f32::from(u8::from(rng.unit() >= LEFT_OUT)));
    let kept = tape.constant(kept.collect::<Vec<f32>>(), &[n]);
    let layers = graphs.of[graphs.target()].layers(x.scale_rows(kept), 1);
    graphs.nodes(x + layers[1])
}

impl GraphModel for Config {
    fn weights(&self, graphs: &Graphs) -> Vec<Weight> {
        let (d, n) = (self.tables.embedding_size, graphs.behaviors.len());
        let mut all = Vec::new();
        for b in 0..n {
            all.push(Weight::vector(format!("relation{b}"), d, Init::Ones));
            all.push(Weight::matrix(format!("attention{b}"), d, HIDDEN));
            all.push(Weight::matrix(format!("attention{b}.out"), HIDDEN, 1));
        }
        for l in 0..self.layers {
            all.push(Weight::matrix(format!("layer{l}"), d, d));
            all.push(Weight::matrix(format!("layer{l}.relations"), d, d));
        }
        all
    }

    /// By behavior in order, users times r_b; then the same without r_b.
    fn nodes<'t>(
        &self,
        graphs: &Graphs,
        _: &'t Tape,
        x: Var<'t>,
        w: &[Var<'t>],
        mut rng: Option<&mut Rng>,
    ) -> Vec<Nodes<'t>> {
        let (d, order) = (self.tables.embedding_size, graphs.order());
        let (of_behavior, of_layer) = w.split_at(3 * order.len());
        let mut relations: Vec<Vec<Var<'t>>> =
            order.iter().map(|&b| vec![of_behavior[3 * b]]).collect();
        let mut layers: Vec<Vec<Var<'t>>> = vec![vec![x]; order.len()];
        for (l, weights) in of_layer.chunks_exact(2).enumerate() {
            let convolved = |(k, &b): (usize, &usize)| {
                let y = graphs.of[b].layers(layers[k][l], 1)[1];
                y.mul_rows(relations[k][l])
                    .matmul(weights[0])
                    .leaky_relu(SLOPE)
            };
            let z: Vec<Var<'t>> = order.iter().enumerate().map(convolved).collect();
            for (k, &b) in order.iter().enumerate() {
                let [s, out] = [of_behavior[3 * b + 1], of_behavior[3 * b + 2]];
                let mut next = attended(&z, |z| z.matmul(s).tanh().matmul(out));
                if let Some(rng) = &mut rng {
                    next = next.dropout(self.dropout, rng);
                }
                layers[k].push(next);
                let relation = relations[k][l].reshape(&[1, d]).matmul(weights[1]);
                relations[k].push(relation.reshape(&[d]));
            }
        }
        let plain: Vec<Nodes<'t>> = layers
            .into_iter()
            .map(|l| graphs.nodes(mean_of(l)))
            .collect();
        let related = plain.iter().zip(relations).map(|(x, r)| {
            let users = x.users().mul_rows(mean_of(r));
            graphs.nodes(users.stack(x.items()))
        });
        related.chain(plain.iter().copied()).collect()
    }

    fn loss<'t>(
        &self,
        graphs: &Graphs,
        tape: &'t Tape,
        nodes: &[Nodes<'t>],
        _: &[Var<'t>],
        batch: &Batch,
        rng: &mut Rng,
    ) -> Var<'t> {
        let order = graphs.order();
        let (related, plain) = nodes.split_at(order.len());
        let users = &batch.target().users;
        let negative = f64::from(self.negative_weight);
        let scale = 1.0 / (users.len().max(1) * order.len()) as f64;
        let of_behavior = |(&b, nodes): (&usize, &Nodes<'t>)| {
            let (u, i) = (nodes.of_users(users), nodes.items());
            let all = (u.transpose().matmul(u) * i.transpose().matmul(i)).sum();
            let pairs = users.iter().flat_map(|&u| {
                let row = graphs.rows[b][u as usize].iter();
                row.map(move |&i| (u, i))
            });
            let (of_users, of_items): (Vec<u32>, Vec<u32>) = pairs.unzip();
            let y = nodes
                .of_users(&of_users.into())
                .dot_rows(nodes.of_items(&of_items));
            let positive = y.sum_of_squares().scale(1.0 - negative) + y.sum().scale(-2.0);
            (all.scale(negative) + positive).scale(scale)
        };
        let losses = order.iter().zip(related).map(of_behavior);
        let zero = tape.constant(vec![0.0], &[]);
        let loss = losses.fold(zero, |sum, loss| sum + loss);
        if self.contrast_weight == 0.0 {
            return loss;
        }
        let contrast = Contrast::draw(batch, self.contrast, self.temperature, rng);
        let target = plain[plain.len() - 1];
        let views = [(); 2].map(|()| view(graphs, tape, target.all, rng));
        let within = contrast.of(views[0], views[1]);
        let others = &plain[..plain.len() - 1];
        let all = others
            .iter()
            .fold(within, |sum, &other| sum + contrast.of(target, other));
        loss + all.scale(f64::from(self.contrast_weight) / order.len() as f64)
    }

    fn vectors<'t>(
        &self,
        graphs: &Graphs,
        _: &'t Tape,
        nodes: &[Nodes<'t>],
        _: &[Var<'t>],
    ) -> Nodes<'t> {
        nodes[graphs.behaviors.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::behavior_graphs::small;

    /// One layer; W keeps the first number and negates the second, r_view = (2, 1), r_buy = (1, 1), r = 1/√2. Neighbors by
    /// views: (0, 2) of u, (3, 4) of i_0, none of i_1; so z is (0, −0.2 · 2), (6, −0.2 · 4), 0. By purchases they are r (3, 4)
    /// of every node; so z is r (3, −0.2 · 4). The attention of views is 0, hence even; that of purchases is the tanh of the
    /// first number. x is the mean of the tables and of what is attended. V doubles r_b: their means are (3, 1.5) and
    /// (1.5, 1.5), times which users are.
    #[test]
    fn attention_by_hand() {
        let (tape, graphs) = (Tape::default(), small::graphs());
        let tables = Tables {
            embedding_size: 2,
            ..Tables::default()
        };
        let config = Config {
            tables,
            ..Config::default()
        };
        let vector = |x: [f32; 2]| tape.constant(x.to_vec(), &[2]);
        let of_attention = |x: f32| {
            let (mut s, mut out) = (vec![0.0; 2 * HIDDEN], vec![0.0; HIDDEN]);
            (s[0], out[0]) = (x, 1.0);
            let s = tape.constant(s, &[2, HIDDEN]);
            (s, tape.constant(out, &[HIDDEN, 1]))
        };
        let (of_views, of_purchases) = (of_attention(0.0), of_attention(1.0));
        let w = [
            vector([2.0, 1.0]),
            of_views.0,
            of_views.1,
            vector([1.0, 1.0]),
            of_purchases.0,
            of_purchases.1,
            tape.constant(vec![1.0, 0.0, 0.0, -1.0], &[2, 2]),
            tape.constant(vec![2.0, 0.0, 0.0, 2.0], &[2, 2]),
        ];
        let nodes = config.nodes(&graphs, &tape, small::tables(&tape), &w, None);
        let r = 0.5f32.sqrt();
        let tables = [[3.0, 4.0], [0.0, 2.0], [3.0, 2.0]];
        let viewed = [[0.0, -0.4], [6.0, -0.8], [0.0, 0.0]];
        let bought = [3.0 * r, -0.8 * r];
        // The share of views, of two logits: of views and of purchases.
        let mean = |share: &dyn Fn(f32) -> f32| -> Vec<f32> {
            let pairs = tables.iter().zip(&viewed);
            let mean = |(x, z): (&[f32; 2], &[f32; 2])| {
                let s = share(z[0]);
                [0, 1].map(|k| (x[k] + s * z[k] + (1.0 - s) * bought[k]) / 2.0)
            };
            pairs.flat_map(mean).collect()
        };
        let even = mean(&|_| 0.5);
        let attended = mean(&|z| 1.0 / (1.0 + (bought[0].tanh() - z.tanh()).exp()));
        small::assert_close(nodes[2].all, &even);
        small::assert_close(nodes[3].all, &attended);
        small::assert_close(nodes[0].users(), &[3.0 * even[0], 1.5 * even[1]]);
        let vectors = config.vectors(&graphs, &tape, &nodes, &w);
        let users = [1.5 * attended[0], 1.5 * attended[1]];
        small::assert_close(vectors.users(), &users);
        small::assert_close(vectors.items(), &attended[2..]);
        // The view of the user, in numbers: half of each z.
        assert!((even[0] - (3.0 + 1.5 * r) / 2.0).abs() < 1e-6);
    }
}
