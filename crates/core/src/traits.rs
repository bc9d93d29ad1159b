//! The traits: how the pieces fit every family of models. One page.

use crate::rules::Rule;
use crate::{
    Catalogue, Csr, Error, Histories, History, ItemIdx, Ledger, Mat, RankedWithTies, Result,
    Scored, Tensors, Unit,
};

/// A recipe: hyper-parameters that know how to become a model.
pub trait Fit {
    /// What it becomes.
    type Model: Recommender;

    /// Checks the hyper-parameters; runs before a byte of data is read.
    ///
    /// # Errors
    /// [`Error::Range`] with the name, the rule and the value of the first that is out of range.
    fn check(&self) -> Result<()>;

    /// Fits the model.
    ///
    /// # Errors
    /// Where a hyper-parameter is out of range, memory would not do, or numbers run away.
    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Self::Model>;
}

/// What a model is fitted on: events and item metadata (a model may ignore the latter).
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// The training rows.
    pub histories: &'a Histories,
    /// The catalogue.
    pub catalogue: &'a Catalogue,
}

/// Measures a model under way.
pub type Monitor<'a> = dyn Fn(&dyn Recommender) -> f64 + 'a;

/// The circumstances of a fit, apart from its hyper-parameters.
pub struct Run<'a> {
    /// Governs the model alone; the split has its own.
    pub seed: u64,
    /// Bytes that a fit may take for its large arrays.
    pub memory_budget: u64,
    /// The device for dense products; models that have none use the processor whatever it says.
    pub device: &'a str,
    /// Told how far the work is.
    pub progress: &'a dyn Progress,
    /// Validation metric of a model under way, for early stopping; larger is better.
    pub monitor: Option<&'a Monitor<'a>>,
    /// Where a fit keeps what it must not lose, and finds it again.
    pub checkpoints: Option<&'a mut dyn Checkpoints>,
}

impl Run<'_> {
    /// A run without progress, monitor or checkpoints, with a memory budget of 16 GB.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            memory_budget: 16_000_000_000,
            device: "cpu",
            progress: &NoProgress,
            monitor: None,
            checkpoints: None,
        }
    }
}

/// Keeps the state of an unfinished fit. Models open no files: whoever wires them does.
pub trait Checkpoints {
    /// The last state that was saved, if any.
    fn last(&self) -> Option<Tensors>;

    /// Whether a state is wanted now: whoever writes large ones may let some go by.
    fn wanted(&self) -> bool {
        true
    }

    /// Saves a state; the one before it may go.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn save(&mut self, state: &Tensors) -> Result<()>;
}

/// Is told how far the work is.
pub trait Progress: Sync {
    /// A stage of `total` steps begins (0: unknown).
    fn start(&self, stage: &str, total: u64);

    /// So many more steps are done.
    fn step(&self, n: u64);

    /// Something worth showing beside the bar, such as a loss.
    fn note(&self, _text: &str) {}

    /// Whether the user asked to stop; a fit looks now and then and ends with
    /// [`Error::Interrupted`].
    fn interrupted(&self) -> bool {
        false
    }
}

/// Shows nothing.
pub struct NoProgress;

impl Progress for NoProgress {
    fn start(&self, _: &str, _: u64) {}
    fn step(&self, _: u64) {}
}

/// A fitted model that can rank. Infallible: what can be wrong was refused when [`Histories`] was
/// built.
pub trait Recommender: Send + Sync {
    /// Scores `(U, I)`, before any sigmoid, softmax or ReLU, seen items included.
    fn score(&self, users: &Histories) -> Mat;

    /// Whether it can be probed, edited and explained by units.
    fn latent(&self) -> Option<&dyn Latent> {
        None
    }

    /// Whether its latent units add up to the score, each with a name.
    fn additive(&self) -> Option<&dyn Additive> {
        None
    }

    /// Whether it explains itself.
    fn explainer(&self) -> Option<&dyn Explain> {
        None
    }
}

/// A model cut in two at its user representation.
///
/// Law: `score(u) == decode(encode(u))`, on seen items too.
pub trait Latent: Recommender {
    /// User representations `(U, D)`.
    fn encode(&self, users: &Histories) -> Mat;

    /// Scores `(U, I)` of representations `(U, D)`.
    fn decode(&self, z: &Mat) -> Mat;

    /// Rows to train a dictionary on.
    fn states(&self, users: &Histories) -> Mat {
        self.encode(users)
    }
}

