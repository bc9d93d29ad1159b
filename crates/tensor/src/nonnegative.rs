//! Non-negative least squares by coordinate descent: the inner step of non-negative matrix factorization.

use rayon::prelude::*;

use crate::wide::wide;

/// Rows per task.
const BLOCK: usize = 32;

/// Rows that are descended together: they share what is read of B, and their sums do not wait for each other.
const TOGETHER: usize = 4;

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
            let some = TOGETHER * m;
            for (rows, a) in rows.chunks_mut(some).zip(a.chunks(some)) {
                wide(
                    #[inline(always)]
                    || match rows.len() == some {
                        true => descend_together::<TOGETHER>(rows, a, gram, floor),
                        false => {
                            for (row, a) in rows.chunks_exact_mut(m).zip(a.chunks_exact(m)) {
                                descend_together::<1>(row, a, gram, floor);
                            }
                        }
                    },
                );
            }
        });
}

/// Descends `R` rows `(R, m)`.
#[inline(always)]
fn descend_together<const R: usize>(rows: &mut [f32], a: &[f32], gram: &[f32], floor: f32) {
    let m = rows.len() / R;
    for j in 0..m {
        let b = &gram[j * m..(j + 1) * m];
        let fitted = dots::<R>(rows, b);
        for r in 0..R {
            let w = &mut rows[r * m + j];
            *w = (*w + (a[r * m + j] - fitted[r]) / (b[j] + 1e-9)).max(floor);
        }
    }
}

/// The dot products of `R` rows `(R, m)` with `b` `(m)`.
#[inline(always)]
fn dots<const R: usize>(rows: &[f32], b: &[f32]) -> [f32; R] {
    let m = b.len();
    let whole = m - m % LANES;
    let mut sums = [[0f32; LANES]; R];
    for at in (0..whole).step_by(LANES) {
        let b = &b[at..at + LANES];
        for r in 0..R {
            let row = &rows[r * m + at..r * m + at + LANES];
            for k in 0..LANES {
                sums[r][k] += row[k] * b[k];
            }
        }
    }
    let mut out = [0f32; R];
    for r in 0..R {
        let rest = rows[r * m + whole..(r + 1) * m].iter().zip(&b[whole..]);
        let rest: f32 = rest.map(|(a, b)| a * b).sum();
        out[r] = sums[r].iter().sum::<f32>() + rest;
    }
    out
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

    /// Rows that are descended together are as each would be alone, whatever their number.
    #[test]
    fn together_as_alone() {
        let m = 21;
        let mut rng = crate::Rng::new(1, 0);
        let gram = rng.uniforms(m * m, 0.1, 2.0);
        for n in 1..10 {
            let a = rng.uniforms(n * m, -1.0, 5.0);
            let mut together = rng.uniforms(n * m, 0.0, 1.0);
            let mut alone = together.clone();
            descend(&mut together, &a, &gram, m, 1e-3);
            for (row, a) in alone.chunks_exact_mut(m).zip(a.chunks_exact(m)) {
                descend(row, a, &gram, m, 1e-3);
            }
            assert_eq!(together, alone, "{n} rows");
        }
    }
}
