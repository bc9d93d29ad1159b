//! Reverse-mode automatic differentiation, for networks written close to the equations of their paper.
//!
//! A [`Tape`] records operations on its values ([`Var`]); [`Var::backward`] then propagates the
//! gradient of a scalar back to the leaves. Every operation is a method of `Var` with its definition
//! in its doc, and is checked in double precision against central differences (`check.rs`).
//!
//! - Values are row-major with up to four dimensions ([`Shape`]); "rows" are those of the last one.
//! - Constants have no gradient; values that depend only on constants need no backward pass.
//! - [`Var::gather`] of a leaf gives a sparse gradient: only the rows that were gathered.
//! - Buffers are reused after [`Tape::reset`]; gradients are moved or summed in place.
//! - Results do not depend on the number of threads, bit for bit.
//!
//! Mismatched shapes are programming errors, not input errors: operations panic, with both
//! shapes in the message.
//!
//! ```
//! use limpid_tensor::tape::Tape;
//!
//! let tape = Tape::<f64>::default();
//! let x = tape.leaf(vec![1.0, 2.0, 3.0].into(), &[3]);
//! let loss = (x * x).sum();
//! assert_eq!(loss.scalar(), 14.0);
//! let mut gradients = loss.backward();
//! assert_eq!(gradients.take(x).dense(3), [2.0, 4.0, 6.0]);
//! ```

mod arena;
mod attention;
#[cfg(test)]
mod check;
mod elementwise;
mod float;
mod gradients;
mod graph;
pub(crate) mod lanes;
mod learner;
mod logic;
mod lookup;
mod loss;
mod products;
mod rows;
mod sequences;
mod shape;
mod top_k;

use std::cell::RefCell;
use std::sync::Arc;

use arena::Arena;
pub use attention::Spans;
pub use float::Float;
use gradients::Sums;
pub use gradients::{Gradient, Gradients};
pub use graph::Graph;
pub use learner::{Network, TapeLearner};
pub use products::Csr;
pub use shape::Shape;
pub use top_k::{Code, Layer};

/// Propagates the gradient of an operation's value, which it owns, to its inputs.
type Backward<T> = Box<dyn FnOnce(Vec<T>, &mut Sums<'_, T>) + Send>;

struct Node<T> {
    value: Arc<Vec<T>>,
    shape: Shape,
    /// Whether it requires a gradient: a leaf, or computed from one.
    tracked: bool,
    backward: Option<Backward<T>>,
}

/// The recorded operations, in order.
pub struct Tape<T: Float = f32> {
    nodes: RefCell<Vec<Node<T>>>,
    arena: Arena<T>,
}

impl<T: Float> Default for Tape<T> {
    fn default() -> Self {
        Self {
            nodes: RefCell::default(),
            arena: Arena::default(),
        }
    }
}

/// A value on a tape.
pub struct Var<'t, T: Float = f32> {
    tape: &'t Tape<T>,
    id: usize,
}

impl<T: Float> Clone for Var<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Float> Copy for Var<'_, T> {}

