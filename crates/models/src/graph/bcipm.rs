//! BCIPM: Yan et al., Behavior-Contextualized Item Preference Modeling for Multi-Behavior Recommendation, SIGIR
//! 2024, <https://arxiv.org/abs/2404.18166>.
//!
//! ```text
//! u, i        graph convolutions over the union           u', i'      over the target, from u, i
//! R, Z = σ([u ; i] W + c_b)      p(u, i, b) = Z ⊙ tanh([R ⊙ u ; i] V + d_b)
//! s_u  = Σ of p(u, j, target) over the n_u items j that u has bought
//! score = (1 − 1/n_u) s_u · i + (1/n_u) (u + u') · (i + i')
//! loss  = (1 − ρ) BPR of the target + ρ Σ_b cross-entropy of p(u, i, b) · i
//! ```
//!
//! A convolution is x + Σ_l (1 + 1/l) y_l with y_l the rows of Â y_{l-1} at length 1. As in the released code, a
//! bought positive is one of the items of its own sum. Departures: the cross-entropy has one negative of each
//! positive, not four; a mean over behaviors, not a sum.

use std::sync::Arc;

use limpid_tensor::Rng;
use limpid_tensor::tape::{Csr, Tape, Var};

use super::behavior_graphs::{GraphModel, Graphs, Nodes, convolved};
use crate::hyper::{self, hyper};
use crate::latent::learned_users::fit::{Batch, Weight};
use crate::latent::learned_users::{Tables, learned_model};
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "bcipm",
    aliases: &[],
    about: "preferences for the items of a user in the context of each behavior, over graph convolutions",
    paper: "Yan et al., Behavior-Contextualized Item Preference Modeling for Multi-Behavior Recommendation, SIGIR 2024",
    reads: Reads::BEHAVIORS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters; the defaults are those of the released code, except the learning rate (1e-4 there).
    pub struct Config {
        /// Graph layers, of the union and of the target.
        layers: usize = 2, in whole(1, 6), tune [1, 2, 3];
        /// Share of the cross-entropy in the loss (ρ).
        log_share: f32 = 0.3, in between(0.0, 1.0), tune [0.1, 0.3, 0.5];
        include tables: Tables = {};
        include training: TrainingLoop = { epochs: 200, batch_size: 1024, learning_rate: 1e-3 };
    }
}

learned_model!("model/bcipm");

/// p(u, i, b) for rows of u and i.
fn preference<'t>(w: &[Var<'t>], users: Var<'t>, items: Var<'t>, b: usize) -> Var<'t> {
    let d = users.shape().width();
    let context = |table: Var<'t>| {
        let width = table.shape().width();
        table.gather(vec![b as u32]).reshape(&[width])
    };
    let gates = users.concat(items).linear(w[0], context(w[1])).sigmoid();
    let (r, z) = (gates.columns(0..d), gates.columns(d..2 * d));
    z * (r * users).concat(items).linear(w[2], context(w[3])).tanh()
}

/// Vectors `(n, 2 d)` of users whose products with `[i ; i + i']` are scores; `bought` has the items of each, and
/// `own` their u and u + u'.
fn users_of<'t>(
    tape: &'t Tape,
    w: &[Var<'t>],
    nodes: Nodes<'t>,
    target: usize,
    bought: &[&[u32]],
    [own, both]: [Var<'t>; 2],
) -> Var<'t> {
    let n = bought.len();
    let mut offsets = vec![0];
    let mut of_user = Vec::new();
    for (k, items) in bought.iter().enumerate() {
        of_user.extend([k as u32].repeat(items.len()));
        offsets.push(of_user.len());
    }
    let pairs = of_user.len();
    let values = vec![1.0; pairs];
    let sums = Arc::new(Csr::new(
        offsets,
        (0..pairs as u32).collect(),
        values,
        pairs,
    ));
    let items = nodes.of_items(&bought.concat());
    let sum = preference(w, own.gather(of_user), items, target).sparse_matmul(&sums);
    let share = |items: &&[u32]| 1.0 / items.len().max(1) as f32;
    let shares: Vec<f32> = bought.iter().map(share).collect();
    let rest = shares.iter().map(|s| 1.0 - s).collect::<Vec<f32>>();
    let (shares, rest) = (tape.constant(shares, &[n]), tape.constant(rest, &[n]));
    sum.scale_rows(rest).concat(both.scale_rows(shares))
}

impl GraphModel for Config {
    fn weights(&self, graphs: &Graphs) -> Vec<Weight> {
        let (d, n) = (self.tables.embedding_size, graphs.behaviors.len());
        vec![
            Weight::matrix("gates", 2 * d, 2 * d),
            Weight::matrix("gates.context", n, 2 * d),
            Weight::matrix("preference", 2 * d, d),
            Weight::matrix("preference.context", n, d),
        ]
    }

