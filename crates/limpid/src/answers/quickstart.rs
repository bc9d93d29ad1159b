//! `limpid quickstart`.

use serde::Serialize;

use super::{Explanation, Measured, Recommendations, WhyNot};

/// The answers of all steps.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Quickstart {
    /// `limpid.quickstart/1`.
    pub schema: &'static str,
    /// Four models on one split.
    pub evaluations: Vec<Measured>,
    /// A list of the last model.
    pub list: Recommendations,
    /// The explanation of its first item.
    pub why: Explanation,
    /// The why-not of an item below the list.
    pub why_not: WhyNot,
    /// Wall-clock seconds.
    pub seconds: f64,
}
