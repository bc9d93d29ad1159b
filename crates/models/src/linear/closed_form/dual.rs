//! The same solution by a matrix over users, for data with more items than users.
//!
//! With `R = diag(reg)` and `Y = diag(ω)^½ X`, the Woodbury identity gives
//! `P = (YᵀY + R)⁻¹ = R⁻¹ − R⁻¹ Yᵀ (I + Y R⁻¹ Yᵀ)⁻¹ Y R⁻¹`. With the Cholesky factor
//! `I + Y R⁻¹ Yᵀ = C Cᵀ` and `V = C⁻¹ Y R⁻¹` `(U, A)` this is `P = R⁻¹ − VᵀV`, so
//! `B_ij = (VᵀV)_ij / P_jj` off the diagonal.
//!
//! B is computed in full rather than kept as V: a user with n items is scored by n · A products instead of
//! U · A, and V, whose first row is the history of the first user, is not saved.

use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::traits::RealField;
use faer::{MatMut, MatRef, Par};
use limpid_core::{Csr, Error, Result, Run};
use limpid_tensor::matmul::{Factor, product};
use rayon::prelude::*;

use super::{PARTS, check_interrupt, cholesky, gram_lower};

/// Rows of B per product: enough for the product to be as fast as it can be, few enough for its result to be a
/// small part of the memory.
pub(super) const BAND: usize = 384;

/// The largest `1 / (reg_j P_jj)` for which VᵀV is computed in single precision, in half the time: the errors of
/// B, relative to 6·10⁻⁸, grow with it (measured on ML-100K: 4·10⁻⁸ at 1.4, 3·10⁻⁷ at 6, 2·10⁻⁶ at 25).
const AMPLIFIED: f64 = 8.0;

/// `B` `(A, A)`, row-major with a zero diagonal, for rows `(U, A)` and weights of users `(U)`; `reg` is the L2
/// regularization of an item with a given entry on the diagonal of the weighted Gram matrix.
///
/// # Errors
/// [`Error::Numeric`] if the computation breaks down, [`Error::Interrupted`] on request.
pub(super) fn fit(
    rows: &Csr,
    users: &[f64],
    reg: impl Fn(f64) -> f64,
    run: &Run<'_>,
) -> Result<Vec<f32>> {
    let items = rows.transpose(); // (A, U)
    let n = items.n_rows();
    let bands = n.div_ceil(BAND);
    run.progress
        .start("matrix over users and inverse", 1 + bands as u64);
    let l2: Vec<f64> = (0..n)
        .map(|i| {
            let (users_of, values) = items.row(i);
            let squares = users_of.iter().zip(values);
            reg(squares
                .map(|(&u, &v)| users[u as usize] * f64::from(v).powi(2))
                .sum())
        })
        .collect();
    let v = factor(&items, users, &l2)?; // (A, U): Vᵀ
    let width = v.len().checked_div(n).unwrap_or(0); // U
    run.progress.step(1);
    // P_jj
    let diagonal: Vec<f64> = v
        .par_chunks(width.max(1))
        .zip(&l2)
        .map(|(v, r)| 1.0 / r - v.iter().map(|v| v * v).sum::<f64>())
        .collect();
    if let Some(bad) = diagonal.iter().position(|d| !(d.is_finite() && *d > 0.0)) {
        return Err(Error::Numeric {
            what: "inverse of the matrix over users".to_owned(),
            why: format!(
                "the inverse has {} on its diagonal at item #{bad}; use a larger reg",
                diagonal[bad]
            ),
        });
    }
    let inverse: Vec<f64> = diagonal.iter().map(|p| 1.0 / p).collect();
    let amplified = diagonal.iter().zip(&l2).map(|(p, r)| 1.0 / (r * p));
    if amplified.fold(0.0, f64::max) > AMPLIFIED {
        return weights(&v, n, &inverse, run);
    }
    let single: Vec<f32> = v.par_iter().map(|&v| v as f32).collect();
    drop(v);
    weights(&single, n, &inverse, run)
}

