//! Kernels with hand-written forward and backward, one file each.
//!
//! Shapes: U users of a batch, I items, R rules, H columns; all arrays are row-major slices.

pub mod adam;
pub mod batch;
pub mod exponential;
pub mod logic;
pub mod multinomial;
mod rows;

/// Runs `work` compiled for the widest vectors of this processor. What it calls must be inlined to
/// profit, and so must it be itself: a closure is if it is small, larger work is a struct whose
/// `call` is marked `inline(always)`.
#[inline(always)]
pub(crate) fn wide<T>(work: impl pulp::NullaryFnOnce<Output = T>) -> T {
    pulp::Arch::new().dispatch(work)
}
