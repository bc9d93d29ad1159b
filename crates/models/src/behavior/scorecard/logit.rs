//! Conditional logit: which of a user's items is the chosen one, by Newton's method.
//!
//! `P(i | user) = exp(z_i + o_i) / Σ_k exp(z_k + o_k)`, `z_i = b_k + w_k · x_i` with weights of the block k of
//! the row, and offsets o that correct for sampled rows. Minimizes the mean of `−log P(chosen)` plus
//! `reg ‖(b, w)‖²` over standardized inputs, which is convex; sums are taken user by user in chunks of
//! fixed size, so that the number of threads changes no bit.

use limpid_core::{Error, Result};
use rayon::prelude::*;

/// Users whose sums are added up before those of the next ones.
const CHUNK: usize = 64;

/// Newton steps at most; a dozen suffice.
const STEPS: usize = 50;

/// A step ends the descent when it can lower the objective by less than this.
const ENOUGH: f64 = 1e-10;

/// One user's rows, of which one is chosen.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Choice {
    /// The block of each row.
    pub(super) block: Vec<u16>,
    /// The offset of each row.
    pub(super) offset: Vec<f32>,
    /// The inputs of all rows, as many per row as its block has.
    pub(super) x: Vec<f32>,
    /// The chosen row.
    pub(super) chosen: usize,
}

impl Choice {
    pub(super) fn push(&mut self, block: usize, offset: f32, x: &[f64]) {
        self.block.push(block as u16);
        self.offset.push(offset);
        self.x.extend(x.iter().map(|&v| v as f32));
    }
}

/// The blocks of rows: the number of inputs of each, and which blocks are standardized together.
pub(super) struct Blocks {
    pub(super) inputs: Vec<usize>,
    pub(super) kind: Vec<usize>,
}

/// Means and standard deviations of the inputs of one kind of block.
#[derive(Default, Clone)]
struct Scale {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

/// An input that varies less than this is constant, and its weight stays 0.
const CONSTANT: f64 = 1e-9;

impl Scale {
    /// Of all rows of the kind.
    fn of(kind: usize, blocks: &Blocks, choices: &mut [Choice]) -> Self {
        let width = widths(blocks, kind);
        let (mut n, mut sum, mut square) = (0f64, vec![0f64; width], vec![0f64; width]);
        // Two passes: a variance as a difference of squares cancels.
        each_row(kind, blocks, choices, |x| {
            n += 1.0;
            sum.iter_mut().zip(x).for_each(|(s, v)| *s += f64::from(*v));
        });
        let mean: Vec<f64> = sum.iter().map(|s| s / n.max(1.0)).collect();
        each_row(kind, blocks, choices, |x| {
            let deviations = x.iter().zip(&mean).map(|(v, m)| f64::from(*v) - m);
            square
                .iter_mut()
                .zip(deviations)
                .for_each(|(s, d)| *s += d * d);
        });
        let deviation = square.iter().map(|s| (s / n.max(1.0)).sqrt()).collect();
        Self { mean, deviation }
    }

