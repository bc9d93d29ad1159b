//! SLIM: sparse item-to-item weights by elastic net.
//!
//! Xia Ning, George Karypis: SLIM: Sparse Linear Methods for Top-N Recommender Systems (ICDM 2011),
//! <https://doi.org/10.1109/ICDM.2011.134>. For each item j (equation 5):
//! `min ½ ‖x_j − X w_j‖² + l2/2 ‖w_j‖² + l1 ‖w_j‖₁` subject to `w_j ≥ 0`, `w_jj = 0`. Score: `x W`.
//!
//! Departures from the paper: weights may be `signed`; a user with n items may weigh
//! `n^−user_exponent` (0, the paper, by default); values weigh an item as a target only, where the
//! paper takes them on both sides.

use limpid_core::traits::require;
use limpid_core::{Artifact, Csr, Fit, Result, Run, Tensors, Training};
use serde::{Deserialize, Serialize};

use crate::linear::closed_form::user_weights;
use crate::linear::descent::{self, PerKind, Settings, Task};
use crate::linear::item_links::{ItemLinks, scores_by_item_links};
use crate::registry::Parameter;
use crate::rules::features::Features;

/// Hyper-parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Price of a weight.
    pub l1: f64,
    /// The ridge.
    pub l2: f64,
    /// Whether weights may be negative.
    pub signed: bool,
    /// A user with n items weighs `n^−user_exponent` (mean 1).
    pub user_exponent: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            l1: 1.0,
            l2: 100.0,
            signed: false,
            user_exponent: 0.0,
        }
    }
}

impl Config {
    /// What `limpid models` prints.
    pub(crate) const PARAMETERS: &'static [Parameter] = &[
        Parameter {
            name: "l1",
            range: "above 0",
            tune: &["1", "3", "10"],
            doc: "price of a weight; more is sparser",
        },
        Parameter {
            name: "l2",
            range: "above 0",
            tune: &["50", "100", "300", "1000"],
            doc: "the ridge",
        },
        Parameter {
            name: "signed",
            range: "true or false",
            tune: &[],
            doc: "whether weights may be negative",
        },
        Parameter {
            name: "user_exponent",
            range: "0 to 1",
            tune: &["0", "0.5"],
            doc: "a user with n items weighs n^−this; 0 is the paper",
        },
    ];
}

impl Fit for Config {
    type Model = Model;

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        for (name, value) in [("l1", self.l1), ("l2", self.l2)] {
            require(value > 0.0 && value.is_finite(), name, "above 0", value)?;
        }
        require(
            (0.0..=1.0).contains(&self.user_exponent),
            "user_exponent",
            "between 0 and 1",
            self.user_exponent,
        )?;
        let rows = data.histories.to_csr(); // (U, I)
        let features = Features::links(rows.n_columns());
        let task = Task {
            features: &features,
            weights: user_weights(&rows, self.user_exponent),
            settings: Settings {
                reg: self.l2,
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

    /// Two items, three users: G = [[3, 2], [2, 2]], so w_01 = (2 − l1) / (3 + l2) and
    /// w_10 = (2 − l1) / (2 + l2).
    #[test]
    fn two_items_by_hand() {
        let config = Config {
            l1: 0.5,
            l2: 1.0,
            ..Config::default()
        };
        let model = fit(&[vec![0, 1], vec![0, 1], vec![0]], 2, &config);
        assert_eq!(model.links.weight(0, ItemIdx(1)), 1.5 / 4.0);
        assert_eq!(model.links.weight(1, ItemIdx(0)), 1.5 / 3.0);
        assert_eq!(model.links.weight(0, ItemIdx(0)), 0.0);
    }

    /// Item 2 goes with 0 but never with 1, although 1 goes with 0: 1 speaks against it.
    #[test]
    fn only_signed_weights_speak_against() {
        let rows = [vec![0, 1], vec![0, 1], vec![0, 2], vec![0, 2], vec![0, 2]];
        let config = Config {
            l1: 0.01,
            l2: 0.1,
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

    #[test]
    fn what_is_out_of_range_is_refused() {
        let histories = Histories::from_rows(&[vec![0]], 1).unwrap();
        let data = Training {
            histories: &histories,
            catalogue: &Catalogue::default(),
        };
        for bad in [
            Config {
                l1: 0.0,
                ..Config::default()
            },
            Config {
                l2: f64::NAN,
                ..Config::default()
            },
            Config {
                user_exponent: -1.0,
                ..Config::default()
            },
        ] {
            let error = bad.fit(&data, &mut Run::seeded(0)).unwrap_err();
            assert!(error.to_string().contains("must be"));
        }
    }
}
