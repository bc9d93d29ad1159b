//! Models of short rules over items.

pub(crate) mod features;
pub mod groups;
pub mod lia;
pub mod ruleslim;
