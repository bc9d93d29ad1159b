//! `limpid evaluate` and `limpid compare`.

use limpid_data::{Shown, Subset};
use limpid_eval::faithfulness::Faithfulness;
use limpid_eval::readability::Readability;
use limpid_eval::{Comparison, Report};
use serde::Serialize;

use crate::artifact::SplitRecord;

/// A measurement with everything that makes its numbers comparable.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    /// The events of each user that the model was shown; they are masked.
    pub shown: Shown,
    /// The numbers.
    #[serde(flatten)]
    pub report: Report,
    /// Explanation length, if it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readability: Option<Readability>,
    /// The deletion test of explanations, if it was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faithfulness: Option<Faithfulness>,
}

/// Two measurements on the same users.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// `limpid.compare/1`.
    pub schema: &'static str,
    /// The first model, in words.
    pub a: String,
    /// The second model, in words.
    pub b: String,
    /// The split that both were fitted on.
    pub split: SplitRecord,
    /// The events of each user that both models were shown.
    pub shown: Shown,
    /// What was masked, in words.
    pub masks: String,
    /// The differences, a − b.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// A measurement of lists made elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListsMeasured {
    /// `limpid.evaluate-lists/1`.
    pub schema: &'static str,
    /// The file with the lists.
    pub lists: String,
    /// The file with the held-out items.
    pub truth: String,
    /// The numbers.
    #[serde(flatten)]
    pub report: Report,
}
