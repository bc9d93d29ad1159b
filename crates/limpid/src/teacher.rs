//! A teacher from a file: what a saved model, or a table of scores of any program, expects of unseen items.
//!
//! Models open no files, so the experiment names the teacher and its expectations are read with the data.
//! A saved model must be of the same split: one of another split may know held-out events, and so would
//! the model that it teaches. Of a table that cannot be checked, which is noted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use limpid_core::{Catalogue, Csr};
use limpid_data::Log;
use limpid_data::sources::{self, Duplicates, ReadOptions};
use limpid_models::linear::soft_targets::{expectations, largest};
use serde::{Deserialize, Serialize};

use crate::measure::short;
use crate::{Advisor, Error, Prepared, Result};

/// Names that an error lists.
const NAMED: usize = 3;

/// The teacher of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeacherSource {
    /// The folder of a saved model, or a table of `user,item,score` in any format of tables: what is expected
    /// of items that users do not have, between 0 and 1.
    pub path: PathBuf,
    /// BLAKE3 (hexadecimal) of it when the experiment was recorded; another is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// The model in the folder; absent for a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl TeacherSource {
    /// A teacher by its path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            ..Self::default()
        }
    }

    /// What it is called in a sentence: `the model ease in base`.
    #[must_use]
    pub fn name(&self) -> String {
        let path = self.path.file_name().unwrap_or(self.path.as_os_str());
        let path = path.to_string_lossy();
        match &self.model {
            Some(model) => format!("the model {model} in {path}"),
            None => format!("the scores in {path}"),
        }
    }
}

/// What a teacher expects of training rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Taught {
    /// The teacher, with its hash.
    pub source: TeacherSource,
    /// Expected counts `(U, I)` of the training rows.
    pub expectations: Arc<Csr>,
}

impl Taught {
    /// Reads a teacher for the training rows of prepared data.
    ///
    /// # Errors
    /// [`Error::Artifact`] for a model of another split or without users, unknown users and items, users
    /// without expectations, and values out of range; as [`Advisor::open`] and [`sources::read`].
    pub fn read(path: &Path, prepared: &Prepared) -> Result<Self> {
        match path.is_dir() && path.join("manifest.json").is_file() {
            true => Self::of_model(path, prepared),
            false => Self::of_table(path, prepared),
        }
    }

    /// What cannot be checked of a table.
    pub(crate) fn note(&self) -> Option<String> {
        self.source.model.is_none().then(|| {
            format!(
                "{} must be of a model that has not seen the validation and test events of this split, which \
                 limpid cannot check",
                self.source.name()
            )
        })
    }

    fn of_model(path: &Path, prepared: &Prepared) -> Result<Self> {
        let advisor = Advisor::open(path)?;
        let refuse = |why: String| Error::artifact(path, why);
        let (theirs, ours) = (&advisor.manifest.split, &prepared.split);
        if theirs.hash != ours.hash {
            return Err(refuse(format!(
                "is no teacher for this split: it was trained on split {} ({}), this is {} ({}), so it may \
                 know held-out events; train it on the same data with the same --split and filters",
                theirs.spec,
                short(&theirs.hash),
                ours.spec,
                short(&ours.hash)
            )));
        }
        let Some(split) = &advisor.split else {
            return Err(refuse(
                "was saved without users, so it cannot be asked about them; train it again without \
                 --without-users"
                    .to_owned(),
            ));
        };
        let model = advisor.model.name();
        let expected = expectations(&advisor.model, &split.train)?;
        let items: Vec<Option<u32>> = (advisor.catalogue.items.names().iter())
            .map(|name| ours.catalogue.items.get(name))
            .collect();
        let mut rows = vec![None; ours.catalogue.users.len()];
        for (at, user) in split.train.users().iter().enumerate() {
            let name = user.map(|u| advisor.catalogue.users.name(u.0));
            if let Some(user) = name.and_then(|name| ours.catalogue.users.get(name)) {
                let (columns, values) = expected.row(at);
                let columns = columns.iter().map(|&i| items[i as usize]);
                let row = columns.zip(values).filter_map(|(i, &v)| Some((i?, v)));
                rows[user as usize] = Some(row.collect());
            }
        }
        Ok(Self {
            source: TeacherSource {
                path: path.to_owned(),
                hash: Some(advisor.manifest.content_hash()),
                model: Some(model.to_owned()),
            },
            expectations: Arc::new(of_rows(rows, prepared, path)?),
        })
    }

