//! Models that propagate embeddings over the graph of users and items.

pub mod lightgcn;
pub(crate) mod propagation;
