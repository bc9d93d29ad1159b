//! From an experiment to a model: check → read → (tune →) fit → validate. The command line, a server
//! and bindings call these steps and compose nothing themselves.
//!
//! [`Experiment::check`] refuses every fault that can be found without reading the data.
//!
//! ```
//! use limpid::core::NoProgress;
//! use limpid::experiment::{DataSource, Experiment};
//!
//! # fn main() -> limpid::Result<()> {
//! let data = DataSource { path: "synthetic".into(), ..DataSource::default() };
//! let experiment = Experiment { model: "ease".into(), data: Some(data), ..Experiment::default() };
//! let advisor = experiment.run(&NoProgress)?;
//! // The recorded experiment can be run again and gives the same model.
//! let again = advisor.manifest.again().run(&NoProgress)?;
//! assert_eq!(again.model, advisor.model);
//!
//! let wrong = Experiment { model: "eaze".into(), ..experiment };
//! assert!(wrong.check().unwrap_err().is_usage());
//! # Ok(()) }
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use limpid_core::{Fit, Progress, Recommender, Scale};
use limpid_data::SplitSpec;
use limpid_models::Config;
use limpid_models::registry::{ENTRIES, Entry};

use crate::experiment::{DEVICES, DataSource, Experiment, SplitFrom};
use crate::measure::short;
use crate::teacher::Taught;
use crate::tune::{TuneOptions, Tuned, points, tune};
use crate::{Advisor, Error, MeasureOptions, Prepared, Result, Subset, TrainOptions, space, train};

/// A checked experiment: it names all settings, and its paths are absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The experiment.
    pub experiment: Experiment,
    /// Its model with its settings.
    pub config: Config,
    /// Bytes of its data on disk (compressed if the files are); 0 for synthetic data.
    pub data_bytes: u64,
}

/// What to do where data or split do not have the expected hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnChange {
    /// Return [`Error::Changed`].
    #[default]
    Refuse,
    /// Add a note.
    Note,
}

impl OnChange {
    /// The note on a hash that is not the recorded one.
    fn note(
        self,
        what: &'static str,
        recorded: Option<String>,
        found: Option<String>,
    ) -> Result<Option<String>> {
        match (recorded, found) {
            (Some(recorded), Some(found)) if recorded != found => match self {
                Self::Refuse => Err(Error::Changed {
                    what,
                    recorded: short(&recorded).to_owned(),
                    found: short(&found).to_owned(),
                }),
                Self::Note => Ok(Some(format!(
                    "the {what} changed since this experiment was recorded"
                ))),
            },
            _ => Ok(None),
        }
    }
}

impl Experiment {
    /// Checks everything that can be checked without the data: the model, its settings and their ranges,
    /// the device, and whether the files exist.
    ///
    /// # Errors
    /// [`Error::is_usage`] for names, values and options; [`Error::Io`] for files that do not exist.
    pub fn check(&self) -> Result<Checked> {
        self.check_run()?;
        let config = self.config()?;
        let mut experiment = self.clone().with_config(&config)?;
        if let SplitFrom::Folder(folder) = &mut experiment.split {
            *folder = absolute(folder)?;
        }
        if let Some(teacher) = &mut experiment.teacher {
            teacher.path = absolute(&teacher.path)?;
        }
        let data_bytes = match (&mut experiment.data, &experiment.split) {
            (Some(source), _) => {
                // A model that predicts ratings needs them.
                source.filters.weighted |=
                    experiment.settings.get("task") == Some(&serde_json::Value::from("ratings"));
                check_weights(source, &config)?;
                check_texts(source, &config)?;
                check_source(source)?
            }
            (None, SplitFrom::Folder(folder)) => bytes_of(folder)?,
            (None, SplitFrom::Spec(_)) => {
                return Err(Error::Usage(
                    "no data given; use --data PATH, or --data synthetic for generated data"
                        .to_owned(),
                ));
            }
        };
        Ok(Checked {
            experiment,
            config,
            data_bytes,
        })
    }

    /// Runs all steps; refuses data that changed since the experiment was recorded.
    ///
    /// # Errors
    /// As [`Experiment::check`], [`Checked::read`] and [`Checked::fit`].
    pub fn run(&self, progress: &dyn Progress) -> Result<Advisor> {
        let checked = self.check()?;
        let prepared = checked.read(OnChange::Refuse)?;
        checked.fit(prepared, None, progress)
    }

