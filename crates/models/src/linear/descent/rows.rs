//! Rows of K over the candidate features of one target, each dense or sparse.
//!
//! Where interactions are dense, most entries of a row are nonzero and a dense row is the fastest; where
//! they are sparse, a row has a few hundred nonzero entries among tens of thousands of candidates.

use std::ops::Range;

use limpid_tensor::wide_op;

use super::gram::NO_PLACE;

/// The rows that a target has fetched so far, in that order.
#[derive(Default)]
pub(super) struct Rows {
    width: usize,
    spans: Vec<Span>,
    places: Vec<u32>,
    values: Vec<f32>,
}

/// Where a row lies.
struct Span {
    values: Range<usize>,
    /// The first of the entries' places; none for a dense row.
    places: Option<usize>,
}

impl Rows {
    /// Removes all rows; the next ones have `width` entries.
    pub(super) fn clear(&mut self, width: usize) {
        self.width = width;
        self.spans.clear();
        self.places.clear();
        self.values.clear();
    }

    /// Appends a dense row of zeros.
    pub(super) fn push_dense(&mut self) -> &mut [f32] {
        let from = self.values.len();
        self.values.resize(from + self.width, 0.0);
        self.spans.push(Span {
            values: from..from + self.width,
            places: None,
        });
        &mut self.values[from..]
    }

    /// Appends a sparse row from at most `most` entries `(place, value)`, of which those at [`NO_PLACE`] and
    /// those of value 0 are left out.
    pub(super) fn push_sparse(&mut self, most: usize, entries: impl Iterator<Item = (u32, f32)>) {
        let (from, first) = (self.values.len(), self.places.len());
        // Without a branch: every entry is written, and the next one overwrites it if it does not count.
        self.places.resize(first + most + 1, NO_PLACE);
        self.values.resize(from + most + 1, 0.0);
        let (places, values) = (&mut self.places[first..], &mut self.values[from..]);
        let mut n = 0;
        for (place, value) in entries {
            places[n] = place;
            values[n] = value;
            n += usize::from(place != NO_PLACE && value != 0.0);
        }
        self.places.truncate(first + n);
        self.values.truncate(from + n);
        self.spans.push(Span {
            values: from..from + n,
            places: Some(first),
        });
    }

    /// Sets an entry of the last row; in a sparse row, one that it does not have yet.
    pub(super) fn set(&mut self, place: u32, value: f32) {
        let Some(last) = self.spans.last_mut() else {
            return;
        };
        match last.places {
            None => self.values[last.values.start + place as usize] = value,
            Some(_) => {
                self.places.push(place);
                self.values.push(value);
                last.values.end += 1;
            }
        }
    }

    /// `out −= factor · row`.
    pub(super) fn subtract(&self, row: usize, factor: f32, out: &mut [f32]) {
        let span = &self.spans[row];
        let values = &self.values[span.values.clone()];
        match span.places {
            None => wide_op(Subtract {
                out,
                factor,
                values,
            }),
            Some(from) => {
                let places = &self.places[from..from + values.len()];
                for (&place, &value) in places.iter().zip(values) {
                    out[place as usize] -= factor * value;
                }
            }
        }
    }

    /// Writes the entries at the places that have a slot: `out[slot of the place] = value`. Slots without
    /// an entry are left as they are.
    ///
    /// `features` are the places by slot, `slots` `(S)` the slots by place.
    pub(super) fn scatter(&self, row: usize, features: &[u32], slots: &[u32], out: &mut [f32]) {
        let span = &self.spans[row];
        let values = &self.values[span.values.clone()];
        match span.places {
            None => {
                for (o, &place) in out.iter_mut().zip(features) {
                    *o = values[place as usize];
                }
            }
            Some(from) => {
                for (&place, &value) in self.places[from..].iter().zip(values) {
                    if let Some(o) = out.get_mut(slots[place as usize] as usize) {
                        *o = value;
                    }
                }
            }
        }
    }
}

/// `out −= factor · values`, dense.
struct Subtract<'a> {
    out: &'a mut [f32],
    factor: f32,
    values: &'a [f32],
}

impl pulp::NullaryFnOnce for Subtract<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (o, v) in self.out.iter_mut().zip(self.values) {
            *o -= self.factor * v;
        }
    }
}
