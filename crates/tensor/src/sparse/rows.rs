//! Sums of scattered rows, the core of every product with a sparse factor.
//!
//! The sums of some columns stay in registers over all rows, so an element costs one load
//! and one addition, without a store. Every column is summed in the order of the rows, however
//! many columns a pass has, so the width of a tile does not change the result.

use pulp::NullaryFnOnce;

use crate::wide::wide_op;

/// Columns of a pass in single precision: eight of the widest vectors.
const SINGLES: usize = 128;

/// Columns of a pass in double precision.
const DOUBLES: usize = 64;

/// `sum = Σ rows`, each as long as `sum`.
pub(super) fn sum<'a>(sum: &mut [f32], rows: impl Iterator<Item = &'a [f32]> + Clone) {
    wide_op(Passes::<_, _, _, SINGLES> {
        sum,
        rows: rows.map(|row| (1.0, row)),
        add: |s: f32, _, v: f32| s + v,
    });
}

/// `sum = Σ scale · row`.
pub(super) fn scaled_sum<'a>(
    sum: &mut [f32],
    rows: impl Iterator<Item = (f32, &'a [f32])> + Clone,
) {
    wide_op(Passes::<_, _, _, SINGLES> {
        sum,
        rows,
        add: |s: f32, scale, v: f32| s + scale * v,
    });
}

/// `sum = Σ rows` of single-precision rows in double precision.
pub(super) fn sum_in_double<'a>(sum: &mut [f64], rows: impl Iterator<Item = &'a [f32]> + Clone) {
    wide_op(Passes::<_, _, _, DOUBLES> {
        sum,
        rows: rows.map(|row| (1.0, row)),
        add: |s: f64, _, v: f32| s + f64::from(v),
    });
}

/// `sum = Σ rows` of double-precision rows.
pub(super) fn sum_of_doubles<'a>(sum: &mut [f64], rows: impl Iterator<Item = &'a [f64]> + Clone) {
    wide_op(Passes::<_, _, _, DOUBLES> {
        sum,
        rows: rows.map(|row| (1.0, row)),
        add: |s: f64, _, v: f64| s + v,
    });
}

struct Passes<'s, S, I, A, const N: usize> {
    sum: &'s mut [S],
    rows: I,
    add: A,
}

impl<'a, S, T, I, A, const N: usize> NullaryFnOnce for Passes<'_, S, I, A, N>
where
    S: Copy + Default,
    T: Copy + 'a,
    I: Iterator<Item = (f32, &'a [T])> + Clone,
    A: Fn(S, f32, T) -> S,
{
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { sum, rows, add } = self;
        let mut at = 0;
        let mut chunks = sum.chunks_exact_mut(N);
        for chunk in &mut chunks {
            let mut kept = [S::default(); N];
            for (scale, row) in rows.clone() {
                let row = &row[at..at + N];
                for (k, &v) in kept.iter_mut().zip(row) {
                    *k = add(*k, scale, v);
                }
            }
            chunk.copy_from_slice(&kept);
            at += N;
        }
        let rest = chunks.into_remainder();
        rest.fill(S::default());
        for (scale, row) in rows {
            for (s, &v) in rest.iter_mut().zip(&row[at..]) {
                *s = add(*s, scale, v);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use proptest::prelude::*;

    proptest! {
        /// Includes no rows, no columns, and columns beyond the last whole pass.
        #[test]
        fn equal_the_definition(width in 0usize..300, n in 0usize..9, seed: u64) {
            let mut rng = Rng::new(seed, 0);
            let rows: Vec<Vec<f32>> = (0..n).map(|_| rng.uniforms(width, -1.0, 1.0)).collect();
            let scales = rng.uniforms(n, -1.0, 1.0);
            let doubles: Vec<Vec<f64>> =
                rows.iter().map(|r| r.iter().map(|&v| f64::from(v)).collect()).collect();
            let (mut plain, mut scaled) = (vec![7f32; width], vec![7f32; width]);
            let (mut wide, mut double) = (vec![7f64; width], vec![7f64; width]);
            sum(&mut plain, rows.iter().map(Vec::as_slice));
            scaled_sum(&mut scaled, scales.iter().copied().zip(rows.iter().map(Vec::as_slice)));
            sum_in_double(&mut wide, rows.iter().map(Vec::as_slice));
            sum_of_doubles(&mut double, doubles.iter().map(Vec::as_slice));
            for k in 0..width {
                let truth: f64 = doubles.iter().map(|r| r[k]).sum();
                let of_scales: f64 = doubles.iter().zip(&scales).map(|(r, &s)| f64::from(s) * r[k]).sum();
                prop_assert!((f64::from(plain[k]) - truth).abs() < 1e-5);
                prop_assert!((f64::from(scaled[k]) - of_scales).abs() < 1e-5);
                prop_assert_eq!(wide[k], truth);
                prop_assert_eq!(double[k], truth);
            }
        }
    }
}
