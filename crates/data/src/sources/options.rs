//! How to read a data set: format, columns, policies. Everything can be written as TOML and JSON.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::SOURCES;
use crate::log::GivenSubset;
use crate::{Error, Result};

/// How to read a data set. The default detects the format, stops at the first malformed line and
/// keeps the last of duplicate events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReadOptions {
    /// The format; `None` detects it from the names and first lines of the files.
    pub format: Option<Format>,
    /// The columns of a table.
    pub columns: Columns,
    /// The separator between the fields of a table; `None` detects it from the first line.
    pub separator: Option<char>,
    /// Whether fields of a table may be quoted; `None`: they may, and a quote of a tab-separated table
    /// that does not close on its line belongs to the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<Quote>,
    /// The files of events, where each holds one behavior or one subset of a given split. The path of the
    /// data set is then their folder, for its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<EventFile>,
    /// Which of the splits that come with the data set: `u1` … `u5`, `ua`, `ub`.
    pub given: Option<String>,
    /// Additional item metadata, joined by item id.
    pub metadata: Vec<MetadataSource>,
    /// What to do with a malformed line.
    pub on_error: OnError,
    /// What to do with events of the same user, item and behavior.
    pub duplicates: Duplicates,
    /// The unit of times; `None` detects it from the magnitude of the first one.
    pub time_unit: Option<TimeUnit>,
    /// The behaviors in the order of their chain; `None` orders the usual names.
    pub behaviors: Option<Vec<String>>,
    /// The behavior to recommend for; `None`: the last of the chain.
    pub target_behavior: Option<String>,
}

/// A format of data sets, by its name in the [list of formats](super).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Format(&'static str);

impl Format {
    /// Every format, in the order in which they are tried.
    pub fn all() -> impl Iterator<Item = Self> {
        SOURCES.iter().map(|source| Self(source.name))
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::all()
            .find(|format| format.0 == text)
            .ok_or_else(|| Error::unknown("format", text, Self::all().map(Self::name)))
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// The columns of a table; `None` detects the column from the header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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

/// A column of a table, by its name in the header or by its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Column {
    /// Its number, from 1. A table whose columns are given by number needs no header.
    Number(usize),
    /// Its name in the header; case is ignored unless two names differ in case only.
    Name(String),
}

impl FromStr for Column {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.parse::<usize>() {
            Ok(0) => Err(Error::option(
                "the column",
                "must not be 0",
                "columns are counted from 1",
            )),
            Ok(n) => Ok(Self::Number(n)),
            Err(_) if text.trim().is_empty() => Err(Error::option(
                "the column",
                "must not be empty",
                "give its name in the header, or its number from 1",
            )),
            Err(_) => Ok(Self::Name(text.to_owned())),
        }
    }
}

impl Columns {
    /// The given columns, and for those that are not given the usual ones of a format.
    pub(super) fn or(&self, usual: Self) -> Self {
        let own = self.clone();
        Self {
            user: own.user.or(usual.user),
            item: own.item.or(usual.item),
            value: own.value.or(usual.value),
            time: own.time.or(usual.time),
            behavior: own.behavior.or(usual.behavior),
        }
    }

    /// The option of the first column that is given.
    pub(super) fn first_option(&self) -> Option<&'static str> {
        let given = [
            (&self.user, "--user-column"),
            (&self.item, "--item-column"),
            (&self.value, "--value-column"),
            (&self.time, "--time-column"),
            (&self.behavior, "--behavior-column"),
        ];
        given
            .into_iter()
            .find_map(|(column, option)| column.as_ref().map(|_| option))
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

/// A file with the events of one behavior, of one subset of a given split, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventFile {
    /// The file.
    pub path: PathBuf,
    /// The behavior of all of its events; `None`: as the file says.
    pub behavior: Option<String>,
    /// The subset of all of its events; `None`: train where other files have a subset.
    pub subset: Option<GivenSubset>,
}

impl FromStr for EventFile {
    type Err = Error;

