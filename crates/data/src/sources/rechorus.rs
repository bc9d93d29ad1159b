//! ReChorus (<https://github.com/THUwangcy/ReChorus>): `train.csv`, `dev.csv` and `test.csv`, split by
//! tabs, with a header `user_id item_id time`; `neg_items`, sampled negatives, are not read. Times are
//! seconds, sometimes with a fraction. `item_meta*.csv` holds item attributes (`i_…`) and relations
//! (`r_…`), lists in brackets.

use super::Source;
use super::builder::Builder;
use super::columns::plain;
use super::metadata;
use super::place::Folder;
use super::table;
use crate::log::GivenSubset;
use crate::{Error, Result};

pub(super) const SOURCE: Source = Source {
    name: "rechorus",
    in_folder: |folder, _| is_here(folder),
    read,
    metadata: &["item_meta*"],
    columns: true,
    separator: true,
    ..Source::DEFAULT
};

/// Reads the set with its given split.
fn read(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    builder.report.format = "ReChorus".to_owned();
    if folder.get("train.csv").is_none() {
        return Err(Error::source(
            &folder.path,
            format!("has no train.csv; found {}", folder.found()),
            "there is nothing to learn from without it; add it, or read one of the files as a table",
        ));
    }
    for (name, part) in [
        ("train.csv", GivenSubset::Train),
        ("dev.csv", GivenSubset::Validation),
        ("test.csv", GivenSubset::Test),
    ] {
        if let Some(entry) = folder.get(name) {
            builder.file(&entry.stored);
            let separator = table::separator(entry, builder.options.separator)?;
            let columns = builder.options.columns.clone();
            let reader = &mut *entry.open()?;
            table::events(
                reader,
                &entry.label,
                separator,
                &columns,
                Some(part),
                builder,
            )?;
        }
    }
    items(folder, builder)
}

/// Whether the folder holds such a set: two of its files, of which one has its header.
fn is_here(folder: &Folder<'_>) -> Result<bool> {
    let files: Vec<_> = ["train.csv", "dev.csv", "test.csv"]
        .iter()
        .filter_map(|name| folder.get(name))
        .collect();
    if files.len() < 2 {
        return Ok(false);
    }
    let first = files[0].first_line(1 << 12)?;
    let header = String::from_utf8_lossy(&first).into_owned();
    let names: Vec<String> = header.split(['\t', ',']).map(plain).collect();
    Ok(names.iter().any(|n| n == "userid") && names.iter().any(|n| n == "itemid"))
}

/// Reads `item_meta*.csv`, if present.
pub(super) fn items(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    for entry in folder.top() {
        if entry.name.starts_with("item_meta") && entry.extension() == "csv" {
            builder.file(&entry.stored);
            let separator = table::separator(entry, None)?;
            let reader = &mut *entry.open()?;
            metadata::table(reader, &entry.label, separator, Some("item_id"), builder)?;
        }
    }
    Ok(())
}
