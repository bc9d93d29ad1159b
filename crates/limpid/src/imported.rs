//! Models that were trained elsewhere: user states and item vectors as `.npy` files, with their ids.
//!
//! What is imported is a model of limpid like any other: a dictionary over it is fitted by [`Advisor::probe`],
//! and saved together with it. Histories, where they are given, say what a user has seen (it is not recommended
//! again), let everyone else be folded in, and are resampled for the certificate of the dictionary.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use limpid_core::{Histories, Ids, Mat};
use limpid_data::log::IMPORT_SEED;
use limpid_data::sources::is_id_column;
use limpid_data::split::without_events;
use limpid_data::{Filters, Log, Split};
use limpid_models::Model;
use limpid_models::latent::imported;

use crate::advisor::user_history;
use crate::artifact::{DataRecord, FORMAT, Manifest, SCHEMA, SplitRecord};
use crate::output::text;
use crate::pipeline::check_source;
use crate::{Advisor, DataSource, Error, Experiment, Prepared, Result, SplitFrom, npy};

/// The largest file of ids.
const MOST_ID_BYTES: u64 = 4 << 30;

/// Headings of a list of ids, before those that tables of events and of items have.
const HEADINGS: [&str; 6] = ["id", "user", "item", "user_id", "item_id", "movie_id"];

/// A model that was trained elsewhere.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Import {
    /// User states `(U, D)`, an `.npy` file.
    pub states: PathBuf,
    /// Item vectors `(I, D)`, an `.npy` file: the score of an item is their product, plus its bias.
    pub items: PathBuf,
    /// Item biases `(I)`, an `.npy` file.
    pub bias: Option<PathBuf>,
    /// External ids of the rows of `states`: one per line, or a `.csv` or `.tsv` table with a column `id`. If
    /// absent, `NAME.rows.csv` beside `NAME.npy`, which `limpid export` writes; otherwise numbers from 0.
    pub user_ids: Option<PathBuf>,
    /// The same of `items`; a column `title` gives titles.
    pub item_ids: Option<PathBuf>,
    /// The events of the users, of any format.
    pub histories: Option<DataSource>,
    /// How the events are split; the states are those of the training or fold-in events.
    pub split: Option<SplitFrom>,
}

/// External ids of the rows of an array, and their titles, if there are any.
struct Names {
    ids: Ids,
    titles: Vec<String>,
}

impl Advisor {
    /// Imports a model; returns notes for the reader too.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Artifact`] for files that cannot be read or do not fit each other, with what,
    /// where, the rule and the fix; those of reading and splitting the histories.
    pub fn import(options: &Import) -> Result<(Self, Vec<String>)> {
        let started = Instant::now();
        let (states, vectors) = (npy::read(&options.states)?, npy::read(&options.items)?);
        // A file of a few bytes may have any number of rows without columns.
        if vectors.ncols() == 0 {
            return Err(Error::artifact(
                &options.items,
                "has no columns; an item vector needs at least one number",
            ));
        }
        let bias = read_bias(options, vectors.nrows())?;
        if states.ncols() != vectors.ncols() {
            return Err(Error::artifact(
                &options.states,
                format!(
                    "has {} columns, but {} has {}: states and item vectors must be of one space, such that their \
                     product is the score",
                    states.ncols(),
                    options.items.display(),
                    vectors.ncols()
                ),
            ));
        }
        let users = Names::of(&options.states, options.user_ids.as_deref(), states.nrows())?;
        let items = Names::of(&options.items, options.item_ids.as_deref(), vectors.nrows())?;
        let order = items.ids.clone();
        let mut notes = Vec::new();
        let (prepared, seconds) = match &options.histories {
            Some(source) => {
                let from = options.split.clone();
                let from = from.unwrap_or(SplitFrom::Spec(limpid_data::SplitSpec::None));
                (
                    prepared(source.clone(), &from, users, items, &mut notes)?,
                    started.elapsed(),
                )
            }
            None => (without_histories(options, users, items)?, started.elapsed()),
        };
        let catalogue = Arc::clone(&prepared.split.catalogue);
        let mut placed = Mat::zeros(vectors.dim());
        let mut placed_bias = vec![0f32; bias.len()];
        for (at, id) in catalogue.items.names().iter().enumerate() {
            let Some(row) = order.get(id).map(|row| row as usize) else {
                continue;
            };
            placed.row_mut(at).assign(&vectors.row(row));
            if let (Some(to), Some(&b)) = (placed_bias.get_mut(at), bias.get(row)) {
                *to = b;
            }
        }
        let known = known_rows(&prepared.split)?;
        let (model, folded) = imported::Model::new(&states, &placed, placed_bias, &known)?;
        notes.push(match folded {
            Some(f) => format!(
                "users without a state, and changed histories, are folded in by ridge regression on item vectors; \
                 of the {} users with both, the mean cosine with the given state is {:.2}",
                f.users, f.cosine
            ),
            None => "no histories were given: only users with a state can be asked for, and what they have seen is \
                     not known; add --histories"
                .to_owned(),
        });
        let model = Model::Imported(model);
        let manifest = Manifest {
            schema: SCHEMA.to_owned(),
            format: FORMAT,
            limpid: env!("CARGO_PKG_VERSION").to_owned(),
            kind: model.kind().to_owned(),
            experiment: Experiment {
                model: model.name().to_owned(),
                split: prepared.from,
                data: prepared.source,
                ..Experiment::default()
            },
            data: prepared.data,
            split: SplitRecord {
                spec: prepared.split.spec.to_string(),
                hash: prepared.split.hash.clone(),
            },
            fit_seconds: seconds.as_secs_f64(),
            metrics: BTreeMap::new(),
            dictionary: None,
            holds_histories: true,
            files: BTreeMap::new(),
            checksum: String::new(),
        };
        notes.extend(prepared.notes);
        Ok((
            Self::new(manifest, model, catalogue, Some(prepared.split)),
            notes,
        ))
    }
}

