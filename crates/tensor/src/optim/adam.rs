//! One fused step of Adam, with a proximal step and a clamp: one pass over memory instead of six.
//!
//! Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, algorithm 1:
//!
//! ```text
//! g ← g + decay · w
//! m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²
//! w ← w − rate · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)
//! w ← sign(w) max(|w| − rate · l1, 0)          the proximal step of l1·|w|: exact zeros
//! w ← min(max(w, low), high)
//! ```
//!
//! `decay` is the L2 term of PyTorch's `Adam(weight_decay=…)`: a part of the gradient.

use rayon::prelude::*;

use crate::wide::wide;

/// Elements per task.
const CHUNK: usize = 16_384;

/// Settings of the optimizer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub rate: f32,
    /// β₁.
    pub beta1: f32,
    /// β₂.
    pub beta2: f32,
    /// ε.
    pub epsilon: f32,
    /// L2 regularization, added to the gradient (weight decay).
    pub decay: f32,
    /// L1 penalty, as a proximal step.
    pub l1: f32,
    /// Values are clamped to this range.
    pub bounds: (f32, f32),
}

impl Adam {
    /// The paper's settings with the given learning rate.
    #[must_use]
    pub fn new(rate: f32) -> Self {
        Self {
            rate,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            decay: 0.0,
            l1: 0.0,
            bounds: (f32::NEG_INFINITY, f32::INFINITY),
        }
    }

    /// Factors of the moments at step `t`: the learning rate with the correction of the first one, and
    /// the square root of that of the second.
    pub(super) fn corrections(&self, t: u64) -> (f32, f32) {
        let power = |beta: f32| f64::from(beta).powf(t as f64);
        let scale = (f64::from(self.rate) / (1.0 - power(self.beta1))) as f32;
        let root = (1.0 / (1.0 - power(self.beta2))).sqrt() as f32;
        (scale, root)
    }
}

/// Rows per task if the gradient is computed piece by piece.
const ROWS: usize = 256;

/// Columns of a piece of such a gradient: a multiple of the tiles of the kernels.
const TILE: usize = 512;

/// Step number `t` (from 1) of one array; all slices have one length.
pub fn step(
    adam: &Adam,
    t: u64,
    value: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let (scale, root) = adam.corrections(t);
    value
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(first.par_chunks_mut(CHUNK))
        .zip(second.par_chunks_mut(CHUNK))
        .for_each(|(((w, g), m), v)| wide_chunk(adam, scale, root, [w, m, v], g));
}

/// The same for an array of rows of `width` whose gradient is computed piece by piece and used at once, so
/// that it is never in main memory: `gradient(row, start, values, out)` writes the gradient of the
/// columns from `start` of one row to `out`, given their `values` before the step.
pub fn step_by_rows(
    adam: &Adam,
    t: u64,
    width: usize,
    value: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    gradient: impl Fn(usize, usize, &[f32], &mut [f32]) + Sync,
) {
    if width == 0 {
        return;
    }
    let (scale, root) = adam.corrections(t);
    value
        .par_chunks_mut(ROWS * width)
        .zip(first.par_chunks_mut(ROWS * width))
        .zip(second.par_chunks_mut(ROWS * width))
        .enumerate()
        .for_each(|(block, ((w, m), v))| {
            let mut piece = [0f32; TILE];
            for start in (0..width).step_by(TILE) {
                let end = (start + TILE).min(width);
                let g = &mut piece[..end - start];
                let rows = w
                    .chunks_exact_mut(width)
                    .zip(m.chunks_exact_mut(width))
                    .zip(v.chunks_exact_mut(width));
                for (at, ((w, m), v)) in rows.enumerate() {
                    let (w, m, v) = (&mut w[start..end], &mut m[start..end], &mut v[start..end]);
                    gradient(block * ROWS + at, start, w, g);
                    wide_chunk(adam, scale, root, [w, m, v], g);
                }
            }
        });
}

