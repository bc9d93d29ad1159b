//! Dictionaries over saved models: fitting them, their names, and their folders.
//!
//! ```
//! use limpid::core::NoProgress;
//! use limpid::probe::ProbeOptions;
//! use limpid::{DataSource, Experiment, Filter, Who, core::Edits};
//!
//! # fn main() -> limpid::Result<()> {
//! let data = DataSource { path: "synthetic".into(), ..DataSource::default() };
//! let base = Experiment { model: "eigen".into(), data: Some(data), ..Experiment::default() };
//! let base = base.run(&NoProgress)?;
//! let options = ProbeOptions { settings: vec!["threshold=0.4".into()], ..ProbeOptions::default() };
//! let (knobs, _) = base.probe(&options, &NoProgress)?;
//! let user = Who::user(knobs.catalogue.users.name(0));
//! let list = knobs.recommend(&user, 5, &Filter::default(), &Edits::parse(&["n0=2x"])?)?;
//! # assert_eq!(list.items.len(), 5);
//! # Ok(()) }
//! ```

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use limpid_core::hyper::{self, Hyper, Setting};
use limpid_core::{
    Artifact, Catalogue, Csr, Field, ItemIdx, Progress, Recommender, Run, Tensors, Training,
};
use limpid_data::sources::{MetadataSource, ReadOptions, read_bytes};
use limpid_insight::Dictionary;
use limpid_insight::concepts::{Naming, Summary, Tag, name_units, tags_of};
use limpid_insight::dictionary::fit::StopBy;
use limpid_insight::dictionary::{self, Config, Method, Space};
use limpid_models::latent::eigen;

use crate::artifact::{self, BaseRecord, DictionaryRecord, Folder};
use crate::{Advisor, Error, Result, System, training};

/// The name of the file of a dictionary in its folder.
pub(crate) const DICTIONARY: &str = "dictionary";

/// Items that a metadata value needs to be steered toward.
const STEERED: usize = 1;

/// The metric on the validation set that stops the training of an autoencoder by its recommendations.
const STOPPED_BY: &str = "ndcg@5";

/// Metadata fields that `label` adds are in the file of the dictionary under this name.
const LABELS: &str = "labels";

/// How a dictionary is fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeOptions {
    /// Settings as `key=value`; `width=4x` and `factors=2x` are multiples of the dimension of the base.
    pub settings: Vec<String>,
    /// Seed of the resamples.
    pub seed: u64,
    /// How knobs are named.
    pub labels: LabelOptions,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            settings: Vec::new(),
            seed: 1,
            labels: LabelOptions::default(),
        }
    }
}

/// How knobs are named.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelOptions {
    /// Metadata to join by item id, in addition to that of the data.
    pub metadata: Vec<MetadataSource>,
    /// Fields whose values may be names; all but years if empty.
    pub columns: Vec<String>,
    /// Items that a value needs to be a name.
    pub least: usize,
}

impl Default for LabelOptions {
    fn default() -> Self {
        Self {
            metadata: Vec::new(),
            columns: Vec::new(),
            least: 20,
        }
    }
}

/// Settings that may be written as a multiple of the dimension of the base.
const MULTIPLES: [&str; 2] = ["width", "factors"];

/// The hyper-parameters of a dictionary over a base of some dimension.
///
/// # Errors
/// [`limpid_core::Error::Unknown`] for a setting that does not exist, [`limpid_core::Error::Range`] for a
/// value out of its range, [`limpid_core::Error::Parse`] for text that is not `key=value`.
pub fn config(settings: &[String], dimension: usize) -> Result<Config> {
    let mut config = Config::default();
    let mut all = hyper::Values::new();
    for setting in settings {
        let (key, text) = setting
            .split_once('=')
            .ok_or_else(|| limpid_core::Error::Parse {
                what: "setting",
                text: setting.clone(),
                why: "a setting must be key=value, such as k=16 or width=2x".to_owned(),
            })?;
        let (key, text) = (key.trim(), text.trim());
        let multiple = text.strip_suffix('x').and_then(|n| n.parse::<f64>().ok());
        let value = match multiple.filter(|n| MULTIPLES.contains(&key) && *n > 0.0) {
            Some(n) => hyper::Value::from((n * dimension as f64).round() as u64),
            None => hyper::read(text),
        };
        all.insert(key.to_owned(), value);
    }
    hyper::apply(&mut config, &all)?;
    config.check()?;
    Ok(config)
}

/// The hyper-parameters of a dictionary with their defaults and documentation.
#[must_use]
pub fn parameters() -> Vec<hyper::Parameter> {
    Config::default().parameters()
}

