//! A split as a folder: `split.json` describes it, one table per subset holds the events in external
//! ids, so that other programs can use the same split.
//!
//! The tables are `train.tsv`, `validation.tsv` and `test.tsv`, for held-out users also
//! `validation_input.tsv` and `test_input.tsv`: tab-separated, quoted where an id needs it, with
//! the header `user item value time behavior`; what the log does not have is empty. Item metadata
//! stays with the data set and is not copied.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use limpid_core::histories::HistoryArrays;
use limpid_core::{Catalogue, Event, Histories, Ids, ItemIdx, UserIdx};
use serde::{Deserialize, Serialize};

use crate::error::did_you_mean;
use crate::log::{IMPORT_SEED, shuffled};
use crate::sources::{Flaw, Lines, Quoting, Records, text, wrong_fields};
use crate::staged::StagedFolder;
use crate::{Error, Log, Result};

use super::assemble::catalogue;
use super::hash::hash;
use super::shown::Merged;
use super::{HeldOut, Split, SplitSpec};

/// The format that is written.
const SCHEMA: &str = "limpid.split/2";

/// The older format that is read too: its `data_hash` is that of the filtered log.
const SCHEMA_1: &str = "limpid.split/1";

/// The fix for a folder that was changed.
const RESTORE: &str = "restore the folder, or split again";

const COLUMNS: [&str; 5] = ["user", "item", "value", "time", "behavior"];

/// The content of `split.json`.
#[derive(Serialize, Deserialize)]
struct Head {
    schema: String,
    version: String,
    spec: SplitSpec,
    hash: String,
    /// The hash of the log before filters.
    data_hash: String,
    /// The hash of the log after filters.
    #[serde(default)]
    filtered_hash: String,
    behaviors: Vec<String>,
    target_behavior: u8,
    /// Columns that are filled.
    values: bool,
    times: bool,
    behavior: bool,
    parts: BTreeMap<String, TableSize>,
    notes: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct TableSize {
    users: usize,
    events: usize,
}

impl Split {
    /// Writes the split as a folder, as [`staged`](crate::staged) does. A folder that holds a split already
    /// is replaced.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written, [`Error::Source`] where the folder holds something
    /// else.
    pub fn write_folder(&self, dir: &Path) -> Result<()> {
        let replaceable = !dir.exists() || dir.join("split.json").exists();
        if !replaceable && !is_empty_folder(dir)? {
            return Err(Error::source(
                dir,
                "the folder is not empty and holds no split",
                "choose a folder that is new, empty or holds a split",
            ));
        }
        let staged = StagedFolder::create(dir)?;
        self.write_into(staged.path())?;
        staged.publish()
    }

    /// Reads a split of a log, with its metadata.
    ///
    /// # Errors
    /// [`Error::Source`] where the split was made from other data, has another format or was
    /// changed; [`Error::Io`] and [`Error::Line`] where a file cannot be read.
    pub fn read_folder(dir: &Path, log: &Log) -> Result<Self> {
        crate::check::check(log)?;
        let head = read_head(dir)?;
        let filtered_hash = log.hash();
        if head.filtered_hash != filtered_hash {
            let data_hash = log.data_hash();
            let same_data = head.data_hash == data_hash;
            return Err(Error::source(
                dir,
                match same_data {
                    true => "the split was made from the same data with other filters".to_owned(),
                    false => format!(
                        "the split was made from other data: hash after filters {}, that of '{}' \
                         is {}",
                        short(&head.filtered_hash),
                        log.name,
                        short(&filtered_hash)
                    ),
                },
                "read the same data with the same filters, or split again",
            ));
        }
        let tables = read_tables(dir, &head)?;
        assemble(dir, head, tables, log)
    }

