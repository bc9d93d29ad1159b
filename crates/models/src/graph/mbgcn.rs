//! MBGCN: Jin et al., Multi-behavior Recommendation with Graph Convolutional Networks, SIGIR 2020,
//! <https://dl.acm.org/doi/10.1145/3397271.3401072>.
//!
//! ```text
//! p_u = Σ_b α_ub (mean of e_i over N_b(u)) W      α_ub = w_b n_ub / Σ_c w_c n_uc     n_ub = |N_b(u)|
//! q_i = (Σ of e_u over the buyers of i) W         s_ib = [e_i ; g_ib P_b]            g_ib: mean of e over G_b(i)
//! score = [e_u ; p_u] · [e_i ; q_i] + λ mean over b of (mean of s_b over N_b(u)) M_b · s_ib
//! ```
//!
//! and BPR on the target. Departures: the mean over the co-occurrence graph G_b(i) is weighted by the number of
//! common users, so that the graph, which is nearly dense in views, is two sparse products and is never formed;
//! the sum over buyers is divided by their square root, which keeps its scale for popular items; dropout is of
//! messages alone, not of edges.
//!
//! As in the released code, matrix factorization of the target pretrains the tables, whose rows then have length 1: with short
//! random rows, the product of an item with itself among those that a user viewed is too small to be learned from.

use std::sync::Arc;

use limpid_tensor::Rng;
use limpid_tensor::tape::{Csr, Tape, Var};

use super::behavior_graphs::{GraphModel, Graphs, Nodes, mixed, row_means};
use super::one_graph::Pretraining;
use crate::behavior::chains::Behaviors;
use crate::hyper::{self, hyper};
use crate::latent::learned_users::fit::{Batch, Init, Weight};
use crate::latent::learned_users::{Tables, learned_model};
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "mbgcn",
    aliases: &[],
    about: "graph convolutions with a learned weight of each behavior, and likeness of items by behavior",
    paper: "Jin et al., Multi-behavior Recommendation with Graph Convolutional Networks, SIGIR 2020",
    reads: Reads::BEHAVIORS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Weight of the likeness of items (λ).
        lambda: f32 = 1.0, in at_least(0.0), tune [0.1, 1];
        /// Dropout rate of messages in training.
        dropout: f32 = 0.2, in between(0.0, 0.95), tune [0, 0.2];
        /// Passes over the users in which matrix factorization of the target pretrains the tables; 0: none.
        pretraining: usize = 200;
        include tables: Tables = {};
        include training: TrainingLoop = { epochs: 200, batch_size: 1024, learning_rate: 1e-3, patience: 30 };
    }
}

learned_model!("model/mbgcn");

/// Added to a sum of counts, which is 0 for users without events.
const SMALL: f32 = 1e-6;

impl GraphModel for Config {
    fn pretraining(&self, behaviors: Behaviors) -> Option<Pretraining> {
        let target = behaviors.target();
        Pretraining::of(self, 0, self.pretraining, target).map(Pretraining::of_unit_rows)
    }

    fn weights(&self, graphs: &Graphs) -> Vec<Weight> {
        let (d, n) = (self.tables.embedding_size, graphs.behaviors.len());
        let of_behavior = |b| {
            [
                Weight::matrix(format!("p{b}"), d, d),
                Weight::matrix(format!("m{b}"), 2 * d, 2 * d),
            ]
        };
        let first = [
            Weight::vector("behaviors", n, Init::Ones),
            Weight::matrix("w", d, d),
        ];
        first
            .into_iter()
            .chain((0..n).flat_map(of_behavior))
            .collect()
    }

