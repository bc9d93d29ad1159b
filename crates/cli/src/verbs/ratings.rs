//! `limpid ratings`: how well ratings can be predicted, by baselines.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use limpid::data::sources::Texts;
use limpid::eval::ratings::Estimate;
use limpid::measure::short;
use limpid::ratings::{RatingOptions, measure_ratings};
use limpid::{Prepared, SplitFrom};

use crate::args::{OutArgs, ReadArgs};
use crate::output::{Output, Section, Table};

const EXAMPLES: &str = "\
Examples:
  limpid ratings --data amazon-reviews/ --split ratio:80/10/10@1
  limpid ratings --data amazon-reviews/ --split ratio:80/10/10@1 --texts
  limpid ratings --data ratings.csv --split temporal:0.8 --threshold 3.5 --format json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Command {
    /// Data with ratings: a file or folder
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Split of the data; validation ratings choose the settings, as for 'limpid train --split'
    #[arg(long, value_name = "SPLIT", default_value = "ratio:80/10/10@1")]
    split: SplitFrom,
    /// Ratings of this value or more are positive for the AUC
    #[arg(long, value_name = "RATING", default_value_t = 4.0)]
    threshold: f64,
    /// Bootstrap resamples over users; 0 for no intervals
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = resamples)]
    resamples: usize,
    /// Seed of the factors; the split has its own
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Add profiles made of the texts of training ratings, such as reviews
    #[arg(long)]
    texts: bool,
    /// Columns of texts, separated by commas, with --texts [default: summary, reviewText, text, review and the like]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "texts")]
    text_column: Vec<String>,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    out: OutArgs,
}

fn resamples(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n <= limpid::eval::bootstrap::Bootstrap::MOST => Ok(n),
        _ => Err("must be a whole number up to 100000".to_owned()),
    }
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
        let mut source = self.read.source(self.data);
        source.filters.weighted = true;
        let prepared = Prepared::read(&source, &self.split)?;
        let options = RatingOptions {
            threshold: self.threshold,
            resamples: self.resamples,
            seed: self.seed,
        };
        let texts = match self.texts {
            true => Some(Texts::read(
                &source.path,
                &source.read,
                &prepared.columns,
                &self.text_column,
                &prepared.split.catalogue,
            )?),
            false => None,
        };
        let answer = measure_ratings(&prepared, texts.as_ref(), &options)?;
        let head = format!(
            "{}: {} training, {} validation and {} test ratings, split {} ({})",
            answer.data,
            answer.train,
            answer.validation,
            answer.test,
            answer.split,
            short(&answer.split_hash)
        );
        let mut table = Table::new(["model", "RMSE", "MAE", "AUC", "RMSE − baseline", "settings"]);
        for row in &answer.models {
            let metrics = &row.metrics;
            table.row([
                row.model.to_owned(),
                shown(Some(metrics.rmse)),
                shown(Some(metrics.mae)),
                shown(metrics.auc),
                shown(metrics.difference),
                row.settings.clone(),
            ]);
        }
        let notes = vec![
            format!(
                "the baseline is {}; AUC: ratings of {} or more against lower ones; intervals: 95 %, over users",
                answer.baseline, answer.threshold
            ),
            "settings are those of the lowest RMSE on the validation ratings".to_owned(),
        ];
        output.notes(&answer.notes);
        let page = vec![
            Section::Lines(vec![head]),
            Section::Table(table),
            Section::Lines(notes),
        ];
        output.answer(&answer, page)
    }
}

fn shown(estimate: Option<Estimate>) -> String {
    match estimate {
        None => String::new(),
        Some(Estimate { value, interval }) => match interval {
            Some(i) => format!("{value:.4} [{:.4}, {:.4}]", i.low, i.high),
            None => format!("{value:.4}"),
        },
    }
}
