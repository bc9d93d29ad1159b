//! Accumulated gradients during the backward pass, and the gradients of the leaves.

use std::sync::Arc;

use rayon::prelude::*;

use super::arena::Arena;
use super::{Float, Shape, Var};
use crate::wide::wide;

/// Elements per task.
pub(super) const CHUNK: usize = 16_384;

/// Rows of a table per task.
const ROWS: usize = 128;

/// The gradient of one gather: row `at[k]` has the gradient `values[k · width ..]`.
struct Gathered<T> {
    at: Arc<Vec<u32>>,
    width: usize,
    values: Vec<T>,
}

/// The accumulated gradient of one value.
struct Sum<T> {
    dense: Option<Vec<T>>,
    readings: Vec<Gathered<T>>,
}

/// The accumulated gradients of all values of a tape.
pub(super) struct Sums<'a, T> {
    arena: &'a Arena<T>,
    tracked: Vec<bool>,
    sums: Vec<Sum<T>>,
}

impl<'a, T: Float> Sums<'a, T> {
    pub(super) fn new(arena: &'a Arena<T>, tracked: Vec<bool>) -> Self {
        let empty = || Sum {
            dense: None,
            readings: Vec::new(),
        };
        Self {
            arena,
            sums: tracked.iter().map(|_| empty()).collect(),
            tracked,
        }
    }

    /// Whether a value requires a gradient.
    pub(super) fn wants(&self, id: usize) -> bool {
        self.tracked[id]
    }

    /// A buffer with arbitrary content.
    pub(super) fn take(&self, n: usize) -> Vec<T> {
        self.arena.take(n)
    }

    /// Returns a buffer that is not needed anymore.
    pub(super) fn recycle(&self, buffer: Vec<T>) {
        self.arena.give(buffer);
    }

    /// Adds a dense gradient, taking ownership.
    pub(super) fn give(&mut self, id: usize, gradient: Vec<T>) {
        if !self.tracked[id] {
            return self.arena.give(gradient);
        }
        match &mut self.sums[id].dense {
            Some(sum) => {
                add(sum, &gradient);
                self.arena.give(gradient);
            }
            empty => *empty = Some(gradient),
        }
    }

    /// Lets `write` write `n` elements to a buffer, or add them to its content if its second argument is
    /// true.
    pub(super) fn write(&mut self, id: usize, n: usize, write: impl FnOnce(&mut [T], bool)) {
        if !self.tracked[id] {
            return;
        }
        let mut held = self.sums[id].dense.take();
        match &mut held {
            Some(sum) => write(sum, true),
            None => {
                let mut fresh = self.arena.take(n);
                write(&mut fresh, false);
                held = Some(fresh);
            }
        }
        self.sums[id].dense = held;
    }

    /// Adds the gradients of the rows `at` of a table, concatenated.
    pub(super) fn read(&mut self, id: usize, at: Arc<Vec<u32>>, width: usize, values: Vec<T>) {
        if self.tracked[id] {
            self.sums[id].readings.push(Gathered { at, width, values });
        }
    }

    /// The dense gradient of a value, if it has any.
    pub(super) fn of(&mut self, id: usize, shape: Shape) -> Option<Vec<T>> {
        let readings = std::mem::take(&mut self.sums[id].readings);
        let dense = self.sums[id].dense.take();
        if readings.is_empty() {
            return dense;
        }
        let mut dense = dense.unwrap_or_else(|| self.arena.zeros(shape.count()));
        self.add_readings(&mut dense, readings);
        Some(dense)
    }

    fn add_readings(&self, dense: &mut [T], readings: Vec<Gathered<T>>) {
        let Some(width) = readings.first().map(|r| r.width.max(1)) else {
            return;
        };
        let places = Places::of(&readings);
        dense
            .par_chunks_mut(ROWS * width)
            .enumerate()
            .for_each(|(block, out)| {
                let first = block * ROWS;
                let from = places.0.partition_point(|p| (p.row as usize) < first);
                for place in &places.0[from..] {
                    let Some(row) = out.chunks_exact_mut(width).nth(place.row as usize - first)
                    else {
                        break;
                    };
                    add_row(row, place.of(&readings, width));
                }
            });
        readings.into_iter().for_each(|r| self.arena.give(r.values));
    }

