//! `limpid compare`: compare two models of one split, paired by user.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use limpid::Advisor;
use limpid::measure::short;

use super::evaluate::WhatArgs;
use crate::args::OutArgs;
use crate::output::{Output, Section, Table};
use crate::progress::Bars;

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// First model folder
    a: PathBuf,
    /// Second model folder of the same split; differences are A minus B
    b: PathBuf,
    #[command(flatten)]
    what: WhatArgs,
    #[command(flatten)]
    out: OutArgs,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
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
        let foot = format!(
            "{}\np: sign-flip permutation test over users, two-sided; metrics over all lists at once \
             (coverage, Gini) have no per-user values and are omitted",
            compared.masks
        );
        let page = vec![
            Section::Lines(head),
            Section::Table(table),
            Section::Text(foot),
        ];
        output.answer(&compared, page)
    }
}
