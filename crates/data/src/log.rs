//! A log: every event of a data set in file order, with the item metadata that came along.

use limpid_core::{Field, Ids};

/// Every event of a data set, column by column, in file order.
///
/// Item indices are assigned by a seeded shuffle of the external ids (see [`Log::shuffle_items`]),
/// user indices in order of first appearance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    /// What the data set is called (the folder or file it came from).
    pub name: String,
    /// External user ids.
    pub users: Ids,
    /// External item ids: those with events, then those with metadata only, shuffled together.
    pub items: Ids,
    /// User of each event `(events)`.
    pub user: Vec<u32>,
    /// Item of each event `(events)`.
    pub item: Vec<u32>,
    /// Rating or weight of each event, where the source has one.
    pub value: Option<Vec<f32>>,
    /// Time of each event in seconds since 1970, where the source has one.
    pub time: Option<Vec<i64>>,
    /// Behavior of each event, where there are several.
    pub behavior: Option<Vec<u8>>,
    /// Names of the behaviors in the order of their chain (view, cart, buy); one at least.
    pub behaviors: Vec<String>,
    /// Index of the behavior that is recommended for.
    pub target_behavior: u8,
    /// The part each event belongs to, where the set brings its own files for it.
    pub given: Option<Vec<GivenPart>>,
    /// Titles by item index; empty where the source has none.
    pub titles: Vec<String>,
    /// Item metadata; `of_items` has a row per item.
    pub fields: Vec<Field>,
    /// What was read and what was left out.
    pub report: ReadReport,
}

/// The part of a given split that an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenPart {
    /// To learn from.
    Train,
    /// To choose settings with.
    Validation,
    /// To measure on.
    Test,
}

/// What was read and what was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadReport {
    /// The format, in words: `MovieLens 1M`.
    pub format: String,
    /// The files that were read.
    pub files: Vec<String>,
    /// Lines or records with an event.
    pub rows: usize,
    /// Skipped lines by reason (policy `skip`).
    pub skipped: Vec<(String, usize)>,
    /// Events merged or dropped because the same user, item and behavior came again.
    pub duplicates: usize,
    /// Remarks worth showing.
    pub notes: Vec<String>,
}
