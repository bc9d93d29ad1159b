//! SLIM: sparse item-to-item weights by elastic net.
//!
//! Xia Ning, George Karypis: SLIM: Sparse Linear Methods for Top-N Recommender Systems (ICDM 2011),
//! <https://doi.org/10.1109/ICDM.2011.134>. For each item j (equation 5):
//! `min ½ ‖x_j − X w_j‖² + reg/2 ‖w_j‖² + l1 ‖w_j‖₁` subject to `w_j ≥ 0`, `w_jj = 0`. Score: `x W`.
//!
//! Departures from the paper: weights may be `signed`; a user with n items may have weight
//! `n^−user_exponent` (0, the paper, by default); values weight an item only as a target, while the
//! paper uses them on both sides.

use limpid_core::{Artifact, Csr, Fit, Result, Run, Tensors, Training};

use crate::hyper::{self, hyper};
use crate::linear::closed_form::user_weights;
use crate::linear::descent::{self, PerKind, Settings, Task};
use crate::linear::item_links::{ItemLinks, scores_by_item_links};
use crate::registry::{Entry, Reads};
use crate::rules::features::Features;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "slim",
    aliases: &[],
    about: "sparse item-to-item weights by elastic net",
    paper: "Ning and Karypis, SLIM: Sparse Linear Methods for Top-N Recommender Systems, ICDM 2011",
    reads: Reads::VALUES,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// L1 penalty; larger is sparser.
        l1: f64 = 1.0, in above(0.0), tune [0.1, 0.3, 1, 3, 10];
        /// L2 regularization; increase with the number of users.
        reg: f64 = 100.0, in above(0.0), tune [30, 100, 300, 1000], alias "l2";
        /// Whether weights may be negative.
        signed: bool = false;
        /// Weight of a user with n items: `n^−user_exponent`; 0 weights all users equally (the paper).
        user_exponent: f64 = 0.0, in between(0.0, 1.0);
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let rows = data.histories.to_csr(); // (U, I)
        let features = Features::links(rows.n_columns());
        let task = Task {
            features: &features,
            weights: user_weights(&rows, self.user_exponent),
            soft: None,
            settings: Settings {
                reg: self.reg,
                rho: PerKind::both(0.0),
                l1: PerKind::both(self.l1),
                signed: self.signed,
                keep: None,
                refit: None,
                points: 0.0,
            },
            fingerprint: format!("slim {self:?} {:016x}", descent::fingerprint(&rows)),
            rows: &rows,
        };
        let links: Csr = descent::fit(task, run)?;
        Ok(Model {
            links: ItemLinks::sparse(links)?,
        })
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    links: ItemLinks, // (I, I), sparse, zero diagonal
}

scores_by_item_links!(Model);

impl Artifact for Model {
    const KIND: &'static str = "model/slim";

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

    fn fit(rows: &[Vec<u32>], n: usize, config: &Config) -> Model {
        let histories = Histories::from_rows(rows, n).unwrap();
        let catalogue = Catalogue::default();
        let data = Training {
            histories: &histories,
            catalogue: &catalogue,
        };
        config.fit(&data, &mut Run::seeded(0)).unwrap()
    }

    /// Two items, three users: G = [[3, 2], [2, 2]], so w_01 = (2 − l1) / (3 + reg) and
    /// w_10 = (2 − l1) / (2 + reg).
    #[test]
    fn two_items_by_hand() {
        let config = Config {
            l1: 0.5,
            reg: 1.0,
            ..Config::default()
        };
        let model = fit(&[vec![0, 1], vec![0, 1], vec![0]], 2, &config);
        assert_eq!(model.links.weight(0, ItemIdx(1)), 1.5 / 4.0);
        assert_eq!(model.links.weight(1, ItemIdx(0)), 1.5 / 3.0);
        assert_eq!(model.links.weight(0, ItemIdx(0)), 0.0);
    }

    /// Item 2 co-occurs with 0 but never with 1, although 1 co-occurs with 0: 1 opposes it.
    #[test]
    fn only_signed_weights_oppose() {
        let rows = [vec![0, 1], vec![0, 1], vec![0, 2], vec![0, 2], vec![0, 2]];
        let config = Config {
            l1: 0.01,
            reg: 0.1,
            ..Config::default()
        };
        let plain = fit(&rows, 3, &config);
        assert_eq!(plain.links.weight(1, ItemIdx(2)), 0.0);
        let signed = Config {
            signed: true,
            ..config
        };
        assert!(fit(&rows, 3, &signed).links.weight(1, ItemIdx(2)) < -0.1);
    }
}
