//! `limpid explain`: why, why this rather than that, why not.

use std::sync::Arc;

use serde::Serialize;

use super::ItemName;

/// The ledger of an item.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Explanation {
    /// `limpid.explain/1`.
    pub schema: &'static str,
    /// The user, where known.
    pub user: Option<String>,
    /// The item.
    pub item: ItemName,
    /// Its rank among the items that may be recommended; null if it may not be.
    pub rank: Option<usize>,
    /// The probability that it is the next one, of a model whose scores are log odds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<Probability>,
    /// The ledger.
    pub ledger: LedgerAnswer,
    /// The edits that were applied.
    pub edits: String,
    /// The ledger as a sentence.
    pub words: String,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// A probability with what it is to be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Probability {
    /// The probability that the item is the next one.
    pub value: f64,
    /// `continue`: the history has earlier events on the item; `discover`: it has none.
    pub kind: &'static str,
    /// Number of items of this kind that may be recommended.
    pub items: usize,
    /// Their mean probability.
    pub mean_of_kind: f64,
}

/// An event of the history that evidence cites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LedgerAnswer {
    /// The score.
    pub score: f32,
    /// The base, which is the same for all users.
    pub base: f32,
    /// The evidence, largest absolute value first.
    pub parts: Vec<PartAnswer>,
    /// The residual, which no part explains.
    pub residual: f32,
    /// Parts that cover 80 % of the supporting evidence.
    pub entries_for_80_percent: usize,
}

/// One part of a ledger in external ids.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct PartAnswer {
    /// The unit, as written in edits.
    pub unit: String,
    /// What the items of its group have in common: a label from the metadata.
    pub named: Option<String>,
    /// The kind of evidence: link, rule, neuron, pattern, text.
    pub kind: &'static str,
    /// The reason in words.
    pub text: String,
    /// The rule's full definition, where it is one: ¬ delimits the case, and does not say that the item
    /// would lower the score (see `alternatives`).
    pub rule: Option<String>,
    /// What further items of its rule or group would change, in words; null where none would.
    pub definition: Option<String>,
    /// Items of its rule or group that the user does not have and that would change the score, largest
    /// change first.
    pub alternatives: Vec<AlternativeAnswer>,
    /// The events of the history on which the value rests, all of them named in `text`; without them it
    /// is 0.
    pub cites: Arc<[CitedEvent]>,
    /// Activation of the unit.
    pub activation: f32,
    /// Weight: contribution per unit of activation.
    pub effect: f32,
    /// Contribution to the score.
    pub value: f32,
    /// The edits that changed it, if any.
    pub edited_by: Option<String>,
}

/// What one more item in the history would change.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct AlternativeAnswer {
    /// The item.
    #[serde(flatten)]
    pub item: ItemName,
    /// The change of the score, if the user had it too.
    pub change: f32,
}

/// The difference of two ledgers.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ContrastAnswer {
    /// `limpid.contrast/1`.
    pub schema: &'static str,
    /// The user, where known.
    pub user: Option<String>,
    /// The item.
    pub this: Standing,
    /// The other item.
    pub that: Standing,
    /// The edits that were applied.
    pub edits: String,
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
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// An item with its score and rank.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Standing {
    /// The item.
    #[serde(flatten)]
    pub item: ItemName,
    /// Its score.
    pub score: f32,
    /// Its rank; null if it may not be recommended.
    pub rank: Option<usize>,
}

/// One unit in two ledgers.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ContrastLine {
    /// The unit.
    pub unit: String,
    /// The reason in words.
    pub text: String,
    /// Contribution to the first score.
    pub this: f32,
    /// Contribution to the second score.
    pub that: f32,
    /// The difference.
    pub difference: f32,
    /// The edits that changed it, if any.
    pub edited_by: Option<String>,
}

/// Why an item is not in a list, and the changes of the history that move it in.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct WhyNot {
    /// `limpid.why-not/1`.
    pub schema: &'static str,
    /// The user, where known.
    pub user: Option<String>,
    /// The item with its current score and rank.
    pub item: Standing,
    /// Length of the list.
    pub n: usize,
    /// Whether it is already in the list; then the changes move it out.
    pub already: bool,
    /// The edits of units that were applied.
    pub edits: String,
    /// The threshold: the score to beat.
    pub bar: Option<f32>,
    /// The item at the last rank of the list.
    pub last: Option<Standing>,
    /// The current ledger of the item.
    pub ledger: LedgerAnswer,
    /// The smallest changes of the history that do so, each replayed through the model: fewest events
    /// first, of one size the most plausible.
    pub counterfactuals: Vec<CounterfactualAnswer>,
    /// What is missing, where no change raises the item into the list; null otherwise.
    pub missing: Option<MissingAnswer>,
    /// Whether scores depend on the history at all; if not, no change was searched.
    pub responds: bool,
    /// The largest number of events in one change.
    pub max_edits: usize,
    /// No change of up to this many events does so, except those that only make room.
    pub ruled_out: usize,
    /// How many edited histories were scored.
    pub replayed: usize,
    /// Whether all changes of a single event were compared.
    pub exhaustive: bool,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// An item whose events are added or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ChangedItem {
    /// The item.
    #[serde(flatten)]
    pub item: ItemName,
    /// The behavior, if only events of one are meant; otherwise the target behavior is added, or all events are
    /// removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behavior: Option<String>,
}

impl ChangedItem {
    /// The title, with the behavior.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.behavior {
            Some(behavior) => format!("{} ({behavior})", self.item.title),
            None => self.item.title.clone(),
        }
    }
}

/// A change of the history that moves the item.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct CounterfactualAnswer {
    /// Events to add.
    pub add: Vec<ChangedItem>,
    /// Events to remove.
    pub remove: Vec<ChangedItem>,
    /// The rank after the change.
    pub rank: usize,
    /// The score after the change.
    pub score: f32,
    /// The threshold after the change; null where the list has room.
    pub bar: Option<f32>,
    /// `proven smallest`, `smallest of its kind` (of additions or removals only) or `smallest found`.
    pub smallest: &'static str,
    /// How plausible it is: the sum of the log odds that users with such histories have what is added,
    /// and do not have what is removed.
    pub plausibility: f64,
    /// Whether it adds an item of the list, which leaves the list then, and so makes room.
    pub makes_room: bool,
}

/// What an item misses to enter the list.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct MissingAnswer {
    /// The score that is missing to the last rank of the list; null where the list has room.
    pub gap: Option<f32>,
    /// The strongest reasons that the items of the list have and this one lacks.
    pub lacking: Vec<LackingAnswer>,
    /// The changes of a single event that come nearest, replayed.
    pub nearest: Vec<CounterfactualAnswer>,
}

/// A reason that the items of the list have and an item lacks.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LackingAnswer {
    /// The unit.
    pub unit: String,
    /// The reason in words, as for the listed item that it supports most.
    pub text: String,
    /// Its contribution to the score of the item.
    pub this: f32,
    /// Its mean contribution over the items of the list (the best 20).
    pub listed: f32,
    /// How many of them it supports.
    pub supports: usize,
}
