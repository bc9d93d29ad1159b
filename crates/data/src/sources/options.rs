//! How to read: everything a caller may say about a data set before it is opened.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How to read a data set. The default guesses the format, stops at the first bad line and keeps
/// the last of equal events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadOptions {
    /// The format; `None` looks at the names and first lines of the files.
    pub format: Option<Format>,
    /// The columns of a table.
    pub columns: Columns,
    /// The character between the fields of a table; `None` looks at its first line.
    pub separator: Option<char>,
    /// The split that the set brings along, where it has several: `u1` … `u5`, `ua`, `ub`.
    pub given: Option<String>,
    /// Item metadata from elsewhere, joined by item id.
    pub metadata: Vec<MetadataSource>,
    /// What to do with a bad line.
    pub on_error: OnError,
    /// What to do with events of the same user, item and behavior.
    pub duplicates: Duplicates,
    /// The unit of times; `None` decides by the size of the first one.
    pub time_unit: Option<TimeUnit>,
    /// The behaviors in the order of their chain; `None` knows the usual names.
    pub behaviors: Option<Vec<String>>,
    /// The behavior that is recommended for; `None` takes the last of the chain.
    pub target_behavior: Option<String>,
}

/// A format of data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// MovieLens 100K: `u.data`, `u.item`, `u.genre`, `u1.base` …
    #[serde(rename = "movielens-100k")]
    MovieLens100k,
    /// MovieLens 1M and 10M: `ratings.dat`, `movies.dat`, fields split by `::`.
    #[serde(rename = "movielens-dat")]
    MovieLensDat,
    /// MovieLens 20M and later: `ratings.csv`, `movies.csv`, `tags.csv`.
    #[serde(rename = "movielens-csv")]
    MovieLensCsv,
    /// RecBole atomic files: `name.inter`, `name.item`.
    #[serde(rename = "recbole")]
    RecBole,
    /// ReChorus: `train.csv`, `dev.csv`, `test.csv`, `item_meta.csv`.
    #[serde(rename = "rechorus")]
    ReChorus,
    /// Adjacency lists: `user item item …`.
    Adjacency,
    /// Amazon reviews: one JSON object a line with `reviewerID` and `asin`.
    Amazon,
    /// A table with a separator: CSV, TSV.
    Table,
    /// A table of one JSON object a line.
    #[serde(rename = "jsonl")]
    JsonLines,
    /// A Parquet file.
    Parquet,
}

impl Format {
    /// Every format, in the order in which a folder is tried.
    pub const ALL: [Self; 10] = [
        Self::MovieLens100k,
        Self::MovieLensDat,
        Self::MovieLensCsv,
        Self::RecBole,
        Self::ReChorus,
        Self::Adjacency,
        Self::Amazon,
        Self::Table,
        Self::JsonLines,
        Self::Parquet,
    ];

    /// The written name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MovieLens100k => "movielens-100k",
            Self::MovieLensDat => "movielens-dat",
            Self::MovieLensCsv => "movielens-csv",
            Self::RecBole => "recbole",
            Self::ReChorus => "rechorus",
            Self::Adjacency => "adjacency",
            Self::Amazon => "amazon",
            Self::Table => "table",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|f| f.name() == text)
            .ok_or_else(|| {
                Error::option(
                    "format",
                    format!("'{text}' is not known"),
                    format!("it is one of {}", Self::ALL.map(Self::name).join(", ")),
                )
            })
    }
}

/// The columns of a table; what is `None` is guessed from the header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// The user ids.
    pub user: Option<Column>,
    /// The item ids.
    pub item: Option<Column>,
    /// The rating or weight.
    pub value: Option<Column>,
    /// The time.
    pub time: Option<Column>,
    /// The behavior.
    pub behavior: Option<Column>,
}

/// A column of a table, by the name in its header or by its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// Its number, from 1. A table whose columns are given by number need not have a header.
    Number(usize),
    /// Its name in the header; upper and lower case are the same unless two names differ in
    /// nothing else.
    Name(String),
}

impl FromStr for Column {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.parse::<usize>() {
            Ok(0) => Err(Error::option(
                "a column",
                "has the number 0",
                "columns are counted from 1",
            )),
            Ok(n) => Ok(Self::Number(n)),
            Err(_) if text.trim().is_empty() => Err(Error::option(
                "a column",
                "has an empty name",
                "give its name in the header, or its number from 1",
            )),
            Err(_) => Ok(Self::Name(text.to_owned())),
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A file or folder with item metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataSource {
    /// The file or folder.
    pub path: PathBuf,
    /// The column that holds the item ids of the events, for tables; guessed where `None`.
    #[serde(default)]
    pub column: Option<String>,
}

impl FromStr for MetadataSource {
    type Err = Error;

