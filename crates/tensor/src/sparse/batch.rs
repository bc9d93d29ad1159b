//! Binary rows of a batch, and their products with dense arrays.
//!
//! ```text
//! Y = diag(scale) X W          (U, I) × (I, H) → (U, H)     Batch::times
//! G = Xᵀ diag(scale) D         (I, U) × (U, H) → (I, H)     Batch::transpose_times
//! ```
//!
//! The second is the gradient of the first with respect to W, where D is that of Y. There is no
//! gradient with respect to X.

use rayon::prelude::*;

use super::rows;

/// Columns per pass: these columns of all rows of W stay in the second-level cache.
const TILE: usize = 256;

/// Columns of a tile that is copied before use.
const PACKED: usize = 128;

/// Rows of users per task.
const BLOCK: usize = 64;

/// Rows of items per task: many, so that a tile of D is loaded once for all of them.
const ITEMS: usize = 256;

/// The items of some users, by user and by item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    n_items: usize,
    offsets: Vec<usize>, // (U + 1)
    items: Vec<u32>,
    scales: Vec<f32>,    // (U)
    by_item: Vec<usize>, // (I + 1)
    rows_of_items: Vec<u32>,
}

impl Batch {
    /// Rows of distinct items, each below `n_items`; every row has the scale 1.
    ///
    /// # Panics
    /// If an item is not below `n_items`: callers take their rows from checked histories.
    #[must_use]
    pub fn new<'a>(rows: impl IntoIterator<Item = &'a [u32]>, n_items: usize) -> Self {
        let mut batch = Self {
            n_items,
            offsets: vec![0],
            ..Self::default()
        };
        for row in rows {
            batch.items.extend_from_slice(row);
            batch.offsets.push(batch.items.len());
        }
        batch.scales = vec![1.0; batch.len()];
        let mut ends = vec![0; n_items + 1];
        for &i in &batch.items {
            ends[i as usize + 1] += 1;
        }
        for i in 0..n_items {
            ends[i + 1] += ends[i];
        }
        let mut next = ends.clone();
        batch.rows_of_items = vec![0; batch.items.len()];
        for u in 0..batch.len() {
            for &i in &batch.items[batch.offsets[u]..batch.offsets[u + 1]] {
                batch.rows_of_items[next[i as usize]] = u as u32;
                next[i as usize] += 1;
            }
        }
        batch.by_item = ends;
        batch
    }

    /// The same rows with one scale per row `(U)`.
    #[must_use]
    pub fn scaled(mut self, scales: Vec<f32>) -> Self {
        self.scales = scales;
        self
    }

    /// Number of rows U.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of items I.
    #[must_use]
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// The items of a row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[u32] {
        &self.items[self.offsets[row]..self.offsets[row + 1]]
    }

    /// The rows that contain an item.
    #[must_use]
    pub fn rows_of(&self, item: usize) -> &[u32] {
        &self.rows_of_items[self.by_item[item]..self.by_item[item + 1]]
    }

    /// `out += diag(scale) X W` `(U, H)`, for `w` `(I, H)`.
    ///
    /// Every sum is in the order of the row's items, however the work is divided, so a row
    /// has the same result bit for bit alone and in a batch.
    pub fn times(&self, w: &[f32], width: usize, out: &mut [f32]) {
        if width == 0 {
            return;
        }
        // Copying a tile of W is worthwhile if each of its rows is read several times.
        if width > PACKED && self.items.len() > 2 * self.n_items {
            self.times_packed(w, width, out);
        } else {
            self.times_in_place(w, width, out);
        }
    }

    /// Tile by tile, each copied to contiguous memory: rows of W are far apart, which
    /// would cause a TLB miss for nearly every one.
    fn times_packed(&self, w: &[f32], width: usize, out: &mut [f32]) {
        let tiles: Vec<usize> = (0..width).step_by(PACKED).collect();
        let sums: Vec<Vec<f32>> = tiles
            .par_iter()
            .map_init(
                || vec![0f32; self.n_items * PACKED],
                |packed, &start| {
                    let n = PACKED.min(width - start);
                    for (to, from) in packed.chunks_exact_mut(PACKED).zip(w.chunks_exact(width)) {
                        to[..n].copy_from_slice(&from[start..start + n]);
                    }
                    let mut sums = vec![0f32; self.len() * PACKED];
                    for (u, sum) in sums.chunks_exact_mut(PACKED).enumerate() {
                        let items = self.row(u).iter();
                        let parts = items.map(|&i| &packed[i as usize * PACKED..][..PACKED]);
                        rows::sum(sum, parts);
                    }
                    sums
                },
            )
            .collect();
        out.par_chunks_mut(width).enumerate().for_each(|(u, out)| {
            let scale = self.scales[u];
            for (out, sums) in out.chunks_mut(PACKED).zip(&sums) {
                let sum = &sums[u * PACKED..];
                out.iter_mut().zip(sum).for_each(|(o, &s)| *o += scale * s);
            }
        });
    }

    fn times_in_place(&self, w: &[f32], width: usize, out: &mut [f32]) {
        out.par_chunks_mut(BLOCK * width)
            .enumerate()
            .for_each(|(block, out)| {
                let mut sum = [0f32; TILE];
                for start in (0..width).step_by(TILE) {
                    let end = (start + TILE).min(width);
                    let sum = &mut sum[..end - start];
                    for (at, out) in out.chunks_exact_mut(width).enumerate() {
                        let u = block * BLOCK + at;
                        let parts = self.row(u).iter().map(|&i| {
                            let from = i as usize * width;
                            &w[from + start..from + end]
                        });
                        rows::sum(sum, parts);
                        let out = out[start..end].iter_mut().zip(sum.iter());
                        out.for_each(|(o, &s)| *o += self.scales[u] * s);
                    }
                }
            });
    }

    /// `out = Xᵀ diag(scale) D` `(I, H)`, for `d` `(U, H)`.
    pub fn transpose_times(&self, d: &[f32], width: usize, out: &mut [f32]) {
        if width == 0 {
            return;
        }
        out.par_chunks_mut(ITEMS * width)
            .enumerate()
            .for_each(|(block, out)| {
                for start in (0..width).step_by(TILE) {
                    let end = (start + TILE).min(width);
                    for (at, out) in out.chunks_exact_mut(width).enumerate() {
                        let part = &mut out[start..end];
                        self.transpose_times_row(d, width, block * ITEMS + at, start, part);
                    }
                }
            });
    }

    /// Columns `start..` of one item's row of [`transpose_times`](Self::transpose_times), as many as
    /// `out` has.
    #[inline]
    pub fn transpose_times_row(
        &self,
        d: &[f32],
        width: usize,
        item: usize,
        start: usize,
        out: &mut [f32],
    ) {
        let end = start + out.len();
        let parts = self.rows_of(item).iter().map(|&u| {
            let from = u as usize * width;
            (self.scales[u as usize], &d[from + start..from + end])
        });
        rows::scaled_sum(out, parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Includes empty rows, empty columns and no users.
        #[test]
        fn equals_the_definition(
            rows in proptest::collection::vec(proptest::collection::btree_set(0u32..9, 0..9), 0..70),
            width in 0usize..5,
            seed: u64,
        ) {
            let rows: Vec<Vec<u32>> = rows.into_iter().map(|r| r.into_iter().collect()).collect();
            let mut rng = crate::Rng::new(seed, 0);
            let scales = rng.uniforms(rows.len(), 0.0, 2.0);
            let batch = Batch::new(rows.iter().map(Vec::as_slice), 9).scaled(scales.clone());
            prop_assert_eq!(batch.len(), rows.len());
            let w = rng.uniforms(9 * width, -1.0, 1.0);
            let mut y = vec![1.0; rows.len() * width];
            batch.times(&w, width, &mut y);
            let mut back = vec![7.0; 9 * width];
            batch.transpose_times(&y, width, &mut back);
            for h in 0..width {
                let mut expected = [0f64; 9];
                for (u, row) in rows.iter().enumerate() {
                    let sum: f64 = row.iter().map(|&i| f64::from(w[i as usize * width + h])).sum();
                    let value = f64::from(y[u * width + h]);
                    prop_assert!((value - 1.0 - f64::from(scales[u]) * sum).abs() < 1e-5);
                    for &i in row {
                        expected[i as usize] += f64::from(scales[u]) * value;
                    }
                }
                for i in 0..9 {
                    let value = f64::from(back[i * width + h]);
                    prop_assert!((value - expected[i]).abs() < 1e-3 * (1.0 + expected[i].abs()));
                }
            }
        }
    }

    #[test]
    fn copied_and_uncopied_tiles_agree_bit_for_bit() {
        let mut rng = crate::Rng::new(7, 0);
        let (n_items, width) = (30usize, 300);
        let rows: Vec<Vec<u32>> = (0..40)
            .map(|_| (0..n_items as u32).filter(|_| rng.unit() < 0.3).collect())
            .collect();
        let scales = rng.uniforms(rows.len(), 0.1, 1.0);
        let batch = Batch::new(rows.iter().map(Vec::as_slice), n_items).scaled(scales);
        let w = rng.uniforms(n_items * width, -1.0, 1.0);
        let before = rng.uniforms(rows.len() * width, -1.0, 1.0);
        let (mut a, mut b) = (before.clone(), before);
        batch.times_packed(&w, width, &mut a);
        batch.times_in_place(&w, width, &mut b);
        assert_eq!(a, b);
    }
}
