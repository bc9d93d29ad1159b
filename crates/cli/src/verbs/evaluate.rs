//! `limpid evaluate`: evaluate a model, or lists made elsewhere.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use limpid::answers::{ListsMeasured, Measured};
use limpid::eval::breakdown::BreakdownBy;
use limpid::eval::chain_paths::ChainPaths;
use limpid::eval::faithfulness::Faithfulness;
use limpid::eval::popularity_bias::{PopularityBias, PopularityOf};
use limpid::eval::readability::Readability;
use limpid::eval::spread::Spread;
use limpid::eval::{Bootstrap, MetricAt, Report, SampledCandidates, Universe};
use limpid::insight::concepts::levels::LEVELS;
use limpid::insight::concepts::{LevelRule, MapShape};
use limpid::lists::measure_lists;
use limpid::measure::{Regime, default_metrics, short};
use limpid::measure_knobs::{KnobsMeasured, SteeringMeasured, VerificationMeasured};
use limpid::plot::{self, drop_curves};
use limpid::{Advisor, MeasureOptions, Subset};

use crate::args::{OutArgs, length};
use crate::output::{Output, Plots, Section, Table};
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
            let page = page(head, &report, &self.by, "held-out", None);
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
        let mut page = page(head, &measured.report, &by, &on, Some(shown));
        page.extend(measured.paths.iter().flat_map(paths));
        page.extend(measured.readability.iter().flat_map(readable));
        page.extend(measured.faithfulness.iter().flat_map(faithful));
        page.extend(measured.knobs.iter().flat_map(knobs));
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

/// The measurements of a dictionary.
fn knobs(k: &KnobsMeasured) -> Vec<Section> {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut table = Table::new(["dictionary", "value"]);
    let p = &k.passing;
    for (name, value) in [
        ("nDCG@20 kept in pass-through", percent(p.retention)),
        ("nDCG@20 kept without edits", percent(p.error_preserving)),
        (
            "cosine of users with their codes",
            format!("{:.3}", p.cosine_users),
        ),
        (
            "cosine of single items with their codes",
            format!("{:.3}", p.cosine_items),
        ),
        ("active atoms per user", format!("{:.1}", p.active)),
        (
            "atoms that were dead at the end of training",
            p.dead_training.map_or_else(|| "–".to_owned(), percent),
        ),
        (
            "atoms that no measured user activates",
            percent(p.dead_users),
        ),
        ("atoms that no single item activates", percent(p.dead_items)),
    ] {
        table.row([name.to_owned(), value]);
    }
    for kept in p.kept.iter().filter(|k| k.metric.to_string() != "ndcg@20") {
        table.row([
            format!("{} kept in pass-through", kept.metric),
            format!(
                "{} ({:.4} of {:.4})",
                percent(kept.retention()),
                kept.passed,
                kept.base
            ),
        ]);
    }
    let mut page = vec![Section::Table(table)];
    if let Some(kept) = &k.sparsity {
        let mut table = Table::new(["active atoms, at most", "nDCG@20 kept"]);
        for at in kept {
            table.row([at.k.to_string(), percent(at.retention)]);
        }
        page.push(Section::Table(table));
    }
    if let Some(c) = &k.concepts {
        let mut table = Table::new(["names", "units", "named", "distinct"]);
        for (name, s) in [
            ("knobs", c.knobs),
            ("all atoms", c.atoms),
            ("raw dimensions, either sign", c.raw),
            ("random directions, either sign", c.random),
            ("knobs, shuffled tags", c.shuffled),
        ] {
            let cells = [
                s.units.to_string(),
                percent(s.named),
                s.distinct.to_string(),
            ];
            table.row(std::iter::once(name.to_owned()).chain(cells));
        }
        page.push(Section::Table(table));
        page.extend(maps(&c.maps));
    }
    page.extend(k.verification.iter().flat_map(verification));
    if let Some(f) = &k.faithfulness {
        let mut table = Table::new(["muting test", "top item leaves the top 20"]);
        table.row(["3 most cited units", &percent(f.cited)]);
        table.row(["3 random active units", &percent(f.random)]);
        table.row(["random units of equal mass", &percent(f.equal_mass)]);
        page.push(Section::Table(table));
        page.push(Section::Text(format!(
            "{} users; share of the score lost without the 3 units {:.2}, with them alone {:.2}",
            f.n_users, f.comprehensiveness, f.sufficiency
        )));
    }
    page.extend(k.steering.iter().flat_map(steering));
    page
}

