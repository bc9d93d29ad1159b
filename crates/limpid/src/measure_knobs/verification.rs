//! RecSAE's concepts: constructed on some users, verified on others, by tf-idf over the metadata of items.

use limpid_core::{Histories, History, ItemIdx, Mask, Mat, top_k};
use limpid_data::Subset;
use limpid_eval::Protocol;
use limpid_insight::Probed;
use limpid_insight::concepts::likeness::{Likeness, likeness};
use limpid_insight::concepts::presence::{HitRatios, Presence, hit_ratios, tuning};
use limpid_insight::concepts::verify::{
    Cases, Constructed, Verification, VerifiedCounts, construct,
};
use limpid_insight::concepts::{LevelRule, Terms, fields_of};
use limpid_insight::dictionary::Code;
use limpid_insight::toward::effect;
use limpid_models::Model;
use limpid_tensor::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::latent_of;
use crate::{Advisor, Error, Result};

/// RecSAE's measurements of a dictionary, beside those of the dimensions of the representation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VerificationMeasured {
    /// Users on whom concepts are constructed.
    pub constructed_on: usize,
    /// Other users, on whom they are verified.
    pub verified_on: usize,
    /// By the rule that levels are cut by.
    pub rules: Vec<RuleMeasured>,
    /// How alike the cases of one unit and of different units are.
    pub likeness: Likeness,
    /// The same of the dimensions of the representation.
    pub base_likeness: Likeness,
    /// Share of users whose first item is that of the base.
    pub agreement: f64,
    /// Lists of ten when verified units are turned, by levels of rank.
    pub tuning: Vec<Presence>,
    /// The verified concepts by levels of rank, best first.
    pub concepts: Vec<ConceptVerified>,
}

/// What one rule of levels gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RuleMeasured {
    /// The rule.
    pub rule: LevelRule,
    /// The units of the dictionary.
    pub units: VerifiedCounts,
    /// The dimensions of the representation, active where they are above 0.
    pub base: VerifiedCounts,
    /// Share of the metadata values that are verified concepts.
    pub coverage: f64,
    /// The same of the dimensions.
    pub base_coverage: f64,
    /// Whether first items carry the verified concept, by the level of the unit.
    pub hits: HitRatios,
}

/// A verified concept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConceptVerified {
    /// The unit: `n12`.
    pub unit: String,
    /// The term.
    pub concept: String,
    /// Share of the cases that are told right.
    pub confidence: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Confidence with hard negatives.
    pub hard: f64,
    /// Confidence on activated cases of all strengths.
    pub spread: f64,
}

/// Users per side, at most.
const USERS: usize = 10_000;

/// Users that are encoded and ranked at a time.
const BLOCK: usize = 256;

/// Items at the end of a history whose terms belong to a case, as in the authors' code.
const HISTORY: usize = 9;

/// What activations are multiplied with, as in the paper.
const SCALES: [f32; 8] = [-10.0, -5.0, -2.0, 0.0, 1.0, 2.0, 5.0, 10.0];

/// Length of the lists of turned units.
const LIST: usize = 10;

/// Units that are turned, at most: those of the highest confidence.
const TURNED: usize = 100;

/// Verified concepts that are listed, at most.
const LISTED: usize = 50;

/// The cases of some users, of the units and of the dimensions, and what turning a unit needs.
struct Seen {
    units: Cases,
    base: Cases,
    codes: Vec<Code>,
    expressed: Mat, // (cases, D)
    histories: Histories,
}