/// The same for some rows of `width`, ascending, with their gradients `(rows, width)` concatenated:
/// the other rows and their moments do not change.
pub fn step_at_rows(
    adam: &Adam,
    t: u64,
    width: usize,
    rows: &[u32],
    [value, first, second]: [&mut [f32]; 3],
    gradient: &[f32],
) {
    if width == 0 {
        return;
    }
    let (scale, root) = adam.corrections(t);
    let mut chosen = rows.iter().zip(gradient.chunks_exact(width)).peekable();
    let arrays = value
        .chunks_exact_mut(width)
        .zip(first.chunks_exact_mut(width))
        .zip(second.chunks_exact_mut(width));
    let work: Vec<_> = arrays
        .enumerate()
        .filter_map(|(at, arrays)| {
            let (_, g) = chosen.next_if(|(row, _)| **row as usize == at)?;
            Some((arrays, g))
        })
        .collect();
    work.into_par_iter()
        .with_min_len((CHUNK / width).max(1))
        .for_each(|(((w, m), v), g)| wide_chunk(adam, scale, root, [w, m, v], g));
}

/// Smaller gradients, first moments and weights are 0, as are second moments below its square: they change nothing
/// beside `epsilon`, and numbers below the normal range slow a processor down many times. Weights of units that
/// never respond get there by decay.
const TINY: f32 = 1e-15;

#[inline(always)]
fn flushed(x: f32, least: f32) -> f32 {
    if x.abs() < least { 0.0 } else { x }
}

fn wide_chunk(adam: &Adam, scale: f32, root: f32, [w, m, v]: [&mut [f32]; 3], g: &[f32]) {
    wide(
        #[inline(always)]
        || chunk(adam, scale, root, w, g, m, v),
    );
}

