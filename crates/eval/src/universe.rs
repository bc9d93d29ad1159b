//! The items over which coverage and the Gini index are taken.
//!
//! Items without training events cannot be recommended by most models, so they would only lower the
//! coverage and raise the Gini index, by as much as a catalogue happens to list them.

use limpid_core::{Catalogue, ItemIdx};
use serde::{Deserialize, Serialize};

/// The items over which coverage and the Gini index are taken.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Universe {
    /// Items with training events; all items of a catalogue without training counts.
    #[default]
    Trained,
    /// All items of the catalogue.
    Catalogue,
}

impl Universe {
    /// Whether each item belongs to it `(items)`.
    pub(crate) fn members(self, catalogue: &Catalogue) -> Vec<bool> {
        let trained = |item: usize| catalogue.is_trained(ItemIdx(item as u32));
        let any = catalogue.train_counts.iter().any(|&n| n > 0);
        (0..catalogue.len())
            .map(|item| self == Self::Catalogue || !any || trained(item))
            .collect()
    }

    /// Number of its items.
    #[must_use]
    pub fn len(self, catalogue: &Catalogue) -> usize {
        self.members(catalogue).iter().filter(|&&is| is).count()
    }
}
