//! From files to a split: read, filter, split, with a record of what was done.

use std::path::{Path, PathBuf};

use limpid_data::sources::{self, ReadOptions};
use limpid_data::synthetic::{self, World};
use limpid_data::{Filters, Log, Split, SplitSpec};

use crate::artifact::DataRecord;
use crate::{Error, Result};

/// Where a log comes from and what is kept of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataSource {
    /// The file or folder.
    pub path: PathBuf,
    /// How it is read.
    pub read: ReadOptions,
    /// What is kept. Where it names no behaviors, only the target behavior is kept, because the
    /// models of this version learn from one behavior; `all` in its list keeps everything.
    pub filters: Filters,
}

/// How the parts are chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum SplitFrom {
    /// By a rule.
    Spec(SplitSpec),
    /// As a folder says that `limpid data split` wrote.
    Folder(PathBuf),
}

/// Data that are ready to be learned from.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The parts and the catalogue.
    pub split: Split,
    /// Where they come from.
    pub data: DataRecord,
    /// What a reader should know: what was left out, and why.
    pub notes: Vec<String>,
}

impl DataSource {
    /// Reads the log.
    ///
    /// # Errors
    /// As [`sources::read`].
    pub fn log(&self) -> Result<Log> {
        Ok(sources::read(&self.path, &self.read)?)
    }

    /// Filters that name what is kept of this log.
    fn filters_for(&self, log: &Log, notes: &mut Vec<String>) -> Filters {
        let mut filters = self.filters.clone();
        match &filters.behaviors {
            Some(names) if names.iter().any(|n| n == "all") => filters.behaviors = None,
            Some(_) => {}
            None if log.behaviors.len() > 1 => {
                let target = &log.behaviors[usize::from(log.target_behavior)];
                notes.push(format!(
                    "only the behavior '{target}' of {} is used; --behaviors all uses all of them",
                    log.behaviors.join(", ")
                ));
                filters.behaviors = Some(vec![target.clone()]);
            }
            None => {}
        }
        filters
    }
}

impl Prepared {
    /// Reads, filters and splits. The paths `synthetic` and `synthetic:planted`, where nothing lies
    /// there, are invented worlds.
    ///
    /// # Errors
    /// What reading, filtering or splitting refuses.
    pub fn read(source: &DataSource, split: &SplitFrom) -> Result<Self> {
        if let Some(config) = invented(&source.path)? {
            return Self::synthetic(&config, split);
        }
        let log = source.log()?;
        let mut notes = log.report.notes.clone();
        let filters = source.filters_for(&log, &mut notes);
        Self::of_log(log, &filters, split, notes)
    }

    /// Invents a world and splits it.
    ///
    /// # Errors
    /// What the configuration of the world or the split refuses.
    pub fn synthetic(config: &synthetic::Config, split: &SplitFrom) -> Result<Self> {
        let world = World::generate(config)?;
        let source = DataSource::default();
        let mut notes = Vec::new();
        let filters = source.filters_for(&world.log, &mut notes);
        Self::of_log(world.log, &filters, split, notes)
    }

    /// A split folder by itself: the parts without item metadata.
    ///
    /// # Errors
    /// What [`Split::read_folder_alone`] refuses.
    pub fn of_folder(folder: &std::path::Path) -> Result<Self> {
        let split = Split::read_folder_alone(folder)?;
        let name = folder.display().to_string();
        let data = record(name, "as split", &split);
        let notes = split.notes.clone();
        Ok(Self { split, data, notes })
    }

    fn of_log(
        log: Log,
        filters: &Filters,
        split: &SplitFrom,
        mut notes: Vec<String>,
    ) -> Result<Self> {
        let (log, filtered) = filters.apply(log)?;
        notes.extend(filtered.notes);
        let split = match split {
            SplitFrom::Spec(spec) => limpid_data::split::split(&log, spec)?,
            SplitFrom::Folder(folder) => Split::read_folder(folder, &log)?,
        };
        notes.extend(split.notes.iter().cloned());
        let data = record(log.name, &filters.to_string(), &split);
        Ok(Self { split, data, notes })
    }
}

/// The world that a path names, if it names one.
fn invented(path: &Path) -> Result<Option<synthetic::Config>> {
    let name = path.to_string_lossy();
    match name.strip_prefix("synthetic") {
        Some(_) if path.exists() => Ok(None),
        Some("") => Ok(Some(synthetic::Config::default())),
        Some(":planted") => Ok(Some(synthetic::Config::planted())),
        Some(other) if other.starts_with(':') => Err(Error::Usage(format!(
            "there is no world 'synthetic{other}'; there are synthetic and synthetic:planted"
        ))),
        _ => Ok(None),
    }
}

fn record(name: String, filters: &str, split: &Split) -> DataRecord {
    DataRecord {
        name,
        hash: split.data_hash.clone(),
        filters: filters.to_owned(),
        users: split.catalogue.users.len(),
        items: split.catalogue.items.len(),
        train_events: split.train.n_events(),
    }
}
