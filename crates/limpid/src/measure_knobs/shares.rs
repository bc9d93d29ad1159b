//! Lists that are to have a share of a target: how often ten knobs meet it.

use std::collections::BTreeMap;

use limpid_core::{Mask, top_k};
use limpid_eval::Protocol;
use limpid_eval::steering::LIST;
use limpid_insight::Probed;
use limpid_insight::concepts::Tag;
use limpid_insight::toward::{Profiles, calibrate, direction, effect};
use limpid_models::Model;
use limpid_tensor::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::methods::Measured;
use crate::Advisor;

/// How often a share of the list was met, over the users who had fewer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ShareMeasured {
    /// How the tag of a user is chosen: `random genre` (the field with the fewest values), `random` or `oracle`.
    pub target: String,
    /// The share that was asked for.
    pub asked: f64,
    /// Users who had fewer.
    pub users: usize,
    /// Share of them whose list is within one item of what was asked.
    pub within_one: f64,
    /// Share of them for whom it cannot be reached, and is reported so.
    pub unreachable: f64,
}

/// Shares that are asked for.
const SHARES: [f64; 5] = [0.1, 0.2, 0.3, 0.4, 0.5];

/// Knobs of a tag.
const TURNED: usize = 10;

impl Advisor {
    /// How often shares of a list of 20 are met by ten knobs.
    pub(super) fn shares(
        &self,
        knobs: &Probed<Model>,
        users: &Measured,
        protocol: &Protocol<'_>,
        tags: &[Tag],
        oracle: &[usize],
        random: &[usize],
    ) -> Vec<ShareMeasured> {
        let n_items = self.catalogue.len();
        let dictionary = knobs.dictionary();
        let exposed = dictionary.exposed();
        let profiles = Profiles::new(knobs.vectors());
        let few = fewest(tags);
        let mut rng = Rng::new(4, 0);
        let genres: Vec<usize> = users
            .rows
            .iter()
            .map(|_| few[rng.below(few.len())])
            .collect();
        let mut out = Vec::new();
        for (target, chosen) in [
            ("random genre", &genres[..]),
            ("random", random),
            ("oracle", oracle),
        ] {
            let mut used = chosen.to_vec();
            used.sort_unstable();
            used.dedup();
            let effects: BTreeMap<usize, (Vec<f32>, Vec<f32>)> = used
                .par_iter()
                .map(|&t| {
                    let weights =
                        profiles.toward(&exposed, knobs.vectors(), &tags[t].ids(), TURNED);
                    let d = direction(&dictionary.atoms, &weights);
                    (t, (effect(knobs.vectors(), &d), tags[t].indicator(n_items)))
                })
                .collect();
            for asked in SHARES {
                let wanted = (asked * LIST as f64).round() as usize;
                let outcomes: Vec<Option<bool>> = (0..users.rows.len())
                    .into_par_iter()
                    .map(|at| {
                        let (along, inside) = effects.get(&chosen[at])?;
                        let mut mask = Mask::none(n_items);
                        protocol.hide(&mut mask, users.rows[at]);
                        let count = |s: f32| {
                            let scale = s * users.lengths[at];
                            let scores: Vec<f32> = users.base[at]
                                .iter()
                                .zip(along)
                                .map(|(b, e)| b + scale * e)
                                .collect();
                            let list = top_k(&scores, &mask, self.tie_breaks(), LIST);
                            list.iter().filter(|i| inside[i.item.at()] > 0.0).count()
                        };
                        (count(0.0) < wanted).then(|| calibrate(wanted, count).reached)
                    })
                    .collect();
                let needed = outcomes.iter().flatten().count();
                let met = outcomes.iter().flatten().filter(|r| **r).count() as f64;
                let share = |n: f64| n / needed.max(1) as f64;
                out.push(ShareMeasured {
                    target: target.to_owned(),
                    asked,
                    users: needed,
                    within_one: share(met),
                    unreachable: share(needed as f64 - met),
                });
            }
        }
        out
    }
}

/// The tags of the field with the fewest values: genres rather than free tags.
fn fewest(tags: &[Tag]) -> Vec<usize> {
    let mut by_field: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (t, tag) in tags.iter().enumerate() {
        by_field.entry(&tag.field).or_default().push(t);
    }
    let fields = by_field.into_values();
    fields.min_by_key(Vec::len).unwrap_or_default()
}
