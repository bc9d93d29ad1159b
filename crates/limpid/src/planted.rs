//! The planted rules of a synthetic world that a model found.

use std::path::Path;

use limpid_core::ItemIdx;
use limpid_core::rules::{Literal, Operator, Rule};
use limpid_eval::planted::{Claim, recovery};
use serde::{Deserialize, Serialize};

use crate::{Advisor, Error, Result};

/// `truth.json` of a synthetic world, as written by `limpid data synthesize`.
#[derive(Debug, Deserialize)]
struct Truth {
    rules: Vec<TruthRule>,
}

#[derive(Debug, Deserialize)]
struct TruthRule {
    operator: Operator,
    has: Vec<String>,
    has_not: Vec<String>,
    targets: Vec<String>,
}

/// Planted rules and the learned rules that match them.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct PlantedAnswer {
    /// `limpid.planted/1`.
    pub schema: &'static str,
    /// Share of the planted rules that were found.
    pub recall: f64,
    /// Of the learned rules with their largest weight on a planted target, the share that match a planted
    /// rule.
    pub precision: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Learned rules over several items, or with a NOT.
    pub learned: usize,
    /// Those with their largest weight on a planted target; most others predict bodies from targets.
    pub about_targets: usize,
    /// Every planted rule.
    pub planted: Vec<PlantedRow>,
}

/// One planted rule and the learned rule that matches it.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct PlantedRow {
    /// The rule in words.
    pub rule: String,
    /// The items that it supports.
    pub targets: Vec<String>,
    /// The equivalent learned rule for a target; null if there is none.
    pub found: Option<String>,
    /// Otherwise, a learned rule for a target over nearly the same items.
    pub same_items: Option<String>,
}

impl Advisor {
    /// Compares the live rules of the model with the planted rules of its world.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Artifact`] for a `truth.json` that cannot be read or names items that
    /// are not in the catalogue; [`Error::Usage`] for a model without rules.
    pub fn planted(&self, world: &Path) -> Result<PlantedAnswer> {
        let path = world.join("truth.json");
        let text =
            std::fs::read_to_string(&path).map_err(|e| Error::io("cannot read", &path, e))?;
        let truth: Truth =
            serde_json::from_str(&text).map_err(|e| Error::artifact(&path, e.to_string()))?;
        let item = |id: &String| {
            let index = self.catalogue.items.get(id).map(ItemIdx);
            index.ok_or_else(|| {
                Error::artifact(
                    &path,
                    format!("item '{id}' is not in the catalogue of this model"),
                )
            })
        };
        let mut planted = Vec::with_capacity(truth.rules.len());
        for rule in &truth.rules {
            let literals = |ids: &[String], negated: bool| -> Result<Vec<Literal>> {
                let items = ids.iter().map(item);
                items
                    .map(|i| i.map(|item| Literal { item, negated }))
                    .collect()
            };
            let mut all = literals(&rule.has, false)?;
            all.extend(literals(&rule.has_not, true)?);
            planted.push(Claim {
                rule: Rule {
                    operator: rule.operator,
                    literals: all,
                },
                targets: rule.targets.iter().map(item).collect::<Result<_>>()?,
            });
        }
        let learned = self.claims()?;
        let claims: Vec<Claim> = learned.iter().map(|(_, claim)| claim.clone()).collect();
        let recovery = recovery(&planted, &claims);
        let shown = |at: Option<usize>| {
            at.map(|at| {
                let (unit, claim) = &learned[at];
                let text = claim.rule.text(&self.catalogue);
                format!("{unit} {text}")
            })
        };
        let rows = planted.iter().zip(&recovery.finds).map(|(claim, find)| {
            let titles = claim
                .targets
                .iter()
                .map(|&t| self.catalogue.title(t).to_owned());
            PlantedRow {
                rule: claim.rule.text(&self.catalogue),
                targets: titles.collect(),
                found: shown(find.by),
                same_items: shown(find.same_items),
            }
        });
        Ok(PlantedAnswer {
            schema: "limpid.planted/1",
            recall: recovery.recall,
            precision: recovery.precision,
            f1: recovery.f1,
            learned: learned.len(),
            about_targets: recovery.n_about_targets,
            planted: rows.collect(),
        })
    }

    /// The live rules over several items, or with a NOT, with the ids of their units and their targets.
    fn claims(&self) -> Result<Vec<(String, Claim)>> {
        let units = self.fixed_units()?;
        Ok((0..units.len())
            .filter_map(|index| {
                let info = units.info(units.unit(index), &self.catalogue);
                let rule = info.rule?;
                if matches!(rule.literals.as_slice(), [l] if !l.negated) {
                    return None;
                }
                let targets = self.targets(units, index).into_iter();
                let supported = targets.filter(|&(_, effect)| effect > 0.0);
                let targets: Vec<ItemIdx> = supported.map(|(item, _)| item).collect();
                (!targets.is_empty()).then_some((info.id, Claim { rule, targets }))
            })
            .collect())
    }
}
