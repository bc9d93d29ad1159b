//! The grammar of the command line, once for all verbs.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use limpid::data::sources::{Column, Columns, MetadataSource, ReadOptions};
use limpid::data::{Filters, SplitSpec};
use limpid::{DataSource, Events, SplitFrom, Who};

use crate::verbs::{
    compare, completions, data, doctor, evaluate, explain, inspect, models, quickstart, recommend,
    reproduce, rules, similar, train, verify,
};

/// A recommender that people can read, question and steer.
#[derive(Debug, Parser)]
#[command(name = "limpid", version, propagate_version = true, after_help = FIRST_STEPS)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const FIRST_STEPS: &str = "\
First steps:
  limpid quickstart                                     the whole tour on invented data
  limpid train --data ml-1m/ --split ratio:70/10/20@7 -o model/
  limpid evaluate model/
  limpid recommend model/ --user 42
  limpid explain model/ --user 42 --item 318            why
  limpid explain model/ --user 42 --why-not 2571        why not, and what would change it
  limpid evaluate model/ --readability --faithfulness   how short and how faithful the reasons are";

/// Options that every verb takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// How results are printed; every JSON carries its schema
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Threads to use; 0 is all of them. Results do not depend on it
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    pub(crate) threads: usize,
    /// Prints results only: no progress, no notes
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One object, with a versioned schema
    Json,
    /// The main table
    Csv,
    /// Text and tables for a document
    Md,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The whole tour in one command, on an invented world
    Quickstart(quickstart::Command),
    /// Look at data, split it, fetch public sets
    #[command(subcommand)]
    Data(data::Command),
    /// The catalogue of models with every parameter
    Models(models::Command),
    /// Fit a model and save it as a folder
    Train(train::Command),
    /// Metrics of a model, or of lists made elsewhere
    Evaluate(evaluate::Command),
    /// Two models of one split, user by user
    Compare(compare::Command),
    /// Lists for a user, for anybody's history, for everybody
    Recommend(recommend::Command),
    /// Why, why this rather than that, why not
    Explain(explain::Command),
    /// The rules and links of a model, with support, confidence and lift
    Rules(rules::Command),
    /// What goes with an item
    Similar(similar::Command),
    /// Run the tables of papers, and our own: published against ours
    Reproduce(reproduce::Command),
    /// What made a saved model
    Inspect(inspect::Command),
    /// Check a saved model byte by byte
    Verify(verify::Command),
    /// Check this machine and run a self-test
    Doctor(doctor::Command),
    /// Print completions for a shell
    Completions(completions::Command),
}

/// Parses the command line; wrong use ends the program with exit code 2.
pub(crate) fn parse() -> Cli {
    Cli::parse()
}

/// How a log is read and what is kept of it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading")]
pub(crate) struct ReadArgs {
    /// The format, where it cannot be told from the files
    #[arg(long, value_name = "NAME")]
    data_format: Option<String>,
    /// Column of the users: its name, or its number from 1
    #[arg(long, value_name = "COLUMN")]
    user_column: Option<String>,
    /// Column of the items
    #[arg(long, value_name = "COLUMN")]
    item_column: Option<String>,
    /// Column of ratings or weights
    #[arg(long, value_name = "COLUMN")]
    value_column: Option<String>,
    /// Column of times
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<String>,
    /// Column of behaviors (view, cart, buy)
    #[arg(long, value_name = "COLUMN")]
    behavior_column: Option<String>,
    /// The character between fields, where it cannot be told from the first line
    #[arg(long, value_name = "CHAR")]
    separator: Option<char>,
    /// The unit of times: seconds, milliseconds, microseconds, nanoseconds
    #[arg(long, value_name = "UNIT")]
    time_unit: Option<String>,
    /// Which of the set's own splits, such as u1 or ua of MovieLens 100K
    #[arg(long, value_name = "NAME")]
    given: Option<String>,
    /// Item metadata from elsewhere, joined by item id: FILE, DIR or FILE:COLUMN
    #[arg(long, value_name = "PATH[:COLUMN]")]
    metadata: Vec<String>,
    /// A bad line stops reading (fail) or is left out and counted (skip)
    #[arg(long, default_value = "fail", value_name = "fail|skip")]
    on_error: String,
    /// Events of the same user, item and behavior: last, sum, max or error
    #[arg(long, default_value = "last", value_name = "POLICY")]
    duplicates: String,
    /// Drop events with a value below this
    #[arg(long, value_name = "VALUE")]
    min_value: Option<f32>,
    /// Keep users with at least U items and items with at least I users
    #[arg(long, value_name = "U,I")]
    k_core: Option<String>,
    /// Keep values as weights; otherwise every event counts 1
    #[arg(long)]
    weighted: bool,
    /// Behaviors to keep, or all; the target behavior alone if not given
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    behaviors: Vec<String>,
    /// The behavior to recommend for; the last of the chain if not given
    #[arg(long, value_name = "NAME")]
    target_behavior: Option<String>,
}