    /// The checks that need no data source.
    pub(crate) fn check_run(&self) -> Result<()> {
        if !DEVICES.contains(&self.device.as_str()) {
            return Err(Error::Usage(format!(
                "unknown device '{}'; this build has {}",
                self.device,
                DEVICES.join(", ")
            )));
        }
        if !(self.memory_gb > 0.0 && self.memory_gb.is_finite()) {
            let rule = "above 0 gigabytes";
            return Err(limpid_core::Error::range("memory", rule, self.memory_gb).into());
        }
        if i64::try_from(self.seed).is_err() {
            return Err(limpid_core::Error::range("seed", "below 2⁶³", self.seed).into());
        }
        let config = self.config()?;
        if ENTRIES.iter().all(|entry| entry.name != config.name()) {
            return Err(Error::Usage(format!(
                "the model '{}' is not trained here: its arrays were imported by 'limpid probe --states'",
                config.name()
            )));
        }
        self.check_teacher(&config)?;
        Ok(config.check()?)
    }
}

impl Checked {
    /// Reads, filters and splits the data.
    ///
    /// # Errors
    /// As [`Prepared::read`]; [`Error::Changed`] where the data or the split are not the expected ones.
    pub fn read(&self, on_change: OnChange) -> Result<Prepared> {
        let mut prepared = match (&self.experiment.data, &self.experiment.split) {
            (Some(source), split) => Prepared::read_for(source, split, self.config.entry().reads)?,
            (None, SplitFrom::Folder(folder)) => Prepared::of_folder(folder)?,
            (None, SplitFrom::Spec(_)) => {
                return Err(Error::Usage("the experiment has no data source".to_owned()));
            }
        };
        let expected = self.experiment.expected.clone().unwrap_or_default();
        let found = (prepared.data.hash.clone(), prepared.split.hash.clone());
        let mut notes = Vec::new();
        notes.extend(on_change.note("data", expected.data, found.0)?);
        notes.extend(on_change.note("split", expected.split, Some(found.1))?);
        if let Some(teacher) = &self.experiment.teacher {
            let taught = Taught::read(&teacher.path, &prepared)?;
            let found = taught.source.hash.clone();
            notes.extend(on_change.note("teacher", teacher.hash.clone(), found)?);
            notes.extend(taught.note());
            prepared.taught = Some(taught);
        }
        // A fit refuses another space than the recorded one.
        if on_change == OnChange::Note
            && self.config.entry().reads.texts
            && let Some(source) = &mut prepared.source
        {
            notes.extend(space::renewed(&mut source.texts)?);
        }
        prepared.notes.extend(notes);
        Ok(prepared)
    }

    /// Checks that settings can be tuned, and returns the number of fits: trials, and the final one.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no validation set or no parameter to tune; a value of the grid
    /// that is out of range.
    pub fn check_tuning(&self, fixed: &[String], how: &TuneOptions) -> Result<usize> {
        if let SplitFrom::Spec(spec) = &self.experiment.split
            && !has_validation(spec)
        {
            return Err(Error::Usage(format!(
                "settings are tuned on the validation set, and the split '{spec}' has none; choose \
                 one that has, such as --split ratio:70/10/20@7"
            )));
        }
        let grid = points(&self.config, fixed)?;
        for settings in &grid {
            self.config.set(settings)?.check()?;
        }
        Ok(1 + match how.trials {
            0 => grid.len(),
            most => most.min(grid.len()),
        })
    }

    /// Tunes settings on the validation set, except those in `fixed`. The test set is not used.
    ///
    /// # Errors
    /// As [`tune()`].
    pub fn tune(
        self,
        prepared: &Prepared,
        fixed: &[String],
        how: &TuneOptions,
        progress: &dyn Progress,
    ) -> Result<(Self, Tuned)> {
        let options = TrainOptions::of(&self.experiment);
        let (config, tuned) = tune(prepared, &self.config, fixed, how, &options, progress)?;
        let experiment = self.experiment.with_config(&config)?;
        let checked = Self {
            experiment,
            config,
            ..self
        };
        Ok((checked, tuned))
    }

    /// Fits the model, and evaluates it on the validation set, where there is one, and as the experiment
    /// requires. The metrics are saved in the manifest.
    ///
    /// # Errors
    /// As [`train`] and [`Advisor::evaluate`].
    pub fn fit(
        &self,
        prepared: Prepared,
        checkpoint: Option<PathBuf>,
        progress: &dyn Progress,
    ) -> Result<Advisor> {
        let options = TrainOptions {
            checkpoint,
            ..TrainOptions::of(&self.experiment)
        };
        let mut advisor = train(prepared, &self.config, &options, progress)?;
        advisor.manifest.experiment.measure = self.experiment.measure.clone();
        if !advisor.split()?.validation.is_empty() {
            let validated = match advisor.model.scale() {
                Scale::Values => VALIDATED_RATINGS,
                _ => VALIDATED,
            };
            let validation = MeasureOptions {
                metrics: vec![validated.parse()?],
                on: Subset::Validation,
                resamples: 0,
                ..MeasureOptions::default()
            };
            advisor.record(&validation, progress)?;
        }
        if let Some(options) = &self.experiment.measure {
            advisor.record(options, progress)?;
        }
        Ok(advisor)
    }
}