/// The tf-idf maps of tags and units.
fn maps(m: &MapShape) -> Vec<Section> {
    if m.tags == 0 {
        return Vec::new();
    }
    let text = format!(
        "tf-idf maps of {} tags: {} distinct representative units, {} unique ones, {} characteristic tags of units; a tag \
         spreads over {:.1} units (entropy {:.2}, {:.0} % below that of the mean; Jensen–Shannon divergence from it {:.3}, \
         Kullback–Leibler {:.2})",
        m.tags,
        m.representative,
        m.unique,
        m.characteristic,
        m.effective_units,
        m.entropy,
        100.0 * m.decrease,
        m.divergence,
        m.kl
    );
    let mut page = vec![Section::Text(text)];
    page.extend(m.warning().map(Section::Text));
    page
}

/// RecSAE's concepts.
fn verification(v: &VerificationMeasured) -> Vec<Section> {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut counts = Table::new([
        "levels by",
        "units",
        "with concept",
        "verified",
        "by chance",
        "distinct",
        "by chance",
        "hard negatives",
        "all strengths",
        "coverage",
    ]);
    for rule in &v.rules {
        let name = match rule.rule {
            LevelRule::Rank => "rank",
            LevelRule::Global => "all units",
            LevelRule::Value => "value",
        };
        for (units, c, coverage) in [
            ("dictionary", &rule.units, rule.coverage),
            ("dimensions", &rule.base, rule.base_coverage),
        ] {
            counts.row([
                name.to_owned(),
                units.to_owned(),
                c.with_concept.to_string(),
                c.verified.to_string(),
                format!("{:.1}", c.null),
                c.distinct.to_string(),
                format!("{:.1}", c.null_distinct),
                c.hard.to_string(),
                c.spread.to_string(),
                percent(coverage),
            ]);
        }
    }
    let mut hits = Table::new(
        std::iter::once("hits by level".to_owned())
            .chain((0..=LEVELS).map(|l| l.to_string()))
            .chain(["all".to_owned()]),
    );
    for rule in &v.rules {
        let name = serde_json::to_value(rule.rule).ok();
        let name = name.and_then(|n| n.as_str().map(str::to_owned));
        let cells = rule.hits.by_level.iter();
        let cells = cells.map(|h| h.map_or_else(|| "–".to_owned(), |h| format!("{h:.3}")));
        let average = [format!("{:.3}", rule.hits.average)];
        hits.row(
            std::iter::once(name.unwrap_or_default())
                .chain(cells)
                .chain(average),
        );
    }
    let mut alike = Table::new([
        "mean cosine",
        "intra item",
        "intra user",
        "inter item",
        "inter user",
    ]);
    for (name, l) in [
        ("dictionary", &v.likeness),
        ("dimensions", &v.base_likeness),
    ] {
        let cells = [l.intra_item, l.intra_user, l.inter_item, l.inter_user];
        let cells = cells.map(|c| format!("{c:.3}"));
        alike.row(std::iter::once(name.to_owned()).chain(cells));
    }
    let mut tuned = Table::new([
        "activation times",
        "lists with the concept",
        "with another one",
    ]);
    for p in &v.tuning {
        tuned.row([
            format!("{}", p.scale),
            percent(p.presence),
            percent(p.others),
        ]);
    }
    let mut concepts = Table::new([
        "unit",
        "concept",
        "confidence",
        "95 % interval",
        "hard",
        "all strengths",
    ]);
    for c in v.concepts.iter().take(10) {
        concepts.row([
            c.unit.clone(),
            c.concept.clone(),
            format!("{:.2}", c.confidence),
            format!("{:.2} – {:.2}", c.low, c.high),
            format!("{:.2}", c.hard),
            format!("{:.2}", c.spread),
        ]);
    }
    vec![
        Section::Text(format!(
            "Concepts of {} users, verified on {} others: 5 most activated and 5 inactive cases, 8 of 10 told right",
            v.constructed_on, v.verified_on
        )),
        Section::Table(counts),
        Section::Table(hits),
        Section::Table(alike),
        Section::Text(format!(
            "{} of the users have the first item of the base in pass-through; lists of ten when verified units are turned:",
            percent(v.agreement)
        )),
        Section::Table(tuned),
        Section::Table(concepts),
    ]
}

