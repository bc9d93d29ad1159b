//! Item-to-item weights as an additive model: the block that EASE, EDLAE, SLIM and ItemKNN share.
//!
//! Every item of the history is a unit, and `score(u, j) = Σ_{i ∈ u} x_ui B_ij`. Nothing else enters a
//! score, so a ledger is a row of products and has no residual.

use limpid_core::unit::resolve_event;
use limpid_core::{
    Activations, Buffer, Catalogue, Csr, Detail, Error, Histories, History, ItemIdx, Ledger, Mat,
    Part, Recommender, Result, Tensors, Unit, UnitInfo, Units,
};
use ndarray::parallel::prelude::*;
use ndarray::{ArrayViewMut1, ArrayViewMut2, Axis};
use rayon::slice::ParallelSliceMut;

/// Columns of a dense matrix per tile: these columns of all rows stay in the
/// second-level cache while a block of users is scored.
const TILE: usize = 128;

/// Users that are scored together on one tile.
const BLOCK: usize = 64;

/// Columns that a thread scores for a single user: enough for rows of weights to be read sequentially,
/// few enough for the sums to stay in the first-level cache.
const STRIP: usize = 1024;

/// Weights from the items of a history to all items `(I, I)`: row = item of the history, column =
/// target.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemLinks {
    /// Every pair has a weight; row-major.
    Dense {
        /// The weights `(I · I)`.
        weights: Buffer<f32>,
        /// I.
        n_items: usize,
    },
    /// Only some pairs have a weight.
    Sparse(Csr),
}

impl ItemLinks {
    /// Dense weights, row-major `(I, I)`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are I² of them.
    pub fn dense(weights: impl Into<Buffer<f32>>, n_items: usize) -> Result<Self> {
        let weights = weights.into();
        if weights.len() != n_items * n_items {
            return Err(Error::shape(
                "item-to-item weights",
                n_items * n_items,
                weights.len(),
            ));
        }
        Ok(Self::Dense { weights, n_items })
    }

    /// Sparse weights `(I, I)`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the matrix is square.
    pub fn sparse(weights: Csr) -> Result<Self> {
        if weights.n_rows() != weights.n_columns() {
            return Err(Error::shape(
                "item-to-item weights",
                "a square matrix",
                format!("{} × {}", weights.n_rows(), weights.n_columns()),
            ));
        }
        Ok(Self::Sparse(weights))
    }

    /// Number of items I.
    #[must_use]
    pub fn n_items(&self) -> usize {
        match self {
            Self::Dense { n_items, .. } => *n_items,
            Self::Sparse(csr) => csr.n_rows(),
        }
    }

    /// The weight from an item of the history to a target.
    #[must_use]
    pub fn weight(&self, from: usize, to: ItemIdx) -> f32 {
        match self {
            Self::Dense { weights, n_items } => weights[from * n_items + to.at()],
            Self::Sparse(csr) => csr.get(from, to.0),
        }
    }

    /// Activations `(U, I)` of histories: the value of each item, where it is not 0.
    #[must_use]
    pub fn activate(&self, users: &Histories) -> Csr {
        let rows = users.rows().map(|row| self.features(row));
        Csr::from_rows(rows, self.n_items())
            .unwrap_or_else(|_| unreachable!("checked histories give a valid matrix"))
    }

    /// Scores `(U, I)` of activations `(U, I)`, in time proportional to the entries.
    #[must_use]
    pub fn score_rows(&self, activations: &Csr) -> Mat {
        let n_items = self.n_items();
        let mut scores = Mat::zeros((activations.n_rows(), n_items)); // (U, I)
        match self {
            Self::Dense { weights, .. } if activations.n_rows() == 1 => {
                let row = activations.row(0);
                if let Some(scores) = scores.as_slice_mut() {
                    let strips = scores.par_chunks_mut(STRIP).enumerate();
                    strips.for_each(|(at, out)| {
                        add_dense(weights, n_items, at * STRIP, row, out);
                    });
                }
            }
            _ => scores
                .axis_chunks_iter_mut(Axis(0), BLOCK)
                .into_par_iter()
                .enumerate()
                .for_each(|(block, scores)| {
                    self.add_block(|at| activations.row(block * BLOCK + at), scores);
                }),
        }
        scores
    }

