//! Rules over items: AND, OR, at-least-k, with negated literals; their text and evaluation.

pub mod compile;
pub mod minimize;
pub mod statistics;

use serde::{Deserialize, Serialize};

use crate::{Catalogue, ItemIdx};

/// An item that must be present or, if negated, absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Literal {
    /// The item.
    pub item: ItemIdx,
    /// Whether the item must be absent.
    pub negated: bool,
}

/// How the literals of a rule are joined.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// All literals must be true.
    And,
    /// At least one must be true.
    Or,
    /// At least this many must be true.
    AtLeast(u32),
}

/// A condition on the set of items a user has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// How the literals are joined.
    pub operator: Operator,
    /// The literals; an empty AND holds for all users, an empty OR for none.
    pub literals: Vec<Literal>,
}

impl Rule {
    /// "All of these."
    #[must_use]
    pub fn all(items: impl IntoIterator<Item = ItemIdx>) -> Self {
        Self::of(Operator::And, items)
    }

    /// "Any of these."
    #[must_use]
    pub fn any(items: impl IntoIterator<Item = ItemIdx>) -> Self {
        Self::of(Operator::Or, items)
    }

    /// "At least `k` of these."
    #[must_use]
    pub fn at_least(k: u32, items: impl IntoIterator<Item = ItemIdx>) -> Self {
        Self::of(Operator::AtLeast(k), items)
    }

    fn of(operator: Operator, items: impl IntoIterator<Item = ItemIdx>) -> Self {
        Self {
            operator,
            literals: items
                .into_iter()
                .map(|item| Literal {
                    item,
                    negated: false,
                })
                .collect(),
        }
    }

    /// The same rule with negated literals on `items` added (for AND).
    #[must_use]
    pub fn and_not(mut self, items: impl IntoIterator<Item = ItemIdx>) -> Self {
        self.literals.extend(items.into_iter().map(|item| Literal {
            item,
            negated: true,
        }));
        self
    }

    /// Whether it holds for a user who has the items for which `has` is true.
    #[must_use]
    pub fn holds(&self, has: impl Fn(ItemIdx) -> bool) -> bool {
        let mut truths = self.literals.iter().map(|l| has(l.item) != l.negated);
        match self.operator {
            Operator::And => truths.all(|t| t),
            Operator::Or => truths.any(|t| t),
            Operator::AtLeast(k) => truths.filter(|&t| t).count() >= k as usize,
        }
    }

    /// The items on which it rests for a user: those of its literals that are not negated and that the
    /// user has. None if it would hold without them too, because of absent items.
    #[must_use]
    pub fn rests_on(&self, has: impl Fn(ItemIdx) -> bool) -> Vec<ItemIdx> {
        let positive = self.literals.iter().filter(|l| !l.negated);
        let own: Vec<ItemIdx> = positive.map(|l| l.item).filter(|&i| has(i)).collect();
        match self.holds(|i| has(i) && !own.contains(&i)) {
            true => Vec::new(),
            false => own,
        }
    }

    /// Its text with titles: `Toy Story ∧ ¬Scream`, `any of {…}`, `at least 2 of {…}`.
    #[must_use]
    pub fn text(&self, catalogue: &Catalogue) -> String {
        let literals: Vec<String> = self
            .literals
            .iter()
            .map(|l| {
                let sign = if l.negated { "¬" } else { "" };
                format!("{sign}{}", catalogue.title(l.item))
            })
            .collect();
        match (self.operator, literals.len()) {
            (Operator::And, 0) => "always".to_owned(),
            (Operator::Or, 0) => "never".to_owned(),
            (Operator::And | Operator::Or, 1) => literals[0].clone(),
            (Operator::And, _) => literals.join(" ∧ "),
            (Operator::Or, _) => format!("any of {{{}}}", literals.join(", ")),
            (Operator::AtLeast(k), _) => format!("at least {k} of {{{}}}", literals.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ids;

    #[test]
    fn truth_and_text() {
        let c =
            Catalogue::of_items(Ids::from_names(vec!["A".into(), "B".into(), "C".into()]).unwrap());
        let (a, b, x) = (ItemIdx(0), ItemIdx(1), ItemIdx(2));
        let has = |i: ItemIdx| i != x;
        let and = Rule::all([a]).and_not([x]);
        assert!(and.holds(has));
        assert_eq!(and.text(&c), "A ∧ ¬C");
        assert!(Rule::any([x, b]).holds(has));
        assert!(!Rule::any([x]).holds(has));
        assert!(Rule::at_least(2, [a, b, x]).holds(has));
        assert!(!Rule::at_least(3, [a, b, x]).holds(has));
        assert_eq!(Rule::at_least(2, [a, b]).text(&c), "at least 2 of {A, B}");
        assert!(Rule::all([]).holds(has));
        assert!(!Rule::any([]).holds(has));
        assert_eq!(and.rests_on(has), [a]);
        // "A or not C" holds without A, as long as C is absent.
        let or = Rule {
            operator: Operator::Or,
            ..and.clone()
        };
        assert!(or.rests_on(has).is_empty());
        assert_eq!(or.rests_on(|_| true), [a]);
        assert_eq!(Rule::at_least(1, [a, b, x]).rests_on(has), [a, b]);
        assert_eq!(Rule::any([a, b]).text(&c), "any of {A, B}");
    }
}