    pub(super) fn finish(mut self) -> Gradients<T> {
        let sums = std::mem::take(&mut self.sums);
        let leaves = sums.into_iter().map(|sum| match (sum.dense, sum.readings) {
            (None, readings) if readings.is_empty() => Gradient::None,
            (None, readings) => {
                let width = readings[0].width.max(1);
                let places = Places::of(&readings);
                let mut rows: Vec<u32> = places.0.iter().map(|p| p.row).collect();
                rows.dedup();
                let mut values = self.arena.zeros(rows.len() * width);
                let mut place = places.0.iter().peekable();
                for (row, out) in rows.iter().zip(values.chunks_exact_mut(width)) {
                    while let Some(place) = place.next_if(|p| p.row == *row) {
                        add_row(out, place.of(&readings, width));
                    }
                }
                readings.into_iter().for_each(|r| self.arena.give(r.values));
                Gradient::Rows { rows, values }
            }
            (Some(mut dense), readings) => {
                self.add_readings(&mut dense, readings);
                Gradient::Dense(dense)
            }
        });
        Gradients(leaves.collect())
    }
}

/// One read of a row of a table: the `nth` row of a gather.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    row: u32,
    reading: u32,
    nth: u32,
}

/// All reads, by row, then in the order of the gathers: the order in which gradients are summed.
struct Places(Vec<Place>);

impl Places {
    fn of<T>(readings: &[Gathered<T>]) -> Self {
        let of_reading = |(reading, r): (usize, &Gathered<T>)| {
            let nth = (0u32..).zip(r.at.iter());
            let place = |(nth, &row)| Place {
                row,
                reading: reading as u32,
                nth,
            };
            nth.map(place).collect::<Vec<_>>()
        };
        let mut places: Vec<Place> = readings.iter().enumerate().flat_map(of_reading).collect();
        places.sort_unstable();
        Self(places)
    }
}

impl Place {
    fn of<'r, T>(&self, readings: &'r [Gathered<T>], width: usize) -> &'r [T] {
        &readings[self.reading as usize].values[self.nth as usize * width..][..width]
    }
}

fn add_row<T: Float>(sum: &mut [T], row: &[T]) {
    sum.iter_mut().zip(row).for_each(|(s, &g)| *s += g);
}

fn add<T: Float>(sum: &mut [T], other: &[T]) {
    sum.par_chunks_mut(CHUNK)
        .zip(other.par_chunks(CHUNK))
        .for_each(|(s, g)| {
            wide(
                #[inline(always)]
                || {
                    for (s, &g) in s.iter_mut().zip(g) {
                        *s += g;
                    }
                },
            );
        });
}

/// The gradient of a leaf.
#[derive(Debug, Clone, PartialEq)]
pub enum Gradient<T> {
    /// Nothing depends on it.
    None,
    /// As long as the value.
    Dense(Vec<T>),
    /// The rows of a table that were gathered, ascending, and their gradients `(rows, width)`; that of all
    /// other rows is 0.
    Rows {
        /// The rows.
        rows: Vec<u32>,
        /// Their gradients, concatenated.
        values: Vec<T>,
    },
}

impl<T: Float> Gradient<T> {
    /// The dense gradient of `n` elements.
    #[must_use]
    pub fn dense(self, n: usize) -> Vec<T> {
        match self {
            Self::None => vec![T::ZERO; n],
            Self::Dense(values) => values,
            Self::Rows { rows, values } => {
                let mut dense = vec![T::ZERO; n];
                let width = values.len() / rows.len().max(1);
                for (&row, values) in rows.iter().zip(values.chunks_exact(width.max(1))) {
                    dense[row as usize * width..][..width].copy_from_slice(values);
                }
                dense
            }
        }
    }

    /// The stored elements; all others are 0.
    pub fn values_mut(&mut self) -> &mut [T] {
        match self {
            Self::None => &mut [],
            Self::Dense(values) | Self::Rows { values, .. } => values,
        }
    }
}

/// The gradients of the leaves of a tape.
pub struct Gradients<T>(Vec<Gradient<T>>);

impl<T: Float> Gradients<T> {
    /// Takes the gradient of a leaf.
    pub fn take(&mut self, leaf: Var<'_, T>) -> Gradient<T> {
        std::mem::replace(&mut self.0[leaf.id], Gradient::None)
    }
}
