//! The hyper-parameters that Mult-DAE and Mult-VAE share, declared once, and what follows from them.

use crate::hyper::{choices, hyper};
use crate::training_loop::TrainingLoop;

/// The layers of a network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    /// Widths of the layers between the items and the code.
    pub(crate) hidden: Vec<usize>,
    /// Width of the code.
    pub(crate) code: usize,
    /// tanh after every layer except the last; in the variational form not after the code.
    pub(crate) tanh: bool,
    pub(crate) variational: bool,
}

/// How a network is trained.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Learning {
    pub(crate) dropout: f32,
    pub(crate) decay: f32,
    /// Largest β, and the steps after which it would be 1.
    pub(crate) anneal: (f32, f32),
    /// Scale of the noise of the code.
    pub(crate) noise: f32,
    /// Weights uniform within 1/√inputs, the default of PyTorch, instead of Glorot's √(6/(in + out)).
    pub(crate) torch_init: bool,
    /// Rows are divided by their norm.
    pub(crate) normalize: bool,
    /// Losses are means over items and dimensions of the code, instead of sums.
    pub(crate) means: bool,
    /// β₂ of Adam.
    pub(crate) beta2: f32,
}

choices! {
    /// Source of the default settings.
    pub enum Preset {
        /// The model's own paper.
        Paper = "paper",
        /// The baseline in LIA's tables (Wei et al.): a linear model of rank 100.
        Lia = "lia",
        /// From Knots to Knobs (Spišák et al.): rows as they are, losses as means, 25 epochs.
        Knots = "knots",
    }
}

choices! {
    /// The activation of every layer except the last; the code of a variational model has none.
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
    /// Shared hyper-parameters of autoencoders over rows of items.
    pub struct Autoencoder {
        /// Source of the other defaults: the model's paper, the baseline in LIA's tables, or From Knots to Knobs.
        preset: Preset = Preset::Paper;
        /// Width of the code (bottleneck layer).
        embedding_size: usize = 200, in whole(1, 16_384);
        /// L2 regularization (weight decay in the gradient).
        reg: f32 = 0.0, in at_least(0.0), tune [0, 1e-3];
        /// Dropout rate of input items in training.
        dropout: f32 = 0.5, in between(0.0, 0.95), tune [0, 0.5];
        /// Activation of the hidden layers.
        activation: Activation = Activation::Tanh;
        /// Initialization of the weights.
        init: Init = Init::Glorot;
        /// Divide a row by its norm before it is read.
        normalize: bool = true;
        /// Losses are means over items and over the dimensions of the code, instead of sums.
        means: bool = false;
        /// Decay of the second moments of Adam (β₂).
        beta2: f32 = 0.999, in between(0.0, 0.9999);
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
    preset preset = "knots" {
        embedding_size = 512,
        normalize = false,
        means = true,
        beta2 = 0.99,
        epochs = 25,
        batch_size = 1024,
        patience = 0,
    }
}

impl Autoencoder {
    /// A network whose only hidden layer is the code, and how it is trained.
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
            normalize: self.normalize,
            means: self.means,
            beta2: self.beta2,
            torch_init: self.init == Init::Torch,
        };
        (shape, learning)
    }
}
