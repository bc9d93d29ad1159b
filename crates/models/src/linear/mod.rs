//! Linear models: item-to-item weights in closed form, by coordinate descent or by similarity; popularity.

pub(crate) mod closed_form;
pub(crate) mod descent;
pub mod ease;
pub mod edlae;
pub mod item_knn;
pub mod item_links;
pub mod popularity;
pub mod slim;
pub mod soft_targets;
