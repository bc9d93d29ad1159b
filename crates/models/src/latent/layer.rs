//! Dense layers of decoders: what the tape trains, as plain numbers.

use limpid_core::{Error, Result, Tensors};

use super::{MAX_WIDTH, score_of};

/// A dense layer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    pub(super) weights: Vec<f32>, // (in, out)
    pub(super) bias: Vec<f32>,    // (out)
}

impl Layer {
    /// `bias + x W`.
    pub(super) fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        self.apply_to(x, &mut out);
        out
    }

    /// The same in a buffer.
    pub(super) fn apply_to(&self, x: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.extend_from_slice(&self.bias);
        for (x, row) in x.iter().zip(self.weights.chunks_exact(out.len().max(1))) {
            out.iter_mut().zip(row).for_each(|(o, w)| *o += x * w);
        }
    }

    /// The gradient of the input for that of the output: `g Wᵀ`.
    pub(super) fn back(&self, gradient: &[f32]) -> Vec<f32> {
        let rows = self.weights.chunks_exact(gradient.len().max(1));
        rows.map(|row| score_of(row, gradient)).collect()
    }

    /// Saves it as `name` and `name.bias`.
    pub(super) fn save(&self, out: &mut Tensors, name: &str) {
        let n = self.bias.len();
        let shape = [self.weights.len() / n.max(1), n];
        out.put_f32(name, &shape, self.weights.clone());
        out.put_f32(&format!("{name}.bias"), &[n], self.bias.clone());
    }

    /// Loads it, for a number of inputs.
    ///
    /// # Errors
    /// If an array is missing, or has another shape.
    pub(super) fn load(from: &Tensors, name: &str, inputs: usize) -> Result<Self> {
        let (_, bias) = from.f32(&format!("{name}.bias"))?;
        if !(1..=MAX_WIDTH).contains(&bias.len()) {
            let expected = format!("from 1 to {MAX_WIDTH}");
            return Err(Error::shape(format!("{name}.bias"), expected, bias.len()));
        }
        let weights = from.shaped(name, &[inputs, bias.len()])?;
        Ok(Self {
            weights: weights.to_vec(),
            bias: bias.to_vec(),
        })
    }
}
