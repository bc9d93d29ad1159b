//! `limpid evaluate`: metrics of a model, or of lists made elsewhere.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use limpid::eval::breakdown::BreakdownBy;
use limpid::eval::{Bootstrap, MetricAt, Report};
use limpid::lists::measure_lists;
use limpid::measure::{Fold, default_metrics, short};
use limpid::{Advisor, MeasureOptions};
use serde::Serialize;

use crate::output::{Output, Section, Table};
use crate::progress::Bars;

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// A folder that 'limpid train' saved
    #[arg(required_unless_present = "lists")]
    model: Option<PathBuf>,
    #[command(flatten)]
    what: WhatArgs,
    /// Break the means down
    #[arg(long, value_enum, value_delimiter = ',')]
    by: Vec<By>,
    /// Lists made elsewhere: a table with user, item, and rank or score
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "model",
        requires = "truth"
    )]
    lists: Option<PathBuf>,
    /// What the lists are measured against: a table with user and item
    #[arg(long, value_name = "FILE", requires = "lists")]
    truth: Option<PathBuf>,
    /// What the users had already (the training events), which cannot be a hit
    #[arg(long, value_name = "FILE", requires = "lists")]
    seen: Option<PathBuf>,
}

/// What is measured, for one model or two.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhatArgs {
    /// Metrics, such as ndcg@20,recall@20,itemcoverage,giniindex
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    metrics: Vec<MetricAt>,
    /// The part to measure on
    #[arg(long, value_enum, default_value_t = On::Test)]
    on: On,
    /// What is masked at the test: train items, or train and validation items
    #[arg(long, value_enum, default_value_t = Mask::Train)]
    mask: Mask,
    /// Draws of the bootstrap over users; 0 for no intervals
    #[arg(long, value_name = "N", default_value_t = 1000)]
    resamples: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum On {
    Test,
    Validation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mask {
    Train,
    #[value(name = "train+validation")]
    TrainAndValidation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// By how many items a user has
    Activity,
    /// By how popular the items to be found are
    Popularity,
}

impl WhatArgs {
    pub(crate) fn options(&self) -> MeasureOptions {
        MeasureOptions {
            metrics: match self.metrics.is_empty() {
                true => default_metrics(),
                false => self.metrics.clone(),
            },
            fold: match self.on {
                On::Test => Fold::Test,
                On::Validation => Fold::Validation,
            },
            mask_validation: self.mask == Mask::TrainAndValidation,
            breakdowns: false,
            resamples: self.resamples,
        }
    }
}

#[derive(Serialize)]
struct ListsAnswer {
    schema: &'static str,
    lists: String,
    truth: String,
    #[serde(flatten)]
    report: Report,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let options = MeasureOptions {
            breakdowns: !self.by.is_empty(),
            ..self.what.options()
        };
        if let (Some(lists), Some(truth)) = (&self.lists, &self.truth) {
            let bootstrap = Bootstrap {
                resamples: options.resamples,
                ..Bootstrap::default()
            };
            let report = measure_lists(
                lists,
                truth,
                self.seen.as_deref(),
                options.metrics,
                bootstrap,
            )?;
            let head = format!("{} against {}", lists.display(), truth.display());
            let page = page(head, &report, &self.by);
            let answer = ListsAnswer {
                schema: "limpid.evaluate-lists/1",
                lists: lists.display().to_string(),
                truth: truth.display().to_string(),
                report,
            };
            return output.answer(&answer, page);
        }
        let Some(model) = &self.model else {
            bail!(limpid::Error::Usage(
                "say which model, or --lists and --truth".to_owned()
            ));
        };
        let advisor = Advisor::open(model)?;
        let bars = Bars::new(output.is_quiet());
        let measured = advisor.evaluate(&options, &bars)?;
        drop(bars);
        let head = format!(
            "{} on {}, split {} ({}), {} part, seed {}",
            advisor.described(),
            measured.data,
            measured.split.spec,
            short(&measured.split.hash),
            if measured.on == Fold::Test {
                "test"
            } else {
                "validation"
            },
            measured.seed,
        );
        let page = page(head, &measured.report, &self.by);
        output.answer(&measured, page)
    }
}

fn page(head: String, report: &Report, by: &[By]) -> Vec<Section> {
    let mut table = Table::new(["metric", "value", "95 % interval", "users"]);
    for m in &report.metrics {
        let interval = m
            .interval
            .map_or_else(String::new, |i| format!("{:.4} – {:.4}", i.low, i.high));
        table.row([
            m.metric.to_string(),
            format!("{:.4}", m.value),
            interval,
            m.n_users.to_string(),
        ]);
    }
    let mut page = vec![Section::Text(head), Section::Table(table)];
    for breakdown in &report.breakdowns {
        let (wanted, title, range) = match breakdown.by {
            BreakdownBy::UserActivity => (By::Activity, "users by activity", "items had"),
            BreakdownBy::ItemPopularity => (By::Popularity, "targets by popularity", "train users"),
        };
        if !by.contains(&wanted) {
            continue;
        }
        let mut header = vec![title.to_owned(), range.to_owned(), "users".to_owned()];
        header.extend(breakdown.metrics.iter().map(MetricAt::to_string));
        let mut table = Table::new(header);
        for row in &breakdown.rows {
            let mut cells = vec![
                row.name.clone(),
                format!("{} – {}", row.low, row.high),
                row.n_users.to_string(),
            ];
            cells.extend(row.means.iter().map(|m| format!("{m:.4}")));
            table.row(cells);
        }
        page.push(Section::Table(table));
    }
    let mut notes = vec![report.masks.clone()];
    if report.n_skipped > 0 {
        notes.push(format!(
            "{} users have nothing to be found and are left out",
            report.n_skipped
        ));
    }
    if report.n_untrained_targets > 0 {
        notes.push(format!(
            "{} of {} items to be found have no training data",
            report.n_untrained_targets, report.n_targets
        ));
    }
    for absent in &report.absent {
        notes.push(format!(
            "{} is not defined here: {}",
            absent.metric, absent.why
        ));
    }
    page.push(Section::Text(notes.join("\n")));
    page
}
