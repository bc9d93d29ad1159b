//! Adam on all rows of a table of which a step reads few.
//!
//! In plain Adam a row without a gradient still moves: by its momentum, and by weight decay. Rows that are not read can
//! be updated later: their steps are made one after another when they are, while the row is in the cache. The result is
//! that of all steps at once, bit for bit; the whole table is not read and written in every step.
//!
//! A step is [`catch_up`](Deferred::catch_up) with the rows that it reads, then
//! [`step`](Deferred::step) with their gradients; [`finish`](Deferred::finish) brings all rows up to date, before
//! the table is read elsewhere.

use rayon::prelude::*;

use super::adam::{self, Adam};
use crate::{Parameter, wide};

/// Elements per task.
const CHUNK: usize = 2048;

/// The steps that rows of a table have not made yet.
#[derive(Debug, Clone)]
pub struct Deferred {
    width: usize,
    /// For each row the number of `steps` that it has made.
    made: Vec<u32>,
    /// The steps since all rows were up to date.
    steps: Vec<Step>,
    zeros: Vec<f32>,
}

/// The constants of one step.
#[derive(Debug, Clone, Copy)]
struct Step {
    adam: Adam,
    scale: f32,
    root: f32,
}

impl Deferred {
    /// All rows of `width` of a table are up to date.
    #[must_use]
    pub fn new(table: &Parameter, width: usize) -> Self {
        Self {
            width,
            made: vec![0; table.value.len() / width.max(1)],
            steps: Vec::new(),
            zeros: vec![0.0; width],
        }
    }

    /// Brings some rows, ascending, up to date.
    pub fn catch_up(&mut self, table: &mut Parameter, rows: &[u32]) {
        let mut rows = rows.iter().peekable();
        self.replay(table, |row| rows.next_if(|r| **r == row).is_some());
    }

    /// Brings all rows up to date.
    pub fn finish(&mut self, table: &mut Parameter) {
        self.replay(table, |_| true);
        self.made.fill(0);
        self.steps.clear();
    }

    fn replay(&mut self, table: &mut Parameter, mut wanted: impl FnMut(u32) -> bool) {
        if self.steps.is_empty() || self.width == 0 {
            return;
        }
        let ([value, first, second], _) = table.arrays_mut();
        let arrays = value
            .chunks_exact_mut(self.width)
            .zip(first.chunks_exact_mut(self.width))
            .zip(second.chunks_exact_mut(self.width))
            .zip(&mut self.made);
        let late: Vec<_> = (0u32..)
            .zip(arrays)
            .filter_map(|(row, of_row)| wanted(row).then_some(of_row))
            .collect();
        let (steps, zeros) = (&self.steps, &self.zeros);
        late.into_par_iter()
            .with_min_len((CHUNK / self.width).max(1))
            .for_each(|(((w, m), v), made)| {
                wide(
                    #[inline(always)]
                    || {
                        for step in &steps[*made as usize..] {
                            adam::chunk(&step.adam, step.scale, step.root, w, zeros, m, v);
                        }
                    },
                );
                *made = steps.len() as u32;
            });
    }

    /// A step of the whole table: now for some rows, ascending and up to date, with their gradients concatenated;
    /// for all others when they are read.
    pub fn step(&mut self, table: &mut Parameter, adam: &Adam, rows: &[u32], gradient: &[f32]) {
        table.step_at_rows(adam, self.width, rows, gradient);
        let (scale, root) = adam.corrections(table.state().1);
        self.steps.push(Step {
            adam: *adam,
            scale,
            root,
        });
        for &row in rows {
            self.made[row as usize] = self.steps.len() as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn equals_steps_of_the_whole_table_bit_for_bit() {
        let (n, width) = (9usize, 5);
        let mut rng = Rng::new(4, 0);
        let start = rng.uniforms(n * width, -1.0, 1.0);
        let mut plain = Parameter::shaped("plain", [n, width], start.clone());
        let mut late = Parameter::shaped("late", [n, width], start);
        let mut deferred = Deferred::new(&late, width);
        for step in 0..40 {
            let adam = Adam {
                decay: 0.1,
                ..Adam::new(0.01 / (1 + step) as f32)
            };
            let rows = rng.distinct(3, n);
            deferred.catch_up(&mut late, &rows);
            for &row in &rows {
                let at = row as usize * width..(row as usize + 1) * width;
                assert_eq!(plain.value[at.clone()], late.value[at]);
            }
            let gradient = rng.uniforms(rows.len() * width, -1.0, 1.0);
            let mut dense = vec![0f32; n * width];
            for (&row, g) in rows.iter().zip(gradient.chunks_exact(width)) {
                dense[row as usize * width..][..width].copy_from_slice(g);
            }
            deferred.step(&mut late, &adam, &rows, &gradient);
            plain.step_along(&adam, &dense);
            if step == 20 {
                deferred.finish(&mut late);
            }
        }
        deferred.finish(&mut late);
        assert_eq!(plain.state(), late.state());
    }
}
