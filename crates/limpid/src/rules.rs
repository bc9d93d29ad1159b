//! The rules of a model as a table: their literals, support, and the items that they support.

use limpid_core::rules::statistics::ItemPostings;
use limpid_core::rules::{Operator, Rule};
use limpid_core::{ItemIdx, Recommender, Units};
use serde::{Deserialize, Serialize};

use crate::answers::ItemName;
use crate::{Advisor, Error, Result, lookup};

/// Number of targets listed with a rule where no target is given.
const TARGETS: usize = 3;

/// Which rules to list, and their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleQuery {
    /// Only rules that mention this item.
    pub item: Option<String>,
    /// Only rules that support this item.
    pub supports: Option<String>,
    /// Only rules that support an item for which this [condition](crate::condition) holds, with these items
    /// only.
    pub condition: Option<String>,
    /// Only rules with at most this number of literals.
    pub max_literals: Option<usize>,
    /// Only rules of this kind.
    pub kind: Option<RuleKind>,
    /// Whether links from single items are included.
    pub links: bool,
    /// The sort key.
    pub sort: RuleOrder,
    /// Largest number of rules.
    pub n: usize,
}

/// A kind of rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// Several items together, or items and not others.
    And,
    /// Any of several.
    Or,
    /// At least k of several.
    AtLeast,
    /// Any rule with a NOT.
    Not,
}

impl RuleKind {
    fn is_of(self, rule: &Rule) -> bool {
        let several = rule.literals.len() > 1;
        match self {
            Self::And => rule.operator == Operator::And && several,
            Self::Or => rule.operator == Operator::Or && several,
            Self::AtLeast => matches!(rule.operator, Operator::AtLeast(_)),
            Self::Not => rule.literals.iter().any(|l| l.negated),
        }
    }
}

/// An order of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleOrder {
    /// By the largest weight on a target.
    Weight,
    /// By the number of users for whom the rule holds.
    Support,
    /// By the lift of the first target.
    Lift,
}

/// The rules of a model.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RulesAnswer {
    /// `limpid.rules/1`.
    pub schema: &'static str,
    /// Number of rules that match.
    pub matching: usize,
    /// The first `n` of them.
    pub rules: Vec<RuleAnswer>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// A rule with the items that it supports.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RuleAnswer {
    /// The unit, as written in edits.
    pub unit: String,
    /// What the items of its group have in common: a label from the metadata.
    pub named: Option<String>,
    /// The rule in words.
    pub text: String,
    /// `and`, `or`, or `at_least`.
    pub operator: Operator,
    /// Number of literals.
    pub literals: usize,
    /// Training users for whom it holds; absent if the model was saved without users.
    pub support: Option<usize>,
    /// The same as a share.
    pub support_share: Option<f64>,
    /// The items that it supports, largest weight first.
    pub targets: Vec<RuleTarget>,
    /// Number of all items that it supports.
    pub n_targets: usize,
}

/// An item that a rule supports.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RuleTarget {
    /// The item.
    #[serde(flatten)]
    pub item: ItemName,
    /// What the rule adds to the score.
    pub weight: f32,
    /// Among the users for whom the rule holds, the share who have the item.
    pub confidence: Option<f64>,
    /// Confidence divided by the share of all users who have the item; 1 means no association.
    pub lift: Option<f64>,
}

/// Summary of the live rules of a model: those over several items, or with a NOT, that change the score
/// of at least one item.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RuleSummary {
    /// Number of live rules.
    pub live: usize,
    /// Mean number of literals.
    pub literals: f64,
    /// Share of rules that join several literals by AND.
    pub and: f64,
    /// Share of literals that are negated.
    pub negated: f64,
}

struct Found {
    index: usize,
    rule: Rule,
    targets: Vec<(ItemIdx, f32)>,
    n_targets: usize,
}

