//! The users of a batch: all of the training set, some by id, or others by their histories.

use std::collections::BTreeSet;
use std::path::Path;

use limpid_core::{Event, Histories, ItemIdx, OwnedHistory, UserIdx};
use limpid_data::Log;
use limpid_data::sources::{ReadOptions, read, read_bytes};

use crate::advisor::{Advisor, no_fold_in, user_history};
use crate::output::text;
use crate::{Error, Result, lookup};

/// Users with their histories.
pub struct People<'a> {
    advisor: &'a Advisor,
    source: Source<'a>,
    /// What was left out, for the reader.
    pub notes: Vec<String>,
}

enum Source<'a> {
    Training(&'a Histories),
    Known(Vec<UserIdx>),
    Others {
        ids: Vec<String>,
        histories: Vec<OwnedHistory>,
    },
}

/// A heading that a list of ids may have.
const HEADINGS: [&str; 5] = ["user", "user_id", "userid", "user id", "id"];

/// Ids of unknown items that a note lists.
const LISTED: usize = 3;

impl<'a> People<'a> {
    /// Every user of the training set, in the order of the data.
    ///
    /// # Errors
    /// [`Error::Usage`] if the model was saved without users.
    pub fn training(advisor: &'a Advisor) -> Result<Self> {
        let source = Source::Training(&advisor.split()?.train);
        Ok(Self {
            advisor,
            source,
            notes: Vec::new(),
        })
    }

    /// The users of a file: ids, one per line, or a table of histories with columns of users and items
    /// (in any format that data have). Ids are users of the data with their training or fold-in events;
    /// a history replaces what the data know of a user.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, with the line of an unknown user, or if no item of the histories
    /// is in the catalogue.
    pub fn read(advisor: &'a Advisor, path: &Path) -> Result<Self> {
        let bytes = start(path).map_err(|e| Error::io("cannot read", path, e))?;
        if is_table(&bytes) || path.is_dir() {
            return Self::histories(advisor, &read(path, &ReadOptions::default())?);
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("cannot read", path, e))?;
        Self::ids(advisor, &text, &path.display().to_string())
    }

