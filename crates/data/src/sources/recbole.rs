//! RecBole atomic files (<https://recbole.io/docs/user_guide/data/atomic_files.html>): tab-separated,
//! with a header of `name:type`. `name.inter` holds the events, `name.item` the items, `name.kg` facts
//! about entities that `name.link` ties to items. Benchmark files `name.train.inter`,
//! `name.valid.inter` and `name.test.inter` are a given split.
//!
//! There is no quoting; lists (`token_seq`) are split by spaces.

use std::collections::HashMap;
use std::io::BufRead;

use super::Source;
use super::builder::{Builder, Draft, Moment};
use super::columns::{Layout, item_id, wrong_fields};
use super::lines::{Cell, Flaw, Lines, text};
use super::meaning::Meaning;
use super::options::Columns;
use super::place::{Entry, Folder};
use crate::log::GivenSubset;
use crate::{Error, Result};

/// Subsets of a given split by the middle of a file's name.
const SUBSETS: [(&str, GivenSubset); 4] = [
    (".train", GivenSubset::Train),
    (".valid", GivenSubset::Validation),
    (".validation", GivenSubset::Validation),
    (".test", GivenSubset::Test),
];

pub(super) const SOURCE: Source = Source {
    name: "recbole",
    in_folder: |folder, _| Ok(folder.top().any(is_events)),
    in_file: |entry| Ok(is_events(entry)),
    read,
    metadata: &["*.item", "*.kg", "*.link"],
    columns: true,
    ..Source::DEFAULT
};

fn is_events(entry: &Entry<'_>) -> bool {
    entry.extension() == "inter"
}

/// Reads a folder, or the files beside a named one.
fn read(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    builder.report.format = "RecBole atomic files".to_owned();
    let files: Vec<&Entry<'_>> = match folder.single() {
        Some(one) => vec![one],
        None => folder.top().filter(|e| is_events(e)).collect(),
    };
    let stem = |e: &Entry<'_>| e.name.strip_suffix(".inter").unwrap_or(&e.name).to_owned();
    let part = |e: &Entry<'_>| {
        let stem = stem(e);
        SUBSETS
            .iter()
            .find_map(|&(end, part)| Some((stem.strip_suffix(end)?.to_owned(), part)))
    };
    let split: Vec<_> = files.iter().filter_map(|e| Some((*e, part(e)?))).collect();
    let whole: Vec<_> = files.iter().filter(|e| part(e).is_none()).collect();
    let name = match (&whole[..], &split[..]) {
        ([one], _) => {
            read_events(one, None, builder)?;
            stem(one)
        }
        ([], [(_, (name, _)), ..]) if split.iter().all(|(_, (n, _))| n == name) => {
            let has_split = split.len() > 1;
            for (entry, (_, part)) in &split {
                read_events(entry, has_split.then_some(*part), builder)?;
            }
            name.clone()
        }
        _ => {
            return Err(Error::source(
                &folder.path,
                format!("must hold one .inter file, but holds {}", folder.found()),
                "name the .inter file itself",
            ));
        }
    };
    if let Some(entry) = folder.get(&format!("{name}.item")) {
        builder.file(&entry.stored);
        items(&mut *entry.open()?, &entry.label, None, builder)?;
    }
    Ok(())
}

fn read_events(
    entry: &Entry<'_>,
    part: Option<GivenSubset>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    builder.file(&entry.stored);
    let columns = builder.options.columns.clone();
    events(&mut *entry.open()?, &entry.label, &columns, part, builder)
}

/// Reads an `.inter` stream.
pub(super) fn events(
    reader: &mut dyn BufRead,
    label: &str,
    columns: &Columns,
    part: Option<GivenSubset>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let mut lines = Lines::new(reader, label);
    let Some(header) = header(&mut lines)? else {
        return Ok(());
    };
    let layout = Layout::of(&header, columns, label)?;
    builder.columns(&layout, &header);
    while lines.advance_to_text()? {
        let outcome = row(lines.current(), header.len()).and_then(|cells| {
            let behavior = match layout.behavior {
                None => 0,
                Some(at) => builder.behavior(&text(cells[at].trim(), false)?)?,
            };
            builder.event(&Draft {
                user: cells[layout.user],
                item: cells[layout.item],
                value: layout.value.map(|at| cells[at]),
                time: layout.time.map(|at| Moment::Text(cells[at])),
                behavior,
                part,
            })
        });
        builder.settle(label, lines.number(), outcome)?;
    }
    Ok(())
}

/// The names and types of the columns; `None` where the stream is empty.
fn header(lines: &mut Lines<'_>) -> Result<Option<Vec<String>>> {
    if !lines.advance_to_text()? {
        return Ok(None);
    }
    let line = Cell {
        text: lines.current(),
        at: 0,
    };
    let line = text(line, false).map_err(|flaw| flaw.into_error(lines.label(), lines.number()))?;
    let header: Vec<String> = line.split('\t').map(|h| h.trim().to_owned()).collect();
    if !header.iter().any(|h| h.contains(':')) {
        return Err(Flaw::new(
            0,
            "no header",
            "the first line of an atomic file must name its columns as name:type, separated by tabs",
        )
        .hint("add it, for example user_id:token<TAB>item_id:token")
        .into_error(lines.label(), lines.number()));
    }
    Ok(Some(header))
}

