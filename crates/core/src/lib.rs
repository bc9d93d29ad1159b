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
//! | [`histories`] | [`Histories`], [`History`], [`Event`] |
//! | [`catalogue`] | [`Catalogue`], [`Field`]: titles, genres, tags, makers |
//! | [`topk`] | masks, top-k, tie groups: ranking, once for everybody |
//! | [`unit`](mod@unit) | [`Unit`]: what can be named and switched |
//! | [`ledger`] | [`Ledger`], [`Part`]: a score as a sum that can be read |
//! | [`edit`] | [`Edit`], [`Edits`]: what a person changes |
//! | [`rules`] | [`Rule`](rules::Rule): AND, OR, NOT, at-least-k over items |
//! | [`traits`] | [`Fit`], [`Recommender`], [`Latent`], [`Additive`], [`Explain`], … |
//! | [`tensors`] | [`Tensors`]: what a fitted thing is on disk |

pub mod catalogue;
pub mod edit;
pub mod error;
pub mod hash;
pub mod histories;
pub mod ids;
pub mod ledger;
pub mod lookup;
pub mod matrix;
pub mod rules;
pub mod tensors;
pub mod topk;
pub mod traits;
pub mod unit;

pub use catalogue::{Catalogue, Field};
pub use edit::{Blend, Edit, Edits, Op};
pub use error::{Error, Result};
pub use histories::{Event, EventsByItem, Histories, History, OwnedHistory};
pub use ids::{Ids, ItemIdx, UserIdx};
pub use ledger::{Ledger, Part, PartKind};
pub use matrix::{Csr, Mat};
pub use tensors::{Buffer, Tensor, Tensors};
pub use topk::{Mask, RankedWithTies, Scored, rank_of, top_k};
pub use traits::{
    Activations, Additive, Artifact, Checkpoints, Dictionary, Explain, Fit, Latent, ListMetric,
    Lists, Monitor, Narrate, NoProgress, Progress, Recommender, Run, Training, Truth, UserMetric,
};
pub use unit::Unit;
