//! Matrix factorization for pairwise ranking: Rendle, Freudenthaler, Gantner and Schmidt-Thieme, BPR: Bayesian
//! Personalized Ranking from Implicit Feedback, UAI 2009, <https://arxiv.org/abs/1205.2618>.
//!
//! ```text
//! score(u, i) = p_u · q_i,   loss = mean of −ln σ(score(u, i) − score(u, j))
//! ```
//!
//! over all events (u, i), each with a sampled item j that u does not have, drawn anew in every epoch. The settings
//! are those of ReChorus: no biases, vectors of 64 numbers from N(0, 0.01²), Adam in place of stochastic gradient
//! descent, and L2 as weight decay of all vectors in every step.
//!
//! A training row uses the vector learned for its user; any other row is folded in (`folded.rs`) from the mean of
//! its item vectors.

use limpid_core::traits::Monitor;
use limpid_core::{Fit, Histories, Result, Run, Training};
use limpid_tensor::optim::adam::Adam;
use limpid_tensor::optim::deferred::Deferred;
use limpid_tensor::{Learner, Parameter, Rng, train};

use crate::hyper::{self, hyper};
use crate::latent::folded::{Folded, Learned, folded_model};
use crate::latent::{MAX_WIDTH, score_of};
use crate::negatives::Negatives;
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "bprmf",
    aliases: &[],
    about: "matrix factorization with the pairwise loss of BPR",
    paper: "Rendle et al., BPR: Bayesian Personalized Ranking from Implicit Feedback, UAI 2009",
    reads: Reads::ITEMS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters; the defaults are those of ReChorus.
    pub struct Config {
        /// Dimension of user and item vectors.
        embedding_size: usize = 64, in whole(1, MAX_WIDTH), tune [32, 64, 128];
        /// L2 regularization (weight decay in the gradient).
        reg: f32 = 1e-6, in at_least(0.0), tune [0, 1e-6, 1e-4];
        include training: TrainingLoop = { epochs: 200, batch_size: 256 };
    }
}

/// Standard deviation of the initial vectors.
const DEVIATION: f32 = 0.01;

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let d = self.embedding_size;
        let negatives = Negatives::new(data.histories);
        let fingerprint = format!("bprmf {self:?} on {:016x}", negatives.hash());
        let mut rng = Rng::new(run.seed, 0);
        let mut table = |name, n: usize| {
            let start = (0..n * d).map(|_| DEVIATION * rng.normal()).collect();
            Table::new(Parameter::shaped(name, [n, d], start), d)
        };
        let mut trainer = Trainer {
            users: table("users", data.histories.len()),
            items: table("items", data.histories.n_items()),
            d,
            reg: self.reg,
            histories: data.histories,
            negatives,
            examples: Vec::new(),
            left: 0,
        };
        train(&mut trainer, &self.training.schedule(), &fingerprint, run)?;
        Ok(trainer.finish())
    }
}

/// A table of vectors with the rows and gradients of one step.
struct Table {
    vectors: Parameter,
    deferred: Deferred,
    d: usize,
    /// The rows of the step, ascending, and for each row of the table its index among them.
    rows: Vec<u32>,
    index: Vec<u32>,
    gradient: Vec<f32>,
}

impl Table {
    fn new(vectors: Parameter, d: usize) -> Self {
        Self {
            deferred: Deferred::new(&vectors, d),
            index: vec![0; vectors.value.len() / d.max(1)],
            vectors,
            d,
            rows: Vec::new(),
            gradient: Vec::new(),
        }
    }

    /// Makes rows ready for a step.
    fn read(&mut self, rows: impl Iterator<Item = u32>) {
        self.rows.clear();
        self.rows.extend(rows);
        self.rows.sort_unstable();
        self.rows.dedup();
        for (k, &row) in self.rows.iter().enumerate() {
            self.index[row as usize] = k as u32;
        }
        self.gradient.clear();
        self.gradient.resize(self.rows.len() * self.d, 0.0);
        self.deferred.catch_up(&mut self.vectors, &self.rows);
    }

    fn row(&self, row: u32) -> &[f32] {
        &self.vectors.value[row as usize * self.d..][..self.d]
    }

    fn gradient(&mut self, row: u32) -> &mut [f32] {
        let at = self.index[row as usize] as usize;
        &mut self.gradient[at * self.d..][..self.d]
    }

    fn step(&mut self, adam: &Adam) {
        self.deferred
            .step(&mut self.vectors, adam, &self.rows, &self.gradient);
    }
}

