//! Steering toward a set of items: which knobs to turn, by what they do to scores.
//!
//! Units are selected by their *score profile*, not by which items activate them: Arad et al. (2505.20063)
//! found two to three times the effect for language models, and with a linear decoder it is exact and cheap.
//! The weights are non-negative least squares of the indicator of the items on the profiles of the selected
//! knobs. [`mean_direction`] and a ridge direction are the baselines without knobs.

use limpid_core::Mat;

use crate::dictionary::space::{cholesky, solve};
use crate::dictionary::{dot, normalize};

/// Ridge, as a share of the mean diagonal.
const RIDGE: f64 = 1e-4;

/// Rounds of the non-negative least squares, which converge long before.
const ROUNDS: usize = 1000;

/// The profiles of items in a linear decoder, centered over items, for any number of targets.
#[derive(Debug, Clone)]
pub struct Profiles {
    n_items: usize,
    width: usize,
    mean: Vec<f64>,   // (D)
    second: Vec<f64>, // (D, D): Σ (a − mean)(a − mean)ᵀ
}

/// Knobs with weights, ascending by knob: `|Σ weight · atom| = 1`.
pub type Weights = Vec<(u32, f32)>;

impl Profiles {
    /// Of item vectors `(I, D)`.
    #[must_use]
    pub fn new(vectors: &Mat) -> Self {
        let (n_items, width) = vectors.dim();
        let mut mean = vec![0f64; width];
        for row in vectors.rows() {
            mean.iter_mut()
                .zip(row)
                .for_each(|(m, &v)| *m += f64::from(v));
        }
        mean.iter_mut().for_each(|m| *m /= n_items.max(1) as f64);
        let mut second = vec![0f64; width * width];
        for row in vectors.rows() {
            let centered: Vec<f64> = row
                .iter()
                .zip(&mean)
                .map(|(&v, m)| f64::from(v) - m)
                .collect();
            for (a, x) in centered.iter().enumerate() {
                let into = &mut second[a * width..(a + 1) * width];
                into.iter_mut()
                    .zip(&centered)
                    .for_each(|(s, y)| *s += x * y);
            }
        }
        Self {
            n_items,
            width,
            mean,
            second,
        }
    }

    /// The centered sum of the vectors of some items `(D)`.
    fn target(&self, vectors: &Mat, items: &[u32]) -> Vec<f64> {
        let mut sum = vec![0f64; self.width];
        for &i in items.iter().filter(|i| (**i as usize) < self.n_items) {
            let row = vectors.row(i as usize);
            for ((s, &v), m) in sum.iter_mut().zip(row).zip(&self.mean) {
                *s += f64::from(v) - m;
            }
        }
        sum
    }

    /// At most `n` of the atoms `(K, D)`, by greedy selection with a refit after each; empty if none raises
    /// the items.
    #[must_use]
    pub fn toward(&self, atoms: &Mat, vectors: &Mat, items: &[u32], n: usize) -> Weights {
        let width = self.width;
        let atoms: Vec<Vec<f64>> = atoms
            .rows()
            .into_iter()
            .map(|row| row.iter().map(|&v| f64::from(v)).collect())
            .collect();
        // G = W C Wᵀ and b = W t, with C the second moment and t the target.
        let moved: Vec<Vec<f64>> = atoms
            .iter()
            .map(|w| {
                (0..width)
                    .map(|d| inner(&self.second[d * width..(d + 1) * width], w))
                    .collect()
            })
            .collect();
        let target = self.target(vectors, items);
        let with: Vec<f64> = atoms.iter().map(|w| inner(w, &target)).collect();
        let diagonal: Vec<f64> = atoms.iter().zip(&moved).map(|(w, m)| inner(w, m)).collect();
        let ridge = RIDGE * diagonal.iter().sum::<f64>() / diagonal.len().max(1) as f64;
        let mut selected: Vec<usize> = Vec::new();
        let mut weights: Vec<f64> = Vec::new();
        while selected.len() < n.min(atoms.len()) {
            let left = |k: usize| {
                let fitted = selected.iter().zip(&weights);
                let fitted: f64 = fitted.map(|(&s, &c)| c * inner(&atoms[k], &moved[s])).sum();
                (with[k] - fitted) / diagonal[k].sqrt().max(f64::MIN_POSITIVE)
            };
            let mut best: Option<(usize, f64)> = None;
            for k in (0..atoms.len()).filter(|k| !selected.contains(k)) {
                let value = left(k);
                if value > best.map_or(1e-9, |b| b.1) {
                    best = Some((k, value));
                }
            }
            let Some((next, _)) = best else { break };
            selected.push(next);
            let m = selected.len();
            let gram: Vec<f64> = selected
                .iter()
                .flat_map(|&a| {
                    selected
                        .iter()
                        .map(|&b| inner(&atoms[a], &moved[b]))
                        .collect::<Vec<_>>()
                })
                .enumerate()
                .map(|(at, v)| if at % (m + 1) == 0 { v + ridge } else { v })
                .collect();
            let right: Vec<f64> = selected.iter().map(|&k| with[k]).collect();
            weights = non_negative(&gram, &right, m);
        }
        let mut direction = vec![0f64; width];
        for (&k, &c) in selected.iter().zip(&weights) {
            direction
                .iter_mut()
                .zip(&atoms[k])
                .for_each(|(d, w)| *d += c * w);
        }
        let length = inner(&direction, &direction).sqrt();
        let mut out: Weights = selected
            .iter()
            .zip(&weights)
            .filter(|(_, c)| **c > 0.0 && length > 0.0)
            .map(|(&k, &c)| (k as u32, (c / length) as f32))
            .collect();
        out.sort_by_key(|w| w.0);
        out
    }