    /// The inputs of a row with a mean of 0 and a deviation of 1; constant ones are 0.
    fn standardize(&self, x: &mut [f32]) {
        for ((v, mean), &deviation) in x.iter_mut().zip(&self.mean).zip(&self.deviation) {
            *v = match deviation > CONSTANT {
                true => ((f64::from(*v) - mean) / deviation) as f32,
                false => 0.0,
            };
        }
    }
}

/// Visits the inputs of every row of a kind of block.
fn each_row(
    kind: usize,
    blocks: &Blocks,
    choices: &mut [Choice],
    mut visit: impl FnMut(&mut [f32]),
) {
    for choice in choices {
        let mut at = 0;
        for &block in &choice.block {
            let inputs = blocks.inputs[usize::from(block)];
            if blocks.kind[usize::from(block)] == kind {
                visit(&mut choice.x[at..at + inputs]);
            }
            at += inputs;
        }
    }
}

fn widths(blocks: &Blocks, kind: usize) -> usize {
    let of_kind = blocks.kind.iter().zip(&blocks.inputs);
    of_kind
        .filter(|(k, _)| **k == kind)
        .map(|(_, n)| *n)
        .max()
        .unwrap_or(0)
}

/// The sums over some users.
struct Sums {
    loss: f64,
    gradient: Vec<f64>,
    hessian: Vec<f64>, // lower triangle, row-major (n, n)
}

/// Fits the weights: one vector per block, the bias first.
///
/// # Errors
/// [`Error::Numeric`] if the objective is not finite.
pub(super) fn fit(mut choices: Vec<Choice>, blocks: &Blocks, reg: f64) -> Result<Vec<Vec<f64>>> {
    let kinds = blocks.kind.iter().max().map_or(0, |k| k + 1);
    let scales: Vec<Scale> = (0..kinds)
        .map(|kind| {
            let scale = Scale::of(kind, blocks, &mut choices);
            each_row(kind, blocks, &mut choices, |x| scale.standardize(x));
            scale
        })
        .collect();
    let mut first = Vec::with_capacity(blocks.inputs.len());
    let mut n = 0;
    for inputs in &blocks.inputs {
        first.push(n);
        n += 1 + inputs;
    }
    let problem = Problem {
        choices: &choices,
        blocks,
        scales: &scales,
        first: &first,
        n,
        reg,
    };
    let mut weights = vec![0f64; n];
    let mut now = problem.sums(&weights, true);
    for _ in 0..STEPS {
        if choices.is_empty() || !now.loss.is_finite() {
            break;
        }
        let step = solve(&mut now.hessian, &now.gradient, n);
        let decrease: f64 = step.iter().zip(&now.gradient).map(|(s, g)| s * g).sum();
        if decrease < ENOUGH {
            break;
        }
        let mut size = 1.0;
        let after = loop {
            let moved: Vec<f64> = weights
                .iter()
                .zip(&step)
                .map(|(w, s)| w - size * s)
                .collect();
            let loss = problem.sums(&moved, false).loss;
            if loss <= now.loss - 1e-4 * size * decrease {
                break Some(moved);
            }
            size *= 0.5;
            if size < 1e-6 {
                break None;
            }
        };
        let Some(after) = after else { break };
        weights = after;
        now = problem.sums(&weights, true);
    }
    if !now.loss.is_finite() {
        return Err(Error::Numeric {
            what: "conditional logit".to_owned(),
            why: format!("its objective is {}", now.loss),
        });
    }
    Ok(problem.raw(&weights))
}

struct Problem<'a> {
    choices: &'a [Choice],
    blocks: &'a Blocks,
    scales: &'a [Scale],
    first: &'a [usize],
    n: usize,
    reg: f64,
}

impl Problem<'_> {
    /// Weights of inputs that are not standardized.
    fn raw(&self, weights: &[f64]) -> Vec<Vec<f64>> {
        let of_block = |block: usize| {
            let scale = &self.scales[self.blocks.kind[block]];
            let from = self.first[block];
            let mut raw = vec![weights[from]];
            for k in 0..self.blocks.inputs[block] {
                let deviation = scale.deviation[k];
                let w = match deviation > CONSTANT {
                    true => weights[from + 1 + k] / deviation,
                    false => 0.0,
                };
                raw[0] -= w * scale.mean[k];
                raw.push(w);
            }
            raw
        };
        (0..self.blocks.inputs.len()).map(of_block).collect()
    }

    fn sums(&self, weights: &[f64], derivatives: bool) -> Sums {
        let chunks: Vec<Sums> = self
            .choices
            .par_chunks(CHUNK)
            .map(|chunk| self.chunk(chunk, weights, derivatives))
            .collect();
        let m = if derivatives { self.n } else { 0 };
        let mut all = Sums {
            loss: 0.0,
            gradient: vec![0.0; m],
            hessian: vec![0.0; m * m],
        };
        for chunk in chunks {
            all.loss += chunk.loss;
            all.gradient
                .iter_mut()
                .zip(&chunk.gradient)
                .for_each(|(a, b)| *a += b);
            all.hessian
                .iter_mut()
                .zip(&chunk.hessian)
                .for_each(|(a, b)| *a += b);
        }
        let mean = 1.0 / self.choices.len().max(1) as f64;
        all.loss *= mean;
        all.loss += self.reg * weights.iter().map(|w| w * w).sum::<f64>();
        all.gradient
            .iter_mut()
            .chain(&mut all.hessian)
            .for_each(|v| *v *= mean);
        for (k, (gradient, w)) in all.gradient.iter_mut().zip(weights).enumerate() {
            *gradient += 2.0 * self.reg * w;
            all.hessian[k * m + k] += 2.0 * self.reg;
        }
        all
    }

    fn chunk(&self, chunk: &[Choice], weights: &[f64], derivatives: bool) -> Sums {
        let n = self.n;
        let m = if derivatives { n } else { 0 };
        let mut sums = Sums {
            loss: 0.0,
            gradient: vec![0.0; m],
            hessian: vec![0.0; m * m],
        };
        let (mut z, mut mean) = (Vec::new(), vec![0f64; m]);
        for choice in chunk {
            z.clear();
            let mut at = 0;
            for (&block, &offset) in choice.block.iter().zip(&choice.offset) {
                let block = usize::from(block);
                let inputs = self.blocks.inputs[block];
                let (bias, w) = weights[self.first[block]..][..=inputs].split_at(1);
                let x = &choice.x[at..at + inputs];
                let dot: f64 = w.iter().zip(x).map(|(w, &v)| w * f64::from(v)).sum();
                z.push(bias[0] + f64::from(offset) + dot);
                at += inputs;
            }
            let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = z.iter().map(|z| (z - largest).exp()).sum();
            sums.loss += largest + total.ln() - z[choice.chosen];
            if !derivatives {
                continue;
            }
            mean.fill(0.0);
            let mut at = 0;
            for (row, &block) in choice.block.iter().enumerate() {
                let p = (z[row] - largest).exp() / total;
                let from = self.first[usize::from(block)];
                let inputs = self.blocks.inputs[usize::from(block)];
                let x = &choice.x[at..at + inputs];
                let chosen = f64::from(u8::from(row == choice.chosen));
                sums.gradient[from] += p - chosen;
                mean[from] += p;
                sums.hessian[from * n + from] += p;
                for (k, &v) in x.iter().enumerate() {
                    let (j, v) = (from + 1 + k, f64::from(v));
                    sums.gradient[j] += (p - chosen) * v;
                    let pv = p * v;
                    mean[j] += pv;
                    let line = &mut sums.hessian[j * n + from..][..k + 2];
                    line[0] += pv;
                    for (h, &other) in line[1..].iter_mut().zip(x) {
                        *h += pv * f64::from(other);
                    }
                }
                at += inputs;
            }
            for j in 0..n {
                if mean[j] != 0.0 {
                    let line = &mut sums.hessian[j * n..][..=j];
                    line.iter_mut()
                        .zip(&mean)
                        .for_each(|(h, m)| *h -= mean[j] * m);
                }
            }
        }
        sums
    }
}

