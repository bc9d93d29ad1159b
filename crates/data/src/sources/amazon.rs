//! Amazon reviews as J. McAuley (UCSD) publishes them: one JSON object a line with `reviewerID`,
//! `asin`, `overall` (stars) and `unixReviewTime` (seconds). Review texts are not kept.

use super::builder::Builder;
use super::jsonl;
use super::options::{Column, Columns};
use super::place::Entry;
use crate::Result;

/// Whether a first line is one of such a file.
pub(super) fn is_review(first_line: &[u8]) -> bool {
    let has = |key: &[u8]| first_line.windows(key.len()).any(|w| w == key);
    first_line.starts_with(b"{") && has(b"\"reviewerID\"") && has(b"\"asin\"")
}

/// Reads a file of reviews.
pub(super) fn read(entry: &Entry<'_>, builder: &mut Builder<'_>) -> Result<()> {
    builder.report.format = "Amazon reviews".to_owned();
    builder.file(&entry.stored);
    let name = |name: &str| Some(Column::Name(name.to_owned()));
    let columns = Columns {
        user: name("reviewerID"),
        item: name("asin"),
        value: name("overall"),
        time: name("unixReviewTime"),
        behavior: None,
    };
    jsonl::events(&mut *entry.open()?, &entry.label, &columns, builder)
}
