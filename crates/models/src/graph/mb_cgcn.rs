//! MB-CGCN: Cheng et al., Multi-Behavior Recommendation with Cascading Graph Convolution Networks, WWW 2023,
//! <https://arxiv.org/abs/2303.15720>.
//!
//! ```text
//! x_1 = tables        e_b = mean of layers 0 … L_b of x_b over behavior b        x_{b+1} = e_b W_b
//! score(user, item) = Σ_b u_b · Σ_b i_b        loss = BPR of the target
//! ```
//!
//! with a W_b for users and one for items. Negatives are not bought, as in the released code. Departures: the
//! tables start as those of the other models here (the code draws them from a normal distribution of deviation
//! 0.01) and the L2 term is that of the tables alone.
//!
//! With BPR of purchases alone, the cascade hardly uses views: the code can load embeddings of a graph convolution over
//! views, and here LightGCN on the first behavior pretrains the tables.

use limpid_tensor::Rng;
use limpid_tensor::tape::{Tape, Var};

use super::behavior_graphs::{GraphModel, Graphs, Nodes, mean_of};
use super::one_graph::Pretraining;
use crate::behavior::chains::Behaviors;
use crate::hyper::{self, hyper};
use crate::latent::learned_users::fit::Weight;
use crate::latent::learned_users::{Tables, learned_model};
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "mb-cgcn",
    aliases: &[],
    about: "graph convolutions cascaded over behaviors, with a learned map from each to the next",
    paper: "Cheng et al., Multi-Behavior Recommendation with Cascading Graph Convolution Networks, WWW 2023",
    reads: Reads::BEHAVIORS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Graph layers of the first behavior.
        first_layers: usize = 1, in whole(1, 6), tune [1, 2];
        /// Graph layers of each later behavior.
        layers: usize = 3, in whole(1, 6), tune [2, 3, 4];
        /// Passes over the users in which LightGCN on the first behavior pretrains the tables; 0: none.
        pretraining: usize = 1000;
        include tables: Tables = {};
        include training: TrainingLoop = { epochs: 200, batch_size: 2048, learning_rate: 3e-3 };
    }
}

learned_model!("model/mb-cgcn");

impl GraphModel for Config {
    const TOUCHED_NEGATIVES: bool = true;

    fn pretraining(&self, behaviors: Behaviors) -> Option<Pretraining> {
        let first = behaviors.in_order().next()?;
        Pretraining::of(self, self.first_layers, self.pretraining, first)
    }

    fn weights(&self, graphs: &Graphs) -> Vec<Weight> {
        let d = self.tables.embedding_size;
        let steps = 1..graphs.order().len();
        let pair = |k| ["users", "items"].map(|side| Weight::matrix(format!("{side}{k}"), d, d));
        steps.flat_map(pair).collect()
    }

    fn nodes<'t>(
        &self,
        graphs: &Graphs,
        _: &'t Tape,
        x: Var<'t>,
        w: &[Var<'t>],
        _: Option<&mut Rng>,
    ) -> Vec<Nodes<'t>> {
        let (mut x, mut sum) = (x, None);
        for (step, b) in graphs.order().into_iter().enumerate() {
            let layers = match step {
                0 => self.first_layers,
                _ => self.layers,
            };
            if let Some(&[of_users, of_items]) = step.checked_sub(1).map(|k| &w[2 * k..2 * k + 2]) {
                let nodes = graphs.nodes(x);
                x = nodes
                    .users()
                    .matmul(of_users)
                    .stack(nodes.items().matmul(of_items));
            }
            x = mean_of(graphs.of[b].layers(x, layers));
            sum = Some(sum.map_or(x, |sum| sum + x));
        }
        vec![graphs.nodes(sum.unwrap_or(x))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::behavior_graphs::small;
    use crate::latent::learned_users::fit::{Purpose, Recipe};
    use limpid_core::{Catalogue, Ids, Run};

    /// One layer each. Views, the mean of the tables and their neighbors: u = ((3, 4) + (0, 2)) / 2 = (1.5, 3), i_0 the
    /// same, i_1 = (3, 2) / 2. The map of users swaps their numbers, that of items doubles them: u = (3, 1.5), i_0 = (3, 6),
    /// i_1 = (3, 2). Purchases, with edges of r = 1/√2: u = ((3, 1.5) + r (6, 8)) / 2, i = (i + r (3, 1.5)) / 2. A score has
    /// the sums of both.
    #[test]
    fn cascade_by_hand() {
        let (tape, graphs) = (Tape::default(), small::graphs());
        let config = Config {
            first_layers: 1,
            layers: 1,
            ..Config::default()
        };
        let maps = [[0.0, 1.0, 1.0, 0.0], [2.0, 0.0, 0.0, 2.0]];
        let maps = maps.map(|map| tape.constant(map.to_vec(), &[2, 2]));
        let nodes = config.nodes(&graphs, &tape, small::tables(&tape), &maps, None);
        let r = 0.5f32.sqrt();
        let (u, x, y) = ([3.0 + 3.0 * r, 3.75 + 4.0 * r], 3.0 + 1.5 * r, 0.75 * r);
        let expected = [u[0], u[1], x, 6.0 + y, x, 2.0 + y];
        small::assert_close(nodes[0].all, &expected);
        assert_eq!(nodes.len(), 1);
    }

    /// Users of two camps, who view what their camp views and buy one item that both buy: only pretraining knows the camps.
    #[test]
    fn tables_begin_with_the_first_behavior() {
        let views = |camp: u32| (0..4u32).map(move |i| (4 * camp + i, 0u8));
        let row = |u: u32| views(u % 2).chain([(8, 1)]).collect::<Vec<_>>();
        let rows: Vec<Vec<(u32, u8)>> = (0..12).map(row).collect();
        let rows: Vec<&[(u32, u8)]> = rows.iter().map(Vec::as_slice).collect();
        let chains = small::chains_of(&rows, 9, 2);
        let names = (0..9).map(|i| i.to_string()).collect();
        let catalogue = Catalogue::of_items(Ids::from_names(names).unwrap());
        let config = Config {
            pretraining: 40,
            ..Config::default()
        };
        let run = Run::seeded(1);
        let prepared =
            |purpose| Recipe::prepare(&config, &chains, &catalogue, purpose, &run).unwrap();
        let graphs = prepared(Purpose::Losses);
        let [users, items] = config.pretrained(&graphs).unwrap();
        let d = config.tables.embedding_size;
        assert_eq!((users.len(), items.len()), (12 * d, 9 * d));
        for u in 0..12 {
            let score =
                |i: usize| crate::latent::score_of(&users[u * d..][..d], &items[i * d..][..d]);
            let (own, other) = (4 * (u % 2), 4 * (1 - u % 2));
            assert!((0..4).all(|i| score(own + i) > score(other + i)), "{u}");
        }
        assert!(config.pretrained(&prepared(Purpose::Vectors)).is_none());
        let none = Config {
            pretraining: 0,
            ..Config::default()
        };
        assert!(none.pretraining(chains.behaviors).is_none());
    }
}
