//! `limpid evaluate` and `limpid compare`.

use limpid_data::{Shown, Subset};
use limpid_eval::chain_paths::ChainPaths;
use limpid_eval::faithfulness::Faithfulness;
use limpid_eval::readability::Readability;
use limpid_eval::{Comparison, Report, SampledCandidates};
use serde::Serialize;

use crate::artifact::SplitRecord;
use crate::measure::Regime;
use crate::measure_knobs::KnobsMeasured;

/// An evaluation with its whole protocol.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Measured {
    /// `limpid.evaluate/1`.
    pub schema: &'static str,
    /// Name of the model.
    pub model: String,
    /// Its settings.
    pub settings: serde_json::Value,
    /// Its seed.
    pub seed: u64,
    /// The data set.
    pub data: String,
    /// The split.
    pub split: SplitRecord,
    /// The held-out set.
    pub on: Subset,
    /// Which held-out items count.
    pub regime: Regime,
    /// The events of each user that the model is shown; they are masked.
    pub shown: Shown,
    /// The metrics.
    #[serde(flatten)]
    pub report: Report,
    /// Hits by the behaviors before, and calibration, if measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<ChainPaths>,
    /// Explanation length, if measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readability: Option<Readability>,
    /// The deletion test of explanations, if run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faithfulness: Option<Faithfulness>,
    /// The measurements of a dictionary, for a folder that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knobs: Option<KnobsMeasured>,
}

/// Two evaluations on the same users.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Compared {
    /// `limpid.compare/1`.
    pub schema: &'static str,
    /// The first model with its non-default settings.
    pub a: String,
    /// The second model with its non-default settings.
    pub b: String,
    /// The split that both were fitted on.
    pub split: SplitRecord,
    /// The events of each user that both models are shown.
    pub shown: Shown,
    /// The masked items, in words.
    pub masks: String,
    /// The sampled candidates, if metrics are sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<SampledCandidates>,
    /// The differences, a − b.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// Evaluations of several models on the same users, each compared with the first.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ComparedMany {
    /// `limpid.compare-many/1`.
    pub schema: &'static str,
    /// The first model with its non-default settings.
    pub baseline: String,
    /// The split that all were fitted on.
    pub split: SplitRecord,
    /// The events of each user that all models are shown.
    pub shown: Shown,
    /// The masked items, in words.
    pub masks: String,
    /// The sampled candidates, if metrics are sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<SampledCandidates>,
    /// The other models.
    pub models: Vec<ComparedModel>,
}

/// A model, compared with the first.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ComparedModel {
    /// The model with its non-default settings.
    pub model: String,
    /// The differences: a is this model, b the first one. `p_holm` is corrected for all models and
    /// metrics.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// An evaluation of lists of another tool.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ListsMeasured {
    /// `limpid.evaluate-lists/1`.
    pub schema: &'static str,
    /// The file with the lists.
    pub lists: String,
    /// The file with the held-out items.
    pub truth: String,
    /// The metrics.
    #[serde(flatten)]
    pub report: Report,
}