/// Steering against methods without knobs.
fn steering(s: &SteeringMeasured) -> Vec<Section> {
    let mut table = Table::new(["method", "target tag", "at 95 %", "area", "unsteered"]);
    for m in &s.methods {
        let unsteered = m.front.points.first().map_or(0.0, |p| p.segment);
        table.row([
            m.method.clone(),
            m.target.clone(),
            m.segment_at_95
                .map_or_else(|| "below 95 %".to_owned(), |v| format!("{v:.3}")),
            format!("{:.3}", m.area),
            format!("{unsteered:.3}"),
        ]);
    }
    let best = s
        .best
        .iter()
        .map(|(target, method)| format!("{target}: {method}"));
    let mut shares = Table::new([
        "target",
        "asked",
        "users with fewer",
        "within one item",
        "reported as unreachable",
    ]);
    for row in &s.shares {
        shares.row([
            row.target.clone(),
            format!("{:.0} %", 100.0 * row.asked),
            row.users.to_string(),
            format!("{:.1} %", 100.0 * row.within_one),
            format!("{:.1} %", 100.0 * row.unreachable),
        ]);
    }
    vec![
        Section::Text(
            "Segment nDCG@20 where personal nDCG@20 is 95 % of the unsteered one; area: its mean over 80 to \
             100 %"
                .to_owned(),
        ),
        Section::Table(table),
        Section::Lines(vec![format!("best: {}", best.collect::<Vec<_>>().join("; "))]),
        Section::Table(shares),
        Section::Lines(s.notes.clone()),
    ]
}

