//! The fitted rule autoencoder: rules, their effects on items, and in the released form item-to-item weights.

use std::sync::Arc;

use limpid_core::rules::{Literal, Operator, Rule};
use limpid_core::unit::find_event;
use limpid_core::{
    Activations, Alternative, Artifact, Buffer, Catalogue, Csr, Detail, Error, Histories, History,
    ItemIdx, Ledger, Mat, Part, Recommender, Result, Space, Tensors, Unit, UnitInfo, Units,
};
use limpid_tensor::matmul::{Factor, product};
use ndarray::Axis;
use ndarray::parallel::prelude::*;

use super::extract::Postings;
use crate::linear::item_links::ItemLinks;

/// Effects of rules on items `(R, I)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effects {
    /// Every rule has an effect on every item; row-major.
    Dense(Buffer<f32>),
    /// Rules have effects on some items only.
    Sparse(Csr),
}

/// The fitted model: `score = base + Σ over the rules that hold of effect (+ Σ over the items of the
/// history of link)`.
///
/// Its units are the rules, followed in the released form by the items of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    rules: Vec<Rule>,
    effects: Effects,
    links: Option<ItemLinks>, // (I, I)
    base: Buffer<f32>,        // (I)
    postings: Postings,
}

/// Rows of users that are scored together.
const BLOCK: usize = 64;

impl Model {
    /// A model from its arrays.
    ///
    /// # Errors
    /// If shapes disagree, or a rule has a literal on an item that is not in the catalogue.
    pub(super) fn new(
        rules: Vec<Rule>,
        effects: Effects,
        links: Option<ItemLinks>,
        base: Buffer<f32>,
    ) -> Result<Self> {
        let n_items = base.len();
        let fits = match &effects {
            Effects::Dense(values) => values.len() == rules.len() * n_items,
            Effects::Sparse(csr) => (csr.n_rows(), csr.n_columns()) == (rules.len(), n_items),
        };
        if !fits {
            return Err(Error::shape(
                "effects of rules",
                format!("{} × {n_items}", rules.len()),
                "another shape",
            ));
        }
        if let Some(links) = &links
            && links.n_items() != n_items
        {
            return Err(Error::shape("links", n_items, links.n_items()));
        }
        let literals = rules.iter().flat_map(|r| &r.literals);
        if let Some(bad) = literals.map(|l| l.item).find(|i| i.at() >= n_items) {
            return Err(Error::range(
                "an item of a rule",
                format!("below {n_items}"),
                bad.0,
            ));
        }
        Ok(Self {
            postings: Postings::new(&rules, n_items),
            rules,
            effects,
            links,
            base,
        })
    }

    /// Its rules; the index of a rule is the number of its unit.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    fn n_items(&self) -> usize {
        self.base.len()
    }

    fn effect_of_rule(&self, rule: usize, item: ItemIdx) -> f32 {
        match &self.effects {
            Effects::Dense(values) => values[rule * self.n_items() + item.at()],
            Effects::Sparse(csr) => csr.get(rule, item.0),
        }
    }

    /// The entries of a sparse row that belong to rules.
    fn rules_of<'a>(&self, (units, values): (&'a [u32], &'a [f32])) -> (&'a [u32], &'a [f32]) {
        let end = units.partition_point(|&k| (k as usize) < self.rules.len());
        (&units[..end], &values[..end])
    }

    /// Adds the effects of the rules of activations `(U, K)`.
    fn add_rules(&self, activations: &Csr, scores: &mut Mat) {
        let (u, r, i) = (activations.n_rows(), self.rules.len(), self.n_items());
        match &self.effects {
            Effects::Dense(values) => {
                let mut active = vec![0f32; u * r]; // (U, R)
                for (row, out) in active.chunks_exact_mut(r.max(1)).enumerate() {
                    let (rules, values) = self.rules_of(activations.row(row));
                    for (&k, &value) in rules.iter().zip(values) {
                        out[k as usize] = value;
                    }
                }
                let Some(out) = scores.as_slice_mut() else {
                    unreachable!("scores are in row-major order");
                };
                let active = Factor::new(&active, u, r);
                product(out, active, Factor::new(values, r, i), true);
            }
            Effects::Sparse(csr) => {
                scores
                    .axis_iter_mut(Axis(0))
                    .into_par_iter()
                    .with_min_len(BLOCK)
                    .enumerate()
                    .for_each(|(u, mut out)| {
                        let (rules, values) = self.rules_of(activations.row(u));
                        for (&k, &activation) in rules.iter().zip(values) {
                            let (items, effects) = csr.row(k as usize);
                            for (&item, &effect) in items.iter().zip(effects) {
                                out[item as usize] += activation * effect;
                            }
                        }
                    });
            }
        }
    }

    /// The units that are active in a history, ascending.
    fn active(&self, user: History<'_>) -> Vec<(u32, f32)> {
        let items = user.distinct_items();
        let rules = self.postings.active(&items).into_iter();
        let mut active: Vec<(u32, f32)> = rules.map(|k| (k, 1.0)).collect();
        if self.links.is_some() {
            let first = self.rules.len() as u32;
            active.extend(items.iter().map(|&i| (first + i, 1.0)));
        }
        active
    }

    fn effect_of(&self, index: usize, item: ItemIdx) -> f32 {
        match (index.checked_sub(self.rules.len()), &self.links) {
            (None, _) => self.effect_of_rule(index, item),
            (Some(from), Some(links)) => links.weight(from, item),
            (Some(_), None) => 0.0,
        }
    }
}

