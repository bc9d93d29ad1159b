//! Kernels with hand-written forward and backward pass, one file each.
//!
//! Shapes: U users of a batch, I items, R rules, H columns; all arrays are row-major slices.

pub mod batch;
pub mod logic;
pub mod multinomial;
mod rows;
