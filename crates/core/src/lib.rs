//! The shared types of limpid: items, histories, scores, explanations, and the traits of models.
//!
//! The other crates communicate only through the types of this crate. It does no
//! input or output, generates no random numbers and names no model, so most of it cannot
//! fail; errors occur when a value is built, with an [`Error`] that names the rule.
//!
//! | module | contents |
//! |---|---|
//! | [`ids`] | [`UserIdx`], [`ItemIdx`], [`Ids`]: external strings and dense indices |
//! | [`matrix`] | [`Mat`], [`Csr`] |
//! | [`quantile`] | quantiles of sorted values |
//! | [`random`] | numbers and samples from the caller's random generator |
//! | [`histories`] | [`Histories`], [`History`], [`Event`] |
//! | [`catalogue`] | [`Catalogue`], [`Field`]: titles, genres, tags, makers |
//! | [`topk`] | masks, top-k, tie groups: ranking |
//! | [`unit`](mod@unit), [`history_units`] | [`Unit`], [`UnitInfo`], [`HistoryUnits`]: named evidence that can be edited |
//! | [`ledger`] | [`Ledger`], [`Part`]: a score as a sum of named contributions |
//! | [`edit`] | [`Edit`], [`Edits`]: changes of units |
//! | [`hyper`](mod@hyper) | hyper-parameters, each declared once |
//! | [`attribution`] | path integrals: contributions of coordinates to a change of a score |
//! | [`rules`] | [`Rule`](rules::Rule): AND, OR, NOT, at-least-k over items |
//! | [`traits`] | [`Fit`], [`Recommender`], [`Latent`], [`Units`], … |
//! | [`tensors`] | [`Tensors`]: the arrays of a saved model |
//! | [`texts`] | [`Review`], [`Embedder`]: texts of events, and their vectors |

pub mod attribution;
pub mod candidates;
pub mod catalogue;
pub mod edit;
pub mod error;
pub mod event_units;
pub mod hash;
pub mod histories;
pub mod history_units;
pub mod hyper;
pub mod ids;
pub mod ledger;
pub mod lookup;
pub mod matrix;
pub mod quantile;
pub mod random;
pub mod rules;
pub mod tensors;
pub mod texts;
pub mod topk;
pub mod traits;
pub mod unit;

pub use candidates::Candidates;
pub use catalogue::{Catalogue, Field};
pub use edit::{Edit, Edits, Op};
pub use error::{Error, Result};
pub use event_units::EventUnits;
pub use histories::{Event, EventsByItem, Histories, History, OwnedHistory};
pub use history_units::{HistoryUnits, UnitsOf};
pub use ids::{Ids, ItemIdx, UserIdx};
pub use ledger::{Alternative, Ledger, Part};
pub use matrix::{Csr, Mat};
pub use tensors::{Buffer, Tensor, Tensors};
pub use texts::{Embedder, Review, TrainingTexts};
pub use topk::{Mask, RankedWithTies, Scored, rank_of, top_k};
pub use traits::{
    Activations, Artifact, Checkpoints, Detail, Fit, FitUnits, Latent, Lists, Monitor, NoProgress,
    Progress, Recommender, Run, Scale, Training, Truth, Units,
};
pub use unit::{Space, Unit, UnitInfo};
