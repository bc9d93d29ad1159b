//! The ledger: a score as a sum that can be read.

use serde::{Deserialize, Serialize};

use crate::{Event, Unit, rules::Rule};

/// What kind of evidence a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// An item of the history speaks for (or against) the target.
    Link,
    /// A rule over items holds.
    Rule,
    /// A neuron of a dictionary fires.
    Neuron,
    /// How many people have the target.
    Popularity,
}

/// One named piece of evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is called and how it is switched.
    pub unit: Unit,
    /// What kind of evidence it is.
    pub kind: PartKind,
    /// The rule behind it, where it is one.
    pub rule: Option<Rule>,
    /// The events of the history that it rests on.
    pub cites: Vec<Event>,
    /// How strongly the unit is present for this user, after edits.
    pub activation: f32,
    /// What one unit of activation does to the score of the target.
    pub effect: f32,
    /// `activation × effect`: its share of the score.
    pub value: f32,
    /// Whether somebody's edit changed the activation.
    pub edited_by: Option<String>,
}

/// Why one item has its score for one user.
///
/// Law: `base + Σ parts.value + residual == score` within 1e-5 of the score's size. What cannot be
/// named stands in `residual` and is shown, never hidden.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger {
    /// The score, as the model gives it.
    pub score: f32,
    /// What the item gets from every user.
    pub base: f32,
    /// The evidence, largest absolute value first.
    pub parts: Vec<Part>,
    /// The rest of the score.
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

    /// `score − (base + parts + residual)`, computed in double precision.
    #[must_use]
    pub fn additivity_error(&self) -> f64 {
        let parts: f64 = self.parts.iter().map(|p| f64::from(p.value)).sum();
        f64::from(self.score) - (f64::from(self.base) + parts + f64::from(self.residual))
    }

    /// What errors are relative to: the largest of |score|, Σ|parts| and a floor of 1e-3.
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

    /// How many parts, the largest first, make up `share` of the positive evidence: the concision
    /// of an explanation. 0 where nothing speaks for the item.
    #[must_use]
    pub fn entries_for_positive(&self, share: f64) -> usize {
        entries_for(
            self.parts.iter().map(|p| p.value).filter(|&v| v > 0.0),
            share,
        )
    }

    /// How many parts, the largest first, make up `share` of the absolute evidence.
    #[must_use]
    pub fn entries_for_absolute(&self, share: f64) -> usize {
        entries_for(self.parts.iter().map(|p| p.value.abs()), share)
    }
}

/// How many of the values, the largest first, make up `share` of their sum.
#[must_use]
pub fn entries_for(values: impl Iterator<Item = f32>, share: f64) -> usize {
    let mut values: Vec<f64> = values.map(f64::from).filter(|&v| v > 0.0).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    let wanted = share * values.iter().sum::<f64>();
    let mut sum = 0.0;
    for (at, value) in values.iter().enumerate() {
        sum += value;
        // The slack keeps a share of 1 from asking for more than everything.
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
        Part {
            unit: Unit::Link(ItemIdx(item)),
            kind: PartKind::Link,
            rule: None,
            cites: vec![Event::of(ItemIdx(item))],
            activation: 1.0,
            effect: value,
            value,
            edited_by: None,
        }
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