    /// u, i; then u + u', i + i'.
    fn nodes<'t>(
        &self,
        graphs: &Graphs,
        _: &'t Tape,
        x: Var<'t>,
        _: &[Var<'t>],
        _: Option<&mut Rng>,
    ) -> Vec<Nodes<'t>> {
        let weight = |l: f64| 1.0 + 1.0 / l;
        let union = convolved(&graphs.union, x, self.layers, weight);
        let target = convolved(&graphs.of[graphs.target()], union, self.layers, weight);
        vec![graphs.nodes(union), graphs.nodes(union + target)]
    }

    fn loss<'t>(
        &self,
        graphs: &Graphs,
        tape: &'t Tape,
        nodes: &[Nodes<'t>],
        w: &[Var<'t>],
        batch: &Batch,
        _: &mut Rng,
    ) -> Var<'t> {
        let (target, sample) = (graphs.target(), batch.target());
        let rows = &graphs.rows[target];
        let bought: Vec<&[u32]> = sample
            .users
            .iter()
            .map(|&u| &rows[u as usize][..])
            .collect();
        let own = [nodes[0], nodes[1]].map(|x| x.of_users(&sample.users));
        let users = users_of(tape, w, nodes[0], target, &bought, own);
        let score = |items: &[u32]| {
            let vectors = nodes[0].of_items(items).concat(nodes[1].of_items(items));
            users.dot_rows(vectors)
        };
        let bpr = score(&sample.positives).bpr(score(&sample.negatives));
        let mut loss = bpr.scale(1.0 - f64::from(self.log_share));
        let share = f64::from(self.log_share) / batch.of.len() as f64;
        for (b, sample) in batch.of.iter().enumerate() {
            let users = nodes[0].of_users(&sample.users);
            for (items, y) in [(&sample.positives, 1.0), (&sample.negatives, 0.0)] {
                let vectors = nodes[0].of_items(items);
                let logits = preference(w, users, vectors, b).dot_rows(vectors);
                let targets = vec![y; items.len()];
                loss = loss + logits.binary_cross_entropy(targets).scale(share / 2.0);
            }
        }
        loss
    }

    fn vectors<'t>(
        &self,
        graphs: &Graphs,
        tape: &'t Tape,
        nodes: &[Nodes<'t>],
        w: &[Var<'t>],
    ) -> Nodes<'t> {
        let target = graphs.target();
        let bought: Vec<&[u32]> = graphs.rows[target].iter().map(|row| &row[..]).collect();
        let own = [nodes[0].users(), nodes[1].users()];
        let users = users_of(tape, w, nodes[0], target, &bought, own);
        let items = nodes[0].items().concat(nodes[1].items());
        graphs.nodes(users.stack(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::behavior_graphs::small;

    /// All neighbors at length 1 are (0.6, 0.8), of both convolutions, and count twice: u = (4.2, 5.6), i_0 = (1.2, 3.6),
    /// i_1 = (4.2, 3.6); u' and i' have (1.2, 1.6) more. Gates by the context of the target alone: R = σ(0) = 1/2,
    /// Z = σ(ln 3) = 3/4. So p(u, i) = 3/4 tanh(0.1 u / 2 + 0.1 i + (0.1, 0)), of i_0 (0.43, 0.64), of i_1 (0.73, 0.64). With two
    /// purchases, their sum and u + u' = (9.6, 12.8) count 1/2 each.
    #[test]
    fn preferences_by_hand() {
        let (tape, graphs) = (Tape::default(), small::graphs());
        let config = Config {
            layers: 1,
            ..Config::default()
        };
        let nodes = config.nodes(&graphs, &tape, small::tables(&tape), &[], None);
        small::assert_close(nodes[0].all, &[4.2, 5.6, 1.2, 3.6, 4.2, 3.6]);
        let z = 3f32.ln();
        let of_views = [9.0; 4];
        let w = [
            tape.constant(vec![0.0; 16], &[4, 4]),
            tape.constant([of_views, [0.0, 0.0, z, z]].concat(), &[2, 4]),
            tape.constant(vec![0.1, 0.0, 0.0, 0.1, 0.1, 0.0, 0.0, 0.1], &[4, 2]),
            tape.constant(vec![9.0, 9.0, 0.1, 0.0], &[2, 2]),
        ];
        let vectors = config.vectors(&graphs, &tape, &nodes, &w);
        let x = 0.375 * (0.43f32.tanh() + 0.73f32.tanh());
        let y = 0.75 * 0.64f32.tanh();
        small::assert_close(vectors.users(), &[x, y, 4.8, 6.4]);
        let items = [[1.2, 3.6, 3.6, 8.8], [4.2, 3.6, 9.6, 8.8]];
        small::assert_close(vectors.items(), &items.concat());
    }
}
