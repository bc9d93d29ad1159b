//! Item-to-item weights as an additive model: the block that EASE, EDLAE, SLIM and ItemKNN share.
//!
//! The latent of a user is the row of items he has (D = I), every item of the history is a unit
//! ([`Unit::Link`]), and `score(u, j) = Σ_{i ∈ u} x_ui B_ij`. Nothing else is in a score, so a ledger
//! is a row of products and has no residual.

use limpid_core::{
    Buffer, Csr, Error, Histories, History, ItemIdx, Ledger, Mat, Part, PartKind, Result, Tensors,
    Unit,
};
use ndarray::parallel::prelude::*;
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};
use rayon::slice::ParallelSliceMut;

/// Columns of a dense matrix that are worked on at a time: their part of all rows stays in the
/// second-level cache while a block of users passes over it.
const TILE: usize = 128;

/// Rows of users that pass over one tile together.
const BLOCK: usize = 64;

/// Columns that a thread scores for a single user: long enough for rows of weights to be read in order,
/// short enough for the sums to stay in the first-level cache.
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
    /// Only some pairs have one.
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

    /// User rows `(U, I)`: the value of each item of the history, 0 elsewhere.
    #[must_use]
    pub fn encode(&self, users: &Histories) -> Mat {
        let mut z = Mat::zeros((users.len(), self.n_items())); // (U, I)
        for (row, mut out) in users.rows().zip(z.rows_mut()) {
            for (index, value) in self.features(row) {
                out[index] = value;
            }
        }
        z
    }

    /// Scores `(U, I)` of user rows `(U, I)`. Only the nonzero entries of a row cost anything.
    #[must_use]
    pub fn decode(&self, z: &Mat) -> Mat {
        let n_items = self.n_items();
        let mut scores = Mat::zeros((z.nrows(), n_items)); // (U, I)
        match self {
            Self::Dense { weights, .. } if z.nrows() == 1 => {
                let row = nonzero(z.row(0));
                if let Some(scores) = scores.as_slice_mut() {
                    let strips = scores.par_chunks_mut(STRIP).enumerate();
                    strips.for_each(|(at, out)| {
                        add_dense(weights, n_items, at * STRIP, &row, out);
                    });
                }
            }
            _ => scores
                .axis_chunks_iter_mut(Axis(0), BLOCK)
                .into_par_iter()
                .zip(z.axis_chunks_iter(Axis(0), BLOCK).into_par_iter())
                .for_each(|(scores, z)| self.add_block(z, scores)),
        }
        scores
    }

    /// The scores of a block of users, on one thread.
    fn add_block(&self, z: ArrayView2<'_, f32>, mut scores: ArrayViewMut2<'_, f32>) {
        let rows: Vec<Vec<(usize, f32)>> = z.rows().into_iter().map(nonzero).collect();
        match self {
            Self::Dense { weights, n_items } => {
                for start in (0..*n_items).step_by(TILE) {
                    let end = (start + TILE).min(*n_items);
                    for (row, mut out) in rows.iter().zip(scores.rows_mut()) {
                        if let Some(out) = out.as_slice_mut() {
                            add_dense(weights, *n_items, start, row, &mut out[start..end]);
                        }
                    }
                }
            }
            Self::Sparse(csr) => {
                for (row, out) in rows.iter().zip(scores.rows_mut()) {
                    add_sparse(csr, row, out);
                }
            }
        }
    }

    /// The items of a history as units: `(item index, value)`, ascending.
    #[must_use]
    pub fn features(&self, user: History<'_>) -> Vec<(usize, f32)> {
        user.item_values()
            .into_iter()
            .filter(|&(_, v)| v != 0.0)
            .map(|(i, v)| (i.at(), v))
            .collect()
    }

    /// The indices of a unit: a link is one item.
    ///
    /// # Errors
    /// [`Error::NoSuchUnit`] for every other kind.
    pub fn resolve(&self, unit: Unit) -> Result<Vec<usize>> {
        match unit {
            Unit::Link(item) if item.at() < self.n_items() => Ok(vec![item.at()]),
            other => Err(Error::NoSuchUnit {
                unit: other.to_string(),
                hint: "its units are the items of the history: link:ITEM_ID".to_owned(),
            }),
        }
    }

    /// The ledger of given activations: one part per item with a weight on the target.
    #[must_use]
    pub fn ledger(&self, features: &[(usize, f32)], user: History<'_>, item: ItemIdx) -> Ledger {
        // Sorted once, so that a long history is not searched again for every part; and small numbers
        // are sorted rather than whole parts.
        let events = user.by_item();
        let mut weighted: Vec<(u32, usize, f32, f32)> = features
            .iter()
            .filter_map(|&(index, activation)| {
                let effect = self.weight(index, item);
                let value = activation * effect;
                (value != 0.0).then(|| (!value.abs().to_bits(), index, activation, effect))
            })
            .collect();
        weighted.sort_unstable_by_key(|&(place, index, ..)| (place, index));
        let parts = weighted
            .into_iter()
            .map(|(_, index, activation, effect)| {
                let from = ItemIdx(index as u32);
                Part {
                    unit: Unit::Link(from),
                    kind: PartKind::Link,
                    rule: None,
                    cites: events.of(from).collect(),
                    activation,
                    effect,
                    value: activation * effect,
                    edited_by: None,
                }
            })
            .collect();
        Ledger::of_parts(0.0, parts)
    }

    /// Writes the weights down.
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

    /// Reads the weights again.
    ///
    /// # Errors
    /// Where they are missing or not square.
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

