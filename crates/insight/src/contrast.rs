//! Contrastive explanations: the difference of two ledgers.

use std::collections::BTreeMap;

use limpid_core::{Ledger, Unit};

/// One unit in two ledgers.
#[derive(Debug, Clone, PartialEq)]
pub struct ContrastPart {
    /// The unit.
    pub unit: Unit,
    /// Its contribution to the score of the first item.
    pub this: f32,
    /// Its contribution to the score of the second item.
    pub that: f32,
    /// `this − that`; positive supports the first item.
    pub difference: f32,
}

/// The difference of two ledgers of one user.
///
/// Law: `base + Σ parts.difference + residual == this.score − that.score`.
#[derive(Debug, Clone, PartialEq)]
pub struct Contrast {
    /// The ledger of the first item.
    pub this: Ledger,
    /// The ledger of the second.
    pub that: Ledger,
    /// Difference of the bases.
    pub base: f32,
    /// Every unit of either ledger, largest absolute difference first.
    pub parts: Vec<ContrastPart>,
    /// Difference of the residuals.
    pub residual: f32,
}

impl Contrast {
    /// Difference of the scores.
    #[must_use]
    pub fn difference(&self) -> f32 {
        self.this.score - self.that.score
    }
}

/// Subtracts two ledgers of one user, unit by unit.
#[must_use]
pub fn contrast(this: Ledger, that: Ledger) -> Contrast {
    let mut units: BTreeMap<Unit, (f32, f32)> = BTreeMap::new();
    for part in &this.parts {
        units.entry(part.unit).or_default().0 += part.value;
    }
    for part in &that.parts {
        units.entry(part.unit).or_default().1 += part.value;
    }
    let mut parts: Vec<ContrastPart> = units
        .into_iter()
        .map(|(unit, (a, b))| ContrastPart {
            unit,
            this: a,
            that: b,
            difference: a - b,
        })
        .collect();
    parts.sort_by(|a, b| {
        b.difference
            .abs()
            .total_cmp(&a.difference.abs())
            .then(a.unit.cmp(&b.unit))
    });
    Contrast {
        base: this.base - that.base,
        residual: this.residual - that.residual,
        parts,
        this,
        that,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{ItemIdx, Part};

    fn ledger(values: &[(u32, f32)]) -> Ledger {
        let part =
            |&(i, value): &(u32, f32)| Part::new(Unit::event(ItemIdx(i)), 1.0, value, [].into());
        Ledger::of_parts(0.5, values.iter().map(part).collect())
    }

    #[test]
    fn differences_add_up() {
        let c = contrast(ledger(&[(1, 2.0), (2, 1.0)]), ledger(&[(2, 4.0), (3, 0.5)]));
        let of: Vec<(Unit, f32)> = c.parts.iter().map(|p| (p.unit, p.difference)).collect();
        let link = |i| Unit::event(ItemIdx(i));
        assert_eq!(of, [(link(2), -3.0), (link(1), 2.0), (link(3), -0.5)]);
        let sum: f32 = c.base + c.parts.iter().map(|p| p.difference).sum::<f32>() + c.residual;
        assert_eq!(sum, c.difference());
        let same = contrast(ledger(&[(1, 1.0)]), ledger(&[(1, 1.0)]));
        assert!(same.parts.iter().all(|p| p.difference == 0.0));
    }
}
