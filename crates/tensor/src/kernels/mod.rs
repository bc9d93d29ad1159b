//! Kernels with hand-written forward and backward, one file each.
//!
//! Shapes: U users of a batch, I items, R rules, H columns; all arrays are row-major slices.

pub mod adam;
pub mod batch;
pub mod exponential;
pub mod logic;
pub mod multinomial;

/// Runs `f` compiled for the widest vectors of this processor. What `f` calls must be inlined to
/// profit.
#[inline(always)]
pub(crate) fn wide<T>(f: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(f)
}
