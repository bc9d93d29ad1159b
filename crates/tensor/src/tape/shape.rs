//! The shape of a value.

use std::fmt;
use std::ops::Deref;

/// Maximum number of dimensions.
const MOST: usize = 4;

/// Up to four dimensions, row-major. Most operations treat a value as rows of the last one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    sizes: [usize; MOST],
    n: usize,
}

impl Shape {
    /// A shape of these dimensions; no dimensions is a scalar.
    ///
    /// # Panics
    /// If there are more than four.
    #[must_use]
    pub fn new(sizes: &[usize]) -> Self {
        assert!(
            sizes.len() <= MOST,
            "a shape has at most {MOST} dimensions, not {sizes:?}"
        );
        let mut shape = Self {
            sizes: [1; MOST],
            n: sizes.len(),
        };
        shape.sizes[..sizes.len()].copy_from_slice(sizes);
        shape
    }

    /// Number of elements.
    #[must_use]
    pub fn count(&self) -> usize {
        self.iter().product()
    }

    /// The last dimension; 1 for a scalar.
    #[must_use]
    pub fn width(&self) -> usize {
        self.last().copied().unwrap_or(1)
    }

    /// The product of all dimensions except the last.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.split_last()
            .map_or(1, |(_, before)| before.iter().product())
    }

    /// The same with another last dimension.
    #[must_use]
    pub(super) fn with_width(mut self, width: usize) -> Self {
        assert!(self.n > 0, "a scalar has no rows");
        self.sizes[self.n - 1] = width;
        self
    }

    /// The same without the last dimension.
    #[must_use]
    pub(super) fn without_width(&self) -> Self {
        Self::new(self.split_last().map_or(&[], |(_, before)| before))
    }
}

impl Deref for Shape {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.sizes[..self.n]
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self[..], f)
    }
}