    /// The same from the content of standard input.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn from_bytes(advisor: &'a Advisor, bytes: &[u8]) -> Result<Self> {
        const NAME: &str = "standard input";
        if !is_table(bytes) {
            let text = std::str::from_utf8(bytes).map_err(|e| {
                Error::Usage(format!(
                    "{NAME} is no UTF-8 text at byte {}",
                    e.valid_up_to()
                ))
            })?;
            return Self::ids(advisor, text, NAME);
        }
        let name = match bytes {
            [b'P', b'A', b'R', b'1', ..] => "histories.parquet",
            [b'{', ..] => "histories.jsonl",
            _ => "histories.csv",
        };
        let log = read_bytes(NAME, &[(name, bytes)], &ReadOptions::default())?;
        Self::histories(advisor, &log)
    }

    fn ids(advisor: &'a Advisor, text: &str, place: &str) -> Result<Self> {
        advisor.split()?;
        let mut users = Vec::new();
        for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let id = text::uncelled(line.trim_end_matches('\r'));
            if id.trim().is_empty() {
                continue;
            }
            // Only a line that differs by blanks alone is read without them.
            let known = |id: &str| advisor.catalogue.users.get(id).map(UserIdx);
            match known(id).or_else(|| known(id.trim())) {
                Some(user) => users.push(user),
                None if at == 0 && HEADINGS.contains(&id.trim().to_lowercase().as_str()) => {}
                None => {
                    let why = match lookup::user(&advisor.catalogue, id) {
                        Err(e) => e.to_string(),
                        Ok(_) => continue,
                    };
                    return Err(Error::Usage(format!(
                        "{place}:{}: {why}; a table of histories has a column of users and one of items",
                        at + 1
                    )));
                }
            }
        }
        if users.is_empty() {
            return Err(Error::Usage(format!(
                "{place} has no users; write one id per line, or a table with columns user_id and item_id"
            )));
        }
        let source = Source::Known(users);
        Ok(Self {
            advisor,
            source,
            notes: Vec::new(),
        })
    }

    fn histories(advisor: &'a Advisor, log: &Log) -> Result<Self> {
        if !advisor.folds_in() {
            return Err(no_fold_in());
        }
        let catalogue = &advisor.catalogue;
        let items: Vec<Option<u32>> = log
            .items
            .names()
            .iter()
            .map(|id| catalogue.items.get(id))
            .collect();
        let behavior = |of: u8| {
            let name = log.behaviors.get(usize::from(of))?;
            catalogue
                .behaviors
                .iter()
                .position(|b| b == name)
                .map(|b| b as u8)
        };
        let behaviors: Vec<Option<u8>> = (0..=u8::MAX).map(behavior).collect();
        let mut events: Vec<Vec<Event>> = vec![Vec::new(); log.users.len()];
        let mut unknown: BTreeSet<&str> = BTreeSet::new();
        for at in 0..log.user.len() {
            let Some(item) = items[log.item[at] as usize] else {
                unknown.insert(log.items.name(log.item[at]));
                continue;
            };
            let behavior = log
                .behavior
                .as_ref()
                .and_then(|b| behaviors[usize::from(b[at])]);
            events[log.user[at] as usize].push(Event {
                item: ItemIdx(item),
                time: log.time.as_ref().map(|t| t[at]),
                value: 1.0,
                behavior: behavior.unwrap_or(catalogue.target_behavior),
            });
        }
        if !log.user.is_empty() && events.iter().all(Vec::is_empty) {
            let example = log.items.names().first().map_or("", String::as_str);
            return Err(Error::Usage(format!(
                "none of the {} items of {} is in the catalogue of the model, such as '{example}'; items \
                 are written by their ids",
                unknown.len(),
                log.name
            )));
        }
        let mut notes = Vec::new();
        if !unknown.is_empty() {
            let listed: Vec<&str> = unknown.iter().copied().take(LISTED).collect();
            notes.push(format!(
                "{} items of the histories are not in the catalogue and were ignored, such as {}",
                unknown.len(),
                listed.join(", ")
            ));
        }
        let source = Source::Others {
            ids: log.users.names().to_vec(),
            histories: events
                .into_iter()
                .map(|e| OwnedHistory::of_events(None, e))
                .collect(),
        };
        Ok(Self {
            advisor,
            source,
            notes,
        })
    }

    /// Number of users.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Training(train) => train.len(),
            Source::Known(users) => users.len(),
            Source::Others { ids, .. } => ids.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The external id of a user.
    pub(super) fn id(&self, at: usize) -> &str {
        let of =
            |user: Option<UserIdx>| user.map_or("", |u| self.advisor.catalogue.users.name(u.0));
        match &self.source {
            Source::Training(train) => of(train.users()[at]),
            Source::Known(users) => of(Some(users[at])),
            Source::Others { ids, .. } => &ids[at],
        }
    }

    /// The history of a user.
    pub(super) fn history(&self, at: usize) -> OwnedHistory {
        match &self.source {
            Source::Training(train) => train.row(at).to_owned(),
            Source::Known(users) => match &self.advisor.split {
                Some(split) => user_history(split, users[at], false),
                None => OwnedHistory::default(),
            },
            Source::Others { histories, .. } => histories[at].clone(),
        }
    }

    /// A hash of the ids and histories that are not in the folder of the model.
    pub(super) fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        match &self.source {
            Source::Training(_) => {}
            Source::Known(users) => users.iter().for_each(|u| {
                hasher.update(&u.0.to_le_bytes());
            }),
            Source::Others { ids, histories } => {
                for (id, history) in ids.iter().zip(histories) {
                    hasher.update(id.as_bytes());
                    hasher.update(&[0]);
                    hasher.update(&history.view().hash().to_le_bytes());
                }
            }
        }
        let kind = match &self.source {
            Source::Training(_) => "training",
            Source::Known(_) => "known",
            Source::Others { .. } => "others",
        };
        format!("{kind} {}", hasher.finalize().to_hex())
    }
}

/// The first bytes of a file.
fn start(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    const ENOUGH: u64 = 1 << 16;
    if path.is_dir() {
        return Ok(Vec::new());
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(ENOUGH)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether the first line has several columns, or it is a format of tables.
fn is_table(bytes: &[u8]) -> bool {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
    let packed = [b"PAR1", GZIP, ZSTD, b"{"]
        .iter()
        .any(|m| bytes.starts_with(m));
    let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    packed || line.iter().any(|b| b",;\t|".contains(b)) || line.windows(2).any(|w| w == b"::")
}
