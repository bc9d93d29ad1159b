//! Training of models that learn a vector for every user, by gradients on sampled items.
//!
//! An epoch has every user with an event of the target behavior once, with one of these events drawn at
//! random, or every such event once; for the other behaviors of the same users a further event is drawn.
//! Every positive has sampled negatives, items that the user has not touched at all or has not bought. The L2
//! term is that of the table rows of a batch.
//!
//! Splits that come with a data set often have no validation set. Then, if training may stop early and there
//! are enough users, one purchase of some users is hidden from training and measures it; the final model
//! computes its vectors from all events again.

use std::sync::Arc;

use limpid_core::traits::Monitor;
use limpid_core::{Catalogue, Recommender, Result, Run, Training};
use limpid_tensor::optim::adam::Adam;
use limpid_tensor::tape::{Network, Tape, TapeLearner, Var};
use limpid_tensor::{Parameter, Rng, train};

use super::{Decoder, Format, Model};
use crate::behavior::chains::{Behaviors, Chains, with_behavior};
use crate::behavior::held_out::HeldOut;
use crate::negatives::sampled;

/// The most users of whom a purchase is hidden.
const MOST_HIDDEN: usize = 1000;

/// The share of users of whom a purchase is hidden is one of this.
const ONE_OF: usize = 4;

/// How a weight begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Init {
    /// Uniform, with the variance of Glorot and Bengio.
    Glorot,
    /// Zeros: a bias.
    Zeros,
    /// Ones: factors.
    Ones,
    /// Uniform from 0 to ½: weights of logic.
    Halves,
}

/// A weight besides the two tables.
pub(crate) struct Weight {
    name: String,
    shape: Vec<usize>,
    init: Init,
}

impl Weight {
    /// A matrix.
    pub(crate) fn matrix(name: impl Into<String>, rows: usize, columns: usize) -> Self {
        Self {
            name: name.into(),
            shape: vec![rows, columns],
            init: Init::Glorot,
        }
    }

    /// A matrix that begins otherwise.
    pub(crate) fn beginning(self, init: Init) -> Self {
        Self { init, ..self }
    }

    /// A vector of zeros or ones.
    pub(crate) fn vector(name: impl Into<String>, n: usize, init: Init) -> Self {
        Self {
            name: name.into(),
            shape: vec![n],
            init,
        }
    }

    pub(crate) fn parameter(self, rng: &mut Rng) -> Parameter {
        let n: usize = self.shape.iter().product();
        let value = match self.init {
            Init::Zeros => vec![0.0; n],
            Init::Ones => vec![1.0; n],
            Init::Halves => rng.uniforms(n, 0.0, 0.5),
            Init::Glorot => {
                let sides: usize = self.shape.iter().sum();
                let bound = (6.0 / sides.max(1) as f32).sqrt();
                rng.uniforms(n, -bound, bound)
            }
        };
        Parameter::shaped(self.name, self.shape, value)
    }
}

/// Positives of one behavior, with their negatives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// The users.
    pub(crate) users: Arc<Vec<u32>>,
    /// An item of each.
    pub(crate) positives: Arc<Vec<u32>>,
    /// Negatives: a fixed number for each, next to each other.
    pub(crate) negatives: Arc<Vec<u32>>,
}

/// The samples of a step, by behavior; one of a behavior may be empty.
pub(crate) struct Batch {
    /// By behavior.
    pub(crate) of: Vec<Sample>,
    /// The target behavior.
    pub(crate) target: usize,
}

impl Batch {
    /// The sample of the target behavior.
    pub(crate) fn target(&self) -> &Sample {
        &self.of[self.target]
    }
}

/// What data are prepared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The losses of training.
    Losses,
    /// The final vectors alone.
    Vectors,
}

/// A model that learns a vector for every user: what a paper adds to the frame. The first two weights are
/// the tables of users and items.
pub(crate) trait Recipe: Format {
    /// How scores follow from the vector of a user.
    type Decoder: Decoder;
    /// What is computed from the data once, such as graphs.
    type Data: Send + Sync;
    /// Negatives of each positive.
    const NEGATIVES: usize = 1;
    /// Whether a negative may have events of other behaviors than the target.
    const TOUCHED_NEGATIVES: bool = false;
    /// Whether an epoch has every purchase once, instead of one of each user.
    const EVERY_PURCHASE: bool = false;

