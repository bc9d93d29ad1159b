//! From files to a split: reads, filters and splits data, and records how.

use std::path::Path;
use std::sync::Arc;

use limpid_data::sources::Texts;
use limpid_data::synthetic::{self, World};
use limpid_data::{Filters, Log, ReadColumn, Split, SplitSpec};
use limpid_models::registry::Reads;

use crate::artifact::DataRecord;
use crate::experiment::{DataSource, SplitFrom};
use crate::teacher::Taught;
use crate::{Error, Result};

/// Data to fit a model on, and how they were prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The split with its catalogue.
    pub split: Split,
    /// The data as read.
    pub data: DataRecord,
    /// The source, with the filters that were applied; none where the data were never files.
    pub source: Option<DataSource>,
    /// The split spec or folder.
    pub from: SplitFrom,
    /// The columns of the events that were read; none where they were not a table with names.
    pub columns: Vec<ReadColumn>,
    /// The texts of the events, where the model reads texts and the data have them.
    pub texts: Option<Arc<Texts>>,
    /// Notes for the reader: what was omitted, and why.
    pub notes: Vec<String>,
    /// What a teacher from a file expects of the training rows, where the experiment names one.
    pub taught: Option<Taught>,
}

impl DataSource {
    /// Reads the log, before filters.
    ///
    /// # Errors
    /// As [`limpid_data::open`], which also generates the synthetic worlds.
    pub fn log(&self) -> Result<Log> {
        Ok(limpid_data::open(&self.path, &self.read)?)
    }

    /// Reads the given split of a name.
    pub(crate) fn choose_given(&mut self, name: &str) -> Result<()> {
        match &self.read.given {
            Some(other) if other != name => Err(Error::Usage(format!(
                "--given {other} and --split given:{name} name two splits of the data; leave --given out"
            ))),
            _ => {
                self.read.given = Some(name.to_owned());
                Ok(())
            }
        }
    }
}

/// Filters with the behaviors to keep of a log of several: all for a model that reads behaviors,
/// otherwise the target behavior.
fn named_behaviors(filters: &Filters, log: &Log, reads: Reads, notes: &mut Vec<String>) -> Filters {
    let mut filters = filters.clone();
    if filters.behaviors.is_some() || log.behaviors.len() < 2 {
        return filters;
    }
    if reads.behaviors {
        filters.behaviors = Some(log.behaviors.clone());
    } else {
        let target = &log.behaviors[usize::from(log.target_behavior)];
        notes.push(format!(
            "only the behavior '{target}' of {} is used; keep all with --behaviors all",
            log.behaviors.join(", ")
        ));
        filters.behaviors = Some(vec![target.clone()]);
    }
    filters
}

impl Prepared {
    /// Reads, filters and splits data for a model that reads only items, as most do.
    ///
    /// # Errors
    /// Those of reading, filtering and splitting.
    pub fn read(source: &DataSource, split: &SplitFrom) -> Result<Self> {
        Self::read_for(source, split, Reads::ITEMS)
    }

    /// Reads, filters and splits the data that a model reads.
    ///
    /// # Errors
    /// As [`Prepared::read`].
    pub fn read_for(source: &DataSource, split: &SplitFrom, reads: Reads) -> Result<Self> {
        let asked = !source.texts.columns.is_empty();
        Self::read_with_texts(source, split, reads, asked)
    }

    /// [`Prepared::read_for`]; data without texts are refused if these are `asked` for, and noted otherwise.
    pub(crate) fn read_with_texts(
        source: &DataSource,
        split: &SplitFrom,
        reads: Reads,
        asked: bool,
    ) -> Result<Self> {
        let mut source = source.clone();
        if let SplitFrom::Spec(spec) = split
            && let SplitSpec::Given { name: Some(name) } = spec.base()
        {
            source.choose_given(name)?;
        }
        let log = source.log()?;
        let unused = log.report.unused_columns.clone();
        let (mut prepared, source) = Self::of_log(log, source, split, reads)?;
        if reads.texts {
            prepared.read_texts(&source, asked)?;
        }
        prepared.note_unused(&unused);
        Ok(Self {
            source: Some(source),
            ..prepared
        })
    }

