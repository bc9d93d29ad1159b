//! The k largest elements of each row, the activation of sparse autoencoders.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::lanes::{dot, weighted_rows};
use super::{Float, Shape, Var};
use crate::wide::wide;

/// The k largest elements above 0 of each row, by column; rows with fewer are padded
/// with zeros. Ties go to the lower column.
struct Code<T> {
    k: usize,
    values: Vec<T>,    // (rows, k)
    columns: Vec<u32>, // (rows, k), ascending in each row
}

fn order<T: Float>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

impl<T: Float> Code<T> {
    fn of(x: &[T], width: usize, k: usize) -> Self {
        let k = k.min(width);
        let rows = x.len().checked_div(width).unwrap_or(0);
        let (mut values, mut columns) = (vec![T::ZERO; rows * k], vec![0u32; rows * k]);
        if k > 0 {
            values
                .par_chunks_mut(k)
                .zip(columns.par_chunks_mut(k))
                .zip(x.par_chunks(width))
                .for_each_init(Vec::new, |sorted: &mut Vec<T>, ((values, columns), x)| {
                    sorted.clear();
                    sorted.extend_from_slice(x);
                    let (_, &mut least, _) =
                        sorted.select_nth_unstable_by(k - 1, |&a, &b| order(b, a));
                    // Elements equal to the smallest one fill the remaining slots.
                    let mut equal = k - x.iter().filter(|&&x| x > least).count();
                    let mut at = 0;
                    for (column, &x) in x.iter().enumerate() {
                        let kept = x > least || x == least && equal > 0;
                        if kept && at < k {
                            equal -= usize::from(x == least);
                            values[at] = x.larger(T::ZERO);
                            columns[at] = column as u32;
                            at += 1;
                        }
                    }
                });
        }
        Self { k, values, columns }
    }

    fn row(&self, row: usize) -> impl Iterator<Item = (T, u32)> + Clone {
        let at = row * self.k..(row + 1) * self.k;
        let values = self.values[at.clone()].iter().copied();
        values.zip(self.columns[at].iter().copied())
    }

    /// By column: offsets, and the entries with their rows, ascending.
    fn by_column(&self, width: usize) -> (Vec<usize>, Vec<(T, u32)>) {
        let mut offsets = vec![0usize; width + 1];
        for &c in &self.columns {
            offsets[c as usize + 1] += 1;
        }
        for c in 0..width {
            offsets[c + 1] += offsets[c];
        }
        let mut next = offsets.clone();
        let mut entries = vec![(T::ZERO, 0u32); self.columns.len()];
        for (at, (&c, &value)) in self.columns.iter().zip(&self.values).enumerate() {
            entries[next[c as usize]] = (value, (at / self.k) as u32);
            next[c as usize] += 1;
        }
        (offsets, entries)
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// Keeps the k largest elements above 0 of each row, all others become 0; ties go to the
    /// lower column. The gradient is passed to the elements that were kept.
    #[must_use]
    pub fn top_k(self, k: usize) -> Self {
        let (x, shape) = (self.value(), self.shape());
        let width = shape.width();
        let code = Code::of(&x, width, k);
        let mut out = self.arena().zeros(x.len());
        for (row, out) in out.chunks_exact_mut(width.max(1)).enumerate() {
            code.row(row).for_each(|(value, c)| out[c as usize] = value);
        }
        let id = self.id;
        let kept = std::sync::Arc::new(out);
        self.record(&[self], kept.clone(), shape, move |mut g, sums| {
            super::elementwise::update(&mut g, &kept, |g, y| if y > T::ZERO { g } else { T::ZERO });
            sums.give(id, g);
        })
    }

    /// `top_k(k)` times W `(units, w)`, in time proportional to the elements that are kept.
    ///
    /// # Panics
    /// If the width of the rows is not the number of rows of W.
    #[must_use]
    pub fn top_k_matmul(self, w: Self, k: usize) -> Self {
        let (x, weights, shape) = (self.value(), w.value(), self.shape());
        let units = shape.width();
        let [rows, width] = w.shape()[..] else {
            panic!(
                "top_k: expected a weight matrix, found shape {:?}",
                w.shape()
            )
        };
        assert_eq!(units, rows, "{shape:?} times {:?}", w.shape());
        let code = Code::of(&x, units, k);
        let mut out = self.arena().take(shape.rows() * width);
        out.par_chunks_mut(width.max(1))
            .enumerate()
            .for_each(|(row, out)| {
                wide(
                    #[inline(always)]
                    || weighted_rows(out, &weights, code.row(row)),
                );
            });
        let (i, j) = (self.id, w.id);
        let m = shape.rows();
        self.record(&[self, w], out, Shape::new(&[m, width]), move |g, sums| {
            if sums.wants(i) {
                let mut dx = sums.take(m * units);
                dx.par_chunks_mut(units.max(1))
                    .enumerate()
                    .for_each(|(row, dx)| {
                        dx.fill(T::ZERO);
                        let g = &g[row * width..][..width];
                        wide(
                            #[inline(always)]
                            || {
                                for (value, c) in code.row(row) {
                                    if value > T::ZERO {
                                        dx[c as usize] =
                                            dot(g, &weights[c as usize * width..][..width]);
                                    }
                                }
                            },
                        );
                    });
                sums.give(i, dx);
            }
            if sums.wants(j) {
                let (offsets, entries) = code.by_column(units);
                let mut dw = sums.take(units * width);
                dw.par_chunks_mut(width.max(1))
                    .enumerate()
                    .for_each(|(unit, dw)| {
                        let entries = &entries[offsets[unit]..offsets[unit + 1]];
                        wide(
                            #[inline(always)]
                            || weighted_rows(dw, &g, entries.iter().copied()),
                        );
                    });
                sums.give(j, dw);
            }
            sums.recycle(g);
        })
    }
}
