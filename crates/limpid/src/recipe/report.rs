//! The report of a recipe: means over splits with intervals, paired differences, verdicts.

use std::fmt::Write;

use serde::Serialize;

use limpid_eval::faithfulness::Faithfulness;
use limpid_eval::holm_of;
use limpid_eval::readability::Readability;
use limpid_eval::student_t::{quantile, two_sided};

use super::{Recipe, Row, SplitResult};
use crate::Subset;
use crate::measure_knobs::{KNOBS_METRICS, KnobsRow};
use crate::plot::{Curves, Dot, Scatter, drop_curves};
use crate::rules::RuleSummary;

/// A mean over splits with its 95 % interval (Student's t over splits).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Summary {
    /// The mean.
    pub mean: f64,
    /// Half the width of the interval; none for one split.
    pub half_width: Option<f64>,
    /// Standard deviation over splits; none for one split.
    pub sd: Option<f64>,
    /// Number of splits.
    pub n: usize,
}

impl Summary {
    /// The summary of values, one per split.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n.max(1) as f64;
        let spread = (n > 1).then(|| {
            let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            (squares / (n - 1) as f64).sqrt()
        });
        Self {
            mean,
            half_width: spread.map(|sd| quantile(0.975, n - 1) * sd / (n as f64).sqrt()),
            sd: spread,
            n,
        }
    }
}

/// The outcome of a row.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RowOutcome {
    /// The row of the recipe.
    pub row: Row,
    /// The metric.
    pub ours: Summary,
    /// The paired difference from the baseline.
    pub difference: Option<Summary>,
    /// The p-value of the paired t test of that difference over splits, corrected by Holm's method for the rows of
    /// the table; none for one split.
    pub p_holm: Option<f64>,
    /// Whether the row passes its bounds; none where it has none.
    pub reached: Option<bool>,
    /// The verdict in words: `pass`, or `FAIL` with the reasons.
    pub verdict: String,
    /// Every split.
    pub results: Vec<SplitResult>,
}

/// The outcome of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Outcome {
    /// `limpid.reproduce/1`.
    pub schema: &'static str,
    /// What the table shows.
    pub title: String,
    /// Where it was published, or that it is our own.
    pub source: String,
    /// The protocol in words.
    pub protocol: String,
    /// The metric.
    pub metric: String,
    /// The row that differences are measured from.
    pub baseline: Option<String>,
    /// The rows.
    pub rows: Vec<RowOutcome>,
}

pub(super) fn outcome(recipe: &Recipe, results: Vec<Vec<SplitResult>>) -> Outcome {
    let of = |name: &str| {
        let at = recipe.rows.iter().position(|r| r.name == name)?;
        Some(results[at].clone())
    };
    let baseline = recipe.baseline.as_deref().and_then(of);
    let mut rows: Vec<RowOutcome> = recipe
        .rows
        .iter()
        .zip(&results)
        .map(|(row, results)| {
            let values: Vec<f64> = results.iter().map(|r| r.value).collect();
            let ours = Summary::of(&values);
            let is_baseline = recipe.baseline.as_deref() == Some(&row.name);
            let difference = baseline.as_ref().filter(|_| !is_baseline).map(|baseline| {
                let pairs: Vec<f64> = results
                    .iter()
                    .zip(baseline)
                    .map(|(a, b)| a.value - b.value)
                    .collect();
                Summary::of(&pairs)
            });
            let (reached, verdict) = judge(row, &ours, difference.as_ref(), results);
            RowOutcome {
                row: row.clone(),
                ours,
                difference,
                p_holm: None,
                reached,
                verdict,
                results: results.clone(),
            }
        })
        .collect();
    correct_for_many(&mut rows);
    let splits = match recipe.seeds.as_slice() {
        [] => recipe.split.clone(),
        _ => {
            let seeds: Vec<&str> = results
                .first()
                .into_iter()
                .flatten()
                .filter_map(|r| r.split.rsplit('@').next())
                .collect();
            format!("{}, seeds {}", recipe.split, seeds.join(", "))
        }
    };
    Outcome {
        schema: "limpid.reproduce/1",
        title: recipe.title.clone(),
        source: recipe.source.clone(),
        protocol: format!(
            "{}; split {splits}; {} set; masked: {}; intervals: 95 %, Student's t over splits",
            recipe.data,
            match recipe.on {
                Subset::Test => "test",
                Subset::Validation => "validation",
            },
            match recipe.mask_validation || recipe.shows_validation() {
                true => "train and validation items",
                false => "train items; validation items are not masked (count as negatives)",
            }
        ),
        metric: recipe.metric.clone(),
        baseline: recipe.baseline.clone(),
        rows,
    }
}

