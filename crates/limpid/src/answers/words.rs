//! `limpid explain --words` and `limpid narrate`.

use limpid_insight::narrate::{Clause, Line, Question};
use serde::Serialize;

use super::ItemName;
use crate::narrate::Spent;

/// Reasons for and against an item, in words.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct WordsAnswer {
    /// `limpid.words/1`.
    pub schema: &'static str,
    /// What the text answers: `why`, `why_not` or `instead`.
    pub question: Question,
    /// The user, where known.
    pub user: Option<String>,
    /// The item.
    pub item: ItemName,
    /// The other item, of `instead`; null otherwise.
    pub other: Option<ItemName>,
    /// The edits that were applied.
    pub edits: String,
    /// `label`, `paragraph` or `audit`.
    pub tone: &'static str,
    /// The language of the templates, or their file.
    pub language: String,
    /// Who wrote the text: `templates …` or the name of a language model.
    pub by: String,
    /// Why the text of the language model was not taken; null otherwise.
    pub refused: Option<String>,
    /// What supports the item, clause by clause, each with the ids of the lines that it tells.
    #[serde(rename = "for")]
    pub favor: Vec<Clause>,
    /// What opposes it.
    pub against: Vec<Clause>,
    /// What would change it.
    pub change: Vec<Clause>,
    /// The lines of the ledger, by id.
    pub evidence: Vec<Line>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// Texts of many users that were written to a file.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Narrated {
    /// `limpid.narrate/1`.
    pub schema: &'static str,
    /// The file.
    pub file: String,
    /// Number of users.
    pub users: usize,
    /// Number of texts.
    pub texts: usize,
    /// What the language model cost, and what became of its texts; null without one.
    pub language_model: Option<Spent>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}
