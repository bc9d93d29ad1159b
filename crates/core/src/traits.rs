//! The traits of models, their circumstances and their artifacts.

use serde::{Deserialize, Serialize};

use crate::{
    Candidates, Catalogue, Csr, Error, Histories, History, ItemIdx, Ledger, Mat, Part, Result,
    Scored, Tensors, TrainingTexts, Unit, UnitInfo,
};

/// An estimator: hyper-parameters from which a model is fitted.
pub trait Fit {
    /// The fitted model.
    type Model: Recommender;

    /// Checks the hyper-parameters, before any data is read.
    ///
    /// # Errors
    /// [`Error::Range`] with the name, the rule and the value of the first that is out of range.
    fn check(&self) -> Result<()>;

    /// Fits the model.
    ///
    /// # Errors
    /// If a hyper-parameter is out of range, memory does not suffice, or training diverges.
    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Self::Model>;
}

/// Training data: events and item metadata (a model may ignore the latter).
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// The training rows.
    pub histories: &'a Histories,
    /// The catalogue.
    pub catalogue: &'a Catalogue,
}

/// Evaluates a model in training.
pub type Monitor<'a> = dyn Fn(&dyn Recommender) -> f64 + 'a;

/// The circumstances of a fit, apart from its hyper-parameters.
pub struct Run<'a> {
    /// Random seed of the model; the split has its own.
    pub seed: u64,
    /// Bytes that a fit may take for its large arrays.
    pub memory_budget: u64,
    /// Progress reports.
    pub progress: &'a dyn Progress,
    /// Validation metric of a model in training, for early stopping; larger is better.
    pub monitor: Option<&'a Monitor<'a>>,
    /// Whether held-out target events have lost the other events of their user on the same item (the view before a
    /// hidden purchase), while those of the training rows have them; false for models that read no behaviors.
    pub stripped: bool,
    /// Storage of checkpoints; `None`: a fit cannot be resumed.
    pub checkpoints: Option<&'a mut dyn Checkpoints>,
    /// The events that a teacher expects of each training row, as counts `(U, I)`. The caller of the fit reads it,
    /// because models open no files; `None` where no teacher is given.
    pub expectations: Option<&'a Csr>,
    /// Texts of the training events, for models that read them; empty where there are none.
    pub texts: TrainingTexts<'a>,
}

impl Run<'_> {
    /// The circumstances of a fit within this one: the same, but without checkpoints, which are of the outer fit.
    #[must_use]
    pub fn within(&self) -> Run<'_> {
        Run {
            seed: self.seed,
            memory_budget: self.memory_budget,
            progress: self.progress,
            monitor: self.monitor,
            stripped: self.stripped,
            checkpoints: None,
            expectations: self.expectations,
            texts: self.texts,
        }
    }

    /// The same circumstances, checkpoints included, with a monitor.
    #[must_use]
    pub fn monitored<'m>(&'m mut self, monitor: &'m Monitor<'m>) -> Run<'m> {
        Run {
            seed: self.seed,
            memory_budget: self.memory_budget,
            progress: self.progress,
            monitor: Some(monitor),
            stripped: self.stripped,
            checkpoints: match self.checkpoints.as_deref_mut() {
                Some(checkpoints) => Some(checkpoints),
                None => None,
            },
            expectations: self.expectations,
            texts: self.texts,
        }
    }

    /// Saves a state, if there are checkpoints; returns whether it was saved. One that cannot be written
    /// is a warning, because the fit can go on without it.
    pub fn checkpoint(&mut self, state: &Tensors) -> bool {
        let Some(checkpoints) = self.checkpoints.as_deref_mut() else {
            return false;
        };
        let saved = checkpoints.save(state);
        if let Err(e) = &saved {
            self.progress.warn(&format!(
                "{e}; the fit goes on, but cannot be resumed from here"
            ));
        }
        saved.is_ok()
    }

    /// A run without progress, monitor or checkpoints, with a memory budget of 16 GB.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            memory_budget: 16_000_000_000,
            progress: &NoProgress,
            monitor: None,
            stripped: false,
            checkpoints: None,
            expectations: None,
            texts: TrainingTexts::default(),
        }
    }
}

/// Storage of the state of an unfinished fit. Models open no files; the implementation does.
pub trait Checkpoints {
    /// The last state that was saved, if any.
    fn last(&self) -> Option<Tensors>;

    /// Whether to save now; an implementation may skip some checkpoints if they are large.
    fn wanted(&self) -> bool {
        true
    }