/// The biases of items, if there are any.
fn read_bias(options: &Import, n: usize) -> Result<Vec<f32>> {
    let Some(path) = &options.bias else {
        return Ok(Vec::new());
    };
    let bias = npy::read(path)?;
    if bias.ncols() != 1 && bias.nrows() != 1 || bias.len() != n {
        let (rows, columns) = bias.dim();
        return Err(Error::artifact(
            path,
            format!(
                "has the shape ({rows}, {columns}), but {} has {n} rows: there must be one bias per item",
                options.items.display()
            ),
        ));
    }
    Ok(bias.iter().copied().collect())
}

/// Reads the histories and splits what is of these users and items.
fn prepared(
    mut source: DataSource,
    from: &SplitFrom,
    users: Names,
    items: Names,
    notes: &mut Vec<String>,
) -> Result<Prepared> {
    check_source(&mut source)?;
    let log = source.log()?;
    let target = log.behaviors[usize::from(log.target_behavior)].clone();
    source.filters = Filters {
        behaviors: (log.behaviors.len() > 1).then(|| vec![target]),
        ..Filters::default()
    };
    let (log, filtered) = source.filters.apply(log)?;
    notes.extend(filtered.notes);
    let example = |ids: &Ids| ids.names().first().cloned().unwrap_or_default();
    let (own_user, own_item) = (example(&log.users), example(&log.items));
    let (a_user, an_item) = (example(&users.ids), example(&items.ids));
    let all = log.n_events();
    let (mut log, left_out) = log.restricted(users.ids, items.ids)?;
    if left_out == all {
        return Err(Error::artifact(
            &source.path,
            format!(
                "no event is of a user and an item of the arrays: it has users such as '{own_user}' and items such \
                 as '{own_item}', the arrays '{a_user}' and '{an_item}'; give their ids with --user-ids and \
                 --item-ids"
            ),
        ));
    }
    if left_out > 0 {
        notes.push(format!(
            "{left_out} of {all} events are of users or items without a row in the arrays, and were left out"
        ));
    }
    if log.titles.is_empty() {
        log.titles = items.titles;
    }
    log.shuffle_items(IMPORT_SEED)?;
    Prepared::of_restricted(log, source, from)
}

/// The users and items alone.
fn without_histories(options: &Import, users: Names, items: Names) -> Result<Prepared> {
    if options.split.is_some() {
        return Err(Error::Usage(
            "--split needs --histories, whose events it splits".to_owned(),
        ));
    }
    let mut log = Log {
        name: options.states.display().to_string(),
        users: users.ids,
        items: items.ids,
        titles: items.titles,
        behaviors: vec!["interaction".to_owned()],
        ..Log::default()
    };
    log.shuffle_items(IMPORT_SEED)?;
    let split = without_events(&log)?;
    Ok(Prepared {
        data: DataRecord {
            name: log.name,
            hash: None,
            filters: "no events".to_owned(),
            users: log.users.len(),
            items: log.items.len(),
            train_events: 0,
        },
        from: SplitFrom::Spec(split.spec.clone()),
        split,
        source: None,
        columns: Vec::new(),
        notes: Vec::new(),
        texts: None,
        taught: None,
    })
}