struct Trainer<'a> {
    users: Table,
    items: Table,
    d: usize,
    reg: f32,
    histories: &'a Histories,
    negatives: Negatives,
    /// User, item and negative of each example of the epoch.
    examples: Vec<[u32; 3]>,
    /// Examples of the epoch that are left.
    left: usize,
}

impl Trainer<'_> {
    fn finish(&self) -> Model {
        let learned = Learned {
            users: self.users.vectors.value.clone(),
            items: self.items.vectors.value.clone(),
            sources: None,
            power: POWER,
        };
        let rows = self.negatives.rows();
        Model {
            vectors: Folded::new(self.histories, rows, self.d, learned),
        }
    }
}

impl Learner for Trainer<'_> {
    fn parameters(&mut self) -> Vec<&mut Parameter> {
        vec![&mut self.users.vectors, &mut self.items.vectors]
    }

    fn begin(&mut self, _: usize, rng: &mut Rng) -> usize {
        self.examples.clear();
        for (u, row) in self.negatives.rows().iter().enumerate() {
            let example = |&i: &u32| [u as u32, i, self.negatives.sample(u, rng)];
            self.examples.extend(row.iter().map(example));
        }
        self.left = self.examples.len();
        self.left
    }

    fn step(&mut self, examples: &[u32], rate: f32, _: &mut Rng) -> f64 {
        let of = |e: &u32| self.examples[*e as usize];
        self.users.read(examples.iter().map(|e| of(e)[0]));
        self.items
            .read(examples.iter().flat_map(|e| [of(e)[1], of(e)[2]]));
        let scale = 1.0 / examples.len().max(1) as f32;
        let mut loss = 0f64;
        for &e in examples {
            let [u, i, j] = self.examples[e as usize];
            let (q, n) = (self.items.row(i), self.items.row(j));
            let p = self.users.row(u);
            // x = score(u, i) − score(u, j); −ln σ(x) = ln(1 + e⁻ˣ), without overflow.
            let x = score_of(p, q) - score_of(p, n);
            loss += f64::from((-x).max(0.0)) + f64::from((-x.abs()).exp()).ln_1p();
            let slope = -scale / (1.0 + x.exp());
            let for_user = self.users.gradient(u).iter_mut().zip(q.iter().zip(n));
            for_user.for_each(|(g, (&q, &n))| *g += slope * (q - n));
            for (item, slope) in [(i, slope), (j, -slope)] {
                let for_item = self.items.gradient(item).iter_mut();
                let p = self.users.row(u);
                for_item.zip(p).for_each(|(g, &p)| *g += slope * p);
            }
        }
        let adam = Adam {
            decay: self.reg,
            ..Adam::new(rate)
        };
        self.left = self.left.saturating_sub(examples.len());
        for table in [&mut self.users, &mut self.items] {
            table.step(&adam);
            // The model is read after the last step of an epoch.
            if self.left == 0 {
                table.deferred.finish(&mut table.vectors);
            }
        }
        loss
    }

    fn measure(&self, monitor: &Monitor<'_>) -> Result<Option<f64>> {
        Ok(Some(monitor(&self.finish())))
    }
}

/// A history is the mean of its items.
const POWER: f64 = 1.0;

folded_model!("model/bprmf", POWER, false);

#[cfg(test)]
mod tests {
    use super::*;

    /// One step on one example: every coordinate moves by the learning rate against the sign of its gradient.
    #[test]
    fn first_step_by_hand() {
        let data = Histories::from_rows(&[vec![0]], 2).unwrap();
        let table = |name, values: Vec<f32>| {
            let n = values.len() / 2;
            Table::new(Parameter::shaped(name, [n, 2], values), 2)
        };
        let mut trainer = Trainer {
            users: table("users", vec![1.0, -1.0]),
            items: table("items", vec![0.5, 0.0, 0.25, 1.0]),
            d: 2,
            reg: 0.0,
            histories: &data,
            negatives: Negatives::new(&data),
            examples: Vec::new(),
            left: 0,
        };
        assert_eq!(trainer.begin(1, &mut Rng::new(1, 0)), 1);
        // x = 0.5 + 0.75 = 1.25.
        let loss = trainer.step(&[0], 0.1, &mut Rng::new(1, 0));
        assert!((loss - (1.0 + (-1.25f64).exp()).ln()).abs() < 1e-6);
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(&trainer.users.vectors.value, &[1.1, -1.1]));
        let items = &trainer.items.vectors.value;
        assert!(close(items, &[0.6, -0.1, 0.15, 1.1]), "{items:?}");
    }
}