/// Hits by path, and calibration.
fn paths(p: &ChainPaths) -> Vec<Section> {
    let hits = format!("hits at {}", p.k);
    let mut table = Table::new([
        "path",
        "held-out",
        "share",
        hits.as_str(),
        "share of hits",
        "share of lists",
    ]);
    for path in &p.paths {
        table.row([
            path.path.clone(),
            path.held_out.to_string(),
            format!("{:.3}", path.share),
            format!("{:.3}", path.hit_rate),
            format!("{:.3}", path.hit_share),
            format!("{:.3}", path.listed),
        ]);
    }
    let mut page = vec![
        Section::Table(table),
        Section::Text(format!(
            "{:.1} % of the hits are items that the user has touched before (re-targeting)",
            100.0 * p.retargeting
        )),
    ];
    let Some(c) = &p.calibration else {
        return page;
    };
    let mut table = Table::new([
        "probability",
        "pairs",
        "predicted",
        "observed",
        "ECE",
        "Brier",
    ]);
    let cells = |name: &str, pairs: usize, predicted: f64, observed: f64, ece: f64, brier: f64| {
        [
            name.to_owned(),
            pairs.to_string(),
            format!("{predicted:.4}"),
            format!("{observed:.4}"),
            format!("{ece:.5}"),
            format!("{brier:.5}"),
        ]
    };
    let mean = c
        .bins
        .iter()
        .map(|b| b.predicted * b.pairs as f64)
        .sum::<f64>()
        / c.pairs.max(1) as f64;
    table.row(cells(
        "all paths",
        c.pairs,
        mean,
        c.base_rate,
        c.ece,
        c.brier,
    ));
    for path in &c.paths {
        let name = &path.path;
        table.row(cells(
            name,
            path.pairs,
            path.predicted,
            path.observed,
            path.ece,
            path.brier,
        ));
    }
    let mut bins = Table::new(["tenth of the pairs", "predicted", "observed"]);
    for (at, bin) in c.bins.iter().enumerate() {
        let name = (at + 1).to_string();
        bins.row([
            name,
            format!("{:.4}", bin.predicted),
            format!("{:.4}", bin.observed),
        ]);
    }
    bins.row([
        "most probable 0.4 %".to_owned(),
        format!("{:.4}", c.most_probable.predicted),
        format!("{:.4}", c.most_probable.observed),
    ]);
    page.extend([
        Section::Table(table),
        Section::Table(bins),
        Section::Text(format!(
            "Brier score of the base rate alone: {:.5}; held-out item without earlier events: predicted {:.3}, \
             observed {:.3}",
            c.brier_of_base_rate, c.untouched_predicted, c.untouched_observed
        )),
    ]);
    page
}

/// Explanation length.
fn readable(r: &Readability) -> Vec<Section> {
    let mut spread = Table::new(["readability at rank 1", "median", "p90", "mean"]);
    for (name, s, digits) in [
        ("entries for 80 % of the supporting evidence", r.entries, 1),
        ("lines for 80 % of the supporting evidence", r.lines, 1),
        (
            "entries for 80 % of the absolute evidence",
            r.entries_absolute,
            1,
        ),
        (
            "lines for 80 % of the absolute evidence",
            r.lines_absolute,
            1,
        ),
        ("items cited by the supporting lines", r.items, 1),
        ("share of the 5 strongest lines", r.strongest_five, 2),
    ] {
        spread.row([
            name.to_owned(),
            format!("{:.digits$}", s.median),
            format!("{:.digits$}", s.p90),
            format!("{:.digits$}", s.mean),
        ]);
    }
    let s = &r.shapes;
    let mut shapes = Table::new(["lines shown", "share"]);
    for (name, share) in [
        ("one item", s.single),
        ("one item and NOT others", s.single_not),
        ("several items (AND)", s.and),
        ("several items and NOT others", s.and_not),
        ("any of several (OR)", s.or),
        ("at least k of several", s.at_least),
        ("NOT only", s.not),
        ("without a rule", s.other),
    ] {
        if share > 0.0 {
            shapes.row([name.to_owned(), format!("{:.0} %", 100.0 * share)]);
        }
    }
    let mut notes = format!(
        "{} users; {} lines of {:.1} literals on average and {} at most",
        r.n_users, s.n_lines, s.literals, s.most_literals
    );
    if r.n_without_evidence > 0 {
        notes += &format!(
            "; {} users without supporting evidence",
            r.n_without_evidence
        );
    }
    vec![
        Section::Table(spread),
        Section::Table(shapes),
        Section::Text(notes),
    ]
}

/// The deletion test.
fn faithful(f: &Faithfulness) -> Vec<Section> {
    let mut table = Table::new([
        "deletion test, 5 strongest lines",
        "cited items",
        "random items",
    ]);
    let mut row = |name: &str, cited: Spread, random: Spread, digits: usize| {
        let cell = |s: Spread| format!("{:.digits$} ({:.digits$})", s.median, s.mean);
        table.row([name.to_owned(), cell(cited), cell(random)]);
    };
    row("ranks lost without them", f.drop, f.random_drop, 0);
    row(
        "share of the score lost without them (comprehensiveness)",
        f.comprehensiveness,
        f.random_comprehensiveness,
        2,
    );
    row(
        "share of the score lost with them alone (sufficiency)",
        f.sufficiency,
        f.random_sufficiency,
        2,
    );
    vec![
        Section::Table(table),
        Section::Text(format!(
            "median (mean) over {} users; {:.0} items deleted (median); largest relative additivity error of \
             a ledger: {:.1e}",
            f.n_users, f.deleted.median, f.additivity_error
        )),
    ]
}

