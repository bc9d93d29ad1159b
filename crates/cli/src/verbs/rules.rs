//! `limpid rules`: what a model has learned, as a table.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use limpid::Advisor;
use limpid::rules::{RuleOrder, RuleQuery};

use crate::output::{Output, Section, Table, number};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// A folder that 'limpid train' saved
    model: PathBuf,
    /// Only rules that mention this item
    #[arg(long, value_name = "ITEM")]
    item: Option<String>,
    /// Only rules that speak for this item
    #[arg(long, value_name = "ITEM")]
    supports: Option<String>,
    /// Only rules with at most so many literals
    #[arg(long, value_name = "N")]
    max_literals: Option<usize>,
    /// Links from single items too
    #[arg(long)]
    links: bool,
    /// The order
    #[arg(long, value_enum, default_value_t = Order::Weight)]
    sort: Order,
    /// How many to print
    #[arg(short, long, default_value_t = 20, value_name = "N")]
    n: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// The largest weight on a target
    Weight,
    /// How many users it holds for
    Support,
    /// How much likelier the first target is where it holds
    Lift,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let advisor = Advisor::open(&self.model)?;
        let answer = advisor.rules(&RuleQuery {
            item: self.item,
            supports: self.supports,
            max_literals: self.max_literals,
            links: self.links,
            sort: match self.sort {
                Order::Weight => RuleOrder::Weight,
                Order::Support => RuleOrder::Support,
                Order::Lift => RuleOrder::Lift,
            },
            n: self.n,
        })?;
        let mut table = Table::new([
            "unit",
            "rule",
            "users",
            "speaks for",
            "weight",
            "confidence",
            "lift",
            "targets",
        ]);
        for rule in &answer.rules {
            for (at, target) in rule.targets.iter().enumerate() {
                // Only the first line of a rule repeats what holds for all of them.
                let first = |text: String| if at == 0 { text } else { String::new() };
                let percent = |share: Option<f64>| {
                    share.map_or_else(String::new, |s| format!("{:.0} %", 100.0 * s))
                };
                table.row([
                    first(rule.unit.clone()),
                    first(rule.text.clone()),
                    first(percent(rule.support_share)),
                    target.item.title.clone(),
                    number(target.weight),
                    percent(target.confidence),
                    target.lift.map_or_else(String::new, |l| format!("{l:.1}")),
                    first(rule.n_targets.to_string()),
                ]);
            }
        }
        let head = format!("{} of {} rules", answer.rules.len(), answer.matching);
        let mut page = vec![Section::Text(head), Section::Table(table)];
        page.extend(answer.notes.iter().cloned().map(Section::Text));
        output.answer(&answer, page)
    }
}
