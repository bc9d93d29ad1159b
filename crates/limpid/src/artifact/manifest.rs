//! `manifest.json`: the experiment of a folder, its results, and the checksum of every file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use limpid_insight::concepts::Summary;
use limpid_insight::dictionary::Certificate;
use limpid_insight::sae::Report;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tensor_file::Seal;
use crate::experiment::{Expected, Experiment, Settings};

/// The format that this version writes. Older formats are read, newer ones are refused.
pub const FORMAT: u32 = 3;

/// The schema name of every manifest.
pub const SCHEMA: &str = "limpid.manifest/3";

/// The experiment of a model, its results, and the files of its folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Manifest {
    /// `limpid.manifest/3`.
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
    /// The dictionary over the model, and the base that it was fitted on; absent for a model alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dictionary: Option<DictionaryRecord>,
    /// Whether the folder contains user histories.
    pub holds_histories: bool,
    /// Every file of the folder, except this one (and `run.toml` in format 2).
    pub files: BTreeMap<String, FileRecord>,
    /// BLAKE3 (hexadecimal) of all the above as compact JSON; empty in formats 1 and 2.
    #[serde(default)]
    pub checksum: String,
}

/// The checksum of a manifest as it is in its file, without the checksum in it.
pub(super) fn checksum(manifest: &Value) -> String {
    let mut manifest = manifest.clone();
    if let Some(fields) = manifest.as_object_mut() {
        fields.remove("checksum");
    }
    blake3::hash(manifest.to_string().as_bytes())
        .to_hex()
        .to_string()
}

impl Manifest {
    /// BLAKE3 (hexadecimal) of the names and checksums of the arrays of the model, by which a dictionary knows
    /// its base.
    #[must_use]
    pub fn content_hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let arrays = self
            .files
            .iter()
            .filter(|(name, _)| name.ends_with(".safetensors"));
        for (name, file) in arrays {
            hasher.update(format!("{name} {}\n", file.blake3).as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The text of `manifest.json`, and the manifest with its checksum.
    pub(super) fn sealed(mut self) -> serde_json::Result<(Self, String)> {
        self.checksum.clear();
        // Of the text and not of the numbers in memory, because a reader has the text.
        let value: Value = serde_json::from_str(&serde_json::to_string(&self)?)?;
        self.checksum = checksum(&value);
        let text = serde_json::to_string_pretty(&self)? + "\n";
        Ok((self, text))
    }

    /// What each file of the folder says about the model that it belongs to.
    pub(super) fn seal_of(&self, file: &str) -> Seal {
        Seal {
            file: file.to_owned(),
            kind: self.kind.clone(),
            model: self.experiment.model.clone(),
            split: self.split.hash.clone(),
        }
    }

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

/// The dictionary of a folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DictionaryRecord {
    /// Its hyper-parameters.
    pub settings: Settings,
    /// The seed of the resamples and of the tests of names.
    pub seed: u64,
    /// Wall-clock seconds of the fit, names included.
    pub fit_seconds: f64,
    /// How much of it comes back when users are resampled; null if that was not measured.
    pub certificate: Option<Certificate>,
    /// How it was trained, if it is an autoencoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Report>,
    /// The names of its knobs; null before they are named.
    pub names: Option<Summary>,
    /// The model that it was fitted on.
    pub base: BaseRecord,
}

/// The model that a dictionary was fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BaseRecord {
    /// The kind of its artifact: `model/eigen`.
    pub kind: String,
    /// BLAKE3 (hexadecimal) of the names and checksums of its arrays.
    pub hash: String,
    /// Its folder, relative to that of the dictionary where possible; null if it is in the same folder.
    pub path: Option<PathBuf>,
}

/// Length and checksum of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileRecord {
    /// Length in bytes.
    pub bytes: u64,
    /// BLAKE3 of its content, in hexadecimal.
    pub blake3: String,
}
