//! Optimizers, one file each.

pub mod adam;
pub mod clip;
pub mod deferred;
pub mod nadam;
