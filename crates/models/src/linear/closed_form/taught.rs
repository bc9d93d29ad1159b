//! Soft targets in closed form.
//!
//! With targets `Y = X + E` the solution is linear in E: `B = B₀ + P D − P diag(γ)` with `D = Xᵀ diag(ω) E`,
//! `γ_j = (P D)_jj / P_jj`, and `B₀` the solution for the targets X (Steck, WWW 2019, equation 8, with `XᵀY` in
//! place of the Gram matrix on its right side). D and the product are formed in bands of columns.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use limpid_core::Csr;
use rayon::prelude::*;

use super::PARTS;

/// Columns of D that are formed together.
const BAND: usize = 256;

/// The rows of `soft` `(I, U)` of some items, in their order.
pub(super) fn among(soft: &Csr, items: &[u32]) -> Csr {
    let rows = items.iter().map(|&i| {
        let (users, values) = soft.row(i as usize);
        users.iter().copied().zip(values.iter().copied()).collect()
    });
    Csr::from_rows(rows, soft.n_columns())
        .unwrap_or_else(|_| unreachable!("rows of a matrix are rows of a matrix"))
}

/// Adds to the weights `B₀` `(I, I)`, row-major, what the soft targets `soft` `(I, U)` change; `inverse` is the
/// lower triangle of P `(I, I)`, column-major, `rows` are the histories `(U, I)`, `users` their weights `(U)`.
pub(super) fn add(links: &mut [f32], mut inverse: Vec<f64>, rows: &Csr, users: &[f64], soft: &Csr) {
    let n = rows.n_columns();
    for j in 0..n {
        for i in j + 1..n {
            inverse[i * n + j] = inverse[j * n + i];
        }
    }
    let p = MatRef::from_column_major_slice(&inverse, n, n);
    for first in (0..n).step_by(BAND) {
        let width = BAND.min(n - first);
        let mut d = vec![0.0; n * width]; // column-major (I, width)
        d.par_chunks_mut(n).enumerate().for_each(|(c, column)| {
            let (of, values) = soft.row(first + c);
            for (&u, &e) in of.iter().zip(values) {
                let weight = users[u as usize] * f64::from(e);
                let (items, events) = rows.row(u as usize);
                for (&i, &x) in items.iter().zip(events) {
                    column[i as usize] += weight * f64::from(x);
                }
            }
        });
        let mut change = vec![0.0; n * width];
        matmul(
            MatMut::from_column_major_slice_mut(&mut change, n, width),
            Accum::Replace,
            p,
            MatRef::from_column_major_slice(&d, n, width),
            1.0,
            Par::rayon(PARTS),
        );
        let gamma: Vec<f64> = (0..width)
            .map(|c| change[c * n + first + c] / inverse[(first + c) * n + first + c])
            .collect();
        links.par_chunks_mut(n).enumerate().for_each(|(i, row)| {
            for (c, gamma) in gamma.iter().enumerate().filter(|&(c, _)| first + c != i) {
                let j = first + c;
                row[j] += (change[c * n + i] - gamma * inverse[j * n + i]) as f32;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use proptest::prelude::*;

    proptest! {
        /// The optimality condition: off the diagonal, `(G + R) B` is `Xᵀ diag(ω) Y` in column j at every row
        /// but j, and the diagonal of B is zero.
        #[test]
        fn solves_the_normal_equations_of_soft_targets(
            data in proptest::collection::vec(proptest::collection::btree_set(0u32..9, 0..6), 1..20),
            expected in proptest::collection::vec(0f32..1.0, 9 * 20),
            reg in 0.1f64..5.0,
        ) {
            let n = 9;
            let rows: Vec<Vec<u32>> = data.into_iter().map(|r| r.into_iter().collect()).collect();
            let soft = |u: usize, i: u32| match rows[u].contains(&i) {
                true => 0.0,
                false => expected[u * n + i as usize],
            };
            let transposed = (0..n as u32).map(|i| {
                (0..rows.len()).map(|u| (u as u32, soft(u, i))).filter(|&(_, e)| e > 0.0).collect()
            });
            let e = Csr::from_rows(transposed, rows.len()).unwrap();
            let x = Histories::from_rows(&rows, n).unwrap().to_csr();
            let weights = user_weights(&x, 0.5);
            let gram = gram_lower(&x, &weights);
            let at = |i: usize, j: usize| gram[i.min(j) * n + i.max(j)];
            let inverse = regularized_inverse(gram.clone(), &vec![reg; n], n).unwrap();
            let mut b = zero_diagonal_weights(&inverse, n);
            taught::add(&mut b, inverse, &x, &weights, &e);
            for j in 0..n {
                prop_assert_eq!(b[j * n + j], 0.0);
                for i in (0..n).filter(|&i| i != j) {
                    let fit: f64 = (0..n)
                        .map(|k| (at(i, k) + if i == k { reg } else { 0.0 }) * f64::from(b[k * n + j]))
                        .sum();
                    let taught: f64 = (0..rows.len())
                        .filter(|&u| rows[u].contains(&(i as u32)))
                        .map(|u| weights[u] * f64::from(soft(u, j as u32)))
                        .sum();
                    prop_assert!((fit - at(i, j) - taught).abs() < 1e-4, "{} {}", fit, at(i, j) + taught);
                }
            }
        }
    }
}
