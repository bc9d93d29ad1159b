//! Gathers, and other rearrangements.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::elementwise::update;
use super::gradients::CHUNK;
use super::{Float, Shape, Var};

/// Copies `(a, b, c, d)` to `(a, c, b, d)`.
fn swap_middle<T: Float>(out: &mut [T], x: &[T], [b, c, d]: [usize; 3]) {
    if b * c * d == 0 {
        return;
    }
    out.par_chunks_mut(b * c * d)
        .zip(x.par_chunks(b * c * d))
        .for_each(|(out, x)| {
            for (to, out) in out.chunks_exact_mut(d).enumerate() {
                let (at_c, at_b) = (to / b, to % b);
                out.copy_from_slice(&x[(at_b * c + at_c) * d..][..d]);
            }
        });
}

impl<'t, T: Float> Var<'t, T> {
    /// Rows `at` of a table `(n, w)`, as `(at.len(), w)`: an embedding lookup. The gradient of
    /// a leaf has only the rows that were gathered.
    ///
    /// # Panics
    /// If a row index is not below n.
    #[must_use]
    pub fn gather(self, at: impl Into<Arc<Vec<u32>>>) -> Self {
        let (table, at) = (self.value(), at.into());
        let [_, width] = self.shape()[..] else {
            panic!("gather: expected a matrix, found shape {:?}", self.shape())
        };
        let mut out = self.arena().take(at.len() * width);
        out.par_chunks_mut(width.max(1))
            .zip(&at[..])
            .with_min_len(256)
            .for_each(|(o, &row)| o.copy_from_slice(&table[row as usize * width..][..width]));
        let (id, shape) = (self.id, Shape::new(&[at.len(), width]));
        self.record(&[self], out, shape, move |g, sums| {
            sums.read(id, at, width, g);
        })
    }

    /// The same elements in another shape.
    ///
    /// # Panics
    /// If the number of elements differs.
    #[must_use]
    pub fn reshape(self, shape: &[usize]) -> Self {
        let id = self.id;
        self.record(&[self], self.value(), Shape::new(shape), move |g, sums| {
            sums.give(id, g);
        })
    }

    /// `(z, l, h·d) → (z·h, l, d)`: moves attention heads to the batch dimension.
    ///
    /// # Panics
    /// If the last dimension is not a multiple of `heads`.
    #[must_use]
    pub fn split_heads(self, heads: usize) -> Self {
        let [z, l, w] = self.shape()[..] else {
            panic!(
                "expected a batch of sequences (three dimensions), found shape {:?}",
                self.shape()
            )
        };
        assert_eq!(
            w % heads,
            0,
            "cannot split into {heads} heads: {:?}",
            self.shape()
        );
        let d = w / heads;
        self.swap([l, heads, d], &[z * heads, l, d])
    }

    /// `(z·h, l, d) → (z, l, h·d)`, the inverse of [`split_heads`](Self::split_heads).
    ///
    /// # Panics
    /// If the first dimension is not a multiple of `heads`.
    #[must_use]
    pub fn merge_heads(self, heads: usize) -> Self {
        let [zh, l, d] = self.shape()[..] else {
            panic!(
                "expected a batch of heads (three dimensions), found shape {:?}",
                self.shape()
            )
        };
        assert_eq!(
            zh % heads,
            0,
            "cannot merge {heads} heads: {:?}",
            self.shape()
        );
        self.swap([heads, l, d], &[zh / heads, l, heads * d])
    }

    /// `(…, m, n) → (…, n, m)`.
    ///
    /// # Panics
    /// If there are fewer than two dimensions.
    #[must_use]
    pub fn transpose(self) -> Self {
        let shape = self.shape();
        let [before @ .., m, n] = &shape[..] else {
            panic!("a matrix, not {shape:?}")
        };
        let (m, n) = (*m, *n);
        self.swap([m, n, 1], &[before, &[n, m]].concat())
    }

    fn swap(self, [b, c, d]: [usize; 3], shape: &[usize]) -> Self {
        let x = self.value();
        let mut out = self.arena().take(x.len());
        swap_middle(&mut out, &x, [b, c, d]);
        let id = self.id;
        self.record(&[self], out, Shape::new(shape), move |g, sums| {
            let mut back = sums.take(g.len());
            swap_middle(&mut back, &g, [c, b, d]);
            sums.give(id, back);
            sums.recycle(g);
        })
    }

