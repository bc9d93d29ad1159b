//! The space in which profiles of resamples are compared.
//!
//! A base refitted on other users has other axes. What can be compared are *item profiles*: the scores that a
//! direction gives to all items, undone of their popularity scale. In the closed-form space of the users'
//! rows X, with `S = diag(s)` the popularity scale and `S Xᵀ X S = V Λ Vᵀ`, the profile of a direction w is
//! `w Vᵀ`, and V is orthonormal, so no alignment is needed.

use limpid_core::{Csr, Error, Mat, Result};
use limpid_tensor::matmul::{Factor, product};

use super::normalize;

/// The largest eigenpairs of `S Xᵀ X S` of some rows of users X.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    /// The popularity scale s `(I)`.
    pub scale: Vec<f32>,
    /// Eigenvalues `(D)`, descending.
    pub values: Vec<f64>,
    /// Eigenvectors `(I, D)`, one per column.
    pub vectors: Vec<f32>,
}

/// Computes the `width` largest eigenpairs of rows; given by the caller, because this crate knows no model.
pub type Refit<'a> = dyn Fn(&Csr, usize) -> Result<Space> + Sync + 'a;

impl Space {
    /// Number of eigenpairs.
    #[must_use]
    pub fn width(&self) -> usize {
        self.values.len()
    }

    /// Number of items.
    #[must_use]
    pub fn n_items(&self) -> usize {
        self.scale.len()
    }

    /// The projections on the first `width` eigenvectors of rows over items `(n, I)`, as unit rows over items.
    pub(super) fn project(&self, rows: &[f32], width: usize) -> Vec<f32> {
        let n_items = self.n_items();
        let n = rows.len() / n_items.max(1);
        let width = width.min(self.width());
        let axes = self.first(width);
        let mut coordinates = vec![0f32; n * width];
        let by_axes = Factor::new(&axes, n_items, width);
        product(
            &mut coordinates,
            Factor::new(rows, n, n_items),
            by_axes,
            false,
        );
        for row in coordinates.chunks_exact_mut(width.max(1)) {
            normalize(row);
        }
        let mut out = vec![0f32; n * n_items];
        product(
            &mut out,
            Factor::new(&coordinates, n, width),
            by_axes.t(),
            false,
        );
        out
    }

    /// The first `width` eigenvectors `(I, width)`.
    pub(super) fn first(&self, width: usize) -> Vec<f32> {
        let rows = self.vectors.chunks_exact(self.width().max(1));
        rows.flat_map(|row| row[..width].iter().copied()).collect()
    }
}

/// The item profiles of a base: its linear decoder A `(I, D)` with the popularity scale, `Q = S A`.
///
/// For the closed-form base, Q is V. For others, the direction of a profile p is the least-squares one,
/// `w = (QᵀQ)⁻¹ Qᵀ p`.
pub(super) struct Profiles {
    q: Vec<f32>,      // (I, D)
    solver: Vec<f64>, // (D, D): lower Cholesky factor of QᵀQ
    n_items: usize,
    width: usize,
}

/// Ridge of the normal equations, as a share of their mean diagonal.
const RIDGE: f64 = 1e-6;

impl Profiles {
    pub(super) fn new(vectors: &Mat, scale: &[f32]) -> Result<Self> {
        let (n_items, width) = vectors.dim();
        if scale.len() != n_items {
            return Err(Error::shape("items of the base", scale.len(), n_items));
        }
        let rows = vectors.rows().into_iter().zip(scale);
        let q: Vec<f32> = rows
            .flat_map(|(row, s)| row.iter().map(|v| v * s).collect::<Vec<f32>>())
            .collect();
        let mut gram = vec![0f64; width * width];
        for row in q.chunks_exact(width.max(1)) {
            for (a, &x) in row.iter().enumerate() {
                for (b, &y) in row[..=a].iter().enumerate() {
                    gram[a * width + b] += f64::from(x) * f64::from(y);
                }
            }
        }
        let mean = (0..width).map(|d| gram[d * width + d]).sum::<f64>() / (width.max(1) as f64);
        for d in 0..width {
            gram[d * width + d] += RIDGE * mean.max(f64::MIN_POSITIVE);
        }
        if !cholesky(&mut gram, width) {
            return Err(Error::Numeric {
                what: "item vectors of the base".to_owned(),
                why: "they are all zero, or not finite; train the base again".to_owned(),
            });
        }
        Ok(Self {
            q,
            solver: gram,
            n_items,
            width,
        })
    }

