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
use ndarray::{ArrayViewMut1, Axis};

/// Columns of a dense matrix that are worked on at a time: their part of all rows stays in the
/// second-level cache while a block of users passes over it.
const TILE: usize = 128;

/// Rows of users that pass over one tile together.
const BLOCK: usize = 64;

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
        scores
            .axis_chunks_iter_mut(Axis(0), BLOCK)
            .into_par_iter()
            .zip(z.axis_chunks_iter(Axis(0), BLOCK).into_par_iter())
            .for_each(|(mut scores, z)| {
                let rows: Vec<Vec<(usize, f32)>> = z
                    .rows()
                    .into_iter()
                    .map(|row| {
                        row.iter()
                            .enumerate()
                            .filter(|&(_, &v)| v != 0.0)
                            .map(|(k, &v)| (k, v))
                            .collect()
                    })
                    .collect();
                match self {
                    Self::Dense { weights, .. } => {
                        for start in (0..n_items).step_by(TILE) {
                            let end = (start + TILE).min(n_items);
                            for (row, mut out) in rows.iter().zip(scores.rows_mut()) {
                                let Some(out) = out.as_slice_mut() else {
                                    continue;
                                };
                                let out = &mut out[start..end];
                                for &(k, v) in row {
                                    let from = &weights[k * n_items + start..k * n_items + end];
                                    for (o, w) in out.iter_mut().zip(from) {
                                        *o += v * w;
                                    }
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
            });
        scores
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
        // Sorted once, so that a long history is not searched again for every part.
        let events = user.by_item();
        let parts = features
            .iter()
            .filter_map(|&(index, activation)| {
                let effect = self.weight(index, item);
                let from = ItemIdx(index as u32);
                (activation * effect != 0.0).then(|| Part {
                    unit: Unit::Link(from),
                    kind: PartKind::Link,
                    rule: None,
                    cites: events.of(from).collect(),
                    activation,
                    effect,
                    value: activation * effect,
                    edited_by: None,
                })
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
