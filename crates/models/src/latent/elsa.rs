//! ELSA: Vančura, Alves, Kasalický and Kordík, Scalable Linear Shallow Autoencoder for Collaborative Filtering,
//! RecSys 2022, <https://doi.org/10.1145/3523227.3551482>.
//!
//! ```text
//! y = x A Aᵀ − x,   rows of A of length 1        loss = mean of (y / ‖y‖ − x / ‖x‖)², over users and items
//! ```
//!
//! As published (`preset=elsa`), the length of the rows is part of the network and A is trained by NAdam. The loss
//! is that of a cosine, and with `z = x A`, `G = AᵀA` and n items in the row, the cosine needs no output:
//!
//! ```text
//! ‖y‖² = z G zᵀ − 2 ‖z‖² + n,    y · x = ‖z‖² − n,    ‖y / ‖y‖ − x / ‖x‖‖² = 2 − 2 y · x / (‖y‖ √n)
//! ```
//!
//! So a step costs the events of its users and n_items d², not users × items × d, with the same result.
//! `preset=knots` is the form of From Knots to Knobs (Spišák et al.): `y = max(x A Aᵀ − x, 0)`, the loss summed
//! over items, Adam; the gradient is projected onto the tangents of the unit rows, and the rows are normalized after
//! the step (there, before it, so that they are slightly off).
//!
//! A score is `x A Aᵀ`: the `− x` is the same for all items that a user does not have, and belongs to the mask. A
//! ledger has one exact part per item of the history, `A_i · A_j`.

use limpid_core::traits::Monitor;
use limpid_core::{
    Artifact, Buffer, Fit, Histories, History, ItemIdx, Latent, Ledger, Mat, Recommender, Result,
    Run, Tensors, Training,
};
use limpid_tensor::matmul::{Factor, product};
use limpid_tensor::optim::adam::Adam;
use limpid_tensor::sparse::batch::Batch;
use limpid_tensor::{Learner, Parameter, Rng, train};
use rayon::prelude::*;

use super::vectors::{decode, dot, encode, ledger};
use super::{MAX_WIDTH, item_vectors};
use crate::hyper::{self, choices, hyper};
use crate::negatives::Negatives;
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "elsa",
    aliases: &[],
    about: "linear autoencoder of low rank with item vectors of length 1 (ELSA)",
    paper: "Vančura et al., Scalable Linear Shallow Autoencoder for Collaborative Filtering, RecSys 2022",
    reads: Reads::ITEMS,
    defaults: hyper::defaults::<Config>,
};

choices! {
    /// The form of the network and of its training.
    pub enum Preset {
        /// The paper: the mean over linear outputs, NAdam, lengths normalized in the network.
        Elsa = "elsa",
        /// From Knots to Knobs: rectified outputs, the sum over items, Adam, rows kept at length 1.
        Knots = "knots",
    }
}

hyper! {
    /// Hyper-parameters; the defaults are those of the authors.
    pub struct Config {
        /// The form of the network and of its training: the paper's, or that of From Knots to Knobs.
        preset: Preset = Preset::Elsa;
        /// Dimension of the item vectors.
        embedding_size: usize = 256, in whole(1, MAX_WIDTH), tune [64, 128, 256, 512];
        include training: TrainingLoop = { epochs: 25, batch_size: 1024, learning_rate: 0.1 };
    }
    preset preset = "knots" { learning_rate = 3e-4 }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let (n_items, d) = (data.histories.n_items(), self.embedding_size);
        let mut rng = Rng::new(run.seed, 0);
        // The lengths of the rows of the start do not matter.
        let start = rng.uniforms(n_items * d, -1.0, 1.0);
        let mut trainer = Trainer {
            a: Parameter::shaped("items", [n_items, d], start),
            d,
            preset: self.preset,
            rows: Negatives::new(data.histories),
        };
        if self.preset == Preset::Knots {
            normalize(&mut trainer.a.value, d);
        } else {
            // Xavier-uniform, as published: the length of a row determines how far a step turns it.
            let bound = (6.0 / (n_items + d) as f32).sqrt();
            trainer.a.value.iter_mut().for_each(|a| *a *= bound);
        }
        let fingerprint = format!("elsa {self:?} on {:016x}", trainer.rows.hash());
        train(&mut trainer, &self.training.schedule(), &fingerprint, run)?;
        Ok(trainer.finish())
    }
}

/// The least length that is divided by.
const LEAST: f32 = 1e-12;

