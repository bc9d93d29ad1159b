//! `limpid recommend`, `limpid similar`, `limpid export`, and batches.

use serde::Serialize;

use super::ItemName;

/// A list for a user or history.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Recommendations {
    /// `limpid.recommend/1`.
    pub schema: &'static str,
    /// The user; null for an ad-hoc history.
    pub user: Option<String>,
    /// Number of distinct items of the history.
    pub history: usize,
    /// The requested length of the list.
    pub asked: usize,
    /// What similarity is, for `similar`: `scores`, `vectors` or `links`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'static str>,
    /// The edits that were applied.
    pub edits: String,
    /// The list, best first.
    pub items: Vec<Recommended>,
    /// Where the data have several behaviors: the best items with earlier events of the user (`continue`) and
    /// without any (`discover`), by the same scores.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slates: Vec<Slate>,
    /// Items that the edits moved out of the list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Left>,
    /// Notes for the reader: a list shorter than requested, no evidence, cold-start items.
    pub notes: Vec<String>,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Recommended {
    /// Its rank, from 1.
    pub rank: usize,
    /// The item.
    #[serde(flatten)]
    pub item: ItemName,
    /// Its score.
    pub score: f32,
    /// The probability that it is the next one, of a model whose scores are log odds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Its place without the edits; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// What each edit alone changes about its score, for the edits that change it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moved_by: Vec<Moved>,
    /// The strongest reasons.
    pub because: Vec<Reason>,
}

/// A list of items of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Slate {
    /// `continue` or `discover`.
    pub name: &'static str,
    /// The list, best first.
    pub items: Vec<Recommended>,
}

/// The place of an item without the edits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Before {
    /// Its rank.
    pub rank: usize,
    /// Its score.
    pub score: f32,
}

/// What one edit alone changes about a score.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Moved {
    /// The edit.
    pub edit: String,
    /// The score with this edit minus the score without edits.
    pub change: f32,
}

/// An item that the edits moved out of the list.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Left {
    /// The item.
    #[serde(flatten)]
    pub item: ItemName,
    /// Its rank now.
    pub rank: usize,
    /// Its score now.
    pub score: f32,
    /// Its place without the edits.
    pub before: Before,
    /// What each edit alone changes about its score, for the edits that change it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moved_by: Vec<Moved>,
}

/// A reason: one part of a ledger.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Reason {
    /// The unit, as written in edits.
    pub unit: String,
    /// The reason in words.
    pub text: String,
    /// Its contribution to the score.
    pub value: f32,
}

/// The lists or ledgers of many users, written to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct RecommendAll {
    /// `limpid.recommend-all/1` or `limpid.explain-all/1`.
    pub schema: &'static str,
    /// The file.
    pub file: String,
    /// Number of users.
    pub users: usize,
    /// Number of rows: one per user and rank, or one per line of a ledger.
    pub rows: usize,
    /// Notes for the reader: items of the histories that were ignored.
    pub notes: Vec<String>,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Exported {
    /// `limpid.export/1`.
    pub schema: &'static str,
    /// What it is: `weights`, `embeddings`, `users`, `rules` or `similar`.
    pub what: &'static str,
    /// The model.
    pub model: &'static str,
    /// The files that were written; none on standard output.
    pub files: Vec<String>,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}
