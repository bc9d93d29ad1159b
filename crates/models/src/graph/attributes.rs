//! Attributes of items for models that need them.

use std::sync::Arc;

use limpid_core::{Catalogue, ItemIdx};
use limpid_tensor::Rng;
use limpid_tensor::tape::{Tape, Var};

use crate::behavior::chains::Chains;

/// A fixed random projection of what is known of each item, in rows of length 1.
pub(crate) struct Attributes {
    values: Arc<Vec<f32>>, // (I, w)
    width: usize,
    /// Whether the catalogue has none, so that users took their place.
    pub(crate) made_up: bool,
}

impl Attributes {
    /// The attributes of a catalogue: every value of every field has a random direction.
    pub(crate) fn of(catalogue: &Catalogue, chains: &Chains, width: usize, seed: u64) -> Self {
        let n = chains.n_items;
        let mut rng = Rng::new(seed, 3);
        let mut values = vec![0f32; n * width];
        let mut add = |item: usize, direction: &[f32]| {
            let row = &mut values[item * width..][..width];
            row.iter_mut().zip(direction).for_each(|(v, x)| *v += x);
        };
        let mut known = false;
        for field in &catalogue.fields {
            let directions: Vec<f32> = (0..field.values.len() * width)
                .map(|_| rng.normal())
                .collect();
            for item in 0..n {
                for (value, _) in field.row(ItemIdx(item as u32)) {
                    add(item, &directions[value as usize * width..][..width]);
                    known = true;
                }
            }
        }
        if !known {
            for u in 0..chains.len() {
                let direction: Vec<f32> = (0..width).map(|_| rng.normal()).collect();
                chains
                    .row(u)
                    .iter()
                    .for_each(|e| add(e.0 as usize, &direction));
            }
        }
        for row in values.chunks_exact_mut(width.max(1)) {
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
            row.iter_mut().for_each(|v| *v /= length);
        }
        Self {
            values: Arc::new(values),
            width,
            made_up: !known,
        }
    }

    /// As a constant `(I, w)`.
    pub(crate) fn constant<'t>(&self, tape: &'t Tape) -> Var<'t> {
        let n = self.values.len() / self.width.max(1);
        tape.constant(self.values.clone(), &[n, self.width])
    }
}
