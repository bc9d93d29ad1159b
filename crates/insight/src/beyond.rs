//! What knobs do not express of a concept, as a unit of its own.
//!
//! The mean direction of a concept's items (DiffMean) steers further than a few knobs with positive weights. It is
//! split in two: `d = Σ_j c_j w_j + r`, with the knobs and the ratios of their weights as
//! [`Profiles::toward`](crate::toward::Profiles::toward) selects them, the scale of all weights by least squares,
//! and the remainder r. A representation that is moved by both is moved along d, and a ledger has a line for each
//! knob and one for the remainder.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use limpid_core::Mat;

use crate::concepts::Tag;
use crate::dictionary::{Dictionary, dot};
use crate::toward::{Profiles, Weights, direction, mean_direction};

/// Knobs that are turned toward a concept, at most.
const KNOBS: usize = 10;

/// The direction of a concept, in parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The knobs with their weights.
    pub weights: Weights,
    /// The remainder `(D)`.
    pub remainder: Vec<f32>,
    /// Share of the squared length of the direction that the knobs have.
    pub expressed: f64,
}

/// Concepts with their directions, which are split when they are first asked for.
#[derive(Debug, Default)]
pub(crate) struct Concepts {
    tags: Vec<Tag>,
    profiles: OnceLock<Profiles>,
    splits: Mutex<BTreeMap<usize, Arc<Split>>>,
}

impl Clone for Concepts {
    /// What was computed is computed again when it is asked for.
    fn clone(&self) -> Self {
        Self::new(self.tags.clone())
    }
}

impl PartialEq for Concepts {
    fn eq(&self, other: &Self) -> bool {
        self.tags == other.tags
    }
}

impl Concepts {
    pub(crate) fn new(tags: Vec<Tag>) -> Self {
        Self {
            tags,
            ..Self::default()
        }
    }

    pub(crate) fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// The split of a concept over a dictionary of a decoder with item vectors `(I, D)`.
    pub(crate) fn split(&self, at: usize, dictionary: &Dictionary, vectors: &Mat) -> Arc<Split> {
        let known = |at| self.splits.lock().ok()?.get(&at).cloned();
        if let Some(split) = known(at) {
            return split;
        }
        let items = self.tags.get(at).map_or_else(Vec::new, Tag::ids);
        let profiles = self.profiles.get_or_init(|| Profiles::new(vectors));
        let split = Arc::new(split(profiles, &dictionary.exposed(), vectors, &items));
        if let Ok(mut splits) = self.splits.lock() {
            splits.insert(at, Arc::clone(&split));
        }
        split
    }
}

fn split(profiles: &Profiles, knobs: &Mat, vectors: &Mat, items: &[u32]) -> Split {
    let whole = mean_direction(vectors, items);
    let mut weights = profiles.toward(knobs, vectors, items, KNOBS);
    let named = direction(knobs, &weights);
    // |named| = 1, or there is none.
    let scale = dot(&whole, &named).max(0.0) as f32;
    weights.iter_mut().for_each(|(_, w)| *w *= scale);
    weights.retain(|(_, w)| *w > 0.0);
    let remainder = whole.iter().zip(&named).map(|(d, n)| d - scale * n);
    Split {
        remainder: remainder.collect(),
        expressed: f64::from(scale * scale),
        weights,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// The mean direction of items 0 and 1 is (2, 1, 0)/√5 up to what items 2 and 3 have; a knob along the first
    /// axis expresses four fifths of its square, and both parts together are the direction.
    #[test]
    fn parts_sum_to_the_mean_direction() {
        let vectors = array![
            [1.0, 0.0, 0.0],
            [0.6, 0.8, 0.0],
            [-1.0, 0.0, 0.0],
            [-0.6, 0.0, 0.8]
        ];
        let knobs = array![[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        let profiles = Profiles::new(&vectors);
        let found = split(&profiles, &knobs, &vectors, &[0, 1]);
        let whole = mean_direction(&vectors, &[0, 1]);
        let named = direction(&knobs, &found.weights);
        for (d, (a, b)) in named.iter().zip(&found.remainder).enumerate() {
            assert!((a + b - whole[d]).abs() < 1e-6);
        }
        assert_eq!(found.weights.len(), 1);
        assert!(found.expressed > 0.5 && found.expressed < 1.0, "{found:?}");
        assert!(dot(&named, &found.remainder).abs() < 1e-6);
        let none = split(&profiles, &knobs, &vectors, &[]);
        assert!(none.weights.is_empty() && none.expressed == 0.0);
    }
}
