//! A network written with [`Var`] in the training loop.

use std::sync::Arc;

use limpid_core::{Result, traits::Monitor};

use super::{Gradient, Tape, Var};
use crate::optim::adam::Adam;
use crate::optim::clip;
use crate::{Learner, Parameter, Rng};

/// The computation of a network; its weights are owned by a [`TapeLearner`].
pub trait Network {
    /// Recomputes what is constant within an epoch but depends on the weights, such as neighbors; before
    /// [`begin`](Self::begin).
    fn refresh(&mut self, weights: &[Parameter]) {
        let _ = weights;
    }

    /// Prepares an epoch (counted from 1), for example by sampling negatives; returns the number of
    /// examples.
    fn begin(&mut self, epoch: usize, rng: &mut Rng) -> usize;

    /// The mean loss of some examples; `weights` are in the order of the learner's parameters.
    fn loss<'t>(
        &self,
        tape: &'t Tape,
        weights: &[Var<'t>],
        examples: &[u32],
        rng: &mut Rng,
    ) -> Var<'t>;

    /// Moves weights back into their range, after a step.
    fn project(&self, weights: &mut [Parameter]) {
        let _ = weights;
    }

    /// As [`Learner::measure`].
    ///
    /// # Errors
    /// If it cannot be computed.
    fn measure(&self, weights: &[Parameter], monitor: &Monitor<'_>) -> Result<Option<f64>> {
        let _ = (weights, monitor);
        Ok(None)
    }
}

/// A network, its weights, and its optimizer: Adam, after gradient clipping.
///
/// If a step only gathers rows of a table, only those rows are updated: their
/// moments decay when they are gathered, not in between, and the corrections count all steps (as
/// `SparseAdam` of PyTorch does). L2 is added to the gradients of parameters of two dimensions and more,
/// not to biases and gains, and of a table only in the updated rows.
pub struct TapeLearner<N> {
    network: N,
    weights: Vec<Parameter>,
    adam: Adam,
    clip: Option<f32>,
    all_rows: bool,
    tape: Tape,
}

impl<N: Network> TapeLearner<N> {
    /// Uses the settings of `adam`, except the learning rate, which comes from the schedule.
    pub fn new(network: N, weights: Vec<Parameter>, adam: Adam) -> Self {
        Self {
            network,
            weights,
            adam,
            clip: None,
            all_rows: false,
            tape: Tape::default(),
        }
    }

    /// Clips the gradients of a step to this global Euclidean norm.
    #[must_use]
    pub fn clipped(mut self, norm: f32) -> Self {
        self.clip = Some(norm);
        self
    }

    /// Updates all rows of a table at every step, as plain Adam does: rows without a gradient move
    /// by their momentum. The cost grows with the size of the tables.
    #[must_use]
    pub fn updating_all_rows(mut self) -> Self {
        self.all_rows = true;
        self
    }

    /// The weights, in the order of construction.
    #[must_use]
    pub fn weights(&self) -> &[Parameter] {
        &self.weights
    }

    /// The weights after training.
    #[must_use]
    pub fn into_weights(self) -> Vec<Parameter> {
        self.weights
    }

    /// The network and its weights after training.
    #[must_use]
    pub fn into_parts(self) -> (N, Vec<Parameter>) {
        (self.network, self.weights)
    }

    /// The loss and the gradients of some examples; the weights are moved to the tape for the duration.
    fn gradients(&mut self, examples: &[u32], rng: &mut Rng) -> (f64, Vec<Gradient<f32>>) {
        let values: Vec<Arc<Vec<f32>>> = self
            .weights
            .iter_mut()
            .map(|p| Arc::new(std::mem::take(&mut p.value)))
            .collect();
        let leaves = values.iter().zip(&self.weights);
        let leaves: Vec<Var<'_>> = leaves
            .map(|(value, p)| self.tape.leaf(value.clone(), &p.shape))
            .collect();
        let loss = self.network.loss(&self.tape, &leaves, examples, rng);
        let value = f64::from(loss.scalar());
        let mut gradients = loss.backward();
        let gradients = leaves.iter().map(|&leaf| gradients.take(leaf)).collect();
        self.tape.reset();
        for (parameter, value) in self.weights.iter_mut().zip(values) {
            parameter.value = Arc::unwrap_or_clone(value);
        }
        (value, gradients)
    }
}

impl<N: Network> Learner for TapeLearner<N> {
    fn parameters(&mut self) -> Vec<&mut Parameter> {
        self.weights.iter_mut().collect()
    }

    fn begin(&mut self, epoch: usize, rng: &mut Rng) -> usize {
        self.network.refresh(&self.weights);
        self.network.begin(epoch, rng)
    }

    fn step(&mut self, examples: &[u32], rate: f32, rng: &mut Rng) -> f64 {
        let (loss, mut gradients) = self.gradients(examples, rng);
        if let Some(norm) = self.clip {
            clip::to_norm(gradients.iter_mut().map(Gradient::values_mut), norm);
        }
        for (parameter, gradient) in self.weights.iter_mut().zip(gradients) {
            let matrix = parameter.shape.len() > 1;
            let adam = Adam {
                rate,
                decay: if matrix { self.adam.decay } else { 0.0 },
                ..self.adam
            };
            match gradient {
                Gradient::None => {}
                rows @ Gradient::Rows { .. } if self.all_rows => {
                    parameter.step_along(&adam, &rows.dense(parameter.value.len()));
                }
                Gradient::Dense(values) => {
                    parameter.step_along(&adam, &values);
                    self.tape.recycle(values);
                }
                Gradient::Rows { rows, values } => {
                    let width = parameter.shape.last().copied().unwrap_or(1);
                    parameter.step_at_rows(&adam, width, &rows, &values);
                    self.tape.recycle(values);
                }
            }
        }
        self.network.project(&mut self.weights);
        loss * examples.len() as f64
    }

    fn measure(&self, monitor: &Monitor<'_>) -> Result<Option<f64>> {
        self.network.measure(&self.weights, monitor)
    }
}