/// `B_ij = (VᵀV)_ij / P_jj` `(A, A)` from `Vᵀ` `(A, U)` and the inverse of P's diagonal `(A)`.
fn weights<T>(v: &[T], n: usize, inverse: &[f64], run: &Run<'_>) -> Result<Vec<f32>>
where
    T: RealField + Copy + Into<f64> + Send + Sync,
{
    let width = v.len().checked_div(n).unwrap_or(0); // U
    let mut links = vec![0f32; n * n]; // (A, A)
    let mut products = vec![T::zero_impl(); BAND.min(n) * n];
    for start in (0..n).step_by(BAND) {
        check_interrupt(run)?;
        let end = (start + BAND).min(n);
        // Rows of VᵀV from the diagonal on; those below follow from its symmetry.
        let (height, length) = (end - start, n - start);
        let products = &mut products[..height * length];
        let rest = &v[start * width..];
        let band = Factor::new(rest, height, width);
        product(products, band, Factor::new(rest, length, width).t(), false);
        let products = &*products;
        links[start * n..]
            .par_chunks_mut(n)
            .enumerate()
            .for_each(|(at, row)| {
                if at < height {
                    let (row, products) = (&mut row[start..], &products[at * length..][..length]);
                    for ((b, &p), scale) in row.iter_mut().zip(products).zip(&inverse[start..]) {
                        *b = (p.into() * scale) as f32;
                    }
                    row[at] = 0.0;
                } else {
                    for (below, b) in row[start..end].iter_mut().enumerate() {
                        let p: f64 = products[below * length + at].into();
                        *b = (p * inverse[start + below]) as f32;
                    }
                }
            });
        run.progress.step(1);
    }
    Ok(links)
}

/// `Vᵀ` `(A, U)`, row-major, for items `(A, U)`, weights of users `(U)` and L2 regularization `(A)`. Only users
/// with a weight have a column.
fn factor(items: &Csr, users: &[f64], l2: &[f64]) -> Result<Vec<f64>> {
    let present: Vec<usize> = (0..users.len()).filter(|&u| users[u] > 0.0).collect();
    let n = present.len();
    let mut places = vec![0; users.len()];
    for (place, &u) in present.iter().enumerate() {
        places[u] = place;
    }
    let root: Vec<f64> = present.iter().map(|&u| users[u].sqrt()).collect();
    let placed = items.columns().iter().map(|&u| places[u as usize] as u32);
    let placed = Csr::new(
        items.offsets().to_vec(),
        placed.collect(),
        items.values().to_vec(),
        n,
    )
    .unwrap_or_else(|_| unreachable!("users with events have a weight, and their places ascend"));
    let scales: Vec<f64> = l2.iter().map(|r| 1.0 / r).collect();
    let mut matrix = gram_lower(&placed, &scales); // (U, U)
    for (column, values) in matrix.chunks_mut(n.max(1)).enumerate() {
        for (value, other) in values.iter_mut().zip(&root) {
            *value *= root[column] * other;
        }
        values[column] += 1.0;
    }
    cholesky(&mut matrix, n, "user")?;
    let mut inverse = vec![0.0; n * n];
    invert_lower_triangular(
        MatMut::from_column_major_slice_mut(&mut inverse, n, n),
        MatRef::from_column_major_slice(&matrix, n, n),
        Par::rayon(PARTS),
    );
    drop(matrix);
    let mut v = vec![0.0; items.n_rows() * n];
    v.par_chunks_mut(n.max(1))
        .enumerate()
        .for_each(|(item, v)| {
            let (users, values) = placed.row(item);
            for (&u, &value) in users.iter().zip(values) {
                let u = u as usize;
                let scale = root[u] * f64::from(value) * scales[item];
                // The inverse is lower triangular.
                for (v, c) in v[u..].iter_mut().zip(&inverse[u * n + u..(u + 1) * n]) {
                    *v += scale * c;
                }
            }
        });
    Ok(v)
}
