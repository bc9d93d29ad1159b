//! The ledger: a score as a sum of named contributions.

use std::sync::Arc;

use crate::{Event, ItemIdx, Unit, rules::Rule};

/// What one more item in the history would change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alternative {
    /// An item that the user does not have.
    pub item: ItemIdx,
    /// The change of the score if they had it too; never 0.
    pub change: f32,
}

/// One named piece of evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The unit.
    pub unit: Unit,
    /// The rule, if the unit is one.
    pub rule: Option<Rule>,
    /// Every event of the history on which the value rests, with item, behavior and time. Law: without
    /// the events on these items, the value is 0. Empty if it rests on no event of the history.
    /// Shared, because the parts of a ledger may all rest on the whole history.
    pub cites: Arc<[Event]>,
    /// Items of its group or rule that the user does not have and that would change the score, largest
    /// change first. Only lines ([`Detail::Lines`](crate::Detail::Lines)) over groups and rules have them.
    pub alternatives: Vec<Alternative>,
    /// The activation of the unit for this user, after edits.
    pub activation: f32,
    /// The change of the target's score per unit of activation.
    pub effect: f32,
    /// `activation × effect`: its contribution to the score.
    pub value: f32,
    /// The edit that changed this part, as written; `None` if no edit did.
    pub edited_by: Option<String>,
    /// What the unit says of this item to this user, where it is a text.
    pub text: Option<String>,
}

impl Part {
    /// A part with `value = activation × effect` and no edit.
    #[must_use]
    pub fn new(unit: Unit, activation: f32, effect: f32, cites: Arc<[Event]>) -> Self {
        Self {
            unit,
            rule: None,
            cites,
            alternatives: Vec::new(),
            activation,
            effect,
            value: activation * effect,
            edited_by: None,
            text: None,
        }
    }

    /// The same part with the rule of its unit.
    #[must_use]
    pub fn with_rule(mut self, rule: Option<Rule>) -> Self {
        self.rule = rule;
        self
    }

    /// The same part with what further items would change.
    #[must_use]
    pub fn with_alternatives(mut self, alternatives: Vec<Alternative>) -> Self {
        self.alternatives = alternatives;
        self
    }
}

/// The explanation of one item's score for one user.
///
/// Law: `base + Σ parts.value + residual == score` within 1e-5 of the [size](Self::size). Unexplained
/// evidence is in `residual`, which is always shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger {
    /// The score, as the model gives it.
    pub score: f32,
    /// The part of the score that is the same for all users.
    pub base: f32,
    /// The evidence, largest absolute value first.
    pub parts: Vec<Part>,
    /// The part of the score that no unit explains.
    pub residual: f32,
}

impl Ledger {
    /// A ledger whose score is the sum of its parts, sorted.
    #[must_use]
    pub fn of_parts(base: f32, mut parts: Vec<Part>) -> Self {
        parts.sort_by(|a, b| {
            b.value
                .abs()
                .total_cmp(&a.value.abs())
                .then(a.unit.cmp(&b.unit))
        });
        let sum: f64 = f64::from(base) + parts.iter().map(|p| f64::from(p.value)).sum::<f64>();
        Self {
            score: sum as f32,
            base,
            parts,
            residual: 0.0,
        }
    }

    /// The same parts with the score of the model; the difference is the residual.
    #[must_use]
    pub fn scored(mut self, score: f32) -> Self {
        let named: f64 = self.parts.iter().map(|p| f64::from(p.value)).sum();
        self.residual = (f64::from(score) - f64::from(self.base) - named) as f32;
        self.score = score;
        self
    }

    /// `score − (base + parts + residual)`, computed in double precision.
    #[must_use]
    pub fn additivity_error(&self) -> f64 {
        let parts: f64 = self.parts.iter().map(|p| f64::from(p.value)).sum();
        f64::from(self.score) - (f64::from(self.base) + parts + f64::from(self.residual))
    }

    /// The scale of relative errors: the largest of |score|, Σ|parts| and 1e-3.
    #[must_use]
    pub fn size(&self) -> f64 {
        let parts: f64 = self.parts.iter().map(|p| f64::from(p.value.abs())).sum();
        parts.max(f64::from(self.score.abs())).max(1e-3)
    }

    /// Whether the law holds within `tolerance`, relative to the [size](Self::size).
    #[must_use]
    pub fn adds_up(&self, tolerance: f64) -> bool {
        self.additivity_error().abs() <= tolerance * self.size()
    }

    /// The sum of all positive parts.
    #[must_use]
    pub fn positive_evidence(&self) -> f64 {
        self.parts.iter().map(|p| f64::from(p.value.max(0.0))).sum()
    }

    /// How many parts, largest first, cover `share` of the supporting evidence: the concision
    /// of an explanation. 0 if no part supports the item.
    #[must_use]
    pub fn entries_for_positive(&self, share: f64) -> usize {
        entries_for(
            self.parts.iter().map(|p| p.value).filter(|&v| v > 0.0),
            share,
        )
    }

    /// How many parts, largest first, cover `share` of the absolute evidence.
    #[must_use]
    pub fn entries_for_absolute(&self, share: f64) -> usize {
        entries_for(self.parts.iter().map(|p| p.value.abs()), share)
    }
}

/// How many of the values, largest first, cover `share` of their sum.
#[must_use]
pub fn entries_for(values: impl Iterator<Item = f32>, share: f64) -> usize {
    let mut values: Vec<f64> = values.map(f64::from).filter(|&v| v > 0.0).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    let wanted = share * values.iter().sum::<f64>();
    let mut sum = 0.0;
    for (at, value) in values.iter().enumerate() {
        sum += value;
        // The slack absorbs rounding errors, so that a share of 1 can be reached.
        if sum >= wanted - 1e-9 * wanted.abs() {
            return at + 1;
        }
    }
    values.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ItemIdx;

    fn part(item: u32, value: f32) -> Part {
        let item = ItemIdx(item);
        Part::new(Unit::event(item), 1.0, value, [Event::of(item)].into())
    }

    #[test]
    fn sums_and_shares() {
        let l = Ledger::of_parts(0.5, vec![part(0, 1.0), part(1, -3.0), part(2, 4.0)]);
        assert_eq!(l.score, 2.5);
        assert!(l.adds_up(1e-5));
        assert_eq!(l.parts[0].value, 4.0);
        assert_eq!(l.parts[1].value, -3.0);
        assert_eq!(l.positive_evidence(), 5.0);
        assert_eq!(l.entries_for_positive(0.8), 1);
        assert_eq!(l.entries_for_positive(0.81), 2);
        assert_eq!(l.entries_for_absolute(0.8), 2);
        assert_eq!(l.entries_for_absolute(1.0), 3);
        assert_eq!(Ledger::default().entries_for_positive(0.8), 0);
        let hidden = Ledger { score: 3.0, ..l };
        assert!(!hidden.adds_up(1e-5));
    }
}
