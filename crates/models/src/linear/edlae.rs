//! EDLAE: EASE with L2 regularization in proportion to popularity, and with user weights.
//!
//! Harald Steck: Autoencoders that don't overfit towards the Identity (NeurIPS 2020),
//! <https://proceedings.neurips.cc/paper/2020/hash/e33d974aae13e4d877477d51d8bafdc4-Abstract.html>.
//! Dropping a share p of every user's items from the input, and predicting only the dropped ones, is
//! in expectation L2 regularization of `reg + p/(1−p) G_ii` with a zero diagonal (section 3, full
//! emphasis). The score is `x B` as in EASE.
//!
//! Departure from the paper: a user with n items has weight `n^−user_exponent` (mean 1), so that very
//! long histories do not dominate. 0 is the paper.

use limpid_core::{Artifact, Fit, Result, Run, Tensors, Training};

use crate::hyper::{self, hyper};
use crate::linear::closed_form::{Problem, fit_links};
use crate::linear::item_links::{ItemLinks, scores_by_item_links};
use crate::linear::soft_targets::{Teacher, soft_targets};
use crate::registry::{Entry, Reads};

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "edlae",
    aliases: &[],
    about: "EASE with L2 in proportion to item popularity (emphasized denoising) and user weights",
    paper: "Steck, Autoencoders that don't overfit towards the Identity, NeurIPS 2020",
    reads: Reads::VALUES,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Constant part of the L2 regularization (λ); increase with the number of users.
        reg: f64 = 100.0, in above(0.0), tune [10, 30, 100, 300, 1000];
        /// L2 regularization in proportion to item popularity: `p/(1−p)` for a dropout rate p.
        rho: f64 = 1.0, in at_least(0.0), tune [0, 0.3, 1, 3];
        /// Weight of a user with n items: `n^−user_exponent`; 0 weights all users equally (the paper).
        user_exponent: f64 = 0.5, in between(0.0, 1.0);
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
            user_exponent: self.user_exponent,
            reg: self.reg,
            rho: self.rho,
        };
        let soft = soft_targets(self.teacher, self.teacher_strength, data, run)?;
        Ok(Model {
            links: fit_links(data.histories, problem, soft.as_ref(), run)?,
        })
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    links: ItemLinks, // (I, I), zero diagonal
}

scores_by_item_links!(Model);

impl Artifact for Model {
    const KIND: &'static str = "model/edlae";

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
    use limpid_core::{Catalogue, Histories, ItemIdx};

    /// Without proportional L2 and user weights it is EASE: P = [[3, 1], [1, 2]]⁻¹ gives
    /// B_01 = 1/3 and B_10 = 1/2. With rho = 1 the L2 is [3, 2], G + R = [[5, 1], [1, 3]],
    /// P = [[3, −1], [−1, 5]] / 14, so B_01 = 1/5 and B_10 = 1/3.
    #[test]
    fn two_items_by_hand() {
        let histories = Histories::from_rows(&[vec![0, 1], vec![0]], 2).unwrap();
        let catalogue = Catalogue::default();
        let data = Training {
            histories: &histories,
            catalogue: &catalogue,
        };
        for (rho, expected) in [(0.0, [1.0 / 3.0, 0.5]), (1.0, [0.2, 1.0 / 3.0])] {
            let config = Config {
                reg: 1.0,
                rho,
                user_exponent: 0.0,
                ..Config::default()
            };
            let model = config.fit(&data, &mut Run::seeded(0)).unwrap();
            assert_eq!(
                [
                    model.links.weight(0, ItemIdx(1)),
                    model.links.weight(1, ItemIdx(0))
                ],
                expected
            );
        }
    }
}
