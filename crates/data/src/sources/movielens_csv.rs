//! MovieLens 20M and later, "latest" too (GroupLens): `ratings.csv`, `movies.csv` and `tags.csv` with
//! headers, quoted as in RFC 4180. `links.csv` and the genome are not read.

use super::builder::Builder;
use super::columns::plain;
use super::metadata;
use super::options::{Column, Columns};
use super::place::{Entry, Folder};
use super::{PEEK, Source, table};
use crate::{Error, Result};

pub(super) const SOURCE: Source = Source {
    name: "movielens-csv",
    in_folder: |folder, _| folder.get("ratings.csv").map_or(Ok(false), is_ratings),
    in_file: |entry| Ok(entry.name == "ratings.csv" && is_ratings(entry)?),
    read,
    metadata: &["movies.csv", "tags.csv"],
    columns: true,
    separator: true,
    ..Source::DEFAULT
};

/// Whether a file has the header of `ratings.csv`.
fn is_ratings(entry: &Entry<'_>) -> Result<bool> {
    let line = entry.first_line(PEEK)?;
    let line = String::from_utf8_lossy(&line);
    let names: Vec<String> = line.split(',').map(plain).collect();
    Ok(names.starts_with(&["userid", "movieid", "rating"].map(str::to_owned)))
}

/// Reads the set.
fn read(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    let entry = folder.single().or_else(|| folder.get("ratings.csv"));
    let entry = entry.ok_or_else(|| {
        Error::source(
            &folder.path,
            format!("has no ratings.csv; found {}", folder.found()),
            "unpack the whole archive",
        )
    })?;
    builder.report.format = "MovieLens, CSV".to_owned();
    read_events(entry, builder)?;
    items(folder, Some("movieId"), builder)
}

fn read_events(entry: &Entry<'_>, builder: &mut Builder<'_>) -> Result<()> {
    builder.file(&entry.stored);
    let name = |name: &str| Some(Column::Name(name.to_owned()));
    let columns = builder.options.columns.or(Columns {
        user: name("userId"),
        item: name("movieId"),
        value: name("rating"),
        time: name("timestamp"),
        behavior: None,
    });
    let separator = table::separator(entry, builder.options.separator)?;
    let reader = &mut *entry.open()?;
    table::events(reader, &entry.label, separator, &columns, None, builder)
}

/// Reads `movies.csv` and `tags.csv`, if present; `id` names their column of item ids.
pub(super) fn items(
    folder: &Folder<'_>,
    id: Option<&str>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    for name in ["movies.csv", "tags.csv"] {
        if let Some(entry) = folder.get(name) {
            builder.file(&entry.stored);
            let reader = &mut *entry.open()?;
            metadata::table(reader, &entry.label, b',', id, builder)?;
        }
    }
    Ok(())
}