    /// Reads a split without its log: the items are those of its events, without titles or
    /// metadata, and users are numbered as they come.
    ///
    /// # Errors
    /// As [`Split::read_folder`].
    pub fn read_folder_alone(dir: &Path) -> Result<Self> {
        let head = read_head(dir)?;
        let tables = read_tables(dir, &head)?;
        let (mut users, mut items) = (Ids::new(), Ids::new());
        for line in tables.values().flatten() {
            users.intern(&line.user);
            items.intern(&line.item);
        }
        let names = shuffled(items.names(), IMPORT_SEED)
            .into_iter()
            .map(|old| items.name(old).to_owned())
            .collect();
        let log = Log {
            items: Ids::from_names(names)?,
            users,
            behaviors: head.behaviors.clone(),
            target_behavior: head.target_behavior,
            // These are not the data that were read.
            read_hash: Some(String::new()),
            ..Log::default()
        };
        assemble(dir, head, tables, &log)
    }

    fn write_into(&self, dir: &Path) -> Result<()> {
        let mut sizes = BTreeMap::new();
        for (name, rows) in self.tables() {
            write_table(&dir.join(format!("{name}.tsv")), rows, &self.catalogue)?;
            let users = rows.rows().filter(|row| !row.is_empty()).count();
            let events = rows.n_events();
            sizes.insert(name.to_owned(), TableSize { users, events });
        }
        let head = Head {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            spec: self.spec.clone(),
            hash: self.hash.clone(),
            data_hash: self.data_hash.clone(),
            filtered_hash: self.filtered_hash.clone(),
            behaviors: self.catalogue.behaviors.clone(),
            target_behavior: self.catalogue.target_behavior,
            values: self.train.values().is_some(),
            times: self.train.times().is_some(),
            behavior: self.train.behaviors().is_some(),
            parts: sizes,
            notes: self.notes.clone(),
        };
        let path = dir.join("split.json");
        let text = serde_json::to_string_pretty(&head)
            .map_err(|e| Error::io(&path, e.into(), "report this as a bug"))?;
        fs::write(&path, text + "\n").map_err(|e| Error::io(&path, e, "free some space"))
    }
}

/// One line of a table.
struct Line {
    /// Its number, from 1.
    at: u64,
    user: String,
    item: String,
    value: f32,
    time: Option<i64>,
    behavior: u8,
}

type Tables = BTreeMap<&'static str, Vec<Line>>;

fn is_empty_folder(dir: &Path) -> Result<bool> {
    let mut entries =
        fs::read_dir(dir).map_err(|e| Error::io(dir, e, "choose a folder for the split"))?;
    Ok(entries.next().is_none())
}

fn write_table(path: &Path, rows: &Histories, catalogue: &Catalogue) -> Result<()> {
    let ids = catalogue
        .users
        .names()
        .iter()
        .chain(catalogue.items.names());
    if let Some(id) = ids.into_iter().find(|id| id.contains("\r\n")) {
        return Err(Error::source(
            path,
            format!("an id of a split folder must have no line break CR LF, but {id:?} has"),
            "rename it in the data",
        ));
    }
    let write = || -> std::io::Result<()> {
        let mut table = csv::WriterBuilder::new().delimiter(b'\t').from_path(path)?;
        table.write_record(COLUMNS)?;
        for row in rows.rows() {
            let user = row.user.map_or("", |u| catalogue.users.name(u.0));
            for event in row.events() {
                let value = row
                    .values
                    .map_or_else(String::new, |_| event.value.to_string());
                let time = event.time.map_or_else(String::new, |t| t.to_string());
                let behavior = row
                    .behaviors
                    .and_then(|_| catalogue.behaviors.get(usize::from(event.behavior)))
                    .map_or("", String::as_str);
                table.write_record([user, catalogue.id(event.item), &value, &time, behavior])?;
            }
        }
        table.into_inner().map_err(|e| e.into_error())?.flush()
    };
    write().map_err(|e| Error::io(path, e, "free some space, or choose another folder"))
}

fn read_head(dir: &Path) -> Result<Head> {
    let path = dir.join("split.json");
    let text = fs::read_to_string(&path)
        .map_err(|e| Error::io(&path, e, "name a folder that a split was saved in"))?;
    // Check the schema first: a later format may differ in any other field.
    let schema = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|json| json.get("schema")?.as_str().map(str::to_owned));
    let first_version = schema.as_deref() == Some(SCHEMA_1);
    if let Some(other) = schema.filter(|schema| schema != SCHEMA && !first_version) {
        return Err(Error::source(
            &path,
            format!("the format must be {SCHEMA}, but is {other}"),
            "read it with the version that wrote it, or split again",
        ));
    }
    let mut head: Head = serde_json::from_str(&text).map_err(|e| {
        Error::source(
            &path,
            format!("not the description of a split: {e}"),
            "split again",
        )
    })?;
    if first_version {
        head.filtered_hash = std::mem::take(&mut head.data_hash);
    }
    if usize::from(head.target_behavior) >= head.behaviors.len() {
        return Err(Error::source(
            &path,
            format!(
                "the target behavior must be one of {}, but is number {}",
                head.behaviors.len(),
                head.target_behavior
            ),
            "split again",
        ));
    }
    Ok(head)
}

