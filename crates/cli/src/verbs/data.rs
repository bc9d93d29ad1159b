//! `limpid data`: describe, split, download or generate data.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use limpid::answers::{DataDescription, DataSets, DataSplit, Fetched, SplitPart, Synthesized};
use limpid::core::Progress;
use limpid::data::chains::{ChainDescription, Conversion};
use limpid::data::describe::{Count, Quantiles, ValueCount};
use limpid::data::fetch::{self, Checksum};
use limpid::data::sources::written_date;
use limpid::data::synthetic::{self, World};
use limpid::measure::short;
use limpid::{Prepared, SplitFrom};

use crate::args::{OutArgs, ReadArgs};
use crate::output::{Output, Section, Table};
use crate::progress::Bars;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Describe a data set: counts, ranges and quantiles
    Describe(Describe),
    /// Split data and write the split as a folder for 'limpid train --split'
    Split(Split),
    /// Download a public data set, or list them
    Fetch(Fetch),
    /// Generate synthetic data with planted rules
    Synthesize(Synthesize),
}

#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// Data: a file or folder, or 'synthetic' for generated data
    #[arg(required_unless_present_any = ["train", "behavior"])]
    data: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    out: OutArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Split {
    /// Data: a file or folder, or 'synthetic' for generated data
    #[arg(required_unless_present_any = ["train", "behavior"])]
    data: Option<PathBuf>,
    /// Split to make, such as ratio:70/10/20@7
    ///
    /// ratio:70/10/20@SEED, leave-one-out, leave-last:N, temporal:0.8, temporal:2000-10-01/2000-11-01 (the
    /// first dates of validation and test), users:80/10/10,holdout=0.2@SEED, given, given:NAME or none
    #[arg(long, value_name = "SPLIT")]
    split: SplitFrom,
    /// Folder to write
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    #[command(flatten)]
    read: ReadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// Data set to download [default: list them]
    name: Option<String>,
    /// Folder to download to
    #[arg(long, short, value_name = "FOLDER", default_value = "data")]
    output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Synthesize {
    /// Folder to write
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    /// Plant 40 rules of 2 to 4 items without a popularity shortcut: 2,000 users, 400 items
    #[arg(long)]
    planted: bool,
    /// Seed of the generator [default: that of the configuration]
    #[arg(long)]
    seed: Option<u64>,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        match self {
            Self::Describe(command) => command.run(output),
            Self::Split(command) => command.run(output),
            Self::Fetch(command) => command.run(output),
            Self::Synthesize(command) => command.run(output),
        }
    }
}

impl Split {
    fn run(self, output: &Output) -> Result<()> {
        let prepared = Prepared::read(&self.read.events(self.data)?, &self.split)?;
        output.notes(&prepared.notes);
        let split = &prepared.split;
        split.write_folder(&self.output)?;
        let parts = [
            ("train", &split.train),
            ("validation", &split.validation.target),
            ("test", &split.test.target),
        ]
        .map(|(part, histories)| SplitPart {
            part,
            users: histories.rows().filter(|r| !r.is_empty()).count(),
            events: histories.n_events(),
        });
        let mut table = Table::new(["subset", "users", "events"]);
        for part in &parts {
            table.row([
                part.part.to_owned(),
                part.users.to_string(),
                part.events.to_string(),
            ]);
        }
        let folder = self.output.display().to_string();
        let head = format!(
            "{} of {} written to {folder} (hash {})",
            split.spec,
            prepared.data.name,
            short(&split.hash)
        );
        let answer = DataSplit {
            schema: "limpid.data-split/1",
            folder,
            spec: split.spec.to_string(),
            hash: split.hash.clone(),
            data_hash: split.data_hash.clone(),
            parts: parts.into(),
            notes: prepared.notes.clone(),
        };
        output.answer(
            &answer,
            vec![Section::Lines(vec![head]), Section::Table(table)],
        )
    }
}

