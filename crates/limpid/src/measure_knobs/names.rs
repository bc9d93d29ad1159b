//! How many units have names, against controls.

use limpid_core::Mat;
use limpid_insight::Probed;
use limpid_insight::concepts::{MapShape, Naming, Summary, Tag, concept_map, name_units};
use limpid_models::Model;
use limpid_tensor::Rng;
use serde::{Deserialize, Serialize};

use super::unit_rows;
use crate::Advisor;

/// How many units have names, with controls: raw dimensions and random directions may be named by their
/// opposite too, knobs may not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NamesMeasured {
    /// The knobs.
    pub knobs: Summary,
    /// All atoms, fillers included.
    pub atoms: Summary,
    /// The dimensions of the representation.
    pub raw: Summary,
    /// Random directions.
    pub random: Summary,
    /// The knobs, with the items of all tags shuffled.
    pub shuffled: Summary,
    /// The concept maps of From Knots to Knobs.
    #[serde(default)]
    pub maps: MapShape,
}

impl Advisor {
    pub(super) fn names_measured(&self, knobs: &Probed<Model>, tags: &[Tag]) -> NamesMeasured {
        let naming = self.naming();
        let either = Naming {
            either_sign: true,
            ..naming
        };
        let vectors = unit_rows(knobs.vectors());
        let width = vectors.ncols();
        let counts = &self.catalogue.train_counts;
        let named = |directions: &Mat, tags: &[Tag], how: &Naming| {
            Summary::of(&name_units(
                &vectors.dot(&directions.t()),
                tags,
                counts,
                how,
            ))
        };
        let atoms = &knobs.dictionary().atoms;
        let exposed = knobs.dictionary().exposed();
        let mut rng = Rng::new(naming.seed, 5);
        let random = unit_rows(&Mat::from_shape_fn((2 * width, width), |_| rng.normal()));
        let mut order: Vec<u32> = (0..self.catalogue.len() as u32).collect();
        rng.shuffle(&mut order);
        let shuffled: Vec<Tag> = tags.iter().map(|tag| moved(tag, &order)).collect();
        NamesMeasured {
            knobs: named(&exposed, tags, &naming),
            atoms: named(atoms, tags, &naming),
            raw: named(&Mat::eye(width), tags, &either),
            random: named(&random, tags, &either),
            shuffled: named(&exposed, &shuffled, &naming),
            maps: MapShape::of(&concept_map(&knobs.item_codes(), tags)),
        }
    }
}

/// A tag with its items moved by a permutation.
pub(crate) fn moved(tag: &Tag, to: &[u32]) -> Tag {
    let mut items: Vec<(u32, f32)> = tag
        .items
        .iter()
        .map(|&(i, n)| (to[i as usize], n))
        .collect();
    items.sort_by_key(|i| i.0);
    Tag {
        items,
        ..tag.clone()
    }
}
