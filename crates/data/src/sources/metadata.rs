//! Item metadata, joined by item id: the metadata files of every known format, and any
//! CSV, TSV, JSON Lines or Parquet file with a column of item ids.
//!
//! Ids without an item are ignored and counted in a note. The name of a column decides its meaning
//! (see [`Meaning`]): titles, years, fields; a column of unknown meaning becomes a field unless
//! nearly every item has a value of its own.

use std::io::BufRead;

use super::builder::Builder;
use super::columns::{is_item_id, item_id, plain, wrong_fields};
use super::jsonl::no_json;
use super::lines::{Cell, Flaw, Lines, text};
use super::meaning::{Meaning, bare, is_code, year_of_title};
use super::options::MetadataSource;
use super::place::{Entry, Folder};
use super::records::Records;
use super::table::{header, note_literal, quoting, separator};
use super::{
    PEEK, movielens_100k, movielens_csv, movielens_dat, numbers, parquet, recbole, rechorus,
};
use crate::{Error, Result};

/// Joins sources; tables of the names of tags come first, since others refer to them.
pub(super) fn join_all(sources: &[MetadataSource], builder: &mut Builder<'_>) -> Result<()> {
    let mut folders = Vec::new();
    for source in sources {
        let folder = Folder::on_disk(&source.path)?;
        let names = match folder.single() {
            Some(entry) if source.column.is_none() => tag_names(entry)?,
            _ => None,
        };
        match names {
            Some(names) => names.read(builder)?,
            None => folders.push((folder, source.column.as_deref())),
        }
    }
    folders
        .iter()
        .try_for_each(|(folder, column)| join_folder(folder, *column, builder))
}

/// Joins the metadata of a folder or file.
pub(super) fn join_folder(
    folder: &Folder<'_>,
    column: Option<&str>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let before = builder.n_matched();
    let n_files = builder.report.files.len();
    builder.begin_join();
    match folder.single() {
        Some(entry) => one_file(folder, entry, column, builder)?,
        None => whole_folder(folder, column, builder)?,
    }
    let unmatched = builder.end_join();
    if builder.report.files.len() == n_files {
        return Err(Error::source(
            &folder.path,
            format!("holds no known item metadata; found {}", folder.found()),
            "name a file with a column of item ids",
        ));
    }
    if builder.n_matched() == before {
        return Err(Error::source(
            &folder.path,
            format!("matches none of the items of the data ({unmatched} other ids)"),
            "name the column with their ids after the path, as FILE:COLUMN",
        ));
    }
    if unmatched > 0 {
        builder.note(format!(
            "{}: {unmatched} ids are not in the data and were ignored",
            folder.path.display()
        ));
    }
    Ok(())
}

/// Joins every known metadata file in a folder.
fn whole_folder(
    folder: &Folder<'_>,
    column: Option<&str>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    movielens_dat::items(folder, builder)?;
    movielens_csv::items(folder, column, builder)?;
    movielens_100k::items(folder, builder)?;
    rechorus::items(folder, builder)?;
    for entry in folder.top() {
        let known = ["item", "kg"].contains(&entry.extension().as_str())
            || entry.name == "movies_extrainfos.dat"
            || is_items_table(entry);
        if known {
            one_file(folder, entry, column, builder)?;
        }
    }
    Ok(())
}

/// Whether a file is the item table beside a table of events.
pub(super) fn is_items_table(entry: &Entry<'_>) -> bool {
    let extension = entry.extension();
    entry.name == format!("items.{extension}")
        && ["csv", "tsv", "jsonl", "ndjson", "parquet"].contains(&extension.as_str())
}