/// The training or fold-in row of every user who has one.
fn known_rows(split: &Split) -> Result<Histories> {
    let users = (0..split.catalogue.users.len() as u32).map(limpid_core::UserIdx);
    let rows: Vec<_> = users.map(|u| user_history(split, u, false)).collect();
    let rows = rows.iter().map(limpid_core::OwnedHistory::view);
    Ok(Histories::from_histories(rows, split.catalogue.len())?)
}

impl Names {
    /// The names of the `n` rows of an array.
    fn of(array: &Path, given: Option<&Path>, n: usize) -> Result<Self> {
        let beside = array.with_extension("rows.csv");
        let Some(path) = given.or_else(|| beside.is_file().then_some(&*beside)) else {
            let numbers = (0..n).map(|row| row.to_string()).collect();
            return Ok(Self {
                ids: Ids::from_names(numbers)?,
                titles: Vec::new(),
            });
        };
        let (mut ids, titles) = listed(path)?;
        if ids.len() == n + 1 && (is_one_of(&ids[0], &HEADINGS) || is_id_column(&ids[0])) {
            ids.remove(0);
        }
        if ids.len() != n {
            return Err(Error::artifact(
                path,
                format!(
                    "has {} ids, but {} has {n} rows: there must be one id per row, in the order of the rows",
                    ids.len(),
                    array.display()
                ),
            ));
        }
        if let Some(at) = ids.iter().position(|id| id.trim().is_empty()) {
            let why = format!("the id of row {at} (from 0) is empty; every row needs an id");
            return Err(Error::artifact(path, why));
        }
        let ids = Ids::from_names(ids)
            .map_err(|e| Error::artifact(path, format!("{e}; every row needs an id of its own")))?;
        Ok(Self { ids, titles })
    }
}

fn is_one_of(heading: &str, names: &[&str]) -> bool {
    names.contains(&heading.trim().to_lowercase().as_str())
}

/// The ids of a file and its titles, if it is a table with a column of them.
fn listed(path: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let cannot = |e| Error::io("cannot read", path, e);
    let mut content = String::new();
    let file = File::open(path).map_err(cannot)?;
    let length = file.metadata().map_err(cannot)?.len();
    if length <= MOST_ID_BYTES {
        // A pipe has no length.
        let mut file = file.take(MOST_ID_BYTES + 1);
        file.read_to_string(&mut content).map_err(cannot)?;
    }
    if length.max(content.len() as u64) > MOST_ID_BYTES {
        let why = format!("has more than {MOST_ID_BYTES} bytes, the limit for a list of ids");
        return Err(Error::artifact(path, why));
    }
    let content = content.trim_start_matches('\u{feff}');
    let separator = match path.extension().and_then(|e| e.to_str()) {
        Some("csv") => b',',
        Some("tsv") => b'\t',
        _ => {
            let lines = content.lines().map(|line| line.trim_end_matches('\r'));
            return Ok((lines.map(str::to_owned).collect(), Vec::new()));
        }
    };
    let mut table = csv::ReaderBuilder::new()
        .delimiter(separator)
        .from_reader(content.as_bytes());
    let broken = |e: csv::Error| Error::artifact(path, format!("is not a table: {e}"));
    let header = table.headers().map_err(broken)?.clone();
    let column = |names: &[&str]| header.iter().position(|h| is_one_of(h, names));
    let named = column(&HEADINGS).or_else(|| header.iter().position(is_id_column));
    let Some(id) = named.or_else(|| (header.len() == 1).then_some(0)) else {
        return Err(Error::artifact(
            path,
            format!(
                "has no column 'id'; it has {}",
                header.iter().collect::<Vec<_>>().join(", ")
            ),
        ));
    };
    let title = column(&["title", "name"]);
    let (mut ids, mut titles) = (Vec::new(), Vec::new());
    // A table of one column may have no heading.
    if header.len() == 1 && named.is_none() {
        ids.extend(header.get(0).map(|h| text::uncelled(h).to_owned()));
    }
    for record in table.records() {
        let record = record.map_err(broken)?;
        let cell = |at: usize| text::uncelled(record.get(at).unwrap_or_default()).to_owned();
        ids.push(cell(id));
        titles.extend(title.map(cell));
    }
    if titles.iter().all(String::is_empty) {
        titles.clear();
    }
    Ok((ids, titles))
}
