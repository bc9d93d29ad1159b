//! HEC-GCN: Yin et al., Hypergraph Enhanced Cascading Graph Convolution Network for Multi-Behavior
//! Recommendation, <https://arxiv.org/abs/2412.14476>.
//!
//! ```text
//! g   = x + Σ_l y_l / l,  y_l = rows of length 1 of Â y_{l-1}                 over the union, x: the tables
//! c_b = the same over behavior b, from e_{b-1}, e_0 = g
//! h_b = (x + x') / 2,  x' = rows of length 1 of H (Hᵀ x),  H = x W_b          x = e_{b-1}, no gradient into H
//! e_b = (e_{b-1} + c_b + h_b) / 3                                             b in the order of the chain
//! score = u · i,  u = g_u + Σ_b softmax_b(a · e_ub) e_ub,  i likewise
//! loss  = Σ_b BPR_b + BPR of the score + α (InfoNCE of e_b with h_b, and of e_b with g)
//! ```
//!
//! Departure: contrasts are among `contrast` nodes of a batch, not all of it, because their cost is its square.

use limpid_tensor::Rng;
use limpid_tensor::tape::{Tape, Var};

use super::behavior_graphs::{
    Contrast, GraphModel, Graphs, Nodes, attended, bpr_of_all, convolved,
};
use crate::hyper::{self, hyper};
use crate::latent::learned_users::fit::{Batch, Weight};
use crate::latent::learned_users::{Tables, learned_model};
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "hec-gcn",
    aliases: &[],
    about: "graph and hypergraph convolutions cascaded over behaviors, with contrasts between them",
    paper: "Yin et al., Hypergraph Enhanced Cascading Graph Convolution Network for Multi-Behavior Recommendation, 2024",
    reads: Reads::BEHAVIORS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters; the defaults are those of the released code, except the learning rate (5e-4 there) and the
    /// weight of the contrasts (0.3 there, which on few users outweighs the ranking).
    pub struct Config {
        /// Graph layers of the union, and of the target.
        layers: usize = 2, in whole(1, 6), tune [1, 2, 3];
        /// Hyperedges of each behavior.
        hyperedges: usize = 32, in whole(1, 512), tune [16, 32, 64];
        /// Weight of the contrasts (α).
        alpha: f32 = 0.01, in at_least(0.0), tune [0, 0.01, 0.1, 0.3];
        /// Temperature of the contrasts (τ).
        temperature: f32 = 0.1, in above(0.0), tune [0.1, 0.2];
        /// Nodes of a batch that are contrasted with each other.
        contrast: usize = 256, in whole_from(2);
        /// Dropout rate of hyperedges in training.
        dropout: f32 = 0.1, in between(0.0, 0.95);
        include tables: Tables = {};
        include training: TrainingLoop = { epochs: 200, batch_size: 1024, learning_rate: 3e-3 };
    }
}

learned_model!("model/hec-gcn");

impl Config {
    /// (x + x') / 2 for one side of the graph.
    fn hypergraph<'t>(
        &self,
        tape: &'t Tape,
        x: Var<'t>,
        w: Var<'t>,
        rng: Option<&mut Rng>,
    ) -> Var<'t> {
        let fixed = tape.constant(x.value(), &x.shape());
        let mut h = fixed.matmul(w);
        if let Some(rng) = rng {
            h = h.dropout(self.dropout, rng);
        }
        let through = h.matmul(h.transpose().matmul(x));
        (x + through.normalize_rows()).scale(0.5)
    }
}

impl GraphModel for Config {
    fn weights(&self, graphs: &Graphs) -> Vec<Weight> {
        let (d, k) = (self.tables.embedding_size, self.hyperedges);
        let sides = ["users", "items"];
        let first = sides.map(|side| Weight::matrix(format!("attention.{side}"), d, 1));
        let of_behavior =
            |b| sides.map(|side| Weight::matrix(format!("hyperedges{b}.{side}"), d, k));
        let all = (0..graphs.behaviors.len()).flat_map(of_behavior);
        first.into_iter().chain(all).collect()
    }

