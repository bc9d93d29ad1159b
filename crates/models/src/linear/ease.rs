//! EASE: dense item-to-item weights in closed form.
//!
//! Harald Steck: Embarrassingly Shallow Autoencoders for Sparse Data (WWW 2019),
//! <https://arxiv.org/abs/1905.03375>. Minimizes `‖X − XB‖² + reg ‖B‖²` subject to `diag(B) = 0`:
//! `P = (XᵀX + reg I)⁻¹`, `B_ij = −P_ij / P_jj` (equation 8).
//! Score: `x B`. The zero diagonal keeps an item from explaining itself. Ours: with a `teacher`, the target of
//! a pair that a user does not have is what the teacher expects, not 0.

use limpid_core::{Artifact, Fit, Result, Run, Tensors, Training};

use crate::hyper::{self, hyper};
use crate::linear::closed_form::{Problem, fit_links};
use crate::linear::item_links::{ItemLinks, scores_by_item_links};
use crate::linear::soft_targets::{Teacher, soft_targets};
use crate::registry::{Entry, Reads};

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "ease",
    aliases: &[],
    about: "dense item-to-item weights with zero diagonal, in closed form",
    paper: "Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019",
    reads: Reads::VALUES,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// L2 regularization (λ); increase with the number of users.
        reg: f64 = 500.0, in above(0.0), tune [10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
        /// A model whose expectations of unseen items are targets of the fit too.
        teacher: Teacher = Teacher::None;
        /// Weight of the teacher's expectations; events have weight 1.
        teacher_strength: f64 = 0.5, in between(0.0, 1.0);
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let problem = Problem {
            user_exponent: 0.0,
            reg: self.reg,
            rho: 0.0,
        };
        let soft = soft_targets(self.teacher, self.teacher_strength, data, run)?;
        let links = fit_links(data.histories, problem, soft.as_ref(), run)?;
        Ok(Model { links })
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    links: ItemLinks, // (I, I), zero diagonal
}

scores_by_item_links!(Model);

impl Artifact for Model {
    const KIND: &'static str = "model/ease";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        self.links.save(out);
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        Ok(Self {
            links: ItemLinks::load(from)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Catalogue, Histories, Recommender};

    /// Two users who both have both items: XᵀX = [[2, 2], [2, 2]], reg = 1, so
    /// P = [[3, −2], [−2, 3]] / 5 and B = [[0, 2/3], [2/3, 0]].
    #[test]
    fn two_items_by_hand() {
        let histories = Histories::from_rows(&[vec![0, 1], vec![0, 1]], 2).unwrap();
        let catalogue = Catalogue::default();
        let data = Training {
            histories: &histories,
            catalogue: &catalogue,
        };
        let config = Config {
            reg: 1.0,
            ..Config::default()
        };
        let model = config.fit(&data, &mut Run::seeded(0)).unwrap();
        let asked = Histories::from_rows(&[vec![0]], 2).unwrap();
        let scores = model.score(&asked);
        assert_eq!(scores[[0, 0]], 0.0);
        assert!((scores[[0, 1]] - 2.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn refuses_a_reg_of_zero_and_a_catalogue_beyond_the_memory_budget() {
        let histories = Histories::from_rows(&[(0..2000).collect()], 2000).unwrap();
        let catalogue = Catalogue::default();
        let data = Training {
            histories: &histories,
            catalogue: &catalogue,
        };
        let config = Config {
            reg: 0.0,
            ..Config::default()
        };
        assert!(config.fit(&data, &mut Run::seeded(0)).is_err());
        let mut run = Run {
            memory_budget: 16_000_000,
            ..Run::seeded(0)
        };
        let refused = Config::default().fit(&data, &mut run).unwrap_err();
        let message = refused.to_string();
        assert!(
            message.contains("more than the budget of 16 MB"),
            "{message}"
        );
    }
}