/// Joins one file, by its name and first line.
pub(super) fn one_file(
    folder: &Folder<'_>,
    entry: &Entry<'_>,
    column: Option<&str>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    match (entry.name.as_str(), entry.extension().as_str()) {
        ("u.item", _) => return movielens_100k::items(folder, builder),
        (_, "kg" | "link") => {
            let stem = entry.name.rsplit_once('.').map_or("", |(stem, _)| stem);
            let beside = |end: &str| {
                folder.get(&format!("{stem}.{end}")).ok_or_else(|| {
                    Error::source(
                        &folder.path,
                        format!("has no {stem}.{end} beside {}", entry.stored),
                        "facts need both: .kg holds them, .link ties entities to items",
                    )
                })
            };
            return recbole::facts(beside("link")?, beside("kg")?, builder);
        }
        _ => {}
    }
    if entry.extension() == "parquet" {
        builder.file(&entry.stored);
        return parquet::items(entry, column, builder);
    }
    let first = entry.first_line(PEEK)?;
    let is_dat = movielens_dat::is_dat(&first);
    let is_table =
        !is_dat && !["item", "jsonl", "ndjson", "json"].contains(&entry.extension().as_str());
    if is_table && !builder.has_tag_names() && has_tag_ids(&first) {
        for other in folder.top().filter(|other| other.name != entry.name) {
            // A neighbor that cannot be read is none of this file's business.
            if let Ok(Some(names)) = tag_names(other) {
                names.read(builder)?;
                break;
            }
        }
    }
    builder.file(&entry.stored);
    let reader = &mut *entry.open()?;
    let label = &entry.label;
    let fields = 1 + first.windows(2).filter(|w| w == b"::").count();
    match (entry.name.as_str(), entry.extension().as_str()) {
        (_, "item") => recbole::items(reader, label, column, builder),
        (_, "jsonl" | "ndjson" | "json") => objects(reader, label, column, builder),
        ("tags.dat", _) if is_dat => movielens_dat::read_tags(reader, label, builder),
        ("movies.dat", _) if is_dat => movielens_dat::read_movies(reader, label, builder),
        (_, "dat") if fields >= movielens_dat::EXTRA_FIELDS => {
            movielens_dat::read_extra(reader, label, builder)
        }
        (_, "dat") if fields == 3 => movielens_dat::read_movies(reader, label, builder),
        _ => {
            let separator = separator(entry, None)?;
            table(reader, label, separator, column, builder)
        }
    }
}

/// Whether a header names a column of ids of tags.
fn has_tag_ids(header: &[u8]) -> bool {
    let header = String::from_utf8_lossy(header);
    header
        .split(['\t', ',', ';', '|'])
        .any(|name| plain(name) == "tagid")
}

/// A table of the names of tags, such as `tags.dat` of HetRec and `genome-tags.csv` of MovieLens.
struct TagNames<'e, 'a> {
    entry: &'e Entry<'a>,
    separator: u8,
    id: usize,
    name: usize,
}

/// The table of the names of tags in a file, if it is one: no items and no users, a column of ids, one
/// of names, and `tag` in the name of either or of the file.
fn tag_names<'e, 'a>(entry: &'e Entry<'a>) -> Result<Option<TagNames<'e, 'a>>> {
    if !["dat", "csv", "tsv", "txt"].contains(&entry.extension().as_str()) {
        return Ok(None);
    }
    let separator = separator(entry, None)?;
    let first = entry.first_line(PEEK)?;
    let header = String::from_utf8_lossy(&first).into_owned();
    let names: Vec<String> = header.split(char::from(separator)).map(plain).collect();
    let find = |usual: &[&str]| {
        let mut found = usual
            .iter()
            .filter_map(|u| names.iter().position(|n| n == u));
        found.next()
    };
    let of_tags = entry.name.contains("tag") || names.iter().any(|n| n.starts_with("tag"));
    let of_items = names
        .iter()
        .any(|n| is_item_id(n) || n == "userid" || n == "user");
    let id = find(&["tagid", "id"]);
    let name = find(&["tagvalue", "tagname", "tag", "value", "name"]);
    Ok(match (id, name) {
        (Some(id), Some(name)) if of_tags && !of_items && id != name => Some(TagNames {
            entry,
            separator,
            id,
            name,
        }),
        _ => None,
    })
}

impl TagNames<'_, '_> {
    /// Reads the names; HetRec published its tables in ISO-8859-1.
    fn read(&self, builder: &mut Builder<'_>) -> Result<()> {
        builder.file(&self.entry.stored);
        let reader = &mut *self.entry.open()?;
        let label = &self.entry.label;
        let quoting = quoting(self.separator, builder.options);
        let mut records = Records::new(Lines::new(reader, label), self.separator, quoting);
        let mut is_header = true;
        while let Some(record) = records.advance()? {
            if std::mem::take(&mut is_header) {
                continue;
            }
            let outcome = record.and_then(|()| {
                let (Some(id), Some(name)) = (records.cell(self.id), records.cell(self.name))
                else {
                    let last = records.cell(records.len().saturating_sub(1));
                    return Err(wrong_fields(
                        records.len(),
                        self.id.max(self.name) + 1,
                        last,
                    ));
                };
                let (id, name) = (text(id.trim(), true)?, text(name.trim(), true)?);
                builder.add_tag_name(&id, &name);
                Ok(())
            });
            settle(&records, outcome, builder)?;
        }
        note_literal(&records, builder);
        Ok(())
    }
}

