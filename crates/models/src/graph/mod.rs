//! Models that propagate embeddings over the graph of users and items.

mod attributes;
pub mod bcipm;
pub(crate) mod behavior_graphs;
pub mod causald;
pub mod crgcn;
pub mod dccf;
pub mod hec_gcn;
pub mod lightgcn;
pub mod mb_cgcn;
pub mod mbgcn;
pub mod mbssl;
mod one_graph;
pub(crate) mod propagation;
