//! Dense and sparse products.

use std::sync::Arc;

use rayon::prelude::*;

use super::elementwise::columns;
use super::lanes::{self, weighted_rows};
use super::{Float, Shape, Var};
use crate::matmul::{Factor, product, product_here};
use crate::wide::wide;

/// Rows of a sparse matrix per task.
const ROWS: usize = 64;

/// A constant sparse matrix `(rows, columns)`, such as the normalized adjacency of a graph, and its
/// transpose for the gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct Csr<T = f32> {
    n_columns: usize,
    forward: Half<T>,
    /// The transpose; `None` if the matrix is symmetric.
    transpose: Option<Half<T>>,
}

/// A sparse matrix by rows: row r has the entries `offsets[r]..offsets[r + 1]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Half<T> {
    pub(super) offsets: Vec<usize>,
    pub(super) columns: Vec<u32>,
    pub(super) values: Vec<T>,
}

impl<T: Float> Half<T> {
    pub(super) fn transpose(&self, n_columns: usize) -> Self {
        let mut offsets = vec![0usize; n_columns + 1];
        for &c in &self.columns {
            offsets[c as usize + 1] += 1;
        }
        for c in 0..n_columns {
            offsets[c + 1] += offsets[c];
        }
        let mut next = offsets.clone();
        let mut columns = vec![0u32; self.columns.len()];
        let mut values = vec![T::ZERO; self.values.len()];
        for (row, ends) in self.offsets.windows(2).enumerate() {
            for at in ends[0]..ends[1] {
                let to = &mut next[self.columns[at] as usize];
                columns[*to] = row as u32;
                values[*to] = self.values[at];
                *to += 1;
            }
        }
        Self {
            offsets,
            columns,
            values,
        }
    }

    /// Its product with rows x of some width.
    pub(super) fn times(&self, x: &[T], width: usize, out: &mut [T]) {
        out.par_chunks_mut((ROWS * width).max(1))
            .enumerate()
            .for_each(|(block, out)| {
                wide(
                    #[inline(always)]
                    || {
                        for (at, out) in out.chunks_exact_mut(width).enumerate() {
                            let row = block * ROWS + at;
                            let entries = self.offsets[row]..self.offsets[row + 1];
                            let values = self.values[entries.clone()].iter().copied();
                            let pairs = values.zip(self.columns[entries].iter().copied());
                            weighted_rows(out, x, pairs);
                        }
                    },
                );
            });
    }
}

impl<T: Float> Csr<T> {
    /// Row r has the entries `offsets[r]..offsets[r + 1]` of `columns` and `values`.
    ///
    /// # Panics
    /// If the lengths of the arrays do not match, or a column is not below `n_columns`.
    #[must_use]
    pub fn new(offsets: Vec<usize>, columns: Vec<u32>, values: Vec<T>, n_columns: usize) -> Self {
        let forward = Half {
            offsets,
            columns,
            values,
        };
        let (rows, entries) = (&forward.offsets, forward.columns.len());
        assert!(
            rows.first() == Some(&0)
                && rows.last() == Some(&entries)
                && rows.is_sorted()
                && forward.values.len() == entries,
            "sparse matrix: offsets, columns and values do not match"
        );
        assert!(
            forward.columns.iter().all(|&c| (c as usize) < n_columns),
            "sparse matrix: columns must be below {n_columns}"
        );
        let transpose = forward.transpose(n_columns);
        Self {
            n_columns,
            transpose: (transpose != forward).then_some(transpose),
            forward,
        }
    }

    /// Rows and columns.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.forward.offsets.len() - 1, self.n_columns)
    }
}

/// A factor `(rows, columns)` that is stored as it is, or transposed.
fn factor<T>(values: &[T], rows: usize, columns: usize, transposed: bool) -> Factor<'_, T> {
    match transposed {
        true => Factor::new(values, columns, rows).t(),
        false => Factor::new(values, rows, columns),
    }
}

/// Sizes of a batch of products: `z` times `(m, k) · (k, n)`.
#[derive(Clone, Copy)]
struct Sizes {
    m: usize,
    n: usize,
    k: usize,
}

/// `out = a · b` or `out += a · b` for every matrix of a batch; a factor is stored transposed if its
/// flag says so.
fn batches<T: Float>(
    out: &mut [T],
    Sizes { m, n, k }: Sizes,
    (a, a_transposed): (&[T], bool),
    (b, b_transposed): (&[T], bool),
    add: bool,
) {
    if m * n == 0 {
        return;
    }
    out.par_chunks_mut(m * n)
        .enumerate()
        .with_min_len(8)
        .for_each(|(z, out)| {
            let (a, b) = (&a[z * m * k..][..m * k], &b[z * k * n..][..k * n]);
            let a = factor(a, m, k, a_transposed);
            let b = factor(b, k, n, b_transposed);
            product_here(out, a, b, add);
        });
}

impl<'t, T: Float> Var<'t, T> {
    /// X W: `(…, k) · (k, n) → (…, n)`.
    ///
    /// # Panics
    /// If the width of X is not the number of rows of W.
    #[must_use]
    pub fn matmul(self, w: Self) -> Self {
        self.dense(w, false, None)
    }

    /// X W + b: `(…, k) · (k, n) + (n)`.
    ///
    /// # Panics
    /// If the shapes disagree.
    #[must_use]
    pub fn linear(self, w: Self, b: Self) -> Self {
        self.dense(w, false, Some(b))
    }

    /// X Yᵀ: `(…, k) · (n, k)ᵀ → (…, n)`.
    ///
    /// # Panics
    /// If the widths differ.
    #[must_use]
    pub fn matmul_t(self, y: Self) -> Self {
        self.dense(y, true, None)
    }