    /// What is computed from the data once; `purpose` says what for.
    ///
    /// # Errors
    /// If the data do not suffice.
    fn prepare(
        &self,
        chains: &Chains,
        catalogue: &Catalogue,
        purpose: Purpose,
        run: &Run<'_>,
    ) -> Result<Self::Data>;

    /// Weights besides the two tables.
    fn weights(&self, data: &Self::Data) -> Vec<Weight>;

    /// The tables of users `(U, D)` and items `(I, D)` to begin with; by default they are drawn.
    fn pretrained<'a>(&self, _data: &'a Self::Data) -> Option<&'a [Vec<f32>; 2]> {
        None
    }

    /// The loss of a batch, without the L2 term.
    fn loss<'t>(
        &self,
        data: &Self::Data,
        tape: &'t Tape,
        w: &[Var<'t>],
        batch: &Batch,
        rng: &mut Rng,
    ) -> Var<'t>;

    /// Moves weights back into their range, after a step.
    fn project(&self, weights: &mut [Parameter]) {
        let _ = weights;
    }

    /// The vectors of all users `(U, D)`, and the decoder.
    fn finish<'t>(
        &self,
        data: &Self::Data,
        tape: &'t Tape,
        w: &[Var<'t>],
    ) -> (Vec<f32>, Self::Decoder);
}

/// A model in training.
struct InTraining<'a, R: Recipe> {
    recipe: &'a R,
    data: R::Data,
    /// What is trained on.
    chains: &'a Chains,
    /// A user and a purchase each.
    examples: Vec<(u32, u32)>,
}

impl<'a, R: Recipe> InTraining<'a, R> {
    fn new(
        recipe: &'a R,
        chains: &'a Chains,
        catalogue: &Catalogue,
        purpose: Purpose,
        run: &Run<'_>,
    ) -> Result<Self> {
        Ok(Self {
            data: recipe.prepare(chains, catalogue, purpose, run)?,
            recipe,
            chains,
            examples: Vec::new(),
        })
    }

    fn negative(&self, user: u32, rng: &mut Rng) -> u32 {
        let (row, behaviors) = (self.chains.row(user as usize), self.chains.behaviors);
        let unseen = |item: &u32| match row.binary_search_by_key(item, |e| e.0) {
            Ok(at) => R::TOUCHED_NEGATIVES && !behaviors.bought(row[at].1),
            Err(_) => true,
        };
        sampled(self.chains.n_items, rng, unseen)
    }

    fn sample(&self, pairs: impl Iterator<Item = (u32, u32)>, rng: &mut Rng) -> Sample {
        let (users, positives): (Vec<u32>, Vec<u32>) = pairs.unzip();
        let negatives = users.iter().flat_map(|&u| [u].repeat(R::NEGATIVES));
        let negatives: Vec<u32> = negatives.map(|u| self.negative(u, rng)).collect();
        Sample {
            users: users.into(),
            positives: positives.into(),
            negatives: negatives.into(),
        }
    }

    /// One event of a behavior of a user, if there are any.
    fn draw(&self, user: u32, behavior: u8, rng: &mut Rng) -> Option<u32> {
        let items = || with_behavior(self.chains.row(user as usize), behavior);
        items().nth(rng.below(items().count()))
    }

    fn model(&self, weights: &[Parameter]) -> Model<R, R::Decoder> {
        let tape = Tape::default();
        let w = weights.iter();
        let w: Vec<Var<'_>> = w
            .map(|p| tape.constant(p.value.clone(), &p.shape))
            .collect();
        let (users, decoder) = self.recipe.finish(&self.data, &tape, &w);
        Model::new(self.chains, users, decoder)
    }
}

