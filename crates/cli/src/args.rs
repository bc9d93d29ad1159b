//! The grammar of the command line, once for all verbs.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use limpid::answers::RecommendAll;
use limpid::batch::{Batch, Content, People};
use limpid::data::GivenSubset;
use limpid::data::sources::{
    Column, Duplicates, EventFile, Format, MetadataSource, OnError, Quote, ReadOptions, TimeUnit,
};
use limpid::experiment::TextSource;
use limpid::output::{Destination, FileFormat};
use limpid::{DataSource, Events, Who};

use crate::output::Output;
use crate::progress::Bars;
use crate::verbs::{
    compare, completions, concepts, data, doctor, evaluate, explain, export, inspect, models,
    narrate, probe, quickstart, ratings, recommend, reproduce, rules, similar, steer, train,
    verify,
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
  limpid quickstart                               every step, on generated data
  limpid train --data ml-1m/ --split ratio:70/10/20@7 -o model/
  limpid evaluate model/
  limpid recommend model/ --user 42
  limpid explain model/ --user 42 --item 1214     why
  limpid explain model/ --user 42 --why-not 541   why not, and what would help
  limpid explain model/ --user 42 --item 1214 --words     the same in words";

const GLOBAL: &str = "Global options";

/// Options that every verb takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Output format; every JSON object names its schema [default: table]
    #[arg(long, global = true, help_heading = GLOBAL, value_enum)]
    pub(crate) format: Option<Printed>,
    /// Number of threads, 0 for all; results do not depend on it
    #[arg(long, global = true, help_heading = GLOBAL, default_value_t = 0, value_name = "N")]
    pub(crate) threads: usize,
    /// Print results only: no progress, no notes
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(crate) quiet: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Printed {
    /// Aligned text
    Table,
    /// One JSON object with a versioned schema
    Json,
    /// One table as CSV: raw numbers, ids, one row per entry
    Csv,
    /// One table as TSV
    Tsv,
    /// One table as JSON Lines
    Jsonl,
    /// Markdown
    Md,
}

impl Printed {
    /// The format of a file with the same content.
    pub(crate) fn file(self) -> FileFormat {
        match self {
            Self::Table | Self::Md => FileFormat::Md,
            Self::Json => FileFormat::Json,
            Self::Csv => FileFormat::Csv,
            Self::Tsv => FileFormat::Tsv,
            Self::Jsonl => FileFormat::Jsonl,
        }
    }
}

/// Where an answer is written.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutArgs {
    /// Write to a file; its ending selects the format: .csv, .tsv, .jsonl, .json, .md or .parquet
    ///
    /// With a / at the end it is a folder, and every table of the answer is a file there; - is standard
    /// output. The place is checked before the work, and a file appears when it is complete.
    #[arg(long, short, value_name = "FILE|FOLDER/")]
    pub(crate) output: Option<PathBuf>,
    /// Write this table of the answer, for formats of rows [default: the first]
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,
}

