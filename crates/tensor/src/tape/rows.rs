//! Row-wise operations.

use rayon::prelude::*;

use super::lanes::{add_scaled, dot, exponentials, sum};
use super::{Float, Var};
use crate::wide::wide;

/// Rows per task.
const ROWS: usize = 64;

/// Runs `f` on every row of `out` and the same row of `x`.
fn each_row<T: Float>(out: &mut [T], x: &[T], width: usize, f: impl Fn(&mut [T], &[T]) + Sync) {
    if width == 0 {
        return;
    }
    out.par_chunks_mut(ROWS * width)
        .zip(x.par_chunks(ROWS * width))
        .for_each(|(out, x)| {
            wide(
                #[inline(always)]
                || {
                    for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                        f(out, x);
                    }
                },
            );
        });
}

/// The dot product of every row of `x` with the same row of `y`, or added to `out` if `add`.
fn dots<T: Float>(out: &mut [T], [x, y]: [&[T]; 2], width: usize, add: bool) {
    let task = ROWS * width;
    out.par_chunks_mut(ROWS)
        .zip(x.par_chunks(task).zip(y.par_chunks(task)))
        .for_each(|(out, (x, y))| {
            wide(
                #[inline(always)]
                || {
                    let rows = x.chunks_exact(width).zip(y.chunks_exact(width));
                    for (o, (x, y)) in out.iter_mut().zip(rows) {
                        let product = dot(x, y);
                        *o = if add { *o + product } else { product };
                    }
                },
            );
        });
}

/// Every row of `x` times a number of its own.
fn scaled<T: Float>(out: &mut [T], x: &[T], factors: &[T], width: usize) {
    let task = ROWS * width;
    out.par_chunks_mut(task)
        .zip(x.par_chunks(task).zip(factors.par_chunks(ROWS)))
        .for_each(|(out, (x, factors))| {
            wide(
                #[inline(always)]
                || {
                    let rows = out.chunks_exact_mut(width).zip(x.chunks_exact(width));
                    for ((out, x), &s) in rows.zip(factors) {
                        for (o, &x) in out.iter_mut().zip(x) {
                            *o = s * x;
                        }
                    }
                },
            );
        });
}

impl<'t, T: Float> Var<'t, T> {
    /// Softmax of each row: e^(x − m) / Σ e^(x − m), with m the largest.
    #[must_use]
    pub fn softmax(self) -> Self {
        let (x, shape) = (self.value(), self.shape());
        let width = shape.width();
        let mut out = self.arena().take(x.len());
        each_row(
            &mut out,
            &x,
            width,
            #[inline(always)]
            |o, x| {
                o.copy_from_slice(x);
                let (_, mass) = exponentials(o);
                let s = T::ONE / mass;
                for o in o {
                    *o *= s;
                }
            },
        );
        let id = self.id;
        let kept = std::sync::Arc::new(out);
        self.record(&[self], kept.clone(), shape, move |mut g, sums| {
            each_row(
                &mut g,
                &kept,
                width,
                #[inline(always)]
                |g, p| {
                    let mean = dot(g, p);
                    for (g, &p) in g.iter_mut().zip(p) {
                        *g = p * (*g - mean);
                    }
                },
            );
            sums.give(id, g);
        })
    }

    /// The logarithm of the softmax of each row: x − m − ln Σ e^(x − m).
    #[must_use]
    pub fn log_softmax(self) -> Self {
        let (x, shape) = (self.value(), self.shape());
        let width = shape.width();
        let mut out = self.arena().take(x.len());
        each_row(
            &mut out,
            &x,
            width,
            #[inline(always)]
            |o, x| {
                o.copy_from_slice(x);
                let (m, mass) = exponentials(o);
                let shift = m + Float::ln(mass);
                o.iter_mut().zip(x).for_each(|(o, &x)| *o = x - shift);
            },
        );
        let id = self.id;
        let kept = std::sync::Arc::new(out);
        self.record(&[self], kept.clone(), shape, move |mut g, sums| {
            each_row(
                &mut g,
                &kept,
                width,
                #[inline(always)]
                |g, y| {
                    let total = sum(g);
                    let numbers = g.iter_mut().zip(y);
                    numbers.for_each(|(g, &y)| *g -= Float::exp(y) * total);
                },
            );
            sums.give(id, g);
        })
    }