    /// Reads the texts of the events. Data without any are a note, unless they are asked for.
    fn read_texts(&mut self, source: &DataSource, asked: bool) -> Result<()> {
        use limpid_data::Error::{Option, UnknownFormat};
        let texts = Texts::read(
            &source.path,
            &source.read,
            &self.columns,
            &source.texts.columns,
            &self.split.catalogue,
        );
        match texts {
            Ok(texts) => self.texts = Some(Arc::new(texts)),
            Err(e @ (Option { .. } | UnknownFormat { .. })) if !asked => {
                self.notes.push(format!("no texts were read: {e}"));
            }
            Err(e) => return Err(e.into()),
        }
        Ok(())
    }

    /// Notes the columns that neither the events nor their texts used.
    fn note_unused(&mut self, columns: &[String]) {
        let texts = self.texts.as_ref().map_or(&[][..], |t| &t.columns);
        let unused: Vec<&str> = columns
            .iter()
            .filter(|column| !texts.contains(column))
            .map(String::as_str)
            .collect();
        if !unused.is_empty() {
            self.notes.push(format!(
                "columns not read: {}; name columns with --value-column and the like",
                unused.join(", ")
            ));
        }
    }

    /// Generates a world and splits it. Only the target behavior is kept.
    ///
    /// # Errors
    /// Those of the configuration of the world and of the split.
    pub fn synthetic(config: &synthetic::Config, split: &SplitFrom) -> Result<Self> {
        Self::synthetic_for(config, split, Reads::ITEMS)
    }

    /// Generates a world and splits what a model reads of it.
    ///
    /// # Errors
    /// As [`Prepared::synthetic`].
    pub fn synthetic_for(
        config: &synthetic::Config,
        split: &SplitFrom,
        reads: Reads,
    ) -> Result<Self> {
        let world = World::generate(config)?;
        let (prepared, _) = Self::of_log(world.log, DataSource::default(), split, reads)?;
        Ok(prepared)
    }

    /// Reads only a split folder, without the item metadata of its data.
    ///
    /// # Errors
    /// As [`Split::read_folder_alone`].
    pub fn of_folder(folder: &Path) -> Result<Self> {
        let split = Split::read_folder_alone(folder)?;
        let name = folder.display().to_string();
        Ok(Self {
            data: record(name, "as split".to_owned(), &split),
            source: None,
            from: SplitFrom::Folder(folder.to_owned()),
            columns: Vec::new(),
            texts: None,
            notes: split.notes.clone(),
            taught: None,
            split,
        })
    }

    /// Splits a log that was filtered and restricted to given users and items.
    pub(crate) fn of_restricted(log: Log, source: DataSource, from: &SplitFrom) -> Result<Self> {
        let plain = DataSource::default();
        let unused = log.report.unused_columns.clone();
        let (mut prepared, _) = Self::of_log(log, plain, from, Reads::ITEMS)?;
        prepared.note_unused(&unused);
        Ok(Self {
            data: DataRecord {
                filters: source.filters.to_string(),
                ..prepared.data
            },
            source: Some(source),
            ..prepared
        })
    }

    /// Filters and splits; returns the source with the filters that were applied.
    fn of_log(
        log: Log,
        mut source: DataSource,
        from: &SplitFrom,
        reads: Reads,
    ) -> Result<(Self, DataSource)> {
        let mut notes = log.report.notes.clone();
        source.filters = named_behaviors(&source.filters, &log, reads, &mut notes);
        let mut applied = source.filters.clone();
        if applied.behaviors.iter().flatten().any(|name| name == "all") {
            applied.behaviors = None;
        }
        if reads.order && log.time.is_none() {
            notes.push("the data have no times; events are ordered by line".to_owned());
        }
        let columns = log.report.columns.clone();
        let (log, filtered) = applied.apply(log)?;
        notes.extend(filtered.notes);
        let split = match from {
            SplitFrom::Spec(spec) => limpid_data::split::split(&log, spec)?,
            SplitFrom::Folder(folder) => Split::read_folder(folder, &log)?,
        };
        notes.extend(split.notes.iter().cloned());
        let prepared = Self {
            data: record(log.name, applied.to_string(), &split),
            split,
            source: None,
            from: from.clone(),
            columns,
            texts: None,
            notes,
            taught: None,
        };
        Ok((prepared, source))
    }
}

fn record(name: String, filters: String, split: &Split) -> DataRecord {
    DataRecord {
        name,
        hash: Some(split.data_hash.clone()).filter(|hash| !hash.is_empty()),
        filters,
        users: split.catalogue.users.len(),
        items: split.catalogue.items.len(),
        train_events: split.train.n_events(),
    }
}
