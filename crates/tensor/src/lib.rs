//! Numerical kernels, automatic differentiation and training for gradient-based models.
//!
//! Two tiers, one training loop. The kernels that determine speed (sparse products, the logic layer,
//! the multinomial loss) have hand-written gradients on plain slices: interactions are 0.1 to 6 % dense,
//! which general frameworks do not exploit. Every such gradient is checked against its definition
//! in double precision and against central differences. Networks with attention, graphs or towers are
//! written on the tape; the sparse kernels are operations of the tape.
//!
//! Everything is deterministic: work is divided into pieces whose size does not depend on the number of
//! threads, and every sum has a fixed order.
//!
//! | module | contents |
//! |---|---|
//! | [`rng`] | seeded random numbers |
//! | [`exponential`] | an exponential that vectorizes |
//! | [`matmul`] | dense products |
//! | [`nonnegative`] | non-negative least squares by coordinate descent |
//! | [`sparse`] | sparse × dense, the logic layer, the multinomial loss |
//! | [`tape`] | automatic differentiation |
//! | [`optim`] | Adam, also deferred for rows that are not read, NAdam, clipping |
//! | [`parameter`] | trainable arrays |
//! | [`mod@train`] | the training loop: shuffling, early stopping, checkpoints |

pub mod exponential;
pub mod matmul;
pub mod nonnegative;
pub mod optim;
pub mod parameter;
pub mod rng;
pub mod sparse;
pub mod tape;
pub mod train;
mod wide;

pub use parameter::Parameter;
pub use rng::Rng;
pub use train::{Learner, Outcome, Schedule, train};
pub use wide::{wide, wide_op};