    /// The unit directions `(n, D)` of profiles `(n, I)`; a profile outside of the space is left out.
    pub(super) fn directions(&self, profiles: &[f32]) -> Vec<f32> {
        let n = profiles.len() / self.n_items.max(1);
        let mut out = vec![0f32; n * self.width];
        product(
            &mut out,
            Factor::new(profiles, n, self.n_items),
            Factor::new(&self.q, self.n_items, self.width),
            false,
        );
        let rows = out.chunks_exact(self.width.max(1));
        rows.filter_map(|row| {
            let mut x: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
            solve(&self.solver, &mut x, self.width);
            let mut row: Vec<f32> = x.into_iter().map(|v| v as f32).collect();
            (normalize(&mut row) > 0.0).then_some(row)
        })
        .flatten()
        .collect()
    }

    /// The unit profiles `(n, I)` of directions `(n, D)`.
    pub(super) fn of(&self, directions: &[f32]) -> Vec<f32> {
        let n = directions.len() / self.width.max(1);
        let mut out = vec![0f32; n * self.n_items];
        product(
            &mut out,
            Factor::new(directions, n, self.width),
            Factor::new(&self.q, self.n_items, self.width).t(),
            false,
        );
        for row in out.chunks_exact_mut(self.n_items.max(1)) {
            normalize(row);
        }
        out
    }
}

/// Replaces the lower triangle of a symmetric matrix `(n, n)` by its Cholesky factor; false if it is not
/// positive definite.
pub(crate) fn cholesky(a: &mut [f64], n: usize) -> bool {
    for j in 0..n {
        for i in j..n {
            let (head, tail) = (&a[i * n..i * n + j], &a[j * n..j * n + j]);
            let sum: f64 = head.iter().zip(tail).map(|(x, y)| x * y).sum();
            let left = a[i * n + j] - sum;
            if i == j {
                if !(left > 0.0 && left.is_finite()) {
                    return false;
                }
                a[j * n + j] = left.sqrt();
            } else {
                a[i * n + j] = left / a[j * n + j];
            }
        }
    }
    true
}

/// Solves `L Lᵀ x = b` in place, for a lower factor `(n, n)`.
pub(crate) fn solve(l: &[f64], b: &mut [f64], n: usize) {
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| l[i * n + k] * b[k]).sum();
        b[i] = (b[i] - sum) / l[i * n + i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| l[k * n + i] * b[k]).sum();
        b[i] = (b[i] - sum) / l[i * n + i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [[4, 2], [2, 3]] x = (8, 7) has the solution (1.25, 1.5).
    #[test]
    fn cholesky_solves_by_hand() {
        let mut a = vec![4.0, 2.0, 2.0, 3.0];
        assert!(cholesky(&mut a, 2));
        let mut x = vec![8.0, 7.0];
        solve(&a, &mut x, 2);
        assert!((x[0] - 1.25).abs() < 1e-12 && (x[1] - 1.5).abs() < 1e-12);
        assert!(!cholesky(&mut [1.0, 2.0, 2.0, 1.0], 2));
    }

    /// A profile that is in the space comes back, whatever the scale of the item vectors.
    #[test]
    fn directions_invert_profiles() {
        let vectors = Mat::from_shape_fn((5, 2), |(i, d)| {
            (i as f32 + 1.0) * (d as f32 - 0.3 * i as f32)
        });
        let profiles = Profiles::new(&vectors, &[1.0, 2.0, 0.5, 1.0, 3.0]).unwrap();
        let w = [0.6f32, 0.8, 1.0, 0.0];
        let back = profiles.directions(&profiles.of(&w));
        for (a, b) in back.iter().zip(w) {
            assert!((a - b).abs() < 1e-4, "{back:?}");
        }
    }
}
