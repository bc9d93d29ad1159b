//! Manifests of format 1, which record model, settings and seed, but not the path, reading options and
//! filters of the data.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{DataRecord, FileRecord, Manifest, SplitRecord};
use crate::SplitFrom;
use crate::experiment::{Experiment, Settings};

#[derive(Deserialize)]
pub(super) struct ManifestV1 {
    schema: String,
    limpid: String,
    kind: String,
    run: Run,
    data: DataRecord,
    split: SplitRecord,
    #[serde(default)]
    metrics: BTreeMap<String, f64>,
    holds_histories: bool,
    files: BTreeMap<String, FileRecord>,
}

#[derive(Deserialize)]
struct Run {
    model: String,
    settings: Settings,
    seed: u64,
    fit_seconds: f64,
}

impl ManifestV1 {
    /// The manifest in the current form; its format stays 1.
    ///
    /// # Errors
    /// Where its split does not follow the grammar.
    pub(super) fn into_manifest(self) -> limpid_data::Result<Manifest> {
        Ok(Manifest {
            schema: self.schema,
            format: 1,
            limpid: self.limpid,
            kind: self.kind,
            experiment: Experiment {
                model: self.run.model,
                settings: self.run.settings,
                seed: self.run.seed,
                split: SplitFrom::Spec(self.split.spec.parse()?),
                ..Experiment::default()
            },
            data: self.data,
            split: self.split,
            fit_seconds: self.run.fit_seconds,
            metrics: self.metrics,
            dictionary: None,
            holds_histories: self.holds_histories,
            files: self.files,
            checksum: String::new(),
        })
    }
}