impl OutArgs {
    /// The output with this file, which is checked now, before the work.
    pub(crate) fn of(&self, output: &Output) -> Result<Output> {
        output.with(self)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Train, evaluate, recommend and explain on generated data
    Quickstart(quickstart::Command),
    /// Describe, split, download or generate data
    #[command(subcommand)]
    Data(data::Command),
    /// List the models with their hyper-parameters
    Models(models::Command),
    /// Train a model and save it as a folder
    Train(train::Command),
    /// Evaluate a model, or lists made elsewhere
    Evaluate(evaluate::Command),
    /// Measure how well ratings can be predicted, by baselines
    Ratings(ratings::Command),
    /// Compare models of one split, paired by user
    Compare(compare::Command),
    /// Recommend for one user, an ad-hoc history, or many users
    Recommend(recommend::Command),
    /// Explain why an item is recommended, preferred to another, or not recommended
    Explain(explain::Command),
    /// Tell the reasons for and against the items of many lists in words
    Narrate(narrate::Command),
    /// List learned rules and links with support, confidence and lift
    Rules(rules::Command),
    /// List items similar to an item
    Similar(similar::Command),
    /// Fit a stable dictionary over a model, whose directions (knobs) are named and can be edited
    Probe(probe::Command),
    /// Name the knobs of a dictionary by item metadata
    Label(probe::Label),
    /// List the knobs of a dictionary: names, confidence, stability, top items
    Concepts(concepts::Command),
    /// Recommend with more, or less, of a concept: by strength, or to fill a share of the list
    Steer(steer::Command),
    /// Export weights, vectors, rules or item-to-item lists to a file
    Export(export::Command),
    /// Reproduce tables of papers and compare with the published values
    Reproduce(reproduce::Command),
    /// Show a model's settings, data and split
    Inspect(inspect::Command),
    /// Verify the checksums of a saved model
    Verify(verify::Command),
    /// Check devices and run a self-test
    Doctor(doctor::Command),
    /// Print shell completions
    Completions(completions::Command),
}

/// Parses the command line; wrong use ends the program with exit code 2.
pub(crate) fn parse() -> Cli {
    Cli::parse()
}

/// How data are read and filtered. Options that are not given keep the values of `--config`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading and filtering")]
pub(crate) struct ReadArgs {
    /// Format of the data [default: detected from the files]
    #[arg(long, value_name = "FORMAT")]
    data_format: Option<Format>,
    /// Column of user ids: its name or number, from 1
    #[arg(long, value_name = "COLUMN")]
    user_column: Option<Column>,
    /// Column of item ids: its name or number
    #[arg(long, value_name = "COLUMN")]
    item_column: Option<Column>,
    /// Column of ratings or weights: its name or number
    #[arg(long, value_name = "COLUMN")]
    value_column: Option<Column>,
    /// Column of times: its name or number
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<Column>,
    /// Column of behaviors (view, cart, buy): its name or number
    #[arg(long, value_name = "COLUMN")]
    behavior_column: Option<Column>,
    /// Field separator: a character, or tab [default: detected from the first line]
    #[arg(long, value_name = "CHAR", value_parser = separator)]
    separator: Option<char>,
    /// Whether fields are quoted: double (as in RFC 4180) or none [default: double; between tabs, a quote
    /// that does not close on its line is text]
    #[arg(long, value_name = "double|none")]
    quote: Option<Quote>,
    /// Training events in a file of their own, with --test (and --validation); their split is 'given'
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    train: Option<PathBuf>,
    /// Validation events in a file of their own
    #[arg(long, value_name = "FILE", requires = "train")]
    validation: Option<PathBuf>,
    /// Test events in a file of their own
    #[arg(long, value_name = "FILE", requires = "train")]
    test: Option<PathBuf>,
    /// Events of one behavior in a file of their own, such as view=views.csv; repeat for more
    ///
    /// With --train, the files of the split are of the behavior that --target-behavior names.
    #[arg(long, value_name = "NAME=FILE", conflicts_with = "data")]
    behavior: Vec<EventFile>,
    /// Unit of times: seconds, milliseconds, microseconds or nanoseconds [default: detected from the
    /// values]
    #[arg(long, value_name = "UNIT")]
    time_unit: Option<TimeUnit>,
    /// Read this split that comes with the data, as '--split given:NAME' does
    #[arg(long, value_name = "NAME")]
    given: Option<String>,
    /// Join item metadata by item id: FILE, DIR or FILE:COLUMN; repeat for more
    #[arg(long, value_name = "PATH[:COLUMN]")]
    metadata: Vec<MetadataSource>,
    /// On a malformed line: fail, or skip and count it [default: fail]
    #[arg(long, value_name = "fail|skip")]
    on_error: Option<OnError>,
    /// Merge events of the same user, item and behavior: last, sum, max or error [default: last]
    #[arg(long, value_name = "POLICY")]
    duplicates: Option<Duplicates>,
    /// Drop events with a value below VALUE [default: those below 0, such as returns]
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    min_value: Option<f32>,
    /// Keep users with at least U items and items with at least I users, until all have them
    #[arg(long, value_name = "U,I", value_parser = k_core)]
    k_core: Option<(usize, usize)>,
    /// Keep values as weights instead of counting every event as 1; only for models that read values
    #[arg(long)]
    weighted: bool,
    /// Keep these behaviors, or all [default: those that the model reads]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    behaviors: Vec<String>,
    /// Order of the behaviors, from the first of the chain to the last, such as view,cart,buy; or
    /// 'conversion', which orders them by how often they end in the target [default: the usual order of their
    /// names]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    behavior_order: Vec<String>,
    /// Behavior to recommend for [default: the last of the chain]
    #[arg(long, value_name = "NAME")]
    target_behavior: Option<String>,
    /// Columns of texts, separated by commas, where texts are read [default: summary, reviewText, text, review and
    /// the like]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    text_column: Vec<String>,
    /// Space of the vectors of texts: a folder in the format of model2vec, or the address of a server with
    /// /v1/embeddings [default: fitted to the training texts]
    #[arg(long, value_name = "FOLDER|URL")]
    embedder: Option<String>,
    /// Name of the server's model, with --embedder
    #[arg(long, value_name = "NAME", requires = "embedder")]
    embedder_model: Option<String>,
    /// Let --embedder be on another machine: the texts are sent there
    #[arg(long, requires = "embedder")]
    allow_remote: bool,
}

/// The longest list.
const MAX_LENGTH: usize = 1_000_000;

/// The length of a list.
pub(crate) fn length(text: &str) -> Result<usize, String> {
    whole(text, MAX_LENGTH)
}

/// The size of a search for changes of a history.
pub(crate) fn edits(text: &str) -> Result<usize, String> {
    whole(text, 100)
}

fn whole(text: &str, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=most).contains(&n) => Ok(n),
        _ => Err(format!("must be a whole number from 1 to {most}")),
    }
}