impl Advisor {
    /// Constructs concepts on training users and verifies them on held-out ones; where a split has none, on two random
    /// halves of its users.
    pub(super) fn verification(
        &self,
        knobs: &Probed<Model>,
        protocol: &Protocol<'_>,
        on: Subset,
        columns: &[String],
    ) -> Result<VerificationMeasured> {
        let terms = Terms::of(&self.catalogue, &fields_of(&self.catalogue, columns)?);
        if terms.names.is_empty() {
            return Err(Error::Usage(
                "concepts are terms of metadata and titles, and the items have neither; add some with \
                 'limpid label --metadata PATH'"
                    .to_owned(),
            ));
        }
        let split = self.split()?;
        let with_events = |rows: &Histories| -> Vec<usize> {
            (0..rows.len())
                .filter(|&r| !rows.row(r).is_empty())
                .collect()
        };
        let mut rng = Rng::new(8, 0);
        let mut sample = |mut rows: Vec<usize>| {
            rng.shuffle(&mut rows);
            rows
        };
        let test = sample(with_events(protocol.input));
        let (first, second) = match split.held_out(on).input.is_some() {
            true => {
                let train = sample(with_events(&split.train));
                (
                    rows_of(&split.train, &train),
                    rows_of(protocol.input, &test),
                )
            }
            false => {
                let (a, b) = test.split_at(test.len() / 2);
                (rows_of(protocol.input, a), rows_of(protocol.input, b))
            }
        };
        let construction = self.seen(knobs, &first, &terms)?;
        let verification = self.seen(knobs, &second, &terms)?;
        let n_units = knobs.dictionary().atoms.nrows();
        let width = knobs.vectors().ncols();
        let how = |rule| Verification {
            rule,
            ..Verification::default()
        };
        let least = Verification::default().confidence;
        let mut of_rank = Constructed::default();
        let mut rules = Vec::new();
        for rule in LevelRule::ALL {
            let of = |n: usize, a: &Cases, b: &Cases| construct(a, b, n, &how(rule));
            let units = of(n_units, &construction.units, &verification.units);
            let base = of(width, &construction.base, &verification.base);
            let verified = |c: &Constructed| -> Vec<(u32, u32)> {
                c.verified(least).map(|v| (v.unit, v.term)).collect()
            };
            let coverage = |c: &Constructed| {
                let terms_of: Vec<u32> = verified(c).into_iter().map(|v| v.1).collect();
                terms.coverage(&terms_of)
            };
            rules.push(RuleMeasured {
                rule,
                units: VerifiedCounts::of(&units, least),
                base: VerifiedCounts::of(&base, least),
                coverage: coverage(&units),
                base_coverage: coverage(&base),
                hits: hit_ratios(
                    &verification.units,
                    &terms,
                    n_units,
                    &verified(&units),
                    rule,
                ),
            });
            if rule == LevelRule::Rank {
                of_rank = units;
            }
        }
        let mut best: Vec<_> = of_rank.verified(least).copied().collect();
        best.sort_by(|a, b| {
            let by = |v: f64, w: f64| w.total_cmp(&v);
            by(a.confidence, b.confidence)
                .then(by(a.hard, b.hard))
                .then(a.unit.cmp(&b.unit))
        });
        let turned: Vec<(u32, u32)> = best.iter().take(TURNED).map(|v| (v.unit, v.term)).collect();
        let same = verification.units.recommended.iter();
        let same = same.zip(&verification.base.recommended);
        let same = same.filter(|(a, b)| a == b).count();
        let concepts = best.iter().take(LISTED).map(|v| ConceptVerified {
            unit: format!("n{}", v.unit),
            concept: terms.names[v.term as usize].clone(),
            confidence: v.confidence,
            low: v.interval[0],
            high: v.interval[1],
            hard: v.hard,
            spread: v.spread,
        });
        Ok(VerificationMeasured {
            constructed_on: construction.units.len(),
            verified_on: verification.units.len(),
            rules,
            likeness: likeness(&verification.units, knobs.vectors(), n_units),
            base_likeness: likeness(&verification.base, knobs.vectors(), width),
            agreement: same as f64 / verification.units.len().max(1) as f64,
            tuning: self.turned(knobs, &verification, &terms, &turned)?,
            concepts: concepts.collect(),
        })
    }

