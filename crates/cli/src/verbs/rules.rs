//! `limpid rules`: what a model has learned, as a table.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use limpid::Advisor;
use limpid::planted::PlantedAnswer;
use limpid::rules::{RuleKind, RuleOrder, RuleQuery};

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
    /// Only rules of this kind
    #[arg(long, value_enum)]
    operator: Option<Kind>,
    /// Links from single items too
    #[arg(long)]
    links: bool,
    /// The order
    #[arg(long, value_enum, default_value_t = Order::Weight)]
    sort: Order,
    /// The folder of an invented world ('limpid data synthesize'): what was found of its planted rules
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["item", "supports", "max_literals", "operator", "links"])]
    planted: Option<PathBuf>,
    /// How many to print
    #[arg(short, long, default_value_t = 20, value_name = "N")]
    n: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Several items together, or items and not others
    And,
    /// Any of several
    Or,
    /// At least k of several
    AtLeast,
    /// Any rule with a NOT
    Not,
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
        if let Some(world) = &self.planted {
            let answer = advisor.planted(world)?;
            return output.answer(&answer, planted_page(&answer));
        }
        let answer = advisor.rules(&RuleQuery {
            item: self.item,
            supports: self.supports,
            max_literals: self.max_literals,
            kind: self.operator.map(|kind| match kind {
                Kind::And => RuleKind::And,
                Kind::Or => RuleKind::Or,
                Kind::AtLeast => RuleKind::AtLeast,
                Kind::Not => RuleKind::Not,
            }),
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
            "in common",
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
                    first(rule.named.clone().unwrap_or_default()),
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

/// Planted against learned.
fn planted_page(answer: &PlantedAnswer) -> Vec<Section> {
    let mut table = Table::new(["planted", "for", "found", "as"]);
    for row in &answer.planted {
        let (found, by) = match (&row.found, &row.same_items) {
            (Some(by), _) => ("yes", by.clone()),
            (None, Some(by)) => ("other logic", by.clone()),
            (None, None) => ("missed", String::new()),
        };
        table.row([
            row.rule.clone(),
            row.targets.join(", "),
            found.to_owned(),
            by,
        ]);
    }
    let found = answer.planted.iter().filter(|r| r.found.is_some()).count();
    let summary = format!(
        "{found} of {} planted rules found: recall {:.2}, precision {:.2}, F1 {:.3}\n\
         {} rules over several items were learned; precision is that of the {} which speak most for a \
         planted target. The others predict other items, such as bodies from targets",
        answer.planted.len(),
        answer.recall,
        answer.precision,
        answer.f1,
        answer.learned,
        answer.about_targets,
    );
    vec![Section::Text(summary), Section::Table(table)]
}