impl Describe {
    fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
        let log = self.read.events(self.data)?.log()?;
        let d = log.describe();
        output.notes(&d.report.notes);
        let mut facts = Table::new(["property", "value"]);
        let mut fact = |name: &str, value: String| facts.row([name.to_owned(), value]);
        fact("format", d.report.format.clone());
        fact("files", d.report.files.join(", "));
        fact("users", d.users.to_string());
        fact(
            "items",
            match d.items_without_events {
                0 => d.items.to_string(),
                n => format!("{} ({n} without events)", d.items),
            },
        );
        fact("events", d.events.to_string());
        fact("density", format!("{:.3} %", 100.0 * d.density));
        if d.behaviors.len() > 1 {
            fact("behaviors", counts(&d.behaviors));
            fact("target behavior", d.target_behavior.clone());
        }
        for (name, value) in d.chains.iter().flat_map(|c| chains(c, &d.target_behavior)) {
            fact(&name, value);
        }
        if !d.given.is_empty() {
            fact("split of the data", counts(&d.given));
        }
        if !d.report.given_splits.is_empty() {
            let forms = d.report.given_splits.iter();
            let forms: Vec<String> = forms.map(|name| format!("given:{name}")).collect();
            fact("splits of the data", forms.join(", "));
        }
        if !d.report.columns.is_empty() {
            let columns = d.report.columns.iter();
            let columns: Vec<String> = columns
                .map(|c| format!("{} = {}", c.meaning, c.name))
                .collect();
            fact("columns", columns.join(", "));
        }
        if !d.report.unused_columns.is_empty() {
            fact("columns not read", d.report.unused_columns.join(", "));
        }
        if !d.values.is_empty() {
            let value = |v: &ValueCount| match v.from == v.to {
                true => format!("{}: {}", v.from, v.events),
                false => format!("{} to {}: {}", v.from, v.to, v.events),
            };
            fact(
                "values",
                d.values.iter().map(value).collect::<Vec<_>>().join(", "),
            );
        }
        if let Some((first, last)) = d.time_range {
            fact(
                "times",
                format!("{} to {}", written_date(first), written_date(last)),
            );
        }
        fact("events per user", quantiles(&d.events_per_user));
        fact("events per item", quantiles(&d.events_per_item));
        fact("popularity Gini", format!("{:.3}", d.popularity_gini));
        if d.titled_items > 0 {
            fact(
                "titles",
                format!("{} items, such as {}", d.titled_items, d.titles.join("; ")),
            );
        }
        for field in &d.fields {
            fact(
                &field.name,
                format!(
                    "{} values on {:.0} % of items: {} …",
                    field.values,
                    100.0 * field.coverage,
                    field.most_frequent.join(", ")
                ),
            );
        }
        if d.report.duplicates > 0 {
            fact("merged duplicates", d.report.duplicates.to_string());
        }
        for (reason, n) in &d.report.skipped {
            fact("skipped lines", format!("{n}: {reason}"));
        }
        let head = Section::Lines(vec![d.name.clone()]);
        let answer = DataDescription {
            schema: "limpid.data-describe/1",
            description: d,
        };
        output.answer(&answer, vec![head, Section::Table(facts)])
    }
}

/// The facts of chains of behaviors.
fn chains(c: &ChainDescription, target: &str) -> Vec<(String, String)> {
    let share = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
    let record = |c: &Conversion| {
        format!(
            "{:.1} % end in {target} ({} of {} pairs)",
            100.0 * c.conversion,
            c.converted,
            c.pairs
        )
    };
    let mut facts = Vec::new();
    let names: Vec<&str> = c.by_conversion.iter().map(|b| b.name.as_str()).collect();
    facts.push(("order by conversion".to_owned(), names.join(", ")));
    let each = c.by_conversion.iter();
    facts.extend(each.map(|b| (format!("any {}", b.name), record(b))));
    let each = c.patterns.iter();
    facts.extend(each.map(|p| (format!("pattern {}", p.name), record(p))));
    if c.target_without_pattern > 0 {
        let all = c.target_without_pattern + c.patterns.iter().map(|p| p.converted).sum::<usize>();
        facts.push((
            format!("{target} without pattern"),
            format!(
                "{} ({:.1} % of all)",
                c.target_without_pattern,
                share(c.target_without_pattern, all)
            ),
        ));
    }
    if c.users_without_target > 0 {
        let of = format!("users without {target}");
        facts.push((
            of,
            format!("{} (kept for their other events)", c.users_without_target),
        ));
    }
    if c.against_the_order > 0 {
        facts.push((
            "against the order".to_owned(),
            format!(
                "{} pairs have an earlier behavior after their first {target}; they keep their pattern",
                c.against_the_order
            ),
        ));
    }
    if let Some(h) = &c.held_out {
        let patterns = h.patterns.iter();
        let patterns: Vec<String> = patterns
            .map(|p| format!("{} {:.1} %", p.name, share(p.events, h.pairs)))
            .collect();
        facts.push((
            "held-out pairs".to_owned(),
            format!(
                "{} of {} have earlier events in train ({:.1} %, of train pairs {:.1} %): {}",
                h.with_pattern,
                h.pairs,
                share(h.with_pattern, h.pairs),
                100.0 * h.share_in_train,
                patterns.join(", ")
            ),
        ));
        facts.push((
            "evidence in the split".to_owned(),
            h.evidence.meaning().to_owned(),
        ));
    }
    facts
}

