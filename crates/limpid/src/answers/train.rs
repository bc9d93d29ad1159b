//! `limpid train`, done or only planned (`--dry-run`).

use serde::Serialize;

use crate::Experiment;
use crate::artifact::Manifest;
use crate::tune::Tuned;

/// A model that was trained and saved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trained {
    /// `limpid.train/1`.
    pub schema: &'static str,
    /// The folder.
    pub folder: String,
    /// What made it, what came out, and its files.
    pub manifest: Manifest,
    /// The trials, where settings were tuned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuned: Option<Tuned>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// What a training will do. Everything that can be checked without reading the data was checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainPlan {
    /// `limpid.train-plan/1`.
    pub schema: &'static str,
    /// The experiment, with all settings and absolute paths.
    pub experiment: Experiment,
    /// Bytes of the data on disk, compressed as they are; 0 for generated data.
    pub data_bytes: u64,
    /// Number of fits: 1, or the trials of tuning and 1.
    pub fits: usize,
    /// The folder that will be written.
    pub folder: String,
    /// Whether a saved model in that folder will be replaced.
    pub replaces: bool,
    /// Bytes that are free on its disk, where the system says.
    pub free_bytes: Option<u64>,
}
