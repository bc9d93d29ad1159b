//! Matrix factorization with binary cross-entropy on sampled negatives: `p_u · q_i` without biases.
//!
//! This is the "MF" baseline in the tables of LIA (Wei et al., A Logical-Rule Autoencoder for
//! Interpretable Recommendations), with the settings of its authors: dimension 100, Glorot-normal
//! initialization, Adam 1e-3 with L2 1e-5, batches of 1,024 examples with summed losses; each epoch samples
//! two (user, item) pairs per event and drops pairs that are events.
//!
//! A training row uses the vector learned for its user. Any other row is folded in by the linear map
//! from the mean of its item vectors that best fits the learned vectors. A ledger has the contributions
//! of that map; the difference to the learned vector is the residual. A model that is saved without users
//! has the map only.

use limpid_core::traits::Monitor;
use limpid_core::{
    Artifact, Buffer, Error, Fit, Histories, History, ItemIdx, Latent, Ledger, Mat, Recommender,
    Result, Run, Tensors, Training,
};
use limpid_tensor::optim::adam::Adam;
use limpid_tensor::{Learner, Parameter as Learned, Rng, train};

use crate::hyper::{self, hyper};
use crate::latent::ials::{System, decode, dot, items_of, ledger};
use crate::latent::{MAX_WIDTH, item_vectors};
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
        let rows: Vec<Vec<u32>> = data.histories.rows().map(items_of).collect();
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
        let separated = trainer
            .rows
            .iter()
            .flat_map(|r| r.iter().copied().chain([u32::MAX]));
        let hash = limpid_core::hash::row(separated);
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
        let known = self.histories.rows().map(|r| r.hash() as i64).collect();
        Model::new(
            self.users.value.clone().into(),
            self.items.value.clone().into(),
            known,
            self.d,
            fold_in_map(&self.rows, &self.users.value, &self.items.value, self.d),
        )
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

/// `M` `(D, D)` such that `M m_u` approximates the learned vector of each user, where `m_u` is the mean of
/// their item vectors: least squares with L2 regularization in proportion to the data.
pub(super) fn fold_in_map(rows: &[Vec<u32>], users: &[f32], items: &[f32], d: usize) -> Vec<f32> {
    let (mut gram, mut cross) = (vec![0f64; d * d], vec![0f64; d * d]);
    for (row, p) in rows.iter().zip(users.chunks_exact(d)) {
        let m = mean(row, items, d);
        for r in 0..d {
            for c in 0..d {
                gram[r * d + c] += m[r] * m[c];
                cross[r * d + c] += m[r] * f64::from(p[c]);
            }
        }
    }
    let trace: f64 = (0..d).map(|r| gram[r * d + r]).sum();
    let ridge = 1e-3 * trace / d as f64 + 1e-9;
    let system = System::new(&gram, items, d, &[], (0.0, ridge));
    let mut out = vec![0f32; d * d];
    for c in 0..d {
        let mut column: Vec<f64> = (0..d).map(|r| cross[r * d + c]).collect();
        system.solve(&mut column);
        for (r, value) in column.into_iter().enumerate() {
            out[c * d + r] = value as f32;
        }
    }
    out
}

fn mean(row: &[u32], items: &[f32], d: usize) -> Vec<f64> {
    let mut m = vec![0f64; d];
    for &i in row {
        let q = &items[i as usize * d..(i as usize + 1) * d];
        m.iter_mut()
            .zip(q)
            .for_each(|(m, &q)| *m += f64::from(q) / row.len() as f64);
    }
    m
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    users: Buffer<f32>, // (U, D)
    items: Buffer<f32>, // (I, D)
    known: Vec<i64>,    // (U): hashes of the training rows
    d: usize,
    map: Vec<f32>, // (D, D): from the mean of item vectors to a user vector
}

impl Model {
    fn new(
        users: Buffer<f32>,
        items: Buffer<f32>,
        known: Vec<i64>,
        d: usize,
        map: Vec<f32>,
    ) -> Self {
        Self {
            users,
            items,
            known,
            d,
            map,
        }
    }

    fn n_items(&self) -> usize {
        self.items.len() / self.d.max(1)
    }

    fn vector(&self, user: History<'_>) -> Vec<f64> {
        let d = self.d;
        if let Some(u) = user.user
            && self.known.get(u.at()) == Some(&(user.hash() as i64))
        {
            let learned = &self.users[u.at() * d..(u.at() + 1) * d];
            return learned.iter().map(|&p| f64::from(p)).collect();
        }
        let m = mean(&items_of(user), &self.items, d);
        self.map.chunks_exact(d).map(|row| dot(&m, row)).collect()
    }
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        self.decode(&self.encode(users))
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let d = self.d;
        let items = items_of(user);
        let q = &self.items[item.at() * d..(item.at() + 1) * d];
        let mut towards = vec![0f64; d];
        for (row, &q) in self.map.chunks_exact(d).zip(q) {
            towards
                .iter_mut()
                .zip(row)
                .for_each(|(t, &m)| *t += f64::from(m) * f64::from(q));
        }
        let n = items.len() as f64;
        let effects: Vec<(u32, f64)> = items
            .iter()
            .map(|&i| {
                let from = &self.items[i as usize * d..(i as usize + 1) * d];
                (i, dot(&towards, from) / n)
            })
            .collect();
        ledger(user, &effects, &self.vector(user), q)
    }

    fn latent(&self) -> Option<&dyn Latent> {
        Some(self)
    }
}

impl Latent for Model {
    fn encode(&self, users: &Histories) -> Mat {
        let mut z = Mat::zeros((users.len(), self.d));
        for (user, mut row) in users.rows().zip(z.rows_mut()) {
            row.iter_mut()
                .zip(self.vector(user))
                .for_each(|(o, p)| *o = p as f32);
        }
        z
    }

    fn decode(&self, z: &Mat) -> Mat {
        decode(z, &self.items, self.n_items())
    }

    fn decode_gradient(&self, _: &[f32], item: ItemIdx) -> Vec<f32> {
        let d = self.d;
        self.items[item.at() * d..(item.at() + 1) * d].to_vec()
    }

    fn item_vectors(&self) -> Option<Mat> {
        Mat::from_shape_vec((self.n_items(), self.d), self.items.to_vec()).ok()
    }
}

impl Artifact for Model {
    const KIND: &'static str = "model/bcemf";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        let d = self.d;
        out.put_f32("users", &[self.known.len(), d], self.users.clone());
        out.put_f32("items", &[self.n_items(), d], self.items.clone());
        out.put_i64("known", &[self.known.len()], self.known.clone());
        out.put_f32("map", &[d, d], self.map.clone());
        Ok(())
    }

    /// Without the learned vectors, which give the histories away, everyone is folded in.
    fn without_users(&self) -> Option<Self> {
        Some(Self {
            users: Vec::new().into(),
            known: Vec::new(),
            ..self.clone()
        })
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (items, _, d) = item_vectors(from, "items")?;
        let (_, users) = from.f32("users")?;
        let (_, known) = from.i64("known")?;
        let (_, map) = from.f32("map")?;
        if users.len() != known.len() * d || map.len() != d * d {
            return Err(Error::shape("users", known.len() * d, users.len()));
        }
        Ok(Self::new(users, items, known.to_vec(), d, map.to_vec()))
    }
}
