//! The traits: how the pieces fit every family of models. One page.

use crate::{
    Candidates, Catalogue, Csr, Error, Histories, History, ItemIdx, Ledger, Mat, Result, Scored,
    Tensors, Unit, UnitInfo,
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

/// A fitted model that can rank and say why. Infallible: invalid input was refused when [`Histories`]
/// was built.
pub trait Recommender: Send + Sync {
    /// Scores `(U, I)`, before any sigmoid, softmax or ReLU, seen items included.
    fn score(&self, users: &Histories) -> Mat;

    /// Scores of chosen items only, list by list; `candidates` has one list per row of `users`. By
    /// default they are picked from [`score`](Self::score); models that score pair by pair, or over
    /// large catalogues, can do less.
    fn score_items(&self, users: &Histories, candidates: &Candidates) -> Vec<f32> {
        candidates.pick(&self.score(users))
    }

    /// The ledger of one item.
    ///
    /// Law: `base + parts + residual == score`, and the score is the one that [`score`](Self::score)
    /// gives.
    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger;

    /// The model cut at its user representation, where it has one: it can be probed and attributed.
    fn latent(&self) -> Option<&dyn Latent> {
        None
    }

    /// Named evidence of its own. Models without have [`HistoryUnits`](crate::HistoryUnits); see
    /// [`UnitsOf`](crate::UnitsOf).
    fn units(&self) -> Option<&dyn Units> {
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

    /// The gradient of the score of an item with respect to a representation `(D)`, at `z` `(D)`.
    fn decode_gradient(&self, z: &[f32], item: ItemIdx) -> Vec<f32>;
}

/// Sparse activations of units `(U, K)`.
pub type Activations = Csr;

/// How finely a ledger is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The fewest lines that say the same: units of one group are joined.
    Lines,
    /// Every unit by itself.
    Raw,
}

/// Named evidence that can be switched: events of a history, rules, neurons, behavior patterns, texts.
///
/// Laws: [`score_activations`](Self::score_activations) of the activations of
/// [`activate`](Self::activate) is the score of the model, bit for bit; what the units do not express is
/// kept; the [`ledger`](Self::ledger) of any activations, edited or not, sums to the score that
/// `score_activations` gives for them.
pub trait Units: Send + Sync {
    /// Number of units K.
    fn len(&self) -> usize;

    /// Whether there is no unit.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The unit at an index below [`len`](Self::len).
    fn unit(&self, index: usize) -> Unit;

    /// The indices that a unit stands for, ascending: one, or several for a group; none for a unit that
    /// is not of this model.
    fn members(&self, unit: Unit) -> Vec<usize>;

    /// The id of a unit and what else is known about it.
    fn info(&self, unit: Unit, catalogue: &Catalogue) -> UnitInfo;

    /// The unit of a written id or name.
    ///
    /// # Errors
    /// [`Error::NoSuchUnit`] or [`Error::Unknown`], with the units that there are or similar names.
    fn resolve(&self, text: &str, catalogue: &Catalogue) -> Result<Unit>;

    /// Whether activations may take any value; otherwise a unit is only present (1) or absent (0).
    fn graded(&self) -> bool {
        true
    }

    /// The activations of histories `(U, K)`.
    fn activate(&self, users: &Histories) -> Activations;

    /// Scores `(U, I)` of activations `(U, K)`, edited or not, of the same histories.
    fn score_activations(&self, users: &Histories, activations: &Activations) -> Mat;

    /// The ledger of an item for the activations of one history, `(index, activation)` by ascending
    /// index.
    fn ledger(
        &self,
        user: History<'_>,
        activations: &[(u32, f32)],
        item: ItemIdx,
        detail: Detail,
    ) -> Ledger;

    /// The change of an item's score per activation of 1 of a unit, where it is the same for all
    /// histories (a weight of the model); `None` where it depends on the history.
    fn effect(&self, _index: usize, _item: ItemIdx) -> Option<f32> {
        None
    }
}

/// A recipe that fits units over a model: dictionaries, concepts.
pub trait FitUnits {
    /// The fitted units, which may borrow the model.
    type Units<'a>: Units;

    /// Fits the units over the representations of a model.
    ///
    /// # Errors
    /// Where a hyper-parameter is out of range, or memory or numbers do not suffice.
    fn fit<'a>(
        &self,
        base: &'a dyn Latent,
        data: &Training<'_>,
        run: &mut Run<'_>,
    ) -> Result<Self::Units<'a>>;
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

/// The lists of many users, best first, ties broken.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lists {
    /// One list per user.
    pub lists: Vec<Vec<Scored>>,
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