/// The hyper-parameters for a base without events, and a note for the reader. There are no users to resample, so
/// the default is an autoencoder.
fn config_without_events(
    settings: &[String],
    dimension: usize,
) -> Result<(Config, Option<String>)> {
    let mut config = config(settings, dimension)?;
    if !matches!(config.method, Method::Nmf | Method::KMeans) {
        return Ok((config, None));
    }
    let mut keys = settings.iter().filter_map(|s| s.split_once('='));
    if keys.any(|(key, _)| key.trim() == "method") {
        return Err(Error::Usage(format!(
            "{} keeps the knobs that come back when the events of users are resampled, and no events are known; \
             give --histories, or choose an autoencoder such as --dictionary topk",
            hyper::written(&config.method.to_value())
        )));
    }
    config.method = Method::TopK;
    let note = "the dictionary is a TopK autoencoder: nmf, the default, resamples the events of users, and none are \
                known; with --histories its knobs are more stable and more often named";
    Ok((config, Some(note.to_owned())))
}

impl Advisor {
    /// Fits a dictionary over this model, and names its knobs by the metadata; returns notes for the reader
    /// too.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model without a linear decoder or saved without users; settings out of range;
    /// metadata that cannot be read.
    pub fn probe(
        self,
        options: &ProbeOptions,
        progress: &dyn Progress,
    ) -> Result<(Self, Vec<String>)> {
        let started = Instant::now();
        if self.model.knobs().is_some() {
            return Err(Error::Usage(
                "this folder already has a dictionary; name the folder of its base".to_owned(),
            ));
        }
        let name = self.model.name();
        let split = self.split()?;
        let dimension = self
            .model
            .latent()
            .and_then(|l| l.item_vectors())
            .map(|v| v.ncols())
            .ok_or_else(|| {
                Error::Usage(format!(
                    "{name} has no linear decoder of a user vector, so its scores have no exact parts per \
                     knob; probe eigen, elsa, ials, bprmf, bcemf, lightgcn, sasrec, timirec, or multdae or \
                     multvae with one layer"
                ))
            })?;
        let (config, note) = match split.train.n_events() {
            0 => config_without_events(&options.settings, dimension)?,
            _ => (config(&options.settings, dimension)?, None),
        };
        let alpha = self.popularity_exponent()?;
        let refit = |rows: &Csr, width: usize| {
            let pairs = eigen::eigenpairs(rows, alpha, width)?;
            Ok(Space {
                scale: pairs.scale,
                values: pairs.values,
                vectors: pairs.vectors,
            })
        };
        let data = Training {
            histories: &split.train,
            catalogue: &self.catalogue,
        };
        let by_lists = config.stop_by == StopBy::Recommendations;
        let validation = match by_lists {
            true => training::validation(split, STOPPED_BY)?,
            false => None,
        };
        let monitor = validation.as_ref().map(training::monitor);
        let mut run = Run {
            progress,
            monitor: monitor
                .as_ref()
                .map(|m| m as &dyn Fn(&dyn Recommender) -> f64),
            ..Run::seeded(options.seed)
        };
        let Some(latent) = self.model.latent() else {
            return Err(Error::Usage(format!("{name} has no user vector")));
        };
        let fitted = dictionary::fit(latent, &data, &refit, &config, &mut run)?;
        let base = BaseRecord {
            kind: self.manifest.kind.clone(),
            hash: match self.manifest.files.is_empty() {
                true => self.hash_in_memory()?,
                false => self.manifest.content_hash(),
            },
            path: None,
        };
        let method = hyper::written(&config.method.to_value());
        let unstopped = by_lists && monitor.is_none();
        drop(monitor);
        let mut probed = self;
        probed.manifest.kind = format!("{DICTIONARY}/{method}");
        probed.manifest.dictionary = Some(DictionaryRecord {
            settings: hyper::values(&config),
            seed: options.seed,
            fit_seconds: 0.0,
            certificate: fitted.certificate,
            training: fitted.training,
            names: None,
            base,
        });
        probed.model = System::probed(probed.model.into_model(), fitted.dictionary)?;
        let mut notes: Vec<String> = note.into_iter().collect();
        notes.extend(probed.label(&options.labels)?);
        if unstopped {
            notes.push(format!(
                "the split {} has no validation set, so the reconstruction of held-out users stopped the training \
                 rather than the recommendations",
                probed.manifest.split.spec
            ));
        }
        if let Some(record) = &mut probed.manifest.dictionary {
            record.fit_seconds = started.elapsed().as_secs_f64();
        }
        Ok((probed, notes))
    }

