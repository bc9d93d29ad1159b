//! Steering by knobs and by other methods, over the users of a protocol.

use std::collections::BTreeMap;

use limpid_core::{Csr, ItemIdx, Mask, Mat};
use limpid_eval::Protocol;
use limpid_eval::steering::{Front, Meter};
use limpid_insight::concepts::{Tag, concept_map, tag_units};
use limpid_insight::toward::{Profiles, direction, effect, mean_direction};
use limpid_insight::{Passing, Probed};
use limpid_models::Model;
use limpid_tensor::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::methods::{BOOSTS, Kind, Measured, Method};
use super::shares::ShareMeasured;
use super::unit_rows;
use crate::{Advisor, Error, Result};

/// Steering by knobs and by other methods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SteeringMeasured {
    /// Mean nDCG@20 of the held-out items without steering.
    pub unsteered: f64,
    /// Methods by target.
    pub methods: Vec<MethodMeasured>,
    /// The method with the best segment nDCG at 95 % personal nDCG, by target.
    pub best: BTreeMap<String, String>,
    /// Lists that are to have a share of a target.
    pub shares: Vec<ShareMeasured>,
    /// Methods that were left out, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A method on a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MethodMeasured {
    /// How the tag of a user is chosen: `oracle` (from the held-out items, as in the paper), `random`, or
    /// `hidden` (random; the method sees the tags of half of the items, and the other half counts).
    pub target: String,
    /// The method.
    pub method: String,
    /// Segment nDCG@20 at 95 % of the personal nDCG@20; null where no strength keeps as much.
    pub segment_at_95: Option<f64>,
    /// Mean segment nDCG@20 over 80 to 100 % of the personal nDCG@20.
    pub area: f64,
    /// The whole front.
    pub front: Front,
}

/// Knobs of a tag.
const TURNED: [usize; 4] = [1, 5, 10, 20];

/// Units of a tag in the published way: the most representative ones.
const REPRESENTATIVE: [usize; 3] = [1, 5, 10];

/// Ridge of the ridge direction.
const RIDGE: f64 = 0.1;

impl Advisor {
    pub(super) fn steering_measured(
        &self,
        knobs: &Probed<Model>,
        protocol: &Protocol<'_>,
        tags: &[Tag],
    ) -> Result<SteeringMeasured> {
        if tags.is_empty() {
            return Err(Error::Usage(
                "steering is measured on metadata values, and there are none with enough items; add some \
                 with 'limpid label --metadata PATH'"
                    .to_owned(),
            ));
        }
        let users = Measured::of(knobs, protocol)?;
        let mut rng = Rng::new(3, 0);
        let random: Vec<usize> = users.rows.iter().map(|_| rng.below(tags.len())).collect();
        let oracle: Vec<usize> = users
            .rows
            .iter()
            .map(|&r| oracle(protocol, r, tags))
            .collect();
        let hidden: Vec<bool> = (0..self.catalogue.len())
            .map(|_| rng.unit() < 0.5)
            .collect();
        let half = |of_hidden: bool| -> Vec<Tag> {
            let keep = |i: &(u32, f32)| hidden[i.0 as usize] == of_hidden;
            tags.iter()
                .map(|tag| Tag {
                    items: tag.items.iter().copied().filter(keep).collect(),
                    ..tag.clone()
                })
                .collect()
        };
        let (visible, counted) = (half(false), half(true));
        let (mut methods, mut notes) = (Vec::new(), Vec::new());
        let mut unsteered = 0.0;
        let fixed = Fixed::of(knobs);
        // What a method adds for a tag depends on the items that it sees, not on how users came to the tag.
        for (seen, segment, targets) in [
            (tags, tags, &[("oracle", &oracle), ("random", &random)][..]),
            (&visible, &counted, &[("hidden", &random)]),
        ] {
            let mut used: Vec<usize> = targets.iter().flat_map(|t| t.1).copied().collect();
            used.sort_unstable();
            used.dedup();
            let ways = self.methods(knobs, &users, &fixed, seen, &used, &mut notes)?;
            let segments = per_tag(&used, |t| segment[t].indicator(self.catalogue.len()));
            for &(target, chosen) in targets {
                let fronts = self.fronts(&ways, &users, protocol, &fixed, chosen, &segments);
                unsteered = fronts.first().map_or(0.0, |f| f.1.points[0].personal);
                methods.extend(fronts.into_iter().map(|(method, front)| MethodMeasured {
                    target: target.to_owned(),
                    segment_at_95: front.segment_at(0.95, unsteered),
                    area: front.area(unsteered),
                    method,
                    front,
                }));
            }
        }
        let mut best: BTreeMap<String, (String, f64)> = BTreeMap::new();
        for m in &methods {
            let value = m.segment_at_95.unwrap_or(0.0);
            let before = best.get(&m.target).map_or(f64::NEG_INFINITY, |b| b.1);
            if value > before {
                best.insert(m.target.clone(), (m.method.clone(), value));
            }
        }
        let shares = self.shares(knobs, &users, protocol, tags, &oracle, &random);
        Ok(SteeringMeasured {
            unsteered,
            methods,
            best: best.into_iter().map(|(t, (m, _))| (t, m)).collect(),
            shares,
            notes,
        })
    }

