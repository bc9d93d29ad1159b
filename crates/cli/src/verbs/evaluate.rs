//! `limpid evaluate`: evaluate a model, or lists made elsewhere.

mod knobs;
mod page;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use limpid::answers::{ListsMeasured, Measured};
use limpid::eval::{Bootstrap, MetricAt, SampledCandidates, Universe};
use limpid::lists::measure_lists;
use limpid::measure::{Regime, default_metrics, short};
use limpid::plot::{self, drop_curves};
use limpid::{Advisor, MeasureOptions, Subset};

use crate::args::{OutArgs, length};
use crate::output::{Output, Plots};
use crate::progress::Bars;

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Folder saved by 'limpid train'
    #[arg(required_unless_present = "lists")]
    model: Option<PathBuf>,
    #[command(flatten)]
    what: WhatArgs,
    /// Break metrics down: activity, popularity, cold-start, path, or a metadata field such as genre or decade
    ///
    /// 'path' is the behaviors that a user has on the held-out item before the target; it is shown without
    /// asking for data of several behaviors, unless --regime leaves only one. 'activity' is quartiles of users, 'popularity' head, middle and tail of the held-out items,
    /// 'cold-start' users and held-out items by their number of training events. By a metadata field, only
    /// held-out items with the value are relevant. Separate several by commas.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "GROUPS",
        conflicts_with = "lists"
    )]
    by: Vec<String>,
    /// Break metrics down by whether a held-out item has a condition, such as 'year < 1960 or genre = War';
    /// repeat for more
    #[arg(long = "where", value_name = "CONDITION", conflicts_with = "lists")]
    conditions: Vec<String>,
    /// Measure popularity bias of lists of K items (default 20) against users' own taste
    #[arg(
        long,
        value_name = "K",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "20",
        value_parser = length,
        conflicts_with = "lists"
    )]
    popularity_bias: Option<usize>,
    /// Measure how well probabilities are calibrated, by path; for models of which the softmax of the scores is a
    /// probability, such as scorecard
    #[arg(long, conflicts_with = "lists")]
    calibration: bool,
    /// Measure explanation length: entries, lines and their kinds
    #[arg(long, conflicts_with = "lists")]
    readability: bool,
    /// Deletion test of explanations against random deletions
    ///
    /// Deletes the items that the five strongest lines cite, and as many random ones, and compares how
    /// many ranks the recommended item falls.
    #[arg(long, conflicts_with = "lists")]
    faithfulness: bool,
    /// Compare the names of knobs with those of raw dimensions, random directions and shuffled tags
    #[arg(long, conflicts_with = "lists")]
    concepts: bool,
    /// Construct concepts of knobs on some users and verify them on others, as RecSAE does, without a language model
    ///
    /// Concepts are metadata values and words of titles by tf-idf. Also: hits by level of activation, similarity of
    /// the users of a unit, and what lists show when a verified unit is turned.
    #[arg(long, conflicts_with = "lists")]
    verify_concepts: bool,
    /// Compare steering by knobs with methods without knobs, at equal personal accuracy
    ///
    /// Single units and blends (the published way), mean and ridge directions, boosting tagged items, TEASER (a
    /// model of profiles over tags), and a random direction; and how often lists get the share that was asked for.
    #[arg(long, conflicts_with = "lists")]
    steering: bool,
    /// Measure what codes of a dictionary keep by the number of active atoms
    #[arg(long, conflicts_with = "lists")]
    sparsity: bool,
    /// Metadata fields whose values are tags for --concepts, --verify-concepts and --steering [default: all but years]
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    columns: Vec<String>,
    /// Plot what was measured to an SVG file: the fronts of --steering, what --sparsity keeps, the deletion curves of
    /// --faithfulness, or the reliability of --calibration; with a / at the end, all of them to a folder
    #[arg(long, value_name = "FILE|FOLDER/")]
    plot: Option<PathBuf>,
    /// Sample N users to measure explanations; 0 for all
    #[arg(long, value_name = "N", default_value_t = 1000)]
    explained_users: usize,
    /// Evaluate lists of another tool: a table of user, item, and rank or score
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "model",
        requires = "truth"
    )]
    lists: Option<PathBuf>,
    /// Held-out (relevant) items of the lists: a table of user and item
    #[arg(long, value_name = "FILE", requires = "lists")]
    truth: Option<PathBuf>,
    /// Training events to mask: a table of user and item
    #[arg(long, value_name = "FILE", requires = "lists")]
    seen: Option<PathBuf>,
    #[command(flatten)]
    out: OutArgs,
}