    /// Saves a state, which replaces the previous one.
    ///
    /// # Errors
    /// If it cannot be written.
    fn save(&mut self, state: &Tensors) -> Result<()>;
}

/// Receives progress reports.
pub trait Progress: Sync {
    /// A stage of `total` steps begins (0: unknown).
    fn start(&self, stage: &str, total: u64);

    /// `n` more steps are done.
    fn step(&self, n: u64);

    /// A message for the progress bar, such as a loss.
    fn note(&self, _text: &str) {}

    /// A message that has to reach the user, such as a checkpoint that cannot be written.
    fn warn(&self, _text: &str) {}

    /// Whether the user interrupted; a fit checks it regularly and returns
    /// [`Error::Interrupted`].
    fn interrupted(&self) -> bool {
        false
    }
}

/// Ignores progress.
pub struct NoProgress;

impl Progress for NoProgress {
    fn start(&self, _: &str, _: u64) {}
    fn step(&self, _: u64) {}
}

/// What the scores of a model mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// More is better, and nothing else.
    Order,
    /// Expected counts of events: near 1 for an item that the user has.
    Counts,
    /// Logits: the user's events are draws from the softmax over all items.
    Logits,
    /// Log odds: the softmax over the items that may be recommended is the probability of each to be the next
    /// event of the target behavior.
    NextEvent,
    /// Predicted values of events, such as ratings.
    Values,
}

/// A fitted model that scores and explains. Infallible: invalid input was refused when [`Histories`]
/// was built.
pub trait Recommender: Send + Sync {
    /// Scores `(U, I)`, before any sigmoid, softmax or ReLU, seen items included.
    fn score(&self, users: &Histories) -> Mat;

    /// Scores of candidate items only, list by list; `candidates` has one list per row of `users`. By
    /// default they are selected from [`score`](Self::score); models that score pair by pair, or over
    /// large catalogues, can override it.
    fn score_items(&self, users: &Histories, candidates: &Candidates) -> Vec<f32> {
        candidates.pick(&self.score(users))
    }

    /// The ledger of one item.
    ///
    /// Law: `base + parts + residual == score`, and the score is the one that [`score`](Self::score)
    /// returns.
    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger;

    /// What the scores mean, beside the order that they give.
    fn scale(&self) -> Scale {
        Scale::Order
    }

    /// The latent user representation, if the model has one, for probing and attribution.
    fn latent(&self) -> Option<&dyn Latent> {
        None
    }

    /// The model's own units. Other models use [`HistoryUnits`](crate::HistoryUnits); see
    /// [`UnitsOf`](crate::UnitsOf).
    fn units(&self) -> Option<&dyn Units> {
        None
    }
}

/// Makes a type a [`Recommender`](crate::Recommender) that passes every call on to the one that a method of it
/// returns, those with defaults too.
#[macro_export]
macro_rules! forward_recommender {
    ($outer:ty, $inner:ident) => {
        impl $crate::Recommender for $outer {
            fn score(&self, users: &$crate::Histories) -> $crate::Mat {
                self.$inner().score(users)
            }

            fn score_items(
                &self,
                users: &$crate::Histories,
                candidates: &$crate::Candidates,
            ) -> Vec<f32> {
                self.$inner().score_items(users, candidates)
            }

            fn explain(&self, user: $crate::History<'_>, item: $crate::ItemIdx) -> $crate::Ledger {
                self.$inner().explain(user, item)
            }

            fn scale(&self) -> $crate::Scale {
                self.$inner().scale()
            }

            fn latent(&self) -> Option<&dyn $crate::Latent> {
                self.$inner().latent()
            }

            fn units(&self) -> Option<&dyn $crate::Units> {
                self.$inner().units()
            }
        }
    };
}

/// A model with a latent user representation: encoder and decoder.
///
/// Law: `score(u) == decode(encode(u))`, on seen items too.
pub trait Latent: Recommender {
    /// User representations `(U, D)`.
    fn encode(&self, users: &Histories) -> Mat;

    /// Scores `(U, I)` of representations `(U, D)`.
    fn decode(&self, z: &Mat) -> Mat;

    /// The gradient of the score of an item with respect to a representation `(D)`, at `z` `(D)`.
    fn decode_gradient(&self, z: &[f32], item: ItemIdx) -> Vec<f32>;

    /// Item vectors `(I, D)`, if the decoder is linear.
    ///
    /// Law: `decode(z) = z · vectorsᵀ + decode(0)`, up to rounding.
    fn item_vectors(&self) -> Option<Mat> {
        None
    }
}

/// Sparse activations of units `(U, K)`.
pub type Activations = Csr;