    /// X Yᵀ + b: `(…, k) · (n, k)ᵀ + (n)`.
    ///
    /// # Panics
    /// If the shapes disagree.
    #[must_use]
    pub fn linear_t(self, y: Self, b: Self) -> Self {
        self.dense(y, true, Some(b))
    }

    /// X W, or X Wᵀ if it is `transposed`, and a bias.
    fn dense(self, w: Self, transposed: bool, b: Option<Self>) -> Self {
        let (x, weights, shape) = (self.value(), w.value(), self.shape());
        let [height, width] = w.shape()[..] else {
            panic!("expected a weight matrix, found shape {:?}", w.shape())
        };
        let (k, n) = match transposed {
            true => (width, height),
            false => (height, width),
        };
        assert_eq!(shape.width(), k, "{shape:?} times {:?}", w.shape());
        let m = shape.rows();
        let mut out = self.arena().take(m * n);
        if let Some(b) = b {
            assert_eq!(
                &b.shape()[..],
                &[n],
                "linear: expected a bias of length {n}"
            );
            let b = b.value();
            out.par_chunks_mut(n.max(1))
                .with_min_len(256)
                .for_each(|o| o.copy_from_slice(&b));
        }
        let biased = b.is_some();
        if n == 1 {
            out.par_iter_mut()
                .zip(x.par_chunks(k.max(1)))
                .with_min_len(256)
                .for_each(|(o, x)| {
                    let dot = wide(
                        #[inline(always)]
                        || lanes::dot(x, &weights),
                    );
                    *o = if biased { *o + dot } else { dot };
                });
        } else {
            let w = factor(&weights, k, n, transposed);
            product(&mut out, Factor::new(&x, m, k), w, biased);
        }
        let (i, j, l) = (self.id, w.id, b.map(|b| b.id));
        let inputs = [self, w, b.unwrap_or(w)];
        self.record(&inputs, out, shape.with_width(n), move |g, sums| {
            if let Some(l) = l {
                sums.write(l, n, |out, add| columns(out, &g, n, add));
            }
            let (x, errors) = (Factor::new(&x, m, k), Factor::new(&g, m, n));
            sums.write(i, m * k, |out, add| {
                product(out, errors, factor(&weights, k, n, transposed).t(), add);
            });
            sums.write(j, k * n, |out, add| match transposed {
                true => product(out, errors.t(), x, add),
                false => product(out, x.t(), errors, add),
            });
            sums.recycle(g);
        })
    }

    /// X_z Y_z for every z: `(z, m, k) · (z, k, n) → (z, m, n)`.
    ///
    /// # Panics
    /// If the shapes disagree.
    #[must_use]
    pub fn batched_matmul(self, y: Self) -> Self {
        self.batched(y, false)
    }

    /// X_z Y_zᵀ for every z: `(z, m, k) · (z, n, k)ᵀ → (z, m, n)`.
    ///
    /// # Panics
    /// If the shapes disagree.
    #[must_use]
    pub fn batched_matmul_t(self, y: Self) -> Self {
        self.batched(y, true)
    }

    fn batched(self, y: Self, transposed: bool) -> Self {
        let (a, b) = (self.value(), y.value());
        let (&[z, m, k], &[z_b, rows, columns]) = (&self.shape()[..], &y.shape()[..]) else {
            panic!("batches {:?} and {:?}", self.shape(), y.shape())
        };
        let (k_b, n) = match transposed {
            true => (columns, rows),
            false => (rows, columns),
        };
        let fits = z == z_b && k == k_b;
        assert!(fits, "batches {:?} and {:?}", self.shape(), y.shape());
        let mut out = self.arena().take(z * m * n);
        batches(
            &mut out,
            Sizes { m, n, k },
            (&a, false),
            (&b, transposed),
            false,
        );
        let (i, j) = (self.id, y.id);
        self.record(&[self, y], out, Shape::new(&[z, m, n]), move |g, sums| {
            sums.write(i, a.len(), |out, add| {
                let sizes = Sizes { m, n: k, k: n };
                batches(out, sizes, (&g, false), (&b, !transposed), add);
            });
            sums.write(j, b.len(), |out, add| match transposed {
                true => batches(
                    out,
                    Sizes { m: n, n: k, k: m },
                    (&g, true),
                    (&a, false),
                    add,
                ),
                false => batches(out, Sizes { m: k, n, k: m }, (&a, true), (&g, false), add),
            });
            sums.recycle(g);
        })
    }

    /// A X for a constant sparse A `(m, n)`: `(n, w) → (m, w)`. Every row is summed in the order of its
    /// entries.
    ///
    /// # Panics
    /// If the number of rows of X is not the number of columns of A.
    #[must_use]
    pub fn sparse_matmul(self, a: &Arc<Csr<T>>) -> Self {
        let (x, shape, a) = (self.value(), self.shape(), a.clone());
        let (rows, columns) = a.shape();
        assert_eq!(
            shape.rows(),
            columns,
            "sparse product: rows of {shape:?} and columns of the sparse matrix differ"
        );
        let width = shape.width();
        let mut out = self.arena().take(rows * width);
        a.forward.times(&x, width, &mut out);
        let id = self.id;
        self.record(&[self], out, Shape::new(&[rows, width]), move |g, sums| {
            let mut back = sums.take(columns * width);
            let transpose = a.transpose.as_ref().unwrap_or(&a.forward);
            transpose.times(&g, width, &mut back);
            sums.give(id, back);
            sums.recycle(g);
        })
    }
}
