//! Optimizers, one file each.

pub mod adam;
