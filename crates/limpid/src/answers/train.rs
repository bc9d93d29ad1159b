//! `limpid train`, and its plan (`--dry-run`).

use serde::Serialize;

use crate::Experiment;
use crate::artifact::Manifest;
use crate::tune::Tuned;

/// A model that was trained and saved.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Trained {
    /// `limpid.train/1`.
    pub schema: &'static str,
    /// The folder.
    pub folder: String,
    /// The manifest: experiment, data, split, metrics and files.
    pub manifest: Manifest,
    /// The trials, if settings were tuned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuned: Option<Tuned>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// The plan of a training. Everything that can be checked without reading the data was checked.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct TrainPlan {
    /// `limpid.train-plan/1`.
    pub schema: &'static str,
    /// The experiment, with all settings and absolute paths.
    pub experiment: Experiment,
    /// Bytes of the data on disk (compressed if the files are); 0 for synthetic data.
    pub data_bytes: u64,
    /// Number of fits: 1, or with tuning the number of trials plus 1.
    pub fits: usize,
    /// The folder that will be written.
    pub folder: String,
    /// Whether a saved model in this folder will be replaced.
    pub replaces: bool,
    /// Free bytes on its disk, where the system reports them.
    pub free_bytes: Option<u64>,
}
