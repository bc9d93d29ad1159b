//! `limpid explain`: why, why this rather than that, why not.

use serde::Serialize;

use super::ItemName;

/// Why an item has its score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// `limpid.explain/1`.
    pub schema: &'static str,
    /// The user, where known.
    pub user: Option<String>,
    /// The item.
    pub item: ItemName,
    /// Its place among what may be recommended; absent if it may not be.
    pub rank: Option<usize>,
    /// The ledger.
    pub ledger: LedgerAnswer,
    /// The edits at work.
    pub edits: String,
    /// In words.
    pub words: String,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// An event of the history that evidence rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CitedEvent {
    /// The item.
    #[serde(flatten)]
    pub item: ItemName,
    /// The behavior; absent where the data have only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behavior: Option<String>,
    /// Seconds since 1970; absent where the data have no times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<i64>,
}

/// A ledger in external ids: `base + Σ parts.value + residual = score`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LedgerAnswer {
    /// The score.
    pub score: f32,
    /// What every user gives.
    pub base: f32,
    /// The evidence, largest absolute value first.
    pub parts: Vec<PartAnswer>,
    /// What cannot be named.
    pub residual: f32,
    /// Entries that make up 80 % of the positive evidence.
    pub entries_for_80_percent: usize,
}

/// One part of a ledger in external ids.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartAnswer {
    /// The unit, as written in edits.
    pub unit: String,
    /// What the items of its group have in common: a label, read off the metadata.
    pub named: Option<String>,
    /// The kind of evidence: link, rule, neuron, pattern, text.
    pub kind: &'static str,
    /// How it reads.
    pub text: String,
    /// The rule's full definition, where it is one.
    pub rule: Option<String>,
    /// What the rule says beyond the reason: that the user lacks something, or how many of a group
    /// are needed. Lacking something never counts against or for the item by itself.
    pub definition: Option<String>,
    /// The events of the history that it rests on.
    pub cites: Vec<CitedEvent>,
    /// How strongly the unit is present.
    pub activation: f32,
    /// What one unit of activation does.
    pub effect: f32,
    /// Its share of the score.
    pub value: f32,
    /// The edit that changed it, if any.
    pub edited_by: Option<String>,
}

/// Why this rather than that.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContrastAnswer {
    /// `limpid.contrast/1`.
    pub schema: &'static str,
    /// The user, where known.
    pub user: Option<String>,
    /// The item.
    pub this: Standing,
    /// The other item.
    pub that: Standing,
    /// `this.score − that.score`, the sum of `base`, all differences and `residual`.
    pub difference: f32,
    /// Difference of the bases.
    pub base: f32,
    /// Base of `this`.
    pub this_base: f32,
    /// Base of `that`.
    pub that_base: f32,
    /// Unit by unit, largest absolute difference first.
    pub parts: Vec<ContrastLine>,
    /// Difference of the residuals.
    pub residual: f32,
    /// Residual of `this`.
    pub this_residual: f32,
    /// Residual of `that`.
    pub that_residual: f32,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// An item with its score and place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// The item.
    #[serde(flatten)]
    pub item: ItemName,
    /// Its score.
    pub score: f32,
    /// Its place; absent if it may not be recommended.
    pub rank: Option<usize>,
}

/// One unit in two ledgers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContrastLine {
    /// The unit.
    pub unit: String,
    /// How it reads.
    pub text: String,
    /// What it gives to the first.
    pub this: f32,
    /// What it gives to the second.
    pub that: f32,
    /// The difference.
    pub difference: f32,
}

/// Why not, and what would have to change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WhyNot {
    /// `limpid.why-not/1`.
    pub schema: &'static str,
    /// The user, where known.
    pub user: Option<String>,
    /// The item, its score and place now.
    pub item: Standing,
    /// Length of the list.
    pub n: usize,
    /// Whether it is in the list already; then the edits are those that push it out.
    pub already: bool,
    /// The score that it has to beat.
    pub bar: Option<f32>,
    /// The item that holds the last place of the list now.
    pub last: Option<Standing>,
    /// What speaks for it now.
    pub ledger: LedgerAnswer,
    /// The smallest edits that do it, each replayed through the model.
    pub counterfactuals: Vec<CounterfactualAnswer>,
    /// How many edited histories were scored.
    pub replayed: usize,
    /// Whether every single event was tried.
    pub exhaustive: bool,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// An edit of the history that does it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CounterfactualAnswer {
    /// Items to add.
    pub add: Vec<ItemName>,
    /// Items to remove.
    pub remove: Vec<ItemName>,
    /// The place after the edit.
    pub rank: usize,
    /// The score after the edit.
    pub score: f32,
    /// The score that it then has to beat; absent where the list has room.
    pub bar: Option<f32>,
    /// `proven smallest` or `smallest found`.
    pub smallest: &'static str,
}