/// A character; a tab can be written as shells and other programs write it.
fn separator(text: &str) -> Result<char, String> {
    let mut chars = text.chars();
    match (text, chars.next(), chars.next()) {
        ("\\t" | "tab" | "TAB", ..) => Ok('\t'),
        (_, Some(one), None) => Ok(one),
        _ => Err("must be one character, such as ';', or tab".to_owned()),
    }
}

fn k_core(text: &str) -> Result<(usize, usize), String> {
    let numbers: Result<Vec<usize>, _> = text.split(',').map(|n| n.trim().parse()).collect();
    match numbers.as_deref() {
        Ok(&[both]) => Ok((both, both)),
        Ok(&[users, items]) => Ok((users, items)),
        _ => Err("write one number, or two, such as 5,10".to_owned()),
    }
}

impl ReadArgs {
    /// Overrides a source with the options that were given.
    pub(crate) fn change(&self, source: &mut DataSource) {
        fn set<T: Clone>(to: &mut Option<T>, given: &Option<T>) {
            if given.is_some() {
                to.clone_from(given);
            }
        }
        let read = &mut source.read;
        set(&mut read.format, &self.data_format);
        set(&mut read.columns.user, &self.user_column);
        set(&mut read.columns.item, &self.item_column);
        set(&mut read.columns.value, &self.value_column);
        set(&mut read.columns.time, &self.time_column);
        set(&mut read.columns.behavior, &self.behavior_column);
        set(&mut read.separator, &self.separator);
        set(&mut read.quote, &self.quote);
        set(&mut read.time_unit, &self.time_unit);
        set(&mut read.given, &self.given);
        set(&mut read.target_behavior, &self.target_behavior);
        if !self.behavior_order.is_empty() {
            read.behaviors = Some(self.behavior_order.clone());
        }
        if !self.metadata.is_empty() {
            read.metadata.clone_from(&self.metadata);
        }
        read.on_error = self.on_error.unwrap_or(read.on_error);
        read.duplicates = self.duplicates.unwrap_or(read.duplicates);
        if let Some(files) = self.files() {
            // The data set is named after the folder of its files.
            let folder = files.first().and_then(|file| file.path.parent());
            let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
            source.path = folder.unwrap_or(Path::new(".")).to_owned();
            read.files = files;
        }
        let filters = &mut source.filters;
        set(&mut filters.min_value, &self.min_value);
        set(&mut filters.k_core, &self.k_core);
        filters.weighted |= self.weighted;
        let texts = &mut source.texts;
        if !self.text_column.is_empty() {
            texts.columns.clone_from(&self.text_column);
        }
        if self.embedder.is_some() && self.embedder != texts.embedder {
            // What was said of another space, and allowed for another server, does not hold for this one.
            *texts = TextSource {
                columns: std::mem::take(&mut texts.columns),
                embedder: self.embedder.clone(),
                ..TextSource::default()
            };
        }
        set(&mut texts.embedder_model, &self.embedder_model);
        texts.allow_remote |= self.allow_remote;
        if !self.behaviors.is_empty() {
            filters.behaviors = Some(self.behaviors.clone());
        }
    }

