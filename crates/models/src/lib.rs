//! Recommenders: histories in, scores out. One file is one paper.
//!
//! A model file holds, in this order: the paper, `Config` (hyper-parameters), `impl Fit`, `Model`
//! with its shapes, and its traits. The list of models is [`registry`]; whatever stands there is
//! tested by `tests/contract.rs`, shown by `limpid models` and saved and loaded by artifacts.

pub mod latent;
pub mod linear;
pub mod registry;
pub mod rules;

pub use registry::{Config, ENTRIES, Entry, Model, Parameter};
