//! Matrix factorization with binary cross-entropy on sampled negatives: `p_u · q_i` without biases.
//!
//! This is the "MF" baseline in the tables of LIA (Wei et al., A Logical-Rule Autoencoder for
//! Interpretable Recommendations), with the settings of its authors: dimension 100, Glorot-normal
//! initialization, Adam 1e-3 with L2 1e-5, batches of 1,024 examples with summed losses; each epoch samples
//! two (user, item) pairs per event and drops pairs that are events.
//!
//! A training row uses the vector learned for its user; any other row is folded in (`folded.rs`) from the mean of
//! its item vectors.

use limpid_core::traits::Monitor;
use limpid_core::{Fit, Histories, Result, Run, Training, hash};
use limpid_tensor::optim::adam::Adam;
use limpid_tensor::{Learner, Parameter as Learned, Rng, train};

use crate::hyper::{self, hyper};
use crate::latent::MAX_WIDTH;
use crate::latent::folded::{Folded, Learned as Vectors, folded_model};
use crate::registry::{Alias, Entry, Reads};
use crate::training_loop::TrainingLoop;

/// Sampled pairs per event.
const NEGATIVES: usize = 2;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "bcemf",
    aliases: &[Alias::of("mf-lia")],
    about: "matrix factorization with binary cross-entropy on sampled negatives (LIA's MF baseline)",
    paper: "Wei et al., A Logical-Rule Autoencoder for Interpretable Recommendations",
    reads: Reads::ITEMS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters; the defaults are those of the LIA authors.
    pub struct Config {
        /// Dimension of user and item vectors.
        embedding_size: usize = 100, in whole(1, MAX_WIDTH);
        /// L2 regularization (weight decay in the gradient).
        reg: f32 = 1e-5, in at_least(0.0), tune [0, 1e-5];
        include training: TrainingLoop = { epochs: 100, batch_size: 1024 };
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let d = self.embedding_size;
        let rows: Vec<Vec<u32>> = data
            .histories
            .rows()
            .map(|row| row.distinct_items())
            .collect();
        let mut rng = Rng::new(run.seed, 0);
        let mut glorot = |name, n: usize| {
            let scale = (2.0 / (n + d) as f32).sqrt();
            Learned::new(name, (0..n * d).map(|_| scale * rng.normal()).collect())
        };
        let mut trainer = Trainer {
            users: glorot("users", rows.len()),
            items: glorot("items", data.histories.n_items()),
            n_items: data.histories.n_items(),
            d,
            reg: self.reg,
            histories: data.histories,
            rows,
            examples: Vec::new(),
        };
        let hash = hash::rows(trainer.rows.iter().map(|r| r.iter().copied()));
        train(
            &mut trainer,
            &self.training.schedule(),
            &format!("bcemf {self:?} on {hash:016x}"),
            run,
        )?;
        Ok(trainer.finish())
    }
}

struct Trainer<'a> {
    users: Learned,
    items: Learned,
    n_items: usize,
    d: usize,
    reg: f32,
    histories: &'a Histories,
    rows: Vec<Vec<u32>>,
    examples: Vec<(u32, u32, f32)>,
}

impl Trainer<'_> {
    fn finish(&self) -> Model {
        let learned = Vectors {
            users: self.users.value.clone(),
            items: self.items.value.clone(),
            sources: None,
            power: 1.0,
        };
        Model {
            vectors: Folded::new(self.histories, &self.rows, self.d, learned),
        }
    }
}

impl Learner for Trainer<'_> {
    fn parameters(&mut self) -> Vec<&mut Learned> {
        vec![&mut self.users, &mut self.items]
    }

    fn begin(&mut self, _: usize, rng: &mut Rng) -> usize {
        self.examples.clear();
        for (u, row) in self.rows.iter().enumerate() {
            self.examples
                .extend(row.iter().map(|&i| (u as u32, i, 1.0)));
        }
        for _ in 0..NEGATIVES * self.examples.len() {
            let (u, i) = (rng.below(self.rows.len()), rng.below(self.n_items) as u32);
            if self.rows[u].binary_search(&i).is_err() {
                self.examples.push((u as u32, i, 0.0));
            }
        }
        self.examples.len()
    }

    fn step(&mut self, examples: &[u32], rate: f32, _: &mut Rng) -> f64 {
        let d = self.d;
        self.users.gradient.fill(0.0);
        self.items.gradient.fill(0.0);
        let mut loss = 0f64;
        for &e in examples {
            let (u, i, y) = self.examples[e as usize];
            let (u, i) = (u as usize * d, i as usize * d);
            let (p, q) = (&self.users.value[u..u + d], &self.items.value[i..i + d]);
            let s: f32 = p.iter().zip(q).map(|(p, q)| p * q).sum();
            // log(1 + eˢ) − y s, without overflow.
            loss += f64::from(s.max(0.0) - y * s) + f64::from((-s.abs()).exp()).ln_1p();
            let error = 1.0 / (1.0 + (-s).exp()) - y;
            let for_user = self.users.gradient[u..u + d].iter_mut();
            for_user.zip(q).for_each(|(g, q)| *g += error * q);
            let for_item = self.items.gradient[i..i + d].iter_mut();
            for_item.zip(p).for_each(|(g, p)| *g += error * p);
        }
        let adam = Adam {
            decay: self.reg,
            ..Adam::new(rate)
        };
        self.users.step(&adam);
        self.items.step(&adam);
        loss
    }

    fn measure(&self, monitor: &Monitor<'_>) -> Result<Option<f64>> {
        Ok(Some(monitor(&self.finish())))
    }
}

folded_model!("model/bcemf", 1.0, false);
