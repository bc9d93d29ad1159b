//! Logical operations with weights from 0 to 1 on values from 0 to 1.

use rayon::prelude::*;

use super::{Float, Var};

/// What keeps logarithms finite: 1 − x w is at least 1e-6.
const LARGEST: f64 = 1.0 - 1e-6;

impl<'t, T: Float> Var<'t, T> {
    /// Weighted conjunctions P(1 − W (1 − x)): `(…, n) · (n, r) → (…, r)` with P(v) = −1 / (−1 + Σ ln v), the
    /// logical activation of RRL (Wang et al., NeurIPS 2021). 1 where every input with a weight holds; 1 without
    /// weights.
    ///
    /// # Panics
    /// If the width of x is not the number of rows of W.
    #[must_use]
    pub fn conjunction(self, w: Self) -> Self {
        let absent = self.unary(|x| T::ONE - x, |_, _| -T::ONE);
        let cost = absent.costs(w);
        cost.unary(|s| T::ONE / (T::ONE + s), |_, y| -y * y)
    }

    /// Weighted disjunctions 1 − P(1 − W x), as [`conjunction`](Self::conjunction). 0 where no input with a
    /// weight holds; 0 without weights.
    ///
    /// # Panics
    /// If the width of x is not the number of rows of W.
    #[must_use]
    pub fn disjunction(self, w: Self) -> Self {
        let slope = |s: T, _| {
            let y = T::ONE / (T::ONE + s);
            y * y
        };
        self.costs(w).unary(|s| s / (T::ONE + s), slope)
    }

    /// −Σ_i ln(1 − x_i w_ir) of each row: `(…, n) · (n, r) → (…, r)`.
    fn costs(self, w: Self) -> Self {
        let (x, weights, shape) = (self.value(), w.value(), self.shape());
        let [n, r] = w.shape()[..] else {
            panic!("logic: expected a matrix, found shape {:?}", w.shape())
        };
        assert_eq!(shape.width(), n, "{shape:?} times {:?}", w.shape());
        let c = T::of(LARGEST);
        let mut out = self.arena().take(shape.rows() * r);
        out.par_chunks_mut(r.max(1))
            .zip(x.par_chunks(n.max(1)))
            .with_min_len(16)
            .for_each(|(out, x)| {
                out.fill(T::ZERO);
                // An input of 0 costs nothing.
                for (&x, w) in x.iter().zip(weights.chunks_exact(r)) {
                    if x != T::ZERO {
                        let numbers = out.iter_mut().zip(w);
                        numbers.for_each(|(o, &w)| *o -= Float::ln(T::ONE - c * x * w));
                    }
                }
            });
        if n == 0 {
            out.fill(T::ZERO);
        }
        let (i, j) = (self.id, w.id);
        self.record(&[self, w], out, shape.with_width(r), move |g, sums| {
            sums.write(i, x.len(), |out, add| {
                out.par_chunks_mut(n.max(1))
                    .zip(x.par_chunks(n.max(1)))
                    .zip(g.par_chunks(r.max(1)))
                    .with_min_len(16)
                    .for_each(|((out, x), g)| {
                        let inputs = out.iter_mut().zip(x).zip(weights.chunks_exact(r));
                        for ((o, &x), w) in inputs {
                            let mut sum = if add { *o } else { T::ZERO };
                            for (&g, &w) in g.iter().zip(w) {
                                sum += g * c * w / (T::ONE - c * x * w);
                            }
                            *o = sum;
                        }
                    });
            });
            sums.write(j, weights.len(), |out, add| {
                out.par_chunks_mut(r.max(1))
                    .zip(weights.par_chunks(r.max(1)))
                    .enumerate()
                    .for_each(|(at, (out, w))| {
                        if !add {
                            out.fill(T::ZERO);
                        }
                        for (x, g) in x.chunks_exact(n).zip(g.chunks_exact(r)) {
                            let x = x[at];
                            if x != T::ZERO {
                                for ((o, &g), &w) in out.iter_mut().zip(g).zip(w) {
                                    *o += g * c * x / (T::ONE - c * x * w);
                                }
                            }
                        }
                    });
            });
            sums.recycle(g);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tape;

    /// P(v) = 1 / (1 − Σ ln v), by hand for x = (1, 0.5) and weights (0.5, 0.8) and (0, 0).
    #[test]
    fn both_operations_by_hand() {
        let tape = Tape::<f64>::default();
        let x = tape.constant(vec![1.0, 0.5], &[1, 2]);
        let w = tape.constant(vec![0.5, 0.0, 0.8, 0.0], &[2, 2]);
        // 1 − W (1 − x) = (1, 0.6); 1 − W x = (0.5, 0.6).
        let and = 1.0 / (1.0 - 0.6f64.ln());
        let or = 1.0 - 1.0 / (1.0 - 0.5f64.ln() - 0.6f64.ln());
        for (found, expected) in [
            (x.conjunction(w), [and, 1.0]),
            (x.disjunction(w), [or, 0.0]),
        ] {
            for (found, expected) in found.value().iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
    }

    /// With weights of 0 and 1 on inputs of 0 and 1, values are nearly those of logic, and finite.
    #[test]
    fn hard_weights_are_logic() {
        let tape = Tape::<f32>::default();
        let x = tape.leaf(vec![1.0, 1.0, 1.0, 0.0, 0.0, 0.0].into(), &[3, 2]);
        let w = tape.leaf(vec![1.0, 1.0].into(), &[2, 1]);
        let (and, or) = (x.conjunction(w), x.disjunction(w));
        let near = |found: &[f32], expected: [f32; 3]| {
            let mut pairs = found.iter().zip(expected);
            pairs.all(|(f, e)| (f - e).abs() < 0.1)
        };
        assert!(near(&and.value(), [1.0, 0.0, 0.0]), "{:?}", and.value());
        assert!(near(&or.value(), [1.0, 1.0, 0.0]), "{:?}", or.value());
        let mut gradients = (and + or).sum().backward();
        let finite = |g: Vec<f32>| g.iter().all(|g| g.is_finite());
        assert!(finite(gradients.take(x).dense(6)) && finite(gradients.take(w).dense(2)));
    }
}
