//! Candidates: the items to score for each user, if not all.

use crate::{Error, ItemIdx, Mat, Result};

/// Lists of items, one for each row of some [`Histories`](crate::Histories).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    offsets: Vec<usize>,
    items: Vec<ItemIdx>,
}

impl Candidates {
    /// Lists `(rows)` of items of a catalogue of `n_items`; an item may appear more than once.
    ///
    /// # Errors
    /// [`Error::Range`] for an item that is not in the catalogue.
    pub fn new(lists: &[Vec<ItemIdx>], n_items: usize) -> Result<Self> {
        let items: Vec<ItemIdx> = lists.concat();
        if let Some(bad) = items.iter().find(|i| i.at() >= n_items) {
            let rule = format!("below {n_items}");
            return Err(Error::range("the item index of a candidate", rule, bad.0));
        }
        let ends = lists.iter().scan(0, |end, list| {
            *end += list.len();
            Some(*end)
        });
        let offsets = std::iter::once(0).chain(ends).collect();
        Ok(Self { offsets, items })
    }

    /// Number of lists.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no lists.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The list of a row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[ItemIdx] {
        &self.items[self.offsets[row]..self.offsets[row + 1]]
    }

    /// The entries of scores `(U, I)` that belong to the lists, list by list.
    #[must_use]
    pub fn pick(&self, scores: &Mat) -> Vec<f32> {
        (0..self.len())
            .flat_map(|u| self.row(u).iter().map(move |i| scores[[u, i.at()]]))
            .collect()
    }
}