impl Advisor {
    /// The rules of the model.
    ///
    /// # Errors
    /// [`Error::Usage`] if the model has no named units, [`limpid_core::Error::Unknown`] for an item that does not
    /// exist.
    pub fn rules(&self, query: &RuleQuery) -> Result<RulesAnswer> {
        let units = self.fixed_units()?;
        let find = |text: &Option<String>| {
            let item = text.as_deref().map(|t| self.catalogue.find(t));
            item.transpose()
        };
        let mentions = find(&query.item)?;
        let supports = self.supported(find(&query.supports)?, query.condition.as_deref())?;
        let mut found: Vec<Found> = (0..units.len())
            .filter(|&index| query.links || units.unit(index).item().is_none())
            .filter_map(|index| {
                let rule = units.info(units.unit(index), &self.catalogue).rule?;
                let mentioned = mentions.is_none_or(|i| rule.literals.iter().any(|l| l.item == i));
                let short = query.max_literals.is_none_or(|n| rule.literals.len() <= n);
                let of_kind = query.kind.is_none_or(|kind| kind.is_of(&rule));
                (mentioned && short && of_kind)
                    .then(|| self.found(units, index, rule, supports.as_deref()))?
            })
            .collect();
        let postings = self.split.as_ref().map(|s| ItemPostings::new(&s.train));
        let mut keyed: Vec<(f64, Found)> = found
            .drain(..)
            .map(|f| (self.key(&f, query.sort, postings.as_ref()), f))
            .collect();
        keyed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.index.cmp(&b.1.index)));
        let matching = keyed.len();
        let rules = keyed
            .into_iter()
            .take(query.n)
            .map(|(_, f)| self.rule_answer(units, f, postings.as_ref()))
            .collect();
        let mut notes = Vec::new();
        if postings.is_none() {
            notes.push(
                "the model was saved without users, so support, confidence and lift are unknown"
                    .to_owned(),
            );
        }
        Ok(RulesAnswer {
            schema: "limpid.rules/1",
            matching,
            rules,
            notes,
        })
    }

    /// Summary of the live rules of the model; none for a model without rules.
    #[must_use]
    pub fn rule_summary(&self) -> Option<RuleSummary> {
        let units = self.model.units()?;
        let live: Vec<Rule> = (0..units.len())
            .filter(|&index| units.unit(index).item().is_none())
            .filter_map(|index| {
                units
                    .info(units.unit(index), &self.catalogue)
                    .rule
                    .zip(Some(index))
            })
            .filter(|&(_, index)| !self.targets(units, index).is_empty())
            .map(|(rule, _)| rule)
            .collect();
        let literals: usize = live.iter().map(|r| r.literals.len()).sum();
        let negated = live.iter().flat_map(|r| &r.literals).filter(|l| l.negated);
        let and = |r: &&Rule| r.operator == Operator::And && r.literals.len() > 1;
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        (!live.is_empty()).then(|| RuleSummary {
            live: live.len(),
            literals: share(literals, live.len()),
            and: share(live.iter().filter(and).count(), live.len()),
            negated: share(negated.count(), literals),
        })
    }

    /// The model's own units, whose weights are the same for all users.
    pub(crate) fn fixed_units(&self) -> Result<&dyn Units> {
        self.model.units().ok_or_else(|| {
            Error::Usage(format!(
                "{} has no rules or item links to list; 'limpid explain' shows the evidence for one \
                 user and item",
                self.model.name()
            ))
        })
    }

    /// The items whose score a unit changes, strongest first.
    pub(crate) fn targets(&self, units: &dyn Units, index: usize) -> Vec<(ItemIdx, f32)> {
        let items = (0..self.catalogue.len() as u32).map(ItemIdx);
        let mut targets: Vec<(ItemIdx, f32)> = items
            .map(|item| (item, units.effect(index, item).unwrap_or(0.0)))
            .filter(|&(_, effect)| effect != 0.0)
            .collect();
        targets.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        targets
    }

    /// The items that rules have to support one of, ascending; `None` for any.
    fn supported(
        &self,
        item: Option<ItemIdx>,
        condition: Option<&str>,
    ) -> Result<Option<Vec<ItemIdx>>> {
        let Some(condition) = condition else {
            return Ok(item.map(|item| vec![item]));
        };
        let mut holds = lookup::items_where(&self.catalogue, condition)?;
        holds.retain(|&of| item.is_none_or(|item| item == of));
        Ok(Some(holds))
    }

    /// A unit with the items that it supports; none if there are none, or not one of `supports`.
    fn found(
        &self,
        units: &dyn Units,
        index: usize,
        rule: Rule,
        supports: Option<&[ItemIdx]>,
    ) -> Option<Found> {
        let mut targets = self.targets(units, index);
        let n_targets = targets.len();
        if let Some(wanted) = supports {
            targets.retain(|(item, _)| wanted.binary_search(item).is_ok());
        }
        targets.truncate(TARGETS);
        (!targets.is_empty()).then_some(Found {
            index,
            rule,
            targets,
            n_targets,
        })
    }

    fn key(&self, f: &Found, sort: RuleOrder, postings: Option<&ItemPostings>) -> f64 {
        let &(item, weight) = f.targets.first().unwrap_or(&(ItemIdx(0), 0.0));
        match (sort, postings) {
            (RuleOrder::Weight, _) | (_, None) => f64::from(weight.abs()),
            (RuleOrder::Support, Some(postings)) => postings.holders(&f.rule).len() as f64,
            (RuleOrder::Lift, Some(postings)) => postings.statistics(&f.rule, item).lift(),
        }
    }

    fn rule_answer(
        &self,
        units: &dyn Units,
        f: Found,
        postings: Option<&ItemPostings>,
    ) -> RuleAnswer {
        let support = postings.map(|c| c.holders(&f.rule).len());
        let users = self.split.as_ref().map_or(0, |s| s.train.len()).max(1);
        let targets = f
            .targets
            .iter()
            .map(|&(item, weight)| {
                let statistics = postings.map(|c| c.statistics(&f.rule, item));
                RuleTarget {
                    item: self.item_name(item),
                    weight,
                    confidence: statistics.map(|s| s.confidence()),
                    lift: statistics.map(|s| s.lift()),
                }
            })
            .collect();
        let unit = units.unit(f.index);
        let info = units.info(unit, &self.catalogue);
        RuleAnswer {
            unit: info.id,
            named: info.label.filter(|_| unit.item().is_none()),
            text: f.rule.text(&self.catalogue),
            operator: f.rule.operator,
            literals: f.rule.literals.len(),
            support,
            support_share: support.map(|s| s as f64 / users as f64),
            targets,
            n_targets: f.n_targets,
        }
    }
}