/// What to measure, of one model or two.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhatArgs {
    /// Metrics, separated by commas, such as ndcg@20,recall@20 [default: ndcg@10, ndcg@20, recall@20,
    /// hit@10, mrr@20, itemcoverage@20, giniindex@20, novelty@20]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    metrics: Vec<MetricAt>,
    /// Held-out set to evaluate on
    #[arg(long, value_enum, value_name = "SUBSET", default_value_t = On::Test)]
    on: On,
    /// Held-out items that count, where there are several behaviors
    ///
    /// With legacy, an item that the user has viewed or carted counts, which is most of what such metrics measure.
    /// With discovery, only items without any event of the user count, among such items. With stripped, the
    /// events of other behaviors on held-out items are deleted from the input; the model was fitted with them,
    /// unless it was trained with --split given+stripped. With temporal, the split must be one by time.
    #[arg(long, value_enum, value_name = "REGIME", default_value_t = RegimeArg::Legacy)]
    regime: RegimeArg,
    /// Seen items to mask at test
    ///
    /// With train, validation items are not masked (count as negatives). Events that the split shows
    /// at test are always masked.
    #[arg(long, value_enum, value_name = "SUBSETS", default_value_t = Mask::Train)]
    mask: Mask,
    /// Items over which coverage and the Gini index are taken
    ///
    /// Most models cannot recommend items without training events, so these do not count by default.
    #[arg(long, value_enum, value_name = "ITEMS", default_value_t = Over::Trained)]
    universe: Over,
    /// Rank held-out items among N random items per user only: sampled metrics, with seed 1 or SEED
    ///
    /// Papers that report such values can be reproduced. They are not comparable with full rankings and
    /// can order models differently.
    #[arg(long, value_name = "N[@SEED]", value_parser = candidates)]
    candidates: Option<SampledCandidates>,
    /// Bootstrap resamples over users; 0 for no intervals
    #[arg(long, value_name = "N", default_value_t = 1000)]
    resamples: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum On {
    Test,
    Validation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RegimeArg {
    Legacy,
    Discovery,
    Stripped,
    Temporal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mask {
    Train,
    #[value(name = "train+validation")]
    TrainAndValidation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Over {
    /// Items with training events
    Trained,
    /// All items of the catalogue
    Catalogue,
}

/// Breakdowns that are not by a metadata field.
const ACTIVITY: &str = "activity";
const POPULARITY: &str = "popularity";
const COLD_START: &str = "cold-start";
const PATH: &str = "path";

/// A number of candidates, with a seed after an `@`.
fn candidates(text: &str) -> Result<SampledCandidates, String> {
    let (n, seed) = text.split_once('@').unwrap_or((text, "1"));
    match (n.parse(), seed.parse()) {
        (Ok(n), Ok(seed)) if n > 0 => Ok(SampledCandidates { n, seed }),
        _ => Err("write a number of items, such as 100 or 100@7".to_owned()),
    }
}

impl WhatArgs {
    pub(crate) fn options(&self) -> MeasureOptions {
        MeasureOptions {
            metrics: match self.metrics.is_empty() {
                true => default_metrics(),
                false => self.metrics.clone(),
            },
            on: match self.on {
                On::Test => Subset::Test,
                On::Validation => Subset::Validation,
            },
            regime: match self.regime {
                RegimeArg::Legacy => Regime::Legacy,
                RegimeArg::Discovery => Regime::Discovery,
                RegimeArg::Stripped => Regime::Stripped,
                RegimeArg::Temporal => Regime::Temporal,
            },
            mask_validation: self.mask == Mask::TrainAndValidation,
            universe: match self.universe {
                Over::Trained => Universe::Trained,
                Over::Catalogue => Universe::Catalogue,
            },
            candidates: self.candidates,
            resamples: self.resamples,
            ..MeasureOptions::default()
        }
    }
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
        let plotted = [
            self.faithfulness,
            self.calibration,
            self.steering,
            self.sparsity,
        ];
        if self.plot.is_some() && !plotted.contains(&true) {
            bail!(limpid::Error::Usage(
                "--plot needs --steering, --sparsity, --faithfulness or --calibration".to_owned()
            ));
        }
        let plots = self.plot.as_deref().map(Plots::new).transpose()?;
        let by = |name: &str| self.by.iter().any(|by| by == name);
        let is_field =
            |name: &&String| ![ACTIVITY, POPULARITY, COLD_START, PATH].contains(&name.as_str());
        let options = MeasureOptions {
            breakdowns: by(ACTIVITY) || by(POPULARITY),
            fields: self.by.iter().filter(is_field).cloned().collect(),
            conditions: self.conditions.clone(),
            cold_start: by(COLD_START),
            paths: by(PATH),
            calibration: self.calibration,
            popularity_bias: self.popularity_bias,
            readability: self.readability,
            faithfulness: self.faithfulness,
            concepts: self.concepts,
            verification: self.verify_concepts,
            steering: self.steering,
            sparsity: self.sparsity,
            labels: self.columns.clone(),
            explained_users: self.explained_users,
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
                options.universe,
                bootstrap,
            )?;
            let head = format!("{} against {}", lists.display(), truth.display());
            let page = page::page(head, &report, &self.by, "held-out", None);
            let answer = ListsMeasured {
                schema: "limpid.evaluate-lists/1",
                lists: lists.display().to_string(),
                truth: truth.display().to_string(),
                report,
            };
            return output.answer(&answer, page);
        }
        let Some(model) = &self.model else {
            bail!(limpid::Error::Usage(
                "no model given; name a model folder, or use --lists and --truth".to_owned()
            ));
        };
        let advisor = Advisor::open(model)?;
        let bars = Bars::new(output.is_quiet());
        let measured = advisor.evaluate(&options, &bars)?;
        drop(bars);
        let head = format!(
            "{} on {}, split {} ({}), {} set, seed {}",
            advisor.described(),
            measured.data,
            measured.split.spec,
            short(&measured.split.hash),
            measured.on,
            measured.seed,
        );
        if let Some(plots) = &plots {
            plots.write(&pictures(&measured)?, output)?;
        }
        let shown = format!("shown: {}", measured.shown);
        let on = measured.on.to_string();
        let by = [self.by, self.conditions].concat();
        let mut page = page::page(head, &measured.report, &by, &on, Some(shown));
        page.extend(measured.paths.iter().flat_map(page::paths));
        page.extend(measured.readability.iter().flat_map(page::readable));
        page.extend(measured.faithfulness.iter().flat_map(page::faithful));
        page.extend(measured.knobs.iter().flat_map(knobs::knobs));
        output.answer(&measured, page)
    }
}

/// What was measured, as pictures by name.
fn pictures(measured: &Measured) -> Result<Vec<(&'static str, String)>> {
    let title = format!("{}, {}", measured.model, measured.data);
    let mut all = match &measured.knobs {
        Some(knobs) => plot::measured(&title, knobs)?,
        None => Vec::new(),
    };
    if let Some(faithfulness) = &measured.faithfulness {
        let drops = drop_curves(&measured.data, &[(measured.model.clone(), faithfulness)]);
        all.push(("deletion", plot::curves(&drops)?));
    }
    let calibration = measured.paths.as_ref().and_then(|p| p.calibration.as_ref());
    if let Some(calibration) = calibration {
        let curves = plot::reliability(&title, calibration);
        all.push(("reliability", plot::curves(&curves)?));
    }
    Ok(all)
}
