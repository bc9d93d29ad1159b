//! CausalD: Zhang et al., Causal Distillation for Alleviating Performance Heterogeneity in Recommender Systems,
//! IEEE TKDE 2023, <https://arxiv.org/abs/2405.20626>.
//!
//! The effect of a history on a score, freed of what confounds both by the front-door adjustment: the mean over
//! several teachers, and over histories sampled for each of them, is distilled into one student.
//!
//! ```text
//! target(u, i) = mean over teachers of (mean over histories h of p(h) · q_i, standardized)
//! loss         = BPR + distillation · mean of (score(u, i) − target(u, i))²
//! ```
//!
//! on the target behavior. The teachers are matrix factorization by BPR and LightGCN with one and with three layers;
//! the histories of a user are their own and three random halves of it, folded in; the student is LightGCN. The
//! paper leaves these choices open for data of ids alone (its student is DeepFM or DIN): they are ours.

use limpid_core::{Catalogue, Result, Run};
use limpid_tensor::Rng;
use limpid_tensor::tape::{Tape, Var};

use super::behavior_graphs::Graphs;
use super::one_graph::{OneGraph, lightgcn};
use crate::behavior::chains::Chains;
use crate::hyper::{self, hyper};
use crate::latent::learned_users::fit::{Batch, Purpose, Recipe, Weight};
use crate::latent::learned_users::{DotProduct, Tables, learned_model};
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "causald",
    aliases: &[],
    about: "LightGCN on the target behavior, taught by the mean of several teachers over sampled histories",
    paper: "Zhang et al., Causal Distillation for Alleviating Performance Heterogeneity in Recommender Systems, TKDE 2023",
    reads: Reads::BEHAVIORS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Graph layers of the student.
        layers: usize = 2, in whole(1, 6), tune [2, 3];
        /// Weight of the distance from the teachers.
        distillation: f32 = 0.5, in at_least(0.0), tune [0.1, 0.5, 1];
        /// Passes over the training data of each teacher.
        teacher_epochs: usize = 40, in whole_from(1);
        include tables: Tables = {};
        include training: TrainingLoop = { epochs: 200, batch_size: 1024, learning_rate: 3e-3 };
    }
}

learned_model!("model/causald");

/// Layers of the teachers; 0 is matrix factorization.
const TEACHERS: [usize; 3] = [0, 1, 3];

/// Random halves of a history that are folded in.
const HALVES: usize = 3;

/// Random pairs by which the scores of a teacher are standardized.
const PAIRS: usize = 10_000;

/// The scores that the student is to approach: dot products plus a constant.
#[derive(Default)]
struct Taught {
    users: Vec<f32>, // (U, D)
    items: Vec<f32>, // (I, D)
    d: usize,
    constant: f32,
}

impl Taught {
    fn score(&self, user: u32, item: u32) -> f32 {
        let p = &self.users[user as usize * self.d..][..self.d];
        let q = &self.items[item as usize * self.d..][..self.d];
        crate::latent::score_of(p, q) + self.constant
    }

    /// Joins the vectors of another teacher, standardized, with a weight.
    fn join(&mut self, chains: &Chains, mut of: Self, weight: f32, rng: &mut Rng) {
        let pairs = (0..PAIRS).map(|_| {
            let user = rng.below(chains.len()) as u32;
            of.score(user, rng.below(chains.n_items) as u32)
        });
        let scores: Vec<f64> = pairs.map(f64::from).collect();
        let mean = scores.iter().sum::<f64>() / PAIRS as f64;
        let variance = scores.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>();
        let deviation = (variance / PAIRS as f64).sqrt().max(1e-6);
        of.users
            .iter_mut()
            .for_each(|p| *p *= weight / deviation as f32);
        self.constant -= weight * (mean / deviation) as f32;
        let (own, other) = (self.d, of.d);
        let joined = |a: &[f32], b: &[f32], n: usize| -> Vec<f32> {
            let row = |k: usize| [&a[k * own..][..own], &b[k * other..][..other]].concat();
            (0..n).flat_map(row).collect()
        };
        self.users = joined(&self.users, &of.users, chains.len());
        self.items = joined(&self.items, &of.items, chains.n_items);
        self.d += of.d;
    }
}

impl Config {
    /// The vectors of a teacher: of users the mean over their histories.
    fn teach(
        &self,
        layers: usize,
        chains: &Chains,
        catalogue: &Catalogue,
        run: &Run<'_>,
    ) -> Result<Taught> {
        let teacher = OneGraph::like(self, layers, self.teacher_epochs);
        let model = teacher.fit(chains, catalogue, run)?;
        let mut rng = Rng::new(run.seed, 2 + layers as u64);
        let (mut users, items, d) = model.vectors();
        for (u, p) in users.chunks_exact_mut(d).enumerate() {
            for _ in 0..HALVES {
                let row = chains.row(u).iter();
                let half: Vec<(u32, u8)> = row.filter(|_| rng.unit() < 0.5).copied().collect();
                let folded = model.fold_in(&half);
                p.iter_mut().zip(folded).for_each(|(p, f)| *p += f);
            }
            p.iter_mut().for_each(|p| *p /= (1 + HALVES) as f32);
        }
        Ok(Taught {
            users,
            items,
            d,
            constant: 0.0,
        })
    }
}

/// The graphs, and what is taught.
pub(crate) struct Data {
    graphs: Graphs,
    taught: Taught,
}

impl Recipe for Config {
    type Decoder = DotProduct;
    type Data = Data;

    fn prepare(
        &self,
        chains: &Chains,
        catalogue: &Catalogue,
        purpose: Purpose,
        run: &Run<'_>,
    ) -> Result<Data> {
        let mut taught = Taught::default();
        let any = !chains.is_empty() && chains.n_items > 0;
        if any && purpose == Purpose::Losses && self.distillation > 0.0 {
            let mut rng = Rng::new(run.seed, 9);
            for layers in TEACHERS {
                let teacher = self.teach(layers, chains, catalogue, run)?;
                taught.join(chains, teacher, 1.0 / TEACHERS.len() as f32, &mut rng);
            }
        }
        let graphs = Graphs::of(chains);
        Ok(Data { graphs, taught })
    }

    fn weights(&self, _: &Data) -> Vec<Weight> {
        Vec::new()
    }

    fn loss<'t>(
        &self,
        data: &Data,
        tape: &'t Tape,
        w: &[Var<'t>],
        batch: &Batch,
        _: &mut Rng,
    ) -> Var<'t> {
        let nodes = lightgcn(&data.graphs, w[0].stack(w[1]), self.layers);
        let sample = batch.target();
        let mut loss = nodes.bpr(sample);
        if self.distillation > 0.0 {
            let users = nodes.of_users(&sample.users);
            for items in [&sample.positives, &sample.negatives] {
                let pairs = sample.users.iter().zip(&items[..]);
                let taught: Vec<f32> = pairs.map(|(&u, &i)| data.taught.score(u, i)).collect();
                let taught = tape.constant(taught, &[items.len()]);
                let distance = users.dot_rows(nodes.of_items(items)) - taught;
                let weight = f64::from(self.distillation) / 2.0;
                loss = loss + distance.mean_of_squares().scale(weight);
            }
        }
        loss
    }

    fn finish<'t>(&self, data: &Data, _: &'t Tape, w: &[Var<'t>]) -> (Vec<f32>, DotProduct) {
        let nodes = lightgcn(&data.graphs, w[0].stack(w[1]), self.layers);
        nodes.dot_product(self.tables.embedding_size)
    }
}
