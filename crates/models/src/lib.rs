//! Recommenders: histories in, scores out. One file is one paper.
//!
//! A model file holds, in this order: the paper, `Config` (hyper-parameters), `impl Fit`, `Model`
//! with its shapes, and its traits. The list of models is [`registry`]; whatever stands there is
//! tested by `tests/contract.rs`, shown by `limpid models` and saved and loaded by artifacts.

pub mod autoencoder;
mod closed_form;
mod descent;
pub mod ease;
pub mod edlae;
mod features;
pub mod groups;
pub mod item_knn;
pub mod item_links;
pub mod lia;
pub mod mf;
pub mod multvae;
mod network;
pub mod popularity;
pub mod registry;
pub mod ruleslim;
pub mod slim;

pub use limpid_tensor::Device;
pub use registry::{Config, ENTRIES, Entry, Model, Parameter};