/// Popularity bias.
fn biased(bias: &PopularityBias) -> Vec<Section> {
    let title = format!("popularity bias, {} items", bias.k);
    let mut table = Table::new([title.as_str(), "lists", "histories", "held-out items"]);
    let mut row = |name: &str, of: fn(&PopularityOf) -> f64, digits: usize| {
        let cell = |own: &PopularityOf| format!("{:.digits$}", of(own));
        let cells = [&bias.lists, &bias.histories, &bias.held_out].map(cell);
        table.row(std::iter::once(name.to_owned()).chain(cells));
    };
    row("item coverage", |p| p.coverage, 4);
    row("Gini index", |p| p.gini, 4);
    row(
        "average popularity (train users)",
        |p| p.average_popularity,
        1,
    );
    row("share of tail items", |p| p.tail_share, 4);
    let interval = bias.interval.map_or_else(String::new, |i| {
        format!(
            " (95 % interval {:+.1} – {:+.1} %)",
            100.0 * i.low,
            100.0 * i.high
        )
    });
    vec![
        Section::Table(table),
        Section::Text(format!(
            "lift over users' own taste: {:+.1} %{interval}: average popularity of the lists over that of \
             the histories; {:.0} % of users have a list more popular than their history",
            100.0 * bias.lift,
            100.0 * bias.users_above
        )),
    ]
}

fn page(
    head: String,
    report: &Report,
    by: &[String],
    on: &str,
    shown: Option<String>,
) -> Vec<Section> {
    let value = match report.candidates {
        Some(_) => "sampled value",
        None => "value",
    };
    let mut table = Table::new(["metric", value, "95 % interval", "users"]);
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
    let mut page = vec![Section::Lines(vec![head]), Section::Table(table)];
    for breakdown in &report.breakdowns {
        let field = breakdown.field.as_deref().unwrap_or_default();
        let (wanted, title, range) = match breakdown.by {
            BreakdownBy::UserActivity => (ACTIVITY, "activity", "history"),
            BreakdownBy::ItemPopularity => (POPULARITY, "popularity", "train users"),
            BreakdownBy::ItemField => (field, field, "train users"),
            BreakdownBy::ColdUsers => (COLD_START, "history of the user", "history"),
            BreakdownBy::ColdItems => (COLD_START, "train users of the item", "train users"),
        };
        if !by.iter().any(|by| by == wanted) {
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
    page.extend(report.popularity_bias.iter().flat_map(biased));
    let mut notes: Vec<String> = report.candidates.iter().map(|c| c.warning()).collect();
    notes.extend(shown);
    notes.push(report.masks.clone());
    notes.extend(report.universe_words());
    if report
        .breakdowns
        .iter()
        .any(|b| b.by == BreakdownBy::ItemField)
    {
        notes.push(
            "by a metadata field: the lists are the same, only held-out items with the value are relevant; \
             users without one are left out"
                .to_owned(),
        );
    }
    if report.n_skipped > 0 {
        notes.push(format!(
            "{} users with no {on} items were skipped",
            report.n_skipped
        ));
    }
    if report.n_untrained_targets > 0 {
        notes.push(format!(
            "{} of {} held-out items have no training data (cold-start)",
            report.n_untrained_targets, report.n_targets
        ));
    }
    for absent in &report.absent {
        notes.push(format!(
            "{} is not defined here: {}",
            absent.metric, absent.why
        ));
    }
    page.push(Section::Lines(notes));
    page
}