    /// Layer normalization of each row: γ (x − μ) / √(σ² + ε) + β, with the row's mean μ and variance
    /// σ² (over n, not n − 1).
    ///
    /// # Panics
    /// If the length of γ or β is not the width of a row.
    #[must_use]
    pub fn layer_norm(self, gain: Self, bias: Self, epsilon: f64) -> Self {
        let (x, shape) = (self.value(), self.shape());
        let (gamma, beta, width) = (gain.value(), bias.value(), shape.width());
        assert!(
            gamma.len() == width && beta.len() == width,
            "layer_norm: gain {:?} and bias {:?} do not match {shape:?}",
            gain.shape(),
            bias.shape()
        );
        let (epsilon, n) = (T::of(epsilon), T::of(width as f64));
        // Per row: mean and 1/√(variance + ε).
        let mut moments = self.arena().take(2 * shape.rows());
        let mut out = self.arena().take(x.len());
        let task = ROWS * width.max(1);
        out.par_chunks_mut(task)
            .zip(x.par_chunks(task))
            .zip(moments.par_chunks_mut(2 * ROWS))
            .for_each(|((out, x), moments)| {
                wide(
                    #[inline(always)]
                    || {
                        let rows = out.chunks_exact_mut(width).zip(x.chunks_exact(width));
                        for ((out, x), moments) in rows.zip(moments.chunks_exact_mut(2)) {
                            let mean = sum(x) / n;
                            for (o, &x) in out.iter_mut().zip(x) {
                                *o = x - mean;
                            }
                            let scale = T::ONE / Float::sqrt(dot(out, out) / n + epsilon);
                            moments.copy_from_slice(&[mean, scale]);
                            let affine = gamma.iter().zip(&beta[..]);
                            for (o, (&c, &b)) in out.iter_mut().zip(affine) {
                                *o = *o * scale * c + b;
                            }
                        }
                    },
                );
            });
        let (i, j, l) = (self.id, gain.id, bias.id);
        self.record(&[self, gain, bias], out, shape, move |mut g, sums| {
            let of_task = |((g, x), moments): ((&mut [T], &[T]), &[T])| {
                wide(
                    #[inline(always)]
                    || {
                        let mut affine = vec![T::ZERO; 2 * width];
                        let (for_gain, for_bias) = affine.split_at_mut(width);
                        let mut unit = vec![T::ZERO; width];
                        let rows = g.chunks_exact_mut(width).zip(x.chunks_exact(width));
                        for ((g, x), moments) in rows.zip(moments.chunks_exact(2)) {
                            let (mean, scale) = (moments[0], moments[1]);
                            for k in 0..width {
                                unit[k] = (x[k] - mean) * scale;
                                for_gain[k] += g[k] * unit[k];
                                for_bias[k] += g[k];
                                g[k] *= gamma[k];
                            }
                            let (level, slope) = (sum(g) / n, dot(g, &unit) / n);
                            for (g, &u) in g.iter_mut().zip(&unit) {
                                *g = scale * (*g - level - u * slope);
                            }
                        }
                        affine
                    },
                )
            };
            let parts: Vec<Vec<T>> = g
                .par_chunks_mut(task)
                .zip(x.par_chunks(task))
                .zip(moments.par_chunks(2 * ROWS))
                .map(of_task)
                .collect();
            for (id, from) in [(j, 0), (l, width)] {
                sums.write(id, width, |out, add| {
                    if !add {
                        out.fill(T::ZERO);
                    }
                    for part in &parts {
                        add_scaled(out, T::ONE, &part[from..from + width]);
                    }
                });
            }
            sums.recycle(moments);
            sums.give(i, g);
        })
    }

