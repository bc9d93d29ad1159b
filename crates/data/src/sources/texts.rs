//! Texts of events: reviews, by user and item, read apart from the events because only few models need them.

use std::collections::HashMap;
use std::path::Path;

use limpid_core::{Catalogue, Histories, ItemIdx, Review, UserIdx};
use serde_json::Value;

use super::lines::{Flaw, Lines, text};
use super::place::Folder;
use super::records::Records;
use super::{OnError, ReadOptions, table, the_table};
use crate::error::did_you_mean;
use crate::{Error, ReadColumn, Result, synthetic};

/// Columns of texts that are known: of Amazon's and Yelp's reviews, and common ones.
const KNOWN: [&str; 7] = [
    "summary",
    "reviewText",
    "text",
    "review",
    "review_text",
    "comment",
    "title",
];

/// The longest text that is kept, in bytes.
const LONGEST: usize = 20_000;

/// The text of each pair of a user and an item that has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    of: HashMap<(UserIdx, ItemIdx), String>,
    /// The columns that were joined.
    pub columns: Vec<String>,
}

impl Texts {
    /// Reads the texts of a table of events: JSON Lines (as Amazon's and Yelp's reviews are), CSV or TSV with a header, also
    /// compressed. `events` are the columns of the events as they were [reported](crate::ReadReport::columns);
    /// `columns` are those of the texts, joined in their order; none: those that are known. Of several texts of a pair the
    /// last is kept, as of several events. Users and items that the catalogue does not have are left out.
    ///
    /// # Errors
    /// [`Error::Option`] or [`Error::UnknownFormat`] if the data have no texts that can be read: no column is known, the
    /// format has none, there is not one table, or the events are generated or in files named one by one;
    /// [`Error::Unknown`] if a column does not exist; and as reading events.
    pub fn read(
        path: &Path,
        options: &ReadOptions,
        events: &[ReadColumn],
        columns: &[String],
        catalogue: &Catalogue,
    ) -> Result<Self> {
        if !options.files.is_empty() {
            return Err(Error::option(
                "--text-column",
                "is read from one table, but the files of events are named one by one",
                "write the events with their texts as one table, and name it with --data",
            ));
        }
        if synthetic::Config::named(path)?.is_some() {
            return Err(Error::option(
                "--text-column",
                "needs texts, but generated events have none",
                "name data with texts by --data",
            ));
        }
        let folder = Folder::on_disk(path)?;
        let entry = the_table(&folder)?;
        let first = entry.first_line(super::PEEK)?;
        let mut texts = Reading {
            catalogue,
            events,
            wanted: columns,
            columns: None,
            texts: Self::default(),
        };
        if entry.extension() == "parquet" {
            return Err(Error::option(
                "--text-column",
                "is read from JSON Lines, CSV and TSV, not from Parquet",
                "write the table as JSON Lines",
            ));
        }
        let mut reader = entry.open()?;
        let mut lines = Lines::new(&mut *reader, &entry.label);
        if first.starts_with(b"{") {
            while lines.advance_to_text()? {
                // Malformed lines were reported when the events were read.
                if let Ok(Value::Object(record)) = serde_json::from_slice(lines.current()) {
                    let names: Vec<String> = record.keys().cloned().collect();
                    let cell = |name: &str| match record.get(name) {
                        Some(Value::String(text)) => Ok(text.clone()),
                        Some(Value::Number(number)) => Ok(number.to_string()),
                        _ => Ok(String::new()),
                    };
                    texts.find(&names)?;
                    let added = texts.add(&cell);
                    added.map_err(|flaw| flaw.into_error(&entry.label, lines.number()))?;
                }
            }
        } else {
            let separator = table::separator(entry, options.separator)?;
            let quoting = table::quoting(separator, options);
            let mut records = Records::new(lines, separator, quoting);
            let names = table::header(&mut records)?.unwrap_or_default();
            texts.find(&names)?;
            while let Some(record) = records.advance()? {
                let cell = |name: &str| {
                    let at = names.iter().position(|n| n == name);
                    match at.and_then(|at| records.cell(at)) {
                        Some(cell) => Ok(text(cell, false)?.into_owned()),
                        None => Ok(String::new()),
                    }
                };
                match record.and_then(|()| texts.add(&cell)) {
                    Ok(()) => {}
                    // Records of which the events were skipped.
                    Err(_) if options.on_error == OnError::Skip => {}
                    Err(flaw) => {
                        let (line, flaw) = records.place(flaw);
                        return Err(flaw.into_error(records.label(), line));
                    }
                }
            }
        }
        let columns = texts.columns.map(|c| c.texts).unwrap_or_default();
        Ok(Self {
            columns,
            ..texts.texts
        })
    }

