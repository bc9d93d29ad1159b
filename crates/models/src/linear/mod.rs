//! Linear models: item-to-item weights in closed form, dense or on a pattern, by coordinate descent or by
//! similarity; popularity.

pub(crate) mod closed_form;
pub(crate) mod descent;
pub mod ease;
pub mod edlae;
pub mod item_knn;
pub mod item_links;
pub mod mrf;
pub mod popularity;
pub mod slim;
pub mod soft_targets;
pub mod teaser;
