//! Mult-VAE: Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018,
//! <https://arxiv.org/abs/1802.05814>.
//!
//! Items → 600 → (μ, log σ²) of 200 each → 600 → items, tanh, dropout of half of the input items, the
//! weight of the KL divergence annealed to 0.2. A fitted model uses μ. `preset=lia` is the "MultVAE"
//! baseline in the tables of LIA: no hidden layer, no tanh, no dropout, noise of 0.01,
//! and a KL weight that stays close to 0 over the training steps. `preset=knots` is that of From Knots to Knobs:
//! items → 3 d → (μ, log σ²) of d = 512 each → 3 d → items, rows that are not normalized, losses that are
//! means over items and over dimensions, a KL weight that grows by 1e-6 per step. With another `embedding_size`, set
//! `hidden` to three times it.

use limpid_core::{Fit, Result, Run, Training};

use crate::hyper::{self, hyper};
use crate::latent::network::settings::Autoencoder;
use crate::latent::network::{Learning, Network, Shape, fit, scores_by_network};
use crate::registry::{Alias, Entry, Reads};

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "multvae",
    aliases: &[Alias {
        name: "multvae-lia",
        settings: &[("preset", "lia")],
    }],
    about: "variational autoencoder with the multinomial likelihood (Mult-VAE)",
    paper: "Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018",
    reads: Reads::ITEMS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters; the defaults are those of the paper.
    pub struct Config {
        /// Width of the hidden layers between the items and the code; 0: no hidden layer.
        hidden: usize = 600, in whole(0, 16_384);
        /// Final weight of the KL divergence (β).
        anneal_cap: f32 = 0.2, in between(0.0, 1.0);
        /// Training steps after which the KL weight would reach 1 (it grows linearly up to anneal_cap).
        anneal_steps: f32 = 200_000.0, in at_least(1.0);
        /// Scale of the noise when codes are sampled in training; 1 is the paper.
        noise: f32 = 1.0, in at_least(0.0);
        include network: Autoencoder = {};
    }
    preset preset = "lia" { hidden = 0, noise = 0.01 }
    preset preset = "knots" { hidden = 1536, anneal_cap = 1, anneal_steps = 1e6 }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let (shape, learning) = self.network.plain();
        let shape = Shape {
            hidden: Vec::from_iter((self.hidden > 0).then_some(self.hidden)),
            variational: true,
            ..shape
        };
        let learning = Learning {
            anneal: (self.anneal_cap, self.anneal_steps),
            noise: self.noise,
            ..learning
        };
        let (recipe, training) = ((shape, learning), &self.network.training);
        let settings = format!("multvae {self:?}");
        let network = fit(data.histories, recipe, training, &settings, run)?;
        Ok(Model { network })
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    network: Network,
}

scores_by_network!(Model, "model/multvae");