impl ReadArgs {
    pub(crate) fn options(&self) -> Result<ReadOptions> {
        let column = |text: &Option<String>| -> Result<Option<Column>> {
            Ok(text.as_deref().map(str::parse).transpose()?)
        };
        Ok(ReadOptions {
            format: self.data_format.as_deref().map(str::parse).transpose()?,
            columns: Columns {
                user: column(&self.user_column)?,
                item: column(&self.item_column)?,
                value: column(&self.value_column)?,
                time: column(&self.time_column)?,
                behavior: column(&self.behavior_column)?,
            },
            separator: self.separator,
            given: self.given.clone(),
            metadata: self
                .metadata
                .iter()
                .map(|m| m.parse::<MetadataSource>())
                .collect::<Result<_, _>>()?,
            on_error: self.on_error.parse()?,
            duplicates: self.duplicates.parse()?,
            time_unit: self.time_unit.as_deref().map(str::parse).transpose()?,
            target_behavior: self.target_behavior.clone(),
            ..ReadOptions::default()
        })
    }

    pub(crate) fn filters(&self) -> Result<Filters> {
        let k_core = match &self.k_core {
            None => None,
            Some(text) => {
                let numbers: Vec<usize> = text
                    .split(',')
                    .filter_map(|n| n.trim().parse().ok())
                    .collect();
                match *numbers.as_slice() {
                    [both] => Some((both, both)),
                    [users, items] if text.matches(',').count() == 1 => Some((users, items)),
                    _ => bail!("--k-core {text}: write one number, or two as in --k-core 5,10"),
                }
            }
        };
        Ok(Filters {
            min_value: self.min_value,
            k_core,
            weighted: self.weighted,
            behaviors: (!self.behaviors.is_empty()).then(|| self.behaviors.clone()),
        })
    }

    pub(crate) fn source(&self, path: PathBuf) -> Result<DataSource> {
        Ok(DataSource {
            path,
            read: self.options()?,
            filters: self.filters()?,
        })
    }
}

/// Reads `--split`: a rule of the grammar, or a folder.
pub(crate) fn split_from(text: &str) -> Result<SplitFrom> {
    if std::path::Path::new(text).join("split.json").is_file() {
        return Ok(SplitFrom::Folder(text.into()));
    }
    match text.parse::<SplitSpec>() {
        Ok(spec) => Ok(SplitFrom::Spec(spec)),
        Err(_) if text.contains(['/', '\\']) && !text.contains(':') => bail!(
            "--split {text}: there is no split.json in this folder; 'limpid data split' makes one"
        ),
        Err(e) => Err(e.into()),
    }
}

/// Whose list it is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Whose")]
pub(crate) struct WhoArgs {
    /// A user of the data, by id
    #[arg(long, value_name = "ID", conflicts_with = "history")]
    pub(crate) user: Option<String>,
    /// An item of an ad-hoc history, by title or id (force with id:… or title:…); may be repeated
    #[arg(long, value_name = "ITEM")]
    pub(crate) history: Vec<String>,
    /// Events of the user to use: train, all, or a table with additional events
    #[arg(
        long,
        value_name = "train|all|FILE",
        default_value = "train",
        requires = "user"
    )]
    events: String,
}

impl WhoArgs {
    pub(crate) fn who(&self) -> Result<Who> {
        match &self.user {
            Some(id) => Ok(Who::User {
                id: id.clone(),
                events: self.events(id)?,
            }),
            None if self.history.is_empty() => {
                bail!(limpid::Error::Usage(
                    "no history given; use --user ID or --history ITEM (may be repeated)"
                        .to_owned()
                ))
            }
            None => Ok(Who::Items(self.history.clone())),
        }
    }

    fn events(&self, user: &str) -> Result<Events> {
        match self.events.as_str() {
            "train" => Ok(Events::Train),
            "all" => Ok(Events::All),
            file => {
                let log = limpid::data::sources::read(file.as_ref(), &ReadOptions::default())?;
                let Some(index) = log.users.get(user) else {
                    bail!("--events {file}: no events of user {user}");
                };
                let items = log.user.iter().zip(&log.item);
                Ok(Events::And(
                    items
                        .filter(|&(&u, _)| u == index)
                        .map(|(_, &i)| format!("id:{}", log.items.name(i)))
                        .collect(),
                ))
            }
        }
    }
}

/// What may be recommended.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct FilterArgs {
    /// Exclude items: ids or titles, separated by commas; may be repeated
    #[arg(long, value_name = "ITEMS")]
    exclude: Vec<String>,
    /// Recommend only from these items
    #[arg(long, value_name = "ITEMS")]
    only: Vec<String>,
    /// Recommend only items with this metadata, such as 'genre=Drama'; all conditions must hold
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    conditions: Vec<String>,
    /// Recommend items of the history too
    #[arg(long)]
    include_seen: bool,
}

impl FilterArgs {
    pub(crate) fn filter(&self, advisor: &limpid::Advisor) -> Result<limpid::Filter> {
        Ok(advisor.filter(
            &self.exclude,
            &self.only,
            &self.conditions,
            self.include_seen,
        )?)
    }
}

/// What is edited.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Steering")]
pub(crate) struct EditArgs {
    /// Change a unit by id or name: UNIT=off, UNIT=2x, UNIT=0.8, UNIT+0.3 or UNIT~0.3, such as
    /// 'link:Alien (1979)=off'
    #[arg(long, alias = "rule", alias = "knob", value_name = "EDIT")]
    edit: Vec<String>,
}

impl EditArgs {
    pub(crate) fn edits(&self) -> Result<limpid::core::Edits> {
        Ok(limpid::core::Edits::parse(&self.edit)?)
    }
}