    /// The scores of a block of users, on one thread; `row` returns the activations of each.
    fn add_block<'a>(
        &self,
        row: impl Fn(usize) -> (&'a [u32], &'a [f32]),
        mut scores: ArrayViewMut2<'_, f32>,
    ) {
        match self {
            Self::Dense { weights, n_items } => {
                for start in (0..*n_items).step_by(TILE) {
                    let end = (start + TILE).min(*n_items);
                    for (at, mut out) in scores.rows_mut().into_iter().enumerate() {
                        if let Some(out) = out.as_slice_mut() {
                            add_dense(weights, *n_items, start, row(at), &mut out[start..end]);
                        }
                    }
                }
            }
            Self::Sparse(csr) => {
                for (at, out) in scores.rows_mut().into_iter().enumerate() {
                    add_sparse(csr, row(at), out);
                }
            }
        }
    }

    /// The items of a history with their values: `(item index, value)`, ascending.
    fn features(&self, user: History<'_>) -> Vec<(u32, f32)> {
        let items = user.item_values().into_iter();
        items
            .filter(|i| i.1 != 0.0)
            .map(|(i, v)| (i.0, v))
            .collect()
    }

    /// The ledger of given activations: one part per item with a weight on the target.
    #[must_use]
    pub fn ledger(&self, activations: &[(u32, f32)], user: History<'_>, item: ItemIdx) -> Ledger {
        // Sorted once, so that a long history is not searched for every part; and small numbers
        // are sorted rather than whole parts.
        let events = user.by_item();
        let mut weighted: Vec<(u32, u32, f32, f32)> = activations
            .iter()
            .filter_map(|&(index, activation)| {
                let effect = self.weight(index as usize, item);
                let value = activation * effect;
                (value != 0.0).then(|| (!value.abs().to_bits(), index, activation, effect))
            })
            .collect();
        weighted.sort_unstable_by_key(|&(place, index, ..)| (place, index));
        let parts = weighted.into_iter().map(|(_, index, activation, effect)| {
            let from = ItemIdx(index);
            Part::new(
                Unit::event(from),
                activation,
                effect,
                events.of(from).collect(),
            )
        });
        Ledger::of_parts(0.0, parts.collect())
    }

    /// Saves the weights.
    pub fn save(&self, out: &mut Tensors) {
        match self {
            Self::Dense { weights, n_items } => {
                out.put_f32("weights", &[*n_items, *n_items], weights.clone());
            }
            Self::Sparse(csr) => {
                out.put_csr("weights", csr);
            }
        }
    }

    /// Loads the weights.
    ///
    /// # Errors
    /// If they are missing or not square.
    pub fn load(from: &Tensors) -> Result<Self> {
        if from.has("weights") {
            let (shape, weights) = from.f32("weights")?;
            return match shape {
                &[rows, columns] if rows == columns => Self::dense(weights, rows),
                other => Err(Error::shape(
                    "weights",
                    "a square matrix",
                    format!("{other:?}"),
                )),
            };
        }
        let (shape, _) = from.i64("weights.offsets")?;
        let rows = shape.first().copied().unwrap_or(0).saturating_sub(1);
        Self::sparse(from.csr("weights", rows)?)
    }
}

/// `out += Σ v · weights[k, start..]`, in the order of the row for any width of `out`: four rows
/// of weights at a time, so that a sum is loaded and stored once for four additions.
fn add_dense(
    weights: &[f32],
    n_items: usize,
    start: usize,
    (items, values): (&[u32], &[f32]),
    out: &mut [f32],
) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let width = out.len();
            let of = |k: u32| &weights[k as usize * n_items + start..][..width];
            let (fours, rest) = items.as_chunks::<4>();
            let (four_values, rest_values) = values.as_chunks::<4>();
            for (&[a, b, c, d], &[va, vb, vc, vd]) in fours.iter().zip(four_values) {
                let (a, b, c, d) = (of(a), of(b), of(c), of(d));
                for (at, o) in out.iter_mut().enumerate() {
                    *o = *o + va * a[at] + vb * b[at] + vc * c[at] + vd * d[at];
                }
            }
            for (&k, &v) in rest.iter().zip(rest_values) {
                for (o, w) in out.iter_mut().zip(of(k)) {
                    *o += v * w;
                }
            }
        },
    );
}