    /// The unit direction `(D)` whose scores fit the items best, by ridge regression.
    #[must_use]
    pub fn ridge_direction(&self, vectors: &Mat, items: &[u32], share: f64) -> Vec<f32> {
        let width = self.width;
        let mut a = self.second.clone();
        let trace: f64 = (0..width).map(|d| a[d * width + d]).sum();
        for d in 0..width {
            a[d * width + d] += share * trace / width.max(1) as f64 + f64::MIN_POSITIVE;
        }
        let mut x = self.target(vectors, items);
        if !cholesky(&mut a, width) {
            return vec![0.0; width];
        }
        solve(&a, &mut x, width);
        let mut x: Vec<f32> = x.into_iter().map(|v| v as f32).collect();
        normalize(&mut x);
        x
    }
}

/// The unit direction `(D)` from the mean of all unit item vectors to that of some items (DiffMean).
#[must_use]
pub fn mean_direction(vectors: &Mat, items: &[u32]) -> Vec<f32> {
    let width = vectors.ncols();
    let unit = |i: usize| {
        let mut row = vectors.row(i).to_vec();
        normalize(&mut row);
        row
    };
    let mean = |items: &mut dyn Iterator<Item = usize>| {
        let (mut sum, mut n) = (vec![0f64; width], 0usize);
        for i in items {
            sum.iter_mut()
                .zip(unit(i))
                .for_each(|(s, v)| *s += f64::from(v));
            n += 1;
        }
        sum.iter_mut().for_each(|s| *s /= n.max(1) as f64);
        sum
    };
    let inside = items
        .iter()
        .map(|&i| i as usize)
        .filter(|&i| i < vectors.nrows());
    let (of_items, of_all) = (
        mean(&mut inside.into_iter()),
        mean(&mut (0..vectors.nrows())),
    );
    let mut out: Vec<f32> = of_items
        .iter()
        .zip(of_all)
        .map(|(a, b)| (a - b) as f32)
        .collect();
    normalize(&mut out);
    out
}

/// What a direction `(D)` adds to the score of every item `(I)`.
#[must_use]
pub fn effect(vectors: &Mat, direction: &[f32]) -> Vec<f32> {
    let rows = vectors.rows().into_iter();
    rows.map(|row| match row.as_slice() {
        Some(row) => dot(row, direction) as f32,
        None => dot(&row.to_vec(), direction) as f32,
    })
    .collect()
}