#[inline(always)]
pub(super) fn chunk(
    adam: &Adam,
    scale: f32,
    root: f32,
    value: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let (b1, b2) = (adam.beta1, adam.beta2);
    let (low, high) = adam.bounds;
    let shrink = adam.rate * adam.l1;
    let arrays = value.iter_mut().zip(gradient).zip(first).zip(second);
    for (((w, &g), m), v) in arrays {
        let g = flushed(g + adam.decay * *w, TINY);
        *m = flushed(b1 * *m + (1.0 - b1) * g, TINY);
        *v = flushed(b2 * *v + (1.0 - b2) * g * g, TINY * TINY);
        let moved = *w - scale * *m / (v.sqrt() * root + adam.epsilon);
        let shrunk = (moved.abs() - shrink).max(0.0).copysign(moved);
        *w = flushed(shrunk.max(low).min(high), TINY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    /// The first step moves every weight by the learning rate against the sign of its gradient.
    #[test]
    fn first_step_by_hand() {
        let mut w = [1.0f32, 1.0, 0.0];
        let (mut m, mut v) = ([0.0f32; 3], [0.0f32; 3]);
        step(
            &Adam::new(0.1),
            1,
            &mut w,
            &[5.0, -0.01, 0.0],
            &mut m,
            &mut v,
        );
        assert!((w[0] - 0.9).abs() < 1e-6 && (w[1] - 1.1).abs() < 1e-6);
        assert_eq!(w[2], 0.0);
    }

    #[test]
    fn equals_the_definition_in_double_precision() {
        let adam = Adam {
            decay: 0.01,
            l1: 0.2,
            bounds: (-0.5, 0.4),
            ..Adam::new(0.05)
        };
        let mut rng = Rng::new(5, 0);
        let mut w = rng.uniforms(100, -0.5, 0.5);
        let (mut m, mut v) = (vec![0f32; 100], vec![0f32; 100]);
        let mut slow: Vec<[f64; 3]> = w.iter().map(|&w| [f64::from(w), 0.0, 0.0]).collect();
        for t in 1..=20u64 {
            let g = rng.uniforms(100, -1.0, 1.0);
            step(&adam, t, &mut w, &g, &mut m, &mut v);
            for (s, &g) in slow.iter_mut().zip(&g) {
                let g = f64::from(g) + 0.01 * s[0];
                s[1] = 0.9 * s[1] + 0.1 * g;
                s[2] = 0.999 * s[2] + 0.001 * g * g;
                let (mh, vh) = (
                    s[1] / (1.0 - 0.9f64.powi(t as i32)),
                    s[2] / (1.0 - 0.999f64.powi(t as i32)),
                );
                let moved = s[0] - 0.05 * mh / (vh.sqrt() + 1e-8);
                s[0] = (moved.signum() * (moved.abs() - 0.01).max(0.0)).clamp(-0.5, 0.4);
            }
        }
        for (w, s) in w.iter().zip(&slow) {
            assert!((f64::from(*w) - s[0]).abs() < 1e-4, "{w} {s:?}");
        }
    }

    /// What decay alone moves ends at 0, not below the normal range.
    #[test]
    fn nothing_becomes_subnormal() {
        let adam = Adam {
            decay: 1e-6,
            ..Adam::new(1e-3)
        };
        let mut w = vec![0.1f32, -1e-3, 1e-20, 0.0];
        let (mut m, mut v) = (vec![0f32; 4], vec![0f32; 4]);
        for t in 1..=20_000 {
            step(&adam, t, &mut w, &[0.0; 4], &mut m, &mut v);
            for x in w.iter().chain(&m).chain(&v) {
                assert!(*x == 0.0 || x.is_normal(), "step {t}: {w:?} {m:?} {v:?}");
            }
        }
        assert!(w[2..] == [0.0, 0.0], "{w:?}");
    }

    /// Piece by piece or all at once: the same result bit for bit.
    #[test]
    fn by_rows_is_the_same_step() {
        let adam = Adam {
            decay: 0.01,
            l1: 0.2,
            bounds: (-0.5, 0.4),
            ..Adam::new(0.05)
        };
        let mut rng = Rng::new(6, 0);
        for (rows, width) in [(1, 1), (3, 300), (600, 3), (4, 0)] {
            let n = rows * width;
            let mut a = rng.uniforms(n, -0.5, 0.5);
            let mut b = a.clone();
            let (mut ma, mut va, mut mb, mut vb) =
                (vec![0f32; n], vec![0f32; n], vec![0f32; n], vec![0f32; n]);
            for t in 1..4 {
                let g = rng.uniforms(n, -1.0, 1.0);
                // A gradient that depends on the value, to check that it is the value before the step.
                let whole: Vec<f32> = g.iter().zip(&a).map(|(g, w)| g + w).collect();
                step(&adam, t, &mut a, &whole, &mut ma, &mut va);
                step_by_rows(
                    &adam,
                    t,
                    width,
                    &mut b,
                    &mut mb,
                    &mut vb,
                    |row, start, w, out| {
                        let g = &g[row * width + start..];
                        for ((o, g), w) in out.iter_mut().zip(g).zip(w) {
                            *o = g + w;
                        }
                    },
                );
                assert_eq!(a, b);
            }
        }
    }

    #[test]
    fn at_rows_is_the_same_step_and_does_not_change_other_rows() {
        let adam = Adam::new(0.05);
        let mut rng = Rng::new(7, 0);
        let start = rng.uniforms(5 * 3, -1.0, 1.0);
        let g = rng.uniforms(2 * 3, -1.0, 1.0);
        let (mut all, mut some) = (start.clone(), start.clone());
        let whole: Vec<f32> = [&[0.0; 3], &g[..3], &[0.0; 6], &g[3..]].concat();
        step(&adam, 1, &mut all, &whole, &mut [0.0; 15], &mut [0.0; 15]);
        let (mut m, mut v) = ([0.0; 15], [0.0; 15]);
        step_at_rows(&adam, 1, 3, &[1, 4], [&mut some, &mut m, &mut v], &g);
        assert_eq!((&some[3..6], &some[12..]), (&all[3..6], &all[12..]));
        assert_eq!((&some[..3], &some[6..12]), (&start[..3], &start[6..12]));
        assert!(m[..3].iter().all(|&m| m == 0.0) && m[3..6].iter().all(|&m| m != 0.0));
    }

    #[test]
    fn the_proximal_step_gives_exact_zeros() {
        let adam = Adam {
            l1: 1.0,
            ..Adam::new(0.1)
        };
        let mut w = [0.05f32, -0.05];
        step(&adam, 1, &mut w, &[0.0; 2], &mut [0.0; 2], &mut [0.0; 2]);
        assert_eq!(w, [0.0, 0.0]);
    }
}
