//! The multinomial negative log-likelihood and its gradient, row by row and in place.
//!
//! For logits y and targets t of one user (Liang et al., Variational Autoencoders for Collaborative
//! Filtering, WWW 2018, equation 2):
//!
//! ```text
//! loss = −Σ_{i ∈ t} log softmax(y)_i = n (max + log Σ e^(y − max)) − Σ_{i ∈ t} y_i
//! ∂loss/∂y_i = n softmax(y)_i − [i ∈ t]
//! ```
//!
//! with n the number of targets. A row of a few thousand logits stays in the first-level cache while
//! it is read four times, so main memory is read once.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::batch::Batch;
use crate::exponential::exp;
use crate::wide::wide_op;

/// Replaces logits `(U, I)` by `scale` times the gradient, and returns the loss of each user `(U)`,
/// not scaled. Each target counts once; a user without targets has zero loss and gradient.
pub fn loss_and_gradient(logits: &mut [f32], targets: &Batch, scale: f32) -> Vec<f64> {
    let n_items = targets.n_items();
    if n_items == 0 {
        return vec![0.0; targets.len()];
    }
    logits
        .par_chunks_mut(n_items)
        .enumerate()
        .map(|(u, row)| {
            wide_op(User {
                row,
                targets: targets.row(u),
                scale,
            })
        })
        .collect()
}

/// One user's logits.
struct User<'a> {
    row: &'a mut [f32],
    targets: &'a [u32],
    scale: f32,
}

impl NullaryFnOnce for User<'_> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        let Self {
            row,
            targets,
            scale,
        } = self;
        if targets.is_empty() {
            row.fill(0.0);
            return 0.0;
        }
        let max = largest(row);
        let n = targets.len() as f64;
        let chosen: f64 = targets.iter().map(|&i| f64::from(row[i as usize])).sum();
        let mass = exponentials(row, max);
        let factor = (f64::from(scale) * n / mass) as f32;
        for v in row.iter_mut() {
            *v *= factor;
        }
        for &i in targets {
            row[i as usize] -= scale;
        }
        n * (f64::from(max) + mass.ln()) - chosen
    }
}

/// Lanes of sums and maxima: their order is fixed and they vectorize.
const LANES: usize = 16;

#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (l, &v) in lanes.iter_mut().zip(chunk) {
            *l = if v > *l { v } else { *l };
        }
    }
    lanes
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |m, &v| m.max(v))
}

/// Replaces y by e^(y − max) and returns the sum.
#[inline(always)]
fn exponentials(row: &mut [f32], max: f32) -> f64 {
    let mut total = 0f64;
    // Sums of at most 1,024 numbers in single precision, and of those in double.
    for part in row.chunks_mut(64 * LANES) {
        let mut lanes = [0f32; LANES];
        let mut chunks = part.chunks_exact_mut(LANES);
        for chunk in &mut chunks {
            for (l, v) in lanes.iter_mut().zip(chunk) {
                *v = exp(*v - max);
                *l += *v;
            }
        }
        for v in chunks.into_remainder() {
            *v = exp(*v - max);
            total += f64::from(*v);
        }
        total += lanes.iter().map(|&l| f64::from(l)).sum::<f64>();
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn definition(row: &[f64], targets: &[u32]) -> f64 {
        let mass: f64 = row.iter().map(|v| v.exp()).sum();
        targets.iter().map(|&i| mass.ln() - row[i as usize]).sum()
    }

    proptest! {
        #[test]
        fn equals_the_definition_and_central_differences(
            rows in proptest::collection::vec(
                (proptest::collection::vec(-8f32..8.0, 37), proptest::collection::btree_set(0u32..37, 0..9)),
                0..5),
        ) {
            let targets: Vec<Vec<u32>> = rows.iter().map(|(_, t)| t.iter().copied().collect()).collect();
            let batch = Batch::new(targets.iter().map(Vec::as_slice), 37);
            let mut logits: Vec<f32> = rows.iter().flat_map(|(r, _)| r.clone()).collect();
            let losses = loss_and_gradient(&mut logits, &batch, 0.5);
            for (u, (row, _)) in rows.iter().enumerate() {
                let row: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
                let truth = definition(&row, &targets[u]);
                prop_assert!((losses[u] - truth).abs() < 1e-4 * (1.0 + truth));
                for i in 0..37 {
                    let shifted = |h: f64| {
                        let mut row = row.clone();
                        row[i] += h;
                        definition(&row, &targets[u])
                    };
                    let slope = 0.5 * (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                    prop_assert!((f64::from(logits[u * 37 + i]) - slope).abs() < 1e-4);
                }
            }
        }
    }

    /// Two items with equal logits: each has probability ½, so the loss of one target is ln 2.
    #[test]
    fn by_hand() {
        let mut logits = [3.0, 3.0];
        let targets = [0u32];
        let batch = Batch::new([&targets[..]], 2);
        let loss = loss_and_gradient(&mut logits, &batch, 1.0);
        assert!((loss[0] - 2f64.ln()).abs() < 1e-6);
        assert!((logits[0] + 0.5).abs() < 1e-6 && (logits[1] - 0.5).abs() < 1e-6);
        assert!(loss_and_gradient(&mut [], &Batch::new([], 5), 1.0).is_empty());
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        let mut logits = [1e30f32, -1e30, 0.0];
        let targets = [0u32, 1];
        let batch = Batch::new([&targets[..]], 3);
        let loss = loss_and_gradient(&mut logits, &batch, 1.0);
        assert!(loss[0].is_finite() && logits.iter().all(|v| v.is_finite()));
    }
}