/// Records the outcome of a record.
fn settle(
    records: &Records<'_>,
    outcome: std::result::Result<(), Flaw>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    match outcome {
        Ok(()) => builder.settle(records.label(), records.line(), Ok(())),
        Err(flaw) => {
            let (line, flaw) = records.place(flaw);
            builder.settle(records.label(), line, Err(flaw))
        }
    }
}

/// The columns of a table of items with their meanings.
pub(super) struct ItemColumns {
    /// The column of item ids.
    pub(super) id: usize,
    /// The columns that are read, with their meanings.
    pub(super) columns: Vec<(usize, Meaning)>,
    /// Whether every row is one tag that a user gave to an item.
    tags_by_users: bool,
    /// The ids of tags, and how often each was given, where a row is a tag of an item.
    tag_ids: Option<(usize, Option<usize>)>,
    has_year: bool,
}

impl ItemColumns {
    /// The columns of a header; `id` names that of the items.
    pub(super) fn of(header: &[String], id: Option<&str>, label: &str) -> Result<Self> {
        let at = id_column(header, id, label)?;
        let names: Vec<String> = header.iter().map(|h| plain(h)).collect();
        let find = |usual: &[&str]| names.iter().position(|n| usual.contains(&n.as_str()));
        let tags_by_users = find(&["tag"]).is_some() && find(&["userid", "user"]).is_some();
        // Tables of relevance list every tag of every item.
        let tag_ids = find(&["tagid"])
            .filter(|_| find(&["relevance"]).is_none() && !tags_by_users)
            .map(|id| (id, find(&["tagweight", "weight", "count"])));
        let columns: Vec<(usize, Meaning)> = header
            .iter()
            .enumerate()
            .filter(|&(column, name)| column != at && !is_coded_copy(name, header))
            .map(|(column, name)| (column, Meaning::of(name)))
            .filter(|(column, meaning)| match meaning {
                Meaning::Nothing => false,
                _ => tag_ids.is_none() && (!tags_by_users || names[*column] == "tag"),
            })
            .collect();
        Ok(Self {
            id: at,
            has_year: columns.iter().any(|(_, m)| *m == Meaning::Year),
            columns,
            tags_by_users,
            tag_ids,
        })
    }

    /// Gives an item the text of a cell of one of the columns.
    pub(super) fn give(
        &self,
        meaning: &Meaning,
        value: &str,
        item: u32,
        builder: &mut Builder<'_>,
    ) {
        match self.tags_by_users {
            true => meaning.give(builder, item, value),
            false => give(meaning, value, self.has_year, item, builder),
        }
    }
}

/// Reads a table with a column of item ids. A table with a column of users and one of tags has a
/// row for each tag given: tags are then counted without case. So are tags that are given by their ids.
pub(super) fn table(
    reader: &mut dyn BufRead,
    label: &str,
    separator: u8,
    id: Option<&str>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let quoting = quoting(separator, builder.options);
    let mut records = Records::new(Lines::new(reader, label), separator, quoting);
    let Some(header) = header(&mut records)? else {
        return Ok(());
    };
    let columns = ItemColumns::of(&header, id, label)?;
    if columns.tag_ids.is_some() && !builder.has_tag_names() {
        builder.note(format!(
            "{label}: tags are ids without names; give the table of their names with --metadata too"
        ));
    }
    while let Some(record) = records.advance()? {
        let outcome = record.and_then(|()| {
            if records.len() != header.len() {
                let last = records.cell(records.len().saturating_sub(1));
                return Err(wrong_fields(records.len(), header.len(), last));
            }
            let cell = |at: usize| records.cell(at).unwrap_or(Cell { text: b"", at: 0 });
            let Some(item) = builder.item(cell(columns.id))? else {
                return Ok(());
            };
            if let Some((tag, times)) = columns.tag_ids {
                let times = times.map(|at| numbers::value(cell(at))).transpose()?;
                let tag = text(cell(tag).trim(), false)?;
                builder.count_tag(item, &tag, times.unwrap_or(1.0));
            }
            for (column, meaning) in &columns.columns {
                let value = text(cell(*column), false)?;
                columns.give(meaning, &value, item, builder);
            }
            Ok(())
        });
        settle(&records, outcome, builder)?;
    }
    note_literal(&records, builder);
    Ok(())
}

