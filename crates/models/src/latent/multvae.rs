//! Mult-VAE: Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018.
//!
//! Items → 600 → (μ, log σ²) of 200 each → 600 → items, tanh, half of the items left out of the input,
//! the weight of the divergence raised to 0.2. A fitted model uses μ. [`lia`] is the model that the
//! authors of LIA call "MultVAE" in their table: no hidden layer, no tanh, no dropout, noise of 0.01,
//! and a divergence whose weight hardly leaves 0 in the steps they train.

use limpid_core::traits::require;
use limpid_core::{Fit, Result, Run, Training};
use serde::{Deserialize, Serialize};

use crate::latent::network::{Learning, Network, Plan, Shape, fit, parameters, scores_by_network};
use crate::registry::Parameter;

/// Hyper-parameters, as in the paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Width of the layer between the items and the code.
    pub hidden: usize,
    /// Width of the code.
    pub embedding_size: usize,
    /// Largest weight of the divergence from the prior.
    pub anneal_cap: f32,
    /// Steps after which that weight would be 1.
    pub anneal_steps: f32,
    /// Passes over the users.
    pub epochs: usize,
    /// Users of one step.
    pub batch_size: usize,
    /// Learning rate of Adam.
    pub learning_rate: f32,
    /// L2, as a part of the gradient.
    pub reg: f32,
    /// Share of the items of a row that is left out of the input.
    pub dropout: f32,
    /// Measurements without a new best before it stops; 0: never.
    pub patience: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hidden: 600,
            embedding_size: 200,
            anneal_cap: 0.2,
            anneal_steps: 200_000.0,
            epochs: 200,
            batch_size: 500,
            learning_rate: 1e-3,
            reg: 0.0,
            dropout: 0.5,
            patience: 20,
        }
    }
}

impl Config {
    /// What `limpid models` prints.
    pub(crate) const PARAMETERS: &'static [Parameter] = &[
        Parameter {
            name: "hidden",
            range: "1 or more",
            tune: &[],
            doc: "width of the layer between the items and the code",
        },
        parameters::EMBEDDING_SIZE,
        parameters::ANNEAL_CAP,
        parameters::ANNEAL_STEPS,
        parameters::EPOCHS,
        parameters::BATCH_SIZE,
        parameters::LEARNING_RATE,
        parameters::REG,
        parameters::DROPOUT,
        parameters::PATIENCE,
    ];
}

impl Fit for Config {
    type Model = Model;

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        require(self.hidden > 0, "hidden", "above 0", self.hidden)?;
        require(
            self.embedding_size > 0,
            "embedding_size",
            "above 0",
            self.embedding_size,
        )?;
        require(
            (0.0..=1.0).contains(&self.anneal_cap),
            "anneal_cap",
            "between 0 and 1",
            self.anneal_cap,
        )?;
        require(
            self.anneal_steps >= 1.0,
            "anneal_steps",
            "1 or more",
            self.anneal_steps,
        )?;
        let shape = Shape {
            hidden: vec![self.hidden],
            code: self.embedding_size,
            tanh: true,
            variational: true,
        };
        let learning = Learning {
            dropout: self.dropout,
            decay: self.reg,
            anneal: (self.anneal_cap, self.anneal_steps),
            noise: 1.0,
            torch_init: false,
        };
        let plan = Plan {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            patience: self.patience,
        };
        let network = fit(
            data.histories,
            shape,
            learning,
            plan,
            &format!("multvae {self:?}"),
            run,
        )?;
        Ok(Model { network })
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    network: Network,
}

scores_by_network!(Model, "model/multvae");

/// The MultVAE of LIA's table: in effect a linear model of rank 100.
pub mod lia {
    use limpid_core::traits::require;
    use limpid_core::{Fit, Result, Run, Training};
    use serde::{Deserialize, Serialize};

    use crate::latent::network::{
        Learning, Network, Plan, Shape, fit, parameters, scores_by_network,
    };
    use crate::registry::Parameter;

    /// Hyper-parameters, as the authors of LIA have them.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct Config {
        /// Width of the code.
        pub embedding_size: usize,
        /// Largest weight of the divergence from the prior.
        pub anneal_cap: f32,
        /// Steps after which that weight would be 1.
        pub anneal_steps: f32,
        /// Passes over the users.
        pub epochs: usize,
        /// Users of one step.
        pub batch_size: usize,
        /// Learning rate of Adam.
        pub learning_rate: f32,
        /// L2, as a part of the gradient.
        pub reg: f32,
        /// Share of the items of a row that is left out of the input.
        pub dropout: f32,
        /// Measurements without a new best before it stops; 0: never.
        pub patience: usize,
    }

    impl Default for Config {
        fn default() -> Self {
            Self {
                embedding_size: 100,
                anneal_cap: 0.2,
                anneal_steps: 200_000.0,
                epochs: 300,
                batch_size: 512,
                learning_rate: 1e-3,
                reg: 1e-3,
                dropout: 0.0,
                patience: 20,
            }
        }
    }

    impl Config {
        /// What `limpid models` prints.
        pub(crate) const PARAMETERS: &'static [Parameter] = &[
            parameters::EMBEDDING_SIZE,
            parameters::ANNEAL_CAP,
            parameters::ANNEAL_STEPS,
            parameters::EPOCHS,
            parameters::BATCH_SIZE,
            parameters::LEARNING_RATE,
            parameters::REG,
            parameters::DROPOUT,
            parameters::PATIENCE,
        ];
    }

    impl Fit for Config {
        type Model = Model;

        fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
            require(
                self.embedding_size > 0,
                "embedding_size",
                "above 0",
                self.embedding_size,
            )?;
            require(
                (0.0..=1.0).contains(&self.anneal_cap),
                "anneal_cap",
                "between 0 and 1",
                self.anneal_cap,
            )?;
            require(
                self.anneal_steps >= 1.0,
                "anneal_steps",
                "1 or more",
                self.anneal_steps,
            )?;
            let shape = Shape {
                hidden: Vec::new(),
                code: self.embedding_size,
                tanh: false,
                variational: true,
            };
            let learning = Learning {
                dropout: self.dropout,
                decay: self.reg,
                anneal: (self.anneal_cap, self.anneal_steps),
                noise: 0.01,
                torch_init: true,
            };
            let plan = Plan {
                epochs: self.epochs,
                batch_size: self.batch_size,
                learning_rate: self.learning_rate,
                patience: self.patience,
            };
            let network = fit(
                data.histories,
                shape,
                learning,
                plan,
                &format!("multvae-lia {self:?}"),
                run,
            )?;
            Ok(Model { network })
        }
    }

    /// The fitted model.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Model {
        network: Network,
    }

    scores_by_network!(Model, "model/multvae-lia");
}
