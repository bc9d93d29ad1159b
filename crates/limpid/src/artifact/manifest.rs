//! `manifest.json`: the experiment that made a folder, what came out, and the checksum of every file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::experiment::{Expected, Experiment};

/// The format that this version writes. Older ones stay readable, newer ones are refused.
pub const FORMAT: u32 = 2;

/// The schema name of every manifest.
pub const SCHEMA: &str = "limpid.manifest/2";

/// What made a model, what came out, and what its folder holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `limpid.manifest/2`.
    pub schema: String,
    /// Number of the format on disk.
    pub format: u32,
    /// The version of limpid that wrote it.
    pub limpid: String,
    /// The format of the fitted thing: `model/ease`.
    pub kind: String,
    /// What was done; [`Manifest::again`] can be run.
    pub experiment: Experiment,
    /// The data as they were read.
    pub data: DataRecord,
    /// The split as it came out.
    pub split: SplitRecord,
    /// Wall-clock seconds of the fit on the machine that made it.
    pub fit_seconds: f64,
    /// What the model was measured at when it was made, by subset and metric: `validation ndcg@20`.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// Whether the folder holds personal histories.
    pub holds_histories: bool,
    /// Every file of the folder, except this one and `run.toml`.
    pub files: BTreeMap<String, FileRecord>,
}

impl Manifest {
    /// The experiment, with the hashes of its data and split: running it gives the same model, or an
    /// error that says what changed.
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

/// The data as they were read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// Name of the data set.
    pub name: String,
    /// BLAKE3 (hexadecimal) of the ids and events of the log as read, before filters: equal for two
    /// models of the same data. Absent where the split folder it was made from does not record it.
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

/// The split as it came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitRecord {
    /// As written: `ratio:70/10/20@7`.
    pub spec: String,
    /// BLAKE3 (hexadecimal) of the spec and of every event with its part.
    pub hash: String,
}

/// Length and checksum of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Length in bytes.
    pub bytes: u64,
    /// BLAKE3 of its content, in hexadecimal.
    pub blake3: String,
}
