//! Layers of which every row uses only a few outputs: the k largest, as in sparse autoencoders.
//!
//! All outputs are computed in one dense product, but the backward pass touches only those that were used:
//! its time is proportional to their number.

use std::sync::Arc;

use rayon::prelude::*;

use super::lanes::dot;
use super::products::Half;
use super::{Float, Shape, Sums, Var};
use crate::wide::wide;

/// Elements that are compared with the smallest one kept, at a time.
const BLOCK: usize = 32;

/// The outputs `X Wᵀ + b` of a layer, `(rows, units)`.
#[derive(Clone, Copy)]
pub struct Layer<'t, T: Float = f32> {
    x: Var<'t, T>, // (rows, inputs)
    w: Var<'t, T>, // (units, inputs)
    b: Var<'t, T>, // (units)
    outputs: Var<'t, T>,
}

/// The outputs of a layer that are used: of each row the k largest above 0, by ascending unit. Ties go to the lower
/// unit.
#[derive(Clone)]
pub struct Code<'t, T: Float = f32> {
    layer: Layer<'t, T>,
    used: Arc<Used<T>>,
}

/// Rows with fewer than k are padded with the value 0 of unit 0.
struct Used<T> {
    rows: usize,
    k: usize,
    units: usize,
    values: Vec<T>,    // (rows, k)
    columns: Vec<u32>, // (rows, k)
}

/// Keeps the `k` largest; returns the smallest of them.
fn keep<T: Float>(found: &mut Vec<(T, u32)>, k: usize) -> T {
    // As numbers of double precision they have a total order, whatever they are.
    let larger = |a: &(T, u32), b: &(T, u32)| {
        let by_value = b.0.to_f64().total_cmp(&a.0.to_f64());
        by_value.then(a.1.cmp(&b.1))
    };
    let (_, least, _) = found.select_nth_unstable_by(k - 1, larger);
    let least = least.0;
    found.truncate(k);
    least
}

/// The elements of a block above `least` with their columns, in the first places of `out`; their number. Not a
/// number counts as large, so that it is not lost. Without a branch per element, which could not be predicted.
#[allow(clippy::neg_cmp_op_on_partial_ord)]
#[inline(always)]
fn above<T: Float>(
    block: &[T],
    start: usize,
    least: T,
    chosen: impl Fn(usize) -> bool,
    out: &mut [(T, u32); BLOCK],
) -> usize {
    if let Ok(block) = <&[T; BLOCK]>::try_from(block) {
        // Most blocks have none.
        let mut any = 0u32;
        for &x in block {
            any |= u32::from(!(x <= least));
        }
        if any == 0 {
            return 0;
        }
    }
    let mut n = 0;
    for (column, &x) in (start..).zip(block) {
        out[n % BLOCK] = (x, column as u32);
        n += usize::from(!(x <= least) & chosen(column));
    }
    n
}

/// The `k` largest elements of a row above 0, by ascending column.
#[inline(always)]
fn largest<T: Float>(x: &[T], chosen: impl Fn(usize) -> bool, k: usize, found: &mut Vec<(T, u32)>) {
    found.clear();
    let mut least = T::ZERO;
    let mut block = [(T::ZERO, 0); BLOCK];
    for start in (0..x.len()).step_by(BLOCK) {
        let end = x.len().min(start + BLOCK);
        let n = above(&x[start..end], start, least, &chosen, &mut block);
        found.extend_from_slice(&block[..n]);
        if found.len() >= 4 * k + BLOCK {
            least = keep(found, k);
        }
    }
    if found.len() > k {
        keep(found, k);
    }
    found.sort_unstable_by_key(|f| f.1);
}