    /// BLAKE3 (hexadecimal) of the arrays of a model that was not saved, by name.
    fn hash_in_memory(&self) -> Result<String> {
        let mut arrays = Tensors::new();
        self.model.save(&mut arrays)?;
        let mut hasher = blake3::Hasher::new();
        for (name, array) in arrays.arrays() {
            hasher.update(format!("{name} {:?}\n", array.shape).as_bytes());
            hasher.update(artifact::bytes_of(&array.values));
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// The exponent of popularity scaling in which profiles are compared: that of the base, if it has one.
    fn popularity_exponent(&self) -> Result<f64> {
        Ok(match self.manifest.experiment.config()? {
            limpid_models::Config::Eigen(config) => config.alpha,
            _ => eigen::Config::default().alpha,
        })
    }

    /// Names the knobs by the metadata, with fields of further sources, which then belong to the dictionary.
    /// Returns notes for the reader.
    ///
    /// # Errors
    /// [`Error::Usage`] for a folder without a dictionary; metadata that cannot be read; a column that does
    /// not exist.
    pub fn label(&mut self, options: &LabelOptions) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        if !options.metadata.is_empty() {
            let fields = joined(&self.catalogue, &options.metadata, &mut notes)?;
            let mut catalogue = Catalogue::clone(&self.catalogue);
            for field in fields {
                catalogue.fields.retain(|f| f.name != field.name);
                catalogue.fields.push(field);
            }
            self.catalogue = Arc::new(catalogue);
        }
        let tags = tags_of(&self.catalogue, &options.columns, options.least)?;
        let naming = self.naming();
        let System::Probed(probed) = &mut self.model else {
            return Err(no_dictionary());
        };
        if tags.is_empty() {
            notes.push(format!(
                "no metadata value has {} items or more, so the knobs have no names; add metadata with \
                 'limpid label --metadata PATH'",
                options.least
            ));
        }
        let every = tags_of(&self.catalogue, &[], STEERED)?;
        let names = name_units(
            &probed.projections(),
            &tags,
            &self.catalogue.train_counts,
            &naming,
        );
        if let Some(record) = &mut self.manifest.dictionary {
            record.names = (!tags.is_empty()).then(|| Summary::of(&names));
        }
        probed.rename(names)?;
        probed.set_concepts(every);
        Ok(notes)
    }

    /// How names are tested.
    pub(crate) fn naming(&self) -> Naming {
        Naming {
            seed: self.manifest.dictionary.as_ref().map_or(1, |d| d.seed),
            ..Naming::default()
        }
    }

    /// The tags of the metadata with at least `least` items.
    ///
    /// # Errors
    /// As [`tags_of`].
    pub fn tags(&self, columns: &[String], least: usize) -> Result<Vec<Tag>> {
        Ok(tags_of(&self.catalogue, columns, least)?)
    }

    /// Saves the dictionary as a folder that refers to its base, which is found again by its path relative to
    /// the folder, and refused if its content changed. [`Advisor::save`] copies the base in instead.
    ///
    /// # Errors
    /// As [`artifact::write`]; [`Error::Usage`] for a model without a dictionary.
    pub fn save_knobs(&self, path: &Path, base: &Path) -> Result<artifact::Manifest> {
        let Some(knobs) = self.model.knobs() else {
            return Err(no_dictionary());
        };
        let mut tensors = Tensors::new();
        knobs.dictionary().save(&mut tensors)?;
        let mut labels = Tensors::new();
        let own = Catalogue {
            users: limpid_core::Ids::new(),
            ..Catalogue::clone(&self.catalogue)
        };
        own.save(&mut labels)?;
        let mut manifest = artifact::Manifest {
            holds_histories: false,
            ..self.manifest.clone()
        };
        if let Some(record) = &mut manifest.dictionary {
            record.base.path = Some(relative(path, base)?);
        }
        artifact::write(path, manifest, &[(DICTIONARY, &tensors), (LABELS, &labels)])
    }

    /// Saves the dictionary to the folder that it was opened from, with or without its base, as it was.
    ///
    /// # Errors
    /// As [`save_knobs`](Self::save_knobs).
    pub fn save_again(&self, path: &Path) -> Result<artifact::Manifest> {
        let record = self
            .manifest
            .dictionary
            .as_ref()
            .ok_or_else(no_dictionary)?;
        match &record.base.path {
            Some(base) => self.save_knobs(path, &path.join(base)),
            None => self.save(path, self.split.is_some()),
        }
    }

    /// Opens a folder with a dictionary.
    pub(crate) fn open_probed(
        path: &Path,
        folder: Folder,
        record: &DictionaryRecord,
    ) -> Result<Self> {
        let refuse = |e: limpid_core::Error| Error::artifact(path, e.to_string());
        let dictionary = Dictionary::load(folder.tensors(DICTIONARY)?).map_err(refuse)?;
        let manifest = folder.manifest.clone();
        let (base, catalogue) = match &record.base.path {
            None => {
                let base = Self::open_model(path, folder)?;
                let catalogue = Arc::clone(&base.catalogue);
                (base, catalogue)
            }
            Some(to) => {
                let labels = Catalogue::load(folder.tensors(LABELS)?).map_err(refuse)?;
                let base = open_base(path, &path.join(to), record)?;
                if labels.items != base.catalogue.items {
                    return Err(Error::artifact(
                        path,
                        "its catalogue is not that of its base; fit it again with 'limpid probe'",
                    ));
                }
                let users = base.catalogue.users.clone();
                (base, Arc::new(Catalogue { users, ..labels }))
            }
        };
        let manifest = artifact::Manifest {
            holds_histories: base.split.is_some(),
            ..manifest
        };
        let mut system = System::probed(base.model.into_model(), dictionary).map_err(refuse)?;
        system.set_concepts(tags_of(&catalogue, &[], STEERED)?);
        Ok(Self::new(manifest, system, catalogue, base.split))
    }
}

/// The base of a dictionary, by its path and hash.
fn open_base(path: &Path, base: &Path, record: &DictionaryRecord) -> Result<Advisor> {
    let again = "fit the dictionary again with 'limpid probe' (with --bundle the folder has its own copy of the base)";
    if !base.join("manifest.json").is_file() {
        return Err(Error::artifact(
            path,
            format!(
                "its base is not at {}; put it back, or {again}",
                base.display()
            ),
        ));
    }
    let advisor = Advisor::open(base)?;
    if advisor.manifest.content_hash() != record.base.hash {
        return Err(Error::artifact(
            path,
            format!(
                "its base at {} is another model than the one it was fitted on (its hash differs); {again}",
                base.display()
            ),
        ));
    }
    Ok(advisor)
}

pub(crate) fn no_dictionary() -> Error {
    Error::Usage(
        "this model has no knobs; fit a dictionary over it with 'limpid probe MODEL -o KNOBS'"
            .to_owned(),
    )
}

/// The path of `base` as seen from the folder `from`, where both have a common root; absolute otherwise.
fn relative(from: &Path, base: &Path) -> Result<PathBuf> {
    let absolute = |p: &Path| std::path::absolute(p).map_err(|e| Error::io("cannot resolve", p, e));
    let base = std::fs::canonicalize(base).map_err(|e| Error::io("cannot read", base, e))?;
    let from = absolute(from)?;
    // The folder itself may not exist yet, the one above it does.
    let from = match (from.parent().map(std::fs::canonicalize), from.file_name()) {
        (Some(Ok(above)), Some(name)) => above.join(name),
        _ => from,
    };
    let same = from
        .components()
        .zip(base.components())
        .take_while(|(a, b)| a == b)
        .count();
    let shares_root = from.components().next() == base.components().next();
    if !shares_root {
        return Ok(base);
    }
    let up = from.components().skip(same).map(|_| Component::ParentDir);
    let down = base.components().skip(same);
    Ok(up.chain(down).collect())
}

/// Fields of further metadata for the items of a catalogue, joined by their external ids.
fn joined(
    catalogue: &Catalogue,
    sources: &[MetadataSource],
    notes: &mut Vec<String>,
) -> Result<Vec<Field>> {
    // A log with one event of every item, so that joining is that of any data.
    let mut events = String::from("user,item\n");
    for id in catalogue.items.names() {
        events += &format!("all,\"{}\"\n", id.replace('"', "\"\""));
    }
    let options = ReadOptions {
        metadata: sources.to_vec(),
        ..ReadOptions::default()
    };
    let log = read_bytes("catalogue", &[("events.csv", events.as_bytes())], &options)?;
    notes.extend(log.report.notes.iter().cloned());
    let rows: Vec<Option<u32>> = catalogue
        .items
        .names()
        .iter()
        .map(|id| log.items.get(id))
        .collect();
    let mut fields = Vec::new();
    for field in &log.fields {
        let of = |row: &Option<u32>| match *row {
            None => Vec::new(),
            Some(item) => field.row(ItemIdx(item)).collect(),
        };
        fields.push(Field {
            name: field.name.clone(),
            values: field.values.clone(),
            of_items: Csr::from_rows(rows.iter().map(of), field.values.len())?,
        });
    }
    Ok(fields)
}