/// What the absent items of rules would change in the score of one item for one user.
struct Absences<'a> {
    model: &'a Model,
    item: ItemIdx,
    items: Vec<u32>,
    counts: Vec<i32>, // (R)
}

impl<'a> Absences<'a> {
    fn new(model: &'a Model, user: History<'_>, item: ItemIdx) -> Self {
        let items = user.distinct_items();
        Self {
            counts: model.postings.counts(&items),
            model,
            item,
            items,
        }
    }

    /// The absent items of a rule, with the change of the score over all rules and links.
    fn alternatives(&self, rule: &Rule) -> Vec<Alternative> {
        let absent = rule.literals.iter().map(|l| l.item);
        let absent = absent.filter(|i| *i != self.item && self.items.binary_search(&i.0).is_err());
        let mut all: Vec<Alternative> = absent
            .map(|item| Alternative {
                item,
                change: self.change(item),
            })
            .filter(|a| a.change != 0.0)
            .collect();
        all.sort_by(|a, b| b.change.abs().total_cmp(&a.change.abs()));
        all
    }

    fn change(&self, added: ItemIdx) -> f32 {
        let turned = self.model.postings.turned(&self.counts, added.0);
        let rules = turned.map(|(k, holds)| {
            let effect = f64::from(self.model.effect_of_rule(k as usize, self.item));
            if holds { effect } else { -effect }
        });
        let links = self.model.links.as_ref();
        let link = links.map_or(0.0, |l| f64::from(l.weight(added.at(), self.item)));
        (rules.sum::<f64>() + link) as f32
    }
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        self.score_activations(users, &self.activate(users))
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        self.ledger(user, &self.active(user), item, Detail::Raw)
    }

    fn units(&self) -> Option<&dyn Units> {
        Some(self)
    }
}

impl Units for Model {
    fn len(&self) -> usize {
        self.rules.len() + self.links.as_ref().map_or(0, ItemLinks::n_items)
    }

    fn unit(&self, index: usize) -> Unit {
        match index.checked_sub(self.rules.len()) {
            None => Unit::new(Space::Rule, index as u32),
            Some(item) => Unit::event(ItemIdx(item as u32)),
        }
    }

    fn members(&self, unit: Unit) -> Vec<usize> {
        let index = unit.index as usize;
        match unit.space {
            Space::Rule if index < self.rules.len() => vec![index],
            Space::Event if self.links.is_some() && index < self.n_items() => {
                vec![self.rules.len() + index]
            }
            _ => Vec::new(),
        }
    }

    fn info(&self, unit: Unit, catalogue: &Catalogue) -> UnitInfo {
        match unit.item() {
            Some(item) => UnitInfo::event(item, catalogue),
            None => UnitInfo {
                id: format!("r{}", unit.index),
                label: None,
                space: unit.space,
                rule: self.rules.get(unit.index as usize).cloned(),
                confidence: None,
            },
        }
    }

    fn resolve(&self, text: &str, catalogue: &Catalogue) -> Result<Unit> {
        if self.links.is_some()
            && let Some(found) = find_event(text, catalogue)
        {
            return found;
        }
        let number = text.strip_prefix('r').and_then(|n| n.parse().ok());
        let rule = number.map(|k| Unit::new(Space::Rule, k));
        rule.filter(|&u| !self.members(u).is_empty())
            .ok_or_else(|| {
                let last = self.rules.len().saturating_sub(1);
                Error::NoSuchUnit {
                    unit: text.to_owned(),
                    hint: match (self.rules.is_empty(), self.links.is_some()) {
                        (true, false) => {
                            "it has no rules; fit it with a smaller l1 or min_support".to_owned()
                        }
                        (_, false) => format!(
                            "its units are its rules, r0 to r{last}; 'limpid rules' lists them"
                        ),
                        (_, true) => format!(
                            "its units are its rules, r0 to r{last}, and the items of the history: \
                             link:ITEM_ID or link:TITLE"
                        ),
                    },
                }
            })
    }

    fn activate(&self, users: &Histories) -> Activations {
        let rows: Vec<Vec<(u32, f32)>> = (0..users.len())
            .into_par_iter()
            .map(|u| self.active(users.row(u)))
            .collect();
        Csr::from_rows(rows, self.len())
            .unwrap_or_else(|_| unreachable!("active units are units of the model"))
    }

