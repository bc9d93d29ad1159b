//! A denoising autoencoder with the multinomial likelihood: Mult-DAE of Liang et al., Variational
//! Autoencoders for Collaborative Filtering, WWW 2018.
//!
//! One hidden layer of 200 with tanh, half of the items left out of the input. [`lia`] is the model
//! that the authors of LIA call "Autoencoder" in their table: linear, 100 wide, nothing left out.

use limpid_core::traits::require;
use limpid_core::{Fit, Result, Run, Training};
use serde::{Deserialize, Serialize};

use crate::latent::network::{Learning, Network, Plan, Shape, fit, parameters, scores_by_network};
use crate::registry::Parameter;

/// Hyper-parameters, as in the paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Width of the code.
    pub embedding_size: usize,
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
            embedding_size: 200,
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
        parameters::EMBEDDING_SIZE,
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
        let shape = Shape {
            hidden: Vec::new(),
            code: self.embedding_size,
            tanh: true,
            variational: false,
        };
        let learning = Learning {
            dropout: self.dropout,
            decay: self.reg,
            anneal: (0.0, 1.0),
            noise: 0.0,
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
            &format!("autoencoder {self:?}"),
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

scores_by_network!(Model, "model/autoencoder");

/// The autoencoder of LIA's table: a linear model of rank 100 (no activation, no dropout, L2 1e-3).
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
            let shape = Shape {
                hidden: Vec::new(),
                code: self.embedding_size,
                tanh: false,
                variational: false,
            };
            let learning = Learning {
                dropout: self.dropout,
                decay: self.reg,
                anneal: (0.0, 1.0),
                noise: 0.0,
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
                &format!("autoencoder-lia {self:?}"),
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

    scores_by_network!(Model, "model/autoencoder-lia");
}
