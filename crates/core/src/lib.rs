//! The words of limpid: what an item, a history, a score and a reason *are*.
//!
//! Everything the other crates say to each other is said in the types of this crate. It does no
//! input or output, draws no random numbers of its own and names no model, so most of it cannot
//! fail; what can fail fails when a value is built, with an [`Error`] that names the rule.
//!
//! | module | words |
//! |---|---|
//! | [`ids`] | [`UserIdx`], [`ItemIdx`], [`Ids`]: external strings and dense indices |
//! | [`matrix`] | [`Mat`], [`Csr`] |
//! | [`quantile`] | quantiles of sorted values |
//! | [`random`] | numbers and samples from a source that the caller brings |
//! | [`histories`] | [`Histories`], [`History`], [`Event`] |
//! | [`catalogue`] | [`Catalogue`], [`Field`]: titles, genres, tags, makers |
//! | [`topk`] | masks, top-k, tie groups: ranking, once for everybody |
//! | [`unit`](mod@unit), [`history_units`] | [`Unit`], [`UnitInfo`], [`HistoryUnits`]: evidence that can be named and switched |
//! | [`ledger`] | [`Ledger`], [`Part`]: a score as a sum that can be read |
//! | [`edit`] | [`Edit`], [`Edits`]: what a person changes |
//! | [`attribution`] | path integrals: how a change of a score is shared out |
//! | [`rules`] | [`Rule`](rules::Rule): AND, OR, NOT, at-least-k over items |
//! | [`traits`] | [`Fit`], [`Recommender`], [`Latent`], [`Units`], … |
//! | [`tensors`] | [`Tensors`]: what a fitted thing is on disk |

pub mod attribution;
pub mod candidates;
pub mod catalogue;
pub mod edit;
pub mod error;
pub mod hash;
pub mod histories;
pub mod history_units;
pub mod ids;
pub mod ledger;
pub mod lookup;
pub mod matrix;
pub mod quantile;
pub mod random;
pub mod rules;
pub mod tensors;
pub mod topk;
pub mod traits;
pub mod unit;

pub use candidates::Candidates;
pub use catalogue::{Catalogue, Field};
pub use edit::{Edit, Edits, Op};
pub use error::{Error, Result};
pub use histories::{Event, EventsByItem, Histories, History, OwnedHistory};
pub use history_units::{HistoryUnits, UnitsOf};
pub use ids::{Ids, ItemIdx, UserIdx};
pub use ledger::{Ledger, Part};
pub use matrix::{Csr, Mat};
pub use tensors::{Buffer, Tensor, Tensors};
pub use topk::{Mask, RankedWithTies, Scored, rank_of, top_k};
pub use traits::{
    Activations, Artifact, Checkpoints, Detail, Fit, FitUnits, Latent, Lists, Monitor, NoProgress,
    Progress, Recommender, Run, Training, Truth, Units,
};
pub use unit::{Space, Unit, UnitInfo};