    fn score_activations(&self, _: &Histories, activations: &Activations) -> Mat {
        let mut scores = Mat::zeros((activations.n_rows(), self.n_items())); // (U, I)
        for mut row in scores.rows_mut() {
            let base = self.base.iter();
            row.iter_mut().zip(base).for_each(|(o, &b)| *o = b);
        }
        self.add_rules(activations, &mut scores);
        if let Some(links) = &self.links {
            let first = self.rules.len() as u32;
            let rows = (0..activations.n_rows()).map(|u| {
                let (units, values) = activations.row(u);
                let links = units.iter().zip(values).filter(|(k, _)| **k >= first);
                links.map(|(&k, &value)| (k - first, value)).collect()
            });
            let items = Csr::from_rows(rows, self.n_items())
                .unwrap_or_else(|_| unreachable!("links follow the rules"));
            scores += &links.score_rows(&items);
        }
        scores
    }

    fn ledger(
        &self,
        user: History<'_>,
        activations: &[(u32, f32)],
        item: ItemIdx,
        detail: Detail,
    ) -> Ledger {
        let events = user.by_item();
        let absences = (detail == Detail::Lines).then(|| Absences::new(self, user, item));
        let parts = activations.iter().filter_map(|&(index, activation)| {
            let index = index as usize;
            let effect = self.effect_of(index, item);
            (activation * effect != 0.0).then(|| {
                let unit = self.unit(index);
                let rule = self.rules.get(index);
                let cites = match (unit.item(), rule) {
                    (Some(from), _) => events.of(from).collect(),
                    (None, Some(rule)) => {
                        let reasons = rule.rests_on(|i| events.has(i)).into_iter();
                        reasons.flat_map(|i| events.of(i)).collect()
                    }
                    (None, None) => Arc::default(),
                };
                let part = Part::new(unit, activation, effect, cites).with_rule(rule.cloned());
                match (&absences, rule) {
                    (Some(absences), Some(rule)) => {
                        part.with_alternatives(absences.alternatives(rule))
                    }
                    _ => part,
                }
            })
        });
        let base = self.base.get(item.at()).copied().unwrap_or(0.0);
        Ledger::of_parts(base, parts.collect())
    }

    fn effect(&self, index: usize, item: ItemIdx) -> Option<f32> {
        Some(self.effect_of(index, item))
    }

    fn touched(&self, item: ItemIdx) -> Option<Vec<usize>> {
        if item.at() >= self.n_items() {
            return Some(Vec::new());
        }
        let rules = self.postings.of(item.0).map(|(rule, _)| rule as usize);
        let link = self.links.as_ref().map(|_| self.rules.len() + item.at());
        Some(rules.chain(link).collect())
    }
}

impl Artifact for Model {
    const KIND: &'static str = "model/lia";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        let (mut ends, mut items, mut negated) = (vec![0i64], Vec::new(), Vec::new());
        let mut operators = Vec::new();
        for rule in &self.rules {
            items.extend(rule.literals.iter().map(|l| l.item.0));
            negated.extend(rule.literals.iter().map(|l| u8::from(l.negated)));
            ends.push(items.len() as i64);
            operators.push(u8::from(rule.operator == Operator::And));
        }
        out.put_i64("rules.offsets", &[ends.len()], ends);
        out.put_u32("rules.items", &[items.len()], items);
        out.put_u8("rules.negated", &[negated.len()], negated);
        out.put_u8("rules.is_and", &[operators.len()], operators);
        match &self.effects {
            Effects::Dense(values) => {
                out.put_f32(
                    "effects",
                    &[self.rules.len(), self.n_items()],
                    values.clone(),
                );
            }
            Effects::Sparse(csr) => out.put_csr("effects", csr),
        }
        if let Some(links) = &self.links {
            links.save(out);
        }
        out.put_f32("base", &[self.base.len()], self.base.clone());
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        let base = from.f32("base")?.1;
        let (_, ends) = from.i64("rules.offsets")?;
        let (_, items) = from.u32("rules.items")?;
        let (_, negated) = from.u8("rules.negated")?;
        let (_, operators) = from.u8("rules.is_and")?;
        if negated.len() != items.len() || ends.len() != operators.len() + 1 {
            return Err(Error::shape("rules", items.len(), negated.len()));
        }
        let mut rules = Vec::with_capacity(operators.len());
        for (range, &is_and) in ends.windows(2).zip(operators.iter()) {
            let range = usize::try_from(range[0])
                .ok()
                .zip(usize::try_from(range[1]).ok());
            let literals = range
                .and_then(|(a, b)| items.get(a..b).zip(negated.get(a..b)))
                .ok_or_else(|| Error::Tensor {
                    name: "rules.offsets".to_owned(),
                    why: "do not ascend within the literals".to_owned(),
                })?;
            rules.push(Rule {
                operator: if is_and == 1 {
                    Operator::And
                } else {
                    Operator::Or
                },
                literals: literals
                    .0
                    .iter()
                    .zip(literals.1)
                    .map(|(&item, &negated)| Literal {
                        item: ItemIdx(item),
                        negated: negated == 1,
                    })
                    .collect(),
            });
        }
        let effects = match from.has("effects") {
            true => Effects::Dense(from.f32("effects")?.1),
            false => Effects::Sparse(from.csr("effects", base.len())?),
        };
        let has_links = from.has("weights") || from.has("weights.offsets");
        let links = has_links.then(|| ItemLinks::load(from)).transpose()?;
        Self::new(rules, effects, links, base)
    }
}
