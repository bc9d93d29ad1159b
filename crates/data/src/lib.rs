//! Raw interaction logs in, histories out.
//!
//! `ratings.dat` line → [`sources`] → [`Log`] → [`Filters`] → [`split`](mod@split) → histories.
//! Every file format is one file in [`sources`]; whatever is wrong with a line is reported as
//! `file:line:column` with the rule and the fix.

pub mod chains;
mod check;
pub mod describe;
pub mod error;
pub mod fetch;
pub mod filters;
pub mod log;
mod sampling;
pub mod sources;
pub mod split;
pub mod staged;
pub mod synthetic;

pub use chains::ChainDescription;
pub use describe::Description;
pub use error::{Error, Result};
pub use filters::Filters;
pub use log::{GivenSubset, Log, ReadColumn, ReadReport};
pub use sources::{ReadOptions, read};
pub use split::{HeldOut, Shown, Split, SplitSpec, Subset};
pub use synthetic::open;