impl<T: Float> Tape<T> {
    /// A value that requires a gradient. `values` can be recovered with [`Arc::into_inner`] after
    /// [`reset`](Self::reset).
    ///
    /// # Panics
    /// If the number of values does not match the shape.
    pub fn leaf(&self, values: Arc<Vec<T>>, shape: &[usize]) -> Var<'_, T> {
        self.push(values, Shape::new(shape), true, None)
    }

    /// A value without gradient.
    ///
    /// # Panics
    /// If the number of values does not match the shape.
    pub fn constant(&self, values: impl Into<Arc<Vec<T>>>, shape: &[usize]) -> Var<'_, T> {
        self.push(values.into(), Shape::new(shape), false, None)
    }

    /// Clears the recorded operations and keeps the buffers for reuse.
    pub fn reset(&mut self) {
        let nodes = self.nodes.get_mut();
        // Recorded operations share values: all of them are dropped before a value is recovered.
        nodes.iter_mut().for_each(|node| node.backward = None);
        for node in nodes.drain(..) {
            if let Some(buffer) = Arc::into_inner(node.value) {
                self.arena.give(buffer);
            }
        }
    }

    /// Returns a buffer for reuse, such as a gradient after its step.
    pub fn recycle(&self, buffer: Vec<T>) {
        self.arena.give(buffer);
    }

    fn push(
        &self,
        value: Arc<Vec<T>>,
        shape: Shape,
        tracked: bool,
        backward: Option<Backward<T>>,
    ) -> Var<'_, T> {
        assert_eq!(
            value.len(),
            shape.count(),
            "number of values does not match shape {shape:?}"
        );
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node {
            value,
            shape,
            tracked,
            backward,
        });
        Var {
            tape: self,
            id: nodes.len() - 1,
        }
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.tape.nodes.borrow()[self.id].shape
    }

    /// Its elements.
    #[must_use]
    pub fn value(&self) -> Arc<Vec<T>> {
        self.tape.nodes.borrow()[self.id].value.clone()
    }

    /// Its only element.
    ///
    /// # Panics
    /// If there are several.
    #[must_use]
    pub fn scalar(&self) -> T {
        let value = self.value();
        assert_eq!(value.len(), 1, "a scalar, not {:?}", self.shape());
        value[0]
    }

    fn tracked(&self) -> bool {
        self.tape.nodes.borrow()[self.id].tracked
    }

    fn arena(&self) -> &'t Arena<T> {
        &self.tape.arena
    }

    /// Records an operation's value and its backward pass to `inputs`; without the latter if no input
    /// requires a gradient.
    fn record(
        self,
        inputs: &[Self],
        value: impl Into<Arc<Vec<T>>>,
        shape: Shape,
        backward: impl FnOnce(Vec<T>, &mut Sums<'_, T>) + Send + 'static,
    ) -> Self {
        let value = value.into();
        let tracked = inputs.iter().any(|input| {
            assert!(
                std::ptr::eq(input.tape, self.tape),
                "operation on values of two tapes"
            );
            input.tracked()
        });
        let backward = tracked.then(|| Box::new(backward) as Backward<T>);
        self.tape.push(value, shape, tracked, backward)
    }

    /// The gradients of this scalar with respect to the leaves. Once per forward pass: recorded operations
    /// are consumed.
    ///
    /// # Panics
    /// If this is not a scalar.
    #[must_use]
    pub fn backward(self) -> Gradients<T> {
        assert_eq!(self.shape().count(), 1, "backward: expected a scalar");
        let tracked = self.tape.nodes.borrow().iter().map(|n| n.tracked).collect();
        let mut sums = Sums::new(self.arena(), tracked);
        if self.tracked() {
            let mut one = self.arena().take(1);
            one[0] = T::ONE;
            sums.give(self.id, one);
        }
        for id in (0..=self.id).rev() {
            let (backward, shape) = {
                let node = &mut self.tape.nodes.borrow_mut()[id];
                (node.backward.take(), node.shape)
            };
            if let Some(backward) = backward
                && let Some(gradient) = sums.of(id, shape)
            {
                backward(gradient, &mut sums);
            }
        }
        sums.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_have_no_gradient_and_buffers_are_recovered() {
        let mut tape = Tape::<f32>::default();
        let weights = Arc::new(vec![1.0, 2.0]);
        for _ in 0..2 {
            let w = tape.leaf(weights.clone(), &[2]);
            let c = tape.constant(vec![3.0, 4.0], &[2]);
            let alone = (c * c).sum();
            let loss = (w * c).sum() + alone;
            assert_eq!(loss.scalar(), 11.0 + 25.0);
            let mut gradients = loss.backward();
            assert!(matches!(gradients.take(c), Gradient::None));
            assert_eq!(gradients.take(w).dense(2), [3.0, 4.0]);
            tape.reset();
        }
        assert_eq!(Arc::into_inner(weights), Some(vec![1.0, 2.0]));
    }

    #[test]
    fn gradients_of_a_value_used_twice_are_summed() {
        let tape = Tape::<f64>::default();
        let x = tape.leaf(vec![0.5].into(), &[1]);
        let y = ((x.exp() + x.exp()) * x + x).sum();
        let expected = 2.0 * 0.5f64.exp() * 1.5 + 1.0;
        assert!((y.backward().take(x).dense(1)[0] - expected).abs() < 1e-12);
    }

    #[test]
    #[should_panic(expected = "[2, 3]")]
    fn mismatched_shapes_are_named() {
        let tape = Tape::<f32>::default();
        let x = tape.constant(vec![0.0; 6], &[2, 3]);
        let _ = x + tape.constant(vec![0.0; 4], &[2, 2]);
    }
}