/// Tests every difference, and corrects the p-values for their number.
fn correct_for_many(rows: &mut [RowOutcome]) {
    let tested = rows.iter().enumerate().filter_map(|(at, row)| {
        let d = row.difference.as_ref()?;
        let error = d.sd? / (d.n as f64).sqrt();
        let t = if d.mean == 0.0 { 0.0 } else { d.mean / error };
        Some((at, two_sided(t, d.n - 1)))
    });
    let (at, p): (Vec<usize>, Vec<f64>) = tested.unzip();
    for (at, p) in at.into_iter().zip(holm_of(&p)) {
        rows[at].p_holm = Some(p);
    }
}

/// The mean over the splits that have a value.
fn mean_of(results: &[SplitResult], of: impl Fn(&SplitResult) -> Option<f64>) -> Option<f64> {
    let all: Vec<f64> = results.iter().filter_map(of).collect();
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

fn judge(
    row: &Row,
    ours: &Summary,
    difference: Option<&Summary>,
    results: &[SplitResult],
) -> (Option<bool>, String) {
    let mut all = None;
    let mut words = Vec::new();
    let mut check = |ok: bool, text: String| {
        all = Some(all.unwrap_or(true) && ok);
        if !ok {
            words.push(text);
        }
    };
    if let Some(published) = row.published {
        let tolerance = row.tolerance.unwrap_or(0.005);
        let off = ours.mean - published;
        check(
            off.abs() <= tolerance,
            format!("{off:+.4} from published, ± {tolerance} allowed"),
        );
    }
    let require = &row.require;
    if let Some(least) = require.value {
        check(
            ours.mean >= least,
            format!("{:.4}, at least {least:.3} required", ours.mean),
        );
    }
    if let Some(least) = require.difference {
        match difference {
            Some(d) => check(
                d.mean >= least,
                format!("{:+.4}, at least {least:+.3} required", d.mean),
            ),
            None => check(false, unmeasured("difference from a baseline")),
        }
    }
    let readable =
        |of: fn(&Readability) -> f64| mean_of(results, |r| r.readability.as_ref().map(of));
    if let Some([median, p90]) = require.lines {
        let lines = readable(|r| r.lines.median).zip(readable(|r| r.lines.p90));
        match lines {
            Some((m, p)) => check(
                m <= median && p <= p90,
                format!("{m:.1} / {p:.1} lines, at most {median} / {p90} required"),
            ),
            None => check(false, unmeasured("lines")),
        }
    }
    let mut at_most = |bound: Option<f64>, found: Option<f64>, what: &str| match (bound, found) {
        (None, _) => {}
        (Some(bound), Some(found)) => check(
            found <= bound,
            format!("{found:.1} {what}, at most {bound} required"),
        ),
        (Some(_), None) => check(false, unmeasured(what)),
    };
    at_most(
        require.entries_absolute,
        readable(|r| r.entries_absolute.median),
        "entries",
    );
    at_most(
        require.literals,
        readable(|r| r.shapes.literals),
        "literals per line",
    );
    let rules = |of: fn(&RuleSummary) -> f64| mean_of(results, |r| r.rules.as_ref().map(of));
    at_most(
        require.rule_literals,
        rules(|r| r.literals),
        "literals per rule",
    );
    for (bound, found, what) in [
        (require.and, rules(|r| r.and), "of rules are AND"),
        (require.negated, rules(|r| r.negated), "of literals are NOT"),
    ] {
        match (bound, found) {
            (None, _) => {}
            (Some(bound), Some(found)) => check(
                found >= bound,
                format!(
                    "{:.0} % {what}, at least {:.0} % required",
                    100.0 * found,
                    100.0 * bound
                ),
            ),
            (Some(_), None) => check(false, unmeasured(what)),
        }
    }
    for (name, &least) in &require.knobs {
        let metric = KNOBS_METRICS.iter().find(|m| m.name == name);
        let found = metric.and_then(|m| mean_of(results, |r| (m.of)(r.knobs.as_ref()?)));
        match found {
            Some(found) => check(
                found >= least,
                format!("{name} {}, at least {least} required", short_number(found)),
            ),
            None => check(false, unmeasured(name)),
        }
    }
    let verdict = match all {
        None => String::new(),
        Some(true) => "pass".to_owned(),
        Some(false) => format!("FAIL: {}", words.join("; ")),
    };
    (all, verdict)
}

/// A number with three digits that matter.
fn short_number(value: f64) -> String {
    match value.abs() {
        v if v >= 20.0 => format!("{value:.0}"),
        v if v >= 2.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// A bound without a measurement is not kept: explanations are measured with `explanations = true`.
fn unmeasured(what: &str) -> String {
    format!("{what}: required but not measured")
}

/// The mean of what was measured on some splits, where some have no value: no strength keeps 95 %.
fn where_kept(measured: &[Option<f64>], mean: String) -> String {
    let (kept, n) = (measured.iter().flatten().count(), measured.len());
    match kept {
        _ if kept == n => mean,
        0 => "below 95 %".to_owned(),
        _ => format!("{mean} (on {kept} of {n})"),
    }
}

/// The targets and methods of steering that any row has, in order.
fn steered(rows: &[&RowOutcome]) -> Vec<(String, String)> {
    let all = rows
        .iter()
        .flat_map(|r| &r.results)
        .filter_map(|r| r.knobs.as_ref());
    let first = all.filter_map(|k| k.measured.steering.as_ref()).next();
    let methods = first.map_or(&[][..], |s| &s.methods);
    methods
        .iter()
        .map(|m| (m.target.clone(), m.method.clone()))
        .collect()
}

fn p_value(p: f64) -> String {
    match p < 0.001 {
        true => "< .001".to_owned(),
        false => format!("{p:.3}"),
    }
}

fn with_interval(s: &Summary, sign: bool) -> String {
    let mean = match sign {
        true => format!("{:+.4}", s.mean),
        false => format!("{:.4}", s.mean),
    };
    s.half_width
        .map_or(mean.clone(), |h| format!("{mean} ± {h:.4}"))
}

impl Outcome {
    /// The header of the printed table.
    #[must_use]
    pub fn header(&self) -> Vec<String> {
        let mut header = vec!["row".to_owned()];
        if self.has_published() {
            header.push("published".to_owned());
        }
        header.push(self.metric.clone());
        if let Some(baseline) = &self.baseline {
            header.push(format!("− {baseline}"));
            if self.is_tested() {
                header.push("p (Holm)".to_owned());
            }
        }
        if self.has_explanations() {
            header.extend(EXPLANATIONS.map(str::to_owned));
        }
        header.extend(["fit s", "verdict"].map(str::to_owned));
        header
    }

    /// The cells of the printed table.
    #[must_use]
    pub fn cells(&self) -> Vec<Vec<String>> {
        self.rows
            .iter()
            .map(|row| {
                let mut cells = vec![row.row.name.clone()];
                if self.has_published() {
                    let published = row.row.published;
                    cells.push(published.map_or_else(String::new, |p| format!("{p:.4}")));
                }
                cells.push(with_interval(&row.ours, false));
                if self.baseline.is_some() {
                    let difference = row.difference.as_ref();
                    cells.push(difference.map_or_else(String::new, |d| with_interval(d, true)));
                    if self.is_tested() {
                        cells.push(row.p_holm.map_or_else(String::new, p_value));
                    }
                }
                if self.has_explanations() {
                    cells.extend(explained(&row.results));
                }
                let seconds = mean_of(&row.results, |r| Some(r.fit_seconds));
                cells.push(format!("{:.1}", seconds.unwrap_or(0.0)));
                cells.push(row.verdict.clone());
                cells
            })
            .collect()
    }

    /// The numbers of the dictionaries: header and rows; none where no row has one.
    #[must_use]
    pub fn knobs(&self) -> Option<(Vec<String>, Vec<Vec<String>>)> {
        let rows: Vec<&RowOutcome> = self
            .rows
            .iter()
            .filter(|r| r.row.dictionary.is_some())
            .collect();
        if rows.is_empty() {
            return None;
        }
        let mut header = vec!["number".to_owned()];
        header.extend(rows.iter().map(|r| r.row.name.clone()));
        let summary = |row: &RowOutcome, of: &dyn Fn(&KnobsRow) -> Option<f64>| {
            let values: Vec<f64> = row
                .results
                .iter()
                .filter_map(|r| of(r.knobs.as_ref()?))
                .collect();
            let s = Summary::of(&values);
            let mean = short_number(s.mean);
            match (values.is_empty(), s.half_width) {
                (true, _) => String::new(),
                (false, None) => mean,
                (false, Some(h)) => format!("{mean} ± {}", short_number(h)),
            }
        };
        let mut table: Vec<Vec<String>> = KNOBS_METRICS
            .iter()
            .map(|metric| {
                let mut cells = vec![format!("{} ({})", metric.about, metric.name)];
                cells.extend(rows.iter().map(|row| {
                    let least = row.row.require.knobs.get(metric.name);
                    let required = least.map_or_else(String::new, |l| format!(" (≥ {l})"));
                    format!("{}{required}", summary(row, &metric.of))
                }));
                cells
            })
            // Numbers that no row has measured.
            .filter(|cells| cells[1..].iter().any(|c| !c.is_empty()))
            .collect();
        for (target, method) in steered(&rows) {
            let of = |r: &KnobsRow| {
                let all = &r.measured.steering.as_ref()?.methods;
                let own = all
                    .iter()
                    .find(|m| m.target == target && m.method == method);
                Some((own?.segment_at_95, own?.area))
            };
            let mut cells = vec![format!("steering, {target} tag, {method}: at 95 % / area")];
            cells.extend(rows.iter().map(|row| {
                let measured = row.results.iter().filter_map(|r| of(r.knobs.as_ref()?));
                let measured: Vec<Option<f64>> = measured.map(|v| v.0).collect();
                let at = where_kept(&measured, summary(row, &|r| of(r)?.0));
                format!("{at} / {}", summary(row, &|r| of(r).map(|v| v.1)))
            }));
            table.push(cells);
        }
        Some((header, table))
    }

    /// The settings that were selected on the validation set of each split, one line per tuned row.
    #[must_use]
    pub fn tuned(&self) -> Vec<String> {
        let tuned = self.rows.iter().filter(|row| row.row.tune);
        tuned
            .map(|row| {
                let splits = row.results.iter().map(|r| r.tuned.join(" "));
                let splits: Vec<String> = splits.collect();
                format!("{}: tuned per split: {}", row.row.name, splits.join("; "))
            })
            .collect()
    }

    /// Accuracy against explanation length, one point per row; none where explanations were not measured.
    #[must_use]
    pub fn frontier(&self) -> Option<Scatter> {
        let dots: Vec<Dot> = self
            .rows
            .iter()
            .filter_map(|row| {
                // A row without rules or links, such as popularity, has no lines.
                let lines = mean_of(&row.results, |r| {
                    let readable = r.readability.as_ref()?;
                    (readable.shapes.literals > 0.0).then_some(readable.lines.median)
                })?;
                Some(Dot {
                    name: row.row.name.clone(),
                    x: lines,
                    y: row.ours.mean,
                    half_width: row.ours.sd.map(|sd| sd / (row.ours.n as f64).sqrt()),
                })
            })
            .collect();
        (!dots.is_empty()).then(|| Scatter {
            title: self.title.clone(),
            x: "lines for 80 % of the supporting evidence at rank 1 (median)".to_owned(),
            y: format!("{}, mean over splits ± standard error", self.metric),
            dots,
        })
    }

    /// Ranks that items lose when cited items are deleted, on the first split; none where the deletion
    /// test was not run.
    #[must_use]
    pub fn drops(&self) -> Option<Curves> {
        let models: Vec<(String, &Faithfulness)> = self
            .rows
            .iter()
            .filter_map(|row| {
                let faithful = row.results.first()?.faithfulness.as_ref()?;
                let falls = faithful.curve.iter().any(|p| p.cited > 0.0);
                falls.then(|| (row.row.name.clone(), faithful))
            })
            .take(MOST_CURVES)
            .collect();
        (!models.is_empty()).then(|| drop_curves(&self.title, &models))
    }

    fn is_tested(&self) -> bool {
        self.rows.iter().any(|r| r.p_holm.is_some())
    }

    fn has_published(&self) -> bool {
        self.rows.iter().any(|r| r.row.published.is_some())
    }

    /// Whether explanations were measured.
    #[must_use]
    pub fn has_explanations(&self) -> bool {
        let mut results = self.rows.iter().flat_map(|r| &r.results);
        results.any(|r| r.readability.is_some())
    }
}

/// More curves cannot be distinguished.
const MOST_CURVES: usize = 8;

/// The columns on explanations: median / 90th percentile over users, means over splits.
const EXPLANATIONS: [&str; 6] = [
    "entries",
    "lines",
    "literals",
    "top 5",
    "drop (random)",
    "rules",
];

fn explained(results: &[SplitResult]) -> [String; 6] {
    let readable =
        |of: fn(&Readability) -> f64| mean_of(results, |r| r.readability.as_ref().map(of));
    let faithful =
        |of: fn(&Faithfulness) -> f64| mean_of(results, |r| r.faithfulness.as_ref().map(of));
    let two = |a: Option<f64>, b: Option<f64>, text: &dyn Fn(f64, f64) -> String| match (a, b) {
        (Some(a), Some(b)) => text(a, b),
        _ => String::new(),
    };
    let slash = |a: f64, b: f64| format!("{a:.1} / {b:.1}");
    let rules = |of: fn(&RuleSummary) -> f64| mean_of(results, |r| r.rules.as_ref().map(of));
    [
        two(
            readable(|r| r.entries.median),
            readable(|r| r.entries.p90),
            &slash,
        ),
        two(
            readable(|r| r.lines.median),
            readable(|r| r.lines.p90),
            &slash,
        ),
        readable(|r| r.shapes.literals).map_or_else(String::new, |l| format!("{l:.2}")),
        readable(|r| r.strongest_five.median).map_or_else(String::new, |s| format!("{s:.2}")),
        two(
            faithful(|f| f.drop.median),
            faithful(|f| f.random_drop.median),
            &|a, b| format!("{a:.0} ({b:.0})"),
        ),
        rules(|r| r.live as f64).map_or_else(String::new, |live| format!("{live:.0}")),
    ]
}

/// A report of several tables in Markdown.
#[must_use]
pub fn markdown(outcomes: &[(String, Outcome)]) -> String {
    let mut out = String::new();
    for (name, outcome) in outcomes {
        // Writing into a string cannot fail.
        let _ = writeln!(out, "## {}\n\n{}\n", outcome.title, outcome.source);
        let _ = writeln!(out, "`{name}.toml`. {}.\n", outcome.protocol);
        let tables = std::iter::once((outcome.header(), outcome.cells())).chain(outcome.knobs());
        for (at, (header, rows)) in tables.enumerate() {
            let before = if at > 0 { "\n" } else { "" };
            let _ = writeln!(out, "{before}| {} |", header.join(" | "));
            let _ = writeln!(out, "|{}", "---|".repeat(header.len()));
            for cells in rows {
                let cells: Vec<String> = cells.iter().map(|c| c.replace('|', "\\|")).collect();
                let _ = writeln!(out, "| {} |", cells.join(" | "));
            }
        }
        for (picture, is_drawn) in [
            ("frontier", outcome.frontier().is_some()),
            ("drops", outcome.drops().is_some()),
        ] {
            if is_drawn {
                let _ = writeln!(out, "\n![{picture}]({name}-{picture}.svg)");
            }
        }
        for line in outcome.tuned() {
            let _ = writeln!(out, "\n{line}");
        }
        for row in &outcome.rows {
            if let Some(note) = &row.row.note {
                let _ = writeln!(out, "\n{}: {note}", row.row.name);
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A split on which no strength keeps 95 % does not count as 0.
    #[test]
    fn splits_below_95_percent_are_said() {
        let of = |measured: &[Option<f64>]| where_kept(measured, "0.5".to_owned());
        assert_eq!(of(&[Some(0.4), Some(0.6)]), "0.5");
        assert_eq!(of(&[Some(0.5), None]), "0.5 (on 1 of 2)");
        assert_eq!(of(&[None, None]), "below 95 %");
        assert_eq!(where_kept(&[], String::new()), "");
    }

    /// 1, 2, 3: mean 2, sd 1, t(2) = 4.303, so ± 4.303 / √3 = 2.484.
    #[test]
    fn intervals_by_hand() {
        let s = Summary::of(&[1.0, 2.0, 3.0]);
        assert_eq!((s.mean, s.sd), (2.0, Some(1.0)));
        assert!((s.half_width.unwrap() - 2.4843).abs() < 1e-3);
        assert_eq!(Summary::of(&[5.0]).half_width, None);
    }
}
