//! `run.toml`: a training run as data, which the manifest can print again.

use std::path::{Path, PathBuf};

use limpid_data::Filters;
use limpid_data::sources::ReadOptions;
use limpid_models::Config;
use serde::{Deserialize, Serialize};

use crate::artifact::Manifest;
use crate::{Error, Result};

/// Hyper-parameters by name, as a TOML table.
pub type Settings = toml::Table;

/// A training run.
///
/// ```toml
/// model = "ease"
/// seed = 1
/// split = "ratio:70/10/20@7"
///
/// [settings]
/// reg = 500.0
///
/// [data]
/// path = "data/ml-1m"
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFile {
    /// Name in the catalogue of models.
    pub model: String,
    /// The seed of the model.
    #[serde(default = "one")]
    pub seed: u64,
    /// How to split, or a folder that `limpid data split` wrote.
    #[serde(default)]
    pub split: Option<String>,
    /// Hyper-parameters; those that are not named keep their defaults.
    #[serde(default)]
    pub settings: Settings,
    /// The data.
    #[serde(default)]
    pub data: Option<DataTable>,
}

/// The `[data]` table of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataTable {
    /// The file or folder.
    pub path: PathBuf,
    /// How it is read.
    #[serde(default)]
    pub read: ReadOptions,
    /// What is kept of it.
    #[serde(default)]
    pub filters: Filters,
}

fn one() -> u64 {
    1
}

impl RunFile {
    /// The run that made a saved model, without its data. A setting that was left to its default has
    /// no value in TOML and is left out again.
    ///
    /// # Errors
    /// [`Error::Usage`] where a setting has no TOML form.
    pub fn of(manifest: &Manifest) -> Result<Self> {
        let mut settings = manifest.run.settings.clone();
        if let Some(fields) = settings.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let settings = serde_json::from_value(settings)
            .map_err(|e| Error::Usage(format!("these settings have no TOML form: {e}")))?;
        Ok(Self {
            model: manifest.run.model.clone(),
            seed: manifest.run.seed,
            split: Some(manifest.split.spec.clone()),
            settings,
            data: None,
        })
    }

    /// Reads a run.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Artifact`] with the place of what cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("cannot read", path, e))?;
        toml::from_str(&text).map_err(|e| Error::artifact(path, e.to_string()))
    }

    /// The recipe of its model.
    ///
    /// # Errors
    /// Where the model or a setting does not exist.
    pub fn config(&self) -> Result<Config> {
        let settings = serde_json::to_value(&self.settings)
            .map_err(|e| Error::Usage(format!("[settings]: {e}")))?;
        Ok(Config::from_json(&self.model, &settings)?)
    }

    /// How it is written.
    ///
    /// # Errors
    /// [`Error::Usage`] where a value has no TOML form.
    pub fn written(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::Usage(format!("this run has no TOML form: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_again() {
        let text = "model = \"ease\"\nseed = 3\nsplit = \"none\"\n[settings]\nreg = 20.0\n";
        let run: RunFile = toml::from_str(text).unwrap();
        assert_eq!(run.config().unwrap().to_value().unwrap()["reg"], 20.0);
        let again: RunFile = toml::from_str(&run.written().unwrap()).unwrap();
        assert_eq!(again, run);
        assert!(toml::from_str::<RunFile>("model = \"ease\"\nsede = 3").is_err());
        let wrong: RunFile = toml::from_str("model = \"ease\"\n[settings]\nrge = 1").unwrap();
        assert!(wrong.config().is_err());
    }
}