    /// A source at a path for work on events alone; options of texts are refused, because nothing would read them.
    pub(crate) fn events(&self, path: Option<PathBuf>) -> Result<DataSource> {
        let source = self.source(path);
        if source.texts != TextSource::default() {
            bail!(limpid::Error::Usage(
                "--text-column and --embedder are for models that read texts; leave them out here"
                    .to_owned()
            ));
        }
        Ok(source)
    }

    /// A source at a path; none where the files of events are named one by one.
    pub(crate) fn source(&self, path: Option<PathBuf>) -> DataSource {
        let mut source = DataSource {
            path: path.unwrap_or_default(),
            ..DataSource::default()
        };
        self.change(&mut source);
        source
    }

    /// The files of events, where they are named one by one.
    pub(crate) fn files(&self) -> Option<Vec<EventFile>> {
        use GivenSubset::{Test, Train, Validation};
        // One file alone is no split.
        let is_split = self.has_split();
        let of = |path: &Option<PathBuf>, subset| {
            path.clone().map(|path| EventFile {
                path,
                behavior: None,
                subset: is_split.then_some(subset),
            })
        };
        let own = [
            of(&self.train, Train),
            of(&self.validation, Validation),
            of(&self.test, Test),
        ];
        let files: Vec<EventFile> = own
            .into_iter()
            .flatten()
            .chain(self.behavior.iter().cloned())
            .collect();
        (!files.is_empty()).then_some(files)
    }

    /// Whether the files of events are those of a split.
    pub(crate) fn has_split(&self) -> bool {
        self.validation.is_some() || self.test.is_some()
    }
}

/// The users of a batch.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Many users")]
pub(crate) struct BatchArgs {
    /// Users to write to the file of -o: all of the training set, a file, or - for standard input
    ///
    /// A file has one user id per line, or is a table of histories with a column of users and one of items,
    /// in any format that data have. A history replaces the events of the data.
    #[arg(long, value_name = "all|FILE|-", conflicts_with_all = ["user", "history", "table"], requires = "output")]
    pub(crate) users: Option<String>,
    /// Continue a run that was stopped: parts in FILE.parts that are complete are kept
    #[arg(long, requires = "users")]
    resume: bool,
}

