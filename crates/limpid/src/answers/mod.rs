//! The JSON of every verb, one file per verb. `docs/json.md` shows an example of each, `docs/schema` has
//! their JSON Schemas.
//!
//! Every answer names its schema, `limpid.<verb>/1`. Within a version, fields are only added; a changed
//! meaning is a new version. Items and users are external ids.

mod data;
mod doctor;
mod evaluate;
mod explain;
mod knobs;
mod models;
mod quickstart;
mod ratings;
mod recommend;
mod reproduce;
mod schema;
mod train;
mod verify;
mod words;

use serde::Serialize;

pub use crate::artifact::Manifest as Inspection;
pub use crate::planted::PlantedAnswer;
pub use crate::rules::RulesAnswer;

pub use data::{DataDescription, DataSets, DataSplit, Fetched, SplitPart, Synthesized};
pub use doctor::{DeviceCheck, Doctor, ModelCheck};
pub use evaluate::{Compared, ComparedMany, ComparedModel, ListsMeasured, Measured};
pub use explain::*;
pub use knobs::{Concept, Concepts, KnobWeight, ProbeAnswer, Reach, SteerAnswer};
pub use models::{ModelAnswer, Models, ParameterAnswer, PresetAnswer};
pub use quickstart::Quickstart;
pub use ratings::{RatingsAnswer, RatingsRow};
pub use recommend::{
    Before, Exported, Left, Moved, Reason, RecommendAll, Recommendations, Recommended, Slate,
};
pub use reproduce::{NotRun, RecipePlan, ReproducePlan, Reproduced, ReproducedTable};
pub use schema::schemas;
pub use train::{TrainPlan, Trained};
pub use verify::Verified;
pub use words::{Narrated, WordsAnswer};

/// An item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ItemName {
    /// Its external id.
    pub id: String,
    /// Its title; the id where it has none.
    pub title: String,
}
