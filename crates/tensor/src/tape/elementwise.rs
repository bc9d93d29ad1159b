//! Elementwise operations, and sums.

use std::ops::{Add, Mul, Sub};
use std::sync::Arc;

use rayon::prelude::*;

use super::gradients::CHUNK;
use super::{Float, Shape, Var};
use crate::Rng;
use crate::wide::wide;

/// `out[i] = f(x[i])`.
pub(super) fn map<T: Float>(out: &mut [T], x: &[T], f: impl Fn(T) -> T + Sync) {
    out.par_chunks_mut(CHUNK)
        .zip(x.par_chunks(CHUNK))
        .for_each(|(o, x)| {
            wide(
                #[inline(always)]
                || {
                    for (o, &x) in o.iter_mut().zip(x) {
                        *o = f(x);
                    }
                },
            );
        });
}

/// `out[i] = f(out[i], x[i])`.
pub(super) fn update<T: Float>(out: &mut [T], x: &[T], f: impl Fn(T, T) -> T + Sync) {
    out.par_chunks_mut(CHUNK)
        .zip(x.par_chunks(CHUNK))
        .for_each(|(o, x)| {
            wide(
                #[inline(always)]
                || {
                    for (o, &x) in o.iter_mut().zip(x) {
                        *o = f(*o, x);
                    }
                },
            );
        });
}

/// `out[i] = f(x[i], y[i])`, or `out[i] += …` if `add`.
pub(super) fn map_two<T: Float>(
    out: &mut [T],
    x: &[T],
    y: &[T],
    add: bool,
    f: impl Fn(T, T) -> T + Sync,
) {
    out.par_chunks_mut(CHUNK)
        .zip(x.par_chunks(CHUNK))
        .zip(y.par_chunks(CHUNK))
        .for_each(|((o, x), y)| {
            wide(
                #[inline(always)]
                || {
                    let numbers = o.iter_mut().zip(x.iter().zip(y));
                    if add {
                        for (o, (&x, &y)) in numbers {
                            *o += f(x, y);
                        }
                    } else {
                        for (o, (&x, &y)) in numbers {
                            *o = f(x, y);
                        }
                    }
                },
            );
        });
}

/// Σ f(x), in pieces of a fixed size, in double precision from piece to piece.
fn total<T: Float>(x: &[T], f: impl Fn(T) -> T + Sync) -> T {
    let of_piece = |x: &[T]| {
        wide(
            #[inline(always)]
            || {
                let mut lanes = [T::ZERO; 16];
                let parts = x.chunks_exact(16);
                for part in parts.clone().chain([parts.remainder()]) {
                    for (l, &x) in lanes.iter_mut().zip(part) {
                        *l += f(x);
                    }
                }
                lanes.iter().map(|l| l.to_f64()).sum::<f64>()
            },
        )
    };
    let pieces: Vec<f64> = x.par_chunks(2048).map(of_piece).collect();
    T::of(pieces.iter().sum())
}

/// Column sums of rows of `width`, or added to `out` if `add`.
pub(super) fn columns<T: Float>(out: &mut [T], rows: &[T], width: usize, add: bool) {
    if width == 0 {
        return;
    }
    let of_piece = |rows: &[T]| {
        wide(
            #[inline(always)]
            || {
                let mut sum = vec![T::ZERO; width];
                for row in rows.chunks_exact(width) {
                    for (s, &g) in sum.iter_mut().zip(row) {
                        *s += g;
                    }
                }
                sum
            },
        )
    };
    let pieces: Vec<Vec<T>> = rows.par_chunks(width * 512).map(of_piece).collect();
    if !add {
        out.fill(T::ZERO);
    }
    for piece in &pieces {
        out.iter_mut().zip(piece).for_each(|(o, &s)| *o += s);
    }
}

/// Multiplies every row of `out` by the factors, elementwise.
fn times_rows<T: Float>(out: &mut [T], factors: &[T]) {
    let width = factors.len().max(1);
    out.par_chunks_mut(width)
        .with_min_len((CHUNK / width).max(1))
        .for_each(|o| {
            wide(
                #[inline(always)]
                || {
                    for (o, &b) in o.iter_mut().zip(factors) {
                        *o *= b;
                    }
                },
            );
        });
}

/// √(2/π), of GELU.
const GELU: f64 = 0.797_884_560_802_865_4;

impl<'t, T: Float> Var<'t, T> {
    /// y = f(x) with ∂y/∂x = slope(x, y).
    pub(super) fn unary(
        self,
        f: impl Fn(T) -> T + Sync,
        slope: impl Fn(T, T) -> T + Send + Sync + 'static,
    ) -> Self {
        let x = self.value();
        let mut y = self.arena().take(x.len());
        map(&mut y, &x, f);
        let id = self.id;
        let kept = Arc::new(y);
        self.record(&[self], kept.clone(), self.shape(), move |mut g, sums| {
            g.par_chunks_mut(CHUNK)
                .zip(x.par_chunks(CHUNK).zip(kept.par_chunks(CHUNK)))
                .for_each(|(g, (x, y))| {
                    wide(
                        #[inline(always)]
                        || {
                            let numbers = g.iter_mut().zip(x.iter().zip(y));
                            for (g, (&x, &y)) in numbers {
                                *g *= slope(x, y);
                            }
                        },
                    );
                });
            sums.give(id, g);
        })
    }