/// Solves `H s = g` for a positive definite H, given by its lower triangle, by Cholesky factorization; a pivot
/// that rounding made too small is replaced, which shortens the step.
fn solve(h: &mut [f64], g: &[f64], n: usize) -> Vec<f64> {
    for j in 0..n {
        for k in j..n {
            let dot: f64 = (0..j).map(|q| h[k * n + q] * h[j * n + q]).sum();
            let value = h[k * n + j] - dot;
            h[k * n + j] = match k == j {
                true => value.max(1e-12).sqrt(),
                false => value / h[j * n + j],
            };
        }
    }
    let mut s = g.to_vec();
    for k in 0..n {
        let dot: f64 = (0..k).map(|q| h[k * n + q] * s[q]).sum();
        s[k] = (s[k] - dot) / h[k * n + k];
    }
    for k in (0..n).rev() {
        let dot: f64 = (k + 1..n).map(|q| h[q * n + k] * s[q]).sum();
        s[k] = (s[k] - dot) / h[k * n + k];
    }
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_by_hand() {
        // [[4, 2], [2, 3]] s = [2, 3]: s = [0, 1].
        let s = solve(&mut [4.0, 0.0, 2.0, 3.0], &[2.0, 3.0], 2);
        assert!(s[0].abs() < 1e-12 && (s[1] - 1.0).abs() < 1e-12, "{s:?}");
    }

    /// Two rows, input 1 and 0; the first is chosen by 3 of 4 users: its log odds are ln 3.
    #[test]
    fn two_rows_by_hand() {
        let choice = |chosen: usize| {
            let mut choice = Choice {
                chosen,
                ..Choice::default()
            };
            choice.push(0, 0.0, &[1.0]);
            choice.push(0, 0.0, &[0.0]);
            choice
        };
        let choices = [0, 0, 0, 1].map(choice).to_vec();
        let blocks = Blocks {
            inputs: vec![1],
            kind: vec![0],
        };
        let weights = fit(choices, &blocks, 1e-12).unwrap();
        assert!((weights[0][1] - 3f64.ln()).abs() < 1e-5, "{weights:?}");
    }

    /// Two blocks without inputs, one of two rows with an offset: a sampled row that stands for 3 others.
    #[test]
    fn offsets_stand_for_rows_that_were_not_sampled() {
        let choice = |chosen: usize| {
            let mut choice = Choice {
                chosen,
                ..Choice::default()
            };
            choice.push(0, 0.0, &[]);
            choice.push(1, 3f32.ln(), &[]);
            choice
        };
        let choices = [0, 1].map(choice).to_vec();
        let blocks = Blocks {
            inputs: vec![0, 0],
            kind: vec![0, 1],
        };
        let weights = fit(choices, &blocks, 1e-12).unwrap();
        assert!(
            (weights[0][0] - weights[1][0] - 3f64.ln()).abs() < 1e-4,
            "{weights:?}"
        );
    }
}
