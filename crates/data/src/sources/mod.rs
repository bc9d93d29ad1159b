//! Readers: one file per format, each from raw bytes to a [`Log`].
//!
//! [`read`] looks at a file or folder, finds out the format and reads it; [`read_bytes`] does the same
//! with files in memory. Every file may be plain, `.gz` or `.zst`; texts are UTF-8 with or without a
//! byte-order mark (ISO-8859-1 where a format was published so), line ends LF or CRLF.
//!
//! # What is refused
//! A line with a missing or extra field, an open quote, a value that is no finite number, a time before
//! 1970 or after 2100, an empty id or bytes that are no text is an error `file:line:column: reason;
//! fix`, or is counted by its reason under [`OnError::Skip`]. The place is that of the unpacked text;
//! columns are bytes from 1.
//!
//! # Times
//! Times are kept in whole seconds. Numbers may have a fraction, which is dropped, and may be in
//! milli-, micro- or nanoseconds: the size of the first one decides ([`ReadOptions::time_unit`] says it
//! otherwise), all others are held to it, and a note tells of the conversion. Tables may also have
//! dates as in ISO 8601.
//!
//! # Metadata
//! Titles become [`Log::titles`], everything else [`Log::fields`] with singular names in lower case:
//! `genre`, `tag` (counted, without case), `maker` (directors, brands, authors), `actor`, `category`,
//! `year`. Items that only the set's own catalogue knows are kept without events.

mod adjacency;
mod amazon;
mod builder;
mod chain;
mod columns;
mod facts;
mod interner;
mod jsonl;
mod lines;
mod meaning;
mod metadata;
mod movielens_100k;
mod movielens_csv;
mod movielens_dat;
mod numbers;
mod options;
mod parquet;
mod place;
mod recbole;
mod rechorus;
mod records;
mod table;

use std::path::Path;

pub use options::{
    Column, Columns, Duplicates, Format, MetadataSource, OnError, ReadOptions, TimeUnit,
};

use crate::{Error, Log, Result};
use builder::Builder;
use place::{Entry, Folder};

/// Bytes of a first line that are looked at.
const PEEK: usize = 1 << 16;

/// Endings of files that may hold a table of events.
const TABLES: [&str; 6] = ["csv", "tsv", "jsonl", "ndjson", "json", "parquet"];

/// Names of the file of events beside an `items` file.
const EVENTS: [&str; 3] = ["events", "interactions", "ratings"];

/// Reads a data set: a file, or a folder with files of one format.
///
/// # Errors
/// [`Error::Io`] where a file cannot be read or unpacked, [`Error::UnknownFormat`] with the files found
/// and the formats tried, [`Error::Line`] at the first bad line (policy [`OnError::Fail`]),
/// [`Error::Source`] where the set lacks something, [`Error::Option`] where an option does not fit it.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Log> {
    read_folder(&Folder::on_disk(path)?, options)
}

/// Reads a data set from files in memory, given by their names within the folder (subfolders split
/// by `/`); one file alone is read as a single file. Metadata sources are still read from disk.
///
/// ```
/// use limpid_data::sources::{ReadOptions, read_bytes};
///
/// let events: &[u8] = b"user,item,rating\nann,alien,5\nbob,alien,3\n";
/// let items: &[u8] = b"item_id,title\nalien,Alien (1979)\n";
/// let log = read_bytes(
///     "films",
///     &[("events.csv", events), ("items.csv", items)],
///     &ReadOptions::default(),
/// )?;
/// assert_eq!(log.n_events(), 2);
/// assert_eq!(log.titles, ["Alien (1979)"]);
///
/// let error = read_bytes("films", &[("a.csv", b"user,item\nann\n")], &ReadOptions::default());
/// assert_eq!(
///     error.unwrap_err().to_string(),
///     "a.csv:2:4: expected 2 fields, found 1; fix the line, or skip bad lines (on_error = skip)"
/// );
/// # Ok::<(), limpid_data::Error>(())
/// ```
///
/// # Errors
/// As [`read`].
pub fn read_bytes(name: &str, files: &[(&str, &[u8])], options: &ReadOptions) -> Result<Log> {
    read_folder(&Folder::in_memory(name, files), options)
}

fn read_folder(folder: &Folder<'_>, options: &ReadOptions) -> Result<Log> {
    let format = match options.format {
        Some(format) => format,
        None => detect(folder, options)?,
    };
    if let Some(given) = &options.given
        && format != Format::MovieLens100k
    {
        return Err(Error::option(
            "given",
            format!("'{given}' names a split, but {format} has no named ones"),
            "leave it out: where the set brings one split along, that one is read",
        ));
    }
    let mut builder = Builder::new(options);
    let table = || {
        folder
            .single()
            .or_else(|| table_of(folder))
            .ok_or_else(|| unknown(folder, "name the file itself"))
    };
    match format {
        Format::MovieLens100k => movielens_100k::read(folder, &mut builder)?,
        Format::MovieLensDat => movielens_dat::read(folder, &mut builder)?,
        Format::MovieLensCsv => movielens_csv::read(folder, &mut builder)?,
        Format::RecBole => recbole::read(folder, &mut builder)?,
        Format::ReChorus => rechorus::read(folder, &mut builder)?,
        Format::Adjacency => adjacency::read(folder, &mut builder)?,
        Format::Amazon => amazon::read(table()?, &mut builder)?,
        Format::Table => table::read(folder, table()?, &mut builder)?,
        Format::JsonLines => jsonl::read(folder, table()?, &mut builder)?,
        Format::Parquet => parquet::read(folder, table()?, &mut builder)?,
    }
    for source in &options.metadata {
        metadata::join(source, &mut builder)?;
    }
    let mut log = builder.finish(&folder.path)?;
    log.name = folder.name.clone();
    Ok(log)
}