/// The level of detail of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The fewest equivalent lines: units of one group are joined.
    Lines,
    /// One part per unit.
    Raw,
}

/// Named evidence that can be edited: events of a history, rules, neurons, behavior patterns, texts.
///
/// Laws: [`score_activations`](Self::score_activations) of the activations of
/// [`activate`](Self::activate) is the score of the model, bit for bit; what the units do not express is
/// kept; the [`ledger`](Self::ledger) of any activations, edited or not, sums to the score that
/// `score_activations` gives for them.
pub trait Units: Send + Sync {
    /// Number of units K.
    fn len(&self) -> usize;

    /// Whether there are no units.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The unit at an index below [`len`](Self::len).
    fn unit(&self, index: usize) -> Unit;

    /// The indices of a unit, ascending: one, or several for a group; empty for a unit that
    /// is not of this model.
    fn members(&self, unit: Unit) -> Vec<usize>;

    /// The id, label and other information of a unit.
    fn info(&self, unit: Unit, catalogue: &Catalogue) -> UnitInfo;

    /// The unit with an id or name.
    ///
    /// # Errors
    /// [`Error::NoSuchUnit`] or [`Error::Unknown`], with the existing units or similar names.
    fn resolve(&self, text: &str, catalogue: &Catalogue) -> Result<Unit>;

    /// Whether activations may take any value; otherwise a unit is only present (1) or absent (0).
    fn graded(&self) -> bool {
        true
    }

    /// Whether a unit says nothing about a user beyond what holds for most users, such as the weight of their
    /// mean. Tests of cited units leave it out.
    fn general(&self, _index: usize) -> bool {
        false
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

    /// The parts that support an item most, at most `n`: the first of its [`ledger`](Self::ledger) in lines whose
    /// value is positive. `None` where the whole ledger is needed to know them.
    fn strongest(
        &self,
        _user: History<'_>,
        _activations: &[(u32, f32)],
        _item: ItemIdx,
        _n: usize,
    ) -> Option<Vec<Part>> {
        None
    }

    /// The change of an item's score per unit of activation, if it is the same for all
    /// histories (a weight of the model); `None` where it depends on the history.
    ///
    /// Law: where units have effects, scores are affine in the activations,
    /// `score = score of no activation + Σ activation × effect`.
    fn effect(&self, _index: usize, _item: ItemIdx) -> Option<f32> {
        None
    }

    /// The indices of all units whose activation may change when the events on an item are added or
    /// removed; `None` where any unit may.
    fn touched(&self, _item: ItemIdx) -> Option<Vec<usize>> {
        None
    }
}

/// An estimator that fits units over a model: dictionaries, concepts.
pub trait FitUnits {
    /// The fitted units, which may borrow the model.
    type Units<'a>: Units;

    /// Fits the units over the representations of a model.
    ///
    /// # Errors
    /// If a hyper-parameter is out of range, memory does not suffice, or a computation fails.
    fn fit<'a>(
        &self,
        base: &'a dyn Latent,
        data: &Training<'_>,
        run: &mut Run<'_>,
    ) -> Result<Self::Units<'a>>;
}

/// A type that can be saved and loaded.
///
/// Law: `load(save(m))` scores as `m` does, bit for bit on the same device.
pub trait Artifact: Sized {
    /// The name of the format, such as `model/ease`.
    const KIND: &'static str;

    /// Saves it.
    ///
    /// # Errors
    /// If a value cannot be stored.
    fn save(&self, out: &mut Tensors) -> Result<()>;

    /// A copy without what it holds of single users, such as vectors learned for them and hashes of
    /// their rows: it treats everyone by their history alone. `None` if it holds nothing of single users.
    ///
    /// Law: nothing in the saved copy has one entry per user, and its scores do not depend on
    /// [`History::user`].
    #[must_use]
    fn without_users(&self) -> Option<Self> {
        None
    }

    /// Loads it.
    ///
    /// # Errors
    /// If an array is missing, of another shape, or does not follow the format.
    fn load(from: &Tensors) -> Result<Self>;
}

/// The relevant (held-out) items of one user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth<'a> {
    /// The items, ascending and unique.
    pub items: &'a [ItemIdx],
}

impl Truth<'_> {
    /// Whether an item is relevant.
    #[must_use]
    pub fn contains(&self, item: ItemIdx) -> bool {
        self.items.binary_search(&item).is_ok()
    }
}

/// The recommendation lists of many users, best first, ties broken.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lists {
    /// One list per user.
    pub lists: Vec<Vec<Scored>>,
}

/// Checks a hyper-parameter, with the message `name must be rule, but is value`.
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
