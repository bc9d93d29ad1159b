//! Readability: explanation length.
//!
//! Measured on the top-ranked item of each user. *Entries* are the parts of the ledger as the model
//! returns it; *lines* are the parts after those of one group are merged into one rule. Grouping shortens
//! the ledgers of any model, so both are reported. Length is not comprehension: there was no user study.

use limpid_core::rules::{Literal, Operator, Rule};
use limpid_core::{Ledger, Part};
use serde::{Deserialize, Serialize};

use crate::explained::{Explained, strongest};
use crate::spread::Spread;

/// The share of the supporting evidence that is displayed.
pub const SHOWN: f64 = 0.8;

/// Number of lines that count as the strongest.
pub const STRONGEST: usize = 5;

/// Explanation length of a model, as distributions over users.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Readability {
    /// Users whose top-ranked item has supporting evidence.
    pub n_users: usize,
    /// Users whose top-ranked item has none, which are left out.
    pub n_without_evidence: usize,
    /// Entries for 80 % of the supporting evidence.
    pub entries: Spread,
    /// Entries for 80 % of the absolute evidence.
    pub entries_absolute: Spread,
    /// Lines for 80 % of the supporting evidence.
    pub lines: Spread,
    /// Lines for 80 % of the absolute evidence.
    pub lines_absolute: Spread,
    /// Items of the history behind the lines for 80 % of the supporting evidence.
    pub items: Spread,
    /// Share of the supporting evidence in the five strongest lines.
    pub strongest_five: Spread,
    /// Forms of the lines for 80 % of the supporting evidence.
    pub shapes: Shapes,
}

/// Forms of lines: means and shares over all displayed lines of all users. A negated literal counts only
/// where having the item would lower the score, as in the words of a line; elsewhere it delimits a case.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Shapes {
    /// Displayed lines.
    pub n_lines: usize,
    /// Mean number of literals of a line; lines without a rule (a neuron) do not count.
    pub literals: f64,
    /// Number of literals of the longest line.
    pub most_literals: usize,
    /// Share: one item, nothing else.
    pub single: f64,
    /// Share: one item, and NOT others.
    pub single_not: f64,
    /// Share: several items together.
    pub and: f64,
    /// Share: several items together, and NOT others.
    pub and_not: f64,
    /// Share: any of several.
    pub or: f64,
    /// Share: at least k of several.
    pub at_least: f64,
    /// Share: NOT alone.
    pub not: f64,
    /// Share: without a rule.
    pub other: f64,
}

impl Readability {
    /// Measures the length of explanations.
    #[must_use]
    pub fn of(explained: &[Explained]) -> Self {
        let (with, without): (Vec<_>, Vec<_>) = explained
            .iter()
            .partition(|e| e.lines.positive_evidence() > 0.0);
        let spread =
            |of: &dyn Fn(&Explained) -> f64| Spread::of(with.iter().map(|e| of(e)).collect());
        Self {
            n_users: with.len(),
            n_without_evidence: without.len(),
            entries: spread(&|e| e.raw.entries_for_positive(SHOWN) as f64),
            entries_absolute: spread(&|e| e.raw.entries_for_absolute(SHOWN) as f64),
            lines: spread(&|e| e.lines.entries_for_positive(SHOWN) as f64),
            lines_absolute: spread(&|e| e.lines.entries_for_absolute(SHOWN) as f64),
            items: spread(&|e| n_cited(shown(&e.lines)) as f64),
            strongest_five: spread(&|e| {
                let five = strongest(&e.lines, STRONGEST).map(|p| f64::from(p.value));
                five.sum::<f64>() / e.lines.positive_evidence()
            }),
            shapes: Shapes::of(with.iter().flat_map(|e| shown(&e.lines))),
        }
    }
}

/// The lines that cover the displayed share of the supporting evidence.
fn shown(lines: &Ledger) -> impl Iterator<Item = &Part> {
    strongest(lines, lines.entries_for_positive(SHOWN))
}

fn n_cited<'a>(parts: impl Iterator<Item = &'a Part>) -> usize {
    let mut items: Vec<_> = parts.flat_map(|p| p.cites.iter().map(|e| e.item)).collect();
    items.sort_unstable();
    items.dedup();
    items.len()
}