/// Gives an item the value of a cell; a title may contain the year where no column does.
fn give(meaning: &Meaning, value: &str, has_year: bool, item: u32, builder: &mut Builder<'_>) {
    meaning.give_list(builder, item, value);
    if *meaning == Meaning::Title
        && !has_year
        && let Some(year) = year_of_title(value)
    {
        builder.fact("year", item, year);
    }
}

/// Whether a column holds the codes of another one (`i_genre_c` beside `genres`).
fn is_coded_copy(name: &str, header: &[String]) -> bool {
    let meaning = |name: &str| Meaning::of(bare(name));
    is_code(name)
        && header
            .iter()
            .any(|other| !is_code(other) && meaning(other) == meaning(name))
}

/// The column of item ids: the named one, else the only one with a usual name.
fn id_column(header: &[String], id: Option<&str>, label: &str) -> Result<usize> {
    let hint = "name it after the path, as FILE:COLUMN";
    let shown = || {
        header
            .iter()
            .take(20)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(id) = id {
        return header
            .iter()
            .position(|h| h == id)
            .or_else(|| header.iter().position(|h| h.eq_ignore_ascii_case(id)))
            .ok_or_else(|| {
                Error::source(
                    label,
                    format!("has no column '{id}' among: {}", shown()),
                    hint,
                )
            });
    }
    let usual: Vec<&str> = header
        .iter()
        .map(String::as_str)
        .filter(|h| is_item_id(h))
        .collect();
    match (item_id(header), usual.len()) {
        (Some(at), 0 | 1) => Ok(at),
        (None, _) => Err(Error::source(
            label,
            format!("no column of item ids among: {}", shown()),
            hint,
        )),
        _ => Err(Error::source(
            label,
            format!("several columns may hold item ids: {}", usual.join(", ")),
            hint,
        )),
    }
}

/// Reads one JSON object a line; lists may be nested.
pub(super) fn objects(
    reader: &mut dyn BufRead,
    label: &str,
    id: Option<&str>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let mut lines = Lines::new(reader, label);
    let mut id_key: Option<String> = None;
    while lines.advance_to_text()? {
        let line = lines.current();
        let object: serde_json::Map<String, serde_json::Value> = match serde_json::from_slice(line)
        {
            Ok(object) => object,
            Err(error) => {
                let flaw = no_json(line, &error);
                builder.settle(label, lines.number(), Err(flaw))?;
                continue;
            }
        };
        let key = match &id_key {
            Some(key) => key,
            None => {
                let keys: Vec<String> = object.keys().cloned().collect();
                let at = id_column(&keys, id, label)?;
                id_key.insert(keys[at].clone())
            }
        };
        let outcome = describe(&object, key, builder);
        builder.settle(label, lines.number(), outcome)?;
    }
    Ok(())
}

/// Gives an item what an object says about it.
fn describe(
    object: &serde_json::Map<String, serde_json::Value>,
    key: &str,
    builder: &mut Builder<'_>,
) -> std::result::Result<(), Flaw> {
    let id = object.get(key).and_then(scalar).ok_or_else(|| {
        Flaw::new(
            0,
            "missing field",
            format!("the record has no id at '{key}'"),
        )
    })?;
    let cell = Cell {
        text: id.as_bytes(),
        at: 0,
    };
    let Some(item) = builder.item(cell)? else {
        return Ok(());
    };
    let meanings: Vec<(Meaning, &serde_json::Value)> = object
        .iter()
        .filter(|(name, _)| *name != key)
        .map(|(name, value)| (Meaning::of(name), value))
        .collect();
    let has_year = meanings.iter().any(|(m, _)| *m == Meaning::Year);
    for (meaning, value) in meanings {
        if let Some(text) = scalar(value) {
            give(&meaning, &text, has_year, item, builder);
        } else {
            // Lists of lists (categories of Amazon) hold values at their leaves.
            let mut open = vec![value];
            while let Some(value) = open.pop() {
                match value {
                    serde_json::Value::Array(values) => open.extend(values.iter().rev()),
                    leaf => {
                        if let Some(text) = scalar(leaf) {
                            meaning.give(builder, item, &text);
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// A text or number of JSON as text.
fn scalar(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
