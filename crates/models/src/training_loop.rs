//! The hyper-parameters of every model that learns by gradients, declared once.

use limpid_tensor::Schedule;

use crate::hyper::hyper;

hyper! {
    /// How long and how fast a model learns.
    pub struct TrainingLoop {
        /// Passes over the training data, at most.
        epochs: usize = 100, in whole_from(1);
        /// Examples (users, or events) of one step.
        batch_size: usize = 512, in whole_from(1);
        /// Learning rate of Adam.
        learning_rate: f32 = 1e-3, in above(0.0), tune [1e-3, 3e-3];
        /// Early stopping: validation measurements in a row without a new best; 0: never.
        patience: usize = 10;
    }
}

impl TrainingLoop {
    /// The schedule of a constant learning rate with a measurement after every epoch.
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
