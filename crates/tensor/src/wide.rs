//! Code compiled for the widest vectors of the CPU that it runs on.

/// Runs `work` compiled for the widest vectors of this CPU. Only code that is inlined into `work` benefits,
/// and `work` itself must be inlined: a small closure is; otherwise use a struct whose `call` is
/// marked `inline(always)`, or calls functions so marked.
#[inline(always)]
pub fn wide<T>(work: impl pulp::NullaryFnOnce<Output = T>) -> T {
    pulp::Arch::new().dispatch(work)
}