    /// The behaviors in order, then the hypergraph of each, the union, and the vectors that score.
    fn nodes<'t>(
        &self,
        graphs: &Graphs,
        tape: &'t Tape,
        x: Var<'t>,
        w: &[Var<'t>],
        mut rng: Option<&mut Rng>,
    ) -> Vec<Nodes<'t>> {
        let global = convolved(&graphs.union, x, self.layers, |l| 1.0 / l);
        let (mut e, mut all, mut hyper) = (global, Vec::new(), Vec::new());
        for (b, weights) in graphs.order().into_iter().zip(w[2..].chunks_exact(2)) {
            let layers = if b == graphs.target() { self.layers } else { 1 };
            let before = graphs.nodes(e);
            let users = self.hypergraph(tape, before.users(), weights[0], rng.as_deref_mut());
            let items = self.hypergraph(tape, before.items(), weights[1], rng.as_deref_mut());
            let h = users.stack(items);
            let c = convolved(&graphs.of[b], e, layers, |l| 1.0 / l);
            e = (e + c + h).scale(1.0 / 3.0);
            all.push(graphs.nodes(e));
            hyper.push(graphs.nodes(h));
        }
        let users: Vec<Var<'t>> = all.iter().map(|e| e.users()).collect();
        let items: Vec<Var<'t>> = all.iter().map(|e| e.items()).collect();
        let of_users = attended(&users, |e| e.matmul(w[0]));
        let of_items = attended(&items, |e| e.matmul(w[1]));
        let score = of_users.stack(of_items) + global;
        let last = [global, score].map(|x| graphs.nodes(x));
        all.into_iter().chain(hyper).chain(last).collect()
    }

    fn loss<'t>(
        &self,
        graphs: &Graphs,
        _: &'t Tape,
        nodes: &[Nodes<'t>],
        _: &[Var<'t>],
        batch: &Batch,
        rng: &mut Rng,
    ) -> Var<'t> {
        let n = graphs.behaviors.len();
        let (global, score) = (nodes[2 * n], nodes[2 * n + 1]);
        let loss = bpr_of_all(graphs, &nodes[..n], batch) + score.bpr(batch.target());
        if self.alpha == 0.0 {
            return loss;
        }
        let contrast = Contrast::draw(batch, self.contrast, self.temperature, rng);
        let of_behavior =
            |b: usize| contrast.of(nodes[b], nodes[n + b]) + contrast.of(nodes[b], global);
        (0..n).map(of_behavior).fold(loss, |sum, contrast| {
            sum + contrast.scale(f64::from(self.alpha) / n as f64)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::behavior_graphs::small;

    /// One behavior: one user with both items. All neighbors at length 1 are (0.6, 0.8), so g adds that to the tables:
    /// u = (3.6, 4.8), i_0 = (0.6, 2.8), i_1 = (3.6, 2.8); c adds it again: (4.2, 5.6), (1.2, 3.6), (4.2, 3.6). The only hyperedge
    /// is the first number of users, the second of items: for u, x' is u at length 1; for items it is their sum
    /// (4.2, 5.6) at length 1. So h is the mean of g and (0.6, 0.8): (2.1, 2.8), (0.6, 1.8), (2.1, 1.8). e is the mean of g,
    /// c and h, and the score adds it to g.
    #[test]
    fn one_behavior_by_hand() {
        let tape = Tape::default();
        let graphs = small::graphs_of(&[&[(0, 0), (1, 0)]], 2, 1);
        let config = Config {
            layers: 1,
            hyperedges: 1,
            ..Config::default()
        };
        let w = [[5.0, 7.0], [5.0, 7.0], [1.0, 0.0], [0.0, 1.0]];
        let w = w.map(|w| tape.constant(w.to_vec(), &[2, 1]));
        let nodes = config.nodes(&graphs, &tape, small::tables(&tape), &w, None);
        let e = [3.3, 4.4, 0.8, 8.2 / 3.0, 3.3, 8.2 / 3.0];
        let g = [3.6, 4.8, 0.6, 2.8, 3.6, 2.8];
        let score = [0, 1, 2, 3, 4, 5].map(|k| e[k] + g[k]);
        let expected = [e, [2.1, 2.8, 0.6, 1.8, 2.1, 1.8], g, score];
        assert_eq!(nodes.len(), expected.len());
        for (nodes, expected) in nodes.iter().zip(&expected) {
            small::assert_close(nodes.all, expected);
        }
    }
}
