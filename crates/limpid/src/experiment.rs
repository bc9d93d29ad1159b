//! One experiment as data: data, split, model, seeds, and what is measured.
//!
//! The same type is a `run.toml`, a row of a recipe, and the core of the manifest of a saved model.
//! So a saved model can be trained again, and gives the same model bit for bit:
//!
//! ```toml
//! model = "ease"
//! seed = 1
//! split = "ratio:70/10/20@7"
//!
//! [settings]
//! reg = 500.0
//!
//! [data]
//! path = "data/ml-1m"
//!
//! [data.filters]
//! min_value = 4.0
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use limpid_core::Run;
use limpid_data::sources::ReadOptions;
use limpid_data::{Filters, SplitSpec};
use limpid_models::Config;
use serde::{Deserialize, Serialize};

use crate::artifact::read_manifest_file;
use crate::{Error, MeasureOptions, Result, artifact};

/// Hyper-parameters by name.
pub type Settings = serde_json::Map<String, serde_json::Value>;

/// The model that is trained where none is named.
pub const DEFAULT_MODEL: &str = "ruleslim";

/// The devices of this build.
pub const DEVICES: [&str; 1] = ["cpu"];

/// What is done to get a model. [`Experiment::check`] refuses whatever cannot be run before any data
/// is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Experiment {
    /// Name in the catalogue of models.
    pub model: String,
    /// The seed of the model; the split has its own. Below 2⁶³, the largest whole number of TOML.
    pub seed: u64,
    /// Where arithmetic runs: `cpu`.
    pub device: String,
    /// Gigabytes (10⁹ bytes) that a fit may use for its large arrays.
    pub memory_gb: f64,
    /// How to split.
    pub split: SplitFrom,
    /// Hyper-parameters; those that are not named keep their defaults. In a saved experiment all are
    /// named.
    pub settings: Settings,
    /// The data; absent where they never were files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DataSource>,
    /// What is measured after the fit, beside the validation metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<MeasureOptions>,
    /// What the data and the split were when the experiment was recorded. Running it refuses others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
}

/// Where a log comes from and what is kept of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// The file or folder. `synthetic` and `synthetic:planted`, where no such file exists, are
    /// generated worlds.
    pub path: PathBuf,
    /// How it is read.
    #[serde(default)]
    pub read: ReadOptions,
    /// What is kept. Where it names no behaviors, only those that the model reads are kept (the target
    /// behavior, for most); `all` in its list keeps everything.
    #[serde(default)]
    pub filters: Filters,
}

/// How the split is made. Written as one text: a rule such as `ratio:70/10/20@7`, or a folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SplitFrom {
    /// By a rule.
    Spec(SplitSpec),
    /// As recorded in a folder that `limpid data split` wrote.
    Folder(PathBuf),
}

/// BLAKE3 hashes (hexadecimal) that the data and the split must have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expected {
    /// Of the log as read, before filters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Of the split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
}

impl Default for Experiment {
    fn default() -> Self {
        let run = Run::seeded(1);
        Self {
            model: DEFAULT_MODEL.to_owned(),
            seed: run.seed,
            device: DEVICES[0].to_owned(),
            memory_gb: run.memory_budget as f64 / GB,
            split: SplitFrom::default(),
            settings: Settings::new(),
            data: None,
            measure: None,
            expected: None,
        }
    }
}

/// Bytes in a gigabyte.
const GB: f64 = 1e9;

impl Experiment {
    /// Reads a `run.toml`, a `manifest.json`, or the manifest of a saved folder.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Config`] with the place of what cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(artifact::read_manifest(path)?.again());
        }
        if path.extension().is_some_and(|e| e == "json") {
            return Ok(read_manifest_file(path)?.again());
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("cannot read", path, e))?;
        toml::from_str(&text).map_err(|e| Error::config(path, e.to_string()))
    }

    /// The text of a `run.toml`. A setting that is null, as manifests of format 1 have it, has no value in
    /// TOML and is left out, which means the same.
    ///
    /// # Errors
    /// [`Error::Usage`] where a value has no TOML form.
    pub fn to_toml(&self) -> Result<String> {
        let mut plain = self.clone();
        plain.settings.retain(|_, value| !value.is_null());
        toml::to_string(&plain)
            .map_err(|e| Error::Usage(format!("this experiment has no TOML form: {e}")))
    }

    /// The model with its settings.
    ///
    /// # Errors
    /// Where the model or a setting does not exist, or a value has the wrong type.
    pub fn config(&self) -> Result<Config> {
        let settings = serde_json::Value::Object(self.settings.clone());
        Ok(Config::from_json(&self.model, &settings)?)
    }

    /// The experiment with the model and all settings of a config.
    ///
    /// # Errors
    /// Where a setting has no JSON form.
    pub fn with_config(self, config: &Config) -> Result<Self> {
        let settings = match config.to_value()? {
            serde_json::Value::Object(settings) => settings,
            _ => Settings::new(),
        };
        Ok(Self {
            model: config.name().to_owned(),
            settings,
            ..self
        })
    }

    /// Bytes that a fit may use for its large arrays.
    #[must_use]
    pub fn memory_budget(&self) -> u64 {
        (self.memory_gb * GB).round() as u64
    }

    /// Sets [`Experiment::memory_gb`] from bytes.
    pub(crate) fn set_memory_budget(&mut self, bytes: u64) {
        self.memory_gb = bytes as f64 / GB;
    }
}