/// The cells of a row.
fn row(line: &[u8], expected: usize) -> std::result::Result<Vec<Cell<'_>>, Flaw> {
    let mut at = 0;
    let mut cells = Vec::with_capacity(expected);
    for text in line.split(|&b| b == b'\t') {
        cells.push(Cell { text, at });
        at += text.len() + 1;
    }
    if cells.len() == expected {
        Ok(cells)
    } else {
        Err(wrong_fields(cells.len(), expected, cells.last().copied()))
    }
}

/// Reads an `.item` stream: a column with `title` in its name is the title, tokens become fields;
/// numbers (`float`) are left out, except for a year.
pub(super) fn items(
    reader: &mut dyn BufRead,
    label: &str,
    id: Option<&str>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let mut lines = Lines::new(reader, label);
    let Some(header) = header(&mut lines)? else {
        return Ok(());
    };
    let untyped = |h: &String| h.split(':').next().unwrap_or_default().to_owned();
    let at = match id {
        Some(name) => header.iter().position(|h| untyped(h) == name || h == name),
        None => item_id(&header),
    };
    let Some(at) = at else {
        return Err(Error::source(
            label,
            format!("no column of item ids among: {}", header.join(", ")),
            "name it after the path, as FILE:COLUMN",
        ));
    };
    let columns: Vec<(usize, bool, Meaning)> = header
        .iter()
        .enumerate()
        .filter(|&(column, _)| column != at)
        .filter_map(|(column, name)| {
            let kind = name.rsplit(':').next().unwrap_or_default();
            let meaning = Meaning::of(name);
            let number = kind.starts_with("float") && meaning != Meaning::Year;
            (!number).then_some((column, kind == "token_seq", meaning))
        })
        .collect();
    while lines.advance_to_text()? {
        let outcome = row(lines.current(), header.len()).and_then(|cells| {
            let Some(item) = builder.item(cells[at])? else {
                return Ok(());
            };
            for (column, list, meaning) in &columns {
                let value = text(cells[*column], false)?;
                if *list && *meaning != Meaning::Title {
                    for value in value.split(' ') {
                        meaning.give(builder, item, value);
                    }
                } else {
                    meaning.give(builder, item, &value);
                }
            }
            Ok(())
        });
        builder.settle(label, lines.number(), outcome)?;
    }
    Ok(())
}

/// Reads facts about entities (`.kg`) for the items that `.link` ties to them.
///
/// A fact is `head relation tail`, with relations such as `film.film.actor` (domain, type and
/// property, as in Freebase). Where the item is the head, the last part of the relation is the
/// field and the tail its value (`actor`); where it is the tail only, the middle part is the field
/// and the head its value (`film.producer.film` gives `producer`). A relation without dots is
/// itself the field. Values are entity ids, so a field that the items have already with names
/// (`genre`) is left as it is.
pub(super) fn facts(link: &Entry<'_>, kg: &Entry<'_>, builder: &mut Builder<'_>) -> Result<()> {
    let named = builder.field_names();
    builder.file(&link.stored);
    let mut items_of: HashMap<String, Vec<u32>> = HashMap::new();
    table(
        link,
        ["item_id", "entity_id"],
        builder,
        |builder, [item, entity]| {
            if let Some(item) = builder.item(item)? {
                let entity = text(entity.trim(), false)?.into_owned();
                items_of.entry(entity).or_default().push(item);
            }
            Ok(())
        },
    )?;
    builder.file(&kg.stored);
    let columns = ["head_id", "relation_id", "tail_id"];
    table(kg, columns, builder, |builder, [head, relation, tail]| {
        let (head, tail) = (text(head.trim(), false)?, text(tail.trim(), false)?);
        let relation = text(relation.trim(), false)?.to_lowercase();
        let mut parts = relation.rsplit('.');
        let property = parts.next().unwrap_or_default();
        let kind = parts.next().unwrap_or(property);
        let (items, field, value) = match (items_of.get(&*head), items_of.get(&*tail)) {
            (Some(items), _) => (items, property, &tail),
            (None, Some(items)) => (items, kind, &head),
            (None, None) => return Ok(()),
        };
        if field.is_empty() || named.iter().any(|n| n == field) {
            return Ok(());
        }
        for &item in items {
            builder.fact(field, item, value);
        }
        Ok(())
    })
}

/// Reads the named columns of an atomic file.
fn table<const N: usize>(
    entry: &Entry<'_>,
    names: [&str; N],
    builder: &mut Builder<'_>,
    mut each: impl FnMut(&mut Builder<'_>, [Cell<'_>; N]) -> std::result::Result<(), Flaw>,
) -> Result<()> {
    let mut reader = entry.open()?;
    let mut lines = Lines::new(&mut *reader, &entry.label);
    let Some(header) = header(&mut lines)? else {
        return Ok(());
    };
    let mut at = [0; N];
    for (at, name) in at.iter_mut().zip(names) {
        let found = header
            .iter()
            .position(|h| h.split(':').next() == Some(name));
        *at = found.ok_or_else(|| {
            Error::source(
                &entry.label,
                format!("has no column '{name}' among: {}", header.join(", ")),
                format!("name the column {name}:token"),
            )
        })?;
    }
    while lines.advance_to_text()? {
        let outcome = row(lines.current(), header.len())
            .and_then(|cells| each(builder, at.map(|at| cells[at])));
        builder.settle(&entry.label, lines.number(), outcome)?;
    }
    Ok(())
}