    fn same_shape(self, other: Self, what: &str) {
        assert_eq!(self.shape(), other.shape(), "{what}: shapes differ");
    }

    /// x + b, b broadcast over the leading dimensions: a bias `(n)`, or positions `(l, n)` of `(z, l, n)`.
    ///
    /// # Panics
    /// If the last dimensions of x are not those of b.
    #[must_use]
    pub fn add_rows(self, b: Self) -> Self {
        let (x, bias) = (self.value(), b.value());
        let shape = self.shape();
        assert!(
            shape.ends_with(&b.shape()),
            "add_rows: cannot broadcast {:?} over {shape:?}",
            b.shape()
        );
        let width = bias.len();
        let mut out = self.arena().take(x.len());
        out.par_chunks_mut(width.max(1))
            .zip(x.par_chunks(width.max(1)))
            .with_min_len((CHUNK / width.max(1)).max(1))
            .for_each(|(o, x)| {
                wide(
                    #[inline(always)]
                    || {
                        for (o, (&x, &b)) in o.iter_mut().zip(x.iter().zip(&bias[..])) {
                            *o = x + b;
                        }
                    },
                );
            });
        let (i, j) = (self.id, b.id);
        self.record(&[self, b], out, shape, move |g, sums| {
            sums.write(j, width, |out, add| columns(out, &g, width, add));
            sums.give(i, g);
        })
    }

    /// x ⊙ b, b broadcast over the leading dimensions: one factor per column of `(…, n)`.
    ///
    /// # Panics
    /// If the last dimensions of x are not those of b.
    #[must_use]
    pub fn mul_rows(self, b: Self) -> Self {
        let (x, factors) = (self.value(), b.value());
        let shape = self.shape();
        assert!(
            shape.ends_with(&b.shape()),
            "mul_rows: cannot broadcast {:?} over {shape:?}",
            b.shape()
        );
        let width = factors.len();
        let mut out = self.arena().take(x.len());
        out.copy_from_slice(&x);
        times_rows(&mut out, &factors);
        let (i, j) = (self.id, b.id);
        self.record(&[self, b], out, shape, move |mut g, sums| {
            let mut products = sums.take(g.len());
            map_two(&mut products, &g, &x, false, |g, x| g * x);
            sums.write(j, width, |out, add| columns(out, &products, width, add));
            sums.recycle(products);
            times_rows(&mut g, &factors);
            sums.give(i, g);
        })
    }

    /// s · x.
    #[must_use]
    pub fn scale(self, s: f64) -> Self {
        let s = T::of(s);
        let x = self.value();
        let mut out = self.arena().take(x.len());
        map(&mut out, &x, |x| s * x);
        let id = self.id;
        self.record(&[self], out, self.shape(), move |mut g, sums| {
            g.par_chunks_mut(CHUNK).for_each(|g| {
                wide(
                    #[inline(always)]
                    || {
                        for g in &mut *g {
                            *g *= s;
                        }
                    },
                );
            });
            sums.give(id, g);
        })
    }

    /// max(x, 0); at 0 the gradient is 0.
    #[must_use]
    pub fn relu(self) -> Self {
        let slope = |_, y| if y > T::ZERO { T::ONE } else { T::ZERO };
        self.unary(|x| x.larger(T::ZERO), slope)
    }

    /// max(x, slope · x), for a slope from 0 to 1 of negative numbers.
    #[must_use]
    pub fn leaky_relu(self, slope: f64) -> Self {
        let s = T::of(slope);
        let of = move |x: T, _| if x > T::ZERO { T::ONE } else { s };
        self.unary(move |x| x.larger(s * x), of)
    }

    /// x Φ(x) in the form with tanh: ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))).
    #[must_use]
    pub fn gelu(self) -> Self {
        let (half, cubic, c) = (T::of(0.5), T::of(0.044_715), T::of(GELU));
        let inner = move |x: T| Float::tanh(c * (x + cubic * x * x * x));
        self.unary(
            move |x| half * x * (T::ONE + inner(x)),
            move |x, _| {
                let t = inner(x);
                let slope = c * (T::ONE + T::of(3.0) * cubic * x * x);
                half * (T::ONE + t) + half * x * (T::ONE - t * t) * slope
            },
        )
    }

    /// 1 / (1 + e⁻ˣ).
    #[must_use]
    pub fn sigmoid(self) -> Self {
        self.unary(Float::sigmoid, |_, y| y * (T::ONE - y))
    }

    /// tanh x.
    #[must_use]
    pub fn tanh(self) -> Self {
        self.unary(Float::tanh, |_, y| T::ONE - y * y)
    }

    /// eˣ.
    #[must_use]
    pub fn exp(self) -> Self {
        self.unary(Float::exp, |_, y| y)
    }

