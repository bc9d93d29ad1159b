//! Short rules: found by search (`mine`) or learned by gradients (`learned`), shortened while they hold
//! for the same users, and weighted jointly in one convex problem per target (`refit`).

use std::collections::HashMap;

use limpid_core::rules::Rule;
use limpid_core::rules::minimize::minimize;
use limpid_core::{Csr, Error, Result, Run, Training};
use rayon::prelude::*;

use super::extract::{self, Bits, count, item_bits, literal_bits, patterns};
use super::learned;
use super::mine::{self, Incidence};
use super::model::{Effects, Model};
use super::refit::{self, Refit};
use super::{Config, Source};

/// Rounds in which rules without effect are dropped and the rest is refitted.
const ROUNDS: usize = 2;

pub(super) fn fit(config: &Config, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
    let n_items = data.histories.n_items();
    let rows = extract::rows_of(data.histories);
    let weights = user_weights(&rows, config.user_exponent);
    let incidence = Incidence::new(&rows, n_items, &weights)?;
    let stopped = || {
        Error::Interrupted(
            "the rule search was not complete, so no checkpoint was saved".to_owned(),
        )
    };
    let found = match config.rules_by {
        Source::Search => mine::mine(&incidence, search(config), config.rules, run.progress)
            .ok_or_else(stopped)?,
        Source::Gradients => learned::rules(config, &incidence, run)?,
    };
    let items = item_bits(&rows, n_items);
    let mut rules = merged(shortened(&found, &items, rows.len())?, &items, rows.len());
    let settings = refit::Settings {
        reg: config.reg,
        l1: config.l1,
        nonnegative: config.nonnegative,
    };
    for round in 1.. {
        let bits = patterns(&rules, &items, rows.len());
        let fitted = Refit::new(&incidence, &rules, &items, &bits, settings)?;
        let columns = fitted.fit(run.progress).ok_or_else(stopped)?;
        let mut by_rule: Vec<Vec<(u32, f32)>> = vec![Vec::new(); rules.len()];
        for (target, column) in columns.iter().enumerate() {
            for &(rule, effect) in &column.effects {
                by_rule[rule as usize].push((target as u32, effect));
            }
        }
        let useful = by_rule.iter().filter(|e| !e.is_empty()).count();
        if useful < rules.len() && round < ROUNDS {
            let mut at = 0;
            rules.retain(|_| {
                at += 1;
                !by_rule[at - 1].is_empty()
            });
            continue;
        }
        let base: Vec<f32> = columns.iter().map(|c| c.base as f32).collect();
        let effects = Csr::from_rows(by_rule, n_items)?;
        return Model::new(rules, Effects::Sparse(effects), None, base.into());
    }
    Err(stopped())
}

fn search(config: &Config) -> mine::Settings {
    mine::Settings {
        max_literals: config.max_literals,
        per_target: config.rules_per_target,
        min_support: config.min_support,
        penalty: config.literal_penalty,
        significance: config.significance,
        reg: config.search_reg,
        nonnegative: config.nonnegative,
    }
}

/// `n_u^−exponent`, scaled to a mean of 1 over the users with items.
fn user_weights(rows: &[Vec<u32>], exponent: f64) -> Vec<f64> {
    let mut weights: Vec<f64> = rows
        .iter()
        .map(|row| match row.len() {
            0 => 0.0,
            n => (n as f64).powf(-exponent),
        })
        .collect();
    let present = weights.iter().filter(|&&w| w > 0.0).count();
    let scale = present as f64 / weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    weights.iter_mut().for_each(|w| *w *= scale);
    weights
}

/// Every rule reduced to the fewest literals that hold for the same users.
fn shortened(rules: &[Rule], items: &[Bits], n_rows: usize) -> Result<Vec<Rule>> {
    rules
        .par_iter()
        .map(|rule| {
            let truths: Vec<Bits> = rule
                .literals
                .iter()
                .map(|l| literal_bits(l, items, n_rows))
                .collect();
            minimize(rule, &truths, n_rows)
        })
        .collect()
}

/// The shortest of the rules that hold for the same users, in the order of the first of them; rules
/// that hold for all users or for none are dropped.
fn merged(rules: Vec<Rule>, items: &[Bits], n_rows: usize) -> Vec<Rule> {
    let mut at: HashMap<Bits, usize> = HashMap::new();
    let mut kept: Vec<Rule> = Vec::new();
    for (rule, bits) in rules.iter().zip(patterns(&rules, items, n_rows)) {
        let support = count(&bits) as usize;
        if support == 0 || support == n_rows {
            continue;
        }
        match at.get(&bits) {
            None => {
                at.insert(bits, kept.len());
                kept.push(rule.clone());
            }
            Some(&k) if rule.literals.len() < kept[k].literals.len() => kept[k] = rule.clone(),
            Some(_) => {}
        }
    }
    kept
}
