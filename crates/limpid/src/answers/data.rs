//! `limpid data describe`, `split`, `fetch` and `synthesize`.

use limpid_data::Description;
use limpid_data::fetch::{FetchReport, KnownSet};
use serde::Serialize;

/// Counts, ranges and quantiles of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DataDescription {
    /// `limpid.data-describe/1`.
    pub schema: &'static str,
    /// The description.
    #[serde(flatten)]
    pub description: Description,
}

/// A split, written as a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct DataSplit {
    /// `limpid.data-split/1`.
    pub schema: &'static str,
    /// The folder.
    pub folder: String,
    /// The spec of the split.
    pub spec: String,
    /// BLAKE3 of the split.
    pub hash: String,
    /// BLAKE3 of the log as read, before filters.
    pub data_hash: String,
    /// Train, validation and test.
    pub parts: Vec<SplitPart>,
    /// Notes for the reader: what was omitted.
    pub notes: Vec<String>,
}

/// The size of train, validation or test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct SplitPart {
    /// `train`, `validation` or `test`.
    pub part: &'static str,
    /// Users with an event.
    pub users: usize,
    /// Events.
    pub events: usize,
}

/// The public data sets that can be downloaded.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DataSets {
    /// `limpid.data-sets/1`.
    pub schema: &'static str,
    /// The data sets.
    pub sets: &'static [KnownSet],
}

/// A downloaded data set.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Fetched {
    /// `limpid.data-fetch/1`.
    pub schema: &'static str,
    /// The data set and its terms.
    #[serde(flatten)]
    pub report: FetchReport,
}

/// A synthetic world, written as a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Synthesized {
    /// `limpid.data-synthesize/1`.
    pub schema: &'static str,
    /// The folder.
    pub folder: String,
    /// Events.
    pub events: usize,
}
