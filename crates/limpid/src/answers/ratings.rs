//! `limpid ratings`.

use limpid_eval::ratings::RatingMetrics;
use serde::Serialize;

/// Baselines of rating prediction on the test set.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RatingsAnswer {
    /// `limpid.ratings/1`.
    pub schema: &'static str,
    /// The data set.
    pub data: String,
    /// The split; the first one, if there are several.
    pub split: String,
    /// Its hash.
    pub split_hash: String,
    /// All splits. With several of them values are means, and intervals are over splits.
    pub splits: Vec<String>,
    /// Ratings of this value or more are positive for `auc`.
    pub threshold: f64,
    /// Number of training ratings.
    pub train: usize,
    /// Number of validation ratings, on which settings were chosen.
    pub validation: usize,
    /// Number of test ratings.
    pub test: usize,
    /// Number of training ratings with a text; 0 where texts were not read.
    pub texts: usize,
    /// The model that `difference` compares with.
    pub baseline: &'static str,
    /// One entry per model.
    pub models: Vec<RatingsRow>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RatingsRow {
    /// Its name.
    pub model: &'static str,
    /// The settings that the validation set chose; of a model, those that are not its defaults. Those of several splits are
    /// separated by `|`.
    pub settings: String,
    /// Its metrics.
    #[serde(flatten)]
    pub metrics: RatingMetrics,
}