    fn of_table(path: &Path, prepared: &Prepared) -> Result<Self> {
        let options = ReadOptions {
            duplicates: Duplicates::Error,
            ..ReadOptions::default()
        };
        let log = sources::read(path, &options)?;
        Ok(Self {
            source: TeacherSource {
                path: path.to_owned(),
                hash: Some(log.hash()),
                model: None,
            },
            expectations: Arc::new(of_log(&log, prepared, path)?),
        })
    }
}

/// The expectations of a table.
fn of_log(log: &Log, prepared: &Prepared, path: &Path) -> Result<Csr> {
    let refuse = |why: String| Error::artifact(path, why);
    let Some(values) = &log.value else {
        return Err(refuse(
            "has no column 'score'; a teacher is a saved model, or a table with the columns user, item and \
             score"
                .to_owned(),
        ));
    };
    let Catalogue { users, items, .. } = &*prepared.split.catalogue;
    let of_user: Vec<Option<u32>> = log.users.names().iter().map(|u| users.get(u)).collect();
    let of_item: Vec<Option<u32>> = log.items.names().iter().map(|i| items.get(i)).collect();
    for (what, names, found) in [
        ("users", log.users.names(), &of_user),
        ("items", log.items.names(), &of_item),
    ] {
        let unknown = names.iter().zip(found).filter(|(_, at)| at.is_none());
        let unknown: Vec<&str> = unknown.map(|(name, _)| name.as_str()).collect();
        if !unknown.is_empty() {
            return Err(refuse(format!(
                "scores {} {what} that are not in the training data: {}; leave them out, or check the ids \
                 and the filters",
                unknown.len(),
                listed(&unknown)
            )));
        }
    }
    let mut rows: Vec<Option<Vec<(u32, f32)>>> = vec![None; users.len()];
    for ((&user, &item), &value) in log.user.iter().zip(&log.item).zip(values) {
        let named = || {
            format!(
                "user {}, item {}",
                log.users.name(user),
                log.items.name(item)
            )
        };
        if !(0.0..=1.0).contains(&value) {
            return Err(refuse(format!(
                "{}: the score is {value}; it is what is expected of an item that the user does not have, \
                 so it must be between 0 and 1; rescale the scores",
                named()
            )));
        }
        let (Some(user), Some(item)) = (of_user[user as usize], of_item[item as usize]) else {
            continue; // refused above
        };
        rows[user as usize]
            .get_or_insert_default()
            .push((item, value));
    }
    for row in rows.iter_mut().flatten() {
        row.sort_unstable_by_key(|&(item, _)| item);
        largest(row);
    }
    of_rows(rows, prepared, path)
}

/// Expectations `(U, I)` in the order of the training rows, from those by index of the user.
fn of_rows(
    mut of_user: Vec<Option<Vec<(u32, f32)>>>,
    prepared: &Prepared,
    path: &Path,
) -> Result<Csr> {
    let train = &prepared.split.train;
    let users = &prepared.split.catalogue.users;
    let mut missing = Vec::new();
    let rows: Vec<Vec<(u32, f32)>> = train
        .rows()
        .map(|row| {
            let user = row.user.filter(|_| !row.is_empty());
            let own = user.and_then(|u| of_user[u.at()].take());
            if let (Some(user), None) = (user, &own) {
                missing.push(users.name(user.0));
            }
            own.unwrap_or_default()
        })
        .collect();
    missing.sort_unstable();
    if !missing.is_empty() {
        return Err(Error::artifact(
            path,
            format!(
                "has no scores for {} of {} training users: {}; every training user needs at least one",
                missing.len(),
                train.len(),
                listed(&missing)
            ),
        ));
    }
    Ok(Csr::from_rows(rows, train.n_items())?)
}

/// The first names of many.
fn listed(names: &[&str]) -> String {
    let first = names[..names.len().min(NAMED)].join(", ");
    match names.len() > NAMED {
        true => format!("{first}, …"),
        false => first,
    }
}