impl BatchArgs {
    /// Writes the lists or ledgers of the users.
    pub(crate) fn write(
        &self,
        users: &str,
        advisor: &limpid::Advisor,
        batch: Batch<'_>,
        to: &Destination,
        output: &Output,
    ) -> Result<()> {
        let people = people(users, advisor)?;
        output.notes(&people.notes);
        let (schema, what) = match batch.content {
            Content::Lists { .. } => ("limpid.recommend-all/1", "rows"),
            Content::Ledgers { .. } => ("limpid.explain-all/1", "lines of ledgers"),
            // Texts have an answer of their own, with what they cost.
            Content::Words(_) => ("limpid.narrate/1", "texts"),
        };
        let bars = Bars::new(output.is_quiet());
        let batch = Batch {
            resume: self.resume,
            progress: &bars,
            ..batch
        };
        let written = advisor.write_batch(&people, &batch, to)?;
        drop(bars);
        if written.resumed > 0 {
            output.note(format!("resumed: {} users were complete", written.resumed));
        }
        let answer = RecommendAll {
            schema,
            file: to.described(),
            users: written.users,
            rows: written.rows,
            notes: people.notes,
        };
        let text = format!(
            "{} {what} for {} users written to {}",
            written.rows, written.users, answer.file
        );
        output.written(to, &answer, text)
    }
}

/// The users of a batch: `all`, `-` for standard input, or a file.
pub(crate) fn people<'a>(users: &str, advisor: &'a limpid::Advisor) -> Result<People<'a>> {
    Ok(match users {
        "all" => People::training(advisor)?,
        "-" => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes)?;
            People::from_bytes(advisor, &bytes)?
        }
        file => People::read(advisor, file.as_ref())?,
    })
}

/// The user or history to recommend for.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "User or history")]
pub(crate) struct WhoArgs {
    /// User of the data, by id
    #[arg(
        long,
        value_name = "ID",
        conflicts_with = "history",
        allow_negative_numbers = true
    )]
    pub(crate) user: Option<String>,
    /// Item of an ad-hoc history, by id or title (force with id:… or title:…); repeat for more
    #[arg(long, value_name = "ITEM", allow_negative_numbers = true)]
    pub(crate) history: Vec<String>,
    /// Events of the user: train, all, or a table of additional events
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
                    "no history given; use --user ID or --history ITEM (repeat for more)"
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
                    bail!("--events {file}: has no events of user '{user}'");
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

/// Which items may be recommended.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct FilterArgs {
    /// Exclude items: ids or titles, separated by commas; repeat for more
    #[arg(long, value_name = "ITEMS", allow_negative_numbers = true)]
    exclude: Vec<String>,
    /// Recommend only these items
    #[arg(long, value_name = "ITEMS", allow_negative_numbers = true)]
    only: Vec<String>,
    /// Recommend only items with this condition, such as 'genre in (Drama, Crime) and year >= 1990';
    /// repeat for more, all must hold
    ///
    /// Tests: FIELD = VALUE, != VALUE, in (VALUE, ...), in 1990..1999, < <= > >= NUMBER, ~ TEXT (contains),
    /// !~ TEXT, joined by and, or, not and parentheses. Fields: id, title, popularity (training users) and
    /// the metadata. Case does not matter; put values with reserved words or signs in quotes.
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Include items of the history
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

/// Edits of units.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Steering")]
pub(crate) struct EditArgs {
    /// Edit a unit, such as 'link:Alien (1979)=off'; repeat for more
    ///
    /// UNIT=off removes its evidence, UNIT=2x scales its activation, UNIT=0.8 sets it, UNIT+0.3 adds to it
    /// (UNIT+-0.3 subtracts), UNIT~0.3 blends the history with the unit alone, with weight 0.3. 'limpid
    /// explain' and 'limpid rules' print units.
    #[arg(long, alias = "rule", alias = "knob", value_name = "EDIT")]
    edit: Vec<String>,
}

impl EditArgs {
    pub(crate) fn edits(&self) -> Result<limpid::core::Edits> {
        Ok(limpid::core::Edits::parse(&self.edit)?)
    }
}
