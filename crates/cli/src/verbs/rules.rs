//! `limpid rules`: the learned rules and links of a model.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use limpid::Advisor;
use limpid::planted::PlantedAnswer;
use limpid::rules::{RuleAnswer, RuleKind, RuleOrder, RuleQuery};

use crate::args::{OutArgs, length};
use crate::output::{Output, Section, Table, number};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Folder saved by 'limpid train'
    model: PathBuf,
    /// List only rules that mention this item
    #[arg(long, value_name = "ITEM", allow_negative_numbers = true)]
    item: Option<String>,
    /// List only rules that support this item
    #[arg(long, value_name = "ITEM", allow_negative_numbers = true)]
    supports: Option<String>,
    /// List only rules that support an item with this condition, such as 'genre = Drama and year < 1960'
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// List only rules with at most N literals
    #[arg(long, value_name = "N")]
    max_literals: Option<usize>,
    /// List only rules of this kind
    #[arg(long, value_enum, value_name = "KIND")]
    operator: Option<Kind>,
    /// List links from single items too
    #[arg(long)]
    links: bool,
    /// Sort by this, largest first
    #[arg(long, value_enum, value_name = "KEY", default_value_t = Order::Weight)]
    sort: Order,
    /// Compare with the planted rules of a folder written by 'limpid data synthesize'
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["item", "supports", "condition", "max_literals", "operator", "links"])]
    planted: Option<PathBuf>,
    /// Largest number of rules to print
    #[arg(short, long, default_value_t = 20, value_name = "N", value_parser = length)]
    n: usize,
    #[command(flatten)]
    out: OutArgs,
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
    /// The number of users for whom the rule holds
    Support,
    /// The lift of the first target
    Lift,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
        let advisor = Advisor::open(&self.model)?;
        if let Some(world) = &self.planted {
            let answer = advisor.planted(world)?;
            return output.answer(&answer, planted_page(&answer));
        }
        let answer = advisor.rules(&RuleQuery {
            item: self.item,
            supports: self.supports,
            condition: self.condition,
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
        let head = format!("{} of {} rules", answer.rules.len(), answer.matching);
        let mut page = vec![Section::Lines(vec![head])];
        page.extend(answer.rules.iter().map(entry));
        page.extend(answer.notes.iter().map(|n| Section::Lines(vec![n.clone()])));
        output.answer(&answer, page)
    }
}

/// A rule, what its items have in common, and the items that it supports.
fn entry(rule: &RuleAnswer) -> Section {
    let percent =
        |share: Option<f64>| share.map_or_else(String::new, |s| format!("{:.0} %", 100.0 * s));
    let mut table = Table::new(["weight", "confidence", "lift", "id", "supports"]);
    for target in &rule.targets {
        table.row([
            number(target.weight),
            percent(target.confidence),
            target.lift.map_or_else(String::new, |l| format!("{l:.1}")),
            target.item.id.clone(),
            target.item.title.clone(),
        ]);
    }
    let holds = match (rule.support, rule.support_share) {
        (Some(users), share) => format!("holds for {users} users ({}); ", percent(share)),
        _ => String::new(),
    };
    let supports = match rule.n_targets {
        1 => "supports 1 item".to_owned(),
        n if n > rule.targets.len() => {
            format!("supports {n} items, the first {}:", rule.targets.len())
        }
        n => format!("supports {n} items"),
    };
    Section::Entry {
        name: rule.unit.clone(),
        head: rule.named.clone().unwrap_or_default(),
        lines: vec![rule.text.clone(), format!("{holds}{supports}")],
        table,
    }
}

/// Planted rules and the learned rules that match them.
fn planted_page(answer: &PlantedAnswer) -> Vec<Section> {
    let mut table = Table::new(["planted rule", "supports", "found", "learned as"]);
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
    let summary = vec![
        format!(
            "{found} of {} planted rules found: recall {:.2}, precision {:.2}, F1 {:.3}",
            answer.planted.len(),
            answer.recall,
            answer.precision,
            answer.f1,
        ),
        format!(
            "{} rules over several items were learned; precision is over the {} whose largest weight is on a \
         planted target. The others predict other items, such as bodies from targets",
            answer.learned, answer.about_targets,
        ),
    ];
    vec![Section::Lines(summary), Section::Table(table)]
}
