//! The hyper-parameters that every network of the catalogue has, as `limpid models` prints them.

use crate::registry::Parameter;

pub(crate) const EMBEDDING_SIZE: Parameter = Parameter {
    name: "embedding_size",
    range: "1 or more",
    tune: &[],
    doc: "width of the code",
};

pub(crate) const EPOCHS: Parameter = Parameter {
    name: "epochs",
    range: "1 or more",
    tune: &[],
    doc: "passes over the users",
};

pub(crate) const BATCH_SIZE: Parameter = Parameter {
    name: "batch_size",
    range: "1 or more",
    tune: &[],
    doc: "users of one step",
};

pub(crate) const LEARNING_RATE: Parameter = Parameter {
    name: "learning_rate",
    range: "above 0",
    tune: &["1e-3", "3e-3"],
    doc: "learning rate of Adam",
};

pub(crate) const REG: Parameter = Parameter {
    name: "reg",
    range: "0 or more",
    tune: &["0", "1e-3"],
    doc: "L2, as a part of the gradient",
};

pub(crate) const DROPOUT: Parameter = Parameter {
    name: "dropout",
    range: "0 to 0.95",
    tune: &["0", "0.5"],
    doc: "share of the items of a row that is left out of the input",
};

pub(crate) const PATIENCE: Parameter = Parameter {
    name: "patience",
    range: "0 (never) or more",
    tune: &[],
    doc: "measurements without a new best before it stops",
};

pub(crate) const ANNEAL_CAP: Parameter = Parameter {
    name: "anneal_cap",
    range: "0 to 1",
    tune: &[],
    doc: "largest weight of the divergence from the prior",
};

pub(crate) const ANNEAL_STEPS: Parameter = Parameter {
    name: "anneal_steps",
    range: "1 or more",
    tune: &[],
    doc: "steps after which that weight would be 1",
};
