//! Recommenders: histories in, scores out. One file per paper.
//!
//! A model file holds, in this order: the paper, `ENTRY` (its catalogue entry), `Config`
//! (hyper-parameters, declared once by [`limpid_core::hyper!`]), `impl Fit`, `Model` with its shapes, and its traits.
//! The list of models is [`registry`]; every model in it is tested by `tests/contract.rs`, shown by
//! `limpid models`, and saved and loaded by artifacts.

pub mod behavior;
pub mod graph;
pub mod latent;
pub mod linear;
pub(crate) mod negatives;
pub mod ratings;
pub mod registry;
pub mod rules;
pub mod sequential;
pub mod text;
pub mod training_loop;

pub use limpid_core::hyper::{self, Parameter, Preset};
pub use registry::{Config, ENTRIES, Entry, Model, Reads};
