//! `limpid evaluate` and `limpid compare`.

use limpid_eval::faithfulness::Faithfulness;
use limpid_eval::readability::Readability;
use limpid_eval::{Comparison, Report};
use serde::Serialize;

use crate::Fold;
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
    /// The part.
    pub on: Fold,
    /// The numbers.
    #[serde(flatten)]
    pub report: Report,
    /// How much there is to read, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readability: Option<Readability>,
    /// What is lost when cited items are deleted, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faithfulness: Option<Faithfulness>,
}

/// Two measurements on the same users.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// `limpid.compare/1`.
    pub schema: &'static str,
    /// What a is.
    pub a: String,
    /// What b is.
    pub b: String,
    /// The split that both were fitted on.
    pub split: SplitRecord,
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