fn length(row: &[f32]) -> f32 {
    super::score_of(row, row).sqrt().max(LEAST)
}

/// Divides every row by its length.
fn normalize(rows: &mut [f32], d: usize) {
    rows.par_chunks_mut(d).with_min_len(64).for_each(|row| {
        let scale = 1.0 / length(row);
        row.iter_mut().for_each(|x| *x *= scale);
    });
}

/// Turns the gradient with respect to unit rows into one along their tangents, times a scale of each row.
fn to_tangents(gradient: &mut [f32], unit: &[f32], d: usize, scale: impl Fn(usize) -> f32 + Sync) {
    gradient
        .par_chunks_mut(d)
        .zip(unit.par_chunks(d))
        .enumerate()
        .with_min_len(64)
        .for_each(|(row, (g, a))| {
            let (along, scale) = (super::score_of(g, a), scale(row));
            g.iter_mut()
                .zip(a)
                .for_each(|(g, &a)| *g = scale * (*g - along * a));
        });
}

struct Trainer {
    a: Parameter, // (I, D)
    d: usize,
    preset: Preset,
    rows: Negatives,
}

impl Trainer {
    fn finish(&self) -> Model {
        let mut items = self.a.value.clone();
        normalize(&mut items, self.d);
        Model {
            items: items.into(),
            d: self.d,
        }
    }

    /// The published loss, summed over users, and its gradient with respect to unit rows `(I, D)`, for the mean.
    fn linear(&self, unit: &[f32], batch: &Batch, gradient: &mut [f32]) -> f64 {
        let (n_users, n_items, d) = (batch.len(), batch.n_items(), self.d);
        let mut z = vec![0f32; n_users * d];
        batch.times(unit, d, &mut z);
        let mut gram = vec![0f32; d * d];
        let a = Factor::new(unit, n_items, d);
        product(&mut gram, a.t(), a, false);
        let mut by_gram = vec![0f32; n_users * d];
        let gram = Factor::new(&gram, d, d);
        product(&mut by_gram, Factor::new(&z, n_users, d), gram, false);
        let per_entry = 1.0 / (n_items.max(1) as f64);
        let share = per_entry / n_users.max(1) as f64;
        let mut loss = 0f64;
        // Slopes of the loss by z at fixed G, and by ‖z‖²_G.
        let mut by_z = by_gram;
        let mut weighted = z.clone();
        for (u, z) in z.chunks_exact(d).enumerate() {
            let of_z = &mut by_z[u * d..][..d];
            let weighted = &mut weighted[u * d..][..d];
            let sum = |x: &[f32]| -> f64 {
                let pairs = z.iter().zip(x);
                pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
            };
            let n = batch.row(u).len() as f64;
            let (q, p) = (sum(z), sum(of_z));
            // ‖y‖² and y · x.
            let (yy, yx) = ((p - 2.0 * q + n).max(1e-9 * n), q - n);
            if n == 0.0 {
                of_z.fill(0.0);
                weighted.fill(0.0);
                continue;
            }
            let scale = 1.0 / (yy * n).sqrt();
            let cosine = yx * scale;
            loss += per_entry * (2.0 - 2.0 * cosine);
            let of_q = -2.0 * share * (scale + cosine / yy);
            let of_p = share * cosine / yy;
            for (g, &z) in of_z.iter_mut().zip(z) {
                *g = (2.0 * of_q) as f32 * z + (2.0 * of_p) as f32 * *g;
            }
            weighted.iter_mut().for_each(|z| *z *= (2.0 * of_p) as f32);
        }
        // x enters by z = x A, and A by G too: A (Zᵀ diag(2 ∂p) Z).
        batch.transpose_times(&by_z, d, gradient);
        let mut by_gram = vec![0f32; d * d];
        let weighted = Factor::new(&weighted, n_users, d);
        product(
            &mut by_gram,
            weighted.t(),
            Factor::new(&z, n_users, d),
            false,
        );
        product(gradient, a, Factor::new(&by_gram, d, d), true);
        loss
    }

