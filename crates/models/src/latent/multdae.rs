//! A denoising autoencoder with the multinomial likelihood: Mult-DAE of Liang et al., Variational
//! Autoencoders for Collaborative Filtering, WWW 2018, <https://arxiv.org/abs/1802.05814>.
//!
//! One hidden layer of 200 with tanh, dropout of half of the input items. `preset=lia` is the
//! "Autoencoder" baseline in the tables of LIA: linear, width 100, no dropout, L2 of 1e-3. `preset=knots` has the
//! training of the Mult-VAE of From Knots to Knobs.

use limpid_core::{Fit, Result, Run, Training};

use crate::hyper::{self, hyper};
use crate::latent::network::settings::Autoencoder;
use crate::latent::network::{Network, fit, scores_by_network};
use crate::registry::{Alias, Entry, Reads};

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "multdae",
    aliases: &[
        Alias::of("autoencoder"),
        Alias {
            name: "autoencoder-lia",
            settings: &[("preset", "lia")],
        },
    ],
    about: "denoising autoencoder with the multinomial likelihood (Mult-DAE)",
    paper: "Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018",
    reads: Reads::ITEMS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters; the defaults are those of the paper.
    pub struct Config {
        include network: Autoencoder = {};
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let (recipe, training) = (self.network.plain(), &self.network.training);
        let settings = format!("multdae {self:?}");
        let network = fit(data.histories, recipe, training, &settings, run)?;
        Ok(Model { network })
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    network: Network,
}

scores_by_network!(Model, "model/multdae");
