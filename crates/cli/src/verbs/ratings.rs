//! `limpid ratings`: how well ratings can be predicted, by baselines and by models.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use limpid::SplitFrom;
use limpid::eval::ratings::Estimate;
use limpid::measure::short;
use limpid::models::Config;
use limpid::ratings::{RatingOptions, measure_ratings};

use crate::args::{OutArgs, ReadArgs};
use crate::output::{Output, Section, Table};
use crate::progress::Bars;

const EXAMPLES: &str = "\
Examples:
  limpid ratings --data amazon-reviews/ --split ratio:80/10/10@1
  limpid ratings --data amazon-reviews/ --split ratio:80/10/10@1 --texts --model lr-recsys --splits 5
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
    /// Add a model that predicts ratings, such as lr-recsys, with its defaults or --set
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Set a hyper-parameter of --model, such as reg=0.01; repeat for more
    #[arg(long, value_name = "KEY=VALUE", requires = "model")]
    set: Vec<String>,
    /// Repeat on N splits, with the seed of --split and the next ones; intervals are then over splits
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    splits: u64,
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
        let model = match &self.model {
            Some(name) => Some(Config::named(name)?.set(&self.set)?),
            None => None,
        };
        let options = RatingOptions {
            threshold: self.threshold,
            resamples: self.resamples,
            seed: self.seed,
            texts: self.texts,
            model,
            splits: self.splits,
        };
        let source = self.read.source(self.data);
        let bars = Bars::new(output.is_quiet());
        let answer = measure_ratings(&source, &self.split, &options, &bars)?;
        drop(bars);
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
                "the baseline is {}; AUC: ratings of {} or more against lower ones; intervals: 95 %, over {}",
                answer.baseline,
                answer.threshold,
                match answer.splits.len() {
                    1 => "users".to_owned(),
                    n => format!("{n} splits"),
                }
            ),
            "settings are those of the lowest RMSE on the validation ratings, except of --model"
                .to_owned(),
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