    /// The same for rectified outputs, summed over items.
    fn rectified(&self, unit: &[f32], batch: &Batch, gradient: &mut [f32]) -> f64 {
        let (n_users, n_items, d) = (batch.len(), batch.n_items(), self.d);
        let mut z = vec![0f32; n_users * d];
        batch.times(unit, d, &mut z);
        let mut y = vec![0f32; n_users * n_items];
        let a = Factor::new(unit, n_items, d);
        let codes = Factor::new(&z, n_users, d);
        product(&mut y, codes, a.t(), false);
        let share = 1.0 / n_users.max(1) as f64;
        // y becomes the slope of the loss by y.
        let losses: Vec<f64> = y
            .par_chunks_mut(n_items.max(1))
            .enumerate()
            .map(|(u, y)| {
                let row = batch.row(u);
                row.iter().for_each(|&i| y[i as usize] -= 1.0);
                y.iter_mut().for_each(|y| *y = y.max(0.0));
                let yx: f64 = row.iter().map(|&i| f64::from(y[i as usize])).sum();
                let yy = f64::from(super::score_of(y, y));
                let n = row.len() as f64;
                if yy == 0.0 || n == 0.0 {
                    y.fill(0.0);
                    return f64::from(u8::from(n > 0.0));
                }
                let scale = 1.0 / (yy * n).sqrt();
                let cosine = yx * scale;
                let along = (2.0 * share * cosine / yy) as f32;
                let of_seen = (2.0 * share * scale) as f32;
                // Outputs that are 0 have no slope.
                let seen: Vec<bool> = row.iter().map(|&i| y[i as usize] > 0.0).collect();
                y.iter_mut().for_each(|y| *y *= along);
                for (&i, _) in row.iter().zip(seen).filter(|(_, seen)| *seen) {
                    y[i as usize] -= of_seen;
                }
                2.0 - 2.0 * cosine
            })
            .collect();
        let slopes = Factor::new(&y, n_users, n_items);
        let mut by_z = vec![0f32; n_users * d];
        product(&mut by_z, slopes, a, false);
        batch.transpose_times(&by_z, d, gradient);
        product(gradient, slopes.t(), codes, true);
        losses.iter().sum()
    }
}

impl Learner for Trainer {
    fn parameters(&mut self) -> Vec<&mut Parameter> {
        vec![&mut self.a]
    }

    fn begin(&mut self, _: usize, _: &mut Rng) -> usize {
        self.rows.rows().len()
    }

    fn step(&mut self, examples: &[u32], rate: f32, _: &mut Rng) -> f64 {
        let (rows, d) = (self.rows.rows(), self.d);
        let of = examples.iter().map(|&u| rows[u as usize].as_slice());
        let batch = Batch::new(of, self.a.value.len() / d.max(1));
        let mut gradient = std::mem::take(&mut self.a.gradient);
        let loss = match self.preset {
            Preset::Elsa => {
                let mut unit = self.a.value.clone();
                normalize(&mut unit, d);
                let loss = self.linear(&unit, &batch, &mut gradient);
                let value = &self.a.value;
                to_tangents(&mut gradient, &unit, d, |i| {
                    1.0 / length(&value[i * d..][..d])
                });
                loss
            }
            Preset::Knots => {
                let loss = self.rectified(&self.a.value, &batch, &mut gradient);
                to_tangents(&mut gradient, &self.a.value, d, |_| 1.0);
                loss
            }
        };
        self.a.gradient = gradient;
        match self.preset {
            Preset::Elsa => self.a.step_nadam(rate),
            Preset::Knots => {
                self.a.step(&Adam {
                    beta2: 0.99,
                    ..Adam::new(rate)
                });
                normalize(&mut self.a.value, d);
            }
        }
        loss
    }

    fn measure(&self, monitor: &Monitor<'_>) -> Result<Option<f64>> {
        Ok(Some(monitor(&self.finish())))
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    items: Buffer<f32>, // (I, D): A
    d: usize,
}

impl Model {
    fn item(&self, item: u32) -> &[f32] {
        &self.items[item as usize * self.d..][..self.d]
    }

    /// `z = Σ A_i` of a user's items.
    fn vector(&self, items: &[u32]) -> Vec<f64> {
        let mut z = vec![0f64; self.d];
        for &i in items {
            let row = z.iter_mut().zip(self.item(i));
            row.for_each(|(z, &a)| *z += f64::from(a));
        }
        z
    }
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        self.decode(&self.encode(users))
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let items = user.distinct_items();
        let target: Vec<f64> = self.item(item.0).iter().map(|&a| f64::from(a)).collect();
        let effect = |&i: &u32| (i, dot(&target, self.item(i)));
        let effects: Vec<(u32, f64)> = items.iter().map(effect).collect();
        ledger(user, &effects, &self.vector(&items), self.item(item.0))
    }