fn counts(counts: &[Count]) -> String {
    let each = counts.iter().map(|c| format!("{} {}", c.name, c.events));
    each.collect::<Vec<_>>().join(", ")
}

fn quantiles(q: &Quantiles) -> String {
    format!(
        "mean {:.1}; min {}, 25 % {}, median {}, 75 % {}, 90 % {}, max {}",
        q.mean, q.min, q.q25, q.median, q.q75, q.q90, q.max
    )
}

impl Fetch {
    fn run(self, output: &Output) -> Result<()> {
        let Some(name) = &self.name else {
            let mut table = Table::new(["name", "MB", "contents", "redistribution"]);
            for set in fetch::known() {
                table.row([
                    set.name.to_owned(),
                    set.megabytes.to_string(),
                    set.about.to_owned(),
                    set.redistribution.to_owned(),
                ]);
            }
            let answer = DataSets {
                schema: "limpid.data-sets/1",
                sets: fetch::known(),
            };
            return output.answer(&answer, vec![Section::Table(table)]);
        };
        let bars = Bars::new(output.is_quiet());
        let (mut begun, mut before) = (false, 0);
        let mut progress = |done: u64, total: Option<u64>| {
            if !begun {
                bars.start(name, total.unwrap_or(0));
                begun = true;
            }
            bars.step(done.saturating_sub(before));
            before = done;
        };
        let report = fetch::fetch(name, &self.output, &mut progress, None)?;
        drop(bars);
        let folder = report.folder.display();
        let done = match report.already_there {
            true => format!(
                "{} is in {folder} already; nothing was downloaded",
                report.name
            ),
            false => format!(
                "{} unpacked to {folder}: {}",
                report.name,
                report.files.join(", ")
            ),
        };
        let checked = match &report.checksum {
            Checksum::Verified(sum) => format!("archive verified (SHA-256 {})", short(sum)),
            Checksum::NotRecorded(sum) => format!(
                "archive not verified: the set changes over time (SHA-256 {})",
                short(sum)
            ),
            Checksum::NotChecked => "archive not verified: it is not beside the folder".to_owned(),
        };
        let text = format!(
            "{}\n\n{done}\n{checked}\nNext: limpid data describe {folder}",
            report.notice
        );
        let answer = Fetched {
            schema: "limpid.data-fetch/1",
            report,
        };
        output.answer(&answer, vec![Section::Text(text)])
    }
}

impl Synthesize {
    fn run(self, output: &Output) -> Result<()> {
        let mut config = match self.planted {
            true => synthetic::Config::planted(),
            false => synthetic::Config::default(),
        };
        if let Some(seed) = self.seed {
            config.seed = seed;
        }
        let world = World::generate(&config)?;
        world.write(&self.output)?;
        let answer = Synthesized {
            schema: "limpid.data-synthesize/1",
            folder: self.output.display().to_string(),
            events: world.log.n_events(),
        };
        let text = format!(
            "{} events written to {}; truth.json lists the planted rules",
            answer.events, answer.folder
        );
        output.answer(&answer, vec![Section::Text(text)])
    }
}