/// A model whose score is `base + φ V`: φ is its latent, and every column of φ is a [`Unit`].
///
/// Law: `encode` is [`features`](Additive::features) written densely, and `decode(φ)` of one item
/// is `base(item) + Σ φ_k effect(k, item)`.
pub trait Additive: Latent + Explain {
    /// Number of units K (= D).
    fn n_units(&self) -> usize;

    /// The unit at an index.
    fn unit(&self, index: usize) -> Unit;

    /// The indices that a unit stands for; a group stands for several.
    ///
    /// # Errors
    /// [`Error::NoSuchUnit`].
    fn resolve(&self, unit: Unit) -> Result<Vec<usize>>;

    /// The rule behind a unit, where it is one; an item of the history is a rule of one literal.
    fn rule(&self, index: usize) -> Option<Rule> {
        match self.unit(index) {
            Unit::Link(item) => Some(Rule::all([item])),
            _ => None,
        }
    }

    /// What every user gives to an item.
    fn base(&self, _item: ItemIdx) -> f32 {
        0.0
    }

    /// The units present in a history, with their activations, by ascending index.
    fn features(&self, user: History<'_>) -> Vec<(usize, f32)>;

    /// What one unit of activation of unit `index` does to the score of `item`, given that the
    /// user does not have `item`.
    fn effect(&self, index: usize, item: ItemIdx) -> f32;

    /// The ledger of given activations (edited ones too); `user` is what may be cited.
    fn ledger(&self, features: &[(usize, f32)], user: History<'_>, item: ItemIdx) -> Ledger;

    /// The ledger in the fewest lines that say the same: units of one group are joined into one
    /// compiled rule. By default the ledger as it is.
    fn lines(&self, features: &[(usize, f32)], user: History<'_>, item: ItemIdx) -> Ledger {
        self.ledger(features, user, item)
    }
}

/// Sparse activations of units `(U, K)`.
pub type Activations = Csr;

/// Units over a latent space.
pub trait Dictionary: Send + Sync {
    /// `(U, D)` → `(U, K)`.
    fn activate(&self, z: &Mat) -> Activations;

    /// What changing the activations from `before` to `after` does to z. Exactly zero where they
    /// are equal.
    fn delta(&self, z: &Mat, before: &Activations, after: &Activations) -> Mat;
}

/// Why this item for this user: facts, no prose.
///
/// Law: base + parts + residual == score.
pub trait Explain: Send + Sync {
    /// The ledger of one item.
    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger;
}

/// Facts to words.
pub trait Narrate {
    /// Tells a ledger.
    ///
    /// # Errors
    /// Where the words would say what the ledger does not.
    fn narrate(&self, why: &Ledger, catalogue: &Catalogue) -> Result<String>;
}

/// What a fitted thing is on disk.
///
/// Law: `load(save(m))` scores as `m` does, bit for bit on the same device.
pub trait Artifact: Sized {
    /// The name of the format, such as `model/ease`.
    const KIND: &'static str;

    /// Writes it down.
    ///
    /// # Errors
    /// Where a part has no form on disk.
    fn save(&self, out: &mut Tensors) -> Result<()>;

    /// Reads it again.
    ///
    /// # Errors
    /// Where an array is missing, of another shape, or not what the format says.
    fn load(from: &Tensors) -> Result<Self>;
}

/// The items that count as hits for one user, ascending.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth<'a> {
    /// The items, ascending and unique.
    pub items: &'a [ItemIdx],
}

impl Truth<'_> {
    /// Whether an item is a hit.
    #[must_use]
    pub fn contains(&self, item: ItemIdx) -> bool {
        self.items.binary_search(&item).is_ok()
    }
}

/// One user's list against the truth, ties by expected value.
pub trait UserMetric: Sync {
    /// The metric at cutoff `k`.
    fn at(&self, ranked: &RankedWithTies, truth: &Truth<'_>, k: usize) -> f64;
}

/// The lists of many users, best first, ties broken.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lists {
    /// One list per user.
    pub lists: Vec<Vec<Scored>>,
}

/// Many lists at once.
pub trait ListMetric: Sync {
    /// The metric over the first `k` of every list.
    fn over(&self, lists: &Lists, catalogue: &Catalogue, k: usize) -> f64;
}

/// Refuses hyper-parameters in the words of all models: `name must be rule, but is value`.
///
/// # Errors
/// [`Error::Range`] unless `ok`.
pub fn require(ok: bool, name: &str, rule: &str, value: impl ToString) -> Result<()> {
    if ok {
        Ok(())
    } else {
        Err(Error::range(name, rule, value))
    }
}
