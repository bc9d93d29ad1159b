//! LightGCN: He et al., LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation,
//! SIGIR 2020, <https://arxiv.org/abs/2002.02126>.
//!
//! ```text
//! Eˡ⁺¹ = Â Eˡ,   Â_ui = 1 / √(d_u d_i)                       equation 3: no weights, no activation, no self-loops
//! z = mean of E⁰ … Eᴸ,   score(u, i) = z_u · z_i             equations 4 and 6
//! loss = −ln σ(score(u, i) − score(u, j)) + λ/2 (‖E⁰_u‖² + ‖E⁰_i‖² + ‖E⁰_j‖²)      equation 15, mean of a batch
//! ```
//!
//! The embeddings E⁰ are all that is trained. As in the authors' code, an epoch has as many examples as events, each
//! of a uniformly sampled user with one of their items i and a sampled item j that they do not have; initial
//! embeddings are normal with standard deviation 0.1; λ is 1e-4. `preset=rechorus` has the settings of ReChorus:
//! every event once in an epoch, batches of 256, Xavier-uniform embeddings, weight decay of 1e-8 in place of λ.
//!
//! Where a user's own embedding is E⁰_u, `z_u = E⁰_u / (L + 1) + Σ_{i ∈ u} t_i / √n_u` with
//! `t_i = Σ_{l < L} Eˡ_i / ((L + 1) √d_i)`, exactly. So a history that was not trained on is folded in by
//! the same sum over its items, with a linear map for the embedding that it lacks (`latent/folded.rs`); a ledger has
//! one part per item, and the residual of a training row is what was learned for the user alone.

use limpid_core::traits::Monitor;
use limpid_core::{Fit, Histories, Result, Run, Training};
use limpid_tensor::optim::adam::Adam;
use limpid_tensor::tape::{Network, Tape, TapeLearner, Var};
use limpid_tensor::{Parameter, Rng, Schedule, train};

use super::propagation::Bipartite;
use crate::hyper::{self, choices, hyper};
use crate::latent::MAX_WIDTH;
use crate::latent::folded::{Folded, Learned, folded_model};
use crate::negatives::Negatives;
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "lightgcn",
    aliases: &[],
    about: "embeddings propagated over the graph of users and items, trained by BPR",
    paper: "He et al., LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation, SIGIR 2020",
    reads: Reads::ITEMS,
    defaults: hyper::defaults::<Config>,
};

choices! {
    /// Source of the default settings.
    pub enum Preset {
        /// The authors' code.
        Paper = "paper",
        /// ReChorus, as in the tables of RecSAE.
        Rechorus = "rechorus",
    }
}

choices! {
    /// The examples of an epoch, as many as there are events.
    pub enum Sampling {
        /// Uniformly sampled users, each with one of their items.
        Users = "users",
        /// Every event once.
        Events = "events",
    }
}

choices! {
    /// What is regularized.
    pub enum Regularized {
        /// Embeddings of the users and items of a batch, in the loss.
        Batch = "batch",
        /// All embeddings in every step (weight decay in the gradient).
        All = "all",
    }
}

choices! {
    /// The distribution of the initial embeddings.
    pub enum Init {
        /// Normal with a standard deviation of 0.1.
        Normal = "normal",
        /// Xavier-uniform, for users and items each.
        Xavier = "xavier",
    }
}

hyper! {
    /// Hyper-parameters; the defaults are those of the authors' code.
    pub struct Config {
        /// Source of the other defaults: the authors' code, or ReChorus.
        preset: Preset = Preset::Paper;
        /// Dimension of the embeddings.
        embedding_size: usize = 64, in whole(1, MAX_WIDTH);
        /// Number of layers (L).
        layers: usize = 3, in whole(0, 16), tune [1, 2, 3];
        /// L2 regularization of embeddings.
        reg: f32 = 1e-4, in at_least(0.0), tune [1e-5, 1e-4, 1e-3];
        /// What is regularized: the embeddings of a batch, or all.
        regularize: Regularized = Regularized::Batch;
        /// Examples of an epoch: uniformly sampled users with one of their items each, or every event once.
        sampling: Sampling = Sampling::Users;
        /// Initial embeddings.
        init: Init = Init::Normal;
        /// Epochs between validations.
        validate_every: usize = 10, in whole_from(1);
        include training: TrainingLoop = { epochs: 1000, batch_size: 2048, patience: 5 };
    }
    preset preset = "rechorus" {
        reg = 1e-8,
        regularize = "all",
        sampling = "events",
        init = "xavier",
        validate_every = 1,
        epochs = 200,
        batch_size = 256,
        patience = 10,
    }
}

