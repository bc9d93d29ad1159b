//! Models of several behaviors: what a user viewed, put into the cart and bought.
//!
//! [`chains`] holds what they share: the behaviors of each pair of a user and an item, their patterns, and how
//! often pairs with a pattern were bought; `held_out` hides purchases that measure a model in training.

pub mod chain_prior;
pub mod chains;
pub mod cnre;
pub(crate) mod held_out;
pub mod one_behavior;
pub mod scorecard;
mod units;
