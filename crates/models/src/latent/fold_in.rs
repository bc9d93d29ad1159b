//! The linear fold-in: the vector of any history from vectors of its items, `z = M m`, `m = Σ_{i ∈ u} x_i / |u|^p`, with
//! the map M that best fits the vectors that are known.

use super::ials::System;
use super::vectors::dot;

/// L2 regularization of the map, as a share of the mean diagonal of its Gram matrix.
const RIDGE: f64 = 1e-3;

/// A fitted map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FoldIn {
    pub(super) map: Vec<f32>, // (D, D)
    /// The exponent p of the length of a history.
    pub(super) power: f64,
    pub(super) d: usize,
}

impl FoldIn {
    /// The vector of a history with these items; `sources` `(I, D)` are the vectors x of all items.
    pub(super) fn vector(&self, sources: &[f32], items: &[u32]) -> Vec<f64> {
        let m = pooled(sources, self.d, items, self.power);
        let rows = self.map.chunks_exact(self.d);
        rows.map(|row| dot(&m, row)).collect()
    }

    /// What each of the items adds to the product of the vector with `q` `(D)`.
    pub(super) fn effects(&self, sources: &[f32], items: &[u32], q: &[f32]) -> Vec<(u32, f64)> {
        let mut towards = vec![0f64; self.d];
        for (row, &q) in self.map.chunks_exact(self.d).zip(q) {
            let row = towards.iter_mut().zip(row);
            row.for_each(|(t, &m)| *t += f64::from(m) * f64::from(q));
        }
        let share = share(items.len(), self.power);
        let effect = |&i: &u32| (i, share * dot(&towards, source(sources, self.d, i)));
        items.iter().map(effect).collect()
    }
}

/// 1 / nᵖ.
fn share(n: usize, power: f64) -> f64 {
    (n.max(1) as f64).powf(-power)
}

fn source(sources: &[f32], d: usize, item: u32) -> &[f32] {
    &sources[item as usize * d..][..d]
}

/// The sum m of the vectors `(I, D)` of items.
pub(super) fn pooled(sources: &[f32], d: usize, items: &[u32], power: f64) -> Vec<f64> {
    let mut m = vec![0f64; d];
    let share = share(items.len(), power);
    for &i in items {
        let source = m.iter_mut().zip(source(sources, d, i));
        source.for_each(|(m, &x)| *m += share * f64::from(x));
    }
    m
}

/// The map `M` `(D, D)` of pairs of m and the vector that `M m` is to approximate: least squares with L2 regularization
/// in proportion to the data. `direct`: the vector is m itself up to a part, and only that part is fitted.
pub(crate) fn fit_map<'a>(
    pairs: impl Iterator<Item = (Vec<f64>, &'a [f32])>,
    d: usize,
    direct: bool,
) -> Vec<f32> {
    let (mut gram, mut cross) = (vec![0f64; d * d], vec![0f64; d * d]);
    for (m, p) in pairs {
        for r in 0..d {
            let target = |c: usize| match direct {
                true => f64::from(p[c]) - m[c],
                false => f64::from(p[c]),
            };
            for c in 0..d {
                gram[r * d + c] += m[r] * m[c];
                cross[r * d + c] += m[r] * target(c);
            }
        }
    }
    let trace: f64 = (0..d).map(|r| gram[r * d + r]).sum();
    let ridge = RIDGE * trace / d as f64 + 1e-9;
    let system = System::new(&gram, &[], d, &[], (0.0, ridge));
    let mut out = vec![0f32; d * d];
    for c in 0..d {
        let mut column: Vec<f64> = (0..d).map(|r| cross[r * d + c]).collect();
        system.solve(&mut column);
        for (r, value) in column.into_iter().enumerate() {
            let one = if direct && r == c { 1.0 } else { 0.0 };
            out[c * d + r] = (value + one) as f32;
        }
    }
    out
}