/// Standard deviation of normal initial embeddings.
const DEVIATION: f32 = 0.1;

impl Config {
    fn start(&self, n_users: usize, n_items: usize, seed: u64) -> Vec<f32> {
        let (mut rng, d) = (Rng::new(seed, 0), self.embedding_size);
        if self.init == Init::Normal {
            let normal = |_| DEVIATION * rng.normal();
            return (0..(n_users + n_items) * d).map(normal).collect();
        }
        let mut start = Vec::with_capacity((n_users + n_items) * d);
        for n in [n_users, n_items] {
            let bound = (6.0 / (n + d) as f32).sqrt();
            start.extend(rng.uniforms(n * d, -bound, bound));
        }
        start
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let (n_users, n_items) = (data.histories.len(), data.histories.n_items());
        let negatives = Negatives::new(data.histories);
        let fingerprint = format!("lightgcn {self:?} on {:016x}", negatives.hash());
        let with_items = negatives.rows().iter().enumerate();
        let users = with_items.filter_map(|(u, row)| (!row.is_empty()).then_some(u as u32));
        let network = Pairwise {
            config: self,
            histories: data.histories,
            graph: Bipartite::new(negatives.rows(), n_items),
            users: users.collect(),
            negatives,
            examples: Vec::new(),
        };
        let start = self.start(n_users, n_items, run.seed);
        let shape = [n_users + n_items, self.embedding_size];
        let weights = vec![Parameter::shaped("embeddings", shape, start)];
        let decay = match self.regularize {
            Regularized::All => self.reg,
            Regularized::Batch => 0.0,
        };
        let adam = Adam {
            decay,
            ..Adam::new(self.training.learning_rate)
        };
        let schedule = Schedule {
            monitor_every: self.validate_every,
            ..self.training.schedule()
        };
        let mut learner = TapeLearner::new(network, weights, adam);
        train(&mut learner, &schedule, &fingerprint, run)?;
        let (network, weights) = learner.into_parts();
        Ok(network.finish(&weights))
    }
}

/// Embeddings in training.
struct Pairwise<'a> {
    config: &'a Config,
    histories: &'a Histories,
    graph: Bipartite,
    negatives: Negatives,
    /// Users who have items.
    users: Vec<u32>,
    /// User, item and negative of each example of the epoch.
    examples: Vec<[u32; 3]>,
}

impl Network for Pairwise<'_> {
    fn begin(&mut self, _: usize, rng: &mut Rng) -> usize {
        let rows = self.negatives.rows();
        let n = rows.iter().map(Vec::len).sum::<usize>();
        let mut examples = std::mem::take(&mut self.examples);
        examples.clear();
        let mut add = |u: u32, i: u32, rng: &mut Rng| {
            examples.push([u, i, self.negatives.sample(u as usize, rng)]);
        };
        match self.config.sampling {
            Sampling::Events => {
                for (u, row) in rows.iter().enumerate() {
                    row.iter().for_each(|&i| add(u as u32, i, rng));
                }
            }
            Sampling::Users => {
                for _ in 0..n {
                    let u = self.users[rng.below(self.users.len())];
                    let row = &rows[u as usize];
                    add(u, row[rng.below(row.len())], rng);
                }
            }
        }
        self.examples = examples;
        n
    }

    fn loss<'t>(&self, _: &'t Tape, w: &[Var<'t>], examples: &[u32], _: &mut Rng) -> Var<'t> {
        let n = examples.len();
        let mut nodes = vec![0u32; 3 * n];
        for (k, &e) in examples.iter().enumerate() {
            let [u, i, j] = self.examples[e as usize];
            nodes[k] = u;
            nodes[n + k] = self.graph.item(i);
            nodes[2 * n + k] = self.graph.item(j);
        }
        let z = self.graph.mean_at(w[0], self.config.layers, &nodes);
        let (users, items, others) = (z.rows(0..n), z.rows(n..2 * n), z.rows(2 * n..3 * n));
        let loss = users.dot_rows(items).bpr(users.dot_rows(others));
        match self.config.regularize {
            Regularized::All => loss,
            Regularized::Batch => {
                let scale = 0.5 * f64::from(self.config.reg) / n.max(1) as f64;
                loss + w[0].gather(nodes).sum_of_squares().scale(scale)
            }
        }
    }

    fn measure(&self, weights: &[Parameter], monitor: &Monitor<'_>) -> Result<Option<f64>> {
        Ok(Some(monitor(&self.finish(weights))))
    }
}

