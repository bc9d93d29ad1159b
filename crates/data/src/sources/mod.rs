//! Readers: one file per format, each from raw bytes to a [`Log`].
//!
//! [`read`] detects the format of a file or folder and reads it; [`read_bytes`] does the same with
//! files in memory. Every file may be plain, `.gz` or `.zst`; text is UTF-8 with or without a
//! byte-order mark (ISO-8859-1 where a format was published so), line ends are LF or CRLF.
//!
//! # Malformed lines
//! A line with a missing or extra field, an open quote, a value that is not a finite number, a time
//! before 1970 or after 2100, an empty id or bytes that are not text is an error
//! `file:line:column: reason; fix`, or is skipped and counted by its reason under [`OnError::Skip`].
//! Lines and columns are those of the unpacked text; columns are bytes from 1.
//!
//! # Times
//! Times are kept in whole seconds. Numbers may have a fraction, which is dropped, and may be in
//! milli-, micro- or nanoseconds: the magnitude of the first one decides (or
//! [`ReadOptions::time_unit`]), all others must agree, and a note reports the conversion. Tables may
//! also have dates as in ISO 8601.
//!
//! # Metadata
//! Titles become [`Log::titles`], everything else [`Log::fields`] with singular names in lower case:
//! `genre`, `tag` (counted, without case), `maker` (directors, brands, authors), `actor`, `category`,
//! `year`. Items that appear in the metadata of the data set only are kept without events.
//!
//! # Several files
//! [`ReadOptions::files`] names files of one behavior or of one subset of a given split each. Every one
//! may be in another format; metadata beside them is not read, but may be named.

mod adjacency;
mod amazon;
mod builder;
mod chain;
mod columns;
mod dicts;
mod facts;
mod interner;
mod jsonl;
mod lines;
mod meaning;
mod metadata;
mod movielens_100k;
mod movielens_csv;
mod movielens_dat;
mod netflix;
mod numbers;
mod options;
mod parquet;
mod place;
mod recbole;
mod rechorus;
mod records;
mod table;
mod texts;

use std::path::Path;

pub use columns::is_id_column;
pub use numbers::written_date;
pub use options::{
    Column, Columns, Duplicates, EventFile, Format, MetadataSource, OnError, Quote, ReadOptions,
    TimeUnit,
};
pub use place::check_path;
pub use texts::Texts;

pub(crate) use columns::wrong_fields;
pub(crate) use lines::{Flaw, Lines, text};
pub(crate) use numbers::date;
pub(crate) use records::{Quoting, Records};

use crate::{Error, Log, Result};
use builder::Builder;
use place::{Entry, Folder};

/// Bytes of a first line that detection reads.
const PEEK: usize = 1 << 16;

/// Extensions of files that may hold a table of events.
const TABLES: [&str; 6] = ["csv", "tsv", "jsonl", "ndjson", "json", "parquet"];

/// Names of the file of events beside an `items` file.
const EVENTS: [&str; 3] = ["events", "interactions", "ratings"];

/// Reads a data set: a file, or a folder with files of one format. See [`open`](crate::open) for
/// synthetic worlds.
///
/// # Errors
/// [`Error::Io`] where a file cannot be read or unpacked, [`Error::UnknownFormat`] with the files found
/// and the formats tried, [`Error::Line`] at the first malformed line (policy [`OnError::Fail`]),
/// [`Error::Source`] where the data set lacks something, [`Error::Option`] where an option does not
/// fit it.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Log> {
    match options.files.is_empty() {
        true => read_folder(&Folder::on_disk(path)?, options),
        false => read_files(path, options),
    }
}

/// Reads a data set from files in memory, given by their names within the folder (subfolders split
/// by `/`); one file alone is read as a single file. Metadata sources are still read from disk, and
/// [`ReadOptions::files`] does not apply.
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
///     "a.csv:2:4: expected 2 fields, found 1; fix the line, or skip malformed lines with --on-error skip"
/// );
/// # Ok::<(), limpid_data::Error>(())
/// ```
///
/// # Errors
/// As [`read`].
pub fn read_bytes(name: &str, files: &[(&str, &[u8])], options: &ReadOptions) -> Result<Log> {
    read_folder(&Folder::in_memory(name, files), options)
}

/// A format: how it is recognized and read. Each file of this module that reads one defines its
/// `SOURCE`.
struct Source {
    /// The name in options, such as `movielens-dat`.
    name: &'static str,
    /// Whether a folder holds this format, by the names of its files and their first lines.
    in_folder: fn(&Folder<'_>, &ReadOptions) -> Result<bool>,
    /// Whether a single file is in this format, by its name and first line.
    in_file: fn(&Entry<'_>) -> Result<bool>,
    /// Reads the data set.
    read: fn(&Folder<'_>, &mut Builder<'_>) -> Result<()>,
    /// Names of files that hold item metadata and no events; `*` at one end matches anything.
    metadata: &'static [&'static str],
    /// Whether the data set comes with several splits, chosen by [`ReadOptions::given`].
    named_splits: bool,
    /// Whether the columns of events can be chosen; they are fixed in other formats.
    columns: bool,
    /// Whether the separator and the quoting can be chosen.
    separator: bool,
}

impl Source {
    /// What the fields are that a source does not set: it is never recognized and has no metadata.
    const DEFAULT: Self = Self {
        name: "",
        in_folder: |_, _| Ok(false),
        in_file: |_| Ok(false),
        read: |_, _| Ok(()),
        metadata: &[],
        named_splits: false,
        columns: false,
        separator: false,
    };