fn read_tables(dir: &Path, head: &Head) -> Result<Tables> {
    let mut names = vec!["train", "validation", "test"];
    if matches!(head.spec.base(), SplitSpec::Users { .. }) {
        names.extend(["validation_input", "test_input"]);
    }
    names
        .into_iter()
        .map(|name| Ok((name, read_table(&dir.join(format!("{name}.tsv")), head)?)))
        .collect()
}

fn read_table(path: &Path, head: &Head) -> Result<Vec<Line>> {
    let file = fs::File::open(path).map_err(|e| Error::io(path, e, RESTORE))?;
    let mut reader = BufReader::new(file);
    let label = path.display().to_string();
    let mut records = Records::new(Lines::new(&mut reader, &label), b'\t', Quoting::Strict);
    let mut lines = Vec::new();
    let mut is_header = true;
    while let Some(record) = records.advance()? {
        let read = record.and_then(|()| {
            if records.len() != COLUMNS.len() {
                let last = records.cells().last();
                return Err(wrong_fields(records.len(), COLUMNS.len(), last));
            }
            let mut fields = records.cells().map(|cell| text(cell, false));
            let mut field = || fields.next().unwrap_or(Ok("".into()));
            let fields = [field()?, field()?, field()?, field()?, field()?];
            if is_header {
                is_header = false;
                let rule = || format!("the header must be '{}'", COLUMNS.join("\\t"));
                return match fields == COLUMNS {
                    true => Ok(None),
                    false => Err(Flaw::new(0, "bad header", rule())),
                };
            }
            let line = read_line(records.line(), &fields, head);
            line.map(Some)
                .map_err(|why| Flaw::new(0, "malformed line", why))
        });
        match read {
            Ok(line) => lines.extend(line),
            Err(flaw) => {
                let (line, flaw) = records.place(flaw.hint(RESTORE));
                return Err(flaw.into_error(&label, line));
            }
        }
    }
    Ok(lines)
}