    /// Σ over each row: `(…, w) → (…)`.
    #[must_use]
    pub fn sum_rows(self) -> Self {
        let (x, shape) = (self.value(), self.shape());
        let width = shape.width();
        let mut out = self.arena().take(shape.rows());
        out.par_iter_mut()
            .zip(x.par_chunks(width.max(1)))
            .with_min_len(256)
            .for_each(|(o, x)| *o = sum(x));
        let (id, n) = (self.id, x.len());
        self.record(&[self], out, shape.without_width(), move |g, sums| {
            let mut back = sums.take(n);
            let rows = back.chunks_exact_mut(width.max(1));
            rows.zip(&g).for_each(|(row, &g)| row.fill(g));
            sums.give(id, back);
            sums.recycle(g);
        })
    }

    /// Σ x y over each row: `(…, w), (…, w) → (…)`.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn dot_rows(self, y: Self) -> Self {
        let (a, b, shape) = (self.value(), y.value(), self.shape());
        assert_eq!(shape, y.shape(), "dot product of rows: shapes differ");
        let width = shape.width().max(1);
        let mut out = self.arena().take(shape.rows());
        dots(&mut out, [&a, &b], width, false);
        let (i, j) = (self.id, y.id);
        self.record(&[self, y], out, shape.without_width(), move |g, sums| {
            for (id, other) in [(i, &b), (j, &a)] {
                if sums.wants(id) {
                    let mut back = sums.take(other.len());
                    scaled(&mut back, other, &g, width);
                    sums.give(id, back);
                }
            }
            sums.recycle(g);
        })
    }

    /// Each row times a number of its own: `(…, w), (…) → (…, w)`.
    ///
    /// # Panics
    /// Unless there is one number per row.
    #[must_use]
    pub fn scale_rows(self, s: Self) -> Self {
        let (x, factors, shape) = (self.value(), s.value(), self.shape());
        assert_eq!(
            shape.rows(),
            factors.len(),
            "scale_rows: one number per row of {shape:?}, not {:?}",
            s.shape()
        );
        let width = shape.width().max(1);
        let mut out = self.arena().take(x.len());
        scaled(&mut out, &x, &factors, width);
        let (i, j) = (self.id, s.id);
        self.record(&[self, s], out, shape, move |g, sums| {
            sums.write(j, factors.len(), |out, add| dots(out, [&g, &x], width, add));
            if sums.wants(i) {
                let mut back = sums.take(g.len());
                scaled(&mut back, &g, &factors, width);
                sums.give(i, back);
            }
            sums.recycle(g);
        })
    }

    /// Each row divided by its Euclidean norm, or by 1e-12 where that is larger.
    #[must_use]
    pub fn normalize_rows(self) -> Self {
        let (x, shape) = (self.value(), self.shape());
        let width = shape.width();
        let length = |x: &[T]| Float::sqrt(dot(x, x)).larger(T::of(1e-12));
        let mut out = self.arena().take(x.len());
        each_row(
            &mut out,
            &x,
            width,
            #[inline(always)]
            |o, x| {
                let s = T::ONE / length(x);
                for (o, &x) in o.iter_mut().zip(x) {
                    *o = s * x;
                }
            },
        );
        let id = self.id;
        self.record(&[self], out, shape, move |mut g, sums| {
            each_row(
                &mut g,
                &x,
                width,
                #[inline(always)]
                |g, x| {
                    // y = x / n: (g − y (g · y)) / n, with y written in terms of x.
                    let s = T::ONE / length(x);
                    let along = s * s * dot(g, x);
                    for (g, &x) in g.iter_mut().zip(x) {
                        *g = s * (*g - along * x);
                    }
                },
            );
            sums.give(id, g);
        })
    }
}
