//! LightGCN on the target behavior of chains, in the frame of graph models: what teaches another model, or what its
//! tables begin with.

use limpid_core::{Catalogue, Result, Run};
use limpid_tensor::Rng;
use limpid_tensor::tape::{Tape, Var};

use super::behavior_graphs::{GraphModel, Graphs, Nodes, mean_of};
use crate::behavior::chains::Chains;
use crate::latent::learned_users::fit::fit_on;
use crate::latent::learned_users::{DotProduct, Format, Model, Tables};
use crate::training_loop::TrainingLoop;

/// LightGCN with some layers; with none it is matrix factorization.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OneGraph {
    layers: usize,
    tables: Tables,
    training: TrainingLoop,
}

impl Format for OneGraph {
    const KIND: &'static str = "model/one-graph";

    fn tables(&self) -> &Tables {
        &self.tables
    }

    fn training(&self) -> &TrainingLoop {
        &self.training
    }
}

impl GraphModel for OneGraph {
    fn nodes<'t>(
        &self,
        graphs: &Graphs,
        _: &'t Tape,
        x: Var<'t>,
        _: &[Var<'t>],
        _: Option<&mut Rng>,
    ) -> Vec<Nodes<'t>> {
        vec![lightgcn(graphs, x, self.layers)]
    }
}

impl OneGraph {
    /// Some epochs of LightGCN with some layers, and otherwise the settings of another model.
    pub(crate) fn like(other: &impl Format, layers: usize, epochs: usize) -> Self {
        Self {
            layers,
            tables: other.tables().clone(),
            training: TrainingLoop {
                epochs,
                ..other.training().clone()
            },
        }
    }

    /// Trains all epochs.
    ///
    /// # Errors
    /// As [`fit_on`].
    pub(crate) fn fit(
        &self,
        chains: &Chains,
        catalogue: &Catalogue,
        run: &Run<'_>,
    ) -> Result<Model<Self, DotProduct>> {
        let mut within = Run {
            // It would stop by what another model is measured by.
            monitor: None,
            ..run.within()
        };
        fit_on(self, chains, None, catalogue, &mut within)
    }
}

/// What the tables of another model begin with.
pub(crate) struct Pretraining {
    model: OneGraph,
    /// The behavior that it learns, as if it were the only one.
    behavior: u8,
    unit_rows: bool,
}

impl Pretraining {
    /// [`OneGraph::like`] a model, that is to begin with it; nothing of no epochs.
    pub(crate) fn of(
        like: &impl Format,
        layers: usize,
        epochs: usize,
        behavior: u8,
    ) -> Option<Self> {
        (epochs > 0).then(|| Self {
            model: OneGraph::like(like, layers, epochs),
            behavior,
            unit_rows: false,
        })
    }

    /// With every row of the tables at length 1.
    pub(crate) fn of_unit_rows(self) -> Self {
        Self {
            unit_rows: true,
            ..self
        }
    }

    /// Tables of users `(U, D)` and items `(I, D)`.
    ///
    /// # Errors
    /// As [`OneGraph::fit`].
    pub(crate) fn tables(
        &self,
        chains: &Chains,
        catalogue: &Catalogue,
        run: &Run<'_>,
    ) -> Result<[Vec<f32>; 2]> {
        let chains = chains.of_one(self.behavior);
        let (users, items, d) = self.model.fit(&chains, catalogue, run)?.vectors();
        let tape = Tape::default();
        let scaled = |table: Vec<f32>| match self.unit_rows {
            true => {
                let shape = [table.len() / d.max(1), d];
                tape.constant(table, &shape)
                    .normalize_rows()
                    .value()
                    .to_vec()
            }
            false => table,
        };
        Ok([scaled(users), scaled(items)])
    }
}

/// The mean of layers 0 to `layers` over the target's graph.
pub(crate) fn lightgcn<'t>(graphs: &Graphs, x: Var<'t>, layers: usize) -> Nodes<'t> {
    graphs.nodes(mean_of(graphs.of[graphs.target()].layers(x, layers)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::behavior_graphs::small;
    use crate::graph::mbgcn::Config;

    /// Rows at length 1 have the directions of the others.
    #[test]
    fn rows_of_length_one() {
        let chains = small::chains_of(&[&[(0, 0), (1, 1)], &[(1, 0), (0, 1)]], 2, 2);
        let run = Run::seeded(1);
        let plain = Pretraining::of(&Config::default(), 0, 3, 1).unwrap();
        let tables = |of: &Pretraining| of.tables(&chains, &Catalogue::default(), &run).unwrap();
        let drawn = tables(&plain);
        let unit = tables(&plain.of_unit_rows());
        let d = Config::default().tables().embedding_size;
        for (drawn, unit) in drawn.iter().zip(&unit) {
            assert_eq!((drawn.len(), unit.len()), (2 * d, 2 * d));
            for (drawn, unit) in drawn.chunks(d).zip(unit.chunks(d)) {
                let length = crate::latent::score_of(drawn, drawn).sqrt();
                let close = |(a, b): (&f32, &f32)| (a - b * length).abs() < 1e-5 * length;
                assert!((length - 1.0).abs() > 0.01 && drawn.iter().zip(unit).all(close));
            }
        }
        assert!(Pretraining::of(&Config::default(), 0, 0, 1).is_none());
    }
}