    fn latent(&self) -> Option<&dyn Latent> {
        Some(self)
    }
}

impl Latent for Model {
    fn encode(&self, users: &Histories) -> Mat {
        encode(users, self.d, |user| self.vector(&user.distinct_items()))
    }

    fn decode(&self, z: &Mat) -> Mat {
        decode(z, &self.items, self.items.len() / self.d.max(1))
    }

    fn decode_gradient(&self, _: &[f32], item: ItemIdx) -> Vec<f32> {
        self.item(item.0).to_vec()
    }

    fn item_vectors(&self) -> Option<Mat> {
        let n_items = self.items.len() / self.d.max(1);
        Mat::from_shape_vec((n_items, self.d), self.items.to_vec()).ok()
    }
}

impl Artifact for Model {
    const KIND: &'static str = "model/elsa";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        let n_items = self.items.len() / self.d.max(1);
        out.put_f32("items", &[n_items, self.d], self.items.clone());
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (items, _, d) = item_vectors(from, "items")?;
        Ok(Self { items, d })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trainer(preset: Preset) -> Trainer {
        let rows = [vec![0, 1, 4], vec![2, 3], vec![], vec![0, 2, 3, 4, 5]];
        let data = Histories::from_rows(&rows, 6).unwrap();
        let mut a = Rng::new(5, 0).uniforms(6 * 3, -1.0, 1.0);
        if preset == Preset::Knots {
            normalize(&mut a, 3);
        }
        Trainer {
            a: Parameter::shaped("items", [6, 3], a),
            d: 3,
            preset,
            rows: Negatives::new(&data),
        }
    }

    /// The loss by its definition, in double precision, for unnormalized rows.
    fn loss(trainer: &Trainer, a: &[f64]) -> f64 {
        let unit: Vec<Vec<f64>> = a
            .chunks(3)
            .map(|row| {
                let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                row.iter().map(|x| x / length).collect()
            })
            .collect();
        let mut total = 0.0;
        for row in trainer.rows.rows().iter().filter(|r| !r.is_empty()) {
            let z: Vec<f64> = (0..3)
                .map(|k| row.iter().map(|&i| unit[i as usize][k]).sum())
                .collect();
            let x: Vec<f64> = (0..6)
                .map(|i| f64::from(u8::from(row.contains(&i))))
                .collect();
            let mut y: Vec<f64> = unit
                .iter()
                .zip(&x)
                .map(|(a, x)| a.iter().zip(&z).map(|(a, z)| a * z).sum::<f64>() - x)
                .collect();
            if trainer.preset == Preset::Knots {
                y.iter_mut().for_each(|y| *y = y.max(0.0));
            }
            let length = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
            let (of_y, of_x) = (length(&y), length(&x));
            let squares = y.iter().zip(&x).map(|(y, x)| (y / of_y - x / of_x).powi(2));
            total += squares.sum::<f64>();
        }
        match trainer.preset {
            Preset::Elsa => total / 6.0,
            Preset::Knots => total,
        }
    }

    /// The loss and its gradient along the tangents, against the definition and its central differences.
    #[test]
    fn gradients_equal_central_differences() {
        for preset in [Preset::Elsa, Preset::Knots] {
            let mut t = trainer(preset);
            let a: Vec<f64> = t.a.value.iter().map(|&a| f64::from(a)).collect();
            let found = t.step(&[0, 1, 2, 3], 0.0, &mut Rng::new(1, 0));
            assert!((found - loss(&t, &a)).abs() < 1e-5, "{found}");
            for k in 0..a.len() {
                let at = |h: f64| {
                    let mut a = a.clone();
                    a[k] += h;
                    loss(&t, &a) / 4.0
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                let gradient = f64::from(t.a.gradient[k]);
                assert!(
                    (slope - gradient).abs() < 1e-4 * (0.1 + slope.abs()),
                    "{preset:?} {k}: {slope} {gradient}"
                );
            }
        }
    }

    /// Rows of length 1 stay so.
    #[test]
    fn knots_keeps_rows_at_length_1() {
        let mut t = trainer(Preset::Knots);
        for _ in 0..3 {
            t.step(&[0, 1, 3], 0.3, &mut Rng::new(1, 0));
            assert!(
                t.a.value
                    .chunks(3)
                    .all(|row| (length(row) - 1.0).abs() < 1e-6)
            );
        }
    }
}
