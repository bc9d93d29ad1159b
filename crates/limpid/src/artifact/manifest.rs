//! `manifest.json`: what made a folder, and the checksum of every file in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The format that this version writes. Older ones stay readable, newer ones are refused.
pub const FORMAT: u32 = 1;

/// The schema name of every manifest.
pub const SCHEMA: &str = "limpid.manifest/1";

/// What made a model, and what its folder holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `limpid.manifest/1`.
    pub schema: String,
    /// Number of the format on disk.
    pub format: u32,
    /// The version of limpid that wrote it.
    pub limpid: String,
    /// The format of the fitted thing: `model/ease`.
    pub kind: String,
    /// The run that can be run again.
    pub run: RunRecord,
    /// Where the data came from.
    pub data: DataRecord,
    /// How it was split.
    pub split: SplitRecord,
    /// What the model was measured at when it was made, by metric name.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// Whether the folder holds personal histories.
    pub holds_histories: bool,
    /// Every file of the folder.
    pub files: BTreeMap<String, FileRecord>,
}

/// Model, settings and seed: `limpid train --config` takes this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Name in the catalogue of models.
    pub model: String,
    /// All its hyper-parameters.
    pub settings: serde_json::Value,
    /// The seed of the model.
    pub seed: u64,
    /// Seconds that the fit took on the machine that made it.
    pub fit_seconds: f64,
}

/// Where the data came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// Name of the data set.
    pub name: String,
    /// blake3 of ids and events as they were read, before filters: it tells whether two models come
    /// from the same data. What filters and split made of them is told by the hash of the split.
    pub hash: String,
    /// The filters, in words.
    pub filters: String,
    /// Users of the catalogue.
    pub users: usize,
    /// Items of the catalogue.
    pub items: usize,
    /// Training events.
    pub train_events: usize,
}

/// How the data were split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitRecord {
    /// As written: `ratio:70/10/20@7`.
    pub spec: String,
    /// blake3 of the parts.
    pub hash: String,
}

/// Length and checksum of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Length in bytes.
    pub bytes: u64,
    /// blake3 of its content, in hexadecimal.
    pub blake3: String,
}