    /// Columns of the last dimension: `(…, n) → (…, range.len())`.
    ///
    /// # Panics
    /// If the range exceeds n.
    #[must_use]
    pub fn columns(self, range: Range<usize>) -> Self {
        let (x, shape) = (self.value(), self.shape());
        let (from, width) = (shape.width(), range.len());
        assert!(range.end <= from, "columns {range:?} of {shape:?}");
        let mut out = self.arena().take(shape.rows() * width);
        if width > 0 {
            for (o, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(from)) {
                o.copy_from_slice(&x[range.clone()]);
            }
        }
        let (id, n) = (self.id, x.len());
        self.record(&[self], out, shape.with_width(width), move |g, sums| {
            sums.write(id, n, |out, add| {
                if !add {
                    out.fill(T::ZERO);
                }
                if width > 0 {
                    for (o, g) in out.chunks_exact_mut(from).zip(g.chunks_exact(width)) {
                        let o = o[range.clone()].iter_mut();
                        o.zip(g).for_each(|(o, &g)| *o += g);
                    }
                }
            });
            sums.recycle(g);
        })
    }

    /// Step l of every sequence: `(z, l, w) → (z, w)`.
    ///
    /// # Panics
    /// If there are fewer steps.
    #[must_use]
    pub fn step(self, l: usize) -> Self {
        let [z, steps, w] = self.shape()[..] else {
            panic!(
                "expected a batch of sequences (three dimensions), found shape {:?}",
                self.shape()
            )
        };
        assert!(l < steps, "step {l} of {:?}", self.shape());
        self.reshape(&[z, steps * w]).columns(l * w..(l + 1) * w)
    }

    /// Concatenates columns: `(…, a), (…, b) → (…, a + b)`.
    ///
    /// # Panics
    /// If the numbers of rows differ.
    #[must_use]
    pub fn concat(self, y: Self) -> Self {
        let (a, b) = (self.value(), y.value());
        let (w, v) = (self.shape().width(), y.shape().width());
        let rows = self.shape().rows();
        assert_eq!(
            rows,
            y.shape().rows(),
            "concatenating columns: numbers of rows differ"
        );
        let mut out = self.arena().take(rows * (w + v));
        if w + v > 0 {
            for (r, o) in out.chunks_exact_mut(w + v).enumerate() {
                o[..w].copy_from_slice(&a[r * w..][..w]);
                o[w..].copy_from_slice(&b[r * v..][..v]);
            }
        }
        let (i, j) = (self.id, y.id);
        let shape = self.shape().with_width(w + v);
        self.record(&[self, y], out, shape, move |g, sums| {
            for (id, from, width) in [(i, 0, w), (j, w, v)] {
                let mut part = sums.take(rows * width);
                for (r, part) in part.chunks_exact_mut(width.max(1)).enumerate() {
                    part.copy_from_slice(&g[r * (w + v) + from..][..width]);
                }
                sums.give(id, part);
            }
            sums.recycle(g);
        })
    }

    /// Concatenates rows: `(m, w), (n, w) → (m + n, w)`.
    ///
    /// # Panics
    /// If the widths differ.
    #[must_use]
    pub fn stack(self, y: Self) -> Self {
        let (a, b, width) = (self.value(), y.value(), self.shape().width());
        assert_eq!(
            width,
            y.shape().width(),
            "concatenating rows: widths differ"
        );
        let mut out = self.arena().take(a.len() + b.len());
        out[..a.len()].copy_from_slice(&a);
        out[a.len()..].copy_from_slice(&b);
        let rows = self.shape().rows() + y.shape().rows();
        let (i, j) = (self.id, y.id);
        self.record(
            &[self, y],
            out,
            Shape::new(&[rows, width]),
            move |g, sums| {
                let (first, second) = g.split_at(a.len());
                for (id, part) in [(i, first), (j, second)] {
                    sums.write(id, part.len(), |out, add| match add {
                        true => update(out, part, |o, g| o + g),
                        false => out.copy_from_slice(part),
                    });
                }
                sums.recycle(g);
            },
        )
    }

    /// A range of rows: `(n, w) → (range.len(), w)`.
    ///
    /// # Panics
    /// If the range exceeds n.
    #[must_use]
    pub fn rows(self, range: Range<usize>) -> Self {
        let (x, shape) = (self.value(), self.shape());
        let width = shape.width();
        assert!(range.end <= shape.rows(), "rows {range:?} of {shape:?}");
        let at = range.start * width..range.end * width;
        let mut out = self.arena().take(at.len());
        out.copy_from_slice(&x[at.clone()]);
        let (id, n) = (self.id, x.len());
        let shape = Shape::new(&[range.len(), width]);
        self.record(&[self], out, shape, move |g, sums| {
            sums.write(id, n, |out, add| {
                if !add {
                    out.par_chunks_mut(CHUNK).for_each(|o| o.fill(T::ZERO));
                }
                let out = out[at].iter_mut();
                out.zip(&g).for_each(|(o, &g)| *o += g);
            });
            sums.recycle(g);
        })
    }
}
