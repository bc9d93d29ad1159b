//! One experiment as data: data, split, model, seeds and metrics.
//!
//! The same type is a `run.toml`, a row of a recipe, and the core of the manifest of a saved model.
//! So a saved model can be trained again, which gives the same model bit for bit:
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
use crate::pipeline::names_of;
use crate::teacher::TeacherSource;
use crate::{Error, MeasureOptions, Result, artifact, small_file};

/// Hyper-parameters by name.
pub type Settings = serde_json::Map<String, serde_json::Value>;

/// The default model.
pub const DEFAULT_MODEL: &str = "ruleslim";

/// The devices of this build.
pub const DEVICES: [&str; 1] = ["cpu"];

/// The recipe of a model. [`Experiment::check`] refuses an experiment that cannot be run, before any data
/// are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Experiment {
    /// Name in the catalogue of models.
    pub model: String,
    /// The seed of the model; the split has its own. Below 2⁶³, the largest whole number of TOML.
    pub seed: u64,
    /// Device to compute on: `cpu`.
    pub device: String,
    /// Gigabytes (10⁹ bytes) that a fit may use for its large arrays.
    pub memory_gb: f64,
    /// The split.
    pub split: SplitFrom,
    /// Hyper-parameters; others keep their defaults. A saved experiment names all of them.
    pub settings: Settings,
    /// The data; absent where they were never files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DataSource>,
    /// The teacher of a model with the setting `teacher = "file"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<TeacherSource>,
    /// Measurements after the fit, in addition to the validation metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<MeasureOptions>,
    /// Hashes of the data and the split when the experiment was recorded; others are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
}

/// The path of a log, reading options and filters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// The file or folder. `synthetic` and `synthetic:planted`, where no such file exists, are
    /// generated worlds.
    pub path: PathBuf,
    /// Reading options.
    #[serde(default)]
    pub read: ReadOptions,
    /// Filters. Without a list of behaviors, those that the model reads are kept (for most models, the
    /// target behavior); `all` in the list keeps all.
    #[serde(default)]
    pub filters: Filters,
    /// Texts of the events, for models that read them.
    #[serde(default, skip_serializing_if = "TextSource::is_default")]
    pub texts: TextSource,
}

/// Where texts of events are, and the space in which they become vectors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextSource {
    /// The columns of the texts, joined in this order; none: those that are known, such as `reviewText`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// A folder with static embeddings in the format of model2vec, or the address of a server; none: vectors are fitted
    /// to the training texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedder: Option<String>,
    /// The name of the server's model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedder_model: Option<String>,
    /// Whether the server may be on another machine.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_remote: bool,
    /// The name of the space, as recorded by a fit; another one is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
}

impl TextSource {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How the split is made. Written as one text: a spec such as `ratio:70/10/20@7`, or a folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum SplitFrom {
    /// By a spec.
    Spec(SplitSpec),
    /// As recorded in a folder written by `limpid data split`.
    Folder(PathBuf),
}

/// BLAKE3 hashes (hexadecimal) that the data and the split must have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
            teacher: None,
            measure: None,
            expected: None,
        }
    }
}

/// The value of the setting `teacher` for one that is read from a file.
const FILE: &str = "file";

/// Bytes in a gigabyte.
const GB: f64 = 1e9;

impl Experiment {
    /// Reads a `run.toml`, a `manifest.json`, or the manifest of a saved folder.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Config`] with the place of the fault.
    pub fn read(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(artifact::read_manifest(path)?.again());
        }
        if path.extension().is_some_and(|e| e == "json") {
            return Ok(read_manifest_file(path)?.again());
        }
        let text = small_file::text(path)?;
        Self::of_text(&text).map_err(|why| Error::config(path, why))
    }

    /// The experiment in the text of a `run.toml`.
    ///
    /// # Errors
    /// The place of the fault, the rule, and the fix.
    pub fn of_text(text: &str) -> std::result::Result<Self, String> {
        toml::from_str(text).map_err(|e| e.to_string())
    }

    /// The text of a `run.toml`. TOML has no null, so settings that are null, as in manifests of format 1,
    /// are omitted, which means the same.
    ///
    /// # Errors
    /// [`Error::Usage`] where a value has no TOML form.
    pub fn to_toml(&self) -> Result<String> {
        let mut plain = self.clone();
        plain.settings.retain(|_, value| !value.is_null());
        let text = toml::to_string(&plain)
            .map_err(|e| Error::Usage(format!("cannot write this experiment as TOML: {e}")))?;
        // A table whose values are all defaults is a heading alone.
        let is_heading = |part: &&str| part.starts_with('[') && !part.trim_end().contains('\n');
        let parts = text.split("\n\n").filter(|part| !is_heading(part));
        Ok(parts.collect::<Vec<_>>().join("\n\n"))
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

    /// By what the model was taught, as a sentence; `None` where it learned from events alone. Every model
    /// with a setting `teacher` is meant.
    #[must_use]
    pub fn taught(&self) -> Option<String> {
        let teacher = self.settings.get("teacher")?.as_str()?;
        let strength = self.settings.get("teacher_strength")?.as_f64()?;
        let (name, pronoun) = match (&self.teacher, teacher) {
            (Some(source), FILE) => (source.name(), "it"),
            _ => (teacher.to_owned(), teacher),
        };
        (teacher != "none" && strength > 0.0).then(|| {
            format!(
                "taught by {name}: the fit's target of an item that a user does not have is what {pronoun} \
                 expects, times {strength}, instead of 0; scores are sums of this model's own evidence"
            )
        })
    }

    /// Refuses a teacher that the model does not read, and a model without the teacher that it reads.
    pub(crate) fn check_teacher(&self, config: &Config) -> Result<()> {
        let settings = config.to_value()?;
        let teacher = settings.get("teacher").and_then(serde_json::Value::as_str);
        let why = match (&self.teacher, teacher) {
            (Some(source), None) => format!(
                "the model '{}' learns from no teacher, so it would ignore {}; leave --teacher out, or choose \
                 a model that does: {}",
                config.name(),
                source.path.display(),
                names_of(|entry| entry.parameters().iter().any(|p| p.name == "teacher"))
            ),
            (Some(source), Some(other)) if other != FILE => format!(
                "teacher={other} and --teacher {} are two settings of one thing; leave one of them out",
                source.path.display()
            ),
            (None, Some(FILE)) => format!(
                "teacher={FILE} needs the file: --teacher PATH, a saved model of the same split or a table of \
                 user, item and score"
            ),
            _ => return Ok(()),
        };
        Err(Error::Usage(why))
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
    /// The default split: `ratio:70/10/20@1`.
    pub const DEFAULT: &str = "ratio:70/10/20@1";
}

impl Default for SplitFrom {
    fn default() -> Self {
        Self::DEFAULT.parse().unwrap_or(Self::Spec(SplitSpec::None))
    }
}

impl FromStr for SplitFrom {
    type Err = Error;

    /// A folder with a `split.json` takes precedence; other texts follow the grammar of splits.
    fn from_str(text: &str) -> Result<Self> {
        let path = Path::new(text);
        if path.join("split.json").is_file() {
            return Ok(Self::Folder(path.to_owned()));
        }
        match text.parse() {
            Ok(spec) => Ok(Self::Spec(spec)),
            Err(_) if path.is_absolute() || (text.contains('/') && !text.contains(':')) => {
                Err(Error::Usage(format!(
                    "split '{text}': the folder has no split.json; write one with 'limpid data split'"
                )))
            }
            Err(e) => Err(e.into()),
        }
    }
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
