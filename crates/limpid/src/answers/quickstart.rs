//! `limpid quickstart`.

use serde::Serialize;

use super::{Explanation, Measured, Recommendations, WhyNot};

/// The whole tour.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quickstart {
    /// `limpid.quickstart/1`.
    pub schema: &'static str,
    /// Four models on one split.
    pub evaluations: Vec<Measured>,
    /// A list of the last model.
    pub list: Recommendations,
    /// Why its first item.
    pub why: Explanation,
    /// Why not an item below the list.
    pub why_not: WhyNot,
    /// Wall-clock seconds of the tour.
    pub seconds: f64,
}