fn read_line(
    at: u64,
    [user, item, value, time, behavior]: &[Cow<'_, str>; 5],
    head: &Head,
) -> std::result::Result<Line, String> {
    let value = if head.values {
        let number = value.parse::<f32>().ok().filter(|v| v.is_finite());
        number.ok_or_else(|| format!("the value must be a number, but is '{value}'"))?
    } else {
        1.0
    };
    let time = if head.times {
        let seconds = time.parse();
        Some(seconds.map_err(|_| format!("the time must be in seconds, but is '{time}'"))?)
    } else {
        None
    };
    let behavior = if head.behavior {
        let known = head.behaviors.iter();
        let index = (0u8..=u8::MAX).zip(known).find(|(_, b)| *b == behavior);
        let (index, _) = index.ok_or_else(|| {
            let known = head.behaviors.iter().map(String::as_str);
            format!(
                "unknown behavior '{behavior}'; {}",
                did_you_mean(behavior, known)
            )
        })?;
        index
    } else {
        0
    };
    Ok(Line {
        at,
        user: user.to_string(),
        item: item.to_string(),
        value,
        time,
        behavior,
    })
}

/// Builds the split and compares its hash with the one it was saved with.
fn assemble(dir: &Path, head: Head, mut tables: Tables, log: &Log) -> Result<Split> {
    let damaged = |why: String| Error::source(dir, why, RESTORE);
    let mut take = |name: &'static str| -> Result<(PathBuf, BTreeMap<u32, Vec<Event>>)> {
        let path = dir.join(format!("{name}.tsv"));
        let rows = by_user(&path, tables.remove(name).unwrap_or_default(), log)?;
        Ok((path, rows))
    };
    let of_input = |users: Vec<u32>, (path, mut rows): (PathBuf, BTreeMap<u32, Vec<Event>>)| {
        let ordered = users
            .iter()
            .map(|&u| (u, rows.remove(&u).unwrap_or_default()))
            .collect();
        match rows.keys().next() {
            None => histories(ordered, &head, log),
            Some(&user) => Err(Error::source(
                &path,
                format!(
                    "the user '{}' has held-out events, but no input",
                    log.users.name(user)
                ),
                RESTORE,
            )),
        }
    };
    let users_of = |rows: &Histories| rows.users().iter().flatten().map(|u| u.0).collect();
    let train = histories(take("train")?.1.into_iter().collect(), &head, log)?;
    let mut held_out = |target, input| -> Result<HeldOut> {
        if matches!(head.spec.base(), SplitSpec::Users { .. }) {
            let input = histories(take(input)?.1.into_iter().collect(), &head, log)?;
            Ok(HeldOut {
                target: of_input(users_of(&input), take(target)?)?,
                input: Some(input),
            })
        } else {
            Ok(HeldOut::of_train(of_input(
                users_of(&train),
                take(target)?,
            )?))
        }
    };
    let validation = held_out("validation", "validation_input")?;
    let test = held_out("test", "test_input")?;
    let catalogue = catalogue(log, &train);
    let hash = hash(&head.spec, &catalogue, &train, &validation, &test);
    if hash != head.hash {
        return Err(damaged(format!(
            "the tables were changed: their hash is {}, that of split.json is {}",
            short(&hash),
            short(&head.hash)
        )));
    }
    Ok(Split {
        shown: head.spec.shown(),
        spec: head.spec,
        train,
        validation,
        test,
        catalogue: Arc::new(catalogue),
        hash,
        data_hash: match head.data_hash.is_empty() {
            true => log.data_hash(),
            false => head.data_hash,
        },
        filtered_hash: head.filtered_hash,
        notes: head.notes,
        merged: Merged::default(),
    })
}

/// The lines of each user, in the order of the table.
fn by_user(path: &Path, lines: Vec<Line>, log: &Log) -> Result<BTreeMap<u32, Vec<Event>>> {
    let mut rows: BTreeMap<u32, Vec<Event>> = BTreeMap::new();
    for line in lines {
        let index = |what: &str, ids: &Ids, id: &str| {
            let unknown = || line_error(path, line.at, format!("the data have no {what} '{id}'"));
            ids.get(id).ok_or_else(unknown)
        };
        let user = index("user", &log.users, &line.user)?;
        let item = index("item", &log.items, &line.item)?;
        rows.entry(user).or_default().push(Event {
            item: ItemIdx(item),
            time: line.time,
            value: line.value,
            behavior: line.behavior,
        });
    }
    Ok(rows)
}

/// Histories with the columns that the head names.
fn histories(rows: Vec<(u32, Vec<Event>)>, head: &Head, log: &Log) -> Result<Histories> {
    let mut offsets = vec![0];
    for (_, row) in &rows {
        offsets.push(offsets[offsets.len() - 1] + row.len());
    }
    let events = || rows.iter().flat_map(|(_, row)| row);
    Ok(Histories::new(HistoryArrays {
        offsets,
        items: events().map(|e| e.item).collect(),
        times: head
            .times
            .then(|| events().map(|e| e.time.unwrap_or(0)).collect()),
        values: head.values.then(|| events().map(|e| e.value).collect()),
        behaviors: head
            .behavior
            .then(|| events().map(|e| e.behavior).collect()),
        users: rows.iter().map(|&(user, _)| Some(UserIdx(user))).collect(),
        n_items: log.items.len(),
    })?)
}

fn line_error(path: &Path, line: u64, reason: String) -> Error {
    Error::Line {
        file: path.display().to_string(),
        line,
        column: 1,
        reason,
        hint: RESTORE.to_owned(),
    }
}

/// The first digits of a hash, enough to tell two apart.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
