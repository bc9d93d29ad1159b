//! `limpid recommend` and `limpid similar`.

use serde::Serialize;

use super::ItemName;

/// A list for somebody.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendations {
    /// `limpid.recommend/1`.
    pub schema: &'static str,
    /// The user, where the list is for one who is known.
    pub user: Option<String>,
    /// Number of distinct items of the history that it rests on.
    pub history: usize,
    /// How many were asked for.
    pub asked: usize,
    /// The edits at work, as written.
    pub edits: String,
    /// The list, best first.
    pub items: Vec<Recommended>,
    /// What a reader should know: fewer items than asked for, no evidence, untrained items.
    pub notes: Vec<String>,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommended {
    /// Its place, from 1.
    pub rank: usize,
    /// The item.
    #[serde(flatten)]
    pub item: ItemName,
    /// Its score.
    pub score: f32,
    /// The strongest evidence for it, in short.
    pub because: Vec<Reason>,
}

/// A piece of evidence in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// The unit, as written in edits.
    pub unit: String,
    /// How it reads.
    pub text: String,
    /// Its share of the score.
    pub value: f32,
}

/// The lists of all users, written to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecommendAll {
    /// `limpid.recommend-all/1`.
    pub schema: &'static str,
    /// The file.
    pub file: String,
    /// Number of users.
    pub users: usize,
    /// Number of rows, one per user and rank.
    pub rows: usize,
}
