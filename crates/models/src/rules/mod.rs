//! Models of short rules over items.

pub(crate) mod features;
mod group_names;
pub mod groups;
pub mod lia;
pub mod ruleslim;