/// The direction `(D)` of weights over atoms `(K, D)`.
#[must_use]
pub fn direction(atoms: &Mat, weights: &[(u32, f32)]) -> Vec<f32> {
    let mut out = vec![0f32; atoms.ncols()];
    for &(k, c) in weights {
        let atom = atoms.row(k as usize);
        out.iter_mut().zip(atom).for_each(|(o, w)| *o += c * w);
    }
    out
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The minimum of `½ xᵀGx − bᵀx` over `x ≥ 0`, by coordinate descent.
fn non_negative(gram: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut x = vec![0f64; n];
    for _ in 0..ROUNDS {
        let mut change = 0f64;
        for i in 0..n {
            let row = &gram[i * n..(i + 1) * n];
            if row[i] <= 0.0 {
                continue;
            }
            let next = (x[i] + (b[i] - inner(row, &x)) / row[i]).max(0.0);
            change = change.max((next - x[i]).abs());
            x[i] = next;
        }
        if change <= 1e-9 * x.iter().fold(0.0, |m: f64, v| m.max(*v)) {
            break;
        }
    }
    x
}

/// The result of a search for a strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibrated {
    /// The strength.
    pub strength: f32,
    /// Items of the target in the list at this strength.
    pub count: usize,
    /// The largest number that any strength reached, toward the side that was asked for.
    pub most: usize,
    /// Whether `count` is within one item of what was asked.
    pub reached: bool,
}

/// Steps of the bisection.
const STEPS: usize = 9;

/// The largest strength, in lengths of the user's vector.
pub const STRONGEST: f32 = 4.0;

/// The least strength whose list has `asked` items of the target, by bisection; `count` gives the items at a
/// strength. Fewer than there are without steering are reached by negative strengths.
pub fn calibrate(asked: usize, mut count: impl FnMut(f32) -> usize) -> Calibrated {
    let without = count(0.0);
    let apart = |n: usize| n.abs_diff(asked);
    let side = if without <= asked { 1.0 } else { -1.0 };
    let end = count(side * STRONGEST);
    let (mut low, mut high) = (0f32, STRONGEST);
    let mut best = (0f32, without);
    let mut most = if side > 0.0 {
        without.max(end)
    } else {
        without.min(end)
    };
    if apart(end) < apart(best.1) {
        best = (side * STRONGEST, end);
    }
    for _ in 0..STEPS {
        if apart(best.1) == 0 {
            break;
        }
        let middle = (low + high) / 2.0;
        let n = count(side * middle);
        most = if side > 0.0 { most.max(n) } else { most.min(n) };
        if apart(n) < apart(best.1) || (apart(n) == apart(best.1) && middle < best.0.abs()) {
            best = (side * middle, n);
        }
        let not_enough = if side > 0.0 { n < asked } else { n > asked };
        match not_enough {
            true => low = middle,
            false => high = middle,
        }
    }
    Calibrated {
        strength: best.0,
        count: best.1,
        most,
        reached: apart(best.1) <= 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// Items 0 and 1 lie on the first axis, 2 and 3 on the second; a knob for each axis.
    #[test]
    fn selects_the_knob_of_the_items() {
        let vectors = array![[1.0f32, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]];
        let atoms = array![[0.0f32, 1.0], [1.0, 0.0], [-1.0, 0.0]];
        let profiles = Profiles::new(&vectors);
        let found = profiles.toward(&atoms, &vectors, &[0, 1], 1);
        assert_eq!(found, [(1, 1.0)]);
        let d = direction(&atoms, &profiles.toward(&atoms, &vectors, &[0, 1], 3));
        let scores = effect(&vectors, &d);
        assert!(scores[0] > scores[2] && scores[1] > scores[3]);
        assert!((dot(&d, &d) - 1.0).abs() < 1e-5);
        let mean = mean_direction(&vectors, &[0, 1]);
        assert!(mean[0] > 0.7 && mean[1] < -0.7);
        let ridge = profiles.ridge_direction(&vectors, &[0, 1], 0.1);
        assert!(ridge[0] > 0.7 && ridge[1] < -0.7);
        assert!(profiles.toward(&atoms, &vectors, &[], 3).is_empty());
    }

    #[test]
    fn bisection_finds_the_least_strength() {
        // One more item for every 0.5 of strength, up to 6.
        let count = |s: f32| ((2.0 + 2.0 * s).floor().clamp(0.0, 6.0)) as usize;
        let found = calibrate(4, count);
        assert_eq!((found.count, found.reached), (4, true));
        assert!(found.strength >= 1.0 && found.strength < 1.5);
        let none = calibrate(2, count);
        assert_eq!((none.strength, none.count), (0.0, 2));
        let too_many = calibrate(10, count);
        assert_eq!(
            (too_many.count, too_many.most, too_many.reached),
            (6, 6, false)
        );
        let fewer = calibrate(0, count);
        assert!(fewer.strength < 0.0 && fewer.count == 0 && fewer.reached);
    }
}