impl Shapes {
    fn of<'a>(lines: impl Iterator<Item = &'a Part>) -> Self {
        let mut shapes = Self::default();
        let (mut n_rules, mut n_literals) = (0usize, 0usize);
        for line in lines {
            shapes.n_lines += 1;
            let link = Rule::all(line.cites.first().map(|e| e.item));
            let of_item = line.unit.item().map(|_| &link);
            let Some(rule) = line.rule.as_ref().or(of_item) else {
                shapes.other += 1.0;
                continue;
            };
            let lowers = |l: &&Literal| {
                let change = line.alternatives.iter().find(|a| a.item == l.item);
                l.negated && change.is_some_and(|a| a.change < 0.0)
            };
            let positive = rule.literals.iter().filter(|l| !l.negated).count();
            let negated = match positive {
                0 => rule.literals.len(),
                _ => rule.literals.iter().filter(lowers).count(),
            };
            n_rules += 1;
            n_literals += positive + negated;
            shapes.most_literals = shapes.most_literals.max(positive + negated);
            *shapes.share_of(rule.operator, positive, negated) += 1.0;
        }
        let n = shapes.n_lines.max(1) as f64;
        for share in [
            &mut shapes.single,
            &mut shapes.single_not,
            &mut shapes.and,
            &mut shapes.and_not,
            &mut shapes.or,
            &mut shapes.at_least,
            &mut shapes.not,
            &mut shapes.other,
        ] {
            *share /= n;
        }
        shapes.literals = n_literals as f64 / n_rules.max(1) as f64;
        shapes
    }

    /// The share that a rule counts in.
    fn share_of(&mut self, operator: Operator, positive: usize, negated: usize) -> &mut f64 {
        let n = positive + negated;
        match (operator, positive, negated) {
            (Operator::Or, _, _) if n > 1 => &mut self.or,
            (Operator::AtLeast(_), _, _) if n > 1 => &mut self.at_least,
            (_, 0, _) => &mut self.not,
            (_, 1, 0) => &mut self.single,
            (_, 1, _) => &mut self.single_not,
            (_, _, 0) => &mut self.and,
            (_, _, _) => &mut self.and_not,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Alternative, Event, ItemIdx, Space, Unit};

    fn line(rule: Option<Rule>, cites: &[u32], value: f32) -> Part {
        let unit = Unit::new(Space::Rule, value.abs() as u32);
        let cites = cites.iter().map(|&i| Event::of(ItemIdx(i))).collect();
        Part::new(unit, 1.0, value, cites).with_rule(rule)
    }

    #[test]
    fn counts_by_hand() {
        let items = |n: u32| (0..n).map(ItemIdx);
        let change = |item, change| Alternative {
            item: ItemIdx(item),
            change,
        };
        let lines = Ledger::of_parts(
            0.0,
            vec![
                line(Some(Rule::all(items(1))), &[0], 4.0),
                // Item 5 would lower the score, item 6 would raise it.
                line(
                    Some(Rule::all(items(2)).and_not([ItemIdx(5), ItemIdx(6)])),
                    &[0, 1],
                    3.0,
                )
                .with_alternatives(vec![change(5, -1.0), change(6, 2.0)]),
                line(Some(Rule::any(items(4))), &[1, 2], 1.0),
                line(None, &[3], 2.0),
                line(Some(Rule::all([]).and_not(items(1))), &[], -5.0),
            ],
        );
        let explained = Explained {
            row: 0,
            item: ItemIdx(9),
            score: 5.0,
            raw: lines.clone(),
            lines,
        };
        let nothing = Explained {
            raw: Ledger::default(),
            lines: Ledger::default(),
            ..explained.clone()
        };
        let r = Readability::of(&[explained, nothing]);
        assert_eq!((r.n_users, r.n_without_evidence), (1, 1));
        // Positive evidence is 10: 4 + 3 + 2 is the first sum above 8.
        assert_eq!(r.lines.median, 3.0);
        // Absolute evidence is 15: 5 + 4 + 3 reaches 12.
        assert_eq!(r.lines_absolute.median, 3.0);
        assert_eq!(r.items.median, 3.0);
        assert_eq!(r.strongest_five.median, 1.0);
        assert_eq!(r.shapes.n_lines, 3);
        assert_eq!(r.shapes.literals, 2.0);
        assert_eq!(r.shapes.most_literals, 3);
        let third = 1.0 / 3.0;
        assert_eq!(
            (r.shapes.single, r.shapes.and_not, r.shapes.other),
            (third, third, third)
        );
        assert_eq!(r.shapes.or + r.shapes.and + r.shapes.at_least, 0.0);
    }
}