impl Pairwise<'_> {
    /// The model of some embeddings.
    fn finish(&self, weights: &[Parameter]) -> Model {
        let (d, n) = (self.config.embedding_size, self.config.layers);
        let split = self.histories.len() * d;
        let share = 1.0 / (n + 1) as f32;
        let embeddings = weights.first().map_or(&[][..], |p| &p.value);
        let layers = self.graph.layer_values(embeddings, n);
        let mut users = vec![0f32; split];
        let mut items = vec![0f32; embeddings.len() - split];
        let mut sources = vec![0f32; items.len()];
        let add = |out: &mut [f32], layer: &[f32]| {
            let pairs = out.iter_mut().zip(layer);
            pairs.for_each(|(o, &x)| *o += share * x);
        };
        for (l, layer) in layers.iter().enumerate() {
            add(&mut users, &layer[..split]);
            add(&mut items, &layer[split..]);
            if l < n {
                add(&mut sources, &layer[split..]);
            }
        }
        for (row, s) in sources.chunks_exact_mut(d).zip(self.graph.item_scales()) {
            row.iter_mut().for_each(|x| *x *= s);
        }
        let learned = Learned {
            users,
            items,
            sources: Some(sources),
            power: POWER,
        };
        Model {
            vectors: Folded::new(self.histories, self.negatives.rows(), d, learned),
        }
    }
}

/// A history of n items is a sum over √n.
const POWER: f64 = 0.5;

folded_model!("model/lightgcn", POWER, true);

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Artifact, Catalogue, ItemIdx, Recommender};

    fn rows() -> Vec<Vec<u32>> {
        let of = |u: u32| {
            (0..12)
                .filter(|i| (i + u).is_multiple_of(2) && *i != u % 12)
                .collect()
        };
        (0..30).map(of).collect()
    }

    /// The vectors of a training row are those of propagation, and its residual is the part of the user's own
    /// embedding that the map does not fit.
    #[test]
    fn folding_in_is_propagation() {
        let data = Histories::from_rows(&rows(), 12).unwrap();
        let config = Config {
            embedding_size: 4,
            ..Config::default()
        };
        let network = Pairwise {
            config: &config,
            histories: &data,
            graph: Bipartite::new(&rows(), 12),
            users: Vec::new(),
            negatives: Negatives::new(&data),
            examples: Vec::new(),
        };
        // Without embeddings of users, propagation is the fold-in.
        let mut start = config.start(30, 12, 3);
        start[..30 * 4].fill(0.0);
        let weights = [Parameter::shaped("embeddings", [42, 4], start.clone())];
        let model = network.finish(&weights);
        let tape = Tape::default();
        let x = tape.constant(start, &[42, 4]);
        let z = network.graph.mean_at(x, 3, &[5, network.graph.item(2)]);
        let z = z.value();
        let expected: f32 = z[..4].iter().zip(&z[4..]).map(|(a, b)| a * b).sum();
        let trained = model.explain(data.row(5), ItemIdx(2));
        assert!((trained.score - expected).abs() < 1e-6);
        assert!(trained.residual.abs() < 1e-5, "{trained:?}");
        let stranger = model.without_users().unwrap();
        let score = stranger.score(&data.slice(5, 6))[[0, 2]];
        assert!((score - expected).abs() < 1e-5, "{score} {expected}");
    }

    /// Both presets rank the item of the same parity that a user lacks above all others.
    #[test]
    fn recommends_the_missing_item() {
        let data = Histories::from_rows(&rows(), 12).unwrap();
        let catalogue = Catalogue::default();
        for preset in [Preset::Paper, Preset::Rechorus] {
            let mut config = Config {
                preset,
                embedding_size: 8,
                ..Config::default()
            };
            if preset == Preset::Rechorus {
                config.regularize = Regularized::All;
                config.sampling = Sampling::Events;
                config.init = Init::Xavier;
            }
            config.training.epochs = 60;
            config.training.batch_size = 64;
            config.training.learning_rate = 1e-2;
            let training = Training {
                histories: &data,
                catalogue: &catalogue,
            };
            let model = config.fit(&training, &mut Run::seeded(2)).unwrap();
            for (u, row) in rows().iter().enumerate() {
                let scores = model.score(&data.slice(u, u + 1));
                let unseen = (0..12).filter(|i| !row.contains(i));
                let best = unseen
                    .max_by(|&a, &b| scores[[0, a as usize]].total_cmp(&scores[[0, b as usize]]));
                assert_eq!(best.map(|i| i % 2), Some(u as u32 % 2), "user {u}");
            }
        }
    }
}
