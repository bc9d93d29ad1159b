//! Losses: means over examples, as scalars.

use std::sync::Arc;

use rayon::prelude::*;

use super::elementwise::map_two;
use super::lanes::exponentials;
use super::{Float, Shape, Var};
use crate::matmul::{Factor, product};
use crate::wide::wide;

/// Replaces the logits of each row by the gradient of its loss times `scale`; returns the sum of the
/// losses.
fn cross_entropies<T: Float>(logits: &mut [T], width: usize, targets: &[u32], scale: T) -> f64 {
    let losses: Vec<f64> = logits
        .par_chunks_mut(width)
        .zip(targets)
        .map(|(row, &target)| {
            wide(
                #[inline(always)]
                || {
                    let target = target as usize;
                    let chosen = row[target];
                    let (m, mass) = exponentials(row);
                    let factor = scale / mass;
                    for x in &mut *row {
                        *x *= factor;
                    }
                    row[target] -= scale;
                    (m - chosen + Float::ln(mass)).to_f64()
                },
            )
        })
        .collect();
    losses.iter().sum()
}

impl<'t, T: Float> Var<'t, T> {
    fn check_targets(rows: usize, width: usize, targets: &[u32]) {
        assert_eq!(
            rows,
            targets.len(),
            "cross-entropy: one target per row is required"
        );
        assert!(
            targets.iter().all(|&t| (t as usize) < width),
            "cross-entropy: targets must be below {width}"
        );
    }

    /// Mean over the rows of −ln softmax(x)_target.
    ///
    /// # Panics
    /// Unless there is one target below the width for each row.
    #[must_use]
    pub fn cross_entropy(self, targets: impl Into<Arc<Vec<u32>>>) -> Self {
        let (x, shape, targets) = (self.value(), self.shape(), targets.into());
        let width = shape.width();
        Self::check_targets(shape.rows(), width, &targets);
        let mut slopes = self.arena().take(x.len());
        slopes.copy_from_slice(&x);
        let scale = 1.0 / targets.len().max(1) as f64;
        let loss = cross_entropies(&mut slopes, width, &targets, T::of(scale));
        self.scalar_with(loss * scale, slopes)
    }

    /// The same for the logits X Yᵀ with `(m, k)` and `(n, k)`, fused into one operation
    /// that writes the logits once.
    ///
    /// # Panics
    /// If the widths differ, or unless there is one target below n for each row.
    #[must_use]
    pub fn cross_entropy_over(self, table: Self, targets: impl Into<Arc<Vec<u32>>>) -> Self {
        let (x, y, targets) = (self.value(), table.value(), targets.into());
        let (m, k) = (self.shape().rows(), self.shape().width());
        let [n, k_y] = table.shape()[..] else {
            panic!(
                "cross-entropy: expected a matrix, found shape {:?}",
                table.shape()
            )
        };
        assert_eq!(k, k_y, "{:?} over {:?}", self.shape(), table.shape());
        Self::check_targets(m, n, &targets);
        let mut slopes = self.arena().take(m * n);
        let factor = Factor::new(&y[..], n, k);
        product(&mut slopes, Factor::new(&x, m, k), factor.t(), false);
        let scale = 1.0 / m.max(1) as f64;
        let loss = cross_entropies(&mut slopes, n, &targets, T::of(scale));
        let mut out = self.arena().take(1);
        out[0] = T::of(loss * scale);
        let (i, j) = (self.id, table.id);
        self.record(&[self, table], out, Shape::new(&[]), move |g, sums| {
            rescale(&mut slopes, g[0]);
            let errors = Factor::new(&slopes, m, n);
            sums.write(i, m * k, |out, add| {
                product(out, errors, Factor::new(&y, n, k), add);
            });
            sums.write(j, n * k, |out, add| {
                product(out, errors.t(), Factor::new(&x, m, k), add);
            });
            sums.recycle(slopes);
            sums.recycle(g);
        })
    }

    /// Mean of ln(1 + eˣ) − t x: the binary cross-entropy of σ(x) and a target t.
    ///
    /// # Panics
    /// Unless there is one target per element.
    #[must_use]
    pub fn binary_cross_entropy(self, targets: impl Into<Arc<Vec<T>>>) -> Self {
        let (x, targets) = (self.value(), targets.into());
        assert_eq!(
            x.len(),
            targets.len(),
            "binary cross-entropy: one target per element is required"
        );
        let scale = T::of(1.0 / x.len().max(1) as f64);
        let losses = x.iter().zip(&targets[..]);
        let loss = losses.map(|(&x, &t)| (Float::softplus(x) - t * x).to_f64());
        let loss = loss.sum::<f64>() * scale.to_f64();
        let mut slopes = self.arena().take(x.len());
        map_two(&mut slopes, &x, &targets, false, |x, t| {
            scale * (Float::sigmoid(x) - t)
        });
        self.scalar_with(loss, slopes)
    }

    /// Mean of −ln σ(x − y): the loss of BPR for the scores of positives (this) and negatives.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn bpr(self, negatives: Self) -> Self {
        (negatives - self).softplus().mean()
    }

    /// A scalar with a precomputed gradient.
    fn scalar_with(self, value: f64, mut slopes: Vec<T>) -> Self {
        let mut out = self.arena().take(1);
        out[0] = T::of(value);
        let id = self.id;
        self.record(&[self], out, Shape::new(&[]), move |g, sums| {
            rescale(&mut slopes, g[0]);
            sums.give(id, slopes);
            sums.recycle(g);
        })
    }
}

fn rescale<T: Float>(x: &mut [T], s: T) {
    if s != T::ONE {
        x.par_chunks_mut(super::gradients::CHUNK)
            .for_each(|x| x.iter_mut().for_each(|x| *x *= s));
    }
}
