//! The hyper-parameters that the autoencoders of the catalogue share, declared once.

use crate::hyper::{choices, hyper};
use crate::latent::network::{Learning, Shape};
use crate::training_loop::TrainingLoop;

choices! {
    /// Whose settings are the defaults.
    pub enum Preset {
        /// Those of the model's own paper.
        Paper = "paper",
        /// Those of the baseline in LIA's tables (Wei et al.): a linear model of rank 100.
        Lia = "lia",
    }
}

choices! {
    /// The activation of every layer but the last; the code of a variational model has none.
    pub enum Activation {
        /// Hyperbolic tangent.
        Tanh = "tanh",
        /// None: the network is linear.
        Linear = "linear",
    }
}

choices! {
    /// The distribution of the initial weights.
    pub enum Init {
        /// Uniform within √(6 / (in + out)), biases within 0.001.
        Glorot = "glorot",
        /// Uniform within 1 / √in, biases too: the default of PyTorch.
        Torch = "torch",
    }
}

hyper! {
    /// What autoencoders over rows of items have in common.
    pub struct Autoencoder {
        /// Whose settings are the defaults of the others.
        preset: Preset = Preset::Paper;
        /// Width of the code.
        embedding_size: usize = 200, in whole_from(1);
        /// L2 regularization, added to the gradient.
        reg: f32 = 0.0, in at_least(0.0), tune [0, 1e-3];
        /// Share of the input items of a row that is dropped in training.
        dropout: f32 = 0.5, in between(0.0, 0.95), tune [0, 0.5];
        /// Activation of the hidden layers.
        activation: Activation = Activation::Tanh;
        /// Distribution of the initial weights.
        init: Init = Init::Glorot;
        include training: TrainingLoop = { epochs: 200, batch_size: 500, patience: 20 };
    }
    preset preset = "lia" {
        embedding_size = 100,
        reg = 1e-3,
        dropout = 0,
        activation = "linear",
        init = "torch",
        epochs = 300,
        batch_size = 512,
    }
}

impl Autoencoder {
    /// A network without hidden layers besides the code, and how it learns.
    pub(crate) fn plain(&self) -> (Shape, Learning) {
        let shape = Shape {
            hidden: Vec::new(),
            code: self.embedding_size,
            tanh: self.activation == Activation::Tanh,
            variational: false,
        };
        let learning = Learning {
            dropout: self.dropout,
            decay: self.reg,
            anneal: (0.0, 1.0),
            noise: 0.0,
            torch_init: self.init == Init::Torch,
        };
        (shape, learning)
    }
}