fn add_sparse(csr: &Csr, (items, values): (&[u32], &[f32]), mut out: ArrayViewMut1<'_, f32>) {
    for (&k, &v) in items.iter().zip(values) {
        let (columns, weights) = csr.row(k as usize);
        for (&c, &w) in columns.iter().zip(weights) {
            out[c as usize] += v * w;
        }
    }
}

impl Recommender for ItemLinks {
    fn score(&self, users: &Histories) -> Mat {
        self.score_rows(&Self::activate(self, users))
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        Self::ledger(self, &self.features(user), user, item)
    }

    fn units(&self) -> Option<&dyn Units> {
        Some(self)
    }
}

impl Units for ItemLinks {
    fn len(&self) -> usize {
        self.n_items()
    }

    fn unit(&self, index: usize) -> Unit {
        Unit::event(ItemIdx(index as u32))
    }

    fn members(&self, unit: Unit) -> Vec<usize> {
        let item = unit.item().filter(|i| i.at() < self.n_items());
        item.map(ItemIdx::at).into_iter().collect()
    }

    fn info(&self, unit: Unit, catalogue: &Catalogue) -> UnitInfo {
        UnitInfo::event(ItemIdx(unit.index), catalogue)
    }

    fn resolve(&self, text: &str, catalogue: &Catalogue) -> Result<Unit> {
        resolve_event(text, catalogue)
    }

    fn activate(&self, users: &Histories) -> Activations {
        Self::activate(self, users)
    }

    fn score_activations(&self, _: &Histories, activations: &Activations) -> Mat {
        self.score_rows(activations)
    }

    fn ledger(
        &self,
        user: History<'_>,
        activations: &[(u32, f32)],
        item: ItemIdx,
        _: Detail,
    ) -> Ledger {
        Self::ledger(self, activations, user, item)
    }

    fn effect(&self, index: usize, item: ItemIdx) -> Option<f32> {
        Some(self.weight(index, item))
    }

    fn touched(&self, item: ItemIdx) -> Option<Vec<usize>> {
        Some(self.members(Unit::event(item)))
    }
}

/// Implements the traits of a model whose field `links` is an [`ItemLinks`].
macro_rules! scores_by_item_links {
    ($model:ty) => {
        impl limpid_core::Recommender for $model {
            fn score(&self, users: &limpid_core::Histories) -> limpid_core::Mat {
                limpid_core::Recommender::score(&self.links, users)
            }

            fn explain(
                &self,
                user: limpid_core::History<'_>,
                item: limpid_core::ItemIdx,
            ) -> limpid_core::Ledger {
                self.links.explain(user, item)
            }

            fn units(&self) -> Option<&dyn limpid_core::Units> {
                Some(&self.links)
            }
        }
    };
}

pub(crate) use scores_by_item_links;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_and_sparse_agree() {
        let n = 150;
        let dense: Vec<f32> = (0..n * n)
            .map(|k| {
                if k % 3 == 0 {
                    (k % 17) as f32 - 8.0
                } else {
                    0.0
                }
            })
            .collect();
        let rows = dense.chunks(n).map(|row| {
            row.iter()
                .enumerate()
                .filter(|&(_, &w)| w != 0.0)
                .map(|(c, &w)| (c as u32, w))
                .collect::<Vec<_>>()
        });
        let sparse = ItemLinks::sparse(Csr::from_rows(rows, n).unwrap()).unwrap();
        let dense = ItemLinks::dense(dense, n).unwrap();
        let users: Vec<Vec<u32>> = (0..130u32).map(|u| vec![u % 7, u, (u * 3) % 150]).collect();
        let users = Histories::from_rows(&users, n).unwrap();
        assert_eq!(dense.score(&users), sparse.score(&users));
        let mut t = Tensors::new();
        sparse.save(&mut t);
        assert_eq!(ItemLinks::load(&t).unwrap(), sparse);
        assert!(ItemLinks::dense(vec![0.0; 3], 2).is_err());
        assert!(Units::resolve(&sparse, "r0", &Catalogue::default()).is_err());
    }
}