    /// Parses `BEHAVIOR=FILE`.
    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((name, path)) if !name.trim().is_empty() && !path.is_empty() => Ok(Self {
                path: PathBuf::from(path),
                behavior: Some(name.trim().to_owned()),
                subset: None,
            }),
            _ => Err(Error::option(
                "--behavior",
                format!("must be a name and a file, but is '{text}'"),
                "write NAME=FILE, such as view=views.csv",
            )),
        }
    }
}

/// A file or folder with item metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MetadataSource {
    /// The file or folder.
    pub path: PathBuf,
    /// The column of a table that holds the item ids; `None` detects it from the header.
    #[serde(default)]
    pub column: Option<String>,
}

impl FromStr for MetadataSource {
    type Err = Error;

    /// Parses `FILE`, `DIR` or `FILE:COLUMN`. A colon before a slash, or after a single letter (a
    /// Windows drive), belongs to the path.
    fn from_str(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(Error::option(
                "--metadata",
                "must not be empty",
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

/// What to do with a malformed line.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// Stop with an error that says where, the rule and the fix.
    #[default]
    Fail,
    /// Skip it and count it by reason in the report.
    Skip,
}

/// Whether fields of a table may be quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Quote {
    /// As in RFC 4180: a field that begins with `"` ends with the next one that is not doubled, and
    /// may hold separators and line ends.
    Double,
    /// A quote is a character like any other.
    None,
}

/// What to do with events of the same user, item and behavior (and subset of a given split).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// Keep the last by time (by file order without times or at equal times).
    #[default]
    Last,
    /// Keep the last, with the sum of all values (each counts 1 where there are none).
    Sum,
    /// Keep the event with the largest value; of several, the last.
    Max,
    /// Refuse them with an error.
    Error,
}

/// The unit of times since 1970.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
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

/// The written names of an option's values.
macro_rules! names {
    ($type:ty, $what:literal, $($name:literal => $value:ident),+) => {
        impl $type {
            /// Every value with its written name.
            const NAMES: &[(&'static str, Self)] = &[$(($name, Self::$value)),+];
        }

        impl FromStr for $type {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let found = Self::NAMES.iter().find(|(name, _)| *name == text);
                found
                    .map(|&(_, value)| value)
                    .ok_or_else(|| Error::unknown($what, text, Self::NAMES.iter().map(|n| n.0)))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$value => $name),+
                })
            }
        }
    };
}

