//! Code compiled for the widest vectors of the CPU that it runs on.

use pulp::{Arch, NullaryFnOnce};

/// Runs `work` compiled for the widest vectors of this CPU.
///
/// Only code that is inlined into `work` benefits, and `work` itself must be inlined, which
/// `#[inline(always)]` on the closure ensures. Loops in it are `for` loops: `Iterator::for_each` may be
/// compiled as a function of its own. (A closure bounded by `FnOnce` would be called by such a function too.)
#[inline(always)]
pub fn wide<T>(work: impl FnMut() -> T) -> T {
    struct Work<F>(F);
    impl<T, F: FnMut() -> T> NullaryFnOnce for Work<F> {
        type Output = T;

        #[inline(always)]
        fn call(mut self) -> T {
            (self.0)()
        }
    }
    wide_op(Work(work))
}

/// The same for an operation with arguments of its own; its `call` is marked `#[inline(always)]`.
#[inline(always)]
pub fn wide_op<Op: NullaryFnOnce>(op: Op) -> Op::Output {
    Arch::new().dispatch(op)
}
