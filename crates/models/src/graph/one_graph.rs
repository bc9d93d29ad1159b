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
    pub(crate) layers: usize,
    pub(crate) tables: Tables,
    pub(crate) training: TrainingLoop,
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

/// The mean of layers 0 to `layers` over the target's graph.
pub(crate) fn lightgcn<'t>(graphs: &Graphs, x: Var<'t>, layers: usize) -> Nodes<'t> {
    graphs.nodes(mean_of(graphs.of[graphs.target()].layers(x, layers)))
}
