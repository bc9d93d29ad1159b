//! The arithmetic of models that learn by gradients.
//!
//! Two tiers, one training loop. What carries the product's speed (sparse products, the logic layer,
//! the multinomial loss) has hand-written gradients on plain slices: interactions are 0.1 to 6 % dense,
//! and no general framework makes use of that. Every such gradient is checked against its definition
//! in double precision and against central differences. Networks with attention, graphs or towers are
//! written on the tape, in tens of lines; the sparse kernels are operations of the tape.
//!
//! Everything is deterministic: work is cut into pieces whose size does not depend on the number of
//! threads, and every sum is taken in a fixed order.
//!
//! | module | what |
//! |---|---|
//! | [`draw`] | seeded random numbers |
//! | [`exponential`] | an exponential that vectorizes |
//! | [`matmul`] | dense products |
//! | [`sparse`] | sparse × dense, the logic layer, the multinomial loss |
//! | [`tape`] | automatic differentiation |
//! | [`optim`] | Adam, clipping |
//! | [`parameter`] | an array that is learned |
//! | [`train`] | the loop: shuffling, early stopping, checkpoints |

pub mod draw;
pub mod exponential;
pub mod matmul;
pub mod optim;
pub mod parameter;
pub mod sparse;
pub mod tape;
pub mod train;
mod wide;

pub use draw::Draw;
pub use parameter::Parameter;
pub use train::{Learner, Outcome, Schedule, train};
