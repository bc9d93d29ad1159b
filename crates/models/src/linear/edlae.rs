//! EDLAE: EASE with a ridge in proportion to popularity, and with user weights.
//!
//! Harald Steck: Autoencoders that don't overfit towards the Identity (NeurIPS 2020),
//! <https://proceedings.neurips.cc/paper/2020/hash/e33d974aae13e4d877477d51d8bafdc4-Abstract.html>.
//! Dropping a share p of every user's items from the input, and predicting all of them without the
//! help of themselves, is on average the ridge `reg + p/(1−p) G_ii` with a zero diagonal (section
//! 3, emphasis on what was dropped). The score is `x B` as in EASE.
//!
//! Departure from the paper: a user with n items weighs `n^−user_exponent` (mean 1), so that those
//! with very long histories do not decide everything. 0 is the paper.

use limpid_core::traits::require;
use limpid_core::{Artifact, Fit, Result, Run, Tensors, Training};
use serde::{Deserialize, Serialize};

use crate::linear::closed_form;
use crate::linear::item_links::{ItemLinks, scores_by_item_links};
use crate::registry::Parameter;

/// Hyper-parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The constant part of the ridge, λ.
    pub reg: f64,
    /// The part of the ridge in proportion to popularity: `p/(1−p)` for a dropout of p.
    pub rho: f64,
    /// A user with n items weighs `n^−user_exponent`.
    pub user_exponent: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            reg: 100.0,
            rho: 1.0,
            user_exponent: 0.5,
        }
    }
}

impl Config {
    /// What `limpid models` prints.
    pub(crate) const PARAMETERS: &'static [Parameter] = &[
        Parameter {
            name: "reg",
            range: "above 0",
            tune: &["50", "100", "300"],
            doc: "constant part of the ridge, λ",
        },
        Parameter {
            name: "rho",
            range: "0 or more",
            tune: &["0", "0.3", "1"],
            doc: "ridge in proportion to popularity: p/(1−p) for a dropout of p",
        },
        Parameter {
            name: "user_exponent",
            range: "0 to 1",
            tune: &[],
            doc: "a user with n items weighs n^−this; 0 is the paper",
        },
    ];
}

impl Fit for Config {
    type Model = Model;

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        require(
            self.reg > 0.0 && self.reg.is_finite(),
            "reg",
            "above 0",
            self.reg,
        )?;
        require(
            self.rho >= 0.0 && self.rho.is_finite(),
            "rho",
            "0 or more",
            self.rho,
        )?;
        require(
            (0.0..=1.0).contains(&self.user_exponent),
            "user_exponent",
            "between 0 and 1",
            self.user_exponent,
        )?;
        Ok(Model {
            links: closed_form::fit_links(
                data.histories,
                self.user_exponent,
                self.reg,
                self.rho,
                run,
            )?,
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

    /// Without a proportional ridge and without weights it is EASE: P = [[3, 1], [1, 2]]⁻¹ gives
    /// B_01 = 1/3 and B_10 = 1/2. With rho = 1 the ridge is [3, 2], G + R = [[5, 1], [1, 3]],
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
        for bad in [
            Config {
                reg: 0.0,
                ..Config::default()
            },
            Config {
                rho: -1.0,
                ..Config::default()
            },
            Config {
                user_exponent: 2.0,
                ..Config::default()
            },
        ] {
            assert!(bad.fit(&data, &mut Run::seeded(0)).is_err());
        }
    }
}
