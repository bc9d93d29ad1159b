//! An array that is learned: its values, its gradient and what Adam remembers of it.

use crate::kernels::adam::{self, Adam};

/// A learned array.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name in checkpoints.
    pub name: &'static str,
    /// Its values, row-major.
    pub value: Vec<f32>,
    /// The gradient of the loss; as long as `value`.
    pub gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    steps: u64,
}

impl Parameter {
    /// A parameter with its first values.
    #[must_use]
    pub fn new(name: &'static str, value: Vec<f32>) -> Self {
        let n = value.len();
        Self {
            name,
            value,
            gradient: vec![0.0; n],
            first: vec![0.0; n],
            second: vec![0.0; n],
            steps: 0,
        }
    }

    /// One step of Adam along the gradient.
    pub fn step(&mut self, adam: &Adam) {
        self.steps += 1;
        adam::step(
            adam,
            self.steps,
            &mut self.value,
            &self.gradient,
            &mut self.first,
            &mut self.second,
        );
    }

    /// What a checkpoint keeps: values, both moments, and the number of steps.
    #[must_use]
    pub fn state(&self) -> ([&[f32]; 3], u64) {
        ([&self.value, &self.first, &self.second], self.steps)
    }

    /// Takes up a state again; whether its lengths fit.
    pub fn restore(&mut self, arrays: [&[f32]; 3], steps: u64) -> bool {
        let n = self.value.len();
        if arrays.iter().any(|a| a.len() != n) {
            return false;
        }
        self.value.copy_from_slice(arrays[0]);
        self.first.copy_from_slice(arrays[1]);
        self.second.copy_from_slice(arrays[2]);
        self.steps = steps;
        true
    }
}