/// The metric of every model on the validation set. The test set is for `limpid evaluate`.
const VALIDATED: &str = "ndcg@20";

/// The same of models that predict ratings.
const VALIDATED_RATINGS: &str = "rmse";

impl Advisor {
    /// Evaluates, and saves the metrics in the manifest.
    fn record(&mut self, options: &MeasureOptions, progress: &dyn Progress) -> Result<()> {
        let measured = self.evaluate(options, progress)?;
        for metric in &measured.report.metrics {
            let name = format!("{} {}", options.on, metric.metric);
            self.manifest.metrics.insert(name, metric.value);
        }
        Ok(())
    }
}

/// Whether the spec of a split includes a validation set.
fn has_validation(spec: &SplitSpec) -> bool {
    match spec.base() {
        SplitSpec::None => false,
        SplitSpec::TemporalDates {
            validation,
            test: Some(test),
        } => validation < test,
        SplitSpec::Ratio { shares, .. } | SplitSpec::Users { shares, .. } => {
            shares.validation > 0.0
        }
        _ => true,
    }
}

/// Refuses weights that the model would ignore.
fn check_weights(source: &DataSource, config: &Config) -> Result<()> {
    let entry = config.entry();
    if !source.filters.weighted || entry.reads.values {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "--weighted: the model '{}' does not read values, so it would ignore the weights; leave \
         --weighted out, or choose a model that reads them: {}",
        entry.name,
        names_of(|entry| entry.reads.values)
    )))
}

/// Refuses options of texts that the model would ignore, and a space that cannot be opened.
fn check_texts(source: &DataSource, config: &Config) -> Result<()> {
    let entry = config.entry();
    if source.texts.is_default() || entry.reads.texts {
        return space::check(&source.texts);
    }
    Err(Error::Usage(format!(
        "--text-column and --embedder: the model '{}' does not read texts, so it would ignore them; leave them out, or \
         choose a model that reads texts: {}",
        entry.name,
        names_of(|entry| entry.reads.texts)
    )))
}

/// The names of the models of the catalogue for which something holds.
pub(crate) fn names_of(holds: fn(&Entry) -> bool) -> String {
    let entries = ENTRIES.iter().filter(|entry| holds(entry));
    let names: Vec<&str> = entries.map(|entry| entry.name).collect();
    names.join(", ")
}

/// Makes the paths of a source absolute; returns its bytes on disk.
pub(crate) fn check_source(source: &mut DataSource) -> Result<u64> {
    if source.filters.min_value.is_some_and(|v| !v.is_finite()) {
        let found = source.filters.min_value.unwrap_or_default();
        return Err(limpid_core::Error::range("min_value", "finite", found).into());
    }
    for metadata in &mut source.read.metadata {
        metadata.path = absolute(&metadata.path)?;
    }
    if let Some(folder) = source
        .texts
        .embedder
        .as_mut()
        .filter(|e| !e.contains("://"))
    {
        *folder = absolute(Path::new(folder))?.display().to_string();
    }
    if limpid_data::synthetic::Config::named(&source.path)?.is_some() {
        return Ok(0);
    }
    if !source.read.files.is_empty() {
        let mut bytes = 0;
        for file in &mut source.read.files {
            limpid_data::sources::check_path(&file.path)?;
            file.path = absolute(&file.path)?;
            bytes += bytes_of(&file.path)?;
        }
        source.path = absolute(&source.path)?;
        return Ok(bytes);
    }
    limpid_data::sources::check_path(&source.path)?;
    source.path = absolute(&source.path)?;
    bytes_of(&source.path)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|e| Error::io("cannot read", path, e))
}

/// Bytes of a file, or of all files below a folder; symbolic links are not followed.
fn bytes_of(path: &Path) -> Result<u64> {
    let about = fs::metadata(path).map_err(|e| Error::io("cannot read", path, e))?;
    if !about.is_dir() {
        return Ok(about.len());
    }
    let mut folders = vec![path.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        let refuse = |e| Error::io("cannot read", &folder, e);
        for entry in fs::read_dir(&folder).map_err(refuse)? {
            let entry = entry.map_err(refuse)?;
            let about = entry.metadata().map_err(refuse)?;
            if about.is_dir() {
                folders.push(entry.path());
            } else if about.is_file() {
                bytes += about.len();
            }
        }
    }
    Ok(bytes)
}