/// The format of a folder or file, by names first and first lines second.
fn detect(folder: &Folder<'_>, options: &ReadOptions) -> Result<Format> {
    if let Some(entry) = folder.single() {
        return detect_file(entry, folder);
    }
    if movielens_100k::is_here(folder, options.given.as_deref()) {
        return Ok(Format::MovieLens100k);
    }
    if folder.get("ratings.dat").is_some() {
        return Ok(Format::MovieLensDat);
    }
    if let Some(ratings) = folder.get("ratings.csv")
        && movielens_csv::is_ratings(&ratings.first_line(PEEK)?)
    {
        return Ok(Format::MovieLensCsv);
    }
    if recbole::is_here(folder) {
        return Ok(Format::RecBole);
    }
    if rechorus::is_here(folder)? {
        return Ok(Format::ReChorus);
    }
    if adjacency::is_here(folder) {
        return Ok(Format::Adjacency);
    }
    if let Some(entry) = table_of(folder) {
        return detect_file(entry, folder);
    }
    let items: Vec<&str> = folder
        .top()
        .filter(|e| is_metadata(e))
        .map(|e| e.stored.as_str())
        .collect();
    if items.is_empty() {
        return Err(unknown(
            folder,
            "name the file with the events, and its format if it is not told by its name",
        ));
    }
    Err(Error::source(
        &folder.path,
        format!("holds item metadata ({}) but no events", items.join(", ")),
        "name the folder with the events, and this one as metadata",
    ))
}

/// The format of one file.
fn detect_file(entry: &Entry<'_>, folder: &Folder<'_>) -> Result<Format> {
    if entry.name == "u.data" {
        return Ok(Format::MovieLens100k);
    }
    if is_metadata(entry) && entry.extension() != "parquet" {
        return Err(Error::source(
            &folder.path,
            "holds item metadata but no events",
            "name the file or folder with the events, and this one as metadata",
        ));
    }
    let first = match entry.extension().as_str() {
        "inter" => return Ok(Format::RecBole),
        "parquet" => return Ok(Format::Parquet),
        _ => entry.first_line(PEEK)?,
    };
    Ok(match entry.extension().as_str() {
        _ if amazon::is_review(&first) => Format::Amazon,
        _ if first.starts_with(b"{") => Format::JsonLines,
        "csv" if entry.name == "ratings.csv" && movielens_csv::is_ratings(&first) => {
            Format::MovieLensCsv
        }
        "dat" if first.windows(2).filter(|w| w == b"::").count() == 3 => Format::MovieLensDat,
        _ => Format::Table,
    })
}

/// Whether a file is known to hold item metadata, by its name.
fn is_metadata(entry: &Entry<'_>) -> bool {
    [
        "u.item",
        "movies.dat",
        "tags.dat",
        "movies.csv",
        "tags.csv",
        "movies_extrainfos.dat",
    ]
    .contains(&entry.name.as_str())
        || ["item", "kg", "link"].contains(&entry.extension().as_str())
        || entry.name.starts_with("item_meta")
        || metadata::is_items_table(entry)
}

/// The file of events of a folder of tables: `events`, `interactions` or `ratings`, else the only one
/// that is no item table.
fn table_of<'f, 'a>(folder: &'f Folder<'a>) -> Option<&'f Entry<'a>> {
    let tables: Vec<&Entry<'a>> = folder
        .top()
        .filter(|e| TABLES.contains(&e.extension().as_str()) && !is_metadata(e))
        .collect();
    let named = tables.iter().find(|e| {
        let stem = e.name.rsplit_once('.').map_or("", |(stem, _)| stem);
        EVENTS.contains(&stem)
    });
    match (named, &tables[..]) {
        (Some(named), _) => Some(named),
        (None, [one]) => Some(one),
        _ => None,
    }
}

/// Reads the `items` file beside a table of events, where a folder was named that has one.
fn items_beside(folder: &Folder<'_>, events: &Entry<'_>, builder: &mut Builder<'_>) -> Result<()> {
    if folder.single().is_some() {
        return Ok(());
    }
    let items = folder
        .top()
        .find(|e| metadata::is_items_table(e) && e.name != events.name);
    match items {
        Some(entry) => metadata::one_file(folder, entry, None, builder),
        None => Ok(()),
    }
}

fn unknown(folder: &Folder<'_>, hint: &str) -> Error {
    Error::UnknownFormat {
        path: folder.path.clone(),
        found: folder.found(),
        tried: Format::ALL.map(Format::name).join(", "),
        hint: hint.to_owned(),
    }
}
