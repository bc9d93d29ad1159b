//! Optimizers, one file each.

pub mod adam;
pub mod clip;