    /// The text of a pair.
    #[must_use]
    pub fn get(&self, user: UserIdx, item: ItemIdx) -> Option<&str> {
        self.of.get(&(user, item)).map(String::as_str)
    }

    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// The texts of training events, in the order of the histories: what profiles of users and items may be made of. No
    /// text of a held-out event is among them.
    #[must_use]
    pub fn of_training<'t>(&'t self, train: &Histories) -> Vec<Review<'t>> {
        let mut all = Vec::new();
        for row in train.rows() {
            let Some(user) = row.user else { continue };
            for event in row.events() {
                if let Some(text) = self.get(user, event.item) {
                    all.push(Review {
                        user,
                        item: event.item,
                        value: event.value,
                        text,
                    });
                }
            }
        }
        all
    }
}

/// The names of the columns that are read.
struct Columns {
    user: String,
    item: String,
    texts: Vec<String>,
}

struct Reading<'a> {
    catalogue: &'a Catalogue,
    events: &'a [ReadColumn],
    wanted: &'a [String],
    /// Known with the header, or the first record.
    columns: Option<Columns>,
    texts: Texts,
}

impl Reading<'_> {
    /// Finds the columns among their names, once.
    fn find(&mut self, names: &[String]) -> Result<()> {
        if self.columns.is_none() {
            self.columns = Some(columns(names, self.events, self.wanted)?);
        }
        Ok(())
    }

    /// Adds the text of a record.
    fn add(
        &mut self,
        cell: &dyn Fn(&str) -> std::result::Result<String, Flaw>,
    ) -> std::result::Result<(), Flaw> {
        let Some(columns) = &self.columns else {
            return Ok(());
        };
        let user = self.catalogue.users.get(cell(&columns.user)?.trim());
        let item = self.catalogue.items.get(cell(&columns.item)?.trim());
        let (Some(user), Some(item)) = (user, item) else {
            return Ok(());
        };
        let mut texts = Vec::new();
        for name in &columns.texts {
            texts.push(cell(name)?);
        }
        texts.retain(|text| !text.trim().is_empty());
        let mut text = texts.join("\n");
        if text.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|&at| text.is_char_boundary(at));
            text.truncate(end.unwrap_or(0));
        }
        if !text.is_empty() {
            self.texts.of.insert((UserIdx(user), ItemIdx(item)), text);
        }
        Ok(())
    }
}

fn columns(names: &[String], events: &[ReadColumn], wanted: &[String]) -> Result<Columns> {
    let of = |meaning: &str| {
        let column = events.iter().find(|c| c.meaning == meaning);
        column.map(|c| c.name.clone()).ok_or_else(|| {
            Error::option(
                "--text-column",
                "needs a table with named columns of users and items",
                "write the data as JSON Lines, or as CSV with a header",
            )
        })
    };
    let has = |name: &str| names.iter().any(|n| n == name);
    let texts: Vec<String> = match wanted {
        [] => KNOWN
            .iter()
            .filter(|n| has(n))
            .map(|&n| n.to_owned())
            .collect(),
        wanted => {
            if let Some(missing) = wanted.iter().find(|n| !has(n)) {
                return Err(Error::Unknown {
                    what: "column of texts",
                    value: missing.clone(),
                    hint: did_you_mean(missing, names.iter().map(String::as_str)),
                });
            }
            wanted.to_vec()
        }
    };
    if texts.is_empty() {
        return Err(Error::option(
            "--text-column",
            format!(
                "is needed: none of the columns {} is a known one of texts",
                names.join(", ")
            ),
            "name it, such as --text-column review",
        ));
    }
    Ok(Columns {
        user: of("user")?,
        item: of("item")?,
        texts,
    })
}