    /// ln x.
    #[must_use]
    pub fn log(self) -> Self {
        self.unary(Float::ln, |x, _| T::ONE / x)
    }

    /// ln(1 + eˣ); −ln σ(x) is the softplus of −x.
    #[must_use]
    pub fn softplus(self) -> Self {
        self.unary(Float::softplus, |x, _| Float::sigmoid(x))
    }

    /// Dropout: each element is 0 with probability p, otherwise divided by 1 − p.
    ///
    /// # Panics
    /// If p is not in 0 ≤ p < 1.
    #[must_use]
    pub fn dropout(self, p: f32, rng: &mut Rng) -> Self {
        assert!(
            (0.0..1.0).contains(&p),
            "dropout must be at least 0 and below 1, but is {p}"
        );
        if p == 0.0 {
            return self;
        }
        let kept = T::of(1.0 / (1.0 - f64::from(p)));
        let x = self.value();
        let mut mask = self.arena().take(x.len());
        for m in &mut mask {
            *m = if rng.unit() < p { T::ZERO } else { kept };
        }
        let mut out = self.arena().take(x.len());
        map_two(&mut out, &x, &mask, false, |x, m| x * m);
        let id = self.id;
        self.record(&[self], out, self.shape(), move |mut g, sums| {
            update(&mut g, &mask, |g, m| g * m);
            sums.recycle(mask);
            sums.give(id, g);
        })
    }

    /// Σ f(x) as a scalar, with the slope of f.
    fn reduce(
        self,
        scale: f64,
        f: impl Fn(T) -> T + Sync,
        slope: impl Fn(T) -> T + Send + Sync + 'static,
    ) -> Self {
        let x = self.value();
        let scale = T::of(scale);
        let mut out = self.arena().take(1);
        out[0] = scale * total(&x, f);
        let id = self.id;
        self.record(&[self], out, Shape::new(&[]), move |g, sums| {
            let s = scale * g[0];
            sums.write(id, x.len(), |out, add| match add {
                true => update(out, &x, |o, x| o + s * slope(x)),
                false => map(out, &x, |x| s * slope(x)),
            });
            sums.recycle(g);
        })
    }

    /// Σ x.
    #[must_use]
    pub fn sum(self) -> Self {
        self.reduce(1.0, |x| x, |_| T::ONE)
    }

    /// The mean of all elements.
    #[must_use]
    pub fn mean(self) -> Self {
        let n = self.shape().count().max(1);
        self.reduce(1.0 / n as f64, |x| x, |_| T::ONE)
    }

    /// Σ x², the L2 term of a loss.
    #[must_use]
    pub fn sum_of_squares(self) -> Self {
        self.reduce(1.0, |x| x * x, |x| x + x)
    }

    /// The mean of x².
    #[must_use]
    pub fn mean_of_squares(self) -> Self {
        let n = self.shape().count().max(1);
        self.reduce(1.0 / n as f64, |x| x * x, |x| x + x)
    }
}

impl<T: Float> Add for Var<'_, T> {
    type Output = Self;

    /// x + y.
    fn add(self, y: Self) -> Self {
        self.same_shape(y, "addition");
        let (a, b) = (self.value(), y.value());
        let mut out = self.arena().take(a.len());
        map_two(&mut out, &a, &b, false, |a, b| a + b);
        let (i, j) = (self.id, y.id);
        self.record(&[self, y], out, self.shape(), move |g, sums| {
            sums.write(j, g.len(), |out, add| match add {
                true => update(out, &g, |o, g| o + g),
                false => out.copy_from_slice(&g),
            });
            sums.give(i, g);
        })
    }
}

impl<T: Float> Sub for Var<'_, T> {
    type Output = Self;

    /// x − y.
    fn sub(self, y: Self) -> Self {
        self.same_shape(y, "subtraction");
        let (a, b) = (self.value(), y.value());
        let mut out = self.arena().take(a.len());
        map_two(&mut out, &a, &b, false, |a, b| a - b);
        let (i, j) = (self.id, y.id);
        self.record(&[self, y], out, self.shape(), move |g, sums| {
            sums.write(j, g.len(), |out, add| match add {
                true => update(out, &g, |o, g| o - g),
                false => map(out, &g, |g| -g),
            });
            sums.give(i, g);
        })
    }
}

impl<T: Float> Mul for Var<'_, T> {
    type Output = Self;

    /// x ⊙ y, elementwise.
    fn mul(self, y: Self) -> Self {
        self.same_shape(y, "multiplication");
        let (a, b) = (self.value(), y.value());
        let mut out = self.arena().take(a.len());
        map_two(&mut out, &a, &b, false, |a, b| a * b);
        let (i, j) = (self.id, y.id);
        self.record(&[self, y], out, self.shape(), move |mut g, sums| {
            sums.write(j, g.len(), |out, add| {
                map_two(out, &g, &a, add, |g, a| g * a);
            });
            update(&mut g, &b, |g, b| g * b);
            sums.give(i, g);
        })
    }
}
