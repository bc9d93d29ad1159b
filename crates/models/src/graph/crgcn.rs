//! CRGCN: Yan et al., Cascading Residual Graph Convolutional Network for Multi-Behavior Recommendation, ACM
//! TOIS 2023, <https://arxiv.org/abs/2205.13128>.
//!
//! ```text
//! x_0 = tables        y_b = Â_b^L x_{b-1}        x_b = x_{b-1} + y_b / ‖y_b‖        b in the order of the chain
//! score(user, item) = u · i of the target        loss = Σ_b BPR_b
//! ```
//!
//! An epoch has one purchase of every user and one event of every other behavior; negatives have no behavior of
//! their user, as in the released code. Departure: layers have no bias.

use limpid_tensor::Rng;
use limpid_tensor::tape::{Tape, Var};

use super::behavior_graphs::{GraphModel, Graphs, Nodes};
use crate::hyper::{self, hyper};
use crate::latent::learned_users::{Tables, learned_model};
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "crgcn",
    aliases: &[],
    about: "graph convolutions cascaded over behaviors, each added to the one before",
    paper: "Yan et al., Cascading Residual Graph Convolutional Network for Multi-Behavior Recommendation, TOIS 2023",
    reads: Reads::BEHAVIORS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters; the defaults are those of the paper.
    pub struct Config {
        /// Graph layers of each behavior.
        layers: usize = 1, in whole(1, 6), tune [1, 2];
        include tables: Tables = { reg: 1e-3 };
        include training: TrainingLoop = { epochs: 200, batch_size: 1024, learning_rate: 1e-2 };
    }
}

learned_model!("model/crgcn");

impl GraphModel for Config {
    fn nodes<'t>(
        &self,
        graphs: &Graphs,
        _: &'t Tape,
        mut x: Var<'t>,
        _: &[Var<'t>],
        _: Option<&mut Rng>,
    ) -> Vec<Nodes<'t>> {
        let of_behavior = |b: usize| {
            let y = graphs.of[b].layers(x, self.layers)[self.layers];
            x = x + y.normalize_rows();
            graphs.nodes(x)
        };
        graphs.order().into_iter().map(of_behavior).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::behavior_graphs::small;

    /// Views: the neighbors are i_0 = (0, 2) of u and u = (3, 4) of item 0, at length 1 (0, 1) and (0.6, 0.8). They give
    /// u = (3, 5) and i_0 = (0.6, 2.8). Purchases: those of u sum up to (3.6, 4.8), at length 1 (0.6, 0.8); that of both
    /// items is (3, 5), of length √34.
    #[test]
    fn cascade_by_hand() {
        let (tape, graphs) = (Tape::default(), small::graphs());
        let nodes = Config::default().nodes(&graphs, &tape, small::tables(&tape), &[], None);
        small::assert_close(nodes[0].all, &[3.0, 5.0, 0.6, 2.8, 3.0, 2.0]);
        let [x, y] = [3.0, 5.0].map(|x| x / 34f32.sqrt());
        let bought = [3.6, 5.8, 0.6 + x, 2.8 + y, 3.0 + x, 2.0 + y];
        small::assert_close(nodes[1].all, &bought);
        assert_eq!(nodes.len(), 2);
    }
}