/// The entries of a user row that are not 0, by ascending index.
fn nonzero(row: ArrayView1<'_, f32>) -> Vec<(usize, f32)> {
    let entries = row.iter().copied().enumerate();
    entries.filter(|&(_, v)| v != 0.0).collect()
}

/// `out += Σ v · weights[k, start..]`, in the order of the row whatever the width of `out`: four rows
/// of weights pass together, so that a sum is loaded and stored once for four additions.
fn add_dense(weights: &[f32], n_items: usize, start: usize, row: &[(usize, f32)], out: &mut [f32]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let width = out.len();
            let of = |k: usize| &weights[k * n_items + start..][..width];
            let (fours, rest) = row.as_chunks::<4>();
            for &[(a, va), (b, vb), (c, vc), (d, vd)] in fours {
                let (a, b, c, d) = (of(a), of(b), of(c), of(d));
                for (at, o) in out.iter_mut().enumerate() {
                    *o = *o + va * a[at] + vb * b[at] + vc * c[at] + vd * d[at];
                }
            }
            for &(k, v) in rest {
                for (o, w) in out.iter_mut().zip(of(k)) {
                    *o += v * w;
                }
            }
        },
    );
}

fn add_sparse(csr: &Csr, row: &[(usize, f32)], mut out: ArrayViewMut1<'_, f32>) {
    for &(k, v) in row {
        let (columns, weights) = csr.row(k);
        for (&c, &w) in columns.iter().zip(weights) {
            out[c as usize] += v * w;
        }
    }
}

/// Implements the traits of a model whose field `links` is an [`ItemLinks`].
macro_rules! scores_by_item_links {
    ($model:ty) => {
        impl limpid_core::Recommender for $model {
            fn score(&self, users: &limpid_core::Histories) -> limpid_core::Mat {
                self.links.decode(&self.links.encode(users))
            }

            fn latent(&self) -> Option<&dyn limpid_core::Latent> {
                Some(self)
            }

            fn additive(&self) -> Option<&dyn limpid_core::Additive> {
                Some(self)
            }

            fn explainer(&self) -> Option<&dyn limpid_core::Explain> {
                Some(self)
            }
        }

        impl limpid_core::Latent for $model {
            fn encode(&self, users: &limpid_core::Histories) -> limpid_core::Mat {
                self.links.encode(users)
            }

            fn decode(&self, z: &limpid_core::Mat) -> limpid_core::Mat {
                self.links.decode(z)
            }
        }

        impl limpid_core::Additive for $model {
            fn n_units(&self) -> usize {
                self.links.n_items()
            }

            fn unit(&self, index: usize) -> limpid_core::Unit {
                limpid_core::Unit::Link(limpid_core::ItemIdx(index as u32))
            }

            fn resolve(&self, unit: limpid_core::Unit) -> limpid_core::Result<Vec<usize>> {
                self.links.resolve(unit)
            }

            fn features(&self, user: limpid_core::History<'_>) -> Vec<(usize, f32)> {
                self.links.features(user)
            }

            fn effect(&self, index: usize, item: limpid_core::ItemIdx) -> f32 {
                self.links.weight(index, item)
            }

            fn ledger(
                &self,
                features: &[(usize, f32)],
                user: limpid_core::History<'_>,
                item: limpid_core::ItemIdx,
            ) -> limpid_core::Ledger {
                self.links.ledger(features, user, item)
            }
        }

        impl limpid_core::Explain for $model {
            fn explain(
                &self,
                user: limpid_core::History<'_>,
                item: limpid_core::ItemIdx,
            ) -> limpid_core::Ledger {
                self.links.ledger(&self.links.features(user), user, item)
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
        let (a, b) = (
            dense.decode(&dense.encode(&users)),
            sparse.decode(&sparse.encode(&users)),
        );
        assert_eq!(a, b);
        let mut t = Tensors::new();
        sparse.save(&mut t);
        assert_eq!(ItemLinks::load(&t).unwrap(), sparse);
        assert!(ItemLinks::dense(vec![0.0; 3], 2).is_err());
        assert!(sparse.resolve(Unit::Rule(0)).is_err());
    }
}