impl<R: Recipe> Network for InTraining<'_, R> {
    fn begin(&mut self, _: usize, rng: &mut Rng) -> usize {
        let target = self.chains.behaviors.target();
        let users = 0..self.chains.len() as u32;
        self.examples = match R::EVERY_PURCHASE {
            true => users
                .flat_map(|u| {
                    let bought = self.chains.bought(u as usize).into_iter();
                    bought.map(move |i| (u, i)).collect::<Vec<_>>()
                })
                .collect(),
            false => users
                .filter_map(|u| self.draw(u, target, rng).map(|i| (u, i)))
                .collect(),
        };
        self.examples.len()
    }

    fn loss<'t>(&self, tape: &'t Tape, w: &[Var<'t>], examples: &[u32], rng: &mut Rng) -> Var<'t> {
        let behaviors = self.chains.behaviors;
        let pairs = examples.iter().map(|&e| self.examples[e as usize]);
        let pairs: Vec<(u32, u32)> = pairs.collect();
        let of = (0..behaviors.len() as u8).map(|b| {
            let drawn: Vec<(u32, u32)> = match b == behaviors.target() {
                true => pairs.clone(),
                false => pairs
                    .iter()
                    .filter_map(|&(u, _)| self.draw(u, b, rng).map(|i| (u, i)))
                    .collect(),
            };
            self.sample(drawn.into_iter(), rng)
        });
        let batch = Batch {
            of: of.collect(),
            target: usize::from(behaviors.target()),
        };
        let loss = self.recipe.loss(&self.data, tape, w, &batch, rng);
        let (sample, n) = (batch.target(), examples.len().max(1));
        let rows = [
            w[0].gather(sample.users.clone()),
            w[1].gather(sample.positives.clone()),
            w[1].gather(sample.negatives.clone()),
        ];
        let squares = rows.map(Var::sum_of_squares);
        let size = squares[0] + squares[1] + squares[2];
        loss + size.scale(f64::from(self.recipe.tables().reg) / n as f64)
    }

    fn project(&self, weights: &mut [Parameter]) {
        self.recipe.project(weights);
    }

    fn measure(&self, weights: &[Parameter], monitor: &Monitor<'_>) -> Result<Option<f64>> {
        Ok(Some(monitor(&self.model(weights))))
    }
}

/// Fits a recipe.
///
/// # Errors
/// For more behaviors than models of chains read, and as [`fit_on`].
pub(crate) fn fit<R: Recipe>(
    recipe: &R,
    data: &Training<'_>,
    run: &mut Run<'_>,
) -> Result<Model<R, R::Decoder>> {
    let whole = Chains::of(data.histories, Behaviors::of(data)?);
    let early = recipe.training().patience > 0 && run.monitor.is_none();
    let most = (whole.len() / ONE_OF).min(MOST_HIDDEN);
    let held_out = early
        .then(|| HeldOut::draw(&whole, data.histories, |n| n.min(most), run.seed))
        .flatten();
    let Some(held_out) = held_out else {
        return fit_on(recipe, &whole, None, data.catalogue, run);
    };
    let visible = Chains::of(&held_out.visible(data.histories), whole.behaviors);
    let monitor = |model: &dyn Recommender| held_out.ndcg(model);
    let mut within = run.monitored(&monitor);
    fit_on(recipe, &whole, Some(&visible), data.catalogue, &mut within)
}

/// Fits a recipe to chains; with `visible`, it is trained on those alone, and only its vectors are of the whole ones.
///
/// # Errors
/// As [`train`].
pub(crate) fn fit_on<R: Recipe>(
    recipe: &R,
    whole: &Chains,
    visible: Option<&Chains>,
    catalogue: &Catalogue,
    run: &mut Run<'_>,
) -> Result<Model<R, R::Decoder>> {
    let chains = visible.unwrap_or(whole);
    let training = InTraining::new(recipe, chains, catalogue, Purpose::Losses, run)?;
    let mut rng = Rng::new(run.seed, 0);
    let d = recipe.tables().embedding_size;
    let tables = [
        Weight::matrix("users", whole.len(), d),
        Weight::matrix("items", whole.n_items, d),
    ];
    let weights = tables.into_iter().chain(recipe.weights(&training.data));
    let mut weights: Vec<Parameter> = weights.map(|w| w.parameter(&mut rng)).collect();
    if let Some(tables) = recipe.pretrained(&training.data) {
        for (weight, table) in weights.iter_mut().zip(tables) {
            weight.value.clone_from(table);
        }
    }
    let schedule = recipe.training().schedule();
    let mut learner = TapeLearner::new(training, weights, Adam::new(schedule.learning_rate));
    let events = (0..whole.len()).map(|u| {
        let row = whole.row(u).iter();
        row.flat_map(|&(i, set)| [i, u32::from(set)])
    });
    let hash = limpid_core::hash::rows(events);
    let fingerprint = format!("{} {recipe:?} on {hash:016x}", R::KIND);
    train(&mut learner, &schedule, &fingerprint, run)?;
    let (training, weights) = learner.into_parts();
    let of_whole = match visible {
        None => training,
        Some(_) => {
            drop(training);
            InTraining::new(recipe, whole, catalogue, Purpose::Vectors, run)?
        }
    };
    Ok(of_whole.model(&weights))
}