impl<T: Float> Used<T> {
    fn of(outputs: &[T], units: usize, k: usize, chosen: impl Fn(usize) -> bool + Sync) -> Self {
        let k = k.min(units);
        let rows = outputs.len().checked_div(units).unwrap_or(0);
        let (mut values, mut columns) = (vec![T::ZERO; rows * k], vec![0u32; rows * k]);
        if k > 0 {
            values
                .par_chunks_mut(k)
                .zip(columns.par_chunks_mut(k))
                .zip(outputs.par_chunks(units))
                .for_each_init(Vec::new, |found, ((values, columns), x)| {
                    wide(
                        #[inline(always)]
                        || largest(x, &chosen, k, found),
                    );
                    let places = values.iter_mut().zip(columns);
                    for ((value, column), &(x, at)) in places.zip(found.iter()) {
                        (*value, *column) = (x, at);
                    }
                });
        }
        Self {
            rows,
            k,
            units,
            values,
            columns,
        }
    }

    fn range(&self, row: usize) -> std::ops::Range<usize> {
        row * self.k..(row + 1) * self.k
    }

    /// The sparse matrix `(rows, units)` of `values` in place of its own.
    fn matrix(&self, values: &[T]) -> Half<T> {
        Half {
            offsets: (0..=self.rows).map(|row| row * self.k).collect(),
            columns: self.columns.clone(),
            values: values.to_vec(),
        }
    }

    /// Whether an element is used, not padding.
    fn is_used(&self, at: usize) -> bool {
        self.values[at] != T::ZERO
    }
}

/// The values of a layer that its backward pass needs.
struct Inputs<T> {
    ids: [usize; 3],
    x: Arc<Vec<T>>,
    w: Arc<Vec<T>>,
}

impl<T: Float> Inputs<T> {
    fn of(layer: &Layer<'_, T>) -> Self {
        Self {
            ids: [layer.x, layer.w, layer.b].map(|v| v.id),
            x: layer.x.value(),
            w: layer.w.value(),
        }
    }

    fn wanted(&self, sums: &Sums<'_, T>) -> bool {
        self.ids.iter().any(|&id| sums.wants(id))
    }

    /// Adds the gradients of used outputs `(rows, k)` to those of x, W and b.
    fn give(&self, used: &Used<T>, gradient: &[T], sums: &mut Sums<'_, T>) {
        let [x, w, b] = self.ids;
        let width = self.w.len() / used.units.max(1);
        if sums.wants(x) {
            let mut dx = sums.take(self.x.len());
            used.matrix(gradient).times(&self.w, width, &mut dx);
            sums.give(x, dx);
        }
        if sums.wants(w) {
            let mut dw = sums.take(self.w.len());
            let by_unit = used.matrix(gradient).transpose(used.units);
            by_unit.times(&self.x, width, &mut dw);
            sums.give(w, dw);
        }
        sums.write(b, used.units, |out, add| {
            if !add {
                out.fill(T::ZERO);
            }
            for (&unit, &g) in used.columns.iter().zip(gradient) {
                out[unit as usize] += g;
            }
        });
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// `X Wᵀ + b` of `(rows, inputs)`, `(units, inputs)` and `(units)`, of whose outputs few per row will be used.
    ///
    /// # Panics
    /// If the shapes disagree.
    #[must_use]
    pub fn layer(self, w: Self, b: Self) -> Layer<'t, T> {
        Layer {
            x: self,
            w,
            b,
            outputs: self.linear_t(w, b),
        }
    }
}

impl<'t, T: Float> Layer<'t, T> {
    /// All outputs `(rows, units)`.
    #[must_use]
    pub fn outputs(&self) -> Var<'t, T> {
        self.outputs
    }

    /// The k largest outputs above 0 of each row.
    #[must_use]
    pub fn top_k(&self, k: usize) -> Code<'t, T> {
        self.code(k, |_| true)
    }

    /// The same among some units.
    ///
    /// # Panics
    /// If `of` does not have an element per unit.
    #[must_use]
    pub fn top_k_of(&self, k: usize, of: &[bool]) -> Code<'t, T> {
        assert_eq!(of.len(), self.outputs.shape().width(), "a flag per unit");
        self.code(k, |unit| of[unit])
    }

    fn code(&self, k: usize, chosen: impl Fn(usize) -> bool + Sync) -> Code<'t, T> {
        let units = self.outputs.shape().width();
        Code {
            layer: *self,
            used: Arc::new(Used::of(&self.outputs.value(), units, k, chosen)),
        }
    }
}

