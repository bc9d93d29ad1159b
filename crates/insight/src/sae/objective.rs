//! What a reconstruction is compared by.

use limpid_core::hyper::choices;
use limpid_tensor::tape::{Float, Tape, Var};

choices! {
    /// The loss of reconstructions x̂ of a batch of inputs x.
    pub enum Objective {
        /// `Σ |x̂ − x|² / Σ |x − mean of all users|²`, per input.
        Variance = "variance",
        /// The same with the mean and the variance of the batch, as in RecSAE: noisy in small batches.
        BatchVariance = "batch-variance",
        /// The mean of squares over all entries, as in the code of From Knots to Knobs (the paper prints a sum).
        Squares = "l2",
        /// `mean (1 − cos(x̂, x))`, as in From Knots to Knobs: the length of x̂ is free.
        Cosine = "cosine",
    }
}

/// Keeps the length of a reconstruction of zero away from a division by 0.
const EPSILON: f64 = 1e-12;

impl Objective {
    /// The loss of a batch `(B, D)`; `variance` is that of all users, per input.
    pub(super) fn of<'t, T: Float>(
        self,
        tape: &'t Tape<T>,
        decoded: Var<'t, T>,
        x: Var<'t, T>,
        variance: f64,
    ) -> Var<'t, T> {
        let (rows, width) = (x.shape().rows().max(1), x.shape().width().max(1));
        let squares = || (decoded - x).sum_of_squares();
        match self {
            Self::Variance => squares().scale(1.0 / (rows as f64 * variance)),
            Self::BatchVariance => squares().scale(1.0 / spread(&x.value(), width).max(EPSILON)),
            Self::Squares => squares().scale(1.0 / (rows * width) as f64),
            Self::Cosine => {
                let mut units: Vec<T> = Vec::with_capacity(rows * width);
                for row in x.value().chunks_exact(width) {
                    let length = row.iter().map(|v| v.to_f64().powi(2)).sum::<f64>().sqrt();
                    units.extend(row.iter().map(|v| T::of(v.to_f64() / length.max(EPSILON))));
                }
                let units = tape.constant(units, &[rows, width]);
                let floor = tape.constant(vec![T::of(EPSILON); rows], &[rows]);
                let length = (decoded.dot_rows(decoded) + floor).log().scale(-0.5).exp();
                let cosines = (decoded.dot_rows(units) * length).sum();
                tape.constant(vec![T::of(1.0)], &[]) - cosines.scale(1.0 / rows as f64)
            }
        }
    }

    /// Whether a batch of one input has no loss.
    pub(super) fn needs_several(self) -> bool {
        self == Self::BatchVariance
    }
}

/// `Σ |x − mean|²` over rows.
pub(super) fn spread<T: Float>(x: &[T], width: usize) -> f64 {
    let rows = x.len() / width.max(1);
    let mut mean = vec![0f64; width];
    for row in x.chunks_exact(width.max(1)) {
        mean.iter_mut()
            .zip(row)
            .for_each(|(m, v)| *m += v.to_f64() / rows.max(1) as f64);
    }
    x.iter()
        .enumerate()
        .map(|(at, v)| (v.to_f64() - mean[at % width]).powi(2))
        .sum()
}
