//! A trainable array: its values, its gradient and the state of Adam.

use std::borrow::Cow;

use crate::optim::adam::{self, Adam};
use crate::optim::nadam;

/// A trainable array.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name in checkpoints.
    pub name: Cow<'static, str>,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub value: Vec<f32>,
    /// The gradient of the loss for [`step`](Self::step), as long as `value`; the other steps do not
    /// use it.
    pub gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    steps: u64,
}

impl Parameter {
    /// A parameter of one dimension with its initial values.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, value: Vec<f32>) -> Self {
        let shape = vec![value.len()];
        Self::shaped(name, shape, value)
    }

    /// A parameter with its initial values, row-major.
    ///
    /// # Panics
    /// If the number of values does not match the shape.
    #[must_use]
    pub fn shaped(
        name: impl Into<Cow<'static, str>>,
        shape: impl Into<Vec<usize>>,
        value: Vec<f32>,
    ) -> Self {
        let (shape, n) = (shape.into(), value.len());
        assert_eq!(
            shape.iter().product::<usize>(),
            n,
            "number of values does not match shape {shape:?}"
        );
        Self {
            name: name.into(),
            shape,
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

    /// The same with a gradient that is stored elsewhere.
    pub fn step_along(&mut self, adam: &Adam, gradient: &[f32]) {
        self.steps += 1;
        adam::step(
            adam,
            self.steps,
            &mut self.value,
            gradient,
            &mut self.first,
            &mut self.second,
        );
    }

    /// The same for rows of `width`, with the gradient computed piece by piece and not stored; `gradient` is
    /// as in [`adam::step_by_rows`].
    pub fn step_by_rows(
        &mut self,
        adam: &Adam,
        width: usize,
        gradient: impl Fn(usize, usize, &[f32], &mut [f32]) + Sync,
    ) {
        self.steps += 1;
        adam::step_by_rows(
            adam,
            self.steps,
            width,
            &mut self.value,
            &mut self.first,
            &mut self.second,
            gradient,
        );
    }

    /// The same for some rows of `width` only, ascending, with their gradients concatenated.
    pub fn step_at_rows(&mut self, adam: &Adam, width: usize, rows: &[u32], gradient: &[f32]) {
        self.steps += 1;
        let arrays = [self.value.as_mut_slice(), &mut self.first, &mut self.second];
        adam::step_at_rows(adam, self.steps, width, rows, arrays, gradient);
    }

    /// One step of NAdam along the gradient.
    pub fn step_nadam(&mut self, rate: f32) {
        self.steps += 1;
        let moments = [self.first.as_mut_slice(), &mut self.second];
        nadam::step(rate, self.steps, &mut self.value, &self.gradient, moments);
    }

    /// Values and both moments, and the number of steps.
    pub(crate) fn arrays_mut(&mut self) -> ([&mut [f32]; 3], u64) {
        let arrays = [self.value.as_mut_slice(), &mut self.first, &mut self.second];
        (arrays, self.steps)
    }

    /// The state for a checkpoint: values, both moments, and the number of steps.
    #[must_use]
    pub fn state(&self) -> ([&[f32]; 3], u64) {
        ([&self.value, &self.first, &self.second], self.steps)
    }

    /// Restores a state; false if its lengths do not match.
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
