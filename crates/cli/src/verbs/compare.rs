//! `limpid compare`: compare models of one split, paired by user.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use limpid::Advisor;
use limpid::measure::short;

use super::evaluate::WhatArgs;
use crate::args::OutArgs;
use crate::output::{Output, Section, Table};
use crate::progress::Bars;

/// What the p-value is of.
const P: &str = "sign-flip permutation test over users, two-sided";

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// First model folder
    a: PathBuf,
    /// Second model folder of the same split; differences are A minus B
    b: PathBuf,
    /// More model folders: each model is then compared with A, and differences are theirs minus A
    more: Vec<PathBuf>,
    #[command(flatten)]
    what: WhatArgs,
    #[command(flatten)]
    out: OutArgs,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
        match self.more.is_empty() {
            true => self.two(output),
            false => self.many(output),
        }
    }

    /// Every model against the first, in one table.
    fn many(self, output: &Output) -> Result<()> {
        let baseline = Advisor::open(&self.a)?;
        let paths: Vec<&PathBuf> = std::iter::once(&self.b).chain(&self.more).collect();
        let others: Vec<Advisor> = paths
            .iter()
            .map(|path| Advisor::open(path))
            .collect::<limpid::Result<_>>()?;
        let bars = Bars::new(output.is_quiet());
        let compared = baseline.compare_many(&others, &self.what.options(), &bars)?;
        drop(bars);
        let mut table = Table::new([
            "metric",
            "model",
            "mean",
            "difference",
            "95 % interval",
            "p",
            "p (Holm)",
        ]);
        let n_metrics = compared
            .models
            .first()
            .map_or(0, |m| m.comparison.metrics.len());
        for at in 0..n_metrics {
            for (model, path) in compared.models.iter().zip(&paths) {
                let d = &model.comparison.metrics[at];
                if std::ptr::eq(model, &compared.models[0]) {
                    let first = [
                        d.metric.to_string(),
                        self.a.display().to_string(),
                        format!("{:.4}", d.mean_b),
                    ];
                    table.row(
                        first
                            .into_iter()
                            .chain(std::array::from_fn::<_, 4, _>(|_| String::new())),
                    );
                }
                table.row([
                    d.metric.to_string(),
                    path.display().to_string(),
                    format!("{:.4}", d.mean_a),
                    format!("{:+.4}", d.difference),
                    d.interval
                        .map_or_else(String::new, |i| format!("{:+.4} – {:+.4}", i.low, i.high)),
                    format!("{:.4}", d.p),
                    format!("{:.4}", d.p_holm),
                ]);
            }
        }
        let mut head = vec![format!(
            "{}: {} (baseline)",
            self.a.display(),
            compared.baseline
        )];
        for (model, path) in compared.models.iter().zip(&paths) {
            head.push(format!("{}: {}", path.display(), model.model));
        }
        let n_users = compared.models.first().map_or(0, |m| m.comparison.n_users);
        head.push(format!(
            "split {} ({}), {n_users} users",
            compared.split.spec,
            short(&compared.split.hash)
        ));
        let n = n_metrics * compared.models.len();
        let mut foot: Vec<String> = compared.candidates.iter().map(|c| c.warning()).collect();
        foot.push(compared.masks.clone());
        foot.push(format!(
            "difference: model − baseline, paired by user; intervals are not corrected; p: {P}; p (Holm): \
             corrected for all {n} comparisons of the table by Holm's method"
        ));
        let page = vec![
            Section::Lines(head),
            Section::Table(table),
            Section::Text(foot.join("\n")),
        ];
        output.answer(&compared, page)
    }

    fn two(self, output: &Output) -> Result<()> {
        let (a, b) = (Advisor::open(&self.a)?, Advisor::open(&self.b)?);
        let bars = Bars::new(output.is_quiet());
        let compared = a.compare(&b, &self.what.options(), &bars)?;
        drop(bars);
        let mut table = Table::new([
            "metric",
            "a",
            "b",
            "a − b",
            "95 % interval",
            "p",
            "p (Holm)",
            "a > b",
            "b > a",
        ]);
        for d in &compared.comparison.metrics {
            table.row([
                d.metric.to_string(),
                format!("{:.4}", d.mean_a),
                format!("{:.4}", d.mean_b),
                format!("{:+.4}", d.difference),
                d.interval
                    .map_or_else(String::new, |i| format!("{:+.4} – {:+.4}", i.low, i.high)),
                format!("{:.4}", d.p),
                format!("{:.4}", d.p_holm),
                format!("{:.0} %", 100.0 * d.a_larger),
                format!("{:.0} %", 100.0 * d.b_larger),
            ]);
        }
        let head = vec![
            format!("a: {} ({})", compared.a, self.a.display()),
            format!("b: {} ({})", compared.b, self.b.display()),
            format!(
                "split {} ({}), {} users",
                compared.split.spec,
                short(&compared.split.hash),
                compared.comparison.n_users,
            ),
        ];
        let n = compared.comparison.metrics.len();
        let mut foot: Vec<String> = compared.candidates.iter().map(|c| c.warning()).collect();
        foot.push(compared.masks.clone());
        foot.push(format!(
            "p: {P}; p (Holm): corrected for the {n} metrics by Holm's method; metrics over all lists at \
             once (coverage, Gini) have no per-user values and are omitted"
        ));
        let page = vec![
            Section::Lines(head),
            Section::Table(table),
            Section::Text(foot.join("\n")),
        ];
        output.answer(&compared, page)
    }
}