    /// [e ; p] and [e ; q]; then s_b of the items alone, by behavior. What needs the likeness of users is computed for
    /// those of a batch.
    fn nodes<'t>(
        &self,
        graphs: &Graphs,
        tape: &'t Tape,
        x: Var<'t>,
        w: &[Var<'t>],
        mut rng: Option<&mut Rng>,
    ) -> Vec<Nodes<'t>> {
        let mut drop = |x: Var<'t>| match &mut rng {
            Some(rng) => x.dropout(self.dropout, rng),
            None => x,
        };
        let n = graphs.behaviors.len();
        let tables = graphs.nodes(x);
        let (users, items) = (tables.users(), tables.items());
        let over = graphs.means();
        let means: Vec<Var<'t>> = over
            .iter()
            .map(|over| items.sparse_matmul(&over.of_items))
            .collect();
        // α (U, B): counts weighted by behavior, divided by their sum.
        let counts = |u: usize| graphs.rows.iter().map(move |rows| rows[u].len() as f32);
        let counts: Vec<f32> = (0..graphs.n_users).flat_map(counts).collect();
        let counts = tape.constant(counts, &[graphs.n_users, n]).mul_rows(w[0]);
        let small = tape.constant(vec![SMALL; graphs.n_users], &[graphs.n_users]);
        let total = counts.sum_rows() + small;
        let shares = counts.scale_rows(total.log().scale(-1.0).exp());
        let p = mixed(&means, shares);
        let target = graphs.target();
        let mut roots = vec![0f32; graphs.n_items];
        for &i in graphs.rows[target].iter().flatten() {
            roots[i as usize] += 1.0;
        }
        roots.iter_mut().for_each(|n| *n = n.sqrt());
        let roots = tape.constant(roots, &[graphs.n_items]);
        let buyers = users.sparse_matmul(&over[target].of_users);
        let buyers = buyers.scale_rows(roots);
        let of_users = users.concat(drop(p.matmul(w[1])));
        let of_items = items.concat(drop(buyers.matmul(w[1])));
        let mut all = vec![graphs.nodes(of_users.stack(of_items))];
        for (b, weights) in w[2..].chunks_exact(2).enumerate() {
            let like = means[b].sparse_matmul(&over[b].of_users);
            all.push(Nodes::of_items_alone(
                items.concat(drop(like.matmul(weights[0]))),
            ));
        }
        all
    }

    fn loss<'t>(
        &self,
        graphs: &Graphs,
        _: &'t Tape,
        nodes: &[Nodes<'t>],
        w: &[Var<'t>],
        batch: &Batch,
        _: &mut Rng,
    ) -> Var<'t> {
        let sample = batch.target();
        let users = nodes[0].of_users(&sample.users);
        let of_batch = |b: usize| {
            let rows = sample
                .users
                .iter()
                .map(|&u| &graphs.rows[b][u as usize][..]);
            row_means(rows, graphs.n_items)
        };
        let likes: Vec<Var<'t>> = (0..graphs.behaviors.len())
            .map(|b| self.like(nodes, w, b, &of_batch(b)))
            .collect();
        let score = |items: &[u32]| {
            let first = users.dot_rows(nodes[0].of_items(items));
            let pairs = likes.iter().zip(&nodes[1..]);
            pairs.fold(first, |sum, (like, s)| {
                sum + like.dot_rows(s.of_items(items))
            })
        };
        score(&sample.positives).bpr(score(&sample.negatives))
    }

    fn vectors<'t>(
        &self,
        graphs: &Graphs,
        _: &'t Tape,
        nodes: &[Nodes<'t>],
        w: &[Var<'t>],
    ) -> Nodes<'t> {
        let (mut users, mut items) = (nodes[0].users(), nodes[0].items());
        for (b, over) in graphs.means().iter().enumerate() {
            users = users.concat(self.like(nodes, w, b, &over.of_items));
            items = items.concat(nodes[1 + b].items());
        }
        graphs.nodes(users.stack(items))
    }
}

impl Config {
    /// λ / B (mean of s_b over the items of each row) M_b.
    fn like<'t>(&self, nodes: &[Nodes<'t>], w: &[Var<'t>], b: usize, rows: &Arc<Csr>) -> Var<'t> {
        let mean = nodes[1 + b].items().sparse_matmul(rows);
        let share = f64::from(self.lambda) / (nodes.len() - 1) as f64;
        mean.matmul(w[3 + 2 * b]).scale(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::behavior_graphs::small;

    /// Vectors of one number: u = 2, i_0 = 3, i_1 = 5. Means of items are 3 in views, 4 in purchases; the counts 1 and 2 with
    /// weights 2 and 1 have equal shares, so p = 3.5 W = 7; q = 2 W = 4 of both items, each with one buyer. With P of 1 and 2,
    /// s is (3, 3) and (5, 0) in views, where nobody has item 1, and (3, 8), (5, 8) in purchases. Their means over the
    /// items of u are (3, 3) and (4, 8), which M keeps and swaps, and λ / B = 1/2.
    #[test]
    fn likeness_by_hand() {
        let (tape, graphs) = (Tape::default(), small::graphs());
        let x = tape.constant(vec![2.0, 3.0, 5.0], &[3, 1]);
        let number = |x: f32| tape.constant(vec![x], &[1, 1]);
        let w = [
            tape.constant(vec![2.0, 1.0], &[2]),
            number(2.0),
            number(1.0),
            tape.constant(vec![1.0, 0.0, 0.0, 1.0], &[2, 2]),
            number(2.0),
            tape.constant(vec![0.0, 1.0, 1.0, 0.0], &[2, 2]),
        ];
        let config = Config::default();
        let nodes = config.nodes(&graphs, &tape, x, &w, None);
        let vectors = config.vectors(&graphs, &tape, &nodes, &w);
        small::assert_close(vectors.users(), &[2.0, 7.0, 1.5, 1.5, 4.0, 2.0]);
        let items = [
            [3.0, 4.0, 3.0, 3.0, 3.0, 8.0],
            [5.0, 4.0, 5.0, 0.0, 5.0, 8.0],
        ];
        small::assert_close(vectors.items(), &items.concat());
    }
}
