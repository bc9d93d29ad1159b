//! The arithmetic of models that learn by gradients: sparse kernels with hand-written gradients,
//! dense products, Adam, and one training loop.
//!
//! Interactions are 0.1 to 6 % dense, and no general framework makes use of that; the models of
//! this project have at most four layers. So every gradient here is written by hand on plain
//! slices, checked against its definition in double precision and against central differences, and
//! the memory of a step is allocated once.
//!
//! Everything is deterministic: work is cut into pieces whose size does not depend on the number of
//! threads, and every sum is taken in a fixed order.
//!
//! | module | what |
//! |---|---|
//! | [`draw`] | seeded random numbers |
//! | [`matmul`] | dense products |
//! | [`kernels`] | sparse × dense, the logic layer, the multinomial loss, Adam |
//! | [`parameter`] | an array that is learned |
//! | [`training`] | the loop: shuffling, early stopping, checkpoints |

pub mod draw;
pub mod kernels;
pub mod matmul;
pub mod parameter;
pub mod training;

pub use draw::Draw;
pub use parameter::Parameter;
pub use training::{Learner, Outcome, Schedule, train};