impl<'t, T: Float> Code<'t, T> {
    /// Whether each unit is used by some row `(units)`.
    #[must_use]
    pub fn active(&self) -> Vec<bool> {
        let mut active = vec![false; self.used.units];
        for (at, &unit) in self.used.columns.iter().enumerate() {
            active[unit as usize] |= self.used.is_used(at);
        }
        active
    }

    /// The elements of units below `end`.
    #[must_use]
    pub fn below(&self, end: usize) -> Self {
        let used = &self.used;
        let kept = used.values.iter().zip(&used.columns);
        let kept = kept.map(|(&value, &unit)| match (unit as usize) < end {
            true => (value, unit),
            false => (T::ZERO, 0),
        });
        let (values, columns) = kept.unzip();
        Self {
            layer: self.layer,
            used: Arc::new(Used {
                rows: used.rows,
                k: used.k,
                units: used.units,
                values,
                columns,
            }),
        }
    }

    /// The sum of all elements.
    #[must_use]
    pub fn sum(&self) -> Var<'t, T> {
        let (used, inputs) = (self.used.clone(), Inputs::of(&self.layer));
        let total = used.values.iter().copied().sum();
        let Layer { x, w, b, .. } = self.layer;
        x.record(&[x, w, b], vec![total], Shape::new(&[]), move |g, sums| {
            let slope = |at| if used.is_used(at) { g[0] } else { T::ZERO };
            let slopes: Vec<T> = (0..used.values.len()).map(slope).collect();
            inputs.give(&used, &slopes, sums);
            sums.recycle(g);
        })
    }

    /// The code times a matrix with a row per unit, `(units, width)`: `(rows, width)`. A matrix with fewer rows is
    /// for a code [`below`](Self::below) their number.
    ///
    /// # Panics
    /// If the code has units without a row.
    #[must_use]
    pub fn matmul(&self, y: Var<'t, T>) -> Var<'t, T> {
        let (used, inputs) = (self.used.clone(), Inputs::of(&self.layer));
        let (matrix, shape) = (y.value(), y.shape());
        let [n, width] = shape[..] else {
            panic!("a matrix, not {shape:?}")
        };
        assert!(
            used.columns.iter().all(|&unit| (unit as usize) < n),
            "a code of {} units times {shape:?}",
            used.units
        );
        let mut out = y.arena().take(used.rows * width);
        used.matrix(&used.values).times(&matrix, width, &mut out);
        let (id, Layer { x, w, b, .. }) = (y.id, self.layer);
        let shape = Shape::new(&[used.rows, width]);
        x.record(&[x, w, b, y], out, shape, move |g, sums| {
            if inputs.wanted(sums) {
                let mut slopes = sums.take(used.values.len());
                slopes
                    .par_chunks_mut(used.k.max(1))
                    .zip(g.par_chunks(width.max(1)))
                    .enumerate()
                    .with_min_len(16)
                    .for_each(|(row, (slopes, g))| {
                        wide(
                            #[inline(always)]
                            || {
                                for (at, slope) in used.range(row).zip(slopes.iter_mut()) {
                                    let unit = used.columns[at] as usize;
                                    *slope = match used.is_used(at) {
                                        true => dot(g, &matrix[unit * width..][..width]),
                                        false => T::ZERO,
                                    };
                                }
                            },
                        );
                    });
                inputs.give(&used, &slopes, sums);
                sums.recycle(slopes);
            }
            if sums.wants(id) {
                let mut dy = sums.take(n * width);
                let by_unit = used.matrix(&used.values).transpose(n);
                by_unit.times(&g, width, &mut dy);
                sums.give(id, dy);
            }
            sums.recycle(g);
        })
    }
}