    fn turned(
        &self,
        knobs: &Probed<Model>,
        seen: &Seen,
        terms: &Terms,
        concepts: &[(u32, u32)],
    ) -> Result<Vec<Presence>> {
        let latent = latent_of(knobs)?;
        let effects: std::collections::BTreeMap<u32, Vec<f32>> = concepts
            .par_iter()
            .map(|&(unit, _)| {
                let atom = knobs.pursuit().atom(unit as usize);
                (unit, effect(knobs.vectors(), atom))
            })
            .collect();
        let lists = |case: u32, unit: u32| -> Vec<Vec<u32>> {
            let case = case as usize;
            let code = &seen.codes[case];
            let z = code
                .active
                .iter()
                .find(|a| a.0 == unit)
                .map_or(0.0, |a| a.1);
            let state = seen
                .expressed
                .slice(ndarray::s![case..=case, ..])
                .to_owned();
            let decoded = latent.decode(&state);
            let mut mask = Mask::none(decoded.len());
            mask.hide(seen.histories.row(case).items.iter().copied());
            let at_scale = |scale: &f32| {
                let by = code.length * z * (scale - 1.0);
                let all = decoded.iter().zip(&effects[&unit]);
                let scores: Vec<f32> = all.map(|(s, e)| s + by * e).collect();
                let list = top_k(&scores, &mask, self.tie_breaks(), LIST);
                list.iter().map(|s| s.item.0).collect()
            };
            SCALES.iter().map(at_scale).collect()
        };
        let n_units = knobs.dictionary().atoms.nrows();
        Ok(tuning(
            &seen.units,
            terms,
            n_units,
            concepts,
            &SCALES,
            &lists,
        ))
    }

    /// The cases of users, whose seen items are masked.
    fn seen(&self, knobs: &Probed<Model>, rows: &[History<'_>], terms: &Terms) -> Result<Seen> {
        let latent = latent_of(knobs)?;
        let n_items = self.catalogue.len();
        let histories = Histories::from_histories(rows.iter().copied(), n_items)?;
        let width = knobs.vectors().ncols();
        let empty = |n: usize| Cases {
            active: Vec::with_capacity(n),
            recommended: Vec::with_capacity(n),
            terms: Vec::with_capacity(n),
            states: Mat::zeros((0, width)),
        };
        let n = histories.len();
        let (mut units, mut base) = (empty(n), empty(n));
        let mut codes: Vec<Code> = Vec::with_capacity(n);
        let mut states = Mat::zeros((n, width));
        let mut expressed = Mat::zeros((n, width));
        for start in (0..n).step_by(BLOCK) {
            let end = (start + BLOCK).min(n);
            let x = latent.encode(&histories.slice(start, end));
            let own = knobs.codes(&x);
            let passed = knobs.expressed(&own);
            let first = |scores: Mat| -> Vec<u32> {
                (0..scores.nrows())
                    .into_par_iter()
                    .map(|u| {
                        let mut mask = Mask::none(n_items);
                        mask.hide(histories.row(start + u).items.iter().copied());
                        let scores = scores.row(u).to_vec();
                        let list = top_k(&scores, &mask, self.tie_breaks(), 1);
                        list.first().map_or(0, |s| s.item.0)
                    })
                    .collect()
            };
            for (cases, recommended) in [
                (&mut units, first(latent.decode(&passed))),
                (&mut base, first(latent.decode(&x))),
            ] {
                for (u, &item) in recommended.iter().enumerate() {
                    cases
                        .terms
                        .push(around(histories.row(start + u), item, terms));
                }
                cases.recommended.extend(recommended);
            }
            units.active.extend(own.iter().map(Code::values));
            base.active.extend(x.rows().into_iter().map(|row| {
                let all = (0u32..).zip(row.iter().copied());
                all.filter(|a| a.1 > 0.0).collect::<Vec<_>>()
            }));
            codes.extend(own);
            states.slice_mut(ndarray::s![start..end, ..]).assign(&x);
            expressed
                .slice_mut(ndarray::s![start..end, ..])
                .assign(&passed);
        }
        base.states = states.clone();
        units.states = states;
        Ok(Seen {
            units,
            base,
            codes,
            expressed,
            histories,
        })
    }
}

/// The first of some rows.
fn rows_of<'h>(histories: &'h Histories, rows: &[usize]) -> Vec<History<'h>> {
    rows.iter().take(USERS).map(|&r| histories.row(r)).collect()
}

/// The terms of a recommended item and of the last items of a history.
fn around(history: History<'_>, item: u32, terms: &Terms) -> Vec<u32> {
    let last = history.items.iter().rev().take(HISTORY);
    let items = last.copied().chain([ItemIdx(item)]);
    items.flat_map(|i| terms.of_items[i.at()].clone()).collect()
}
