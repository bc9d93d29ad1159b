//! Ways to steer: scores of a user that are affine in a strength.

use std::collections::BTreeMap;

use limpid_core::{Csr, Histories, Mat, Recommender};
use limpid_eval::Protocol;
use limpid_insight::concepts::Tag;
use limpid_insight::{Passing, Probed};
use limpid_models::Model;
use limpid_models::linear::teaser;

use super::latent_of;
use crate::Result;

/// Strengths of directions, in lengths of the user's vector.
const STRENGTHS: [f32; 11] = [0.0, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2];

/// Shares of mass that a blend moves.
const BLENDS: [f32; 9] = [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5];

/// Standard deviations of the scores that boosting adds.
pub(super) const BOOSTS: [f32; 10] = [0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0];

/// The users of a protocol with held-out items, and what steering needs of each.
pub(super) struct Measured {
    pub(super) rows: Vec<usize>,
    pub(super) base: Vec<Vec<f32>>,   // (U, I)
    pub(super) passed: Vec<Vec<f32>>, // (U, I): only what the code expresses
    pub(super) lengths: Vec<f32>,
    pub(super) codes: Vec<Vec<(u32, f32)>>,
    pub(super) input: Csr, // (U, I)
}

/// Users that are measured, at most: their scores are held at once.
const USERS: usize = 2000;

impl Measured {
    pub(super) fn of(knobs: &Probed<Model>, protocol: &Protocol<'_>) -> Result<Self> {
        let held = (0..protocol.input.len())
            .filter(|&r| !protocol.held_out(r).is_empty() && !protocol.input.row(r).is_empty());
        let rows: Vec<usize> = held.take(USERS).collect();
        let n_items = protocol.catalogue.len();
        let histories = rows.iter().map(|&r| protocol.input.row(r));
        let users = Histories::from_histories(histories, n_items)?;
        let latent = latent_of(knobs)?;
        let states = latent.encode(&users);
        let codes = knobs.codes(&states);
        let expressed = knobs.expressed(&codes);
        let lists =
            |m: Mat| -> Vec<Vec<f32>> { m.rows().into_iter().map(|r| r.to_vec()).collect() };
        Ok(Self {
            base: lists(knobs.base().score(&users)),
            passed: lists(latent.decode(&expressed)),
            lengths: codes.iter().map(|c| c.length).collect(),
            codes: codes.into_iter().map(|c| c.active).collect(),
            input: users.to_csr(),
            rows,
        })
    }
}

/// A way to steer: scores that are affine in the strength.
pub(super) struct Method {
    pub(super) name: String,
    pub(super) strengths: Vec<f32>,
    pub(super) kind: Kind,
    /// What it adds to all items, by tag.
    pub(super) effects: BTreeMap<usize, Vec<f32>>,
    /// The units to which a blend moves mass, by tag.
    pub(super) units: BTreeMap<usize, Vec<u32>>,
}

pub(super) enum Kind {
    /// Along a direction, in lengths of the user's vector.
    Direction,
    /// In standard deviations of the user's scores.
    Boost,
    /// From Knots to Knobs: mass moved to units, with or without what the code does not express.
    Blend(Passing),
    /// A tag of a TEASER profile, in lengths of the profile; its scores are its own.
    Profile(Box<OwnProfiles>),
}

/// A TEASER model with the profiles of the measured users.
pub(super) struct OwnProfiles {
    model: teaser::Model,
    profiles: Mat, // (U, T)
}

impl Method {
    pub(super) fn along(name: String, effects: BTreeMap<usize, Vec<f32>>) -> Self {
        Self {
            name,
            strengths: STRENGTHS.to_vec(),
            kind: Kind::Direction,
            effects,
            units: BTreeMap::new(),
        }
    }

    pub(super) fn blend(
        n: usize,
        map: &str,
        passing: Passing,
        units: BTreeMap<usize, Vec<u32>>,
    ) -> Self {
        let form = match passing {
            Passing::PassThrough => "pass-through",
            Passing::ErrorPreserving => "error-preserving",
        };
        let units_word = if n == 1 { "unit" } else { "units" };
        Self {
            name: format!("{n} {map} {units_word}, {form}"),
            strengths: BLENDS.to_vec(),
            kind: Kind::Blend(passing),
            effects: BTreeMap::new(),
            units,
        }
    }

    /// TEASER, fitted on the interactions and the tags that the methods see.
    ///
    /// # Errors
    /// As [`teaser::Model::fit`].
    pub(super) fn teaser(
        train: &Csr,
        users: &Csr,
        tags: &[Tag],
        used: &[usize],
    ) -> limpid_core::Result<Self> {
        let mut of_items = Mat::zeros((train.n_columns(), tags.len()));
        for (t, tag) in tags.iter().enumerate() {
            let own = tag.indicator(train.n_columns());
            of_items.column_mut(t).assign(&ndarray::Array1::from(own));
        }
        let model = teaser::Model::fit(train, &of_items, &teaser::Config::default())?;
        let effect = |&t: &usize| (t, tags[t].indicator(train.n_columns()));
        Ok(Self {
            name: "TEASER".to_owned(),
            strengths: STRENGTHS.to_vec(),
            effects: used.iter().map(effect).collect(),
            units: BTreeMap::new(),
            kind: Kind::Profile(Box::new(OwnProfiles {
                profiles: model.profiles(users),
                model,
            })),
        })
    }

    /// The scores of a user at strength 0, and what a unit of strength adds.
    pub(super) fn of_user(
        &self,
        users: &Measured,
        at: usize,
        tag: usize,
        atoms: &[Vec<f32>],
    ) -> (Vec<f32>, Vec<f32>) {
        let base = &users.base[at];
        let scaled = |by: f32| -> Vec<f32> {
            let effect = self.effects.get(&tag);
            effect.map_or_else(
                || vec![0.0; base.len()],
                |e| e.iter().map(|v| v * by).collect(),
            )
        };
        match &self.kind {
            Kind::Profile(own) => {
                let profile = own.profiles.slice(ndarray::s![at..=at, ..]).to_owned();
                let length = profile.iter().map(|v| v * v).sum::<f32>().sqrt();
                (own.model.scores(&profile).row(0).to_vec(), scaled(length))
            }
            Kind::Direction => (base.clone(), scaled(users.lengths[at])),
            Kind::Boost => {
                let n = base.len().max(1) as f32;
                let mean = base.iter().sum::<f32>() / n;
                let variance = base.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
                (base.clone(), scaled(variance.sqrt()))
            }
            Kind::Blend(passing) => {
                let from = match passing {
                    Passing::PassThrough => &users.passed[at],
                    Passing::ErrorPreserving => base,
                };
                let mut effect = vec![0f32; base.len()];
                let mut add = |unit: u32, amount: f32| {
                    let of_unit = &atoms[unit as usize];
                    effect
                        .iter_mut()
                        .zip(of_unit)
                        .for_each(|(e, v)| *e += amount * v);
                };
                let length = users.lengths[at];
                let units = self.units.get(&tag).map_or(&[][..], Vec::as_slice);
                let mass: f32 = users.codes[at].iter().map(|a| a.1).sum();
                if !units.is_empty() {
                    for &(k, z) in &users.codes[at] {
                        add(k, -length * z);
                    }
                    for &k in units {
                        add(k, length * mass / units.len() as f32);
                    }
                }
                (from.clone(), effect)
            }
        }
    }
}
