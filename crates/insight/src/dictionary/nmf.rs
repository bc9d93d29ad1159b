//! Non-negative matrix factorization of scaled interactions, `X S ≈ W Hᵀ`, without a seed.
//!
//! The start is NNDSVDa (Boutsidis and Gallopoulos, Pattern Recognition 2008): of every singular pair the
//! dominant non-negative part, with zeros replaced by a small mean; then a few rounds of hierarchical
//! alternating least squares.

use limpid_core::Csr;
use limpid_tensor::matmul::{Factor, product};
use limpid_tensor::nonnegative::descend;
use limpid_tensor::sparse::batch::Batch;

use super::Space;

/// The least value of a factor, so that none dies.
const FLOOR: f32 = 1e-12;

/// Zeros of the start, as a share of the mean of the data.
const FILL: f64 = 0.01;

/// The item factors Hᵀ `(m, I)` of rows of users after some rounds; m is the width of their space.
pub(super) fn factors(rows: &Csr, space: &Space, rounds: usize) -> Vec<f32> {
    let (m, n_items, n_users) = (space.width(), rows.n_columns(), rows.n_rows());
    let batch = Batch::new((0..n_users).map(|u| rows.row(u).0), n_items);
    let scaled = |x: &[f32]| -> Vec<f32> {
        let mut x = x.to_vec();
        by_scale(&mut x, &space.scale, m);
        x
    };
    // Left singular vectors, not yet divided by the singular values.
    let mut left = vec![0f32; n_users * m];
    batch.times(&scaled(&space.vectors), m, &mut left);
    let (mut w, mut h) = start(&left, space, mean(rows, &space.scale)); // (U, m), (I, m)
    let mut gram = vec![0f32; m * m];
    for _ in 0..rounds {
        let mut a = vec![0f32; n_users * m];
        batch.times(&scaled(&h), m, &mut a);
        let factor = Factor::new(&h, n_items, m);
        product(&mut gram, factor.t(), factor, false);
        descend(&mut w, &a, &gram, m, FLOOR);
        let mut a = vec![0f32; n_items * m];
        batch.transpose_times(&w, m, &mut a);
        by_scale(&mut a, &space.scale, m);
        let factor = Factor::new(&w, n_users, m);
        product(&mut gram, factor.t(), factor, false);
        descend(&mut h, &a, &gram, m, FLOOR);
    }
    transposed(&h, n_items, m)
}

/// Multiplies the rows `(I, m)` by the scale `(I)`.
fn by_scale(x: &mut [f32], scale: &[f32], m: usize) {
    for (row, s) in x.chunks_exact_mut(m.max(1)).zip(scale) {
        row.iter_mut().for_each(|v| *v *= s);
    }
}

/// The mean of all entries of `X S`, zeros included.
fn mean(rows: &Csr, scale: &[f32]) -> f64 {
    let columns = rows.columns().iter();
    let sum: f64 = columns.map(|&i| f64::from(scale[i as usize])).sum();
    sum / ((rows.n_rows() * rows.n_columns()).max(1) as f64)
}

/// NNDSVDa.
fn start(left: &[f32], space: &Space, mean: f64) -> (Vec<f32>, Vec<f32>) {
    let m = space.width();
    let parts = |x: &[f32]| -> (Vec<f64>, Vec<f64>) {
        let (mut positive, mut negative) = (vec![0f64; m], vec![0f64; m]);
        for row in x.chunks_exact(m.max(1)) {
            for (j, &v) in row.iter().enumerate() {
                let squared = f64::from(v).powi(2);
                match v > 0.0 {
                    true => positive[j] += squared,
                    false => negative[j] += squared,
                }
            }
        }
        let root = |x: Vec<f64>| x.into_iter().map(f64::sqrt).collect();
        (root(positive), root(negative))
    };
    let sigma: Vec<f64> = space.values.iter().map(|v| v.max(1e-9).sqrt()).collect();
    let (left_positive, left_negative) = parts(left);
    let (right_positive, right_negative) = parts(&space.vectors);
    // Of each column: its sign, and the factors of its parts.
    let choice: Vec<(f32, f64, f64)> = (0..m)
        .map(|j| {
            let plus = left_positive[j] / sigma[j] * right_positive[j];
            let minus = left_negative[j] / sigma[j] * right_negative[j];
            let (sign, product, l, r) = match plus < minus {
                true => (-1.0, minus, left_negative[j], right_negative[j]),
                false => (1.0, plus, left_positive[j], right_positive[j]),
            };
            let size = (sigma[j] * product).sqrt();
            let per = |norm: f64| if norm > 0.0 { size / norm } else { 0.0 };
            (sign, per(l), per(r))
        })
        .collect();
    let fill = (mean * FILL) as f32;
    let column = |x: &[f32], factor: fn(&(f32, f64, f64)) -> f64| -> Vec<f32> {
        let rows = x.chunks_exact(m.max(1));
        rows.flat_map(|row| {
            row.iter().zip(&choice).map(move |(&v, c)| {
                let v = (f64::from(c.0 * v) * factor(c)) as f32;
                if v > 0.0 { v } else { fill }
            })
        })
        .collect()
    };
    (column(left, |c| c.1), column(&space.vectors, |c| c.2))
}

/// The transpose `(columns, rows)` of a row-major `(rows, columns)`.
pub(super) fn transposed(data: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = vec![0f32; data.len()];
    for (r, row) in data.chunks_exact(columns.max(1)).enumerate() {
        for (c, &v) in row.iter().enumerate() {
            out[c * rows + r] = v;
        }
    }
    out
}
