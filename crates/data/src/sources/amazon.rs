//! Amazon reviews as J. McAuley (UCSD) publishes them: one JSON object a line with `reviewerID`,
//! `asin`, `overall` (stars) and `unixReviewTime` (seconds). Review texts are not kept.

use super::builder::Builder;
use super::jsonl;
use super::options::{Column, Columns};
use super::place::Folder;
use super::{PEEK, Source, the_table};
use crate::Result;

pub(super) const SOURCE: Source = Source {
    name: "amazon",
    in_file: |entry| Ok(entry.extension() != "parquet" && is_review(&entry.first_line(PEEK)?)),
    read,
    columns: true,
    ..Source::DEFAULT
};

/// Whether a first line is one of such a file.
fn is_review(first_line: &[u8]) -> bool {
    let has = |key: &[u8]| first_line.windows(key.len()).any(|w| w == key);
    first_line.starts_with(b"{") && has(b"\"reviewerID\"") && has(b"\"asin\"")
}

/// Reads a file of reviews.
fn read(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    let entry = the_table(folder)?;
    builder.report.format = "Amazon reviews".to_owned();
    builder.file(&entry.stored);
    let name = |name: &str| Some(Column::Name(name.to_owned()));
    let columns = builder.options.columns.or(Columns {
        user: name("reviewerID"),
        item: name("asin"),
        value: name("overall"),
        time: name("unixReviewTime"),
        behavior: None,
    });
    jsonl::events(&mut *entry.open()?, &entry.label, &columns, builder)
}
