//! Loops over rows that vectorize. Sums are computed in 16 lanes and then over the
//! lanes, so their order does not depend on the vector width of the CPU.

use super::Float;

/// Lanes of a sum.
const LANES: usize = 16;

/// Columns whose sums stay in registers.
const TILE: usize = 64;

#[inline(always)]
fn in_lanes<T: Float>(x: &[T], y: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest = xs.remainder().iter().zip(ys.remainder());
    for (x, y) in xs.zip(ys) {
        for k in 0..LANES {
            lanes[k] += f(x[k], y[k]);
        }
    }
    let mut n = LANES / 2;
    while n > 0 {
        for k in 0..n {
            lanes[k] += lanes[k + n];
        }
        n /= 2;
    }
    rest.fold(lanes[0], |sum, (&x, &y)| sum + f(x, y))
}

/// Σ x.
#[inline(always)]
pub(super) fn sum<T: Float>(x: &[T]) -> T {
    in_lanes(x, x, |x, _| x)
}

/// Σ x y.
#[inline(always)]
pub(crate) fn dot<T: Float>(x: &[T], y: &[T]) -> T {
    in_lanes(x, y, |x, y| x * y)
}

/// The maximum; −∞ of an empty slice.
#[inline(always)]
pub(super) fn largest<T: Float>(x: &[T]) -> T {
    let mut lanes = [T::NEG_INFINITY; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (l, &x) in lanes.iter_mut().zip(chunk) {
            *l = l.larger(x);
        }
    }
    let all = lanes.iter().chain(rest);
    all.fold(T::NEG_INFINITY, |a, &b| a.larger(b))
}

/// `out += s · x`.
#[inline(always)]
pub(super) fn add_scaled<T: Float>(out: &mut [T], s: T, x: &[T]) {
    for (o, &x) in out.iter_mut().zip(x) {
        *o += s * x;
    }
}

/// Replaces x by e^(x − m) with m the largest; returns m and the sum.
#[inline(always)]
pub(super) fn exponentials<T: Float>(x: &mut [T]) -> (T, T) {
    let m = largest(x);
    for x in &mut *x {
        *x = Float::exp(*x - m);
    }
    (m, sum(x))
}

/// `out = Σ s · x[row]` over pairs of s and a row, each row as wide as `out`; in the order of the pairs.
#[inline(always)]
pub(super) fn weighted_rows<T: Float>(
    out: &mut [T],
    x: &[T],
    pairs: impl Iterator<Item = (T, u32)> + Clone,
) {
    let width = out.len();
    let mut at = 0;
    let mut chunks = out.chunks_exact_mut(TILE);
    for chunk in &mut chunks {
        let mut kept = [T::ZERO; TILE];
        for (s, row) in pairs.clone() {
            let row = &x[row as usize * width + at..][..TILE];
            for k in 0..TILE {
                kept[k] += s * row[k];
            }
        }
        chunk.copy_from_slice(&kept);
        at += TILE;
    }
    let rest = chunks.into_remainder();
    if rest.is_empty() {
        return;
    }
    rest.fill(T::ZERO);
    for (s, row) in pairs {
        let row = &x[row as usize * width + at..];
        add_scaled(rest, s, row);
    }
}
