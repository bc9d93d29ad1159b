//! Non-negative least squares by coordinate descent: the inner step of non-negative matrix factorization.

use rayon::prelude::*;

use crate::wide::wide;

/// Rows per task.
const BLOCK: usize = 32;

/// Partial sums of a dot product, so that it can be vectorized.
const LANES: usize = 16;

/// One pass of hierarchical alternating least squares (Cichocki and Phan, IEICE Transactions 2009) over
/// the rows `(n, m)` of one factor: for each row w and j = 1 … m in turn,
///
/// ```text
/// w_j ← max(floor, w_j + (a_j − Σ_k w_k B_kj) / (B_jj + 1e-9))
/// ```
///
/// where `a` `(n, m)` is the product of the data with the other factor, and `gram` `(m, m)` is B, the Gram
/// matrix of the other factor. Rows are independent, so the result does not depend on the threads.
pub fn descend(rows: &mut [f32], a: &[f32], gram: &[f32], m: usize, floor: f32) {
    if m == 0 {
        return;
    }
    rows.par_chunks_mut(BLOCK * m)
        .zip(a.par_chunks(BLOCK * m))
        .for_each(|(rows, a)| {
            for (row, a) in rows.chunks_exact_mut(m).zip(a.chunks_exact(m)) {
                wide(
                    #[inline(always)]
                    || one_row(row, a, gram, floor),
                );
            }
        });
}

#[inline(always)]
fn one_row(row: &mut [f32], a: &[f32], gram: &[f32], floor: f32) {
    let m = row.len();
    for j in 0..m {
        let b = &gram[j * m..(j + 1) * m];
        let fitted = dot(row, b);
        row[j] = (row[j] + (a[j] - fitted) / (b[j] + 1e-9)).max(floor);
    }
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (whole_a, whole_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (rest_a, rest_b) = (whole_a.remainder(), whole_b.remainder());
    for (a, b) in whole_a.zip(whole_b) {
        for k in 0..LANES {
            sums[k] += a[k] * b[k];
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// minimize ½ wᵀBw − aᵀw with B = [[2, 1], [1, 2]], a = (3, −1): the minimum over w ≥ 0 is (1.5, 0).
    #[test]
    fn finds_the_minimum_by_hand() {
        let (gram, a) = ([2.0, 1.0, 1.0, 2.0], [3.0, -1.0, 3.0, 3.0]);
        let mut rows = vec![0.3, 0.9, 0.0, 0.0];
        for _ in 0..60 {
            descend(&mut rows, &a, &gram, 2, 0.0);
        }
        for (found, expected) in rows.iter().zip([1.5, 0.0, 1.0, 1.0]) {
            assert!((found - expected).abs() < 1e-5, "{rows:?}");
        }
    }
}