impl SplitFrom {
    /// What is split where nothing else is named: `ratio:70/10/20@1`.
    pub const DEFAULT: &str = "ratio:70/10/20@1";
}

impl Default for SplitFrom {
    fn default() -> Self {
        Self::DEFAULT.parse().unwrap_or(Self::Spec(SplitSpec::None))
    }
}

impl FromStr for SplitFrom {
    type Err = Error;

    /// A folder with a `split.json` comes first; other texts follow the grammar of splits.
    fn from_str(text: &str) -> Result<Self> {
        let path = Path::new(text);
        if path.join("split.json").is_file() {
            return Ok(Self::Folder(path.to_owned()));
        }
        match text.parse() {
            Ok(spec) => Ok(Self::Spec(spec)),
            Err(_) if path.is_absolute() || (text.contains('/') && !text.contains(':')) => {
                Err(Error::Usage(format!(
                    "split '{text}': this folder has no split.json; write one with 'limpid data split'"
                )))
            }
            Err(e) => match similar_kind(text) {
                Some(similar) => Err(Error::Core(limpid_core::Error::Unknown {
                    what: "split",
                    name: text.to_owned(),
                    similar: vec![similar],
                })),
                None => Err(e.into()),
            },
        }
    }
}

/// The kinds of splits, as they are written.
const KINDS: [&str; 7] = [
    "ratio",
    "leave-one-out",
    "leave-last",
    "temporal",
    "users",
    "given",
    "none",
];

/// The text with the kind that was probably meant, where its own does not exist.
fn similar_kind(text: &str) -> Option<String> {
    let (kind, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
    if KINDS.contains(&kind) {
        return None;
    }
    let alike = |known: &str| strsim::damerau_levenshtein(kind, known);
    let nearest = KINDS.into_iter().min_by_key(|known| alike(known))?;
    (alike(nearest) <= 2).then(|| format!("{nearest}{rest}"))
}

impl TryFrom<String> for SplitFrom {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<SplitFrom> for String {
    fn from(split: SplitFrom) -> Self {
        split.to_string()
    }
}

impl fmt::Display for SplitFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spec(spec) => spec.fmt(f),
            Self::Folder(folder) => folder.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Experiment {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = parse(
            r#"
            model = "ruleslim"
            seed = 3
            split = "none"
            [settings]
            reg = 20.0
            [data]
            path = "somewhere/events.csv"
            [data.read]
            separator = "\t"
            columns = { user = "who", item = 2 }
            [data.filters]
            min_value = 3.7
            k_core = [5, 2]
            [expected]
            data = "ab"
            "#,
        );
        let config = written.config().unwrap();
        assert_eq!(config.to_value().unwrap()["reg"], 20.0);
        let all = written.with_config(&config).unwrap();
        assert!(all.settings.len() > 5 && all.settings["reg"] == 20.0);
        let again = parse(&all.to_toml().unwrap());
        assert_eq!(again.config().unwrap(), config);
        let settings = all.settings.clone();
        assert_eq!(Experiment { settings, ..again }, all);
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Experiment>(&json).unwrap(), all);
    }

    #[test]
    fn unknown_keys_and_settings_are_refused() {
        assert!(toml::from_str::<Experiment>("model = \"ease\"\nsede = 3").is_err());
        assert!(toml::from_str::<Experiment>("split = \"ratio\"").is_err());
        assert!(
            parse("model = \"ease\"\n[settings]\nrge = 1")
                .config()
                .is_err()
        );
    }
}
