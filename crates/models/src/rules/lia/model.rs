//! The fitted rule autoencoder: rules, what each does to every item, and in the released form links.

use limpid_core::rules::{Literal, Operator, Rule};
use limpid_core::{
    Additive, Artifact, Buffer, Csr, Error, Explain, Histories, History, ItemIdx, Latent, Ledger,
    Mat, Part, PartKind, Recommender, Result, Tensors, Unit,
};
use limpid_tensor::matmul::{Factor, product};
use ndarray::parallel::prelude::*;
use ndarray::{Axis, s};

use super::extract::Postings;
use crate::linear::item_links::ItemLinks;

/// What rules do to items `(R, I)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effects {
    /// Every rule has an effect on every item; row-major.
    Dense(Buffer<f32>),
    /// Only on some.
    Sparse(Csr),
}

/// The fitted model: `score = base + Σ over the rules that hold of effect (+ Σ over the items of the
/// history of link)`.
///
/// The latent is the row of rules, 0 or 1, followed in the released form by the row of items.
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
    /// A model of its parts.
    ///
    /// # Errors
    /// Where shapes disagree, or a rule names an item that the catalogue does not have.
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

    /// Adds what the rules of activations `(U, R)` do.
    fn add_rules(&self, z: &Mat, scores: &mut Mat) {
        let (r, i) = (self.rules.len(), self.n_items());
        match &self.effects {
            Effects::Dense(values) => {
                let active = z.slice(s![.., ..r]).as_standard_layout().into_owned();
                let (Some(active), Some(out)) = (active.as_slice(), scores.as_slice_mut()) else {
                    return;
                };
                let active = Factor::new(active, z.nrows(), r);
                product(out, active, Factor::new(values, r, i), true);
            }
            Effects::Sparse(csr) => {
                scores
                    .axis_chunks_iter_mut(Axis(0), BLOCK)
                    .into_par_iter()
                    .zip(z.axis_chunks_iter(Axis(0), BLOCK).into_par_iter())
                    .for_each(|(mut scores, z)| {
                        for (mut out, row) in scores.rows_mut().into_iter().zip(z.rows()) {
                            for (k, &activation) in row.iter().enumerate().take(r) {
                                if activation == 0.0 {
                                    continue;
                                }
                                let (items, effects) = csr.row(k);
                                for (&item, &effect) in items.iter().zip(effects) {
                                    out[item as usize] += activation * effect;
                                }
                            }
                        }
                    });
            }
        }
    }
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        self.decode(&self.encode(users))
    }

    fn latent(&self) -> Option<&dyn Latent> {
        Some(self)
    }

    fn additive(&self) -> Option<&dyn Additive> {
        Some(self)
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        Some(self)
    }
}

impl Latent for Model {
    fn encode(&self, users: &Histories) -> Mat {
        let mut z = Mat::zeros((users.len(), self.n_units()));
        z.axis_iter_mut(Axis(0))
            .into_par_iter()
            .enumerate()
            .for_each(|(u, mut row)| {
                for (k, v) in self.features(users.row(u)) {
                    row[k] = v;
                }
            });
        z
    }

    fn decode(&self, z: &Mat) -> Mat {
        let mut scores = Mat::zeros((z.nrows(), self.n_items()));
        for mut row in scores.rows_mut() {
            row.iter_mut()
                .zip(self.base.iter())
                .for_each(|(o, &b)| *o = b);
        }
        self.add_rules(z, &mut scores);
        if let Some(links) = &self.links {
            scores += &links.decode(&z.slice(s![.., self.rules.len()..]).to_owned());
        }
        scores
    }
}

impl Additive for Model {
    fn n_units(&self) -> usize {
        self.rules.len() + self.links.as_ref().map_or(0, ItemLinks::n_items)
    }

    fn unit(&self, index: usize) -> Unit {
        match index.checked_sub(self.rules.len()) {
            None => Unit::Rule(index as u32),
            Some(item) => Unit::Link(ItemIdx(item as u32)),
        }
    }

    fn resolve(&self, unit: Unit) -> Result<Vec<usize>> {
        let last = self.rules.len().saturating_sub(1);
        match (unit, &self.links) {
            (Unit::Rule(k), _) if (k as usize) < self.rules.len() => Ok(vec![k as usize]),
            (Unit::Link(item), Some(_)) if item.at() < self.n_items() => {
                Ok(vec![self.rules.len() + item.at()])
            }
            (other, links) => Err(Error::NoSuchUnit {
                unit: other.to_string(),
                hint: match (self.rules.is_empty(), links.is_some()) {
                    (true, false) => "it learned no rule".to_owned(),
                    (_, false) => format!("its units are its rules, r0 to r{last}"),
                    (_, true) => format!(
                        "its units are its rules, r0 to r{last}, and the items of the history: \
                         link:ITEM_ID"
                    ),
                },
            }),
        }
    }

    fn base(&self, item: ItemIdx) -> f32 {
        self.base.get(item.at()).copied().unwrap_or(0.0)
    }

    fn features(&self, user: History<'_>) -> Vec<(usize, f32)> {
        let items: Vec<u32> = user.item_values().iter().map(|(i, _)| i.0).collect();
        let mut features: Vec<(usize, f32)> = self
            .postings
            .active(&items)
            .into_iter()
            .map(|k| (k as usize, 1.0))
            .collect();
        if self.links.is_some() {
            features.extend(items.iter().map(|&i| (self.rules.len() + i as usize, 1.0)));
        }
        features
    }

    fn rule(&self, index: usize) -> Option<Rule> {
        match self.unit(index) {
            Unit::Link(item) => Some(Rule::all([item])),
            _ => self.rules.get(index).cloned(),
        }
    }

    fn effect(&self, index: usize, item: ItemIdx) -> f32 {
        match (index.checked_sub(self.rules.len()), &self.links) {
            (None, _) => self.effect_of_rule(index, item),
            (Some(from), Some(links)) => links.weight(from, item),
            (Some(_), None) => 0.0,
        }
    }

    fn ledger(&self, features: &[(usize, f32)], user: History<'_>, item: ItemIdx) -> Ledger {
        let events = user.by_item();
        let parts = features.iter().filter_map(|&(index, activation)| {
            let effect = self.effect(index, item);
            (activation * effect != 0.0).then(|| {
                let unit = self.unit(index);
                let rule = self.rules.get(index);
                let cites = match (unit, rule) {
                    (Unit::Link(from), _) => events.of(from).collect(),
                    (_, Some(rule)) => {
                        let reasons = rule.literals.iter().filter(|l| !l.negated);
                        reasons.flat_map(|l| events.of(l.item)).collect()
                    }
                    _ => Vec::new(),
                };
                Part {
                    unit,
                    kind: match unit {
                        Unit::Link(_) => PartKind::Link,
                        _ => PartKind::Rule,
                    },
                    rule: rule.cloned(),
                    cites,
                    activation,
                    effect,
                    value: activation * effect,
                    edited_by: None,
                }
            })
        });
        Ledger::of_parts(self.base(item), parts.collect())
    }
}

impl Explain for Model {
    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        self.ledger(&self.features(user), user, item)
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
