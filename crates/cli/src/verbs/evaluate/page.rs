//! The page of an evaluation: metrics with their breakdowns, popularity bias, explanations, and hits by path.

use limpid::eval::breakdown::BreakdownBy;
use limpid::eval::chain_paths::ChainPaths;
use limpid::eval::faithfulness::Faithfulness;
use limpid::eval::popularity_bias::{PopularityBias, PopularityOf};
use limpid::eval::readability::Readability;
use limpid::eval::spread::Spread;
use limpid::eval::{MetricAt, Report};

use super::{ACTIVITY, COLD_START, POPULARITY};
use crate::output::{Section, Table};

/// Hits by path, and calibration.
pub(super) fn paths(p: &ChainPaths) -> Vec<Section> {
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
pub(super) fn readable(r: &Readability) -> Vec<Section> {
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
pub(super) fn faithful(f: &Faithfulness) -> Vec<Section> {
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

/// Metrics with their breakdowns, popularity bias, and what readers should know.
pub(super) fn page(
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
