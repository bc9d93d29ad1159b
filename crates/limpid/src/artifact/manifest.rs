//! `manifest.json`: the experiment of a folder, its results, and the checksum of every file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::experiment::{Expected, Experiment};

/// The format that this version writes. Older formats are read, newer ones are refused.
pub const FORMAT: u32 = 2;

/// The schema name of every manifest.
pub const SCHEMA: &str = "limpid.manifest/2";

/// The experiment of a model, its results, and the files of its folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Manifest {
    /// `limpid.manifest/2`.
    pub schema: String,
    /// Number of the format on disk.
    pub format: u32,
    /// The version of limpid that wrote it.
    pub limpid: String,
    /// The kind of the artifact: `model/ease`.
    pub kind: String,
    /// The experiment; [`Manifest::again`] adds the recorded hashes.
    pub experiment: Experiment,
    /// The data as read.
    pub data: DataRecord,
    /// The split.
    pub split: SplitRecord,
    /// Wall-clock seconds of the fit on the machine that made it.
    pub fit_seconds: f64,
    /// Metrics measured after the fit, by subset and metric: `validation ndcg@20`.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// Whether the folder contains user histories.
    pub holds_histories: bool,
    /// Every file of the folder, except this one and `run.toml`.
    pub files: BTreeMap<String, FileRecord>,
}

impl Manifest {
    /// The experiment with the hashes of its data and split: running it gives the same model, or an error
    /// that names what changed.
    #[must_use]
    pub fn again(&self) -> Experiment {
        Experiment {
            expected: Some(Expected {
                data: self.data.hash.clone(),
                split: Some(self.split.hash.clone()),
            }),
            ..self.experiment.clone()
        }
    }
}

/// The data as read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DataRecord {
    /// Name of the data set.
    pub name: String,
    /// BLAKE3 (hexadecimal) of the ids and events of the log as read, before filters: equal for two
    /// models of the same data. Null where a split folder does not record it.
    pub hash: Option<String>,
    /// The filters, in words.
    pub filters: String,
    /// Users of the catalogue.
    pub users: usize,
    /// Items of the catalogue.
    pub items: usize,
    /// Training events.
    pub train_events: usize,
}

/// The split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SplitRecord {
    /// The spec: `ratio:70/10/20@7`.
    pub spec: String,
    /// BLAKE3 (hexadecimal) of the spec and of every event with its subset.
    pub hash: String,
}

/// Length and checksum of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileRecord {
    /// Length in bytes.
    pub bytes: u64,
    /// BLAKE3 of its content, in hexadecimal.
    pub blake3: String,
}
