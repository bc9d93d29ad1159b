//! Buffers that are reused from one step to the next.

use std::cell::RefCell;
use std::collections::HashMap;

/// Free buffers by size class. A step needs the same sizes as the one before, so after the
/// first step there are almost no allocations.
#[derive(Debug, Default)]
pub(super) struct Arena<T> {
    classes: RefCell<HashMap<usize, Class<T>>>,
}

/// The buffers of one size class.
#[derive(Debug, Default)]
struct Class<T> {
    free: Vec<Vec<T>>,
    /// Buffers that were taken and not returned. No more are accepted: constants, which were allocated elsewhere,
    /// would otherwise pile up from step to step.
    taken: usize,
}

/// Sizes within a class differ by at most an eighth.
fn class(n: usize) -> usize {
    let step = (n.max(64).next_power_of_two() / 16).max(1);
    n.max(64).div_ceil(step) * step
}

impl<T: Copy + Default> Arena<T> {
    /// A buffer of `n` elements with arbitrary content: all must be overwritten.
    pub(super) fn take(&self, n: usize) -> Vec<T> {
        let size = class(n);
        let mut classes = self.classes.borrow_mut();
        let class = classes.entry(size).or_default();
        class.taken += 1;
        let found = class.free.pop();
        let mut buffer = found.unwrap_or_else(|| Vec::with_capacity(size));
        buffer.resize(n, T::default());
        buffer
    }

    /// A buffer of `n` zeros.
    pub(super) fn zeros(&self, n: usize) -> Vec<T> {
        let mut buffer = self.take(n);
        buffer.fill(T::default());
        buffer
    }

    /// Returns a buffer.
    pub(super) fn give(&self, buffer: Vec<T>) {
        let size = class(buffer.len());
        if let Some(class) = self.classes.borrow_mut().get_mut(&size)
            && class.taken > 0
            && buffer.capacity() >= size
        {
            class.taken -= 1;
            class.free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_reused() {
        let arena = Arena::<f32>::default();
        let mut buffer = arena.take(1000);
        buffer[7] = 3.0;
        let at = buffer.as_ptr();
        arena.give(buffer);
        let again = arena.take(1010);
        assert_eq!((again.as_ptr(), again.len()), (at, 1010));
        assert!(arena.zeros(1000).iter().all(|&x| x == 0.0));
        // What was not taken is not kept.
        (0..9).for_each(|_| arena.give(vec![0.0; 1024]));
        assert_eq!(arena.classes.borrow()[&1024].free.len(), 2);
        for n in [0, 1, 64, 65, 1000, 4097] {
            assert!(class(n) >= n && class(class(n)) == class(n));
        }
    }
}