    /// Refuses options that do not apply to the format.
    fn check(&self, options: &ReadOptions) -> Result<()> {
        let name = self.name;
        if let Some(given) = &options.given
            && !self.named_splits
        {
            return Err(Error::option(
                "--given",
                format!("names the split '{given}', but the format {name} has no named splits"),
                "leave it out; a split that comes with the data is used by --split given",
            ));
        }
        let columns = options.columns.first_option().filter(|_| !self.columns);
        let separator = options.separator.map(|_| "--separator");
        let quote = options.quote.map(|_| "--quote");
        let of_table = separator.or(quote).filter(|_| !self.separator);
        let why = match self.columns {
            true => "has no separators or quotes to choose",
            false => "has fixed columns",
        };
        match columns.or(of_table) {
            Some(option) => Err(Error::option(
                option,
                format!("does not apply: the format {name} {why}"),
                "leave it out, or read the file as a table with --data-format table",
            )),
            None => Ok(()),
        }
    }
}

/// Every format, in the order in which they are tried. To add one, write its file, declare it above
/// and add it here.
static SOURCES: &[Source] = &[
    movielens_100k::SOURCE,
    movielens_dat::SOURCE,
    movielens_csv::SOURCE,
    recbole::SOURCE,
    rechorus::SOURCE,
    netflix::SOURCE,
    dicts::SOURCE,
    adjacency::SOURCE,
    amazon::SOURCE,
    jsonl::SOURCE,
    parquet::SOURCE,
    table::SOURCE,
];

fn read_folder(folder: &Folder<'_>, options: &ReadOptions) -> Result<Log> {
    let source = match options.format {
        Some(format) => named(format),
        None => detect(folder, options)?,
    };
    source.check(options)?;
    let mut builder = Builder::new(options);
    (source.read)(folder, &mut builder)?;
    metadata::join_all(&options.metadata, &mut builder)?;
    let mut log = builder.finish(&folder.path)?;
    log.name = folder.name.clone();
    Ok(log)
}

/// Reads files of one behavior or one subset each; `path` is their folder.
fn read_files(path: &Path, options: &ReadOptions) -> Result<Log> {
    if let Some(given) = &options.given {
        return Err(Error::option(
            "--given",
            format!("names the split '{given}', but the files of the data are named one by one"),
            "leave it out",
        ));
    }
    let names_behaviors = options.files.iter().any(|file| file.behavior.is_some());
    let mut builder = Builder::new(options);
    let mut formats: Vec<String> = Vec::new();
    for file in &options.files {
        let behavior = match (&file.behavior, &options.target_behavior) {
            (None, Some(target)) if names_behaviors => Some(target),
            (None, None) if names_behaviors => {
                return Err(Error::option(
                    "--behavior",
                    format!("does not name the behavior of {}", file.path.display()),
                    "name it with --target-behavior: the files of a split are of the behavior to predict",
                ));
            }
            (own, _) => own.as_ref(),
        };
        let folder = Folder::alone(&file.path)?;
        let source = match options.format {
            Some(format) => named(format),
            None => detect(&folder, options)?,
        };
        source.check(options)?;
        builder.begin_file(behavior.map(String::as_str), file.subset)?;
        (source.read)(&folder, &mut builder)?;
        let format = std::mem::take(&mut builder.report.format);
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    builder.report.format = formats.join(" and ");
    metadata::join_all(&options.metadata, &mut builder)?;
    let mut log = builder.finish(path)?;
    log.name = place::name_of(path);
    Ok(log)
}

/// The source of a format. Formats are made from names of the list only.
fn named(format: Format) -> &'static Source {
    let found = SOURCES.iter().find(|source| source.name == format.name());
    found.unwrap_or_else(|| unreachable!("a format is a name of the list"))
}

/// The format of a folder or file, by names first and first lines second.
fn detect(folder: &Folder<'_>, options: &ReadOptions) -> Result<&'static Source> {
    if let Some(entry) = folder.single() {
        return detect_file(entry, folder);
    }
    for source in SOURCES {
        if (source.in_folder)(folder, options)? {
            return Ok(source);
        }
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
            "name the file with the events, and its format with --data-format",
        ));
    }
    Err(Error::source(
        &folder.path,
        format!("holds item metadata ({}) but no events", items.join(", ")),
        "name the folder with the events, and this one with --metadata",
    ))
}

/// The format of one file.
fn detect_file(entry: &Entry<'_>, folder: &Folder<'_>) -> Result<&'static Source> {
    if is_metadata(entry) && entry.extension() != "parquet" {
        return Err(Error::source(
            &folder.path,
            "holds item metadata but no events",
            "name the file or folder with the events, and this one with --metadata",
        ));
    }
    for source in SOURCES {
        if (source.in_file)(entry)? {
            return Ok(source);
        }
    }
    Err(unknown(folder, "name its format with --data-format"))
}

/// Whether a file is known to hold item metadata, by its name.
fn is_metadata(entry: &Entry<'_>) -> bool {
    let matches = |pattern: &str| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => entry.name.ends_with(end),
        (None, Some(start)) => entry.name.starts_with(start),
        (None, None) => entry.name == pattern,
    };
    let mut patterns = SOURCES.iter().flat_map(|source| source.metadata);
    patterns.any(|pattern| matches(pattern)) || metadata::is_items_table(entry)
}

/// The file of a data set that is one table: the named one, or that of the folder.
fn the_table<'f, 'a>(folder: &'f Folder<'a>) -> Result<&'f Entry<'a>> {
    folder
        .single()
        .or_else(|| table_of(folder))
        .ok_or_else(|| unknown(folder, "name the file itself"))
}

/// The file of events in a folder of tables: `events`, `interactions` or `ratings`, else the only one
/// that is not an item table.
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

/// Reads the `items` file beside a table of events, if a folder was named that has one.
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
        tried: Format::all()
            .map(Format::name)
            .collect::<Vec<_>>()
            .join(", "),
        hint: hint.to_owned(),
    }
}