    /// All methods, with what they add for the tags that some user has: they see the items of `seen`.
    fn methods(
        &self,
        knobs: &Probed<Model>,
        users: &Measured,
        fixed: &Fixed,
        seen: &[Tag],
        used: &[usize],
        notes: &mut Vec<String>,
    ) -> Result<Vec<Method>> {
        let (atoms, vectors) = (&knobs.dictionary().atoms, knobs.vectors());
        let Fixed {
            profiles, exposed, ..
        } = fixed;
        let maps = tag_units(&concept_map(&fixed.item_codes, seen), REPRESENTATIVE[2]);
        let along =
            |of: &(dyn Fn(usize) -> Vec<f32> + Sync)| per_tag(used, |t| effect(vectors, &of(t)));
        let mut methods: Vec<Method> = Vec::new();
        for n in TURNED {
            let effects = along(&|t| {
                let weights = profiles.toward(exposed, vectors, &seen[t].ids(), n);
                direction(atoms, &weights)
            });
            methods.push(Method::along(
                format!("{n} knob{} by score", if n == 1 { "" } else { "s" }),
                effects,
            ));
        }
        let mean = along(&|t| mean_direction(vectors, &seen[t].ids()));
        methods.push(Method::along("DiffMean".to_owned(), mean));
        let ridge = along(&|t| profiles.ridge_direction(vectors, &seen[t].ids(), RIDGE));
        methods.push(Method::along("ridge direction".to_owned(), ridge));
        let random = along(&|t| {
            let mut rng = Rng::new(9, t as u64);
            let d = Mat::from_shape_fn((1, vectors.ncols()), |_| rng.normal());
            unit_rows(&d).row(0).to_vec()
        });
        methods.push(Method::along("random direction".to_owned(), random));
        methods.push(Method {
            name: "boosting tagged items".to_owned(),
            strengths: BOOSTS.to_vec(),
            kind: Kind::Boost,
            effects: per_tag(used, |t| seen[t].indicator(self.catalogue.len())),
            units: BTreeMap::new(),
        });
        for passing in [Passing::PassThrough, Passing::ErrorPreserving] {
            for n in REPRESENTATIVE {
                let units = used.iter().map(|&t| {
                    let best = maps[t].representative.iter().take(n);
                    (t, best.copied().collect())
                });
                methods.push(Method::blend(n, "representative", passing, units.collect()));
            }
            let units = used
                .iter()
                .map(|&t| (t, maps[t].unique.iter().take(1).copied().collect()));
            methods.push(Method::blend(1, "unique", passing, units.collect()));
        }
        match Method::teaser(&self.split()?.train.to_csr(), &users.input, seen, used) {
            Ok(method) => methods.push(method),
            Err(e @ limpid_core::Error::Memory { .. }) => {
                notes.push(format!("TEASER was left out: {e}"));
                notes.dedup();
            }
            Err(e) => return Err(e.into()),
        }
        Ok(methods)
    }

    /// The fronts of methods, for a tag of each user, by its indicator in `segments`.
    fn fronts(
        &self,
        methods: &[Method],
        users: &Measured,
        protocol: &Protocol<'_>,
        fixed: &Fixed,
        chosen: &[usize],
        segments: &BTreeMap<usize, Vec<f32>>,
    ) -> Vec<(String, Front)> {
        methods
            .par_iter()
            .map(|method| {
                let mut meter = Meter::new(method.strengths.clone());
                let mut mask = Mask::none(self.catalogue.len());
                for (at, &row) in users.rows.iter().enumerate() {
                    let tag = chosen[at];
                    protocol.hide(&mut mask, row);
                    let (from, effect) = method.of_user(users, at, tag, &fixed.atom_effects);
                    let mut scores = |s: f32| -> Vec<f32> {
                        from.iter().zip(&effect).map(|(b, e)| b + s * e).collect()
                    };
                    meter.add(
                        &mut scores,
                        &mask,
                        self.tie_breaks(),
                        &protocol.held_out(row),
                        &segments[&tag],
                    );
                }
                (method.name.clone(), meter.front())
            })
            .collect()
    }
}

/// What methods need of a dictionary, whatever the tags.
struct Fixed {
    profiles: Profiles,
    exposed: Mat,                // (knobs, D)
    item_codes: Csr,             // (I, K)
    atom_effects: Vec<Vec<f32>>, // (K, I)
}

impl Fixed {
    fn of(knobs: &Probed<Model>) -> Self {
        let (atoms, vectors) = (&knobs.dictionary().atoms, knobs.vectors());
        Self {
            profiles: Profiles::new(vectors),
            exposed: knobs.dictionary().exposed(),
            item_codes: knobs.item_codes(),
            atom_effects: (0..atoms.nrows())
                .into_par_iter()
                .map(|k| effect(vectors, &atoms.row(k).to_vec()))
                .collect(),
        }
    }
}

fn per_tag(used: &[usize], of: impl Fn(usize) -> Vec<f32> + Sync) -> BTreeMap<usize, Vec<f32>> {
    used.par_iter().map(|&t| (t, of(t))).collect()
}

/// The tag that a user's held-out items have more often than their input, as in From Knots to Knobs.
fn oracle(protocol: &Protocol<'_>, row: usize, tags: &[Tag]) -> usize {
    let held_out = protocol.held_out(row);
    let input = protocol.input.row(row);
    let input = input.distinct_items();
    let count = |tag: &Tag| {
        let held = tag
            .items
            .iter()
            .filter(|i| held_out.binary_search(&ItemIdx(i.0)).is_ok());
        let own = tag
            .items
            .iter()
            .filter(|i| input.binary_search(&i.0).is_ok());
        held.count() as i64 - own.count() as i64
    };
    let mut best = (0, i64::MIN);
    for (t, tag) in tags.iter().enumerate() {
        let value = count(tag);
        if value > best.1 {
            best = (t, value);
        }
    }
    best.0
}
