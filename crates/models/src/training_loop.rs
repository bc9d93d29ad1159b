//! The hyper-parameters of every model trained by gradient descent, declared once.

use limpid_tensor::Schedule;

use crate::hyper::hyper;

hyper! {
    /// Length and speed of training.
    pub struct TrainingLoop {
        /// Maximum number of passes over the training data.
        epochs: usize = 100, in whole_from(1);
        /// Examples (users or events) per training step.
        batch_size: usize = 512, in whole_from(1);
        /// Learning rate of Adam.
        learning_rate: f32 = 1e-3, in above(0.0), tune [1e-3, 3e-3];
        /// Early stopping: evaluations without improvement before training stops; 0: off.
        patience: usize = 10;
    }
}

impl TrainingLoop {
    /// A schedule with a constant learning rate and an evaluation after every epoch.
    pub(crate) fn schedule(&self) -> Schedule {
        Schedule {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            patience: self.patience,
            ..Schedule::default()
        }
    }
}