    /// Reads `FILE`, `DIR` or `FILE:COLUMN`. A colon before a slash, or after a single letter (a
    /// Windows drive), belongs to the path.
    fn from_str(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(Error::option(
                "metadata",
                "is empty",
                "give a file or folder, such as movies.csv or movies.csv:movieId",
            ));
        }
        let (path, column) = match text.rsplit_once(':') {
            Some((path, column))
                if path.len() > 1 && !column.is_empty() && !column.contains(['/', '\\']) =>
            {
                (path, Some(column.to_owned()))
            }
            _ => (text, None),
        };
        Ok(Self {
            path: PathBuf::from(path),
            column,
        })
    }
}

/// What to do with a bad line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// Stop at the first with its place, the rule and the fix.
    #[default]
    Fail,
    /// Leave it out and count it by reason in the report.
    Skip,
}

/// What to do with events of the same user, item and behavior (and part of a given split).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// Keep the last by time (by file order without times or at equal times).
    #[default]
    Last,
    /// Keep the last, with the sum of all values (each counts 1 where there are none).
    Sum,
    /// Keep the event with the largest value, the last of them where several have it.
    Max,
    /// Refuse them.
    Error,
}

/// The unit of times since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Millionths of a second.
    Microseconds,
    /// Billionths of a second.
    Nanoseconds,
}

impl TimeUnit {
    /// How many there are in a second.
    #[must_use]
    pub fn per_second(self) -> i64 {
        match self {
            Self::Seconds => 1,
            Self::Milliseconds => 1_000,
            Self::Microseconds => 1_000_000,
            Self::Nanoseconds => 1_000_000_000,
        }
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        })
    }
}

/// Reads the written names of an option's values.
macro_rules! from_names {
    ($type:ty, $option:literal, $($name:literal => $value:expr),+) => {
        impl FromStr for $type {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                match text {
                    $($name => Ok($value),)+
                    _ => Err(Error::option(
                        $option,
                        format!("'{text}' is not known"),
                        concat!("it is one of" $(, " ", $name)+),
                    )),
                }
            }
        }
    };
}

from_names!(OnError, "on_error", "fail" => Self::Fail, "skip" => Self::Skip);
from_names!(
    Duplicates, "duplicates",
    "last" => Self::Last, "sum" => Self::Sum, "max" => Self::Max, "error" => Self::Error
);
from_names!(
    TimeUnit, "time_unit",
    "seconds" => Self::Seconds, "milliseconds" => Self::Milliseconds,
    "microseconds" => Self::Microseconds, "nanoseconds" => Self::Nanoseconds
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_options_are_read() {
        for format in Format::ALL {
            assert_eq!(format.name().parse::<Format>().unwrap(), format);
            let json = serde_json::to_string(&format).unwrap();
            assert_eq!(json, format!("\"{format}\""));
        }
        let error = "movielens".parse::<Format>().unwrap_err().to_string();
        assert!(
            error.starts_with("format 'movielens' is not known; it is one of movielens-100k, ")
        );
        assert_eq!("3".parse::<Column>().unwrap(), Column::Number(3));
        assert_eq!("a".parse::<Column>().unwrap(), Column::Name("a".into()));
        assert!("0".parse::<Column>().is_err());
        assert_eq!("sum".parse::<Duplicates>().unwrap(), Duplicates::Sum);
        let error = "ignore".parse::<OnError>().unwrap_err().to_string();
        assert_eq!(
            error,
            "on_error 'ignore' is not known; it is one of fail skip"
        );
    }

    #[test]
    fn metadata_sources_name_a_column_after_a_colon() {
        let read = |text: &str| {
            let source: MetadataSource = text.parse().unwrap();
            (source.path.display().to_string(), source.column)
        };
        assert_eq!(read("a/items.csv"), ("a/items.csv".into(), None));
        assert_eq!(
            read("items.csv:movieId"),
            ("items.csv".into(), Some("movieId".into()))
        );
        assert_eq!(read("C:\\items.csv"), ("C:\\items.csv".into(), None));
        assert_eq!(read("C:items.csv"), ("C:items.csv".into(), None));
        assert_eq!(read("a:b/items.csv"), ("a:b/items.csv".into(), None));
    }
}
