//! Matrix factorization of implicit feedback: Hu, Koren and Volinsky, Collaborative Filtering for
//! Implicit Feedback Datasets, ICDM 2008.
//!
//! ```text
//! min over p, q:  Σ_ui c_ui (x_ui − p_u · q_i)² + reg (Σ ‖p_u‖² + Σ ‖q_i‖²),   c_ui = 1 + α x_ui
//! ```
//!
//! by alternating least squares (equations 4 and 5), in training by a few steps of conjugate gradients
//! unless `solver = cholesky` (see [`Solver`]). For scoring, a user's vector is solved exactly from their
//! items and the item vectors: nothing is stored per user, unknown users need no special case, and the
//! vector is linear in the items once the weights are fixed, so a score is a sum of contributions of
//! events (section 5 of the paper).

mod solver;

use limpid_core::traits::require;
use limpid_core::{
    Artifact, Buffer, Error, Fit, Histories, History, ItemIdx, Latent, Ledger, Mat, Recommender,
    Result, Run, Scale, Tensors, Training,
};
use limpid_tensor::Rng;

pub(crate) use self::solver::System;
use self::solver::{Side, gram, weighted_sum};
use crate::hyper::{self, choices, hyper};
use crate::latent::vectors::{decode, dot, encode, ledger};
use crate::latent::{MAX_WIDTH, item_vectors};
use crate::registry::{Alias, Entry, Reads};

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "ials",
    aliases: &[Alias {
        name: "mf",
        settings: &[("solver", "cholesky")],
    }],
    about: "matrix factorization of implicit feedback by alternating least squares",
    paper: "Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008",
    reads: Reads::ITEMS,
    defaults: hyper::defaults::<Config>,
};

choices! {
    /// How the vectors of one side are computed in training.
    pub enum Solver {
        /// Three steps of conjugate gradients from the vectors of the previous epoch, in single precision.
        Cg = "cg",
        /// Cholesky factorization, exact, in double precision; about ten times slower.
        Cholesky = "cholesky",
    }
}

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Dimension of user and item vectors.
        embedding_size: usize = 64, in whole(1, MAX_WIDTH), tune [32, 64, 128];
        /// Confidence weight of an event (α): observed pairs weigh 1 + alpha, all others 1.
        alpha: f64 = 5.0, in at_least(0.0), tune [2, 5, 20];
        /// L2 regularization of user and item vectors.
        reg: f64 = 20.0, in above(0.0), tune [5, 20, 80];
        /// Alternating passes over users and items.
        epochs: usize = 12, in whole_from(1);
        /// Least squares solver in training: conjugate gradients, or exact and slower.
        solver: Solver = Solver::Cg;
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
        let by_user = data.histories.to_csr(); // (U, I)
        let by_item = by_user.transpose(); // (I, U)
        let weights = (self.alpha, self.reg);
        let start = Rng::new(run.seed, 0).uniforms(by_item.n_rows() * d, -0.1, 0.1);
        let mut items = Side::new(&start, d);
        let mut users = Side::zeros(by_user.n_rows(), d);
        run.progress.start("epochs", self.epochs as u64);
        for _ in 0..self.epochs {
            if run.progress.interrupted() {
                return Err(Error::Interrupted("no checkpoint was saved".to_owned()));
            }
            users.solve(&items, &by_user, weights, self.solver);
            items.solve(&users, &by_item, weights, self.solver);
            run.progress.step(1);
        }
        let items = items.to_vectors();
        if items.iter().any(|v| !v.is_finite()) {
            return Err(Error::Numeric {
                what: "alternating least squares".to_owned(),
                why: "item vectors are not finite; use a larger reg".to_owned(),
            });
        }
        Ok(Model {
            gram: gram(&items, d),
            items: items.into(),
            n_items: by_item.n_rows(),
            embedding_size: d,
            weights,
        })
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    items: Buffer<f32>, // (I, D)
    n_items: usize,
    embedding_size: usize,
    weights: (f64, f64), // α, reg
    gram: Vec<f64>,      // (D, D)
}

impl Model {
    fn vector(&self, item: u32) -> &[f32] {
        let d = self.embedding_size;
        &self.items[item as usize * d..(item as usize + 1) * d]
    }

    fn system(&self, items: &[u32]) -> System {
        System::new(
            &self.gram,
            &self.items,
            self.embedding_size,
            items,
            self.weights,
        )
    }

    /// The vector of a user.
    fn fold_in(&self, items: &[u32]) -> Vec<f64> {
        let mut p = weighted_sum(&self.items, self.embedding_size, items, self.weights.0);
        self.system(items).solve(&mut p);
        p
    }
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        self.decode(&self.encode(users))
    }

    /// `score = Σ_i (1 + α) q_jᵀ A⁻¹ q_i` (section 5 of the paper).
    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let items = user.distinct_items();
        let mut towards: Vec<f64> = self.vector(item.0).iter().map(|&q| f64::from(q)).collect();
        self.system(&items).solve(&mut towards);
        let effects: Vec<(u32, f64)> = items
            .iter()
            .map(|&i| (i, (1.0 + self.weights.0) * dot(&towards, self.vector(i))))
            .collect();
        ledger(user, &effects, &self.fold_in(&items), self.vector(item.0))
    }

    fn scale(&self) -> Scale {
        Scale::Counts
    }

    fn latent(&self) -> Option<&dyn Latent> {
        Some(self)
    }
}

impl Latent for Model {
    fn encode(&self, users: &Histories) -> Mat {
        encode(users, self.embedding_size, |user| {
            self.fold_in(&user.distinct_items())
        })
    }

    fn decode(&self, z: &Mat) -> Mat {
        decode(z, &self.items, self.n_items)
    }

    fn decode_gradient(&self, _: &[f32], item: ItemIdx) -> Vec<f32> {
        self.vector(item.0).to_vec()
    }

    fn item_vectors(&self) -> Option<Mat> {
        Mat::from_shape_vec((self.n_items, self.embedding_size), self.items.to_vec()).ok()
    }
}

impl Artifact for Model {
    const KIND: &'static str = "model/ials";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        out.put_f32(
            "items",
            &[self.n_items, self.embedding_size],
            self.items.clone(),
        );
        out.put_meta("weights", &self.weights)
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (items, n_items, embedding_size) = item_vectors(from, "items")?;
        let weights: (f64, f64) = from.meta("weights")?;
        require(
            weights.0 >= 0.0 && weights.1 > 0.0,
            "weights",
            "α ≥ 0 and reg > 0",
            weights.1,
        )?;
        Ok(Self {
            gram: gram(&items, embedding_size),
            items,
            n_items,
            embedding_size,
            weights,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One item, one user, d = 1, q = 2, α = 3, reg = 4: p = (1 + 3) 2 / (4 + 3·4 + 4) = 0.4.
    #[test]
    fn one_user_by_hand() {
        let model = Model {
            items: vec![2.0].into(),
            n_items: 1,
            embedding_size: 1,
            weights: (3.0, 4.0),
            gram: vec![4.0],
        };
        assert!((model.fold_in(&[0])[0] - 0.4).abs() < 1e-12);
        assert_eq!(model.fold_in(&[]), [0.0]);
    }
}