names!(OnError, "error policy", "fail" => Fail, "skip" => Skip);
names!(Quote, "quoting", "double" => Double, "none" => None);
names!(
    Duplicates, "policy for duplicates",
    "last" => Last, "sum" => Sum, "max" => Max, "error" => Error
);
names!(
    TimeUnit, "time unit",
    "seconds" => Seconds, "milliseconds" => Milliseconds,
    "microseconds" => Microseconds, "nanoseconds" => Nanoseconds
);

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::Filters;

    #[test]
    fn written_options_are_read() {
        for format in Format::all() {
            assert_eq!(format.name().parse::<Format>().unwrap(), format);
            let json = serde_json::to_string(&format).unwrap();
            assert_eq!(json, format!("\"{format}\""));
            assert_eq!(serde_json::from_str::<Format>(&json).unwrap(), format);
        }
        let error = |text: &str| text.parse::<Format>().unwrap_err().to_string();
        assert_eq!(
            error("parket"),
            "unknown format 'parket'; did you mean 'parquet'?"
        );
        assert!(error("movielens").contains("did you mean one of 'movielens-100k', "));
        assert!(error("").contains("choose from movielens-100k, "));
        assert_eq!("3".parse::<Column>().unwrap(), Column::Number(3));
        assert_eq!("a".parse::<Column>().unwrap(), Column::Name("a".into()));
        assert!("0".parse::<Column>().is_err());
        assert_eq!("sum".parse::<Duplicates>().unwrap(), Duplicates::Sum);
        let error = "ignore".parse::<OnError>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown error policy 'ignore'; choose from fail, skip"
        );
    }

    fn column() -> impl Strategy<Value = Option<Column>> {
        option::of(prop_oneof![
            (1usize..1000).prop_map(Column::Number),
            ".{1,8}".prop_map(Column::Name),
        ])
    }

    fn names() -> impl Strategy<Value = Option<Vec<String>>> {
        option::of(vec(".{0,8}", 0..4))
    }

    fn one_of<T: Copy + fmt::Debug + 'static>(
        names: &'static [(&'static str, T)],
    ) -> impl Strategy<Value = T> {
        (0..names.len()).prop_map(|at| names[at].1)
    }

    prop_compose! {
        fn columns()(
            user in column(), item in column(), value in column(), time in column(),
            behavior in column(),
        ) -> Columns {
            Columns { user, item, value, time, behavior }
        }
    }

    prop_compose! {
        fn options()(
            (format, columns) in (option::of(0..SOURCES.len()), columns()),
            (separator, given) in (option::of(any::<char>()), option::of(".{0,8}")),
            quote in option::of(one_of(Quote::NAMES)),
            files in vec((".{1,8}", option::of(".{0,8}"), option::of(0usize..3)), 0..3),
            metadata in vec((".{1,8}", option::of(".{0,8}")), 0..3),
            on_error in one_of(OnError::NAMES),
            duplicates in one_of(Duplicates::NAMES),
            time_unit in option::of(one_of(TimeUnit::NAMES)),
            behaviors in names(),
            target_behavior in option::of(".{0,8}"),
        ) -> ReadOptions {
            let metadata = metadata
                .into_iter()
                .map(|(path, column)| MetadataSource { path: PathBuf::from(path), column })
                .collect();
            use GivenSubset::{Test, Train, Validation};
            let files = files
                .into_iter()
                .map(|(path, behavior, subset)| EventFile {
                    path: PathBuf::from(path),
                    behavior,
                    subset: subset.map(|at| [Train, Validation, Test][at]),
                })
                .collect();
            ReadOptions {
                format: format.and_then(|at| Format::all().nth(at)),
                columns, separator, quote, files, given, metadata, on_error, duplicates, time_unit, behaviors,
                target_behavior,
            }
        }
    }

    prop_compose! {
        fn filters()(
            min_value in option::of(-1e30f32..1e30),
            k_core in option::of((0usize..1000, 0usize..1000)),
            weighted in any::<bool>(),
            behaviors in names(),
        ) -> Filters {
            Filters { min_value, k_core, weighted, behaviors }
        }
    }

    /// An experiment stores both, so that it can be run again.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Stored {
        read: ReadOptions,
        filters: Filters,
    }

    proptest! {
        #[test]
        fn options_and_filters_survive_toml_and_json(read in options(), filters in filters()) {
            let stored = Stored { read, filters };
            let json = serde_json::to_string(&stored).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Stored>(&json).unwrap(), &stored);
            let toml = toml::to_string(&stored).unwrap();
            prop_assert_eq!(&toml::from_str::<Stored>(&toml).unwrap(), &stored);
        }
    }

    #[test]
    fn written_by_hand() {
        let text = r#"
            format = "table"
            separator = "\t"
            on_error = "skip"
            duplicates = "max"
            time_unit = "milliseconds"
            behaviors = ["view", "buy"]
            target_behavior = "view"
            [columns]
            user = 1
            item = "sku"
            [[metadata]]
            path = "items.csv"
            column = "sku"
        "#;
        let options: ReadOptions = toml::from_str(text).unwrap();
        assert_eq!(options.columns.user, Some(Column::Number(1)));
        assert_eq!(options.separator, Some('\t'));
        assert_eq!(options.metadata[0].column.as_deref(), Some("sku"));
        let error = toml::from_str::<ReadOptions>("format = \"tabel\"").unwrap_err();
        assert!(
            error.to_string().contains("did you mean 'table'?"),
            "{error}"
        );
        assert!(toml::from_str::<ReadOptions>("colums = {}").is_err());
    }

    #[test]
    fn files_of_a_behavior_are_named_after_it() {
        let file: EventFile = "view=a=b/views.csv".parse().unwrap();
        assert_eq!(file.behavior.as_deref(), Some("view"));
        assert_eq!(file.path, PathBuf::from("a=b/views.csv"));
        let error = "views.csv".parse::<EventFile>().unwrap_err().to_string();
        assert_eq!(
            error,
            "--behavior must be a name and a file, but is 'views.csv'; write NAME=FILE, such as \
             view=views.csv"
        );
        assert!("=views.csv".parse::<EventFile>().is_err());
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
